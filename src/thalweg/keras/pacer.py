"""Holding the budget: how often the costly probes may run, found by timing steps with and without them."""

import math
from statistics import median

_BLOCK = 8
"""Calls of the train function in a block."""
_PATTERN = (True, False, False, True) * 3
"""Which blocks measure: a drift of the machine's speed falls on both alike."""
_SHARE = 0.5
"""Share of the budget for the costly probes; the rest is for the probe batch, journal and live rules."""
_AGAIN = 10
"""Time again after so many times the calls: a run's steps may become faster or slower."""


class Pacer:
    """Decides which calls of the train function measure the costly probes.

    All of them until `begin`; then blocks with and without are timed in turn and their medians compared. In the
    end `stride` is the smallest that keeps within the budget: `burst` successive calls measure out of every
    `stride` calls (two, so that the cosine has a step before; more where an update takes several steps).

    With a budget of None nothing is timed and every call measures. Each block begins and ends with a
    synchronised read of the tape.
    """

    def __init__(self, budget: float | None, burst: int = 2) -> None:
        self._budget = budget
        self._burst = burst
        self._next = math.inf
        self._times: list[float] | None = None
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
        return self._from is None or calls - self._from >= _BLOCK

    def read(self, calls: int, now: float) -> None:
        """The tape was read, synchronised, after so many calls at this time in seconds."""
        self._paused = now
        if self._times is None:
            if calls < self._next:
                return
            self._times, self._from = [], None
        if self._from is None:
            self._from, self._start = calls, now
        elif calls - self._from >= _BLOCK:
            self._times.append((now - self._start) / (calls - self._from))
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
        measured = median(t for t, on in zip(self._times, _PATTERN, strict=True) if on)
        bare = median(t for t, on in zip(self._times, _PATTERN, strict=True) if not on)
        self.cost = max(measured / bare - 1.0, 0.0) if bare > 0.0 else 0.0
        needed = math.ceil(self._burst * self.cost / (_SHARE * self._budget))
        self.stride = needed if needed > self._burst else 1
        self._times, self._from, self._next = None, None, _AGAIN * calls
