"""Whether targets can be foretold from inputs at all, by a test that assumes nothing: permutation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thalweg.stats.ridge import (
    Matrix,
    accuracy,
    cross_validated,
    explained_variance,
    gaussian_kernel,
    linear_kernel,
)

METHOD = "kernel ridge regression"
_PENALTY = 0.3
_BALANCED_PENALTY = 3.0
"""A class of a few examples weighs many times as much, and is learned by heart unless this is held against it."""
_FEWEST = 40
_COLUMNS = 3000
"""Target columns, those of all permutations together: they bound the work."""
_SURE = 0.25
"""The share of the rows that `contradicted` looks at: those the method is surest of."""


@dataclass(frozen=True, slots=True)
class Signal:
    """Cross-validated `score` of a kernel ridge regression, and the mean `chance` of its scores on permuted targets.

    `p` is (1 + permutations that did as well) / (permutations + 1); for classes the lesser of that of the
    accuracy and that of their correlation with the targets. For classes also: `balanced`, the mean recall of the same
    regression with classes of equal weight, and `contradicted`, the share of other labels among the quarter of
    the rows whose class the method is surest of; NaN for numbers."""

    score: float
    chance: float
    p: float
    permutations: int
    balanced: float = np.nan
    contradicted: float = np.nan


def signal(features: Matrix, targets: Matrix, classes: bool, permutations: int = 99) -> Signal | None:
    """The signal of standardised `features` (n, d) about `targets` (n, k), one-hot rows for `classes`.

    The kernel is linear and Gaussian at two widths, together: it sees straight lines, circles and
    checkerboards of a few columns, and neighbours. The permutation test is exact whatever the method (Ojala &
    Garriga, *J. Mach. Learn. Res.* 11, 2010). None where there are too few rows (40), or nothing varies.
    """
    n, width = targets.shape
    if n < _FEWEST or not features.shape[1] or not np.any(np.ptp(targets, axis=0) > 0.0):
        return None
    permutations = max(min(permutations, _COLUMNS // width), 19)
    linear = linear_kernel(features)
    kernel = linear + gaussian_kernel(linear, 1.0) + gaussian_kernel(linear, 8.0)
    random = np.random.default_rng(0)
    shuffled = [targets, *(targets[random.permutation(n)] for _ in range(permutations))]
    predicted = np.split(cross_validated(kernel, np.hstack(shuffled), _PENALTY), permutations + 1, axis=1)
    score = accuracy if classes else explained_variance
    scores = np.array([score(*pair) for pair in zip(shuffled, predicted, strict=True)])
    p = float(np.mean(scores >= scores[0]))
    if classes:  # an accuracy does not see a class that is nowhere the likeliest answer
        alike = np.array([_correlation(*pair) for pair in zip(shuffled, predicted, strict=True)])
        p = min(p, float(np.mean(alike >= alike[0])))
    found = Signal(float(scores[0]), float(scores[1:].mean()), p, permutations)
    if not classes:
        return found
    recall = _balanced(linear + gaussian_kernel(linear, 1.0), targets)
    return Signal(
        found.score, found.chance, found.p, permutations, recall, _contradicted(targets, predicted[0])
    )


def _correlation(targets: Matrix, predicted: Matrix) -> float:
    one, other = targets - targets.mean(axis=0), predicted - predicted.mean(axis=0)
    size = float(np.sqrt(np.sum(one**2) * np.sum(other**2)))
    return float(np.sum(one * other)) / size if size > 0.0 else 0.0


def _balanced(kernel: Matrix, targets: Matrix) -> float:
    counts = targets.sum(axis=0)
    weights = targets @ (len(targets) / np.count_nonzero(counts) / np.maximum(counts, 1.0))
    predicted = cross_validated(kernel, targets, _BALANCED_PENALTY, weights=weights)
    truth, hit = targets.argmax(axis=1), predicted.argmax(axis=1)
    return float(np.mean([np.mean(hit[truth == c] == c) for c in np.flatnonzero(counts)]))


def _contradicted(targets: Matrix, predicted: Matrix) -> float:
    ranked = np.sort(predicted, axis=1)
    margin: NDArray[np.float64] = ranked[:, -1] - ranked[:, -2] if targets.shape[1] > 1 else ranked[:, 0]
    surest = np.argsort(-margin, kind="stable")[: max(int(_SURE * len(margin)), 1)]
    return 1.0 - accuracy(targets[surest], predicted[surest])
