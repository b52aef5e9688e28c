"""How examples lie in their own order: sorted by class, or each like the one before it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Ordering:
    """`batches` whole batches, the share `one_class` of them whose examples are all of one class, and `neighbours`.

    `neighbours` is one where each example has the target of the one before it, and zero in random order: for
    classes (equal - expected) / (1 - expected) over pairs of successive examples, for numbers their correlation. NaN
    where the targets do not vary; `one_class` is NaN for numbers.
    """

    batches: int
    one_class: float
    neighbours: float


def class_ordering(labels: NDArray[Any], batch_size: int) -> Ordering:
    """The ordering of classes (n,) in batches of this size; a last batch that is not full is left out."""
    labels = np.asarray(labels).ravel()
    n, size = len(labels), max(int(batch_size), 1)
    batches = n // size
    grouped = labels[: batches * size].reshape(batches, size)
    one_class = float(np.mean((grouped == grouped[:, :1]).all(axis=1))) if batches else np.nan
    shares = np.unique(labels, return_counts=True)[1] / max(n, 1)
    expected = float(np.sum(shares**2))
    neighbours = np.nan
    if len(shares) > 1:
        neighbours = (float(np.mean(labels[1:] == labels[:-1])) - expected) / (1.0 - expected)
    return Ordering(batches, one_class, neighbours)


def value_ordering(values: NDArray[Any], batch_size: int) -> Ordering:
    """The ordering of numbers (n, k) in batches of this size; columns count by their variance."""
    values = np.asarray(values, np.float64)
    batches = len(values) // max(int(batch_size), 1)
    if len(values) < 3 or not np.isfinite(values).all():
        return Ordering(batches, np.nan, np.nan)
    values = values.reshape(len(values), -1)
    values = values / (np.abs(values).max(axis=0, initial=0.0) + np.finfo(np.float64).tiny)
    values = values - values.mean(axis=0)
    variance = float(np.sum(values**2))
    if not variance > 1e-18 * values.size:
        return Ordering(batches, np.nan, np.nan)
    return Ordering(batches, np.nan, float(np.sum(values[1:] * values[:-1])) / variance)
