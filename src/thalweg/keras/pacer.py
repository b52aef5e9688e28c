"""Holding the budget: how often the costly probes may run, found by timing steps with and without them."""

import math
from statistics import median

_BLOCK = 8
"""Calls of the train function in a block at least."""
_SECONDS = 0.01
"""And about so long a block is: what stops and starts at its ends is to be little beside it."""
_PATTERN = (True, False, False, True) * 3
"""Which blocks measure: in each group of four a drift of the machine's speed falls on both kinds alike."""
_SHARE = 0.5
"""Share of the budget for the costly probes; the rest is for the probe batch, journal and live rules."""
_AGAIN = 10
"""Time again after so many times the calls: a run's steps may become faster or slower."""


class Pacer:
    """Decides which calls of the train function measure the costly probes.

    All of them until `begin`; then blocks with and without are timed in turn, in groups of four, each of which says
    what the probes cost. `cost` is the median of what they say, as a fraction of a step's time. In the end `stride`
    is the smallest that keeps within the budget by the dearest of them, the timing of a few steps being noisy:
    `burst` successive calls measure out of every `stride` calls (two, so that the cosine has a step before; more
    where an update takes several steps).

    With a budget of None nothing is timed and every call measures. Each block begins and ends with a
    synchronised read of the tape.
    """

    def __init__(self, budget: float | None, burst: int = 2) -> None:
        self._budget = budget
        self._burst = burst
        self._next = math.inf
        self._times: list[float] | None = None
        self._block = _BLOCK
        self._from: int | None = None
        self._start = self._paused = 0.0
        self.stride = 1
        self.cost: float | None = None

    def measures(self, call: int) -> bool:
        """Whether the call with this number, counted from 0, measures."""
        if self._times is not None:
            return _PATTERN[len(self._times)]
        return self.stride == 1 or call % self.stride < self._burst

    def begin(self, call: int) -> None:
        """From this call on steps are what they will be: they may be timed."""
        if self._budget and self._next == math.inf:
            self._next = call

    def due(self, calls: int) -> bool:
        """After so many calls: whether the tape is to be read because a block ends or is to begin."""
        if self._times is None:
            return calls >= self._next
        return self._from is None or calls - self._from >= self._block

    def read(self, calls: int, now: float) -> None:
        """The tape was read, synchronised, after so many calls at this time in seconds."""
        self._paused = now
        if self._times is None:
            if calls < self._next:
                return
            self._times, self._from, self._block = [], None, _BLOCK
        if self._from is None:
            self._from, self._start = calls, now
        elif calls - self._from >= _BLOCK:
            took, made = now - self._start, calls - self._from
            if 0.0 < took < _SECONDS / 2 and self._block == _BLOCK and not self._times:
                self._block = math.ceil(made * _SECONDS / took)
            else:
                self._times.append(took / made)
            self._from, self._start = calls, now
        if len(self._times) == len(_PATTERN):
            self._conclude(calls)

    def pause(self, now: float) -> None:
        """What follows until `resume` is not the steps', as what follows a `read` is not."""
        self._paused = now

    def resume(self, now: float) -> None:
        """Steps go on at this time."""
        self._start += now - self._paused

    def interrupted(self) -> None:
        """A step did something else, such as compiling: the block it was in does not count."""
        self._from = None

    def _conclude(self, calls: int) -> None:
        assert self._times is not None and self._budget
        groups = [self._times[i : i + 4] for i in range(0, len(self._times), 4)]
        costs = [max((a + d) / (b + c) - 1.0, 0.0) if b + c > 0.0 else 0.0 for a, b, c, d in groups]
        self.cost = median(costs)
        # A whole number may come out a rounding error above itself.
        needed = math.ceil(self._burst * max(costs) / (_SHARE * self._budget) - 1e-9)
        self.stride = needed if needed > self._burst else 1
        self._times, self._from, self._next = None, None, _AGAIN * calls
