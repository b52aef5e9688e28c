"""What the watch spends on the host: how much time each of its errands may take, and has taken."""

import time
from collections.abc import Callable
from typing import TypeVar

_Result = TypeVar("_Result")


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
