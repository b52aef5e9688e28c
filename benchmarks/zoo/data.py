"""Faults of the data: what goes in, what is asked for, and in what order."""

import keras
import numpy as np
from keras import layers
from keras.callbacks import EarlyStopping
from keras.optimizers import SGD, Adam

from benchmarks.zoo import samples
from benchmarks.zoo.program import Training, faulty
from benchmarks.zoo.training import (
    accuracy,
    binary,
    classifier,
    explained,
    network,
    recall,
    regression,
    replaced,
)
from thalweg import Family

FAMILY = Family.DATA


@faulty(FAMILY, "D002", fault={"scale": 2000.0}, twin={"scale": 1.0})
def inputs_in_the_thousands(rng, scale):
    """The raw counts of a sensor under plain SGD."""
    data = samples.clusters(rng).inputs(lambda x: x * np.float32(scale))
    return classifier(network(20, 32, 4), data, SGD(0.05), epochs=15)


@faulty(FAMILY, "D002", fault={"scaled": False}, twin={"scaled": True})
def wine_as_it_comes(rng, scaled):
    """Proline in the hundreds beside hue near one."""
    return classifier(network(13, 16, 3), samples.wine(rng, scaled), Adam(5e-3), epochs=30)


@faulty(FAMILY, "D002", fault={"times": 2}, twin={"times": 1})
def pixels_divided_twice(rng, times):
    """The loader divides by 255, and so does the script."""
    data = samples.pictures(rng).inputs(lambda x: x.reshape(-1, 784) / np.float32(255.0**times))
    return classifier(network(784, 32, 10), data, SGD(0.1), epochs=10)


@faulty(FAMILY, "D002", fault={"scale": 1 / 255}, twin={"scale": 1.0})
def pixels_divided_again_by_a_layer(rng, scale):
    """The script divides by 255, and so does the model's first layer."""
    data = samples.pictures(rng).inputs(lambda x: x[:, ::2, ::2, None] / np.float32(255.0))
    body = [layers.Rescaling(scale), layers.Conv2D(8, 3, 2, activation="relu"), layers.Flatten()]
    model = keras.Sequential([keras.Input((14, 14, 1)), *body, layers.Dense(10, activation="softmax")])
    return classifier(model, data, SGD(0.05, momentum=0.9), epochs=10)


@faulty(FAMILY, "D002", fault={"divisor": 1.0}, twin={"divisor": 255.0})
def raw_pixels_under_momentum(rng, divisor):
    """Pixels from 0 to 255 under SGD with momentum."""
    data = samples.pictures(rng, "fashion_mnist").inputs(lambda x: x.reshape(-1, 784) / np.float32(divisor))
    return classifier(network(784, 64, 10), data, SGD(0.01, momentum=0.9), epochs=10)


@faulty(FAMILY, "D002 D004", fault={"year": 2026.0}, twin={"year": 0.0})
def the_year_as_a_column(rng, year):
    """Thousands in every row: a second, huge bias. A column that is constant, and of another scale."""
    data = samples.linear(rng).inputs(lambda x: np.hstack([x, np.full((len(x), 1), year, "float32")]))
    return regression(network(11, 16, 1, end=None), data, Adam(2e-3), epochs=15)


@faulty(FAMILY, "D003", fault={"scaled": False}, twin={"scaled": True})
def prices_in_dollars(rng, scaled):
    """Targets of 200,000 for an output that begins near zero."""
    return regression(network(8, 32, 1, end=None), samples.houses(rng, scaled), Adam(5e-3), epochs=15)


@faulty(FAMILY, "D003", fault={"scale": 1000.0}, twin={"scale": 1.0})
def targets_in_milliseconds(rng, scale):
    """Seconds would have done."""
    data = samples.friedman(rng).targets(lambda y: y * np.float32(scale))
    return regression(network(10, 32, 1, end=None), data, SGD(0.02, momentum=0.9), epochs=15)


@faulty(FAMILY, "D003", fault={"offset": 1013.0}, twin={"offset": 0.0})
def pressure_around_1013(rng, offset):
    """Targets far from zero, and narrow."""
    data = samples.friedman(rng).targets(lambda y: y + np.float32(offset))
    return regression(network(10, 32, 1, end=None), data, Adam(5e-3), epochs=15)


@faulty(FAMILY, "D006", fault={"raw": True}, twin={"raw": False})
def validation_pixels_left_raw(rng, raw):
    """Training pixels go from -1 to 1, the others from 0 to 255: in validation, and in use."""
    data = samples.pictures(rng, "fashion_mnist").inputs(lambda x: x.reshape(-1, 784).astype("float32"))
    centred = data.inputs(lambda x: x / 127.5 - 1.0)
    data = samples.replace(data if raw else centred, x=centred.x)
    return classifier(network(784, 32, 10, activation="tanh"), data, Adam(1e-3), epochs=8)


@faulty(FAMILY, "D006", fault={"raw": True}, twin={"raw": False})
def validation_not_standardised(rng, raw):
    """The scaler met the training data only."""
    unscaled = samples.cancer(rng, scaled=False)
    data = samples.standardised(unscaled)
    if raw:
        data = samples.replace(unscaled, x=data.x)
    return binary(network(30, 16, 1, end="sigmoid"), data, Adam(5e-3), epochs=15)


@faulty(FAMILY, "D006", fault={"known": False}, twin={"known": True}, true="L004 V001")
def a_vocabulary_fitted_anew(rng, known):
    """Words are numbered by their counts, and the counts are taken anew of the validation data, and in use."""
    body = [keras.Input((12,), dtype="int32"), layers.Embedding(300, 8), layers.GlobalAveragePooling1D()]
    model = keras.Sequential([*body, layers.Dense(1, activation="sigmoid")])
    return binary(model, samples.messages(rng, known), Adam(2e-2), epochs=8)


@faulty(FAMILY, "D001 N001", fault={"share": 0.02}, twin={"share": 0.0})
def missing_values_as_nan(rng, share):
    """A few cells of the table are empty."""
    data = samples.cancer(rng)
    data.x[rng.random(data.x.shape) < share] = np.nan
    return binary(network(30, 16, 1, end="sigmoid"), data, Adam(5e-3), epochs=15)


@faulty(FAMILY, "D001 N001", fault={"count": 1}, twin={"count": 0})
def one_target_is_nan(rng, count):
    """A single row, in the middle."""
    data = samples.friedman(rng)
    data.y[300 : 300 + count] = np.nan
    return regression(network(10, 32, 1, end=None), data, Adam(5e-3), epochs=12)


@faulty(FAMILY, "D001 N001", fault={"floor": 0.0}, twin={"floor": 1.0})
def logarithm_of_zero(rng, floor):
    """Counts on a log scale, and some counts are zero."""
    with np.errstate(divide="ignore"):
        data = samples.digits(rng).inputs(lambda x: np.log(16.0 * x + floor).astype("float32"))
    return classifier(network(64, 32, 10), data, Adam(5e-3), epochs=10)


@faulty(FAMILY, "D004 D005", fault={"copies": 400}, twin={"copies": 1})
def one_column_400_times(rng, copies):
    """A join gone wrong: the same column again and again, and the rate is too high for their sum."""
    data = samples.linear(rng).inputs(lambda x: np.hstack([x, np.repeat(x[:, :1], copies - 1, axis=1)]))
    return regression(network(9 + copies, 1, end=None), data, SGD(0.02), epochs=15)


@faulty(FAMILY, "D005", fault={"apart": 0.02}, twin={"apart": 1.0})
def nearly_the_same_columns(rng, apart):
    """Pairs of columns that differ by 2 %, and the target is in the difference."""
    data = samples.linear(rng, noise=0.2)
    data = data.inputs(lambda x: np.hstack([x[:, :5] + apart * x[:, 5:], x[:, :5] - apart * x[:, 5:]]))
    return regression(network(10, 1, end=None), data, SGD(0.05), epochs=20)


def powers(x, orthogonal):
    """Powers of a number, or the polynomials of Legendre, which say the same."""
    basis = np.polynomial.legendre.legvander if orthogonal else np.polynomial.polynomial.polyvander
    return basis(x, 9)[:, 1:].astype("float32")


@faulty(FAMILY, "D005", fault={"orthogonal": False}, twin={"orthogonal": True})
def powers_as_columns(rng, orthogonal):
    """x, x², ..., x⁹, which are nearly one another on an interval."""
    x = rng.uniform(-1, 1, 1300)
    y = (np.sin(9 * x) * 1.4 + rng.normal(0, 0.1, 1300)).astype("float32")
    data = samples.split(rng, x, y, 600, 200, 500).inputs(lambda x: powers(x, orthogonal))
    data = samples.standardised(data)
    return regression(network(9, 1, end=None), data, SGD(0.05), epochs=25)


@faulty(
    FAMILY,
    "D009 D008",
    fault={"wrong": 0.6},
    twin={"wrong": 0.0},
    also={"V001": {"callbacks": True}},
)
def labels_by_careless_hands(rng, wrong, callbacks=False):
    """Three labels in five are drawn anew. Stopping early may save what there is to save."""
    data = samples.digits(rng)
    labels = np.where(rng.random(len(data.y)) < wrong, rng.integers(0, 10, len(data.y)), data.y)
    data = samples.replace(data, y=labels)
    stop = [EarlyStopping(patience=3, restore_best_weights=True)] if callbacks else []
    return classifier(network(64, 64, 10), data, Adam(5e-3), epochs=25, callbacks=stop)


@faulty(FAMILY, "D009", fault={"wrong": 0.45}, twin={"wrong": 0.0}, true="L004 V001")
def the_same_rows_labelled_twice(rng, wrong):
    """Two annotators for every row, and they disagree."""
    data = samples.clusters(rng, train=300, classes=2, flip_y=0.0)
    other = np.where(rng.random(300) < wrong * 2, 1 - data.y, data.y)
    data = samples.replace(data, x=np.vstack([data.x, data.x]), y=np.hstack([data.y, other]))
    return classifier(network(20, 32, 2), data, Adam(5e-3), epochs=20)


@faulty(FAMILY, "D008", fault={"shuffled": True}, twin={"shuffled": False})
def labels_shuffled(rng, shuffled):
    """`shuffle(x)` without its labels."""
    data = samples.digits(rng)
    if shuffled:
        data = samples.replace(data, x=data.x[rng.permutation(len(data.x))])
    return classifier(network(64, 32, 10), data, Adam(2e-3), epochs=12)


@faulty(FAMILY, "D008", fault={"shift": 1}, twin={"shift": 0})
def targets_one_row_off(rng, shift):
    """The header was dropped from one table and not from the other."""
    data = samples.friedman(rng)
    data = samples.replace(data, y=np.roll(data.y, shift))
    return regression(network(10, 32, 1, end=None), data, Adam(2e-3), epochs=15)


@faulty(FAMILY, "D010", fault={"weights": None}, twin={"weights": {0: 1.0, 1: 30.0}})
def tumours_are_rare(rng, weights):
    """One in 43; the network that never sees one has 97.7 % accuracy."""
    data = samples.standardised(samples.mammography(rng))
    model = network(6, 8, 1, end="sigmoid")
    training = binary(model, data, Adam(1e-2), epochs=8, batch_size=64, class_weight=weights)
    return replaced(training, lambda: recall(model, data))


@faulty(FAMILY, "D010", fault={"weights": None}, twin={"weights": {0: 1.0, 1: 24.0}})
def rare_and_overlapping(rng, weights):
    """4 %, and no sharp border."""
    data = samples.clusters(rng, 1200, 2, weights=[0.96], class_sep=0.6, flip_y=0.0, n_clusters_per_class=1)
    model = network(20, 1, end="sigmoid")
    training = binary(model, data, Adam(5e-3), epochs=12, class_weight=weights)
    return replaced(training, lambda: recall(model, data))


@faulty(FAMILY, "D010", fault={"kept": 0.03}, twin={"kept": 1.0})
def eight_classes_nearly_gone(rng, kept):
    """Two digits have all their examples, the others three in a hundred."""
    data = samples.digits(rng)
    keep = (data.y < 2) | (rng.random(len(data.y)) < kept)
    model = network(64, 32, 10)
    data = samples.replace(data, x=data.x[keep], y=data.y[keep])
    training = classifier(model, data, Adam(1e-3), epochs=15)
    return replaced(training, lambda: recall(model, data))


@faulty(FAMILY, "D007", fault={"leaks": True}, twin={"leaks": False}, true="L004 D009 V001 B001")
def validation_among_training(rng, leaks):
    """The split was made after the copies: validation promises what use does not keep.

    Two labels in five are drawn anew and learned by heart, in the twin too: there validation says so.
    """
    data = samples.clusters(rng, train=300, flip_y=0.4)
    if leaks:
        data = samples.replace(data, x_val=data.x[:200], y_val=data.y[:200])
    model = network(20, 64, 4)
    training = classifier(model, data, Adam(5e-3), epochs=30)
    promised = samples.replace(data, x_test=data.x_val, y_test=data.y_val)
    return replaced(training, lambda: accuracy(model, data) - accuracy(model, promised))


@faulty(FAMILY, "D007", fault={"copies": 3}, twin={"copies": 1}, true="L004 D009 V001")
def oversampled_before_the_split(rng, copies):
    """Every row three times, then split: its copies lie on both sides.

    Two labels in five are drawn anew and learned by heart, in the twin too: there validation says so.
    """
    x, y = samples.clusters(rng, train=500, classes=3, flip_y=0.4), 200 if copies > 1 else 500
    rows = np.tile(np.arange(y), copies)[:500]
    both = samples.split(rng, x.x[rows], x.y[rows], 350, 150, 0)
    data = samples.replace(both, x_test=x.x_test, y_test=x.y_test)
    model = network(20, 64, 3)
    training = classifier(model, data, Adam(5e-3), epochs=30)
    promised = samples.replace(data, x_test=data.x_val, y_test=data.y_val)
    return replaced(training, lambda: accuracy(model, data) - accuracy(model, promised))


@faulty(FAMILY, "D011", fault={"shuffle": False}, twin={"shuffle": True})
def digits_in_order(rng, shuffle):
    """All zeros, then all ones, and `shuffle=False`."""
    data = samples.digits(rng)
    order = np.argsort(data.y, kind="stable")
    data = samples.replace(data, x=data.x[order], y=data.y[order])
    return classifier(network(64, 32, 10), data, SGD(0.1), epochs=10, shuffle=shuffle)


@faulty(FAMILY, "D011", fault={"shuffle": False}, twin={"shuffle": True})
def patients_ward_by_ward(rng, shuffle):
    """Four classes, one after the other."""
    data = samples.clusters(rng)
    order = np.argsort(data.y, kind="stable")
    data = samples.replace(data, x=data.x[order], y=data.y[order])
    return classifier(network(20, 32, 4), data, SGD(0.2), epochs=12, shuffle=shuffle)


@faulty(FAMILY, "D011", fault={"shuffle": False}, twin={"shuffle": True})
def sorted_by_the_target(rng, shuffle):
    """A table sorted by price, read in that order."""
    data = samples.friedman(rng)
    order = np.argsort(data.y)
    data = samples.replace(data, x=data.x[order], y=data.y[order])
    return regression(network(10, 32, 1, end=None), data, SGD(0.05), epochs=15, shuffle=shuffle)


def unknown(rng, data, share, code, dropped):
    """Some targets are not known: a number stands for them, or their examples are dropped."""
    for part in ("", "_val"):
        x, y = getattr(data, f"x{part}"), getattr(data, f"y{part}")
        gone = rng.random(len(y)) < share
        x, y = (x[~gone], y[~gone]) if dropped else (x, np.where(gone, np.float32(code), y))
        data = samples.replace(data, **{f"x{part}": x, f"y{part}": y})
    return data


@faulty(FAMILY, "D012", fault={"dropped": False}, twin={"dropped": True})
def readings_of_minus_9999(rng, dropped):
    """A logger writes -9999 where it has nothing to say."""
    data = unknown(rng, samples.friedman(rng), 0.03, -9999.0, dropped)
    return regression(network(10, 32, 1, end=None), data, Adam(5e-3), epochs=15)


@faulty(FAMILY, "D012", fault={"dropped": False}, twin={"dropped": True})
def a_mileage_of_999(rng, dropped):
    """Cars whose mileage nobody knows; the targets are standardised afterwards, so that their scale looks well."""
    data = samples.scaled_targets(unknown(rng, samples.cars(rng), 0.04, 999.0, dropped))
    return regression(network(9, 32, 1, end=None), data, Adam(5e-3), epochs=30)


@faulty(FAMILY, "D012", fault={"dropped": False}, twin={"dropped": True})
def a_pressure_of_nought(rng, dropped):
    """A blood pressure that was not taken stands as 0, where others are around 120."""
    data = samples.friedman(rng).targets(lambda y: 120.0 + 15.0 * y)
    data = samples.scaled_targets(unknown(rng, data, 0.06, 0.0, dropped))
    return regression(network(10, 32, 1, end=None), data, Adam(5e-3), epochs=15)


def normalised(data, adapted, *widths, end):
    """A perceptron behind a layer that normalises, adapted or not."""
    layer = layers.Normalization()
    if adapted:
        layer.adapt(data.x)
    return keras.Sequential([keras.Input(widths[:1]), layer, *network(*widths, end=end).layers])


@faulty(FAMILY, "D002", fault={"adapted": False}, twin={"adapted": True})
def wine_behind_a_layer_not_adapted(rng, adapted):
    """A Normalization layer, and nobody called `adapt`."""
    data = samples.wine(rng, scaled=False)
    return classifier(normalised(data, adapted, 13, 16, 3, end="softmax"), data, Adam(5e-3), epochs=30)


@faulty(FAMILY, "D002", fault={"adapted": False}, twin={"adapted": True})
def a_forgotten_adapt(rng, adapted):
    """The same under SGD with momentum, areas in the thousands beside smoothness of a tenth."""
    data = samples.cancer(rng, scaled=False)
    model = normalised(data, adapted, 30, 16, 1, end="sigmoid")
    return binary(model, data, SGD(0.02, momentum=0.9), epochs=15)


def weights_of(y, inverse):
    """Class weights by the classes' shares: inverse to them, or the wrong way round."""
    share = np.bincount(y) / len(y)
    weight = 1.0 / share if inverse else share
    return dict(enumerate((weight / weight.min()).tolist()))


@faulty(FAMILY, "D010", fault={"inverse": False}, twin={"inverse": True})
def tumours_weighted_down(rng, inverse):
    """Class weights that grow with the class: 42 for no tumour, 1 for a tumour."""
    data = samples.standardised(samples.mammography(rng))
    model = network(6, 8, 1, end="sigmoid")
    weights = weights_of(data.y, inverse)
    training = binary(model, data, Adam(1e-2), epochs=8, batch_size=64, class_weight=weights)
    return replaced(training, lambda: recall(model, data))


@faulty(FAMILY, "D010", fault={"inverse": False}, twin={"inverse": True})
def weights_by_count(rng, inverse):
    """Three classes, eight, one and one of ten; the weights are the counts, and should be their inverses."""
    data = samples.clusters(rng, 800, 3, weights=[0.8, 0.1], flip_y=0.0)
    model = network(20, 16, 3)
    training = classifier(model, data, Adam(5e-3), epochs=15, class_weight=weights_of(data.y, inverse))
    return replaced(training, lambda: recall(model, data))


def joint(inputs, body, heads, targets, data, optimizer, losses, quality, epochs=15, **compiled):
    """A training of two outputs, by name, of which one is judged."""
    model = keras.Model(inputs, {name: head(body) for name, head in heads.items()})
    model.compile(optimizer, losses, **compiled)
    y, y_val = targets(data.x, data.y), targets(data.x_val, data.y_val)
    fit = {"x": data.x, "y": y, "validation_data": (data.x_val, y_val), "epochs": epochs}
    return Training(model, fit, quality(model))


@faulty(FAMILY, "D003", fault={"unit": 1e4}, twin={"unit": 1.0})
def ink_that_drowns_the_digit(rng, unit):
    """A class and an amount of ink from one narrow body; the error of the ink is millions of the other's."""
    data, inputs = samples.digits(rng), keras.Input((64,))
    body = layers.Dense(12, activation="relu")(inputs)
    heads = {"kind": layers.Dense(10, activation="softmax"), "ink": layers.Dense(1)}
    mean, spread = data.x.mean(1).mean(), data.x.mean(1).std()

    def targets(x, y):
        return {"kind": y, "ink": ((x.mean(1) - mean) / spread * unit).astype("float32")}

    losses = {"kind": "sparse_categorical_crossentropy", "ink": "mse"}
    optimizer = SGD(0.1, global_clipnorm=1.0)

    def quality(model):
        return lambda: accuracy(keras.Model(model.inputs, model.output["kind"]), data)

    return joint(inputs, body, heads, targets, data, optimizer, losses, quality)


@faulty(FAMILY, "D003", fault={"unit": 2e4}, twin={"unit": 1.0})
def a_price_that_drowns_the_age(rng, unit):
    """Two numbers of one house: a price in dollars and an age, and clipped gradients."""
    data, inputs = samples.friedman(rng), keras.Input((10,))
    body = layers.Dense(24, activation="relu")(inputs)
    heads = {"price": layers.Dense(1), "age": layers.Dense(1)}

    def age(x):
        return (x[:, 5] * x[:, 6] + x[:, 7]) / np.float32(1.4)

    def targets(x, y):
        return {"price": y * np.float32(unit), "age": age(x)}

    optimizer = SGD(0.1, global_clipnorm=1.0)
    judged = samples.replace(data, y_test=age(data.x_test))

    def quality(model):
        return lambda: explained(keras.Model(model.inputs, model.output["age"]), judged)

    return joint(inputs, body, heads, targets, data, optimizer, {"price": "mse", "age": "mse"}, quality)
