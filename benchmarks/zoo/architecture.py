"""Faults of the architecture."""

import keras
import numpy as np
from keras import layers
from keras.optimizers import SGD, Adam

from benchmarks.zoo import samples
from benchmarks.zoo.program import Training, faulty
from benchmarks.zoo.training import binary, classifier, network, outputs, regression
from thalweg import Family

FAMILY = Family.ARCHITECTURE


@faulty(FAMILY, "G002 I002", fault={"activation": "sigmoid"}, twin={"activation": "relu"})
def ten_layers_of_sigmoids(rng, activation):
    """The gradient shrinks by four at every layer, at the first step already (I002)."""
    return classifier(
        network(64, *[16] * 10, 10, activation=activation), samples.digits(rng), Adam(2e-3), epochs=12
    )


@faulty(FAMILY, "G002 I002", fault={"activation": "sigmoid"}, twin={"activation": "tanh"})
def six_layers_of_sigmoids(rng, activation):
    """Under plain SGD, as in the books."""
    return classifier(
        network(64, *[24] * 6, 10, activation=activation), samples.digits(rng), SGD(0.1), epochs=12
    )


@faulty(FAMILY, "G002 G003 I002", fault={"depth": 30}, twin={"depth": 3})
def thirty_plain_layers(rng, depth):
    """Neither residuals nor normalisation."""
    model = network(64, *[16] * depth, 10)
    return classifier(model, samples.digits(rng), Adam(3e-3), epochs=8)


@faulty(FAMILY, "M002 G003 N001 I002", fault={"activation": "exponential"}, twin={"activation": "relu"})
def exponential_hidden_layers(rng, activation):
    """exp(exp(exp(x))): too large for any number (G003, N001), from the first step on (I002)."""
    model = network(10, 24, 24, 24, 1, end=None, activation=activation)
    return regression(model, samples.friedman(rng), Adam(2e-3), epochs=12)


@faulty(FAMILY, "M002", fault={"activation": "softmax"}, twin={"activation": "relu"})
def softmax_hidden_layers(rng, activation):
    """Thirty-two units that share one."""
    return classifier(
        network(64, 32, 32, 10, activation=activation), samples.digits(rng), Adam(2e-3), epochs=12
    )


@faulty(FAMILY, "M002", fault={"activation": "softmax"}, twin={"activation": "tanh"})
def softmax_in_a_regression(rng, activation):
    """The activation of the last layer, copied into all."""
    model = network(10, 32, 32, 1, end=None, activation=activation)
    return regression(model, samples.friedman(rng), Adam(5e-3), epochs=15)


@faulty(FAMILY, "M001", fault={"activation": None}, twin={"activation": "relu"})
def no_nonlinearity_around_a_ring(rng, activation):
    """Three layers that are one plane."""
    return binary(
        network(2, 32, 32, 1, activation=activation, end="sigmoid"), samples.rings(rng), Adam(1e-2), epochs=12
    )


@faulty(FAMILY, "M001", fault={"activation": None}, twin={"activation": "relu"})
def no_nonlinearity_in_a_regression(rng, activation):
    """A deep linear model."""
    model = network(10, 32, 32, 1, activation=activation, end=None)
    return regression(model, samples.friedman(rng), Adam(5e-3), epochs=15)


@faulty(FAMILY, "M001", fault={"activation": "linear"}, twin={"activation": "relu"})
def linear_convolutions(rng, activation):
    """Two convolutions that are one, on which parity depends."""
    data = samples.small_images(rng).targets(lambda y: y % 2)
    body = [layers.Conv2D(16, 3, activation=activation) for _ in range(2)]
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), *body, layers.Flatten(), layers.Dense(1, activation="sigmoid")]
    )
    return binary(model, data, Adam(5e-3), epochs=8)


@faulty(FAMILY, "M003", fault={"width": 1}, twin={"width": 32})
def a_layer_of_one_unit(rng, width):
    """Ten classes through one number."""
    return classifier(network(64, 32, width, 10), samples.digits(rng), Adam(5e-3), epochs=12)


@faulty(FAMILY, "M003", fault={"width": 1}, twin={"width": 12})
def a_code_of_one_number(rng, width):
    """An autoencoder that has to say a digit in one number."""
    data = samples.digits(rng)
    model = network(64, 32, width, 32, 64, end="sigmoid")
    model.compile(Adam(5e-3), "mse")
    fit = {"x": data.x, "y": data.x, "validation_data": (data.x_val, data.x_val), "epochs": 12}
    return Training(model, fit, lambda: -float(np.mean((outputs(model, data.x_test) - data.x_test) ** 2)))


@faulty(FAMILY, "M003", fault={"filters": 1}, twin={"filters": 16})
def one_filter(rng, filters):
    """A convolution of one filter and a pooling over everything."""
    body = [layers.Conv2D(filters, 3, activation="relu"), layers.GlobalMaxPooling2D()]
    last = [layers.Dense(32, activation="relu"), layers.Dense(10, activation="softmax")]
    model = keras.Sequential([keras.Input((8, 8, 1)), *body, *last])
    return classifier(model, samples.small_images(rng), Adam(1e-2), epochs=10)


@faulty(FAMILY, "A001 P003", fault={"rate": 4.0}, twin={"rate": 0.1})
def relus_killed_by_the_first_steps(rng, rate):
    """A step so large that no unit opens again: the rate is the cause (P003), the dead units what it did."""
    return classifier(network(64, 32, 32, 10), samples.digits(rng), SGD(rate), epochs=10)


@faulty(FAMILY, "A001", fault={"shift": -1.0}, twin={"shift": 0.0})
def relus_behind_a_shift(rng, shift):
    """A layer that moves everything under zero before every ReLU."""
    body = []
    for _ in range(2):
        body += [layers.Dense(32), layers.Rescaling(1.0, offset=8 * shift), layers.ReLU()]
    model = keras.Sequential([keras.Input((64,)), *body, layers.Dense(10, activation="softmax")])
    return classifier(model, samples.digits(rng), SGD(0.1), epochs=10)


@faulty(FAMILY, "A002", fault={"scale": 60.0}, twin={"scale": 1.0})
def tanh_behind_a_large_factor(rng, scale):
    """Units that are always at one of their ends."""
    body = []
    for _ in range(2):
        body += [layers.Dense(32), layers.Rescaling(scale), layers.Activation("tanh")]
    model = keras.Sequential([keras.Input((64,)), *body, layers.Dense(10, activation="softmax")])
    return classifier(model, samples.digits(rng), SGD(0.05), epochs=12)


@faulty(FAMILY, "A002", fault={"bias": 9.0}, twin={"bias": 0.0})
def sigmoids_pushed_to_their_end(rng, bias):
    """A bias of nine: every unit answers one."""
    model = network(20, 32, 4, activation="sigmoid", bias_initializer=keras.initializers.Constant(bias))
    return classifier(model, samples.clusters(rng), SGD(0.3), epochs=15)


@faulty(FAMILY, "O001 A001 M003", fault={"end": "relu"}, twin={"end": None})
def relu_before_the_softmax(rng, end):
    """Logits that cannot be negative and can die."""
    body = [layers.Dense(32, activation="relu"), layers.Dense(10, activation=end), layers.Softmax()]
    return classifier(
        keras.Sequential([keras.Input((64,)), *body]), samples.digits(rng), Adam(1e-2), epochs=10
    )
