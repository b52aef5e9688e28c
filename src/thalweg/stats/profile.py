"""How a quantity changes from layer to layer, over all layers at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from thalweg.stats.robust import finite


@dataclass(frozen=True, slots=True)
class Profile:
    """Growth per layer of positive values over depth: `factor` per layer, with bounds; NaN where unknown.

    `low` and `high` enclose the factor by two standard errors of the fitted slope.
    """

    factor: float
    low: float
    high: float
    count: int


def profile(values: ArrayLike) -> Profile:
    """Fit log value = a + b depth over layers (n,) from the input on; `factor` is e^b.

    Layers whose value is zero or not finite are left out but keep their depth. Under four layers nothing is
    said: two ends and one layer between do not make a profile.
    """
    y = np.asarray(values, dtype=np.float64).ravel()
    depth = np.flatnonzero(np.isfinite(y) & (y > 0.0)).astype(np.float64)
    y = np.log(finite(y)[finite(y) > 0.0])
    n = len(y)
    if n < 4:
        return Profile(np.nan, np.nan, np.nan, n)
    x = depth - depth.mean()
    square = float(x @ x)
    slope = float(x @ y) / square
    residuals = y - y.mean() - slope * x
    error = float(np.sqrt(float(residuals @ residuals) / (n - 2) / square))
    with np.errstate(over="ignore", under="ignore"):
        factor, low, high = np.exp([slope, slope - 2.0 * error, slope + 2.0 * error])
    return Profile(float(factor), float(low), float(high), n)
