"""Whether numbers are draws from a distribution that is known exactly (Kolmogorov and Smirnov)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from thalweg.stats.robust import finite


@dataclass(frozen=True, slots=True)
class Fit:
    """The largest `distance` between the empirical and the supposed distribution function; NaN where unknown.

    `p` is at least the probability of such a distance where the distribution is the supposed one.
    """

    distance: float
    p: float
    count: int


def kolmogorov(probabilities: ArrayLike) -> Fit:
    """Of values whose supposed distribution function is `probabilities` (n,), how far they are from it.

    `p` is the bound of Dvoretzky, Kiefer and Wolfowitz with Massart's constant, which holds for every n.
    """
    u = np.sort(np.clip(finite(np.asarray(probabilities, dtype=np.float64).ravel()), 0.0, 1.0))
    n = len(u)
    if not n:
        return Fit(np.nan, np.nan, 0)
    steps = np.arange(n + 1) / n
    distance = float(max(np.max(steps[1:] - u), np.max(u - steps[:-1])))
    return Fit(distance, min(1.0, 2.0 * float(np.exp(-2.0 * n * distance * distance))), n)
