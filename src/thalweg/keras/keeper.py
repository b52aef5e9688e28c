"""What is kept of a run: its journal, and what the live rules need to remember of it."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from thalweg.errors import RunFolderError
from thalweg.keras.blocks import Block
from thalweg.keras.probe_batch import Measurement
from thalweg.record import Event
from thalweg.store import Journal


class Keeper:
    """Writes a run's facts, events and blocks to its journal.

    A journal that fails (the disk is full) is given up: `lost(error)` is called, once, and nothing more is written.
    `info` and `events` are all that was noted, `looks` what was measured between steps. `step` is where the run
    stands: the last one that is known.

    Raises `RunFolderError` where the folder holds a run already or cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        info: Mapping[str, Any],
        overwrite: bool,
        lost: Callable[[RunFolderError], None],
    ) -> None:
        self.info = dict(info)
        self.events: list[Event] = []
        self.looks: list[Block] = []
        self.step = 0
        self._lost = lost
        self._journal: Journal | None = Journal.create(folder, info, overwrite=overwrite)

    @property
    def open(self) -> bool:
        """Whether what is noted is also written."""
        return self._journal is not None

    def event(self, event: Event) -> None:
        """Keep an event."""
        self.events.append(event)
        self._write(lambda journal: journal.event(event))

    def unwatched(self, reason: str) -> None:
        """Keep why something is not on the record, from this step on."""
        self.event(Event(self.step, "unwatched", {"reason": reason}))

    def note(self, facts: Mapping[str, Any]) -> None:
        """Keep facts, over what was noted under the same keys."""
        self.info |= facts
        self._write(lambda journal: journal.update_info(facts))

    def append(self, blocks: Iterable[Block]) -> None:
        """Keep blocks of measurements."""
        for block in blocks:
            self._write(lambda journal, b=block: journal.append(b.columns, b.steps, b.values))

    def looked(self, measured: list[Measurement]) -> None:
        """Keep what was measured after this step."""
        if measured:
            self.looks.append(single(self.step, measured))
            self.append(self.looks[-1:])

    def close(self) -> None:
        """Close the journal. Harmless when called twice."""
        journal, self._journal = self._journal, None
        if journal is not None:
            journal.close()

    def _write(self, action: Callable[..., None]) -> None:
        if self._journal is None:
            return
        try:
            action(self._journal)
        except RunFolderError as error:
            self._journal = None
            self._lost(error)


def single(step: int, measured: Iterable[tuple[str, str, float]]) -> Block:
    """The block of one step: (name, unit, value) of each of its measurements."""
    names, units, values = zip(*measured, strict=True)
    return Block(
        tuple(zip(names, units, strict=True)), np.array([step], np.int64), np.array([values], np.float64)
    )
