"""Medians with intervals that assume nothing of a distribution: infinite values and few seeds included."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class Median:
    """The median of n values, and the two of them between which the true one lies with `confidence`."""

    value: float
    low: float
    high: float
    confidence: float
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class MedianBand:
    """Medians (k,) of n values each, and the two of these between which each true one lies with `confidence`."""

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
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
    band = median_band(np.asarray(values, np.float64).reshape(-1, 1), confidence)
    return Median(float(band.value[0]), float(band.low[0]), float(band.high[0]), band.confidence, band.count)


def median_band(values: ArrayLike, confidence: float = 0.95) -> MedianBand:
    """The same of every column of values (n, k), each with its own interval: the band holds no curve as a whole."""
    given = np.asarray(values, np.float64)
    found = np.sort(np.where(np.isnan(given), np.inf, given), axis=0)
    n = len(found)
    if not n:
        unknown = np.full(found.shape[1:], np.nan)
        return MedianBand(unknown, unknown, unknown, 0.0, 0)
    rank, covered = _rank(n, confidence)
    below, beyond = found[(n - 1) // 2], found[n // 2]
    with np.errstate(invalid="ignore"):
        middle = np.clip(0.5 * below + 0.5 * beyond, below, beyond)  # half of the smallest number is 0
    return MedianBand(middle, found[rank], found[n - 1 - rank], covered, n)


@cache
def _rank(n: int, confidence: float) -> tuple[int, float]:
    """How many of n values lie outside of the interval at either end, and its confidence."""
    from scipy.special import bdtr

    # P(B <= j): missed on one side by the interval between the (j + 1)-th from either end.
    outside = 2.0 * bdtr(np.arange(n // 2, dtype=np.float64), n, 0.5)
    held = np.flatnonzero(outside <= 1.0 - confidence)
    rank = int(held[-1]) if len(held) else 0
    return rank, 1.0 - float(outside[rank]) if n > 1 else 0.0
