"""Faults of the plumbing: what is trained is not what was meant."""

import keras
import numpy as np
from keras import layers, ops
from keras.optimizers import SGD, Adam

from benchmarks.zoo import samples
from benchmarks.zoo.program import faulty
from benchmarks.zoo.training import binary, classifier, network, regression
from thalweg import Family

FAMILY = Family.WIRING


@faulty(FAMILY, "W001", fault={"trainable": False}, twin={"trainable": True})
def a_backbone_frozen_before_it_learned(rng, trainable):
    """`trainable = False` for weights that were to be loaded, and were not."""
    model = network(64, 4, 4, 10)
    for layer in model.layers[:-1]:
        layer.trainable = trainable
    return classifier(model, samples.digits(rng), Adam(1e-2), epochs=12)


@faulty(FAMILY, "W001", fault={"trainable": False}, twin={"trainable": True})
def a_frozen_random_embedding(rng, trainable):
    """Words as random vectors, for ever."""
    body = [layers.Embedding(100, 4, trainable=trainable), layers.GlobalAveragePooling1D()]
    model = keras.Sequential(
        [keras.Input((12,), dtype="int32"), *body, layers.Dense(1, activation="sigmoid")]
    )
    return binary(model, samples.words(rng, 100), Adam(2e-2), epochs=8)


@faulty(FAMILY, "W001", fault={"trainable": False}, twin={"trainable": True})
def frozen_convolutions(rng, trainable):
    """A feature extractor without features."""
    body = [layers.Conv2D(5, 3, 2, activation="relu", trainable=trainable) for _ in range(2)]
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), *body, layers.Flatten(), layers.Dense(10, activation="softmax")]
    )
    return classifier(model, samples.small_images(rng), Adam(2e-2), epochs=10)


@faulty(FAMILY, "W001", fault={"trainable": False}, twin={"trainable": True})
def a_frozen_regression_body(rng, trainable):
    """Only the last of three layers learns."""
    model = network(10, 6, 6, 1, end=None)
    for layer in model.layers[:-1]:
        layer.trainable = trainable
    return regression(model, samples.friedman(rng), Adam(1e-2), epochs=20)


@keras.saving.register_keras_serializable("zoo")
class Stopped(layers.Layer):
    """Passes values on, and gradients only where it is open."""

    def __init__(self, is_open, **kwargs):
        super().__init__(**kwargs)
        self.is_open = is_open

    def call(self, x):
        """The input itself."""
        return x if self.is_open else ops.stop_gradient(x)


@faulty(FAMILY, "P002 W001", fault={"is_open": False}, twin={"is_open": True})
def a_gradient_that_is_stopped(rng, is_open):
    """A `stop_gradient` left over from an experiment."""
    inputs = keras.Input((64,))
    h = layers.Dense(5, activation="relu")(inputs)
    h = Stopped(is_open)(layers.Dense(5, activation="relu")(h))
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(h))
    return classifier(model, samples.digits(rng), Adam(1e-2), epochs=12)


class Rounded(layers.Layer):
    """Rounds on the way, which has no gradient, or does nothing."""

    def __init__(self, rounds, **kwargs):
        super().__init__(**kwargs)
        self.rounds = rounds

    def call(self, x):
        """Whole numbers."""
        return ops.round(x) if self.rounds else x


@faulty(FAMILY, "P002 W001", fault={"rounds": True}, twin={"rounds": False})
def a_rounded_hidden_layer(rng, rounds):
    """Nothing below the rounding learns."""
    body = [layers.Dense(6, activation="tanh"), Rounded(rounds), layers.Dense(1)]
    return regression(
        keras.Sequential([keras.Input((10,)), *body]), samples.friedman(rng), Adam(1e-2), epochs=20
    )


@faulty(FAMILY, "P002", fault={"joined": False}, twin={"joined": True})
def a_branch_that_leads_nowhere(rng, joined):
    """Half of the picture enters a branch that is multiplied by nothing."""
    data = samples.digits(rng).inputs(lambda x: (x[:, :16], x[:, 16:]))
    sides = [keras.Input((16,)), keras.Input((48,))]
    a, b = layers.Dense(24, activation="relu")(sides[0]), layers.Dense(24, activation="relu")(sides[1])
    h = layers.Add()([a, layers.Rescaling(1.0 if joined else 0.0)(b)])
    model = keras.Model(sides, layers.Dense(10, activation="softmax")(h))
    return classifier(model, data, Adam(1e-2), epochs=12)


class Partial(keras.Sequential):
    """A model whose own step gives the optimizer only the layers named."""

    chosen = slice(None)

    def train_step(self, *inputs):
        """One step: TensorFlow's, PyTorch's; the backends part here."""
        x, y = inputs[0][:2]
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            with tf.GradientTape() as tape:
                answer = self(x, training=True)
                loss = self.compute_loss(x, y, answer)
            held = [v for layer in self.layers[self.chosen] for v in layer.trainable_variables]
            self.optimizer.apply_gradients(zip(tape.gradient(loss, held), held, strict=True))
            return self.measured(x, y, answer, loss)
        if keras.backend.backend() == "torch":
            self.zero_grad()
            answer = self(x, training=True)
            loss = self.compute_loss(x, y, answer)
            loss.backward()
            held = [v for layer in self.layers[self.chosen] for v in layer.trainable_variables]
            self.optimizer.apply([v.value.grad for v in held], held)
            return self.measured(x, y, answer, loss)
        return super().train_step(*inputs)

    def measured(self, x, y, answer, loss):
        """The loss and the metrics, as the guide of Keras has it."""
        self._loss_tracker.update_state(loss)
        return self.compute_metrics(x, y, answer)


@faulty(FAMILY, "W002 P002", fault={"chosen": slice(-1, None)}, twin={"chosen": slice(None)})
def an_optimizer_of_the_head_only(rng, chosen):
    """A training step of one's own that hands over the last layer. JAX has no such step to get wrong."""
    body = [layers.Dense(8, activation="relu"), layers.Dense(6, activation="relu")]
    model = Partial([keras.Input((64,)), *body, layers.Dense(10, activation="softmax")])
    model.chosen = chosen
    return classifier(model, samples.digits(rng), Adam(1e-2), epochs=12)


@faulty(FAMILY, "L004", fault={"epochs": 6}, twin={"epochs": 40})
def stopped_in_the_middle(rng, epochs):
    """Six epochs of slow descent, and every one of them went down."""
    return classifier(network(64, 32, 10), samples.digits(rng), SGD(0.02), epochs=epochs)


@faulty(FAMILY, "L004", fault={"epochs": 8}, twin={"epochs": 60})
def a_regression_cut_short(rng, epochs):
    """The same with a number to foretell."""
    return regression(network(10, 32, 1, end=None), samples.friedman(rng), SGD(0.003), epochs=epochs)


@faulty(FAMILY, "W003", fault={"joined": False}, twin={"joined": True})
def a_branch_joined_to_itself(rng, joined):
    """`concatenate([a, a])` where `[a, b]` was meant: half of the picture is handed over and read by nobody."""
    data = samples.digits(rng).inputs(lambda x: (x[:, :16], x[:, 16:]))
    sides = [keras.Input((16,)), keras.Input((48,))]
    a, b = (layers.Dense(24, activation="relu")(side) for side in sides)
    h = layers.Concatenate()([a, b if joined else a])
    model = keras.Model(sides, layers.Dense(10, activation="softmax")(h))
    return classifier(model, data, Adam(1e-2), epochs=12)


@faulty(FAMILY, "W004", fault={"shape": "Reshape"}, twin={"shape": "Permute"})
def channels_cut_across(rng, shape):
    """Six channels of 32 samples, brought to 32 rows of six by a layer that cuts them anew."""
    kind, time = rng.integers(0, 4, 1100), np.arange(32)
    delay = np.arange(6) * np.array([0.0, 0.6, -0.6, 1.2])[kind][:, None]
    phase = (
        rng.uniform(0, 6.28, (1100, 1, 1)) + delay[:, :, None] + rng.uniform(0.3, 0.9, (1100, 1, 1)) * time
    )
    x = (np.sin(phase) + rng.normal(0, 1.0, phase.shape)).astype("float32")
    turned = layers.Reshape((32, 6)) if shape == "Reshape" else layers.Permute((2, 1))
    body = [turned, layers.Conv1D(12, 5, activation="relu"), layers.GlobalAveragePooling1D()]
    model = keras.Sequential([keras.Input((6, 32)), *body, layers.Dense(4, activation="softmax")])
    return classifier(model, samples.split(rng, x, kind, 600, 200, 300), Adam(1e-2), epochs=15)


@faulty(FAMILY, "P002", fault={"start": "zeros"}, twin={"start": "uniform"})
def a_product_of_two_zeros(rng, start):
    """Two embeddings whose product foretells a rating, both of them begun at zero."""
    users, items = rng.normal(size=(40, 2)), rng.normal(size=(30, 2))
    pairs = np.stack([rng.integers(0, 40, 2400), rng.integers(0, 30, 2400)], axis=1)
    y = (users[pairs[:, 0]] * items[pairs[:, 1]]).sum(1) + rng.normal(0, 0.3, 2400)
    data = samples.split(rng, pairs, y.astype("float32"), 1600, 300, 500)
    sides = [keras.Input((1,), dtype="int32"), keras.Input((1,), dtype="int32")]
    a, b = (layers.Embedding(n, 4, start)(side) for n, side in zip((40, 30), sides, strict=True))
    product = layers.Flatten()(layers.Multiply()([a, b]))
    model = keras.Model(sides, layers.Dense(1)(product))
    return regression(model, data.inputs(lambda x: (x[:, :1], x[:, 1:])), Adam(1e-2), epochs=20)
