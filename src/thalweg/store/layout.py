"""How a journal lies on disk: the one place that its writer and its readers share.

A journal is an SQLite database. A block holds some consecutive measurements of the same quantities and says
itself what they are, so that each block that can be read is of use, whatever is lost around it.
"""

import functools
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

JOURNAL = "journal.sqlite"
"""The file in the run folder."""
APPLICATION = 0x54484C57
"""SQLite's `application_id` of a journal: `THLW`."""
SCHEMA = 1
"""SQLite's `user_version` of a journal: raised whenever an older reader would misread a newer journal."""

# `data` stands last: a query of the other columns then never touches the pages that hold the measurements.
TABLES = """
CREATE TABLE info (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE event (id INTEGER PRIMARY KEY, step INTEGER NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL);
CREATE TABLE block (
    id INTEGER PRIMARY KEY, last_step INTEGER NOT NULL, check_sum INTEGER NOT NULL, rows INTEGER NOT NULL,
    type TEXT NOT NULL, columns TEXT NOT NULL, data BLOB NOT NULL
);
"""

Columns = tuple[tuple[str, str], ...]
"""Name and unit of each column of a block."""
BlockRow = tuple[int, int, int, str, str, bytes]
"""`last_step, check_sum, rows, type, columns, data` of a row of the table `block`."""


class DamagedError(Exception):
    """A block does not hold what was written into it."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Measurements of k quantities: k `columns`, `steps` (n,) int64, `values` (n, k) float32 or float64."""

    columns: Columns
    steps: NDArray[np.int64]
    values: NDArray[Any]

    @classmethod
    def of(
        cls, columns: Sequence[tuple[str, str]], steps: NDArray[np.int64], values: NDArray[Any]
    ) -> "Block":
        """A block of these arrays; raises `ValueError` where their shapes or types disagree."""
        steps, values = np.asarray(steps), np.asarray(values)
        if values.shape != (len(steps), len(columns)):
            raise ValueError(f"{len(columns)} columns and {len(steps)} steps, but values {values.shape}")
        if values.dtype not in (np.float32, np.float64) or steps.dtype.kind not in "iu":
            raise ValueError(f"steps must be integers and values float32 or float64, not {values.dtype}")
        return cls(tuple((str(name), str(unit)) for name, unit in columns), steps.astype(np.int64), values)

    def row(self) -> BlockRow:
        """This block as a row of the table `block`."""
        kind = "<f4" if self.values.dtype == np.float32 else "<f8"
        data = self.steps.astype("<i8").tobytes() + self.values.astype(kind).tobytes()
        columns = json.dumps(self.columns)
        last, rows = max(self.steps.tolist(), default=0), len(self.steps)
        return last, _check_sum(rows, kind, columns, data), rows, kind, columns, data

    @classmethod
    def from_row(cls, row: BlockRow) -> "Block":
        """The block of a row; raises `DamagedError` where the row is not as it was written."""
        _, check_sum, rows, kind, columns, data = row
        try:
            if check_sum != _check_sum(rows, kind, columns, data):
                raise DamagedError("the check sum disagrees")
            names = _columns(columns)
            steps = np.frombuffer(data, "<i8", rows)
            values = np.frombuffer(data, kind, offset=8 * rows).reshape(rows, len(names))
        except (ValueError, TypeError, AttributeError) as error:
            raise DamagedError(str(error)) from error
        return cls(names, steps.astype(np.int64), values)


@functools.lru_cache(maxsize=64)  # blocks of one layout say the same, some hundred times a run
def _columns(text: str) -> Columns:
    return tuple((str(name), str(unit)) for name, unit in json.loads(text))


def _check_sum(rows: int, kind: str, columns: str, data: bytes) -> int:
    return zlib.crc32(data, zlib.crc32(f"{rows} {kind} {columns}".encode()))


def to_json(value: Any) -> str:
    """A value as JSON; NaN and infinities are kept, NumPy scalars and arrays become plain, the rest text."""
    return json.dumps(_plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((_plain(item) for item in value), key=repr)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def journal_path(folder: str | PathLike[str]) -> Path:
    """The journal of a run folder."""
    return Path(folder) / JOURNAL
