"""The trainings on which `thalweg lr-find` is developed and judged: data, a model and a budget of steps."""

import csv
import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Arrays = tuple[np.ndarray, np.ndarray]
SHARED = Path(os.environ.get("THALWEG_SHARED", Path(__file__).resolve().parents[2] / "shared")) / "data"


@dataclass(frozen=True)
class Task:
    """Training and validation examples, a compiled model, the batch size and the steps that a training has."""

    data: Callable[[], tuple[Arrays, Arrays]]
    build: Callable[[], Any]
    batch: int
    steps: int


def split(x: np.ndarray, y: np.ndarray, train: int, held: int) -> tuple[Arrays, Arrays]:
    rows = np.random.default_rng(7).permutation(len(x))[: train + held]
    return (x[rows[:train]], y[rows[:train]]), (x[rows[train:]], y[rows[train:]])


def scaled(x: np.ndarray) -> np.ndarray:
    spread = x.std(0)
    return ((x - x.mean(0)) / np.where(spread > 0, spread, 1.0)).astype("float32")


@functools.cache
def rows(name: str) -> list[list[str]]:
    with (SHARED / "tabular" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return [row for row in csv.reader(file, skipinitialspace=True) if row]


def digits(train: int = 1200, pixels: bool = False, noise: float = 0.0) -> tuple[Arrays, Arrays]:
    from sklearn.datasets import load_digits

    found = load_digits()
    x, y = (found.data / 16).astype("float32"), found.target.astype("int32")
    parts = split(x.reshape(-1, 8, 8, 1) if pixels else x, y, train, 500)
    rng = np.random.default_rng(1)
    wrong = rng.random(train) < noise
    parts[0][1][wrong] = rng.integers(0, 10, wrong.sum())
    return parts


def parity() -> tuple[Arrays, Arrays]:
    (x, y), (xv, yv) = digits()
    return (x, y % 2), (xv, yv % 2)


def cancer() -> tuple[Arrays, Arrays]:
    from sklearn.datasets import load_breast_cancer

    found = load_breast_cancer()
    return split(scaled(found.data), found.target.astype("int32"), 380, 189)


def copied(parts: tuple[Arrays, Arrays]) -> tuple[Arrays, Arrays]:
    """Each example is its own answer."""
    (x, _), (xv, _) = parts
    return (x, x), (xv, xv)


def pictures(
    name: str, train: int, held: int = 500, flat: bool = True, every: int = 1
) -> tuple[Arrays, Arrays]:
    """Every so many pixels of pictures."""
    with np.load(SHARED / f"{name}.npz") as arrays:
        x, y = arrays["x_train"][:10_000], arrays["y_train"][:10_000].ravel().astype("int32")
    x = (x[:, ::every, ::every] / 255).astype("float32")
    return split(x.reshape(len(x), -1) if flat else x.reshape(len(x), *x.shape[1:3], -1), y, train, held)


def table(
    name: str,
    train: int,
    held: int,
    target: int = -1,
    first: int = 0,
    classes: bool = False,
    unit: float = 1.0,
) -> tuple[Arrays, Arrays]:
    """Columns that are numbers, scaled; a target in its unit, or classes numbered."""
    lines = rows(name)[first:]
    labels = [line.pop(target) for line in (list(line) for line in lines)]
    kept = [
        k
        for k in range(len(lines[0]))
        if k != target % len(lines[0]) and all(_number(line[k]) for line in lines[:50])
    ]
    good = [i for i, line in enumerate(lines) if all(_number(line[k]) for k in kept)]
    x = scaled(np.array([[float(lines[i][k]) for k in kept] for i in good]))
    if classes:
        y = np.unique([labels[i] for i in good], return_inverse=True)[1].astype("int32")
        return split(x, y, train, held)
    return split(x, np.array([float(labels[i]) / unit for i in good], "float32"), train, held)


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def messages(train: int, held: int, length: int = 30, words: int = 2000) -> tuple[Arrays, Arrays]:
    """SMS messages as numbers of words; spam or not."""
    lines = [line.split("\t", 1) for line in (SHARED / "text/sms-spam.tsv").read_text("utf-8").split("\n")]
    lines = [line for line in lines if len(line) == 2]
    texts = [text.lower().split() for _, text in lines]
    counts: dict[str, int] = {}
    for text in texts:
        for word in text:
            counts[word] = counts.get(word, 0) + 1
    number = {
        word: i + 2 for i, word in enumerate(sorted(counts, key=lambda w: (-counts[w], w))[: words - 2])
    }
    x = np.zeros((len(texts), length), "int32")
    for i, text in enumerate(texts):
        ids = [number.get(word, 1) for word in text[:length]]
        x[i, : len(ids)] = ids
    return split(x, np.array([label == "spam" for label, _ in lines], "int32"), train, held)


def characters(train: int, held: int, length: int) -> tuple[Arrays, Arrays]:
    """The character that follows some others."""
    text = (SHARED / "text/tinyshakespeare.txt").read_text("utf-8")[:200_000]
    ids = np.unique(list(text), return_inverse=True)[1].astype("int32")
    windows = np.lib.stride_tricks.sliding_window_view(ids, length + 1)
    return split(windows[:, :-1], windows[:, -1], train, held)


def sunspots(train: int, held: int, months: int = 24) -> tuple[Arrays, Arrays]:
    """The number of sunspots, in hundreds, after so many months."""
    series = np.array([line[1] for line in rows("monthly-sunspots")[1:]], "float32") / 100
    windows = np.lib.stride_tricks.sliding_window_view(series, months + 1)
    return split(windows[:, :-1], windows[:, -1], train, held)


def network(shape: tuple[int, ...], *layers: Any, loss: str = "sparse_categorical_crossentropy") -> Callable:
    """What builds a compiled model: a layer is made by each of `layers`, which are functions."""

    def build() -> Any:
        import keras

        kinds = keras.layers
        whole = "int32" if layers[0] == "embedding" else "float32"
        made = [layer(kinds) for layer in layers if callable(layer)]
        model = keras.Sequential([kinds.Input(shape, dtype=whole), *made])
        model.compile("sgd", loss)
        return model

    return build


def dense(units: int, activation: str | None = "relu", **options: Any) -> Callable:
    return lambda kinds: kinds.Dense(units, activation, **options)


def embedding(*shape: int) -> tuple[str, Callable]:
    return "embedding", lambda kinds: kinds.Embedding(*shape)


ten = dense(10, "softmax")
yes = dense(1, "sigmoid")
one = dense(1, None)

DEVELOPED: dict[str, Task] = {
    "digits, linear": Task(digits, network((64,), ten), 16, 1500),
    "ionosphere": Task(
        lambda: table("ionosphere", 200, 151, classes=True),
        network((34,), dense(32), dense(32), yes, loss="binary_crossentropy"),
        16,
        500,
    ),
    "sonar": Task(
        lambda: table("sonar", 120, 88, classes=True),
        network((60,), dense(64), yes, loss="binary_crossentropy"),
        8,
        900,
    ),
    "boston, unscaled prices": Task(
        lambda: table("boston-housing", 350, 156), network((13,), dense(32), one, loss="mse"), 16, 900
    ),
    "fashion, one layer": Task(
        lambda: pictures("fashion_mnist", 3000), network((784,), dense(32), ten), 64, 600
    ),
    "cifar, convolutions": Task(
        lambda: pictures("cifar10_12k", 1500, 300, flat=False, every=4),
        network(
            (8, 8, 3),
            lambda k: k.Conv2D(8, 3, strides=2, activation="relu"),
            lambda k: k.Flatten(),
            ten,
        ),
        32,
        400,
    ),
    "cars": Task(
        lambda: table("auto-mpg", 280, 112, target=0, first=1),
        network((9,), dense(16, "tanh"), dense(16, "tanh"), one, loss="mse"),
        32,
        600,
    ),
    "mnist, deep tanh": Task(
        lambda: pictures("mnist", 2000),
        network((784,), *[dense(32, "tanh")] * 4, ten),
        32,
        600,
    ),
    "characters, bigrams": Task(
        lambda: characters(8000, 1000, 2),
        network((2,), *embedding(64, 8), lambda k: k.Flatten(), dense(65, "softmax")),
        32,
        1000,
    ),
    "digits, a third of labels wrong": Task(
        lambda: digits(600, noise=1 / 3), network((64,), dense(64), dense(64), ten), 32, 800
    ),
    "wine": Task(
        lambda: table("wine", 110, 68, target=-1, classes=True),
        network((13,), dense(32), dense(3, "softmax")),
        16,
        400,
    ),
    "breast cancer": Task(
        cancer, network((30,), dense(24), dense(24), yes, loss="binary_crossentropy"), 32, 500
    ),
    "digits, odd or even": Task(
        parity, network((64,), dense(32), dense(32), dense(32), yes, loss="binary_crossentropy"), 64, 600
    ),
    "mnist, three layers, batch 128": Task(
        lambda: pictures("mnist", 3000, every=2), network((196,), *[dense(40)] * 3, ten), 128, 500
    ),
    "digits, six layers of tanh": Task(digits, network((64,), *[dense(24, "tanh")] * 6, ten), 64, 600),
}
"""On these the method was made."""

JUDGED: dict[str, Task] = {
    "digits, 64-64-10": Task(digits, network((64,), dense(64), ten), 32, 800),
    "digits, deep, batch 128": Task(digits, network((64,), *[dense(48)] * 4, ten), 128, 400),
    "digits, a fifth of labels wrong": Task(
        lambda: digits(noise=0.2), network((64,), dense(128), ten), 32, 800
    ),
    "digits, convolutions": Task(
        lambda: digits(pixels=True),
        network(
            (8, 8, 1),
            lambda k: k.Conv2D(8, 3, strides=2, activation="relu"),
            lambda k: k.Flatten(),
            dense(32),
            ten,
        ),
        32,
        400,
    ),
    "digits, autoencoder": Task(
        lambda: copied(digits()),
        network((64,), dense(32), dense(8), dense(32), dense(64, "sigmoid"), loss="mse"),
        32,
        1000,
    ),
    "mnist, 784-10-10": Task(lambda: pictures("mnist", 3000), network((784,), dense(10), ten), 32, 800),
    "fashion, normalised, dropout": Task(
        lambda: pictures("fashion_mnist", 2000),
        network(
            (784,),
            dense(48, None),
            lambda k: k.BatchNormalization(),
            lambda k: k.Activation("relu"),
            lambda k: k.Dropout(0.3),
            ten,
        ),
        64,
        500,
    ),
    "houses, regression": Task(
        lambda: table("california-housing", 4000, 1000, target=8, first=1, unit=1e5),
        network((8,), dense(48), dense(48), one, loss="mse"),
        64,
        800,
    ),
    "abalone, mean absolute error": Task(
        lambda: table("abalone", 2500, 1000), network((7,), dense(32), dense(16), one, loss="mae"), 32, 800
    ),
    "income": Task(
        lambda: table("adult-train", 4000, 1000, classes=True),
        network((6,), dense(32), dense(32), yes, loss="binary_crossentropy"),
        64,
        600,
    ),
    "diabetes, overfits": Task(
        lambda: table("pima-indians-diabetes", 500, 268, classes=True),
        network((8,), dense(64), dense(64), yes, loss="binary_crossentropy"),
        16,
        900,
    ),
    "messages, embedding": Task(
        lambda: messages(2500, 1000),
        network(
            (30,), *embedding(2000, 16), lambda k: k.GlobalAveragePooling1D(), yes, loss="binary_crossentropy"
        ),
        32,
        800,
    ),
    "characters, context of 6": Task(
        lambda: characters(8000, 1000, 6),
        network((6,), *embedding(64, 16), lambda k: k.Flatten(), dense(64), dense(65, "softmax")),
        64,
        800,
    ),
}
"""On these it is judged."""

FRESH: dict[str, Task] = {
    "fashion, layers normalised": Task(
        lambda: pictures("fashion_mnist", 4000, 1000, every=2),
        network(
            (196,),
            *[
                dense(64, None),
                lambda k: k.LayerNormalization(),
                lambda k: k.Activation("relu"),
            ]
            * 2,
            ten,
        ),
        64,
        800,
    ),
    "fashion, autoencoder": Task(
        lambda: copied(pictures("fashion_mnist", 3000, every=2)),
        network(
            (196,),
            dense(64),
            dense(16),
            dense(64),
            dense(196, "sigmoid"),
            loss="binary_crossentropy",
        ),
        64,
        700,
    ),
    "mnist, convolutions, pooled": Task(
        lambda: pictures("mnist", 2000, flat=False, every=2),
        network(
            (14, 14, 1),
            lambda k: k.Conv2D(8, 3, activation="relu"),
            lambda k: k.MaxPooling2D(2),
            lambda k: k.Flatten(),
            dense(32),
            ten,
        ),
        32,
        400,
    ),
    "cifar, two layers": Task(
        lambda: pictures("cifar10_12k", 4000, 1000, every=4),
        network((192,), dense(64), dense(64), ten),
        64,
        800,
    ),
    "mammography, rare": Task(
        lambda: table("mammography", 6000, 3000, classes=True),
        network((6,), dense(32), dense(32), yes, loss="binary_crossentropy"),
        128,
        600,
    ),
    "sunspots, absolute error": Task(
        lambda: sunspots(2000, 700),
        network((24,), dense(32), dense(32), one, loss="mae"),
        32,
        900,
    ),
    "messages, recurrent": Task(
        lambda: messages(2500, 1000, length=20),
        network((20,), *embedding(2000, 16), lambda k: k.GRU(16), yes, loss="binary_crossentropy"),
        64,
        500,
    ),
}
"""So it was once more, when the method had long been finished: seven tasks that nobody had tried before."""
