"""The learning rate that a short population of trainings speaks for."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class RateSuggestion:
    """A learning rate for a training of `budget` steps, and what it was told from.

    - `rate`: with `low` and `high`, between which the best one lies (how often: `stats.optimal_rate.HELD`).
    - `stable`: the highest rate tried up to which, from the best on, the loss of every seed was finite and at the
      end no higher than at the start; `rate` is never above it.
    - `own`: the rate that the optimizer had.
    - `rates` (k,), `losses` (m, k): what m seeds had after `horizon` steps; `scanned` (j,) and `scan` (j,) the first
      seed's losses over the whole row, after the first quarter of them. Not finite where a training diverged.
    - `drift`: the power of the number of steps with which the best rate falls, from -1 to 0.
    - `score`: what these losses are of, `validation_loss`, or `loss` of training examples without validation.
    - `steps`: those of all members together; `seconds`: what it took, compiling included.
    """

    rate: float
    low: float
    high: float
    stable: float
    own: float
    optimizer: str
    drift: float
    rates: NDArray[np.float64]
    losses: NDArray[np.float64]
    scanned: NDArray[np.float64]
    scan: NDArray[np.float64]
    score: str
    horizon: int
    budget: int
    steps: int
    seconds: float

    @property
    def seeds(self) -> int:
        """How many seeds each rate had."""
        return len(self.losses)

    @property
    def own_within(self) -> bool:
        """Whether the optimizer's own rate lies within the interval."""
        return self.low <= self.own <= self.high
