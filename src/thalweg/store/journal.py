"""The writer of a run's journal: append-only, and whole after `kill -9` at any moment."""

import contextlib
import os
import sqlite3
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.errors import RunFolderError
from thalweg.record import Event
from thalweg.store.layout import APPLICATION, SCHEMA, TABLES, Block, journal_path, to_json
from thalweg.store.summary import summary

_open: "weakref.WeakValueDictionary[Path, Journal]" = weakref.WeakValueDictionary()
"""The journals that this process holds open: one that is left open by an interrupted cell can be replaced."""


class Journal:
    """A run on disk while it is written: one transaction a call, readable by others at any time.

    What a call has returned from survives the death of the process; the last calls before a power cut may be
    lost, and nothing else. It may be made in one thread and used in another, by one at a time. In a forked
    child every call does nothing: the journal is its parent's.

    It is not a logger: values are appended in blocks, some hundred steps at a time.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = connection
        self._process = os.getpid()

    @classmethod
    def create(
        cls, folder: str | os.PathLike[str], info: Mapping[str, Any], *, overwrite: bool = False
    ) -> "Journal":
        """A new journal in `folder`, which is made where it is missing, with these facts.

        `overwrite` replaces the journal of an earlier run, and touches no other file of the folder.

        Raises `RunFolderError` where the folder holds a run already or cannot be written.
        """
        path = journal_path(folder)
        facts = {str(key): to_json(value) for key, value in info.items()}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if overwrite and path.exists():
                _remove(path)
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR))  # two processes cannot both be first
        except FileExistsError:
            raise RunFolderError(_occupied(path)) from None
        except OSError as error:
            raise RunFolderError(f"cannot write a run into {str(path.parent)!r}: {_why(error)}") from error
        for leftover in _companions(path):  # of a journal that was deleted without them
            leftover.unlink(missing_ok=True)
        try:
            with _writing(path):
                connection = sqlite3.connect(path, 1, isolation_level=None, check_same_thread=False)
                _prepare(connection, facts)
        except RunFolderError:
            path.unlink(missing_ok=True)
            raise
        journal = cls(path, connection)
        _open[path.resolve()] = journal
        return journal

    def append(
        self, columns: Sequence[tuple[str, str]], steps: NDArray[np.int64], values: NDArray[Any]
    ) -> None:
        """Append measurements of k quantities at n steps.

        `columns` is k pairs of name and unit; `steps` (n,) integers; `values` (n, k) float32 or float64, all
        measured: quantities that were measured at other steps go into a block of their own.

        Raises `RunFolderError` where the disk fails, `ValueError` where the shapes disagree.
        """
        row = Block.of(columns, steps, values).row()
        names = "last_step, check_sum, rows, type, columns, data"
        self._write(f"INSERT INTO block ({names}) VALUES (?, ?, ?, ?, ?, ?)", [row])

    def event(self, event: Event) -> None:
        """Append an event; raises `RunFolderError` where the disk fails."""
        row = (int(event.step), event.kind, to_json(event.detail))
        self._write("INSERT INTO event (step, kind, detail) VALUES (?, ?, ?)", [row])

    def update_info(self, facts: Mapping[str, Any]) -> None:
        """Set facts; a key that is there already is replaced whole.

        Raises `RunFolderError` where the disk fails.
        """
        rows = [(str(key), to_json(value)) for key, value in facts.items()]
        self._write("INSERT OR REPLACE INTO info VALUES (?, ?)", rows)

    def close(self) -> None:
        """Leave one plain file, and write no more. It never raises: what was appended is safe without it."""
        connection = self._connection
        if connection is None or os.getpid() != self._process:
            return
        self._connection = None
        # Any may fail, on a full disk or under a reader: the companions then stay, and readers use them.
        for statement in ("PRAGMA wal_checkpoint(PASSIVE)", "PRAGMA journal_mode=DELETE"):
            with contextlib.suppress(sqlite3.Error):
                connection.execute(statement)
        with contextlib.suppress(sqlite3.Error):
            connection.close()

    def _write(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        if os.getpid() != self._process:
            return
        if self._connection is None:
            raise RunFolderError(f"the journal {str(self.path)!r} is closed: nothing more can be written")
        with _writing(self.path), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(statement, rows)


def _prepare(connection: sqlite3.Connection, facts: Mapping[str, str]) -> None:
    # Where the file system knows no shared memory (some network drives) this leaves SQLite's default journal,
    # which is as safe and somewhat slower.
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.executescript(
        f"BEGIN; PRAGMA application_id={APPLICATION}; PRAGMA user_version={SCHEMA}; {TABLES}"
    )
    connection.executemany("INSERT INTO info VALUES (?, ?)", facts.items())
    connection.execute("COMMIT")


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise RunFolderError(f"cannot write the journal {str(path)!r}: {_why(error)}") from error


def _why(error: OSError | sqlite3.Error) -> str:
    """The reason in words, and what to do where that is not plain from it."""
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    if isinstance(error, NotADirectoryError):
        return "a part of this path is a file, not a folder"
    if "is full" in words or "No space" in words:
        return "the disk is full"
    if "readonly" in words or "unable to open" in words:
        return "it cannot be opened for writing"
    return words[:1].lower() + words[1:]


def _occupied(path: Path) -> str:
    if path.parent.exists() and not path.parent.is_dir():
        return f"{str(path.parent)!r} is a file: a run needs a folder"
    held = "a journal that cannot be read"
    with contextlib.suppress(RunFolderError):
        run = summary(path)
        held = f"the run {run.name!r} ({run.steps:,} steps" + (f", {run.started})" if run.started else ")")
    return (
        f"{str(path.parent)!r} already holds {held}: "
        "choose another folder, or pass overwrite=True to replace it"
    )


def _companions(path: Path) -> tuple[Path, ...]:
    return tuple(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm", "-journal"))


def _remove(path: Path) -> None:
    """Delete a journal that nobody writes.

    Deleting it under its writer would lose the new one too: SQLite removes companions by name when it closes.
    """
    left_open = _open.get(path.resolve())
    if left_open is not None:
        left_open.close()
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:  # any other than these: damaged beyond opening, with nobody in it
        if "locked" in str(error) or "busy" in str(error):
            raise RunFolderError(
                f"{str(path.parent)!r} holds a run that another process has open: "
                "choose another folder, or end that process first"
            ) from None
    for file in (path, *_companions(path)):
        file.unlink(missing_ok=True)
