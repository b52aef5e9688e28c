"""What a series usually is, and what it hardly ever exceeds: a rolling baseline with heavy tails."""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

STRIDE = 16


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """Per value (n,) the `typical` value before it and its `upper` bound; NaN where unknown."""

    typical: NDArray[np.float64]
    upper: NDArray[np.float64]


def rolling_bound(
    values: ArrayLike, probability: float, *, window: int = 256, minimum: int = 32, floor: float = 0.0
) -> Bound:
    """The bound that a new value passes with this probability if it is like those before it.

    Of the finite ones among the `window` values before, the m above the upper quartile q have mean excess b;
    if the excess is exponential, a new value passes q + m b ((4 p)^(-1/m) - 1) with probability p *exactly*,
    the estimate of b from m values included (the predictive distribution of an exponential sample is Pareto:
    Aitchison & Dunsmore,
    *Statistical Prediction Analysis*, 1975). On logarithms this is Hill's estimator: Pareto tails of any
    index are covered, lighter tails make it conservative. b is at least `floor`, so that a series which
    hardly moves is not all outliers.

    The window ends where a block of 16 values begins, so up to 15 values just before are not in it. Fewer
    than `minimum` finite values before the block: NaN.
    """
    x = np.asarray(values, dtype=np.float64).ravel()
    typical, upper = np.full(len(x), np.nan), np.full(len(x), np.nan)
    if len(x) <= minimum:
        return Bound(typical, upper)
    x = np.where(np.isfinite(x), x, np.nan)
    padded = np.concatenate([np.full(window, np.nan), x])
    # Row j holds the window before value j * STRIDE; NaN sorts to the end.
    rows = np.sort(sliding_window_view(padded, window)[0 : len(x) : STRIDE], axis=1)
    count = np.sum(~np.isnan(rows), axis=1)
    known = count >= max(minimum, 4)
    rows, count = rows[known], count[known]
    if not len(rows):
        return Bound(typical, upper)
    each = np.arange(len(rows))
    middle = rows[each, count // 2]
    excess = count // 4
    quartile = rows[each, count - excess - 1]
    scale = np.maximum(np.max(np.abs(rows), axis=1, where=~np.isnan(rows), initial=0.0), 1e-300)
    above = (np.arange(window) >= (count - excess)[:, None]) & (np.arange(window) < count[:, None])
    part = np.where(above, (rows / scale[:, None]) - (quartile / scale)[:, None], 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        beta = np.maximum(part.sum(axis=1) / excess, floor / scale)
        reach = excess * beta * ((4.0 * probability) ** (-1.0 / excess) - 1.0)
        limit = (quartile / scale + reach) * scale
    block = np.arange(len(x)) // STRIDE
    place = np.cumsum(known) - 1
    has = known[block]
    typical[has], upper[has] = middle[place[block[has]]], limit[place[block[has]]]
    return Bound(typical, upper)
