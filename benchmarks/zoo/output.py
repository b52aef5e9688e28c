"""Faults of output and loss: the last layer, the labels and the loss do not belong together."""

import numpy as np
from keras import layers, ops
from keras.losses import BinaryCrossentropy, SparseCategoricalCrossentropy
from keras.optimizers import SGD, Adam

from benchmarks.zoo import samples
from benchmarks.zoo.own_step import OwnError, own
from benchmarks.zoo.program import Training, faulty
from benchmarks.zoo.training import (
    binary,
    classifier,
    explained,
    network,
    outputs,
    regression,
    replaced,
)
from thalweg import Family

FAMILY = Family.OUTPUT


@faulty(FAMILY, "O001 O004", fault={"end": "softmax"}, twin={"end": "sigmoid"})
def softmax_on_one_unit(rng, end):
    """Always one. On TensorFlow the loss falls all the same, for Keras finds the logits behind (O004)."""
    return binary(network(2, 32, 1, end=end), samples.moons(rng), Adam(1e-2), epochs=12)


@faulty(FAMILY, "O001 O004", fault={"end": "softmax"}, twin={"end": "sigmoid"})
def softmax_on_one_unit_deeper(rng, end):
    """The same on a table."""
    return binary(network(30, 16, 16, 1, end=end), samples.cancer(rng), Adam(5e-3), epochs=12)


@faulty(FAMILY, "O001", fault={"end": "sigmoid"}, twin={"end": None})
def sigmoid_on_a_regression(rng, end):
    """Targets on both sides of zero, outputs between 0 and 1."""
    return regression(network(10, 32, 1, end=end), samples.friedman(rng), Adam(1e-2), epochs=15)


@faulty(FAMILY, "O001", fault={"end": "relu"}, twin={"end": None})
def relu_on_a_regression(rng, end):
    """Half of the targets are negative."""
    return regression(network(8, 32, 1, end=end), samples.houses(rng), Adam(5e-3), epochs=12)


@faulty(FAMILY, "O001", fault={"end": "softmax"}, twin={"end": None})
def softmax_on_a_regression(rng, end):
    """One unit, and so always one."""
    return regression(network(10, 32, 1, end=end), samples.linear(rng), Adam(1e-2), epochs=12)


@faulty(FAMILY, "O001", fault={"end": "tanh"}, twin={"end": None})
def tanh_for_large_targets(rng, end):
    """Targets up to 8, outputs up to 1."""
    data = samples.friedman(rng).targets(lambda y: 3.0 * y)
    return regression(network(10, 32, 1, end=end), data, Adam(1e-2), epochs=15)


@faulty(FAMILY, "O003", fault={"end": None}, twin={"end": "softmax"})
def logits_without_from_logits(rng, end):
    """The softmax is missing, and the loss is not told."""
    return classifier(network(64, 32, 10, end=end), samples.digits(rng), Adam(2e-3), epochs=12)


@faulty(FAMILY, "O003", fault={"known": False}, twin={"known": True})
def one_logit_without_from_logits(rng, known):
    """The same with one unit."""
    model = network(2, 32, 1, end=None)
    loss = BinaryCrossentropy(from_logits=known)
    return binary(model, samples.moons(rng), SGD(0.3), loss=loss, epochs=15, threshold=0.0)


@faulty(FAMILY, "O003", fault={"logits": True}, twin={"logits": False})
def softmax_and_from_logits(rng, logits):
    """Softmax twice: once in the network, once in the loss."""
    loss = SparseCategoricalCrossentropy(from_logits=logits)
    return classifier(network(64, 32, 10), samples.digits(rng), SGD(0.1), loss, epochs=10)


@faulty(FAMILY, "O003", fault={"logits": True}, twin={"logits": False})
def sigmoid_and_from_logits(rng, logits):
    """Sigmoid twice: the network can say nothing under one half."""
    loss = BinaryCrossentropy(from_logits=logits)
    data = samples.clusters(rng, classes=2, weights=[0.85], flip_y=0.0, class_sep=1.5)
    return binary(network(20, 16, 1, end="sigmoid"), data, SGD(0.1), loss=loss, epochs=10)


@faulty(FAMILY, "O003 O004", fault={"twice": True}, twin={"twice": False})
def softmax_layer_after_softmax(rng, twice):
    """A softmax layer behind a softmax activation."""
    model = network(64, 32, 10)
    if twice:
        model.add(layers.Softmax())
    return classifier(model, samples.digits(rng), SGD(0.1), epochs=10)


@faulty(FAMILY, "O002 O006", fault={"loss": "mse"}, twin={"loss": "sparse_categorical_crossentropy"})
def squared_error_of_class_numbers(rng, loss):
    """Ten outputs, each held against the number of the class."""
    return classifier(network(64, 32, 10), samples.digits(rng), Adam(5e-3), loss, epochs=10)


@faulty(FAMILY, "O002", fault={"units": 1}, twin={"units": 10})
def ten_classes_in_one_sigmoid(rng, units):
    """Binary cross-entropy of labels from 0 to 9."""
    end, loss = (
        ("sigmoid", "binary_crossentropy") if units == 1 else ("softmax", "sparse_categorical_crossentropy")
    )
    return classifier(network(64, 32, units, end=end), samples.digits(rng), Adam(5e-3), loss, epochs=10)


@faulty(FAMILY, "O002", fault={"low": -1}, twin={"low": 0})
def labels_of_minus_one(rng, low):
    """-1 and 1 for a binary cross-entropy."""
    data = samples.moons(rng)
    model = network(2, 32, 1, end="sigmoid")
    training = binary(
        model,
        samples.replace(data, y=np.where(data.y, 1, low), y_val=np.where(data.y_val, 1, low)),
        Adam(5e-3),
    )
    return replaced(
        training, lambda: float(np.mean((outputs(model, data.x_test).ravel() > 0.5) == data.y_test))
    )


@faulty(FAMILY, "O002 D001 N001", fault={"first": 1}, twin={"first": 0})
def classes_counted_from_one(rng, first):
    """Labels 1 to 10 for ten units: the last has none."""
    data = samples.digits(rng).targets(lambda y: y + first)
    return classifier(network(64, 32, 10), data, Adam(5e-3), epochs=10)


@faulty(FAMILY, "O002", fault={"divisor": 255.0}, twin={"divisor": 1.0})
def labels_divided_like_pixels(rng, divisor):
    """The line that scales the pixels scales the labels too: all become class 0."""
    data = samples.digits(rng)
    data = samples.replace(data, y=data.y / divisor, y_val=data.y_val / divisor)
    return classifier(network(64, 32, 10), data, Adam(5e-3), epochs=10)


@faulty(FAMILY, "O002", fault={"top": 100.0}, twin={"top": 1.0})
def labels_in_per_cent(rng, top):
    """0 and 100 for a sigmoid."""
    data = samples.moons(rng)
    data = samples.replace(data, y=data.y * top, y_val=data.y_val * top)
    return binary(network(2, 32, 1, end="sigmoid"), data, Adam(5e-3), epochs=12)


def flat_error(y, answer):
    """A squared error by hand, of targets without their last axis: (n,) against (n, 1) gives (n, n)."""
    return ops.mean(ops.square(ops.reshape(y, (-1,)) - answer))


def right_error(y, answer):
    """The same with both in one shape."""
    return ops.mean(ops.square(ops.reshape(y, (-1, 1)) - answer))


@faulty(FAMILY, "O005", fault={"loss": flat_error}, twin={"loss": right_error})
def shapes_that_broadcast(rng, loss):
    """Every output is held against every target of the batch: the mean is the answer to all."""
    return regression(network(10, 32, 1, end=None), samples.friedman(rng), Adam(5e-3), loss, epochs=12)


def column_error(y, answer):
    """An absolute error by hand, of outputs without their last axis."""
    return ops.mean(ops.abs(ops.reshape(y, (-1, 1)) - ops.reshape(answer, (-1,))))


def row_error(y, answer):
    """The same with both in one shape."""
    return ops.mean(ops.abs(ops.reshape(y, (-1,)) - ops.reshape(answer, (-1,))))


@faulty(FAMILY, "O005", fault={"loss": column_error}, twin={"loss": row_error})
def shapes_that_broadcast_the_other_way(rng, loss):
    """Real houses, and the median for all."""
    return regression(network(8, 32, 1, end=None), samples.houses(rng), Adam(5e-3), loss, epochs=10)


def summed_error(y, answer):
    """A sum where a mean was meant."""
    return ops.sum(ops.square(ops.reshape(y, (-1, 1)) - answer))


@faulty(
    FAMILY, "O008", fault={"loss": summed_error}, twin={"loss": right_error}, also={"P003": {"rate": 5e-4}}
)
def a_sum_for_a_mean(rng, loss, rate=0.05):
    """The gradient grows with the batch."""
    return regression(
        network(10, 32, 1, end=None), samples.friedman(rng), SGD(rate), loss, epochs=15, batch_size=128
    )


@faulty(
    FAMILY,
    "O006 O001 O002",
    fault={"end": "softmax", "loss": "categorical_crossentropy"},
    twin={"end": "sigmoid", "loss": "binary_crossentropy"},
)
def one_softmax_for_several_labels(rng, end, loss):
    """Six labels, each true or not; a softmax grants one. Output and loss are one fault: they change together."""
    x = rng.normal(size=(1300, 12)).astype("float32")
    y = (x @ rng.normal(size=(12, 6)) > 0.0).astype("float32")
    data = samples.split(rng, x, y, 600, 200, 500)
    model = network(12, 32, 6, end=end)
    training = classifier(model, data, Adam(1e-2), loss, epochs=12)
    return replaced(training, lambda: float(np.mean((outputs(model, data.x_test) > 0.5) == data.y_test)))


@faulty(FAMILY, "O006 O001 O002", fault={"loss": "mean_squared_logarithmic_error"}, twin={"loss": "mse"})
def logarithmic_error_of_negative_targets(rng, loss):
    """All under zero is one to it."""
    return regression(network(10, 32, 1, end=None), samples.friedman(rng), Adam(5e-3), loss, epochs=12)


@faulty(FAMILY, "O006 O001 O002", fault={"loss": "poisson"}, twin={"loss": "mse"})
def poisson_loss_of_a_linear_output(rng, loss):
    """Targets and outputs of either sign, for a loss that takes logarithms."""
    return regression(network(10, 32, 1, end=None), samples.friedman(rng), Adam(5e-3), loss, epochs=12)


@faulty(
    FAMILY,
    "O006 O001 O002",
    fault={"loss": "binary_crossentropy", "end": "sigmoid"},
    twin={"loss": "mse", "end": None},
)
def cross_entropy_of_a_regression(rng, loss, end):
    """A classifier's last two lines, copied to a regression."""
    return regression(network(10, 32, 1, end=end), samples.friedman(rng), Adam(5e-3), loss, epochs=12)


@faulty(FAMILY, "O006", fault={"loss": "mape"}, twin={"loss": "mae"})
def percentages_of_nearly_nothing(rng, loss):
    """A percentage error of targets around zero: the smallest targets are all that counts."""
    return regression(network(10, 32, 1, end=None), samples.friedman(rng), Adam(5e-3), loss, epochs=12)


@faulty(
    FAMILY, "O006", fault={"loss": "mean_absolute_percentage_error"}, twin={"loss": "mean_absolute_error"}
)
def percentages_of_days_without_any(rng, loss):
    """A percentage error of amounts of which a few are zero: those are all that counts."""
    data = samples.friedman(rng).targets(lambda y: np.maximum(y + np.float32(1.5), 0))
    return regression(network(10, 32, 1, end=None), data, Adam(5e-3), loss, epochs=12)


@faulty(FAMILY, "O007", fault={"bias": 12.0}, twin={"bias": 0.0})
def a_head_that_begins_certain(rng, bias):
    """The bias of the last layer says class 0, and the rate is small."""
    model = network(64, 32, 10)
    start = np.zeros(10, "float32")
    start[0] = bias
    model.layers[-1].bias.assign(start)
    return classifier(model, samples.digits(rng), SGD(0.03), epochs=10)


def plain_error(y, answer):
    """A squared error as one writes it down, whatever the shapes."""
    return ops.mean(ops.square(y - answer))


def by_own_step(model, data, optimizer, epochs):
    """A regression by a training step of one's own. Keras knows no loss, and so there is no validation."""
    model.compile(optimizer)
    return Training(model, {"x": data.x, "y": data.y, "epochs": epochs}, lambda: explained(model, data))


@faulty(FAMILY, "O005", fault={"error": plain_error}, twin={"error": right_error})
def a_step_that_broadcasts(rng, error):
    """Outputs (n, 1) minus targets (n,) in a training step of one's own: there Keras brings nothing into shape."""
    model = own(OwnError, network(10, 32, 1, end=None), error=error)
    return by_own_step(model, samples.friedman(rng), Adam(5e-3), epochs=15)


def plain_distance(y, answer):
    """The same with absolute values."""
    return ops.mean(ops.abs(y - answer))


@faulty(FAMILY, "O005", fault={"columns": True}, twin={"columns": False})
def a_column_meets_a_row_in_the_step(rng, columns):
    """Outputs without their last axis, and targets with one, as a table hands them over."""
    body = network(8, 32, 1, end=None)
    body.add(layers.Reshape(()))
    model, data = own(OwnError, body, error=plain_distance), samples.houses(rng)
    training = by_own_step(model, data, Adam(5e-3), epochs=12)
    fit = {**training.fit, "y": data.y[:, None] if columns else data.y}
    return Training(model, fit, training.quality)
