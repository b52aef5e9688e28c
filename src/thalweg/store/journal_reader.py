"""The reader of a journal: while it is written, after a crash, and when a part of it is lost."""

import contextlib
import json
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from thalweg.errors import RunFolderError
from thalweg.record import Event, Record, Series
from thalweg.store.layout import APPLICATION, SCHEMA, Block, Columns, DamagedError

T = TypeVar("T")
_Piece = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[Any]]
"""Steps of a column, the place in the journal of the block that each is from, and values."""
_MISSES = 4096
"""Consecutive rows that cannot be read before the rest counts as lost; a page holds some hundred at most."""


def read_journal(path: Path) -> Record:
    """The run that the journal at `path` holds, as of now.

    What is damaged is left out, and an event `damaged` says what that is.

    Raises `RunFolderError` where nothing can be read, or a newer Thalweg wrote it.
    """
    with opened(path) as connection:
        connection.execute("BEGIN")  # one snapshot, whatever is appended meanwhile
        facts = _salvage(connection, "info", "key, value", lambda key, value: (str(key), json.loads(value)))
        events = _salvage(
            connection,
            "event",
            "step, kind, detail",
            lambda step, kind, detail: Event(int(step), str(kind), dict(json.loads(detail))),
        )
        columns = "last_step, check_sum, rows, type, columns, data"
        blocks = _salvage(connection, "block", columns, lambda *row: Block.from_row(row))
    record = Record(dict(facts.found), _series(blocks.found), tuple(events.found))
    lost = [
        f"{salvaged.lost} {what}"
        for salvaged, what in ((facts, "facts"), (events, "events"), (blocks, "blocks of measurements"))
        if salvaged.lost
    ]
    if not lost:
        return record
    if not (record.info or record.series or record.events):
        raise RunFolderError(f"{str(path)!r} is so damaged that nothing in it can be read")
    reason = (
        f"the journal is damaged: {' and '.join(lost)} could not be read; "
        f"what could ends at step {record.last_step:,}"
    )
    return replace(record, events=(*record.events, Event(record.last_step, "damaged", {"reason": reason})))


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that reads the journal at `path`, whether or not somebody writes it.

    Raises `RunFolderError` where it is not a journal, cannot be opened, or a newer Thalweg wrote it.
    """
    with contextlib.ExitStack() as stack:
        try:
            try:
                connection = stack.enter_context(contextlib.closing(_connect(path, "ro")))
            except sqlite3.OperationalError:
                # The folder cannot be written, or a crash left a change half made: what SQLite has to do
                # beside the journal before it can be read, it does beside a copy.
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="thalweg-")))
                for suffix in ("", "-wal", "-journal"):
                    with contextlib.suppress(FileNotFoundError):
                        shutil.copyfile(f"{path}{suffix}", folder / f"{path.name}{suffix}")
                connection = stack.enter_context(contextlib.closing(_connect(folder / path.name, "rw")))
            application, schema = (
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("application_id", "user_version")
            )
        except (sqlite3.Error, OSError) as error:
            words = getattr(error, "strerror", None) or str(error)
            raise RunFolderError(f"{str(path)!r} cannot be read as a journal: {words}") from error
        if application != APPLICATION:
            held = (
                "an SQLite database of another program"
                if path.stat().st_size
                else "empty: its run never began"
            )
            raise RunFolderError(f"{str(path)!r} is not a journal: it is {held}")
        if schema > SCHEMA:
            raise RunFolderError(
                f"{str(path)!r} was written by a newer Thalweg (schema {schema}; this one reads up to schema "
                f"{SCHEMA}): upgrade with `pip install --upgrade thalweg`"
            )
        yield connection


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None)
    try:
        connection.text_factory = lambda text: text.decode(errors="replace")
        # The first makes SQLite open a file that was cut short; the others distrust what is in it.
        for setting in ("writable_schema=ON", "trusted_schema=OFF", "cell_size_check=ON", "application_id"):
            connection.execute(f"PRAGMA {setting}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


@dataclass(frozen=True, slots=True)
class _Salvaged(Generic[T]):
    found: list[T]
    lost: str
    """How many rows could not be read, in words; empty where all could."""


def _salvage(
    connection: sqlite3.Connection, table: str, columns: str, make: Callable[..., T]
) -> _Salvaged[T]:
    """What `make` makes of the rows of a table, in the order of writing."""
    found: list[T] = []
    lost = 0
    ended = False
    for row in _rows(connection, f"SELECT rowid, {columns} FROM {table}"):
        if row is None:
            ended = True
            continue
        try:
            found.append(make(*row[1:]))
        except (DamagedError, ValueError, TypeError, OverflowError, RecursionError):
            lost += 1
    return _Salvaged(found, "the last" if ended else f"{lost:,} of {len(found) + lost:,}" if lost else "")


def _rows(connection: sqlite3.Connection, query: str) -> Iterator[tuple[Any, ...] | None]:
    """The rows in the order of writing, `()` for one between them that cannot be read, and at last None where
    nobody can say how many more there were."""
    last = unread = misses = 0
    try:
        for row in connection.execute(f"{query} ORDER BY rowid"):
            last = row[0]
            yield row
        return
    except sqlite3.DatabaseError:
        pass  # a lost page ends the walk, but rows behind it can still be asked for one by one
    while misses < _MISSES:
        last, misses = last + 1, misses + 1
        row = None
        try:
            row = connection.execute(f"{query} WHERE rowid=?", (last,)).fetchone()
        except sqlite3.DatabaseError:
            unread += 1
        if row:
            yield from [()] * unread
            yield row
            unread = misses = 0
    if unread:
        yield None


def _series(blocks: list[Block]) -> dict[str, Series]:
    """The blocks' columns, each in one piece, in the order in which they were first written."""
    layouts: dict[Columns, list[tuple[int, Block]]] = {}
    for place, block in enumerate(blocks):
        layouts.setdefault(block.columns, []).append((place, block))
    parts = Counter(name for columns in layouts for name, _ in columns)
    whole: dict[str, Series] = {}
    pieces: dict[str, list[_Piece]] = {}
    units: dict[str, str] = {}
    for columns, placed in layouts.items():
        lengths = [len(block.steps) for _, block in placed]
        steps = np.concatenate([block.steps for _, block in placed])
        places = np.repeat([place for place, _ in placed], lengths)
        # Block by block, which stays in the processor's cache: a row there is a column here.
        values = np.empty((len(columns), len(steps)))
        for end, length, (_, block) in zip(np.cumsum(lengths), lengths, placed, strict=True):
            values[:, end - length : end] = block.values.T
        rising = not np.any(np.diff(steps) <= 0)
        for (name, unit), column in zip(columns, values, strict=True):
            units[name] = unit
            if rising and parts[name] == 1:
                whole[name] = Series.given(name, unit, steps, column)
            else:
                pieces.setdefault(name, []).append((steps, places, column))
    return {
        name: whole[name] if name in whole else _one_series(name, unit, pieces[name])
        for name, unit in units.items()
    }


def _one_series(name: str, unit: str, parts: list[_Piece]) -> Series:
    """A quantity that was measured in several layouts, or at steps that were written again."""
    steps, places, values = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    order = np.lexsort((places, steps))
    steps, values = steps[order], values[order]
    last = np.append(steps[1:] != steps[:-1], True)  # what came later holds
    return Series(name, unit, steps[last], values[last])
