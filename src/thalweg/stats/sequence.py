"""A mean that may be looked at after every value: a confidence sequence, which holds at all looks at once.

An interval of 95 % that is looked at again and again leaves out the true value sooner or later for certain. A
confidence sequence leaves it out, at any of all its looks, with the stated rate.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from thalweg.stats.batches import batches
from thalweg.stats.robust import finite, unit


@dataclass(frozen=True, slots=True)
class AnytimeMean:
    """The mean of `count` values, as of now; NaN where unknown, and then every bound is infinite.

    `error` is its standard error, with `degrees` of freedom, from independent batches of `length` values. The
    bounds are tightest at a count of `tightest`, which is chosen before the first look.
    """

    value: float
    error: float
    degrees: float
    length: int
    count: int
    tightest: int

    def interval(self, alpha: float = 0.05) -> tuple[float, float]:
        """Leaves out the true mean, at any of all looks, with at most this probability."""
        if not np.isfinite(self.error):
            return -np.inf, np.inf
        width = self.error and reach(self.count / self.tightest, self.degrees, alpha) * self.error
        return self.value - width, self.value + width

    def lower(self, alpha: float = 0.05) -> float:
        """Above the true mean, at any of all looks, with at most this probability."""
        return self.interval(one_sided(alpha))[0]

    def upper(self, alpha: float = 0.05) -> float:
        """Below the true mean, at any of all looks, with at most this probability."""
        return self.interval(one_sided(alpha))[1]


def anytime_mean(values: ArrayLike, tightest: int = 500) -> AnytimeMean:
    """The mean of the finite values (n,) so far, with the error of independent batches (`batches`).

    Where there are under 20 of these nothing is said. Not a bound for the mean of something that drifts: a moving
    mean has no confidence sequence. Size over 395 looks: `benchmarks/coverage.py`.
    """
    x = finite(values)
    scale = unit(x)
    x = x / scale
    found = batches(np.arange(len(x), dtype=np.float64), x, degree=0)
    if found is None:
        return AnytimeMean(np.nan, np.nan, np.nan, 0, len(x), tightest)
    error = float(np.sqrt(found.scatter / len(found.rest))) * scale
    return AnytimeMean(float(x.mean()) * scale, error, found.degrees, found.length, len(x), tightest)


def independent_mean(values: ArrayLike, tightest: int = 500) -> AnytimeMean:
    """The mean of the finite values (n,) so far, where they are known to be independent: each is a batch of its own.

    Under three nothing is said.
    """
    x = finite(values)
    n = len(x)
    if n < 3:
        return AnytimeMean(np.nan, np.nan, np.nan, 0, n, tightest)
    scale = unit(x)
    x = x / scale
    error = float(x.std(ddof=1) / np.sqrt(n)) * scale
    return AnytimeMean(float(x.mean()) * scale, error, n - 1.0, 1, n, tightest)


def reach(information: float, degrees: float, alpha: float) -> float:
    """How many standard errors a normal estimate strays from the truth, at any look, with probability alpha.

    `information` is what the estimate rests on (for a mean the count) over that at which the bound is to be tightest;
    the ratio must grow from look to look as the inverse of the estimate's variance does. With r = 1 / (1 +
    information q), q = -2 ln alpha + ln(1 - 2 ln alpha) and K = (alpha^2 r)^(-1 / (degrees + 1)) the bound is
    sqrt(degrees (K - 1) / (1 - K r)): the t test against a normal mixture of effects (Wang & Ramdas,
    arXiv:2310.03722, 2023, after Lai, *Ann. Stat.* 4, 1976), exact for independent normal values of unknown
    variance. With many degrees of freedom it is the asymptotic confidence sequence sqrt(2 / (1 - r) ln(1 / (alpha
    sqrt r))) of Waudby-Smith et al. (*Ann. Stat.* 52, 2024), which takes the variance for known and is too narrow on
    20 batch means. Infinite where the degrees are too few for any bound.
    """
    if not (information > 0.0 and degrees > 0.0 and 0.0 < alpha < 1.0):
        return np.inf
    q = -2.0 * np.log(alpha) + np.log1p(-2.0 * np.log(alpha))
    r = 1.0 / (1.0 + information * q)
    exponent = -(2.0 * np.log(alpha) + np.log(r)) / (degrees + 1.0)
    if not exponent + np.log(r) < 0.0:
        return np.inf
    return float(np.sqrt(degrees * np.expm1(exponent) / -np.expm1(exponent + np.log(r))))


def one_sided(alpha: float) -> float:
    """The rate of the two-sided sequence whose one side errs with probability alpha.

    The mixture over effects of one sign is twice that over both, less the other sign's, which is at most one
    where the estimate is on this side: 2 / rate - 1 = 1 / alpha.
    """
    return 2.0 * alpha / (1.0 + alpha)
