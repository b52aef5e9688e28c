"""The looks at averaged iterates that a record holds, and why it holds none."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thalweg.record import Record
from thalweg.rules.objective import fact, number
from thalweg.stats.looks import Look
from thalweg.stats.noise_ball import reached

_SERIES = (
    "average_span",
    "early_average_loss",
    "average_loss",
    "iterate_loss",
    "iterate_loss_error",
    "average_distance",
)
BAND = 1.21
"""Rates within this factor are one rate: the band within which the watch goes on summing, and rounding."""


@dataclass(frozen=True, slots=True)
class Averaged:
    """The looks of a run, and the steps (n,) at which they were made."""

    steps: NDArray[np.int64]
    looks: tuple[Look, ...]

    @property
    def reached(self) -> NDArray[np.bool_]:
        """(n,) whether the noise ball was reached."""
        columns = [
            [getattr(look, name) for look in self.looks]
            for name in ("span", "early", "late", "iterates", "error")
        ]
        return reached(*columns)


def averaged(record: Record) -> Averaged:
    """The looks that the record holds whole, in the order of their steps."""
    found = [record.series.get(name) for name in _SERIES]
    if any(series is None for series in found):
        return Averaged(np.empty(0, np.int64), ())
    known = [series for series in found if series is not None]
    steps = known[0].steps
    for series in known[1:]:
        steps = np.intersect1d(steps, series.steps)
    columns = [series.values[np.isin(series.steps, steps)] for series in known]
    whole = np.all(np.isfinite(columns), axis=0) & (columns[0] >= 1.0) & (columns[0] < 2.0**53)
    looks = tuple(
        Look(int(t), *(float(value) for value in rest))
        for t, *rest in zip(*(c[whole] for c in columns), strict=True)
    )
    return Averaged(steps[whole], looks)


def why_none(record: Record) -> str:
    """Why there is no look: a sentence."""
    reason = fact(record, "watch", "averages")
    told = f": {reason}" if isinstance(reason, str) and not set(reason) & set("{}") else ""
    return f"The record holds no averages of the weights{told}."


def fall(record: Record, now: float) -> float:
    """By how much the loss had come down from its start to this value; NaN where the start is not known."""
    start = number(record, "initial_loss")
    series = record.series.get("early_average_loss")
    if series is not None and len(series):
        start = float(np.fmax(start, np.nanmax(np.where(np.isfinite(series.values), series.values, -np.inf))))
    with np.errstate(all="ignore"):
        return start - now
