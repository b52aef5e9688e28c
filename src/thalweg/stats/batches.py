"""Batches of a correlated series that are long enough to be independent."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thalweg.stats.autocorrelation import inflation, residuals

FEWEST = 20
"""Fewest batch means that tell how far they scatter."""
LENGTH = 3.0
"""Least length of a batch, in units of (1 + rho) / (1 - rho) - 1 of the values themselves."""


@dataclass(frozen=True, slots=True, eq=False)
class Batches:
    """Means (k,) of `steps` and `values` over batches of `length`; `rest` (k,) is what their polynomial leaves.

    `scatter` is the variance of `rest` as it counts for what is fitted, (1 + rho) / (1 - rho) of the correlation
    that is left included; `degrees` are its degrees of freedom.
    """

    steps: NDArray[np.float64]
    values: NDArray[np.float64]
    rest: NDArray[np.float64]
    scatter: float
    degrees: float
    length: int


def batches(x: NDArray[np.float64], y: NDArray[np.float64], degree: int, period: int = 1) -> Batches | None:
    """Nearly independent batch means of finite values y (n,) at increasing x (n,); None where under 20 would be left.

    Lengths double from three times (1 + rho) / (1 - rho) - 1 on, with the bias-corrected lag-one autocorrelation
    of what a polynomial of `degree` leaves of the values: without that bound the batches of a short wander
    look independent by luck. Where part of the scatter cancels over a `period` (the batches of an epoch, drawn
    without replacement, hold every example once) lengths double from there. Of those that give 20 batches or more,
    the length with the largest error of a mean is taken: a slow wander under loud noise shows in long batches alone.
    The first n mod length values are left out.
    """
    n, length, least = len(y), period, 0.0
    found: Batches | None = None
    while n // length >= FEWEST:
        steps, means = (z[n % length :].reshape(-1, length).mean(axis=1) for z in (x, y))
        rest = residuals(steps, means, degree)
        factor = inflation(rest, degree + 1)
        if length == 1:
            least = LENGTH * (factor - 1.0)
        k = len(rest)
        scatter = float(rest @ rest) / (k - degree - 1) * factor
        if length >= least and (found is None or scatter / k > found.scatter / len(found.rest)):
            found = Batches(steps, means, rest, scatter, max(k / factor - degree - 1.0, 1.0), length)
        length *= 2
    return found
