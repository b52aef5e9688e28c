"""The trend of a series' tail, to be looked at after every value; and whether it is small, not merely unseen."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from thalweg.stats.batches import batches
from thalweg.stats.robust import unit
from thalweg.stats.sequence import reach

FIRST = 32
"""The first tail begins after so many values."""
SPACING = 1.5
"""Each tail begins so many times later than the one before."""
DELAY = 1.25
"""A tail is looked at while its length is 1 to 2 times what was before it; about here its bound is tightest."""
CURVE = 2
"""Scatter is what a parabola leaves: a fall that slows down is still a fall."""


@dataclass(frozen=True, slots=True)
class Drift:
    """The change along a line through the tail of a series, as of now; NaN where there was too little to tell.

    The tail is the `count` values from `first` on, the `number`-th tail (from 0) that a series of growing length has.
    `change` is from the tail's first value to its last, `error` its standard error with `degrees` of freedom, from
    batches of `length` values.
    """

    change: float
    error: float
    degrees: float
    length: int
    first: int
    count: int
    number: int

    def interval(self, alpha: float = 0.05) -> tuple[float, float]:
        """Leaves out the true change, at any of all looks at the growing series, with at most this probability.

        Of alpha, tail j is given 6 / (pi^2 (j + 1)^2). Within a tail the slope is a martingale over the sum
        of squares of the steps, which grows with the third power of the length.
        """
        if not np.isfinite(self.error):
            return -np.inf, np.inf
        spent = alpha * 6.0 / (np.pi * (self.number + 1.0)) ** 2
        width = self.error and self.error * reach(
            (self.count / (DELAY * self.first)) ** 3, self.degrees, spent
        )
        return self.change - width, self.change + width


def drift(steps: ArrayLike, values: ArrayLike, period: int = 1) -> Drift:
    """The drift of the tail of values (n,) at increasing steps (n,), non-finite pairs left out.

    Tails begin after 32, 48, 72, ... values, each 1.5 times the one before; the one looked at is the
    last that is no shorter than what is before it: the last 50 to 67 % of the values. Where a tail begins
    depends neither on the values nor on when one looks, so that a look after each value is one of a known
    sequence. Through independent batch means of the tail (`batches`) goes the least-squares line. Under 64 values, or
    20 batches in the tail, nothing is said: few values that wander cannot be told from a trend.

    `period` values are an epoch, whose batches hold every example once: of its mean no luck of the draw is left.
    Where the tail has 20 of them, batches are whole periods.

    Not a test that fails to reject: a tail that tells little has a wide interval. The change that the interval
    encloses is that of the best line through the tail, whatever its curve. Rates: `benchmarks/coverage.py`.
    """
    x, y = np.asarray(steps, dtype=np.float64).ravel(), np.asarray(values, dtype=np.float64).ravel()
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    first, number = FIRST, 0
    while 2 * (later := int(np.ceil(SPACING * first))) <= len(y):
        first, number = later, number + 1
    scale = unit(y[first:])
    x, y = x[first:] / unit(x[first:]), y[first:] / scale
    unknown = Drift(np.nan, np.nan, np.nan, 0, first, len(y), number)
    if len(y) < first or not np.all(np.diff(x) > 0.0):
        return unknown
    found = batches(x, y, CURVE, period) or batches(x, y, CURVE)
    if found is None:
        return unknown
    centred = found.steps - found.steps.mean()
    square = float(centred @ centred)
    span = float(x[-1] - x[0]) * scale
    return Drift(
        float(centred @ found.values) / square * span,
        float(np.sqrt(found.scatter / square)) * span,
        found.degrees,
        found.length,
        first,
        len(y),
        number,
    )
