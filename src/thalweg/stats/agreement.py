"""Whether several runs ended at the same loss, and what so many runs could have told."""

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from thalweg.stats.paired import paired
from thalweg.stats.robust import unit


@dataclass(frozen=True, slots=True)
class Agreement:
    """The differences between the mean losses of `runs` runs, the ones that are not finite left out.

    `largest` is the largest difference of two, of the runs `pair`. The true largest lies between `lower` and `upper`,
    each with the stated confidence; `lower` above zero rejects that all are equal. `spread` is the standard
    deviation between the runs, with the error over examples taken off; `detectable` the smallest one that so many
    runs on so many examples would have shown with the stated power. NaN where fewer than two runs are left.
    """

    runs: int
    largest: float
    pair: tuple[int, int] | None
    lower: float
    upper: float
    spread: float
    detectable: float


def agreement(losses: ArrayLike, miss: float = 0.01, power: float = 0.8) -> Agreement:
    """Of losses (k, n) of k runs on the same n groups of examples.

    All pairs are compared by their paired differences, `miss` divided by the number of pairs (Bonferroni), so that a
    run that went astray widens no interval but its own. Seeds whose true losses are normal with standard deviation
    s, measured with error e, have a range of sqrt(s^2 + e^2) times the range of k standard normal numbers: the power
    is the chance that it is beyond the interval (of many runs it is more, as the intervals of some pairs come out
    narrower).
    """
    values = np.asarray(losses, dtype=np.float64)
    if values.ndim != 2:
        return _unknown(0)
    kept = [i for i in range(len(values)) if values.shape[1] and np.isfinite(values[i]).all()]
    pairs = list(combinations(kept, 2))
    if not pairs or values.shape[1] < 2:
        return _unknown(len(kept))
    each = miss / (2 * len(pairs))
    found = [paired(values[i], values[j], each) for i, j in pairs]
    largest = int(np.argmax([abs(one.difference) for one in found]))
    scale = unit(values[kept])
    means = np.mean(values[kept] / scale, axis=1)
    error = float(np.median([one.error / scale for one in found]))
    reach = float(np.median([(one.upper - one.difference) / scale for one in found]))
    between = math.sqrt(max(float(np.var(means, ddof=1)) - error**2 / 2.0, 0.0))
    told = reach / _range_quantile(len(kept), 1.0 - power)
    with np.errstate(over="ignore", under="ignore"):
        return Agreement(
            len(kept),
            abs(found[largest].difference),
            pairs[largest],
            max(max(one.lower, -one.upper) for one in found),
            max(max(one.upper, -one.lower) for one in found),
            between * scale,
            math.sqrt(max(told**2 - error**2 / 2.0, 0.0)) * scale,
        )


def _unknown(runs: int) -> Agreement:
    return Agreement(runs, np.nan, None, np.nan, np.nan, np.nan, np.nan)


@lru_cache
def _range_quantile(count: int, probability: float) -> float:
    """The range that so many standard normal numbers stay under with this probability."""
    from scipy.optimize import brentq
    from scipy.special import ndtr

    z = np.linspace(-8.0, 8.0, 2001)
    density = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)

    def missing(width: float) -> float:
        # k times the chance that one is the lowest, at z, and the others lie within the width above it.
        inside = count * density * (ndtr(z + width) - ndtr(z)) ** (count - 1)
        return float(np.trapezoid(inside, z)) - probability

    return float(brentq(missing, 0.0, 16.0))
