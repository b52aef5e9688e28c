"""Faults of the first weights."""

import keras
from keras import layers
from keras.initializers import Constant, HeNormal, RandomNormal, RandomUniform
from keras.optimizers import SGD, Adam

from benchmarks.zoo import samples
from benchmarks.zoo.program import faulty
from benchmarks.zoo.training import classifier, network, regression
from thalweg import Family

FAMILY = Family.INITIALISATION


@faulty(FAMILY, "I001", fault={"start": "zeros"}, twin={"start": "glorot_uniform"})
def zeros_everywhere(rng, start):
    """No unit ever differs from its neighbour, and no gradient passes."""
    model = network(64, 32, 32, 10, kernel_initializer=start)
    return classifier(model, samples.digits(rng), Adam(5e-3), epochs=10)


@faulty(FAMILY, "I001", fault={"start": 0.1}, twin={"start": None})
def the_same_number_everywhere(rng, start):
    """Thirty-two units that are one, in both layers."""
    first = "glorot_uniform" if start is None else Constant(start)
    body = [layers.Dense(32, activation="tanh", kernel_initializer=first)]
    last = layers.Dense(10, activation="softmax", kernel_initializer=first)
    model = keras.Sequential([keras.Input((64,)), *body, last])
    return classifier(model, samples.digits(rng), Adam(5e-3), epochs=10)


@faulty(FAMILY, "I001", fault={"start": "ones"}, twin={"start": "he_normal"})
def ones_in_a_regression(rng, start):
    """One unit, sixteen times."""
    model = network(10, 16, 16, 1, end=None, kernel_initializer=start)
    return regression(model, samples.friedman(rng), Adam(5e-3), epochs=15)


@faulty(FAMILY, "I001", fault={"start": "zeros"}, twin={"start": "glorot_uniform"})
def zero_filters(rng, start):
    """A convolution that begins as nothing."""
    body = [layers.Conv2D(12, 3, activation="relu", kernel_initializer=start) for _ in range(2)]
    last = layers.Dense(10, activation="softmax")
    model = keras.Sequential([keras.Input((8, 8, 1)), *body, layers.Flatten(), last])
    return classifier(model, samples.small_images(rng), Adam(5e-3), epochs=8)


@faulty(FAMILY, "I002", fault={"size": 3.0}, twin={"size": 0.18})
def weights_too_large(rng, size):
    """Normal with deviation 3, through four layers."""
    model = network(64, 32, 32, 32, 32, 10, kernel_initializer=RandomNormal(0.0, size))
    return classifier(model, samples.digits(rng), Adam(2e-3), epochs=10)


@faulty(FAMILY, "I002 G002", fault={"size": 0.01}, twin={"size": 0.25})
def weights_too_small(rng, size):
    """Normal with deviation 0.01, through six layers: nothing comes out, and nothing comes back (G002)."""
    model = network(64, *[32] * 6, 10, kernel_initializer=RandomNormal(0.0, size))
    return classifier(model, samples.digits(rng), SGD(0.1), epochs=12)


@faulty(FAMILY, "I002 G002", fault={"start": RandomUniform(-0.05, 0.05)}, twin={"start": "he_uniform"})
def the_old_default(rng, start):
    """`uniform` of 0.05, ten layers deep."""
    model = network(64, *[24] * 10, 10, kernel_initializer=start)
    return classifier(model, samples.digits(rng), SGD(0.02, momentum=0.9), epochs=12)


@faulty(FAMILY, "I002", fault={"low": 0.0}, twin={"low": -1.0})
def only_positive_weights(rng, low):
    """Uniform from 0 to 1 in place of -1 to 1: the sum grows through depth."""
    model = network(10, 32, 32, 32, 1, end=None, kernel_initializer=RandomUniform(0.3 * low, 0.3))
    return regression(model, samples.friedman(rng), Adam(2e-3), epochs=15)


@faulty(FAMILY, "I002 A002", fault={"size": 4.0}, twin={"size": 0.2})
def tanh_born_saturated(rng, size):
    """Every unit at its end from the first step (A002)."""
    model = network(64, 32, 32, 32, 10, activation="tanh", kernel_initializer=RandomNormal(0.0, size))
    return classifier(model, samples.digits(rng), SGD(0.05), epochs=12)


@faulty(FAMILY, "O007 I002", fault={"size": 20.0}, twin={"size": 0.2})
def a_head_too_large(rng, size):
    """The last layer alone: certain of everything at once, and wrong. The first loss says so (O007)."""
    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(10, activation="softmax", kernel_initializer=RandomNormal(0.0, size)),
        ]
    )
    return classifier(model, samples.digits(rng), Adam(1e-3), epochs=8)


@faulty(FAMILY, "I002 G003 G001", fault={"gain": 3.0}, twin={"gain": 1.0})
def a_recurrence_that_grows(rng, gain):
    """A recurrent kernel that triples what it is given, twenty times (G003)."""
    cell = layers.SimpleRNN(
        16, activation="linear", recurrent_initializer=keras.initializers.Orthogonal(gain)
    )
    model = keras.Sequential([keras.Input((20, 1)), cell, layers.Dense(1)])
    return regression(model, samples.sums(rng), Adam(5e-3), epochs=10)


@faulty(FAMILY, "A001", fault={"bias": -6.0}, twin={"bias": 0.0})
def biases_that_silence(rng, bias):
    """No ReLU ever opens."""
    model = network(64, 32, 10, bias_initializer=Constant(bias), kernel_initializer=HeNormal())
    return classifier(model, samples.digits(rng), SGD(0.1), epochs=10)
