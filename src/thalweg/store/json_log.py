"""The reader of training logs in JSON: Keras's `History`, lists of rows, JSON Lines, Hugging Face's trainer state."""

import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from thalweg.errors import RunFolderError
from thalweg.record import Record
from thalweg.store.foreign import record_of
from thalweg.store.names import Asked, axes
from thalweg.store.numerals import number
from thalweg.store.table import CHUNK, Table
from thalweg.store.trainer_state import facts, is_summary, is_trainer_state
from thalweg.words import noun, plural

_DEEP = 6
"""Levels of nesting that are read as parts of a name."""
_SHOWN = "expected Keras's History, a list of rows, or a row in each line"


def read_json(path: Path, asked: Asked = Asked()) -> Record:  # noqa: B008 (frozen)
    """The run that the JSON file at `path` holds.

    It is a `History` (`json.dump(history.history, file)`, also with `params` and `epoch` around it, or pandas's
    columns), a list of rows, rows under a name of their own, a row in each line, or a `trainer_state.json`. What is
    nested in a row is named by its path: `train/loss`.

    Raises `RunFolderError` where the file is no whole JSON or has no loss.
    """
    try:
        with path.open(encoding=_encoding(path), errors="replace") as file:
            lines = _json_lines(file)
            if lines is not None:
                mended: list[str] = []
                table = _of_rows(_objects(lines, mended), asked, path)
                table.mended += mended
                return record_of(table, path, asked, "json")
            file.seek(0)
            document = json.load(file)
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        reason = (
            "it is nested too deeply"
            if isinstance(error, RecursionError)
            else str(error) or "it is too large"
        )
        raise RunFolderError(f"{str(path)!r} cannot be read as JSON: {reason}") from error
    return _of_document(document, path, asked)


def _encoding(path: Path) -> str:
    with path.open("rb") as raw:
        return json.detect_encoding(raw.read(8))


def _json_lines(file: IO[str]) -> Iterator[str] | None:
    """The lines of a file that has a whole object in each; None where it is one document."""
    filled = (line for line in file if line.strip())
    first = next(filled, "")
    try:
        row = json.loads(first)
    except (ValueError, RecursionError):
        return None
    second = next(filled, None)
    if not isinstance(row, dict) or (
        second is None and any(isinstance(v, list | dict) for v in row.values())
    ):
        return None
    return itertools.chain([first], filter(None, [second]), filled)


def _objects(lines: Iterable[str], mended: list[str]) -> Iterator[Mapping[str, Any]]:
    """The objects of a file with one in each line; lines that hold none are left out."""
    lost = read = 0
    for line in lines:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict):
            read += 1
            yield row
        else:
            lost += 1
    if lost:
        mended.append(
            f"{plural(lost, 'line')} of {lost + read:,} held no JSON object and {noun(lost, 'was', 'were')} left out"
        )


def _of_document(document: Any, path: Path, asked: Asked) -> Record:
    if is_trainer_state(document):
        named = {asked.loss, asked.validation_loss, asked.step}
        table = _of_rows(
            (
                {key: value for key, value in row.items() if key in named or not is_summary(key)}
                for row in document["log_history"]
                if isinstance(row, dict)
            ),
            asked,
            path,
        )
        info = {"name": path.absolute().parent.name or path.stem, **facts(document)}
        return record_of(table, path, asked, "trainer_state", info=info)
    if (rows := _rows(document)) is not None:
        return record_of(_of_rows(rows, asked, path), path, asked, "json")
    if isinstance(document, dict):
        history = document["history"] if isinstance(document.get("history"), dict) else document
        columns = dict(_columns(history))
        if columns:
            return _of_history(columns, document, path, asked)
    raise RunFolderError(f"{str(path)!r} is JSON, but no training log: {_SHOWN}")


def _rows(document: Any) -> list[Mapping[str, Any]] | None:
    """The rows of a document: itself a list of objects, or one that holds such a list, or objects by number."""
    if isinstance(document, list):
        return [row for row in document if isinstance(row, dict)] or None
    if not isinstance(document, dict) or not document:
        return None
    if all(isinstance(row, dict) and str(key).isdecimal() for key, row in document.items()):
        return [document[key] for key in sorted(document, key=lambda key: (len(key), key))]
    held = [found for value in document.values() if isinstance(value, list) and (found := _rows(value))]
    return held[0] if len(held) == 1 else None


def _columns(value: Mapping[str, Any], above: str = "", depth: int = 0) -> Iterator[tuple[str, list[Any]]]:
    """The lists in nested objects, each named by its path; an object keyed by numbers is a list too."""
    for key, below in value.items():
        name = f"{above}{key}"
        if isinstance(below, list):
            yield name, below
        elif isinstance(below, dict) and depth < _DEEP:
            if below and all(str(index).isdecimal() for index in below):
                yield name, list(below.values())
            else:
                yield from _columns(below, f"{name}/", depth + 1)


def _of_history(
    columns: Mapping[str, list[Any]], document: Mapping[str, Any], path: Path, asked: Asked
) -> Record:
    """A run of named lists, one value an epoch."""
    mended: list[str] = []
    numbers = document.get("epoch")
    columns = {name: cells for name, cells in columns.items() if not name.startswith("params/")}
    if isinstance(numbers, list) and "epoch" not in columns:
        columns["epoch"] = numbers
    longest = max(map(len, columns.values()))
    whole = dict(columns)
    for name, cells in columns.items():
        times, rest = divmod(longest, len(cells)) if cells else (1, 0)
        # One list is shorter where validation was asked for in every n-th epoch alone.
        if len(cells) < longest and (times > 1 and (rest < times)):
            whole[name] = [None] * longest
            whole[name][times - 1 : times * len(cells) : times] = cells
            of_all = f"{plural(len(cells), 'value')} for {longest:,} epochs"
            mended.append(f"{name!r} has {of_all}: taken for one in every {times:,}")
        elif cells and len(cells) < longest:
            of_all = f"{plural(len(cells), 'value')} for {longest:,} epochs"
            mended.append(f"{name!r} has {of_all}: taken for those of the first")
    rows = (dict(zip(whole, row, strict=True)) for row in itertools.zip_longest(*whole.values()))
    table = _of_rows(rows, asked, path)
    table.mended += mended
    params = document.get("params")
    fit = {
        name: params[key]
        for name, key in (("epochs", "epochs"), ("steps_per_epoch", "steps"))
        if isinstance(params, dict) and isinstance(params.get(key), int)
    }
    unit = None if table.step else "epoch"
    return record_of(table, path, asked, "history", unit=unit, info={"fit": fit} if fit else {})


def _of_rows(rows: Iterable[Mapping[str, Any]], asked: Asked, path: Path) -> Table:
    """The table of these rows; the first of them tell which columns count."""
    flat = (dict(_cells(row)) for row in rows)
    chunk = list(itertools.islice(flat, CHUNK))
    names = list(dict.fromkeys(name for row in chunk for name in row))
    table = Table(*axes(names, asked, path))
    while chunk:
        cells: dict[str, tuple[list[int], list[float]]] = {}
        for place, row in enumerate(chunk):
            for name, value in row.items():
                if isinstance(value, str):
                    table.hold_text(name, place, value)
                elif value is not None:
                    places, values = cells.setdefault(name, ([], []))
                    places.append(place)
                    values.append(value)
        table.append(
            len(chunk),
            {name: (np.array(at, np.int64), np.array(v, float)) for name, (at, v) in cells.items()},
        )
        chunk = list(itertools.islice(flat, CHUNK))
    return table


def _cells(
    row: Mapping[str, Any], above: str = "", depth: int = 0
) -> Iterator[tuple[str, float | str | None]]:
    """The numbers and texts of a row, each named by its path."""
    for key, value in row.items():
        name = f"{above}{key}"
        if isinstance(value, dict) and depth < _DEEP:
            yield from _cells(value, f"{name}/", depth + 1)
        else:
            while isinstance(value, list) and len(value) == 1:
                value = value[0]
            yield name, _value(value)


def _value(value: Any) -> float | str | None:
    if isinstance(value, str):
        return number(value)
    if value is None or isinstance(value, bool | list | dict):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
