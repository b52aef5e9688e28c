"""From the columns of a foreign log to a record: what each is called there."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from thalweg.errors import RunFolderError
from thalweg.record import Event, Record, Series
from thalweg.store.axis import Axis, axis_of
from thalweg.store.names import Asked, apart, guesses, is_beside, listed, metric, roles
from thalweg.store.table import Entries, Table
from thalweg.words import noun, plural

_RARE = 0.01
"""The share of a loss's cells that may be text and is left out; where more is, the log is not what it seems."""
_MOST_EPOCHS = 100_000
"""Ends of epochs that become events; the series tell as much."""
_LOSSES = ("loss", "epoch_loss", "validation_loss")


def record_of(
    table: Table,
    path: Path,
    asked: Asked,
    source: str,
    *,
    unit: str | None = None,
    info: Mapping[str, Any] | None = None,
) -> Record:
    """The run that a table holds: its losses, what else the record's contract knows, and the metrics beside it.

    `unit` says what a row is where the format does.
    A log that goes back, as after a resumed or repeated training, is of one training: what it had from there on
    gives way. All that was guessed or mended is said in events.

    Raises `RunFolderError` where there is no loss, or text where its numbers should be, `UsageError` where a
    column that the caller named is not there.
    """
    columns = table.columns()
    mended, guessed = table.mended, list[str]()
    aside = {table.step, table.epoch}
    kept = [name for name in columns if name not in aside and not is_beside(name)]
    _leave_text_out(table, path, columns, asked, mended)
    found = roles(kept, asked, path)
    main = next((name for role in _LOSSES for name in found if found[name] == role), None)
    if main is None:
        raise RunFolderError(
            f"{str(path)!r} has no column `loss` or `val_loss` with numbers, nor another that is plainly the loss; "
            f"{listed([*columns])}" + (": name one with --loss or --val-loss" if columns else "")
        )
    axis = axis_of(columns[main], table, unit, mended)
    if words := guesses(found, table.step if axis.by in ("step", "both") else None, asked):
        guessed.append(words)
    points = {name: axis.points(columns[name]) for name in kept}
    points = {name: entries for name, entries in points.items() if len(entries)}
    if repeated := int(np.sum(axis.stands(columns[main]))) - len(points.get(main, ())):
        mended.append(
            f"{plural(repeated, 'value')} of {main!r} stood at {axis.unit}s that had one: the last counts"
        )
    if unit is None and asked.step is None and _are_epochs(axis, points, found):
        guessed.append(
            "the losses of training and validation stand at the same successive steps: read as epochs"
        )
        shift = float(min(entries.step[0] for entries in points.values()) == 0.0)
        points = {name: replace(entries, step=entries.step + shift) for name, entries in points.items()}
        axis = replace(axis, unit="epoch")
    if axis.unit == "step" and found[main] == "loss" and _once_an_epoch(points.get(main)):
        found[main] = "epoch_loss"
    names = _names([*points], found, axis.unit)
    series = [
        Series(names[name], _unit(names[name]), entries.step.astype(np.int64), entries.value)
        for name, entries in points.items()
    ]
    return Record.of(
        series,
        {"name": path.stem, "source": source, "step_unit": axis.unit, **(info or {})},
        _events(series, axis.unit, mended, guessed),
    )


def _leave_text_out(
    table: Table,
    path: Path,
    columns: Mapping[str, Entries],
    asked: Asked,
    mended: list[str],
) -> None:
    """Say which text was left out; raises where a loss has more of it than a slip of the pen."""
    known = roles([*dict.fromkeys([*columns, *table.text])], asked, path)
    useless = []
    for name, text in table.text.items():
        numbers = len(columns.get(name, ()))
        if known.get(name) in _LOSSES and text.count > _RARE * (numbers + text.count):
            raise RunFolderError(
                f"{str(path)!r}: row {text.row + 1:,} has {text.cell[:40]!r} in column {name!r}, expected a number"
            )
        if numbers:
            where = f"{text.cell[:40]!r} at row {text.row + 1:,}"
            held = "held text" if text.count == 1 else "held text, the first"
            left = noun(text.count, "was", "were")
            mended.append(f"{plural(text.count, 'cell')} of {name!r} {held} ({where}), and {left} left out")
        else:
            useless.append(repr(name[:60]))
    if useless:
        more = f" and {len(useless) - 4:,} more" if len(useless) > 4 else ""
        one = len(useless) == 1
        words = ("column", "holds", "was") if one else ("columns", "hold", "were")
        mended.append(f"{words[0]} {', '.join(useless[:4])}{more} {words[1]} text and {words[2]} left out")


def _are_epochs(axis: Axis, points: Mapping[str, Entries], found: Mapping[str, str]) -> bool:
    """Whether what calls itself a step is an epoch: successive, and with a validation at each."""
    steps = {found[name]: points[name].step for name in found if name in points}
    training, validation = steps.get("loss"), steps.get("validation_loss")
    if axis.by != "step" or training is None or validation is None or len(training) < 2:
        return False
    return bool(training[0] <= 1 and np.all(np.diff(training) == 1) and np.array_equal(training, validation))


def _once_an_epoch(loss: Entries | None) -> bool:
    """Whether a loss over steps has one value in each epoch, which then is the epoch's."""
    if loss is None or len(loss) < 2 or not np.all(np.isfinite(loss.epoch)):
        return False
    return bool(np.all(loss.epoch == np.floor(loss.epoch)) and np.all(np.diff(loss.epoch) > 0))


def _names(columns: list[str], found: Mapping[str, str], unit: str) -> dict[str, str]:
    """The names in the record, each once."""
    names: dict[str, str] = {}
    for name in sorted(columns, key=lambda name: name not in found):
        role = found.get(name, "")
        if unit == "epoch" and role in ("loss", "learning_rate", "gradient_norm"):
            role = f"epoch_{role}"
        prefix, quantity = metric(name)
        if unit == "step" and prefix == "epoch_" and apart(name).each != "epoch":
            prefix = ""
        bare = name.strip().replace("/", "_")
        taken = {*names.values(), *_LOSSES}
        known = [role] if role and role not in names.values() else []
        own = [prefix + quantity, f"epoch_{bare}", *(f"epoch_{bare}_{n}" for n in range(2, len(columns) + 3))]
        names[name] = (known or [each for each in own if each not in taken])[0]
    return names


def _unit(name: str) -> str:
    quantity = name.removeprefix("epoch_").removeprefix("validation_")
    if quantity == "gradient_norm":
        return "loss/parameter"
    return "loss" if quantity.endswith("loss") else "1" if quantity == "learning_rate" else quantity


def _events(series: list[Series], unit: str, mended: list[str], guessed: list[str]) -> list[Event]:
    steps = {int(step) for each in series for step in each.steps} if unit == "epoch" else set()
    if len(steps) > _MOST_EPOCHS:
        steps = set()
    last = max((int(each.steps[-1]) for each in series), default=0)
    events = [Event(step, "epoch", {"epoch": step}) for step in sorted(steps) if step > 0]
    events += [Event(last, "guessed", {"what": what}) for what in guessed]
    return events + [Event(last, "mended", {"what": what}) for what in mended]
