"""A study on disk: its members as they come, each once; whole after `kill -9` at any moment."""

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from thalweg.comparison import Configuration, Member
from thalweg.errors import RunFolderError, UsageError
from thalweg.record import Event, Record, Series
from thalweg.store.journal import Journal
from thalweg.store.layout import Block, DamagedError, journal_path, to_json

STUDY = "study.sqlite"
"""The file in the study's folder."""
EXAMPLES, MODEL = "examples.npz", "model.npz"
"""What a run folder holds beside its journal, so that it can be certified."""
_APPLICATION, _SCHEMA = 0x54484C53, 1

_BLOCK = (
    "last_step INTEGER NOT NULL, check_sum INTEGER NOT NULL, rows INTEGER NOT NULL, type TEXT NOT NULL, "
    "columns TEXT NOT NULL, data BLOB NOT NULL"
)
# Facts that members have in common are kept once; what is large stands in tables of its own, for a table of all
# members is not to read it.
_TABLES = f"""
CREATE TABLE info (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE facts (digest TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE member (
    id INTEGER PRIMARY KEY, configuration TEXT NOT NULL, seed INTEGER NOT NULL, diverged INTEGER NOT NULL,
    oscillated INTEGER NOT NULL, stuck INTEGER NOT NULL, backend TEXT NOT NULL, seconds REAL NOT NULL,
    facts TEXT NOT NULL, own TEXT NOT NULL, events TEXT NOT NULL, UNIQUE (configuration, seed)
);
CREATE TABLE curves (member INTEGER NOT NULL, {_BLOCK});
CREATE TABLE steps (member INTEGER NOT NULL, {_BLOCK});
CREATE TABLE model (member INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE INDEX steps_of ON steps (member);
"""


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A training as it comes: the member, its record, and its model as a file, where that is kept.

    `own` are the keys of the record's facts that no other member has in common with it.
    """

    member: Member
    record: Record
    model: bytes | None = None
    own: tuple[str, ...] = ()


class StudyStore:
    """A study that is being trained: one process at a time adds members, anyone reads."""

    def __init__(self, folder: Path, connection: sqlite3.Connection, lock: sqlite3.Connection) -> None:
        self.folder = folder
        self._connection, self._lock = connection, lock

    @classmethod
    def open(cls, folder: str | os.PathLike[str], identity: Mapping[str, Any]) -> "StudyStore":
        """The study in this folder, which is made where there is none, of what `identity` says.

        Raises `RunFolderError` where the folder cannot be written or another process trains this study, `UsageError`
        where it holds one of another identity.
        """
        place = Path(folder)
        asked = {str(key): to_json(value) for key, value in identity.items()}
        try:
            place.mkdir(parents=True, exist_ok=True)
            lock = _locked(place)
            connection = sqlite3.connect(place / STUDY, 10, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            if not connection.execute("PRAGMA user_version").fetchone()[0]:
                marks = f"PRAGMA application_id={_APPLICATION}; PRAGMA user_version={_SCHEMA};"
                connection.executescript(f"BEGIN; {marks} {_TABLES} COMMIT;")
                with connection:
                    connection.executemany("INSERT INTO info VALUES (?, ?)", asked.items())
        except (OSError, sqlite3.Error) as error:
            words = getattr(error, "strerror", None) or str(error)
            raise RunFolderError(f"cannot write a study into {str(place)!r}: {words}") from error
        held = dict(connection.execute("SELECT key, value FROM info"))
        other = [key for key in asked if held.get(key) != asked[key]]
        if other:
            connection.close()
            lock.close()
            raise UsageError(
                f"{str(place)!r} holds a study of another training ({', '.join(other)}): choose another folder."
            )
        return cls(place, connection, lock)

    def close(self) -> None:
        """Let others go on with it."""
        for connection in (self._connection, self._lock):
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def trained(self) -> set[tuple[Configuration, int]]:
        """The members that there are."""
        rows = self._connection.execute("SELECT configuration, seed FROM member")
        return {(_configuration(text), seed) for text, seed in rows}

    def add(self, found: Trained) -> Member:
        """Keep a member, and return it; raises `RunFolderError` where the disk fails."""
        member, record = found.member, found.record
        own = {key: record.info[key] for key in found.own if key in record.info}
        facts = to_json({key: value for key, value in record.info.items() if key not in own}).encode()
        digest = hashlib.sha256(facts).hexdigest()
        events = [[event.step, event.kind, dict(event.detail)] for event in record.events]
        row = (
            to_json(asdict(member.configuration)),
            member.seed,
            member.diverged,
            member.oscillated,
            member.stuck,
            member.backend,
            member.seconds,
            digest,
            to_json(own),
            to_json(events),
        )
        curves, steps = _blocks(member.curves.values()), _blocks(record.series.values())
        with _writing(self.folder), self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT OR IGNORE INTO facts VALUES (?, ?)", (digest, zlib.compress(facts)))
            marks = ", ".join("?" * len(row))
            number = connection.execute(f"INSERT INTO member VALUES (NULL, {marks})", row).lastrowid
            for table, found_blocks in (("curves", curves), ("steps", steps)):
                rows = [(number, *block.row()) for block in found_blocks]
                connection.executemany(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            if found.model is not None:
                connection.execute("INSERT INTO model VALUES (?, ?)", (number, found.model))
        return replace(member, load=_Stored(self.folder, int(number or 0)), folder=self.folder / str(number))


def is_study(path: str | os.PathLike[str]) -> bool:
    """Whether there is a study in this folder."""
    return (Path(path) / STUDY).is_file()


def member_in(path: str | os.PathLike[str]) -> tuple[Path, int] | None:
    """The study and the number of the member that a path `STUDY/NUMBER` names; None where it names none."""
    given = Path(path)
    if given.name.isdecimal() and is_study(given.parent):
        return given.parent, int(given.name)
    return None


def read_members(folder: str | os.PathLike[str]) -> list[Member]:
    """The members of a study, in the order in which they came; one that is damaged is left out.

    Raises `RunFolderError` where the folder holds no study that can be read.
    """
    place = Path(folder)
    with _reading(place) as connection:
        curves: dict[int, dict[str, Series]] = {}
        for number, *row in connection.execute("SELECT * FROM curves"):
            curves.setdefault(number, {}).update(_series(row))
        columns = "id, configuration, seed, diverged, oscillated, stuck, backend, seconds"
        return [
            Member(
                _configuration(configuration),
                seed,
                curves.get(number, {}),
                bool(diverged),
                bool(oscillated),
                bool(stuck),
                load=_Stored(place, number),
                folder=place / str(number),
                backend=backend,
                seconds=seconds,
            )
            for number, configuration, seed, diverged, oscillated, stuck, backend, seconds in connection.execute(
                f"SELECT {columns} FROM member ORDER BY id"
            )
        ]


def read_member(folder: str | os.PathLike[str], number: int) -> Record:
    """The record of a member; raises `RunFolderError` where there is none that can be read."""
    place = Path(folder)
    with _reading(place) as connection:
        found = connection.execute("SELECT facts, own, events FROM member WHERE id = ?", (number,)).fetchone()
        if found is None:
            count = connection.execute("SELECT count(*) FROM member").fetchone()[0]
            raise RunFolderError(f"{str(place)!r} has no member {number}: it has {count:,}")
        digest, own, events = found
        facts = connection.execute("SELECT value FROM facts WHERE digest = ?", (digest,)).fetchone()
        series: dict[str, Series] = {}
        blocks = "SELECT last_step, check_sum, rows, type, columns, data FROM steps WHERE member = ?"
        for row in connection.execute(blocks, (number,)):
            series.update(_series(row))
    shared = json.loads(zlib.decompress(facts[0])) if facts else {}
    return Record(
        {**shared, **json.loads(own)},
        series,
        tuple(Event(step, kind, detail) for step, kind, detail in json.loads(events)),
    )


def run_folder(folder: str | os.PathLike[str], number: int) -> Path:
    """A member as a run folder of its own, `FOLDER/NUMBER`, written where it is not there yet.

    Raises `RunFolderError` where there is no such member, or it cannot be written.
    """
    place = Path(folder)
    run = place / str(number)
    if journal_path(run).is_file():
        return run
    record = read_member(place, number)
    with _reading(place) as connection:
        model = connection.execute("SELECT data FROM model WHERE member = ?", (number,)).fetchone()
    journal = Journal.create(run, record.info)
    for block in _blocks(record.series.values()):
        journal.append(block.columns, block.steps, block.values)
    for event in record.events:
        journal.event(event)
    journal.close()
    if model is not None:
        (run / MODEL).write_bytes(model[0])
        if (place / EXAMPLES).is_file():
            shutil.copyfile(place / EXAMPLES, run / EXAMPLES)
    return run


@dataclass(frozen=True, slots=True)
class _Stored:
    """The record of a member that is on disk."""

    folder: Path
    number: int

    def __call__(self) -> Record:
        return read_member(self.folder, self.number)


def _configuration(text: str) -> Configuration:
    return Configuration(**json.loads(text))


def _blocks(series: Iterable[Series]) -> list[Block]:
    """Series that were measured at the same steps, together."""
    alike: dict[bytes, list[Series]] = {}
    for one in series:
        alike.setdefault(one.steps.tobytes(), []).append(one)
    found = []
    for group in alike.values():
        values = np.column_stack([one.values for one in group])
        with np.errstate(over="ignore"):
            single = values.astype(np.float32)
        exact = np.array_equal(single.astype(np.float64), values, equal_nan=True)
        columns = [(one.name, one.unit) for one in group]
        found.append(Block.of(columns, group[0].steps, single if exact else values))
    return found


def _series(row: Any) -> dict[str, Series]:
    """The series of a block, none where it is damaged."""
    try:
        block = Block.from_row(row)
    except DamagedError:
        return {}
    values = np.ascontiguousarray(block.values.T, np.float64)
    return {
        name: Series.given(name, unit, block.steps, column)
        for (name, unit), column in zip(block.columns, values, strict=True)
    }


def _locked(folder: Path) -> sqlite3.Connection:
    """A lock that ends with this process, however that ends; raises `RunFolderError` where another has it."""
    lock = sqlite3.connect(folder / "study.lock", 0, isolation_level=None, check_same_thread=False)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        lock.close()
        if "locked" not in str(error):
            raise
        raise RunFolderError(f"another process is training the study in {str(folder)!r}") from None
    return lock


@contextlib.contextmanager
def _reading(folder: Path) -> Iterator[sqlite3.Connection]:
    path = folder / STUDY
    if not path.is_file():
        raise RunFolderError(f"{str(folder)!r} holds no study: there is no {STUDY} in it")
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        ) as connection:
            application, schema = (
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("application_id", "user_version")
            )
            if application != _APPLICATION or schema > _SCHEMA:
                why = "a newer Thalweg wrote it" if application == _APPLICATION else "it is another program's"
                raise RunFolderError(f"{str(path)!r} cannot be read as a study: {why}")
            yield connection
    except sqlite3.Error as error:
        raise RunFolderError(f"{str(path)!r} cannot be read as a study: {error}") from error


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise RunFolderError(f"cannot write into the study {str(folder)!r}: {error}") from error
