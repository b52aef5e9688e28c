"""The end of a loss: a line through its last third, beside all that the run gained."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thalweg.record import Record, Series
from thalweg.rules.objective import progress
from thalweg.stats import p_falls, spread, trend


@dataclass(frozen=True, slots=True)
class Tail:
    """The last third of a loss, its finite `values` beside it: a line through it, and all that the run gained."""

    series: Series
    values: NDArray[np.float64]
    start: int
    last: int
    fall: float
    most: float
    """The largest fall that the noise allows, with 95 % confidence."""
    p_falling: float
    p_rising: float
    early: float
    end: float
    gain: float
    share: float
    """Least fall, as a share of the gain."""

    @property
    def least(self) -> float:
        """Least fall, in the unit of the loss."""
        return self.share * self.gain

    @property
    def level(self) -> float:
        """Where the loss stood: the last value, or for steps the middle of the last tenth."""
        return self.end if self.series.name == "loss" else float(self.values[-1])

    @classmethod
    def of(cls, record: Record, series: Series, share: float) -> "Tail":
        """The last third, which is to have fallen by `share` of the gain; of a longer part as much more."""
        finite = np.isfinite(series.values)
        steps, values = series.steps[finite], series.values[finite]
        n = len(values)
        third = max(n // 3, 8)
        line = trend(steps[-third:], values[-third:])
        end = spread(values[-max(1, n // 10) :]).location
        # Adding zero turns -0.0, which a constant series gives, into 0.
        p_value, fall = line.p_falling, 0.0 - line.change
        if (
            series.name != "loss"
        ):  # signs tell few values apart; and a line may begin above what it is drawn through
            p_value = min(p_value, p_falls(values[-third:]))
            fall = min(fall, max(float(values[-third] - values[-1]), 0.0))
        early = _early(record, series.name, values)
        return cls(
            series,
            values,
            int(steps[-third]),
            int(steps[-1]),
            fall,
            most=0.0 - line.quantile(0.05),
            p_falling=p_value,
            p_rising=line.p_rising,
            early=early,
            end=end,
            gain=max(early - end, fall, 0.0),
            share=share * 3.0 * third / n,
        )


def _early(record: Record, name: str, values: NDArray[np.float64]) -> float:
    """The level that the gain is counted from, past the first transient.

    For epochs it is where the run began, at a constant prediction's loss at most (where that is known); an epoch's
    own loss comes after most of the fall. A first validation far above the first training loss (a normalisation
    that has not yet adapted) does not count.
    """
    tenth = max(1, len(values) // 10)
    if name == "loss":
        return spread(values[tenth : 2 * tenth]).location
    training = record.series.get("epoch_loss")
    first = float(training.values[0]) if training is not None and len(training) else np.inf
    early = min(float(values[0]), first) if np.isfinite(first) else float(values[0])
    made = progress(record)
    began = float(np.minimum(made.start, made.constant))
    return max(early, began) if made.fell and np.isfinite(began) else early
