"""Medians with intervals that assume nothing of a distribution: infinite values and few seeds included."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom


@dataclass(frozen=True, slots=True)
class Median:
    """The median of n values, and the two of them between which the true one lies with `confidence`."""

    value: float
    low: float
    high: float
    confidence: float
    count: int


def median_interval(values: ArrayLike, confidence: float = 0.95) -> Median:
    """The median of independent values (n,); NaN counts as infinity: what never came is later than all that did.

    The interval lies between the j-th lowest and the j-th highest value, with j as large as `confidence` allows: it
    holds the distribution's median with probability 1 - 2 P(B < j), B binomial (n, 1/2), whatever the distribution
    (Conover, Practical Nonparametric Statistics, 1999, section 3.2). Of five values it is from the lowest to the
    highest, and holds it in 93.75 %: no more can be had of so few, and `confidence` says what was. Of an even number
    the value is the mean of the middle two, infinite where one of them is.
    """
    found = np.sort(np.where(np.isnan(given := np.asarray(values, np.float64).ravel()), np.inf, given))
    n = len(found)
    if not n:
        return Median(np.nan, np.nan, np.nan, 0.0, 0)
    outside = 2.0 * binom.cdf(
        np.arange(n // 2), n, 0.5
    )  # of the interval between the (j + 1)-th from either end
    held = np.flatnonzero(outside <= 1.0 - confidence)
    rank = int(held[-1]) if len(held) else 0
    covered = 1.0 - float(outside[rank]) if n > 1 else 0.0
    with np.errstate(invalid="ignore"):
        middle = float(0.5 * found[(n - 1) // 2] + 0.5 * found[n // 2])
    return Median(middle, float(found[rank]), float(found[n - 1 - rank]), covered, n)
