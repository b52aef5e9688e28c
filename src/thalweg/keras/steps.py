"""The steps of a run, seen from the host: counted, paced, and brought from the tape into the journal."""

import time
from typing import Any

import keras
import numpy as np

from thalweg.keras.blocks import Block, Layout, blocks
from thalweg.keras.keeper import Keeper
from thalweg.keras.model_facts import accumulated, steps_made, with_still
from thalweg.keras.names import tensor_names
from thalweg.keras.pacer import Pacer
from thalweg.keras.seam import Seam
from thalweg.keras.tape import Rows, Tape
from thalweg.record import Event

_ROWS = 256
_FUNCTIONAL_ROWS = 1024
"""Rows of the tape. To write one moves the others along; where steps are functions it is written in place."""
_SECONDS = 1.0
"""The tape is drained when it is full or after so much time: all that `kill -9` can lose."""


class Steps:
    """Counts the calls of the train function, says when the `tape` is to be drained, and keeps what it holds.

    One drain is `read`, `keep` where there were rows, `paced`, whatever else the host has to do, and `restart`. The
    costly probes may take half of `share`, of the steps' time (None: any, 0: they are left out). `calls` counts those
    of the train function, `undrained` the steps that are on the tape alone.
    """

    def __init__(self, model: keras.Model, keeper: Keeper, share: float | None) -> None:
        self._model, self._keeper = model, keeper
        backend = keras.backend.backend()
        self._per_call = int(getattr(model, "steps_per_execution", 1) or 1)
        self._accumulation, self._made = _accumulation(model.optimizer)
        self._eager = backend == "torch" or bool(model.run_eagerly)
        self._pacer = Pacer(share, max(2, self._accumulation))
        self.tape = Tape(
            max(_FUNCTIONAL_ROWS if backend == "jax" else _ROWS, 2 * self._per_call),
            costly=share != 0,
            eager=self._eager and backend != "jax",
            functional=backend == "jax",
        )
        self.calls = self.undrained = 0
        self._turns = self._updates = 0
        self._layout: Layout | None = None
        self._norm: float | None = None
        self._announced_stride = 1
        self._read_at = self._drained_at = time.perf_counter()

    @property
    def reached(self) -> int:
        """The steps made, those that are on the tape alone among them."""
        return self._keeper.step + self.undrained

    @property
    def an_update(self) -> int:
        """Steps from one moment when the weights are another update's to the next that the host sees."""
        return self._per_call * self._accumulation

    @property
    def has_rate(self) -> bool:
        """Whether the learning rate on the tape means something; False before the first drain."""
        return self._layout is not None and self._layout.has_rate

    @property
    def told_no_loss(self) -> bool:
        """Whether steps were drained, and none of them had a loss."""
        return self._layout is not None and not self.tape.has_loss

    @property
    def pace(self) -> dict[str, Any]:
        """For the record: every how many steps the costly probes measure, and what they cost."""
        return {"stride": self._pacer.stride * self._per_call, "cost": self._pacer.cost}

    def begin(self) -> None:
        """From now on steps are what they will be: they may be timed."""
        self._pacer.begin(self._turns)

    def prepare(self) -> None:
        """Before a call of the train function: whether its steps measure the costly probes."""
        self.tape.measuring = self.tape.costly and self._pacer.measures(self._turns)

    def called(self, first: bool) -> bool:
        """After a call, the first of its function (which compiles) or not: whether the tape is to be drained."""
        self.calls += 1
        # The pacer counts, and times, calls that apply the optimizer: others have no costly probes.
        applied = not self._eager or self.tape.updates > self._updates
        self._turns += applied
        self._updates = self.tape.updates
        self.undrained += self._per_call
        now = time.perf_counter()
        if first:
            self._pacer.interrupted()
        return (
            (applied and self._pacer.due(self._turns))
            or self.undrained > self.tape.rows - self._per_call
            or now - self._drained_at >= _SECONDS
        )

    def pause(self) -> None:
        """What follows until `resume` is not the steps'."""
        self._pacer.pause(time.perf_counter())

    def resume(self) -> None:
        """Steps go on."""
        self._pacer.resume(time.perf_counter())

    def restart(self) -> None:
        """Steps go on, and the time until the next drain begins."""
        self._drained_at = time.perf_counter()
        self._pacer.resume(self._drained_at)

    def read(self) -> Rows | None:
        """What the tape holds; None where there was no step since it was last read."""
        rows = self.tape.read()
        self._read_at = time.perf_counter()
        if rows is not None:
            self._keeper.step, self.undrained = int(rows.steps[-1]), 0
            if rows.lost:
                self._keeper.unwatched(f"{rows.lost} steps passed between two drains")
        return rows

    def keep(self, rows: Rows, seam: Seam) -> list[Block]:
        """Keep these steps; the blocks of them."""
        layout = self._layout
        if layout is None or len(layout.tensors) < len(seam.parameters):
            layout = self._layout = self._laid_out(seam)
        norm = None if rows.lost else self._norm
        found = blocks(rows, layout, norm, self._made + rows.lost)
        if len(rows.applied):
            norm = float(np.sqrt(np.sum(rows.gradient_norms[-1] ** 2)))
        self._norm, self._made = norm, self._made + rows.lost + len(rows.applied)
        self._keeper.append(found)
        if rows.told[0] and rows.steps[0] == 1:
            self._keeper.note({"initial_loss": float(rows.loss[0])})
        return found

    def paced(self) -> None:
        """The tape was read: a block of steps may be timed by it."""
        self._pacer.read(self._turns, self._read_at)
        if self._pacer.stride != self._announced_stride:
            self._announced_stride = self._pacer.stride
            self._keeper.event(Event(self._keeper.step, "thinned", self.pace))

    def note_rest(self) -> None:
        """At the end: the tensors that no step was given, and an optimizer that made no update."""
        layout, info = self._layout, self._keeper.info
        if layout is None:
            return
        tensors, known = info.get("tensors", ()), info.get("optimizer")
        if not self.tape.has_update and known is not None:
            made = steps_made(self._model.optimizer)
            if made is not None and made == known.get("steps_before"):
                # What it was set to says nothing of a training whose steps were made without it.
                self._keeper.note({"optimizer": {"applied": False}})
        if len(layout.tensors) < len(tensors):
            self._keeper.note({"tensors": with_still(self._model, tensors, layout.tensors)})

    def _laid_out(self, seam: Seam) -> Layout:
        if seam.unconnected:
            names = [name for name, _ in tensor_names(self._model, seam.unconnected)]
            tensors = [
                {**t, **({"unconnected": True} if t["name"] in names else {})}
                for t in self._keeper.info["tensors"]
            ]
            self._keeper.note({"tensors": tensors})
        names = [name for name, _ in tensor_names(self._model, seam.parameters)]
        return Layout(names, self.tape.has_rate, self._accumulation)


def _accumulation(optimizer: Any) -> tuple[int, int]:
    """How many gradients the optimizer adds up to one update, and how many it has now."""
    every = accumulated(optimizer)
    return every, (steps_made(optimizer) or 0) % every if every > 1 else 0
