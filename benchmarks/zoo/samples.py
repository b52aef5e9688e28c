"""The data of the zoo: made here, scikit-learn's, or the shared real ones where they are at hand.

Every sample comes split in three, inputs standardised unless it says otherwise, as a careful person would.
"""

import csv
import functools
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import datasets

Random = np.random.Generator


class MissingDataError(Exception):
    """The shared data are not at hand: the program is skipped, and counted as such."""


@dataclass(frozen=True)
class Sample:
    """Training, validation and held-out examples."""

    x: Any
    y: Any
    x_val: Any
    y_val: Any
    x_test: Any
    y_test: Any

    def inputs(self, change: Callable[[Any], Any]) -> "Sample":
        """The same with all inputs changed."""
        return replace(self, x=change(self.x), x_val=change(self.x_val), x_test=change(self.x_test))

    def targets(self, change: Callable[[Any], Any]) -> "Sample":
        """The same with all targets changed."""
        return replace(self, y=change(self.y), y_val=change(self.y_val), y_test=change(self.y_test))


def split(rng: Random, x: Any, y: Any, train: int, validation: int, test: int = 600) -> Sample:
    """So many examples each, drawn without replacement."""
    order = rng.permutation(len(x))[: train + validation + test]
    a, b, c = np.split(order, [train, train + validation])
    return Sample(x[a], y[a], x[b], y[b], x[c], y[c])


def standardised(data: Sample) -> Sample:
    """Columns shifted and scaled by the training examples."""
    mean, scale = data.x.mean(0), data.x.std(0)
    scale = np.where(scale > 0, scale, 1.0)
    return data.inputs(lambda x: ((x - mean) / scale).astype("float32"))


def digits(rng: Random, train: int = 900) -> Sample:
    """Handwritten digits of 8 by 8, flat, from 0 to 1."""
    x, y = datasets.load_digits(return_X_y=True)
    return split(rng, (x / 16.0).astype("float32"), y, train, 300)


def small_images(rng: Random) -> Sample:
    """The same as images."""
    return digits(rng).inputs(lambda x: x.reshape(-1, 8, 8, 1))


def cancer(rng: Random, scaled: bool = True) -> Sample:
    """Benign or malignant, 30 columns; unscaled, they reach from 0.001 to 4,254."""
    x, y = datasets.load_breast_cancer(return_X_y=True)
    data = split(rng, x.astype("float32"), y, 340, 100)
    return standardised(data) if scaled else data


def wine(rng: Random, scaled: bool = True) -> Sample:
    """Three kinds of wine, 13 columns; unscaled, they reach from 0.1 to 1,680."""
    x, y = datasets.load_wine(return_X_y=True)
    data = split(rng, x.astype("float32"), y, 100, 30)
    return standardised(data) if scaled else data


def diabetes(rng: Random, scaled: bool = True) -> Sample:
    """A noisy regression; the unscaled targets lie between 25 and 346."""
    x, y = datasets.load_diabetes(return_X_y=True)
    y = (y - 152.0) / 77.0 if scaled else y
    return standardised(split(rng, x, y.astype("float32"), 280, 60))


def moons(rng: Random, train: int = 600) -> Sample:
    """Two interleaved half circles."""
    x, y = datasets.make_moons(train + 700, noise=0.15, random_state=int(rng.integers(2**31)))
    return standardised(split(rng, x, y, train, 200, 500))


def rings(rng: Random) -> Sample:
    """A ring around a ring: nothing linear tells them apart."""
    x, y = datasets.make_circles(1300, noise=0.1, factor=0.5, random_state=int(rng.integers(2**31)))
    return standardised(split(rng, x, y, 600, 200, 500))


def clusters(rng: Random, train: int = 600, classes: int = 4, **kwargs: Any) -> Sample:
    """Clusters of a few classes in 20 columns."""
    arguments = {"n_features": 20, "n_informative": 10, "n_redundant": 0, "n_classes": classes, **kwargs}
    x, y = datasets.make_classification(train + 700, random_state=int(rng.integers(2**31)), **arguments)
    return standardised(split(rng, x, y, train, 200, 500))


def friedman(rng: Random) -> Sample:
    """A smooth regression of ten columns, targets of unit variance."""
    x, y = datasets.make_friedman1(1300, noise=1.0, random_state=int(rng.integers(2**31)))
    return standardised(split(rng, x, ((y - 14.4) / 5.0).astype("float32"), 600, 200, 500))


def linear(rng: Random, columns: int = 10, noise: float = 0.5) -> Sample:
    """A linear regression, targets of unit variance."""
    x = rng.normal(size=(1300, columns)).astype("float32")
    y = x @ rng.normal(size=columns) / np.sqrt(columns) + rng.normal(0, noise, 1300)
    return split(rng, x, (y / np.hypot(1, noise)).astype("float32"), 600, 200, 500)


def waves(rng: Random, length: int = 20) -> Sample:
    """Noisy sines of one of three frequencies, as sequences."""
    kind = rng.integers(0, 3, 1100)
    time = np.arange(length) / 3 * (1 + kind[:, None]) + rng.uniform(0, 6.28, (1100, 1))
    x = np.sin(time) + rng.normal(0, 0.2, time.shape)
    return split(rng, x[:, :, None].astype("float32"), kind, 600, 200, 300)


def sums(rng: Random, length: int = 20) -> Sample:
    """Sequences whose target is their sum, in units of its spread."""
    x = rng.normal(size=(1100, length, 1)).astype("float32")
    return split(rng, x, (x.sum((1, 2)) / np.sqrt(length)).astype("float32"), 600, 200, 300)


def words(rng: Random, vocabulary: int = 400) -> Sample:
    """Twelve words of a vocabulary, each with a weight of its own; the sign of their sum."""
    x, weight = rng.integers(0, vocabulary, (1500, 12)), rng.normal(0, 1, vocabulary)
    return split(rng, x, (weight[x].sum(1) > 0).astype("int32"), 900, 200, 400)


def messages(rng: Random, known: bool = True) -> Sample:
    """Words of an uneven vocabulary, numbered by how often they come; each has a weight, the sum of which decides.

    Unless the vocabulary is `known`, every part is numbered by its own counts.
    """
    frequency = 1.0 / np.arange(10, 310)
    x = rng.choice(300, (3600, 12), p=frequency / frequency.sum())
    weight = rng.normal(0, 1, 300)
    data = split(rng, x, (weight[x].sum(1) > 0).astype("int32"), 2000, 800, 800)

    def numbered(part: Any, by: Any) -> Any:
        order = np.argsort(-np.bincount(by.ravel(), minlength=300), kind="stable")
        return np.argsort(order)[part]

    return data.inputs(lambda part: numbered(part, data.x if known else part))


def shared(name: str) -> Path:
    """A file of the shared data."""
    root = Path(os.environ.get("THALWEG_SHARED", Path(__file__).parents[3] / "shared"))
    path = root / "data" / name
    if not path.exists():
        raise MissingDataError(name)
    return path


def scaled_targets(data: Sample) -> Sample:
    """Targets shifted and scaled by the training examples."""
    mean, scale = data.y.mean(), data.y.std()
    return data.targets(lambda y: ((y - mean) / scale).astype("float32"))


@functools.cache
def _archive(name: str) -> tuple[Any, Any]:
    with np.load(shared(name)) as arrays:
        return arrays["x_train"][:10000], arrays["y_train"][:10000].ravel().astype("int64")


def pictures(rng: Random, name: str = "mnist", train: int = 1000) -> Sample:
    """Pixels from 0 to 255 as they come, of MNIST, Fashion-MNIST or `cifar10_12k`."""
    x, y = _archive(f"{name}.npz")
    return split(rng, x, y, train, 300)


@functools.cache
def _rows(name: str) -> list[list[str]]:
    with shared(f"tabular/{name}.csv").open(encoding="utf-8", newline="") as file:
        return [row for row in csv.reader(file, skipinitialspace=True) if row]


def houses(rng: Random, scaled: bool = True) -> Sample:
    """Californian house prices by eight columns; the unscaled targets are dollars."""
    rows = [row[:9] for row in _rows("california-housing")[1:] if all(row[:9])]
    table = np.array(rows, "float64")
    y = (table[:, 8] - 2.07e5) / 1.15e5 if scaled else table[:, 8]
    return standardised(split(rng, table[:, :8], y.astype("float32"), 1000, 300))


def cars(rng: Random) -> Sample:
    """Miles per gallon of 392 cars, unscaled, by nine columns."""
    table = np.array(_rows("auto-mpg")[1:], "float32")
    return standardised(split(rng, table[:, 1:], table[:, 0], 280, 40, 70))


def mammography(rng: Random) -> Sample:
    """One finding in 43 is a tumour."""
    rows = _rows("mammography")
    x, y = np.array([row[:6] for row in rows], "float32"), np.array(["-1" not in row[6] for row in rows])
    return split(rng, x, y.astype("int32"), 2500, 800, 3000)


def passengers(rng: Random) -> Sample:
    """Monthly airline passengers, the last twelve months to foretell the next; the last years held out."""
    y = np.log([float(row[1]) for row in _rows("airline-passengers")[1:]])
    windows = np.lib.stride_tricks.sliding_window_view((y - y.mean()) / y.std(), 13).astype("float32")
    x, y = windows[:, :12, None], windows[:, 12]
    return Sample(x[:85], y[:85], x[85:105], y[85:105], x[105:], y[105:])


def letters(rng: Random, length: int = 24) -> Sample:
    """Characters of Shakespeare: `length` of them to foretell the next one."""
    text = shared("text/tinyshakespeare.txt").read_text(encoding="utf-8")[:200_000].lower()
    known = {letter: i for i, letter in enumerate(sorted(set(text)))}
    codes = np.array([known[letter] for letter in text])
    start = rng.choice(len(codes) - length - 1, 2000, replace=False)
    x = np.stack([codes[s : s + length] for s in start])
    return split(rng, x, codes[start + length], 1200, 300, 500)
