"""Faults of the regularisation: too much, too little, or another network in use than in training."""

import keras
import numpy as np
from keras import layers, regularizers
from keras.callbacks import EarlyStopping
from keras.optimizers import SGD, Adam, AdamW

from benchmarks.zoo import samples
from benchmarks.zoo.program import faulty
from benchmarks.zoo.training import classifier, log_score, network, regression, replaced
from thalweg import Family

FAMILY = Family.REGULARISATION


@faulty(FAMILY, "R001", fault={"penalty": 0.5}, twin={"penalty": 1e-4})
def l2_of_a_half(rng, penalty):
    """The weights shrink to nothing."""
    model = network(64, 32, 10, kernel_regularizer=regularizers.L2(penalty))
    return classifier(model, samples.digits(rng), Adam(3e-3), epochs=12)


@faulty(FAMILY, "R001", fault={"penalty": 0.1}, twin={"penalty": 1e-5})
def l1_on_every_weight(rng, penalty):
    """Sparse until nothing is left."""
    model = network(10, 32, 32, 1, end=None, kernel_regularizer=regularizers.L1(penalty))
    return regression(model, samples.friedman(rng), Adam(5e-3), epochs=15)


@faulty(FAMILY, "R001", fault={"decay": 50.0}, twin={"decay": 0.01})
def weight_decay_of_fifty(rng, decay):
    """AdamW takes a twentieth of the weights at every step."""
    optimizer = AdamW(1e-3, weight_decay=decay)
    return classifier(network(64, 32, 10), samples.digits(rng), optimizer, epochs=12)


@faulty(FAMILY, "R001", fault={"decay": 5.0}, twin={"decay": 1e-3})
def decoupled_decay_under_momentum(rng, decay):
    """`weight_decay` of SGD, as if it were a penalty."""
    optimizer = SGD(0.05, momentum=0.9, weight_decay=decay)
    return regression(network(10, 32, 1, end=None), samples.friedman(rng), optimizer, epochs=12)


@faulty(FAMILY, "R001", fault={"penalty": 1.0}, twin={"penalty": 1e-5})
def activity_penalised(rng, penalty):
    """Units that are silent because it is cheapest."""
    model = network(64, 32, 10, activity_regularizer=regularizers.L2(penalty))
    return classifier(model, samples.digits(rng), Adam(3e-3), epochs=12)


def dropped(rate, *widths):
    """A classifier of digits with dropout behind every hidden layer."""
    body = [
        part for width in widths for part in (layers.Dense(width, activation="relu"), layers.Dropout(rate))
    ]
    return keras.Sequential([keras.Input((64,)), *body, layers.Dense(10, activation="softmax")])


@faulty(FAMILY, "R002", fault={"rate": 0.95}, twin={"rate": 0.1})
def one_unit_in_twenty_kept(rng, rate):
    """`rate` is what is dropped; someone meant what is kept."""
    return classifier(dropped(rate, 32), samples.digits(rng), Adam(3e-3), epochs=12)


@faulty(FAMILY, "R002", fault={"rate": 0.8}, twin={"rate": 0.1})
def dropout_after_every_layer(rng, rate):
    """Three times four fifths."""
    return classifier(dropped(rate, 32, 32, 32), samples.digits(rng), Adam(3e-3), epochs=12)


@faulty(FAMILY, "R002", fault={"rate": 0.9}, twin={"rate": 0.0})
def dropout_on_the_columns(rng, rate):
    """A regression that sees one column of ten at a time."""
    body = [layers.Dropout(rate), layers.Dense(32, activation="relu"), layers.Dense(1)]
    return regression(
        keras.Sequential([keras.Input((10,)), *body]), samples.friedman(rng), Adam(5e-3), epochs=15
    )


@faulty(FAMILY, "R002 R003", fault={"noise": 1.0}, twin={"noise": 0.01})
def noise_larger_than_the_signal(rng, noise):
    """`GaussianNoise` for columns that are a tenth of what was thought; in use there is none (R003)."""
    body = [layers.Rescaling(0.1), layers.GaussianNoise(noise), layers.Dense(32, activation="relu")]
    model = keras.Sequential([keras.Input((20,)), *body, layers.Dense(4, activation="softmax")])
    return classifier(model, samples.clusters(rng), Adam(5e-3), epochs=12)


def normalised(momentum, end, *widths):
    """A perceptron with batch normalisation."""
    body = []
    for width in widths[1:-1]:
        body += [layers.Dense(width), layers.BatchNormalization(momentum=momentum), layers.ReLU()]
    return keras.Sequential([keras.Input(widths[:1]), *body, layers.Dense(widths[-1], activation=end)])


@faulty(FAMILY, "R003", fault={"momentum": 0.9999}, twin={"momentum": 0.9})
def moving_averages_that_hardly_move(rng, momentum):
    """Batch normalisation: after 300 steps its averages are still those of the start."""
    data = samples.clusters(rng).inputs(lambda x: 4.0 * x)
    return classifier(normalised(momentum, "softmax", 20, 32, 32, 4), data, Adam(5e-3), epochs=15)


@faulty(FAMILY, "R003", fault={"momentum": 0.99999}, twin={"momentum": 0.9})
def a_regression_with_stale_averages(rng, momentum):
    """The same for a number."""
    data = samples.friedman(rng).inputs(lambda x: 3.0 * x + 2.0)
    return regression(normalised(momentum, None, 10, 32, 1), data, Adam(1e-2), epochs=15)


@faulty(FAMILY, "R003", fault={"batch_size": 2}, twin={"batch_size": 32})
def normalised_over_two_examples(rng, batch_size):
    """The statistics of a batch of two say nothing of the examples in use."""
    data = samples.clusters(rng)
    model = normalised(0.9, "softmax", 20, 32, 32, 4)
    return classifier(model, data, Adam(2e-3), epochs=3 if batch_size == 2 else 24, batch_size=batch_size)


@faulty(FAMILY, "V001", fault={"stop": False}, twin={"stop": True})
def a_large_network_on_few_rows(rng, stop):
    """Two hundred rows, and twelve thousand weights, until every row is known by heart."""
    data = samples.clusters(rng, train=200, flip_y=0.2)
    calls = [EarlyStopping(patience=3, restore_best_weights=True)] if stop else []
    model = network(20, 100, 100, 4)
    training = classifier(model, data, Adam(3e-3), epochs=40, callbacks=calls)
    return replaced(training, lambda: log_score(model, data))


@faulty(FAMILY, "V001", fault={"penalty": 0.0}, twin={"penalty": 0.03})
def too_many_weights_for_a_regression(rng, penalty):
    """Noise learned by heart."""
    data = samples.diabetes(rng)
    model = network(10, 100, 100, 1, end=None, kernel_regularizer=regularizers.L2(penalty))
    return regression(model, data, Adam(3e-3), epochs=60)


@faulty(FAMILY, "V001", fault={"rate": 0.0}, twin={"rate": 0.6})
def capacity_without_measure(rng, rate):
    """Digits, a quarter of the labels wrong, and a network that has room for every one of them."""
    data = samples.digits(rng, 300)
    wrong = rng.random(len(data.y)) < 0.25
    data = samples.replace(data, y=np.where(wrong, rng.integers(0, 10, len(data.y)), data.y))
    model = dropped(rate, 256, 256)
    training = classifier(model, data, Adam(2e-3), epochs=30)
    return replaced(training, lambda: log_score(model, data))


@faulty(FAMILY, "V001", fault={"epochs": 80}, twin={"epochs": 8})
def far_too_many_epochs(rng, epochs):
    """Moons with much noise, long after the best was passed."""
    data = samples.clusters(rng, train=150, classes=2, flip_y=0.3)
    model = network(20, 64, 64, 2)
    training = classifier(model, data, Adam(5e-3), epochs=epochs)
    return replaced(training, lambda: log_score(model, data))


def convolutional(augment, size, classes):
    """Pictures, augmented in training; two convolutions and a head."""
    body = [layers.Conv2D(8, 3, activation="relu"), layers.MaxPooling2D()]
    body += [layers.Conv2D(16, 3, activation="relu"), layers.Flatten()]
    return keras.Sequential(
        [keras.Input((size, size, 1)), *augment, *body, layers.Dense(classes, activation="softmax")]
    )


@faulty(FAMILY, "R002", fault={"turn": 0.5}, twin={"turn": 0.02})
def which_side_is_up(rng, turn):
    """By how many quarters was this picture turned? And then it is turned by any angle."""
    data = samples.pictures(rng, "fashion_mnist").inputs(lambda x: x[:, ::2, ::2, None] / np.float32(255.0))
    for part in ("", "_val", "_test"):
        x = getattr(data, f"x{part}")
        quarters = rng.integers(0, 4, len(x))
        x = np.stack([np.rot90(one, k) for one, k in zip(x, quarters, strict=True)])
        data = samples.replace(data, **{f"x{part}": x, f"y{part}": quarters})
    model = convolutional([layers.RandomRotation(turn)], 14, 4)
    return classifier(model, data, Adam(5e-3), epochs=8)


@faulty(FAMILY, "R002", fault={"shift": 0.8}, twin={"shift": 0.05})
def shifted_out_of_the_picture(rng, shift):
    """`RandomTranslation` by up to four fifths: of many pictures only a corner is left."""
    data = samples.pictures(rng).inputs(lambda x: x[:, ::2, ::2, None] / np.float32(255.0))
    augment = [layers.RandomTranslation(shift, shift, fill_mode="constant")]
    return classifier(convolutional(augment, 14, 10), data, Adam(5e-3), epochs=8)
