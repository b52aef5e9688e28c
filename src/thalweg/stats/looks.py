"""Averages of a moving point over the past, looked at on a geometric grid of times."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thalweg.stats.mean import mean

Point = Sequence[NDArray[np.floating]]

A_DOUBLING = 4
"""Looks to a doubling of the time: the factor is 2^(1/4), so that t/2 and t/4 are looks too."""
SNAPSHOTS = 8
"""Snapshots of the point between two looks, evenly spaced."""
SHORTEST = 32
"""The earliest first look: before it there would be no step between two looks."""
KEPT = 2 * A_DOUBLING + 1
"""As many points are kept: the means between the last looks that [t/4, t] needs, and the sum that grows."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is known at time `span`, the steps t since the sums began.

    `early` and `late` are the values at the mean points over [t/4, t/2] and [t/2, t], `iterates` the mean value of
    the points themselves over (t/2, t] with its standard `error` (autocorrelation included), `distance` the
    Euclidean distance between the two mean points.
    """

    span: int
    early: float
    late: float
    iterates: float
    error: float
    distance: float

    @property
    def progress(self) -> float:
        """P: by how much the later mean point lies lower."""
        return self.early - self.late

    @property
    def cost(self) -> float:
        """E: by how much the points lie above their mean point."""
        return self.iterates - self.late


class Looks:
    """The looks at t = first * 2^(j/4), j = 0, 1, ..., made from a few snapshots between each two.

    `value` is asked of snapshots and of mean points. Times count from 0, where the sums begin. Nothing of a
    snapshot is kept, whoever owns its memory: `KEPT` points are all that is held. Every so many of them (`every`, 1
    or 2) is also evaluated.
    """

    def __init__(self, first: int, value: Callable[[Point], float], every: int = 1) -> None:
        self._first, self._value, self._every = max(first, SHORTEST), value, every
        self._means: deque[tuple[int, list[NDArray[np.floating]]]] = deque(maxlen=2 * A_DOUBLING)
        self._lates: deque[float] = deque(maxlen=A_DOUBLING + 1)
        self._values: deque[list[float]] = deque(maxlen=A_DOUBLING)
        self._number = 0
        self._open()

    @property
    def next(self) -> int:
        """The time at which the next snapshot is due."""
        return self._due[0]

    @property
    def ends(self) -> bool:
        """Whether the next snapshot is the last before a look."""
        return len(self._due) == 1

    def add(self, time: int, point: Point) -> Look | None:
        """A snapshot at a time that is due, or as soon after it as it could be had; the look that it completes."""
        evaluated = (len(self._due) - 1) % self._every == 0
        while self._due and self._due[0] <= time:
            self._due.popleft()
        found = None
        with np.errstate(all="ignore"):
            self._take(point)
            if evaluated or not self._due:
                self._values[-1].append(self._value(point))
            while not self._due:
                found = self._close()
                self._open()
                while self._due and self._due[0] <= time:
                    self._due.popleft()
                if not self._due:  # it came so late that it stands for a whole stretch
                    self._take(point)
                    self._values[-1].append(self._values[-2][-1])
        return found

    def _boundary(self, number: int) -> int:
        time: float = self._first * 2.0 ** (number / A_DOUBLING - 2.0)
        return round(time)

    def _open(self) -> None:
        begin, end = self._boundary(self._number), self._boundary(self._number + 1)
        count = min(SNAPSHOTS, max(end - begin, 1))
        self._due = deque(begin + round((i + 1) * (end - begin) / count) for i in range(count))
        self._sum: list[NDArray[np.floating]] = []
        self._count = 0
        self._values.append([])

    def _take(self, point: Point) -> None:
        if self._sum:
            for total, part in zip(self._sum, point, strict=True):
                total += part
        else:
            self._sum = [np.array(part) for part in point]
        self._count += 1

    def _close(self) -> Look | None:
        begin, end = self._boundary(self._number), self._boundary(self._number + 1)
        self._number += 1
        for total in self._sum:
            total /= self._count
        self._means.append((end - begin, self._sum))
        blocks = list(self._means)
        if len(blocks) < A_DOUBLING:
            return None
        after = _average(blocks[-A_DOUBLING:])
        self._lates.append(self._value(after))
        if len(blocks) < 2 * A_DOUBLING:
            return None
        before = _average(blocks[:A_DOUBLING])
        squares = sum(
            float(np.sum(np.square(a - b, dtype=np.float64))) for a, b in zip(after, before, strict=True)
        )
        lengths = [length for length, _ in blocks[-A_DOUBLING:]]
        return Look(
            end,
            self._lates[0],
            self._lates[-1],
            float(np.average([np.mean(values) for values in self._values], weights=lengths)),
            mean([value for values in self._values for value in values]).error,
            float(np.sqrt(squares)),
        )


def _average(blocks: list[tuple[int, list[NDArray[np.floating]]]]) -> list[NDArray[np.floating]]:
    """The mean point over blocks, each weighed by its length, of the points' own types."""
    whole = sum(length for length, _ in blocks)
    columns = zip(*(point for _, point in blocks), strict=True)
    weights = [length / whole for length, _ in blocks]
    return [
        sum((w * part for w, part in zip(weights[1:], column[1:], strict=True)), weights[0] * column[0])
        for column in columns
    ]
