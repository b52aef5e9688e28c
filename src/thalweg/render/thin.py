"""Fewer points for the same picture: what a curve or a heat map of any length keeps on a page.

Extremes are kept, not averages: a single step that jumped is what one looks for.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thalweg.record import Series
from thalweg.words import figure


@dataclass(frozen=True, slots=True)
class Gap:
    """Neighbouring measurements that were not finite, both ends included; `words` says what they were."""

    first: int
    last: int
    count: int
    words: str


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """What is drawn of a series: some of its finite points, as measured, and where it was not finite."""

    steps: NDArray[np.int64]
    values: NDArray[np.float64]
    gaps: tuple[Gap, ...]
    thinned: bool


def curve(series: Series, buckets: int) -> Curve:
    """The smallest and the largest finite value in each of `buckets` equal stretches, and both end points.

    At most `2 * buckets + 2` points; all of them where the series has no more.
    """
    finite = np.isfinite(series.values)
    steps, values = series.steps[finite], series.values[finite]
    gaps = _gaps(series, finite, buckets)
    if len(steps) <= 2 * buckets + 2:
        return Curve(steps, values, gaps, thinned=False)
    bucket = _bucket(steps, int(steps[0]), int(steps[-1]), buckets)
    by_value = np.lexsort((values, bucket))
    starts = np.flatnonzero(np.diff(bucket, prepend=-1))
    ends = np.append(starts[1:], len(steps)) - 1
    kept = np.unique(np.concatenate([by_value[starts], by_value[ends], [0, len(steps) - 1]]))
    return Curve(steps[kept], values[kept], gaps, thinned=True)


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Series by stretches of steps.

    `largest` (rows, bins) holds the largest finite value of each cell, NaN where none was measured; `broken`
    (rows, bins) says where some value was not finite.
    """

    largest: NDArray[np.float64]
    broken: NDArray[np.bool_]


def grid(rows: Sequence[Series], first: int, last: int, bins: int) -> Grid:
    """The rows over `bins` equal stretches of the steps from `first` to `last`."""
    largest = np.full((len(rows), bins), -np.inf)
    broken = np.zeros((len(rows), bins), dtype=bool)
    for row, series in enumerate(rows):
        finite = np.isfinite(series.values)
        bucket = _bucket(series.steps, first, last, bins)
        np.maximum.at(largest[row], bucket[finite], series.values[finite])
        broken[row, bucket[~finite]] = True
    return Grid(np.where(np.isneginf(largest), np.nan, largest), broken)


def _bucket(steps: NDArray[np.int64], first: int, last: int, buckets: int) -> NDArray[np.int64]:
    """Which of the equal stretches from `first` to `last` each step falls into."""
    share = (steps - first) / (last - first + 1)
    return np.clip((share * buckets).astype(np.int64), 0, buckets - 1)


def _gaps(series: Series, finite: NDArray[np.bool_], most: int) -> tuple[Gap, ...]:
    """The stretches that were not finite; of more than `most`, those within one bucket become one."""
    broken = np.flatnonzero(~finite)
    if not len(broken):
        return ()
    apart = np.flatnonzero(np.diff(broken) > 1) + 1
    if len(apart) >= most:
        bucket = _bucket(series.steps[broken], int(series.steps[0]), int(series.steps[-1]), most)
        apart = np.flatnonzero(np.diff(bucket)) + 1
    return tuple(
        Gap(
            first=int(series.steps[part[0]]),
            last=int(series.steps[part[-1]]),
            count=len(part),
            words=" and ".join(sorted({figure(v) for v in series.values[part].tolist()})),
        )
        for part in np.split(broken, apart)
    )


def short(value: float) -> float:
    """Five significant digits: what a pixel and a tooltip can show."""
    rounded = float(f"{value:.5g}")
    return rounded if math.isfinite(rounded) else value  # the largest float64 would round up out of its range
