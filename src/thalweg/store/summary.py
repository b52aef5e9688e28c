"""The runs under a folder, each in a line: counted without reading what they measured."""

import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from thalweg.errors import RunFolderError
from thalweg.store.journal_reader import opened
from thalweg.store.layout import JOURNAL, Block, DamagedError

_DEPTH = 4
"""Folders below the root: runs of a sweep lie two or three deep, a data set beside them may be any size."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run on disk in short.

    `started` is an ISO 8601 time, `finished` the reason; both are empty where they are not known, as
    `finished` is while the run goes on and after it was killed. `last_loss` is the last step's, else the last
    epoch's.
    """

    name: str
    path: Path
    started: str = ""
    steps: int = 0
    epochs: int = 0
    last_loss: float | None = None
    finished: str = ""


def runs(root: str | os.PathLike[str]) -> list[Run]:
    """The runs in `root` and the folders below it, as they were started; a damaged one says so in `finished`.

    Raises `RunFolderError` where `root` is not a folder.
    """
    if not Path(root).is_dir():
        raise RunFolderError(f"{os.fspath(root)!r} is not a folder, or there is none")
    found = []
    for path in _journals(Path(root)):
        try:
            found.append(summary(path))
        except RunFolderError:
            found.append(Run(path.parent.name, path.parent, finished="cannot be read"))
    return sorted(found, key=lambda run: (run.started, str(run.path)))


def summary(path: Path) -> Run:
    """The run whose journal this is; raises `RunFolderError` where it cannot be read."""
    with opened(path) as connection:
        try:
            facts = dict(connection.execute("SELECT key, value FROM info WHERE key IN ('name', 'started')"))
            name, started = (str(json.loads(facts.get(key, '""'))) for key in ("name", "started"))
            steps, epochs = connection.execute(
                "SELECT max(0, coalesce((SELECT max(last_step) FROM block), 0), coalesce(max(step), 0)), "
                "count(*) FILTER (WHERE kind = 'epoch') FROM event"
            ).fetchone()
            last = connection.execute(
                "SELECT detail FROM event WHERE kind = 'finished' ORDER BY id DESC LIMIT 1"
            ).fetchone()
            finished = str(json.loads(last[0]).get("reason", "finished")) if last else ""
            return Run(
                name or path.absolute().parent.name,
                path.parent,
                started,
                steps,
                epochs,
                _last_loss(connection),
                finished,
            )
        except (sqlite3.Error, DamagedError, ValueError, TypeError, AttributeError) as error:
            raise RunFolderError(f"{str(path)!r} is damaged: {error}") from error


def _last_loss(connection: sqlite3.Connection) -> float | None:
    for name in ("loss", "epoch_loss"):
        row = connection.execute(
            "SELECT last_step, check_sum, rows, type, columns, data FROM block "
            "WHERE instr(columns, ?) AND rows > 0 ORDER BY id DESC LIMIT 1",
            (f"[{json.dumps(name)}, ",),
        ).fetchone()
        if row:
            block = Block.from_row(row)
            column = [column for column, _ in block.columns].index(name)
            return float(block.values[block.steps.argmax(), column])
    return None


def _journals(root: Path) -> Iterator[Path]:
    depth = len(root.parts)
    for folder, below, files in os.walk(root):
        here = Path(folder)
        if JOURNAL in files:
            yield here / JOURNAL
        deepest = len(here.parts) - depth >= _DEPTH
        below[:] = [] if deepest else [name for name in below if not name.startswith(".")]
