"""An axis for values of both signs over many decades: logarithmic on both sides, linear around zero."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

_DECADES = 4
"""Below the largest magnitude: what is smaller lies in the linear part."""


@dataclass(frozen=True, slots=True)
class Symmetric:
    """Between -10^`exponent` and 10^`exponent` places are linear, from -1 to 1; beyond, each decade is one more."""

    exponent: int

    @classmethod
    def of(cls, values: Iterable[float]) -> "Symmetric":
        """The axis on which these finite values are best told apart."""
        sizes = [math.log10(abs(value)) for value in values if value]
        if not sizes:
            return cls(0)
        highest = math.ceil(max(sizes))
        return cls(max(math.floor(min(sizes)), highest - _DECADES))

    def place(self, value: float) -> float:
        """Where a finite value stands."""
        if not value:
            return 0.0
        above = math.log10(abs(value)) - self.exponent
        return math.copysign(1.0 + above if above >= 0.0 else 10.0**above, value)
