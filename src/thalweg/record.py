"""All that is known of one run: series, events and the facts noted once. No Keras, no disk, no screen."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One quantity over optimizer steps.

    `steps` (n,) int64, strictly increasing; `values` (n,) float64. Step 0 is before the first update, step s
    is the s-th update. NaN or infinity means *measured and not finite*; a step that was not measured is
    absent. A per-layer series is named `quantity/subject` (`gradient_norm/dense_1/kernel`); a whole-model
    series has no slash.
    """

    name: str
    unit: str
    steps: NDArray[np.int64]
    values: NDArray[np.float64]

    def __post_init__(self) -> None:
        steps = np.array(self.steps, dtype=np.int64, ndmin=1)
        values = np.array(self.values, dtype=np.float64, ndmin=1)
        if steps.ndim != 1 or steps.shape != values.shape:
            raise ValueError(
                f"series {self.name!r}: steps {steps.shape} and values {values.shape} must be two vectors of "
                "one length"
            )
        if np.any(np.diff(steps) <= 0):
            raise ValueError(f"series {self.name!r}: steps must be strictly increasing")
        steps.setflags(write=False)
        values.setflags(write=False)
        object.__setattr__(self, "steps", steps)
        object.__setattr__(self, "values", values)

    def __reduce__(self) -> tuple[Any, ...]:
        return Series.given, (self.name, self.unit, self.steps, self.values)

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def quantity(self) -> str:
        """The part of the name before the first slash."""
        return self.name.partition("/")[0]

    @property
    def subject(self) -> str:
        """The layer or tensor: the part of the name after the first slash; empty for the whole model."""
        return self.name.partition("/")[2]

    def between(self, first: int, last: int) -> "Series":
        """The measurements with `first <= step <= last`; a view of these, not a copy."""
        low, high = np.searchsorted(self.steps, (first, last + 1))
        # A stretch of what was checked needs no check, and of what nobody can write no copy: watching live
        # takes one of every series at every look.
        return Series.given(self.name, self.unit, self.steps[low:high], self.values[low:high])

    @classmethod
    def given(cls, name: str, unit: str, steps: NDArray[np.int64], values: NDArray[np.float64]) -> "Series":
        """A series of these very arrays, neither checked nor copied: for a maker that answers for both.

        Series of one journal share their steps, and so nobody may write to them.
        """
        series = object.__new__(cls)
        for array in (steps, values):
            array.setflags(write=False)
        for key, value in zip(("name", "unit", "steps", "values"), (name, unit, steps, values), strict=True):
            object.__setattr__(series, key, value)
        return series


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to the run at a step.

    `kind` is one of `epoch` (an epoch ended; `epoch`), `finished` (`reason`: completed, interrupted,
    exception, stopped), `adapted` (`what`), `thinned` (`stride`, `cost`), `unwatched` (`reason`), and from
    a reader `damaged` (`reason`), `mended` (`what`), `guessed` (`what`).
    """

    step: int
    kind: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """All that is known of one run. Facts noted once stand in `info` (see docs/record.md for its keys)."""

    info: Mapping[str, Any]
    series: Mapping[str, Series]
    events: tuple[Event, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "info", MappingProxyType(dict(self.info)))
        object.__setattr__(self, "series", MappingProxyType(dict(self.series)))
        object.__setattr__(self, "events", tuple(self.events))

    def __reduce__(self) -> tuple[Any, ...]:
        return Record, (dict(self.info), dict(self.series), self.events)

    @classmethod
    def of(
        cls, series: Iterable[Series], info: Mapping[str, Any] | None = None, events: Iterable[Event] = ()
    ) -> "Record":
        """A record of these series, keyed by their names."""
        return cls(info or {}, {s.name: s for s in series}, tuple(events))

    @property
    def last_step(self) -> int:
        """The last step that anything is known of; 0 where nothing is."""
        ends = [int(s.steps[-1]) for s in self.series.values() if len(s)]
        return max([*ends, *(e.step for e in self.events)], default=0)

    def each(self, quantity: str) -> dict[str, Series]:
        """The per-layer series of this quantity by subject, in the order of the record."""
        return {s.subject: s for s in self.series.values() if s.subject and s.quantity == quantity}

    def tail(self, steps: int) -> "Record":
        """The last `steps` optimizer steps of the run, with the same facts."""
        last = self.last_step
        first = last - steps + 1
        series = {name: s.between(first, last) for name, s in self.series.items()}
        return Record(self.info, series, tuple(e for e in self.events if e.step >= first))

    def digest(self) -> str:
        """SHA-256, in hexadecimal, of everything in the record: equal records, equal digests."""
        sha = hashlib.sha256()
        sha.update(json.dumps(dict(self.info), sort_keys=True, default=str).encode())
        for name in sorted(self.series):
            series = self.series[name]
            sha.update(f"{name}\0{series.unit}\0{len(series)}\0".encode())
            sha.update(series.steps.astype("<i8").tobytes() + series.values.astype("<f8").tobytes())
        for event in self.events:
            detail = json.dumps(dict(event.detail), sort_keys=True, default=str)
            sha.update(f"{event.step}\0{event.kind}\0{detail}\0".encode())
        return sha.hexdigest()
