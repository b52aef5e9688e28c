"""Faults of the optimisation: step size, sign, schedule, batch, clipping."""

import keras
import numpy as np
from keras import layers, ops
from keras.optimizers import SGD, Adam, RMSprop
from keras.optimizers.schedules import CosineDecay, ExponentialDecay, InverseTimeDecay, PiecewiseConstantDecay

from benchmarks.zoo import samples
from benchmarks.zoo.own_step import Accumulating, own
from benchmarks.zoo.program import faulty
from benchmarks.zoo.training import binary, classifier, log_score, network, outputs, regression, replaced
from thalweg import Family

FAMILY = Family.OPTIMISATION
# A step size that is wrong by orders of magnitude *is* an update out of scale (P001); that a run diverged
# (L002) or oscillates (L003) is what the words "rate too high" mean where nothing else is wrong.
TOO_HIGH = "P003 P001 L002 L003"
TOO_LOW = "P004 P001"


@faulty(FAMILY, TOO_HIGH, fault={"rate": 1.0}, twin={"rate": 2e-3})
def adam_with_a_rate_of_one(rng, rate):
    """SGD's rate, given to Adam."""
    return classifier(network(64, 32, 32, 10), samples.digits(rng), Adam(rate), epochs=10)


@faulty(FAMILY, TOO_HIGH, fault={"rate": 0.1}, twin={"rate": 3e-3})
def adam_that_jitters(rng, rate):
    """Thirty times too high: it learns, and shakes."""
    return regression(network(10, 64, 64, 1, end=None), samples.friedman(rng), Adam(rate), epochs=15)


@faulty(FAMILY, f"{TOO_HIGH} A001", fault={"rate": 5.0}, twin={"rate": 0.1})
def stuck_after_the_first_jump(rng, rate):
    """One step, and every unit is dead (A001)."""
    return classifier(network(64, 32, 32, 10), samples.digits(rng), SGD(rate), epochs=10)


@faulty(FAMILY, f"{TOO_HIGH} P007 N001 G003", fault={"rate": 0.8}, twin={"rate": 0.02})
def a_linear_model_that_diverges(rng, rate):
    """Beyond two over the curvature every step climbs (P007), to infinity (N001, G003)."""
    data = samples.linear(rng)
    return regression(network(10, 1, end=None), data, SGD(rate, momentum=0.5), epochs=15, batch_size=8)


@faulty(FAMILY, f"{TOO_HIGH} P007", fault={"rate": 0.8}, twin={"rate": 0.2})
def a_quadratic_that_oscillates(rng, rate):
    """The whole data in a batch, and a rate at the edge."""
    data = samples.linear(rng, noise=0.2)
    return regression(network(10, 1, end=None), data, SGD(rate), epochs=40, batch_size=600)


@faulty(FAMILY, TOO_HIGH, fault={"momentum": 0.998}, twin={"momentum": 0.9})
def too_much_momentum(rng, momentum):
    """Five hundred steps of memory in a run of three hundred."""
    return classifier(network(64, 32, 10), samples.digits(rng), SGD(0.02, momentum=momentum), epochs=12)


@faulty(FAMILY, TOO_HIGH, fault={"rate": 0.3}, twin={"rate": 5e-3})
def a_recurrent_network_too_fast(rng, rate):
    """RMSprop throws an LSTM about."""
    model = keras.Sequential([keras.Input((20, 1)), layers.LSTM(16), layers.Dense(3, activation="softmax")])
    return classifier(model, samples.waves(rng), RMSprop(rate), epochs=8)


@faulty(FAMILY, TOO_LOW, fault={"rate": 1e-6}, twin={"rate": 3e-3})
def adam_with_a_rate_of_a_millionth(rng, rate):
    """One zero too many, thrice."""
    return classifier(network(64, 32, 10), samples.digits(rng), Adam(rate), epochs=10)


@faulty(FAMILY, TOO_LOW, fault={"rate": 1e-5}, twin={"rate": 0.1})
def sgd_with_adams_rate(rng, rate):
    """A rate that Adam might have liked."""
    return classifier(network(64, 32, 10), samples.digits(rng), SGD(rate), epochs=12)


@faulty(FAMILY, TOO_LOW, fault={"epsilon": 1e3}, twin={"epsilon": 1e-7})
def a_huge_epsilon(rng, epsilon):
    """Every update of Adam divided by a thousand more than it should be."""
    return regression(
        network(10, 32, 1, end=None), samples.friedman(rng), Adam(5e-3, epsilon=epsilon), epochs=12
    )


@faulty(FAMILY, TOO_LOW, fault={"weight": 1e-5}, twin={"weight": 1.0})
def a_loss_weighted_to_nothing(rng, weight):
    """`loss_weights` for an output that has no rival."""
    training = binary(network(2, 32, 1, end="sigmoid"), samples.moons(rng), epochs=15)
    training.model.compile(SGD(0.3), "binary_crossentropy", loss_weights=[weight])
    return training


def gained(y, answer):
    """The negative of a squared error, by someone who thought of it as a score."""
    return -ops.mean(ops.square(ops.reshape(y, (-1, 1)) - answer))


def lost(y, answer):
    """The squared error."""
    return -gained(y, answer)


@faulty(FAMILY, "P007 L002 O006", fault={"loss": gained}, twin={"loss": lost})
def a_score_that_is_minimised(rng, loss):
    """The loss falls without end, and away from the targets. No loss should be negative here (O006)."""
    return regression(network(10, 16, 1, end=None), samples.friedman(rng), Adam(5e-3), loss, epochs=12)


@faulty(FAMILY, "P007 L002", fault={"rate": -0.02}, twin={"rate": 0.02})
def a_negative_rate(rng, rate):
    """Uphill, step by step."""
    return classifier(network(64, 32, 10), samples.digits(rng), SGD(rate, momentum=0.9), epochs=10)


@faulty(FAMILY, "P008 P003 P001 L003", fault={"batch_size": 1}, twin={"batch_size": 32})
def a_batch_of_one_with_momentum(rng, batch_size):
    """Ten steps of memory, each of one example: the noise takes over, and a lower rate would bear it (P003)."""
    model, optimizer = network(10, 16, 1, end=None), SGD(0.02, momentum=0.9)
    epochs = 2 if batch_size == 1 else 30  # enough for both to be where they end
    return regression(model, samples.friedman(rng), optimizer, epochs=epochs, batch_size=batch_size)


@faulty(FAMILY, "P008 P003 P001 L003", fault={"batch_size": 2}, twin={"batch_size": 64}, true="L004 V001")
def adam_on_two_examples(rng, batch_size):
    """Noisy labels, two at a time, at a rate for sixty-four."""
    data, epochs = samples.clusters(rng, flip_y=0.3, classes=3), 3 if batch_size == 2 else 20
    return classifier(network(20, 16, 3), data, Adam(3e-2), epochs=epochs, batch_size=batch_size)


@faulty(FAMILY, "P005", fault={"steps": 8}, twin={"steps": 400})
def a_schedule_counted_in_epochs(rng, steps):
    """`decay_steps` are steps; someone thought of epochs."""
    schedule = ExponentialDecay(0.1, steps, 0.5)
    return classifier(network(64, 32, 10), samples.digits(rng), SGD(schedule), epochs=14)


@faulty(FAMILY, "P005", fault={"steps": 15}, twin={"steps": 285})
def a_cosine_that_ends_at_once(rng, steps):
    """Zero from the first epoch on."""
    schedule = CosineDecay(5e-3, steps)
    return regression(network(10, 32, 1, end=None), samples.friedman(rng), Adam(schedule), epochs=15)


@faulty(FAMILY, "P005", fault={"every": 0.5}, twin={"every": 100.0})
def inverse_time_too_soon(rng, every):
    """A hundredth of the rate after fifty steps."""
    schedule = InverseTimeDecay(0.1, every, 4.0)
    return classifier(network(64, 32, 10), samples.digits(rng), SGD(schedule), epochs=12)


@faulty(FAMILY, "P005", fault={"first": 6}, twin={"first": 300})
def steps_that_fall_too_early(rng, first):
    """The boundaries of a piecewise schedule, in epochs."""
    schedule = PiecewiseConstantDecay([first, first + 4], [0.1, 1e-3, 1e-5])
    return classifier(network(64, 32, 10), samples.digits(rng), SGD(schedule, momentum=0.9), epochs=14)


@faulty(FAMILY, "P005", fault={"current": True}, twin={"current": False})
def a_factor_that_multiplies_up(rng, current):
    """`rate * 0.8**epoch` of the current rate, where the first one was meant."""

    def lower(epoch, rate):
        return (rate if current else 0.05) * 0.8**epoch

    data, epochs, called = samples.digits(rng), 20, [keras.callbacks.LearningRateScheduler(lower)]
    return classifier(network(64, 32, 10), data, SGD(0.05), epochs=epochs, callbacks=called)


@keras.saving.register_keras_serializable("zoo")
class Noam(keras.optimizers.schedules.LearningRateSchedule):
    """Up over the warm-up, then down with the root of the step."""

    def __init__(self, width, warmup_steps):
        self.width, self.warmup_steps = width, warmup_steps

    def __call__(self, step):
        step = ops.cast(step, "float32") + 1.0
        return self.width**-0.5 * ops.minimum(step**-0.5, step * self.warmup_steps**-1.5)

    def get_config(self):
        return {"width": self.width, "warmup_steps": self.warmup_steps}


@faulty(FAMILY, "P009", fault={"warm": 40_000}, twin={"warm": 60})
def a_warm_up_longer_than_the_run(rng, warm):
    """The warm-up of a large transformer, in a run of four hundred steps."""
    return classifier(network(64, 32, 32, 10), samples.digits(rng), Adam(Noam(64, warm)), epochs=12)


@faulty(FAMILY, "P006 P004", fault={"norm": 1e-3}, twin={"norm": 5.0})
def clipped_to_nothing(rng, norm):
    """Every gradient is cut to a thousandth."""
    optimizer = SGD(0.1, global_clipnorm=norm)
    return classifier(network(64, 32, 10), samples.digits(rng), optimizer, epochs=12)


@faulty(FAMILY, "P006 P004", fault={"value": 1e-5}, twin={"value": 1.0})
def clipped_by_value(rng, value):
    """Every entry of every gradient is at its bound."""
    optimizer = SGD(0.05, clipvalue=value)
    return regression(network(10, 32, 1, end=None), samples.friedman(rng), optimizer, epochs=15)


@faulty(FAMILY, "G003 G001 P003 P001", fault={"clip": None}, twin={"clip": 1.0}, good=False)
def recurrent_gradients_unclipped(rng, clip):
    """Twenty steps back through a recurrence that grows. A lower rate mends it as well as clipping (P003).

    The twin still begins with a loss of a thousand times the targets' variance.
    """
    start = keras.initializers.Orthogonal(1.35)
    cell = layers.SimpleRNN(24, activation="relu", recurrent_initializer=start)
    model = keras.Sequential([keras.Input((20, 1)), cell, layers.Dense(1)])
    return regression(model, samples.sums(rng), SGD(0.02, global_clipnorm=clip), epochs=12)


@faulty(FAMILY, "G003 G001 P003 P001 N001", fault={"clip": None}, twin={"clip": 0.5})
def one_wild_target_unclipped(rng, clip):
    """A few targets of hundreds: their gradients undo an epoch (N001 where they overflow)."""
    data = samples.friedman(rng)
    data.y[rng.integers(0, 600, 4)] *= 2000.0
    return regression(network(10, 32, 1, end=None), data, SGD(0.02, global_clipnorm=clip), epochs=15)


@faulty(FAMILY, "P007", fault={"emptied": False}, twin={"emptied": True})
def gradients_never_set_to_zero(rng, emptied):
    """A training step of one's own without `zero_grad`: every step goes along all gradients that ever were."""
    model = own(Accumulating, network(10, 32, 1, end=None), every=1, emptied=emptied)
    return regression(model, samples.friedman(rng), SGD(0.05), epochs=15)


@faulty(FAMILY, "P007", fault={"emptied": False}, twin={"emptied": True})
def a_sum_that_is_never_emptied(rng, emptied):
    """Gradients of four batches are added up and applied, and the sum goes on from there."""
    model, data = own(Accumulating, network(64, 32, 10), every=4, emptied=emptied), samples.digits(rng)
    training = classifier(model, data, SGD(0.1), epochs=20)
    return replaced(training, lambda: log_score(model, data))


class ByHand(keras.optimizers.Optimizer):
    """Gradient descent by hand; with the other sign it climbs."""

    def __init__(self, learning_rate, sign, **kwargs):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.sign = sign

    def update_step(self, gradient, variable, learning_rate):
        """One step of one variable."""
        step = ops.cast(learning_rate, variable.dtype) * gradient
        self.assign_add(variable, self.sign * step)


@faulty(FAMILY, "P007", fault={"sign": 1.0}, twin={"sign": -1.0})
def an_update_that_is_added(rng, sign):
    """An optimizer of one's own that adds the gradient: a run that climbs, step by small step."""
    optimizer = ByHand(0.005, sign)
    return regression(network(10, 1, end=None), samples.linear(rng), optimizer, epochs=10)


def turned_away(y, answer):
    """One minus the cosine, by someone who did not know that Keras's loss is the negative of it already."""
    return 1.0 - keras.losses.cosine_similarity(y, answer)


def turned_towards(y, answer):
    """One minus the cosine."""
    return 1.0 + keras.losses.cosine_similarity(y, answer)


@faulty(FAMILY, "P007", fault={"loss": turned_away}, twin={"loss": turned_towards})
def a_cosine_negated_twice(rng, loss):
    """Directions to be foretold; the loss falls nicely, and the answers point the other way."""
    x = rng.normal(size=(1300, 12)).astype("float32")
    y = np.tanh(x @ rng.normal(size=(12, 5))).astype("float32")
    data, model = samples.split(rng, x, y, 600, 200, 500), network(12, 32, 5, end=None)
    training = regression(model, data, Adam(5e-3), loss, epochs=12)
    model.compile(Adam(5e-3), loss, metrics=[keras.metrics.CosineSimilarity()])

    def cosine():
        a, b = outputs(model, data.x_test), data.y_test
        return float(np.mean((a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))))

    return replaced(training, cosine)
