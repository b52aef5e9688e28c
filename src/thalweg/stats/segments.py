"""Where a series changes its course: straight lines, and the places between them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from thalweg.stats.autocorrelation import inflation
from thalweg.stats.robust import NORMAL, unit

BINS = 64
"""A series is reduced to so many medians: a change point is found to within two of them."""
SHORTEST = 4
"""Fewest medians under one line."""
PENALTY = 2.5
"""What a change point must save, in units of the log of the number of medians times the three numbers it "
"adds."""
VISIBLE = 0.02
"""A scatter below this share of the whole range is not looked into: a smooth curve is a few lines, not "
"many."""


def segments(values: ArrayLike, most: int = 6) -> tuple[int, ...]:
    """The indices, in order, at which a new straight line begins in values (n,); at most `most` lines.

    Non-finite values are left out but keep their places. The finite ones are reduced to at most 64 medians of
    consecutive values; of all divisions into 1, 2, ... `most` lines the one with the least squares is found
    exactly (dynamic programming: Bai & Perron, *J. Appl. Econometrics* 18, 2003), and their number by a
    penalty on each (Yao, *Stat. Prob. Letters* 6, 1988). The scatter that the squares are held against is
    what the finest division leaves, or the second differences over root 6, whichever is larger, widened by (1
    + rho) / (1 - rho) for the autocorrelation of its residuals: a wander is no change of course. Under 12
    medians nothing is divided.
    """
    x = np.asarray(values, dtype=np.float64).ravel()
    places = np.flatnonzero(np.isfinite(x))
    if len(places) < 3 * SHORTEST:
        return ()
    y = x[places] / unit(x[places])
    groups = np.array_split(np.arange(len(y)), min(len(y), BINS))
    levels = np.array([np.median(y[group]) for group in groups])
    span = float(np.ptp(levels))
    if not span > 0.0:
        return ()
    levels = (levels - levels.min()) / span
    most = max(1, min(most, len(levels) // SHORTEST))
    squares, ends = _divisions(levels, most)
    rest = _rest(levels, ends[-1])
    free = max(len(levels) - 2 * most, 1)
    rough = NORMAL * float(np.median(np.abs(np.diff(levels, 2)))) / np.sqrt(6.0)
    scatter = max(float(rest @ rest) / free, rough**2) * inflation(rest, 2)
    scatter = max(scatter, VISIBLE**2)
    cost = squares / scatter + PENALTY * 3.0 * np.log(len(levels)) * np.arange(most)
    chosen = ends[int(np.argmin(cost))]
    return tuple(int(places[groups[end][0]]) for end in chosen)


def _divisions(y: NDArray[np.float64], most: int) -> tuple[NDArray[np.float64], list[list[int]]]:
    """For 1 to `most` lines the least squares, and where each line but the first begins."""
    n = len(y)
    x: NDArray[np.float64] = np.arange(n, dtype=np.float64) - (n - 1) / 2.0

    def over(z: NDArray[np.float64]) -> NDArray[np.float64]:
        total = np.concatenate([[0.0], np.cumsum(z)])
        sums: NDArray[np.float64] = total[None, :] - total[:, None]
        return sums

    # Entry (i, j) of each is about the values i to j - 1.
    count = np.maximum(over(np.ones(n)), 1.0)
    sx, sy = over(x), over(y)
    xx, xy, yy = over(x * x) - sx**2 / count, over(x * y) - sx * sy / count, over(y * y) - sy**2 / count
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = np.maximum(yy - np.where(xx > 0.0, xy**2 / xx, 0.0), 0.0)
    place = np.arange(n + 1)
    squares[place[None, :] - place[:, None] < SHORTEST] = np.inf
    best, before = [squares[0]], []
    for _ in range(most - 1):
        whole = best[-1][:, None] + squares
        before.append(np.argmin(whole, axis=0))
        best.append(np.min(whole, axis=0))
    ends = []
    for lines in range(most):
        starts, end = [], n
        for back in reversed(before[:lines]):
            end = int(back[end])
            starts.append(end)
        ends.append(starts[::-1])
    return np.array([row[n] for row in best]), ends


def _rest(y: NDArray[np.float64], starts: list[int]) -> NDArray[np.float64]:
    """What the lines leave of y."""
    rest = []
    for part in np.split(y, starts):
        x = np.arange(len(part)) - (len(part) - 1) / 2.0
        slope = float(x @ part) / float(x @ x) if len(part) > 1 else 0.0
        rest.append(part - part.mean() - slope * x)
    return np.concatenate(rest)
