"""Real Keras programs: false alarms of every rule on healthy ones, recall on faulty ones.

    python benchmarks/programs.py [--seeds 100 101 102 103 104] [--only WORD ...]

Healthy programs are those that naive thresholds accuse: converged runs, noisy labels, wide ReLU networks,
warm-up and one-cycle schedules, sparse embeddings. A concern on one of them is a false alarm, unless the
program says that the finding is true of it (`right`: a short run *is* still falling). Seeds below 100 were
used while thresholds were set; the table in docs/calibration.md comes from 100 on.

Each program is a line or a few on data made here or scikit-learn's. KERAS_BACKEND chooses the backend.
"""

import argparse
import collections
import math
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers, ops
from keras.optimizers import SGD, Adam
from keras.optimizers.schedules import CosineDecay, LearningRateSchedule
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine

import thalweg

Data = dict[str, Any]
"""The arguments of `fit`."""
Random = np.random.Generator


@dataclass(frozen=True)
class Program:
    """One training: `data(rng)` are the arguments of `fit`, `model(data)` is compiled."""

    model: Callable[[Data], keras.Model]
    data: Callable[[Random], Data]
    right: frozenset[str] = frozenset()
    """For a faulty program the codes that name its fault; for a healthy one those that are true of it."""


# Data


def split(x: Any, y: Any, order: Any, cut: int, epochs: int) -> Data:
    x, train, test = x.astype("float32"), order[:cut], order[cut:]
    return {"x": x[train], "y": y[train], "validation_data": (x[test], y[test]), "epochs": epochs}


def digits(rng: Random, noise: float = 0.0, scale: float = 1.0, epochs: int = 15) -> Data:
    """8x8 handwritten digits, a share `noise` of them with a label drawn anew."""
    x, y = load_digits(return_X_y=True)
    order = rng.permutation(len(x))
    wrong = rng.random(len(y)) < noise
    y[wrong] = rng.integers(0, 10, wrong.sum())
    return split(scale * x / 16.0, y, order, 1400, epochs)


def images(rng: Random) -> Data:
    data = digits(rng)
    x, y = data["validation_data"]
    return {**data, "x": data["x"].reshape(-1, 8, 8, 1), "validation_data": (x.reshape(-1, 8, 8, 1), y)}


def table(load: Callable[..., Any], epochs: int = 30) -> Callable[[Random], Data]:
    """One of scikit-learn's tables, every column scaled."""
    x, y = load(return_X_y=True)
    x = (x - x.mean(0)) / x.std(0)
    return lambda rng: split(x, y, rng.permutation(len(x)), int(0.8 * len(x)), epochs)


def linear(rng: Random, batch_size: int = 32) -> Data:
    x = rng.normal(0, 1, (1500, 10)).astype("float32")
    y = (x @ rng.normal(0, 1, 10) + rng.normal(0, 0.5, 1500)).astype("float32")
    return {"x": x, "y": y, "validation_split": 0.2, "epochs": 30, "batch_size": batch_size}


def waves(rng: Random) -> Data:
    """Noisy sines of one of three frequencies."""
    phase, kind = rng.uniform(0, 6.28, (1000, 1)), rng.integers(0, 3, 1000)
    x = np.sin(np.arange(30)[None] / 4 * (1 + kind[:, None]) + phase) + rng.normal(0, 0.3, (1000, 30))
    return {"x": x[:, :, None].astype("float32"), "y": kind, "validation_split": 0.2, "epochs": 12}


def words(rng: Random) -> Data:
    """Twelve words of 3,000, each with a weight of its own; the sign of their sum."""
    x, weight = rng.integers(0, 3000, (1500, 12)), rng.normal(0, 1, 3000)
    return {"x": x, "y": (weight[x].sum(1) > 0).astype("int32"), "epochs": 8, "batch_size": 16}


def itself(rng: Random) -> Data:
    x = digits(rng)["x"]
    return {"x": x, "y": x, "validation_split": 0.2, "epochs": 25}


def with_nan(rng: Random) -> Data:
    data = digits(rng)
    data["x"][700, 3] = math.nan
    return data


def shuffled(rng: Random) -> Data:
    data = digits(rng)
    rng.shuffle(data["y"])
    return data


def few(rng: Random) -> Data:
    data = digits(rng, noise=0.3, epochs=60)
    return {**data, "x": data["x"][:300], "y": data["y"][:300]}


# Models


def compiled(
    model: keras.Model, optimizer: Any, loss: str = "sparse_categorical_crossentropy"
) -> keras.Model:
    model.compile(optimizer, loss, metrics=["accuracy"] if "entropy" in loss else None)
    return model


def stack(*body: Any) -> keras.Model:
    return keras.Sequential(body)


def dense(*widths: int, act: str = "relu", end: str | None = "softmax", **kwargs: Any) -> keras.Model:
    """A perceptron: inputs, hidden units, outputs."""
    hidden = [layers.Dense(width, activation=act, **kwargs) for width in widths[1:-1]]
    return stack(keras.Input(widths[:1]), *hidden, layers.Dense(widths[-1], activation=end))


def regression(*widths: int, optimizer: Any) -> keras.Model:
    return compiled(dense(*widths, 1, end=None), optimizer, "mse")


def residual(_: Data) -> keras.Model:
    h = inputs = keras.Input((64,))
    h = layers.Dense(32)(h)
    for _ in range(20):
        h = layers.Add()([h, layers.Dense(32)(layers.ReLU()(layers.LayerNormalization()(h)))])
    return compiled(keras.Model(inputs, layers.Dense(10, activation="softmax")(h)), Adam(1e-3))


def recurrent(_: Data) -> keras.Model:
    model = stack(keras.Input((30, 1)), layers.LSTM(24), layers.Dense(3, activation="softmax"))
    return compiled(model, Adam(5e-3))


def transformer(_: Data) -> keras.Model:
    inputs = keras.Input((30, 1))
    h = layers.Dense(16)(inputs)
    for _ in range(2):
        h = layers.LayerNormalization()(layers.Add()([h, layers.MultiHeadAttention(2, 8)(h, h)]))
        wide = layers.Dense(16)(layers.Dense(32, activation="gelu")(h))
        h = layers.LayerNormalization()(layers.Add()([h, wide]))
    out = layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling1D()(h))
    return compiled(keras.Model(inputs, out), Adam(2e-3))


def embedding(_: Data) -> keras.Model:
    inputs, mean = keras.Input((12,), dtype="int32"), layers.GlobalAveragePooling1D()
    model = stack(inputs, layers.Embedding(5000, 16), mean, layers.Dense(1, activation="sigmoid"))
    return compiled(model, Adam(1e-2), "binary_crossentropy")


def convolutional(_: Data) -> keras.Model:
    first = [layers.Conv2D(16, 3, use_bias=False), layers.BatchNormalization(), layers.ReLU()]
    second = [layers.Conv2D(32, 3, activation="relu"), layers.Flatten(), layers.Dropout(0.3)]
    last = layers.Dense(10, activation="softmax")
    return compiled(stack(keras.Input((8, 8, 1)), *first, *second, last), Adam(1e-3))


def tuned(data: Data) -> keras.Model:
    """Trained on half of the data, then all but its last layer frozen."""
    model = compiled(dense(64, 64, 32, 10), Adam(1e-3))
    model.fit(data["x"][:700], data["y"][:700], epochs=15, verbose=0)
    for layer in model.layers[:-1]:
        layer.trainable = False
    return compiled(model, Adam(1e-3))


class OneCycle(LearningRateSchedule):
    def __call__(self, step):
        step = ops.cast(step, "float32")
        return 0.1 * ops.where(step < 200.0, step / 200.0, ops.maximum(0.0, (660.0 - step) / 460.0)) + 1e-4


# Programs


def codes(*names: str) -> frozenset[str]:
    return frozenset(names)


HEALTHY = {
    "digits, Adam": Program(lambda _: compiled(dense(64, 32, 32, 10), Adam(1e-3)), digits, codes("L004")),
    "digits, SGD with momentum": Program(
        lambda _: compiled(dense(64, 32, 32, 10), SGD(0.1, momentum=0.9)), digits
    ),
    "digits, until gradients vanish": Program(
        lambda _: compiled(dense(64, 64, 10), Adam(3e-3)), lambda rng: digits(rng, epochs=60)
    ),
    "noisy labels, honest plateau": Program(
        lambda _: compiled(dense(64, 4, 10), Adam(5e-3)),
        lambda rng: digits(rng, noise=0.4, epochs=40),
        codes("V001"),
    ),
    "wide sparse ReLU": Program(
        lambda _: compiled(dense(64, 1024, 10), Adam(1e-3)),
        lambda rng: digits(rng, epochs=10),
        codes("L004"),
    ),
    "twenty residual blocks": Program(residual, digits),
    "batch norm and dropout, convolutional": Program(convolutional, images, codes("L004")),
    "LSTM": Program(recurrent, waves, codes("L004", "V001")),
    "small transformer": Program(transformer, waves, codes("L004", "V001")),
    "embedding, sparse gradients": Program(embedding, words, codes("L004")),
    "autoencoder, loss floor above zero": Program(
        lambda _: compiled(dense(64, 32, 8, 32, 64, end="sigmoid"), Adam(2e-3), "mse"),
        itself,
        codes("L004"),
    ),
    "fine-tuning, frozen backbone": Program(tuned, digits, codes("L004")),
    "linear regression": Program(lambda _: regression(10, optimizer=SGD(0.01)), linear),
    "linear regression, converged, batch of 8": Program(
        lambda _: regression(10, optimizer=SGD(0.02)), lambda rng: linear(rng, batch_size=8)
    ),
    "logistic regression": Program(
        lambda _: compiled(dense(30, 1, end="sigmoid"), Adam(1e-2), "binary_crossentropy"),
        table(load_breast_cancer),
        codes("L004"),
    ),
    "wine, three classes": Program(
        lambda _: compiled(dense(13, 16, 3), Adam(1e-2)), table(load_wine), codes("L004")
    ),
    "diabetes, targets in the hundreds": Program(
        lambda _: regression(10, 32, optimizer=Adam(1e-2)),
        table(load_diabetes, epochs=100),
        codes("L004", "V001"),
    ),
    "unscaled but harmless pixels 0 to 16": Program(
        lambda _: compiled(dense(64, 32, 10), Adam(1e-3)),
        lambda rng: digits(rng, scale=16.0),
        codes("L004", "V001"),
    ),
    "one-cycle, high rate": Program(
        lambda _: compiled(dense(64, 32, 32, 10), SGD(OneCycle(), momentum=0.9)), digits
    ),
    "cosine decay": Program(lambda _: compiled(dense(64, 32, 10), Adam(CosineDecay(5e-3, 660))), digits),
    "accumulated gradients and clipping": Program(
        lambda _: compiled(dense(64, 32, 10), Adam(3e-3, gradient_accumulation_steps=4, clipnorm=1.0)),
        digits,
        codes("L004"),
    ),
    "three epochs only": Program(
        lambda _: compiled(dense(64, 32, 10), Adam(1e-3)), lambda rng: digits(rng, epochs=3)
    ),
}

FAULTY = {
    "learning rate 1000 times too high": Program(
        lambda _: compiled(dense(64, 32, 32, 10), Adam(1.0)), digits, codes("N001", "L001", "L002", "B001")
    ),
    "SGD diverges on raw targets": Program(
        lambda _: regression(10, 32, optimizer=SGD(0.1)),
        table(load_diabetes),
        codes("N001", "L002", "G003"),
    ),
    "learning rate far too low": Program(
        lambda _: compiled(dense(64, 32, 10), SGD(1e-6)), digits, codes("P001", "L001", "B001")
    ),
    "NaN in one row": Program(lambda _: compiled(dense(64, 32, 32, 10), Adam(1e-3)), with_nan, codes("N001")),
    "deep sigmoids": Program(
        lambda _: compiled(dense(64, *[16] * 10, 10, act="sigmoid"), SGD(0.05)),
        digits,
        codes("G002", "B001", "L001"),
    ),
    "all zero initial weights": Program(
        lambda _: compiled(dense(64, 32, 32, 10, kernel_initializer="zeros"), Adam(1e-3)),
        digits,
        codes("B001", "L001", "P002", "A001"),
    ),
    "dead ReLUs from a large negative bias": Program(
        lambda _: compiled(dense(64, 32, 10, bias_initializer=keras.initializers.Constant(-30.0)), SGD(0.01)),
        digits,
        codes("A001", "B001", "L001", "P002"),
    ),
    "labels shuffled": Program(
        lambda _: compiled(dense(64, 32, 32, 10), Adam(1e-3)), shuffled, codes("V001", "B001", "L001")
    ),
    "overfitting": Program(lambda _: compiled(dense(64, 256, 256, 10), Adam(2e-3)), few, codes("V001")),
    "far too few epochs": Program(
        lambda _: compiled(dense(64, 32, 10), SGD(0.01)),
        lambda rng: digits(rng, epochs=6),
        codes("L004"),
    ),
    "oscillating regression": Program(
        lambda _: regression(10, optimizer=SGD(0.99)),
        lambda rng: {**linear(rng, batch_size=1200), "epochs": 200, "validation_split": 0.0},
        codes("L003", "L002", "L001", "N001"),
    ),
}


def concerns(program: Program, seed: int) -> list[str]:
    """The codes of the concerns about one training, in the order in which a person reads them."""
    keras.utils.set_random_seed(seed)
    data = program.data(np.random.default_rng(seed))
    model = program.model(data)
    with tempfile.TemporaryDirectory() as folder:
        watch = thalweg.Watch(Path(folder, "run"), quiet=True)
        model.fit(**data, verbose=0, callbacks=[watch])
        found = [finding.code for finding in thalweg.diagnose(watch.record()).concerns]
    keras.backend.clear_session()
    return found


def wilson(hits: int, of: int) -> str:
    """A proportion with its 95 % interval (Wilson 1927)."""
    if not of:
        return "-"
    p, z = hits / of, 1.96
    middle = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    return f"{hits} of {of} ({100 * max(middle - half, 0):.0f} to {100 * min(middle + half, 1):.0f} %)"


def main() -> None:
    """Run the programs on the seeds and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[100, 101, 102, 103, 104])
    parser.add_argument(
        "--only", nargs="+", default=[""], help="programs whose name holds one of these words"
    )
    options = parser.parse_args()
    counts: collections.Counter[str] = collections.Counter()
    for kind, programs in (("healthy", HEALTHY), ("faulty", FAULTY)):
        print(f"\n| {kind} program | concerns, by seed |\n|---|---|")
        for name, program in programs.items():
            if not any(word in name for word in options.only):
                continue
            told = []
            for seed in options.seeds:
                found = concerns(program, seed)
                told.append(" ".join(found) or "-")
                wrong = set(found) - program.right
                counts.update([kind])
                if kind == "healthy":
                    counts.update([*wrong, *(["false"] if wrong else [])])
                else:
                    counts["named"] += bool(program.right.intersection(found))
                    counts["first"] += bool(program.right.intersection(found[:1]))
            print(f"| {name} | {', '.join(told)} |", flush=True)
    print(f"\nBackend {keras.backend.backend()}, seeds {', '.join(map(str, options.seeds))}\n")
    print("| rule | false alarms on healthy runs |\n|---|---|")
    for rule in thalweg.RULES:
        print(f"| {rule.code} {rule.title} | {wilson(counts[rule.code], counts['healthy'])} |")
    print(f"| any | {wilson(counts['false'], counts['healthy'])} |")
    print(f"\nFaulty runs with the fault among the concerns: {wilson(counts['named'], counts['faulty'])}")
    print(f"Faulty runs with the fault as the first concern: {wilson(counts['first'], counts['faulty'])}")


if __name__ == "__main__":
    main()
