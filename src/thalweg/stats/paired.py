"""The difference between two losses measured on the same groups of examples."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from thalweg.stats.robust import unit
from thalweg.stats.student import quantile


@dataclass(frozen=True, slots=True)
class Paired:
    """Mean of `first - second`, its standard error, and the bounds that hold it with the stated confidence.

    NaN where either is not finite everywhere or there are fewer than two pairs.
    """

    difference: float
    error: float
    lower: float
    upper: float


def paired(first: ArrayLike, second: ArrayLike, miss: float) -> Paired:
    """Student's interval of the mean difference of values (n,); each side misses it with probability `miss`."""
    a, b = (np.asarray(values, dtype=np.float64).ravel() for values in (first, second))
    if len(a) != len(b) or len(a) < 2 or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return Paired(np.nan, np.nan, np.nan, np.nan)
    scale = max(unit(a), unit(b))
    rest = a / scale - b / scale
    mean, error = float(rest.mean()), float(rest.std(ddof=1) / np.sqrt(len(rest)))
    reach = quantile(len(rest) - 1, 1.0 - miss) * error
    with np.errstate(over="ignore", under="ignore"):
        found = np.array([mean, error, mean - reach, mean + reach]) * scale
    return Paired(*(float(value) for value in found))
