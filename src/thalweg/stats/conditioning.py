"""The scales of the columns of a data matrix, and how far they are combinations of one another."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ROWS_A_COLUMN = 4
_SINGULAR = 1e-11
"""Relative to the largest eigenvalue: what rounding of data in float32 leaves of zero."""


@dataclass(frozen=True, slots=True)
class Scales:
    """Of the columns that vary: least, median and largest standard deviation, and the largest |mean| over it.

    `constant` is the largest absolute value of a constant column; `condition` the condition number of the
    correlation matrix, infinite where a column is a combination of others. What there is nothing to tell
    from is NaN.
    """

    minimum: float = np.nan
    median: float = np.nan
    maximum: float = np.nan
    offset: float = np.nan
    constant: float = np.nan
    condition: float = np.nan


def scales(matrix: NDArray[np.float64]) -> Scales:
    """The scales of the columns of (n, d), those with entries that are not finite left out.

    The condition number takes four rows a column or more.
    """
    if len(matrix) < 2:
        return Scales()
    values = matrix[:, np.isfinite(matrix).all(axis=0)]
    varies = (values != values[:1]).any(axis=0)
    fixed = np.abs(values[0, ~varies])
    constant = float(fixed.max()) if len(fixed) else np.nan
    values = values[:, varies]
    exponent = np.frexp(np.abs(values).max(axis=0, initial=0.0))[1]
    values = np.ldexp(values, -exponent)  # squares of 1e300 would overflow
    mean, spread = values.mean(axis=0), values.std(axis=0)
    kept = spread > 1e-15
    if not kept.any():
        return Scales(constant=constant)
    values, mean, spread = values[:, kept], mean[kept], spread[kept]
    with np.errstate(over="ignore", under="ignore"):
        sizes = np.ldexp(spread, exponent[kept])
    return Scales(
        float(sizes.min()),
        float(np.median(sizes)),
        float(sizes.max()),
        float(np.max(np.abs(mean) / spread)),
        constant,
        _condition((values - mean) / spread),
    )


def _condition(unit: NDArray[np.float64]) -> float:
    n, d = unit.shape
    if n < _ROWS_A_COLUMN * d:
        return np.nan
    eigenvalues = np.linalg.eigvalsh(unit.T @ unit / n)
    least, largest = float(eigenvalues[0]), float(eigenvalues[-1])
    return largest / least if least > _SINGULAR * largest else np.inf
