"""Ridge regression over a kernel, cross-validated in closed form: what simple methods foretell."""

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

_CLIP = 5.0
"""Standard deviations beyond which an entry says no more: rare pixels and outliers."""
_INTERCEPT = 10.0
"""A constant in the kernel, whose entries are near one: an intercept that the penalty hardly shrinks."""
_FEWEST = 20


def standardised(matrix: Matrix) -> Matrix:
    """The columns of (n, d) with mean 0 and standard deviation 1, cut at five; constant ones are left out.

    Entries that are not finite become the mean of their column.
    """
    known = np.isfinite(matrix)
    values = np.where(known, matrix, 0.0)
    # Divided by a power of two near the largest value first: squares of 1e300 would overflow.
    values = np.ldexp(values, -np.frexp(np.abs(values).max(axis=0, initial=0.0))[1])
    count = np.maximum(known.sum(axis=0), 1)
    values = np.where(known, values - values.sum(axis=0) / count, 0.0)
    spread = np.sqrt(np.sum(values**2, axis=0) / count)
    kept = spread > 1e-9  # of numbers near one; less is the rounding of a constant
    unit: Matrix = np.clip(values[:, kept] / spread[kept], -_CLIP, _CLIP)
    return unit


def linear_kernel(features: Matrix) -> Matrix:
    """Inner products of the rows (n, d), with a diagonal near one."""
    kernel: Matrix = features @ features.T / max(features.shape[1], 1)
    return kernel


def gaussian_kernel(linear: Matrix, sharpness: float) -> Matrix:
    """exp(-sharpness * squared distance / its median), from the linear kernel."""
    square = np.diag(linear)
    distance = np.maximum(square[:, None] + square - 2.0 * linear, 0.0)
    middle = float(np.median(distance)) or 1.0
    kernel: Matrix = np.exp(-sharpness / middle * distance)
    return kernel


def split(count: int, folds: int) -> list[NDArray[np.int64]]:
    """So many rows dealt to folds at random, always in the same way."""
    return np.array_split(np.random.default_rng(0).permutation(count), folds)


def cross_validated(
    kernel: Matrix, targets: Matrix, penalty: float, folds: int = 5, weights: Matrix | None = None
) -> Matrix:
    """Predictions (n, k) of each row's targets (n, k) by the ridge regression on the rows outside its fold.

    With A = (K + penalty / W)^-1 the residuals of a fold B are A_BB^-1 (A y)_B, exactly as if the regression
    had been fitted anew without B: one inverse serves all folds, and any number of targets.
    """
    n = len(kernel)
    ridge = np.full(n, penalty) if weights is None else penalty / weights
    inverse = np.linalg.inv(kernel + _INTERCEPT + np.diag(ridge))
    fitted = inverse @ targets
    residuals = np.empty_like(fitted)
    for rows in split(n, folds):
        residuals[rows] = np.linalg.solve(inverse[np.ix_(rows, rows)], fitted[rows])
    return targets - residuals


def explained_variance(targets: Matrix, predicted: Matrix) -> float:
    """1 - Var(targets - predicted) / Var(targets), variances added over the columns; NaN for constant targets."""
    total = float(np.sum(np.var(targets, axis=0)))
    return 1.0 - float(np.sum(np.var(targets - predicted, axis=0))) / total if total > 0.0 else np.nan


def accuracy(targets: Matrix, predicted: Matrix) -> float:
    """Share of the rows whose largest prediction is that of their class; targets are one-hot rows."""
    return float(np.mean(targets.argmax(axis=1) == predicted.argmax(axis=1)))


def linear_score(features: Matrix, targets: Matrix, classes: bool) -> tuple[float, float] | None:
    """Cross-validated accuracy (or explained variance) and mean squared error of a ridge regression.

    `features` (n, d) are standardised, `targets` (n, k) one-hot rows for `classes`. The best of three
    penalties counts. None under 20 rows or without a column.
    """
    if len(features) < _FEWEST or not features.shape[1]:
        return None
    kernel, score = linear_kernel(features), accuracy if classes else explained_variance
    tried = [cross_validated(kernel, targets, penalty) for penalty in (1e-3, 0.1, 10.0)]
    best = max(tried, key=lambda predicted: np.nan_to_num(score(targets, predicted), nan=-np.inf))
    return score(targets, best), float(np.mean((targets - best) ** 2))


def descent_score(features: Matrix, targets: Matrix, classes: bool, steps: int) -> float:
    """The score of `linear_score` after that many steps of gradient descent, NaN where there is none.

    At the longest stable step, 1 / (the largest eigenvalue), a direction of eigenvalue v is learned by v * steps /
    largest, as by a ridge regression of penalty largest / steps (Ali, Kolter & Tibshirani, AISTATS 2019, show the
    two within a factor of 1.7 of each other in risk). Collinear columns have directions that take more steps.
    """
    if len(features) < _FEWEST or not features.shape[1] or steps < 1:
        return np.nan
    wide = features.shape[1] > len(features)
    inner = (features @ features.T if wide else features.T @ features) / features.shape[1]
    largest = float(np.linalg.eigvalsh(inner)[-1])
    if not largest > 0.0:
        return np.nan
    predicted = cross_validated(linear_kernel(features), targets, largest / steps)
    return (accuracy if classes else explained_variance)(targets, predicted)
