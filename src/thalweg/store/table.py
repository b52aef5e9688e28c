"""What a foreign log holds before anybody said what it means: named columns of numbers, bounded in memory."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

CHUNK = 1 << 16
"""Rows that a reader hands over at once."""
MOST = 1_000_000
"""Values of a column that are kept, once it is longer: every second, every fourth and so on, and this many at
most. What rules take of a run of millions of steps, in time and memory, is bounded by it."""
_BROKEN = 1_000
"""Values that are not finite and are kept beside those, so that thinning hides none of the first of them."""

Cells = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Rows, counted in their chunk, and the values measured there."""


@dataclass(slots=True, eq=False)
class Entries:
    """Values of one column: at which row of the log, at which step and epoch by the log itself (NaN: not told)."""

    row: NDArray[np.int64]
    step: NDArray[np.float64]
    epoch: NDArray[np.float64]
    value: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, chosen: NDArray[np.bool_] | NDArray[np.intp] | slice) -> "Entries":
        return Entries(self.row[chosen], self.step[chosen], self.epoch[chosen], self.value[chosen])

    @classmethod
    def joined(cls, parts: list["Entries"]) -> "Entries":
        """All of them, in this order."""
        names = ("row", "step", "epoch", "value")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


@dataclass(slots=True)
class Text:
    """How often a column held text in place of a number, and where it did first."""

    count: int
    row: int
    cell: str


@dataclass(slots=True)
class _Column:
    parts: list[Entries] = field(default_factory=list)
    broken: list[Entries] = field(default_factory=list)
    seen: int = 0
    held: int = 0
    stride: int = 1

    def append(self, entries: Entries) -> None:
        first = -self.seen % self.stride
        self.seen += len(entries)
        if self.stride > 1:
            self._spare(entries, first, self.stride)
        self._hold(entries[first :: self.stride])
        while self.held > MOST:
            whole = Entries.joined(self.parts)
            self._spare(whole, 0, 2)
            self.parts, self.held = [], 0
            self._hold(whole[::2])
            self.stride *= 2

    def _hold(self, entries: Entries) -> None:
        self.parts.append(entries)
        self.held += len(entries)

    def _spare(self, entries: Entries, first: int, stride: int) -> None:
        """Keep what is not finite of that which thinning takes away."""
        room = _BROKEN - sum(map(len, self.broken))
        gone = (np.arange(len(entries)) - first) % stride != 0
        chosen = np.flatnonzero(gone & ~np.isfinite(entries.value))[: max(room, 0)]
        if len(chosen):
            self.broken.append(entries[chosen])

    def entries(self) -> Entries:
        whole = Entries.joined(self.parts + self.broken)
        return whole[np.argsort(whole.row, kind="stable")] if self.broken else whole


class Table:
    """A log's columns, filled a chunk at a time; a long one is thinned as it comes.

    `step` and `epoch` name the columns that tell where a row stands, where there are such.
    """

    def __init__(self, step: str | None = None, epoch: str | None = None) -> None:
        self.step = step
        self.epoch = epoch
        self.rows = 0
        self.text: dict[str, Text] = {}
        self.mended: list[str] = []
        self._columns: dict[str, _Column] = {}

    def append(self, count: int, columns: Mapping[str, Cells]) -> None:
        """The next `count` rows."""
        places = {name: self._place(count, columns.get(name or "")) for name in (self.step, self.epoch)}
        for name, (rows, values) in columns.items():
            if len(rows):
                entries = Entries(self.rows + rows, places[self.step][rows], places[self.epoch][rows], values)
                self._columns.setdefault(name, _Column()).append(entries)
        self.rows += count

    def hold_text(self, name: str, row: int, cell: str) -> None:
        """Column `name` has text where a number should be, in this row of the next chunk."""
        known = self.text.setdefault(name, Text(0, self.rows + row, cell))
        known.count += 1

    @property
    def names(self) -> list[str]:
        """The columns that hold numbers so far, those that tell where a row stands left out."""
        return [name for name in self._columns if name not in (self.step, self.epoch)]

    def drop(self, names: Iterable[str]) -> None:
        """Leave these columns out."""
        for name in names:
            self._columns.pop(name, None)

    def columns(self) -> dict[str, Entries]:
        """The columns that hold numbers, in the order in which they came; they are taken out of the table."""
        found, self._columns = self._columns, {}
        strides = sorted({column.stride for column in found.values()} - {1})
        if strides:
            steps = f"1 of {strides[0]:,}" if len(strides) == 1 else f"1 of {strides[0]:,} to {strides[-1]:,}"
            self.mended.append(
                f"the log has {self.rows:,} rows: {steps} of the values of its long columns were kept"
            )
        return {name: column.entries() for name, column in found.items()}

    @staticmethod
    def _place(count: int, cells: Cells | None) -> NDArray[np.float64]:
        place = np.full(count, np.nan)
        if cells is not None:
            place[cells[0]] = cells[1]
        return place
