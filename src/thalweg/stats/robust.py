"""Location and scale that a few wild values cannot move."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

NORMAL = 1.4826
"""The standard deviation of a normal variable over its median absolute deviation, 1 / Phi^-1(3/4)."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and scaled median absolute deviation of `count` finite values; NaN where there are none."""

    location: float
    scale: float
    count: int


def finite(values: ArrayLike) -> NDArray[np.float64]:
    """The finite values (n,), float64, in their order."""
    array = np.asarray(values, dtype=np.float64).ravel()
    return array[np.isfinite(array)]


def unit(values: NDArray[np.float64]) -> float:
    """A power of two near the largest magnitude, to divide by so that squares neither overflow nor vanish."""
    largest = float(np.max(np.abs(values), initial=0.0))
    if largest == 0.0:
        return 1.0
    # A power of two divides without rounding; the limits keep the unit itself a normal number.
    return float(np.ldexp(1.0, int(np.clip(np.frexp(largest)[1], -1000, 1000))))


def median(values: ArrayLike) -> float:
    """The median of the finite values; NaN where there are none. A quarter of the work of `spread`."""
    x = finite(values)
    if not len(x):
        return np.nan
    scale = unit(x)
    return float(np.median(x / scale, overwrite_input=True)) * scale


def spread(values: ArrayLike) -> Spread:
    """Median and 1.4826 * median |x - median| of the finite values.

    Breakdown point one half (Hampel, *J. Am. Stat. Assoc.* 69, 1974).
    """
    x = finite(values)
    if not len(x):
        return Spread(np.nan, np.nan, 0)
    scale = unit(x)
    x = x / scale  # ours: its order may change below
    location = float(np.median(x, overwrite_input=True))
    deviation = NORMAL * float(np.median(np.abs(x - location), overwrite_input=True))
    return Spread(location * scale, min(deviation * scale, float(np.finfo(float).max)), len(x))
