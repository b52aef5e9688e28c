"""Whether what holds among training examples holds among validation examples, asked of a simple rule."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.floating]
Labels = NDArray[np.int64]

_PENALTY = 1.0
"""Beside a kernel whose diagonal is one in the mean."""
_FEWEST = 5
"""Examples of a class in each half: of fewer no recall is worth its name."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """Mean recalls of ridge regressions that learned from one half of a sample, and that of `chance`.

    `within`: on the other half of the training examples. `across`: on the validation examples. `own`: learned from
    one half of the validation examples, on the other half. `error` is the larger standard error of the two
    differences to `across`.
    """

    within: float
    across: float
    own: float
    error: float
    chance: float


def transfer(training: Features, labels: Labels, validation: Features, asked: Labels) -> Transfer | None:
    """What rules learned from `training` (n, d) and `validation` (m, d) tell of the labels (n,) and (m,).

    The halves are the first and the second in the order of the examples: where neighbours are alike, as in time or
    within a group, the second half of the training examples is as far from the first as validation may be. A mean
    recall does not move where classes are only more or less frequent. None where fewer than two classes have five
    examples in every half.
    """
    common = _common(labels, asked)
    if len(common) < 2:
        return None
    rows, others = np.isin(labels, common), np.isin(asked, common)
    features = np.concatenate([training[rows], validation[others]])
    truth = np.searchsorted(common, np.concatenate([labels[rows], asked[others]]))
    kernel = features @ features.T
    size = float(np.mean(np.diag(kernel)))
    if not 0.0 < size < np.inf:
        return None
    kernel = kernel.astype(np.float64) / size + 1.0  # one: an intercept
    places = np.arange(len(truth))
    first, second = np.array_split(places[: rows.sum()], 2)
    third, fourth = np.array_split(places[rows.sum() :], 2)

    def told(learned: Labels, told_of: Labels) -> Labels:
        return _told(kernel[np.ix_(learned, learned)], truth[learned], kernel[np.ix_(told_of, learned)])

    held = truth[third[0] :]
    within = _recall(truth[: third[0]], np.concatenate([told(second, first), told(first, second)]))
    own = _recall(held, np.concatenate([told(fourth, third), told(third, fourth)]))
    across = np.mean([_recall(held, told(half, places[third[0] :])) for half in (first, second)], axis=0)
    error = float(np.hypot(across[1], max(within[1], own[1])))
    return Transfer(within[0], float(across[0]), own[0], error, 1.0 / len(common))


def _common(labels: Labels, asked: Labels) -> Labels:
    """The classes that every half has enough of; none where a half is small."""
    common = np.unique(labels)
    for half in (*np.array_split(labels, 2), *np.array_split(asked, 2)):
        classes, counts = np.unique(half, return_counts=True)
        common = np.intersect1d(common, classes[counts >= _FEWEST])
    return common


def _told(kernel: NDArray[np.float64], truth: Labels, towards: NDArray[np.float64]) -> Labels:
    """The classes that a ridge regression tells in which every class weighs as much."""
    classes = np.eye(int(truth.max()) + 1)[truth]
    counts = classes.sum(axis=0)
    weights = len(truth) / (len(counts) * counts[truth])
    told: Labels = (towards @ np.linalg.solve(kernel + np.diag(_PENALTY / weights), classes)).argmax(axis=1)
    return told


def _recall(truth: Labels, told: Labels) -> tuple[float, float]:
    """The mean recall and its standard error."""
    counts = np.bincount(truth)
    hits = np.bincount(truth, told == truth)
    shares = (hits + 1.0) / (counts + 2.0)  # not zero where all were told
    error = float(np.sqrt(np.sum(shares * (1.0 - shares) / counts))) / len(counts)
    return float(np.mean(hits / counts)), error
