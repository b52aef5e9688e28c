"""What the watch spends on the host: how much time each of its errands may take, and has taken."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

_Result = TypeVar("_Result")
_PROBE = 0.25
"""Share of the budget for the probe batch, and as much for the live rules and the averages together.

The costly probes have the rest.
"""
_CURVATURE = 0.5
"""Share of the budget for the curvature where it is asked for; the others have theirs of what is left."""


@dataclass(frozen=True, slots=True)
class Shares:
    """What of a run's time each errand may take; None of all where there is no budget.

    `steps` is how much longer the steps may take, of which the pacer has its share; `curvature` is spent where it is
    wanted.
    """

    steps: float | None
    probe: float | None
    rules: float | None
    averages: float | None
    curvature: float | None

    @classmethod
    def of(cls, budget: float | None, *, curvature: bool) -> "Shares":
        """The budget, divided."""
        if budget is None:
            return cls(None, None, None, None, None)
        left = budget * (1.0 - _CURVATURE) if curvature else budget
        half = 0.5 * _PROBE * left
        return cls(left, _PROBE * left, half, half, _CURVATURE * budget)


class Allowance:
    """The time of one errand, held to a fraction of the run's; None allows everything.

    As often as `free` says it is allowed whatever it costs.
    """

    def __init__(self, fraction: float | None, free: int = 0) -> None:
        self._fraction, self._free = fraction, free
        self._began = time.perf_counter()
        self._spent = self._last = 0.0
        self._times = 0

    def affords(self) -> bool:
        """Whether once more, as long as the last time, keeps within the fraction. The first time always does."""
        if self._fraction is None or self._spent == 0.0 or self._times < self._free:
            return True
        return self._spent + self._last <= self._fraction * (time.perf_counter() - self._began)

    def timed(self, errand: Callable[[], _Result]) -> _Result:
        """Do it, and count the time: not the first, which compiles, warms caches, and says nothing about the next."""
        began = time.perf_counter()
        try:
            return errand()
        finally:
            first, self._last = self._last == 0.0, time.perf_counter() - began
            self._spent += 0.0 if first else self._last
            self._times += 1
