"""The reader of a training log in CSV: Keras's `CSVLogger`, a saved `history`, and the like."""

import csv
import io
import math
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from thalweg.errors import RunFolderError
from thalweg.record import Event, Record, Series
from thalweg.words import plural

_ABSENT = {"", "na", "n/a", "none", "null", "-"}
"""Cells that say nothing was measured; `nan` and `inf` were measured."""
_KNOWN = {
    "epochs": "epoch",
    "global_step": "step",
    "steps": "step",
    "iteration": "step",
    "lr": "learning_rate",
    "valid_loss": "val_loss",
    "validation_loss": "val_loss",
    "train_loss": "loss",
    "training_loss": "loss",
}
"""Other tools' names for Keras's; these, and Keras's own here, are known in any case and with spaces too."""
_KERAS = {"epoch", "step", "loss", "val_loss", "learning_rate"}
_INDEX = {"", "unnamed:_0"}
"""How pandas heads the column that numbers the rows."""


def read_csv(path: Path) -> Record:
    """The run that the CSV log at `path` holds: `epoch_K` and `validation_K` over epochs, counted from 1.

    Columns are `epoch` (or none: rows are counted) and Keras's logs K and `val_K`; where a column `step` is,
    it counts instead, and `loss` and `learning_rate` are of single steps. Where a log goes back to an epoch,
    as after a resumed or repeated training, what it had from there on gives way: the record is of one
    training. That, and all else that was mended, is said in an event `mended`.

    Raises `RunFolderError` where the file is empty, has no loss, or has text where numbers should be.
    """
    header, rows, mended = _table(path)
    names = _names(path, header)
    columns = _numbers(path, names, rows, mended)
    if not {"loss", "val_loss"}.intersection(columns):
        found = ", ".join(repr(name[:30]) for name in header[:12]) + (" and more" if len(header) > 12 else "")
        raise RunFolderError(
            f"{str(path)!r} has no column `loss` or `val_loss` with numbers; its columns are {found}"
        )
    unit = "step" if "step" in columns else "epoch"
    steps = _steps(columns, len(rows), unit, mended)
    kept = _one_training(steps, unit, mended)
    series = []
    for name, values in columns.items():
        if name not in ("step", "epoch"):
            measured = {steps[row]: value for row in kept if (value := values[row]) is not None}
            places = np.array(sorted(measured), np.int64)
            series.append(
                Series(*_meaning(name, unit), places, np.array([measured[p] for p in places], float))
            )
    last = max((steps[row] for row in kept), default=0)
    epochs = sorted({steps[row] for row in kept}) if unit == "epoch" else []
    events = [Event(step, "epoch", {"epoch": step}) for step in epochs]
    events += [Event(last, "mended", {"what": what}) for what in mended]
    return Record.of(series, {"name": path.stem, "source": "csv", "step_unit": unit}, events)


def _table(path: Path) -> tuple[list[str], list[list[str]], list[str]]:
    """The header, the rows as wide as it, and what was mended."""
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "replace")
        first = next((line for line in text.splitlines() if line.strip()), "")
        separator = max(",;\t", key=first.count)
        lines = list(csv.reader(io.StringIO(text, newline=None), delimiter=separator))
    except (OSError, UnicodeError, csv.Error) as error:
        raise RunFolderError(f"{str(path)!r} cannot be read as CSV: {error}") from error
    filled = [[cell.strip() for cell in line] for line in lines if any(cell.strip() for cell in line)]
    if not filled:
        raise RunFolderError(
            f"{str(path)!r} is empty: expected a header with `loss` and a row for each epoch"
        )
    header, *rows = filled
    mended = []
    if header in rows:
        mended.append(f"{plural(rows.count(header), 'repeated header')} left out")
        rows = [row for row in rows if row != header]
    if rows and len(rows[-1]) < len(header) and not text.endswith(("\n", "\r")):
        mended.append("the last row was cut short and left out")
        rows.pop()
    if not rows:
        raise RunFolderError(f"{str(path)!r} has a header but no whole row of numbers")
    for number, row in enumerate(rows, start=1):
        if len(row) > len(header) and any(row[len(header) :]):
            raise RunFolderError(
                f"{str(path)!r}: row {number:,} has {len(row)} cells, "
                f"but the header names {len(header)} columns"
            )
    if separator != ",":
        rows = [[re.sub(r"^([-+]?\d*),(\d+)", r"\1.\2", cell) for cell in row] for row in rows]
    return header, [row + [""] * (len(header) - len(row)) for row in rows], mended


def _names(path: Path, header: list[str]) -> list[str]:
    """The columns' names as Keras has them."""
    common = [name.lower().replace(" ", "_") for name in header]
    taken = _KERAS.intersection(common)
    index = "" if {"epoch", "step"} & {_KNOWN.get(name, name) for name in common} else "epoch"
    names = []
    for name, lower in zip(header, common, strict=True):
        known = _KNOWN.get(lower, lower)
        if lower in _INDEX:
            names.append(index)
        elif lower in _KERAS or (known in _KERAS and known not in taken):
            names.append(known)
        else:
            names.append(name)
    for name in names:
        if name and names.count(name) > 1:
            raise RunFolderError(f"{str(path)!r} has more than one column {name!r}")
    return names


def _numbers(
    path: Path, names: list[str], rows: list[list[str]], mended: list[str]
) -> dict[str, list[float | None]]:
    """The columns that hold numbers; None where nothing was measured."""
    columns: dict[str, list[float | None]] = {}
    for column, name in enumerate(names):
        cells = [row[column] for row in rows]
        values = [_number(cell) for cell in cells]
        text = [row for row, value in enumerate(values) if isinstance(value, str)]
        if not name or all(value is None for value in values):
            continue
        if name not in _KERAS and all(isinstance(value, str) or value is None for value in values):
            mended.append(f"column {name!r} holds text and was left out")
        elif text:
            raise RunFolderError(
                f"{str(path)!r}: row {text[0] + 1:,} has {cells[text[0]][:40]!r} in column {name!r}, "
                "expected a number"
            )
        else:
            columns[name] = [value for value in values if not isinstance(value, str)]
    return columns


def _number(cell: str) -> float | str | None:
    if cell.lower() in _ABSENT:
        return None
    try:
        return float(cell)
    except ValueError:
        return cell


def _steps(columns: Mapping[str, list[float | None]], rows: int, unit: str, mended: list[str]) -> list[int]:
    """The step of each row: the log's own, or its epoch from 1."""
    counted = columns.get(unit)
    whole = counted is not None and all(v is not None and math.isfinite(v) and v == int(v) for v in counted)
    if counted is None or not whole:
        if counted is not None:
            mended.append(f"column {unit!r} is not all whole numbers: the rows were counted instead")
        return list(range(1, rows + 1))
    steps = [int(v) for v in counted if v is not None]
    return [step + 1 for step in steps] if unit == "epoch" and min(steps) == 0 else steps


def _one_training(steps: list[int], unit: str, mended: list[str]) -> list[int]:
    """The rows that no later restart replaced: one training, whether resumed or begun again."""
    kept: list[int] = []
    restarts: list[str] = []
    for row, step in enumerate(steps, start=1):
        if kept and step < steps[kept[-1]]:
            restarts.append(f"{unit} {step:,} at row {row:,}")
            kept = [earlier for earlier in kept if steps[earlier] < step]
        kept.append(row - 1)
    if restarts:
        more = f", and {plural(len(restarts) - 1, 'more time')}" if len(restarts) > 1 else ""
        gone = plural(len(steps) - len(kept), "earlier row")
        mended.append(f"the log went back to {restarts[0]}{more}: {gone} from there on gave way")
    return kept


def _meaning(name: str, unit: str) -> tuple[str, str]:
    """The name and unit in the record of a column."""
    quantity = name.removeprefix("val_")
    words = "loss" if quantity.endswith("loss") else "1" if quantity == "learning_rate" else quantity
    if name != quantity:
        return f"validation_{quantity}", words
    return (name, words) if unit == "step" and name in _KERAS else (f"epoch_{name}", words)
