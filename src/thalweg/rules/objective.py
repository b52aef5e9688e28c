"""What the run was minimising, and whether it got anywhere: shared by the rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from thalweg.record import Record, Series
from thalweg.stats import mean, spread

GAIN = 0.02
"""The share of the starting loss below which a fall is no progress."""


def objective(record: Record) -> Series | None:
    """The training loss in its finest measurement: per step, else per epoch; None where there is none.

    Where the training step told nobody its loss, that of the probe batch.
    """
    for name in ("loss", "epoch_loss", "probe_loss"):
        if (
            len(record.series.get(name, ())) and record.series[name].steps[-1] > 0
        ):  # not that of the first weights
            return record.series[name]
    return None


def fact(record: Record, *path: str) -> Any:
    """`info[path[0]][path[1]]...`; None where any of it is missing or is not a mapping."""
    value: Any = record.info
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def rows(record: Record, *path: str) -> list[Mapping[str, Any]]:
    """The mappings of a list in `info`; empty where there is no such list."""
    value = fact(record, *path)
    if not isinstance(value, Sequence) or isinstance(value, str):
        return []
    return [row for row in value if isinstance(row, Mapping)]


def number(record: Record, *path: str) -> float:
    """A number in `info`; NaN where it is missing, not a number or not finite."""
    value = fact(record, *path)
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return np.nan
    return float(value) if np.isfinite(float(value)) else np.nan


def weighted(record: Record) -> bool:
    """Whether classes or examples were weighted: some are then learned at the price of others."""
    return fact(record, "fit", "class_weight") is True or fact(record, "data", "weighted") is True


def late(record: Record) -> bool:
    """Whether the outputs and their loss were looked at only after some steps, and not at the first weights."""
    return number(record, "contract", "step") > 0.0


def unit(record: Record) -> str:
    """What a step is called in a sentence: `epoch` in a log without optimizer steps."""
    return "epoch" if fact(record, "step_unit") == "epoch" else "step"


def epochs(record: Record) -> int:
    """How many epochs are known to have ended; 0 where nothing tells."""
    logged = [len(s) for s in record.series.values() if s.name.startswith(("epoch_", "validation_"))]
    return max([*logged, sum(e.kind == "epoch" for e in record.events)], default=0)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the objective came from where it started.

    `fell`: the last losses lie below the first. `adequate`: they also lie below the loss of a constant
    prediction, where that is known, for falling to it is not learning. True and False are both shown; None
    means cannot tell. `final` is the mean of the last quarter; `low` and `high` enclose it with 99 % confidence
    each. `lowest` is how low the last level may be against the start with 99 % confidence, the start's own
    uncertainty included, where there are enough losses. `ended` is the loss as the log has it last: the last epoch's,
    else the median of the last tenth.
    `start` is the first loss, `constant` that of the constant prediction; numbers that are not known are NaN.
    """

    fell: bool | None = None
    adequate: bool | None = None
    start: float = np.nan
    constant: float = np.nan
    final: float = np.nan
    low: float = np.nan
    high: float = np.nan
    lowest: float = np.nan
    ended: float = np.nan
    count: int = 0


def progress(record: Record) -> Progress:
    """Progress of the objective, by the mean of its last quarter with an error that knows autocorrelation.

    The start is the median of the first losses (ten, or a fiftieth of them up to fifty); in a log of epochs
    it is the first epoch's loss. A fall is shown where the final mean lies below the start by 2 % of it with
    99 % confidence, or every loss of a last quarter of seven or more does; and shown not to be where the mean
    lies above that line with 99 % confidence, the start's own uncertainty included. A run whose final loss
    lies below half of the constant prediction's has made its progress wherever it started: fine-tuning begins
    near its floor. Losses that are not finite at the end are no progress. Fewer than 32 steps or 4 epochs
    cannot be told, and under 100 steps or 5 epochs a missing fall is not held against the run.
    """
    series = objective(record)
    if series is None:
        return Progress()
    stepwise = series.name == "loss"
    constant = number(record, "constant_prediction_loss")
    values = series.values[np.isfinite(series.values)]
    few = max(min(10, len(values) // 8), min(len(values) // 50, 50), 1) if stepwise else 1
    first = values[:few]
    start, count = spread(first).location, len(series)
    if not np.isfinite(series.values[-1]):
        return Progress(False, False, start, constant, float(series.values[-1]), count=count)
    if len(values) < (32 if stepwise else 4):
        return Progress(None, None, start, constant, count=len(values))
    quarter = values[-max(len(values) // 4, 4) :]
    middle = spread(quarter)
    # If seven losses all lie below a line, so does their median with 99 % confidence (sign test).
    highest = float(np.max(quarter)) if len(quarter) >= 7 else np.inf
    if middle.scale > 0.0:
        # One wild loss must not hide where the others are.
        reach = min(6.0 * middle.scale, float(np.finfo(float).max) / 4.0)
        quarter = np.clip(quarter, middle.location - reach, middle.location + reach)
    last = mean(quarter)
    low, high = last.quantile(0.01), last.quantile(0.99)

    enough = len(values) >= (100 if stepwise else 5)

    def lowest(error: float) -> float:
        return last.value - (last.value - low) * float(
            np.hypot(1.0, error / last.error if last.error else 0.0)
        )

    def below(level: float, error: float) -> bool | None:
        line = level - GAIN * abs(level)
        if high < line or highest < line:
            return True
        # That the loss did not fall is claimed only beyond the uncertainty of where it began.
        return False if enough and lowest(error) > line else None

    # Few first losses are less certain than many last ones, by the root of their numbers.
    uncertain = min(last.error * np.sqrt(last.count / few), middle.scale) if stepwise else 0.0
    fell = adequate = below(start, uncertain)
    if np.isfinite(constant):
        adequate = below(constant, 0.0) if constant < start else fell
        if constant > 0.0 and high < 0.5 * constant:
            adequate = True
    logged = record.series.get("epoch_loss")
    ended = spread(values[-max(1, len(values) // 10) :]).location
    if logged is not None and len(logged):
        ended = float(logged.values[-1])
    least = lowest(uncertain) if enough else np.nan
    return Progress(fell, adequate, start, constant, last.value, low, high, least, ended, count)
