"""What the callbacks were told and what they saw: shared by the rules about them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.record import Record, Series
from thalweg.rules.objective import rows

UNKNOWN = "Not assessed: the record does not say which callbacks ran."


def known(record: Record) -> bool:
    """Whether the record says which callbacks ran."""
    return isinstance(record.info.get("callbacks"), list | tuple)


def callbacks(record: Record, *classes: str) -> list[Mapping[str, Any]]:
    """The callbacks of these classes, in the order in which they ran."""
    return [row for row in rows(record, "callbacks") if row.get("class") in classes]


def argument(row: Mapping[str, Any], key: str) -> float:
    """A number that a callback was given; NaN where it is none."""
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return np.nan
    return float(value)


def monitored(row: Mapping[str, Any]) -> str:
    """The log that a callback looks at; empty where it looks at none."""
    name = row.get("monitor")
    return name if isinstance(name, str) else ""


def logged(record: Record, monitor: str) -> Series | None:
    """The series of the log that Keras calls `monitor`; None where it was never seen."""
    validation = monitor.startswith("val_")
    series = record.series.get(f"validation_{monitor[4:]}" if validation else f"epoch_{monitor}")
    return series if series is not None and len(series) else None


def picks_best(row: Mapping[str, Any]) -> bool:
    """Whether a callback compares a log with the best so far."""
    return row.get("class") != "ModelCheckpoint" or row.get("save_best_only") is True


@dataclass(frozen=True, slots=True)
class Seen:
    """A log at the epochs (from 1) at which a callback looked at it, and whether less of it is better."""

    name: str
    epochs: NDArray[np.int64]
    steps: NDArray[np.int64]
    values: NDArray[np.float64]
    less: bool

    def gain(self, values: NDArray[np.float64] | float, than: float) -> Any:
        """By how much values are better than one; negative where they are worse."""
        with np.errstate(over="ignore", invalid="ignore"):
            return (than - values) if self.less else (values - than)


def seen(record: Record, row: Mapping[str, Any]) -> Seen | None:
    """What a callback saw of its log, from `start_from_epoch` on; None where that is not known."""
    series, direction = logged(record, monitored(row)), row.get("direction")
    if series is None or direction not in ("min", "max"):
        return None
    ends = {event.step: event.detail.get("epoch") for event in record.events if event.kind == "epoch"}
    epochs = [ends.get(int(step), place) for place, step in enumerate(series.steps, 1)]
    if not all(isinstance(epoch, int) and not isinstance(epoch, bool) for epoch in epochs):
        return None
    counted = np.array(epochs, dtype=np.int64)
    start = argument(row, "start_from_epoch")
    kept = counted > (start if np.isfinite(start) else 0.0)
    if not kept.any():
        return None
    return Seen(series.name, counted[kept], series.steps[kept], series.values[kept], direction == "min")
