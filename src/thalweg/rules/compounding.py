"""A learning rate whose factor multiplied up: each epoch lowered what the one before had left, and by more."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thalweg.record import Record, Series
from thalweg.rules.steps import rates

_EXACT = 1e-3
"""Share of a step by which two of them may differ: rates are float32, whose rounding is a thousandth of that."""
_LEAST = 1e-4
"""Smallest step of a factor that rounding cannot make."""
_FEWEST = 4
"""Fewest different steps: fewer fit a schedule that someone wrote down rate by rate."""
_NORMAL = 1e-36
"""Rates below this are no longer whole float32."""


@dataclass(frozen=True, slots=True)
class Compounding:
    """The factors of the epochs: the `first` below one, the `last`, and the function `code` that was meant."""

    first: float
    last: float
    code: str


def compounding(record: Record) -> Compounding | None:
    """How the rate was lowered, where that is what `rate * 0.9**epoch` of the current rate makes; else None.

    The factor of epoch n is then 0.9**n, or 1/(1 + n d) for a decay by time: a whole number of equal steps, in its
    logarithm or in its inverse, and by no step or one more from epoch to epoch. Of Keras's schedules none does that:
    the factor of an exponential decay is one and the same, that of an inverse-time decay rises, and those of a cosine
    or a polynomial fall by steps that grow. Nor does a Gaussian about the first epoch, whose steps are halves.
    """
    series = rates(record)
    if series is None:
        return None
    values = _by_epoch(record, series)
    values = values[: int(np.argmax(~(values > _NORMAL)))] if np.any(~(values > _NORMAL)) else values
    if len(values) <= _FEWEST:
        return None
    factors = values[1:] / values[:-1]
    lowered = np.flatnonzero(factors < 1.0 - _LEAST)
    raised = np.flatnonzero(factors > 1.0 + _LEAST)
    start = int(raised[-1]) + 1 if len(raised) else 0
    if not len(lowered) or lowered[-1] < start:
        return None
    floor = lowered[-1] < len(factors) - 1  # which cut the last of them short
    start = int(lowered[lowered >= start][0])
    factors = factors[start : lowered[-1] + (0 if floor else 1)]
    for inverse, up in ((False, -np.log(factors)), (True, 1.0 / factors - 1.0)):
        if (step := _step(up)) is not None:
            paused = bool(np.any(np.diff(up) < 0.5 * step))
            code = _code(float(values[start]), step, inverse, paused)
            return Compounding(float(factors[0]), float(factors[-1]), code)
    return None


def _by_epoch(record: Record, series: Series) -> NDArray[np.float64]:
    """The last rate of each epoch."""
    if series.name != "learning_rate":
        return series.values
    ends = np.array([event.step for event in record.events if event.kind == "epoch"], dtype=np.int64)
    places = np.unique(np.searchsorted(series.steps, ends, side="right")) - 1
    return series.values[places[places >= 0]]


def _step(up: NDArray[np.float64]) -> float | None:
    """The one step of which all values are whole numbers, each as many as the one before or one more; else None."""
    rises = np.diff(up)
    real = rises[np.abs(rises) > 0.5 * np.max(np.abs(rises))] if len(rises) else rises
    if len(real) < _FEWEST - 1:
        return None
    step = float(np.median(real))
    if not step > _LEAST:
        return None
    counts, grown = up / step, rises / step
    whole = np.abs(counts - np.round(counts)) <= _EXACT * np.maximum(counts, 1.0)
    one = np.minimum(np.abs(grown), np.abs(grown - 1.0)) <= _EXACT
    return step if bool(np.all(whole) and np.all(one)) else None


def _code(first: float, step: float, inverse: bool, paused: bool) -> str:
    """What was meant: the same function of the rate that it began with."""
    count = "(epoch // epochs_between)" if paused else "epoch"
    if inverse:
        return f"return {first:.3g} / (1.0 + {step:.3g} * {count})"
    return f"return {first:.3g} * {np.exp(-step):.3g} ** {count}"
