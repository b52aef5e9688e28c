"""A run while it goes on: the host's side of the seam."""

import atexit
import math
import os
import time
import weakref
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from thalweg.diagnosis import diagnose, diagnose_before
from thalweg.errors import RunFolderError, UnsupportedError
from thalweg.finding import Verdict
from thalweg.keras import facts
from thalweg.keras.allowance import Allowance
from thalweg.keras.arguments import FitArguments
from thalweg.keras.average import Averages
from thalweg.keras.before import Before
from thalweg.keras.blocks import Block, Layout, blocks, series
from thalweg.keras.callback_facts import callback_ends
from thalweg.keras.feed import Batch, Feed
from thalweg.keras.keeper import Keeper, single
from thalweg.keras.kept import keep, weighted
from thalweg.keras.model_facts import model_facts, steps_made, with_still
from thalweg.keras.names import tensor_names
from thalweg.keras.notices import Notices
from thalweg.keras.pacer import Pacer
from thalweg.keras.probe_batch import EXAMPLES, Measurement
from thalweg.keras.seam import Seam
from thalweg.keras.sharpness import Sharpness
from thalweg.keras.support import why_not
from thalweg.keras.tape import Tape
from thalweg.keras.trajectory import Trajectory
from thalweg.record import Event, Record
from thalweg.rules import RULES
from thalweg.store import read

_ROWS = 256
_FUNCTIONAL_ROWS = 1024
"""Rows of the tape. To write one moves the others along; where steps are functions it is written in place."""
_SECONDS = 1.0
"""The tape is drained when it is full or after so much time: all that `kill -9` can lose."""
_TAIL = 2000
"""Steps that the live rules look back on, in whole drains."""
_SHARE = 0.25
"""Share of the budget for the probe batch, and as much for the live rules and the averages together.

The costly probes have the rest.
"""
_SHARE_OF_CURVATURE = 0.5
"""Share of the budget for the curvature where it is asked for; the others have theirs of what is left."""
_EPOCHS_COMPARED = 3
"""Epochs whose first batches are compared: a shuffled one comes back by chance once in as many as there are."""
_ENOUGH = 32
"""Examples that the first batch must have to tell how the loss began."""
_for_looks = Allowance(0.2, free=8)
"""The looks before the first step, of all fits of this process with a budget: a script may fit again and again.

Those of a cross-validation, or of a training in stages, are all looked at.
"""
_LIVE = tuple(rule for rule in RULES if rule.live)

_running: "weakref.WeakSet[LiveRun]" = weakref.WeakSet()


class LiveRun:
    """Records one `fit` from `on_train_begin` until `close`. Nothing that it does can stop the training."""

    def __init__(
        self,
        model: keras.Model,
        folder: Path,
        budget: float | None,
        overwrite: bool,
        notices: Notices,
        params: Mapping[str, Any],
        keeps: bool,
        curvature: bool,
    ) -> None:
        self.folder, self._keeps = folder, keeps
        self._model = model
        self._budget = budget
        self._notices = notices
        known = facts.run_facts(model, folder.name, dict(params), budget)
        self._steps_asked = self._steps_an_epoch = params.get("steps")
        self._keeper = Keeper(folder, known, overwrite, self._lost)
        notices.began(folder)
        self._seam: Seam | None = None
        for_curvature = None if budget is None else _SHARE_OF_CURVATURE * budget
        self._sharpness = Sharpness(for_curvature) if curvature else None
        if curvature and budget is not None:
            budget *= 1.0 - _SHARE_OF_CURVATURE
        share = None if budget is None else _SHARE * budget
        half = None if share is None else 0.5 * share
        self._for_probe, self._for_rules = Allowance(share), Allowance(half)
        self._step = self._epoch = self._probed_at = 0
        self._calls = self._turns = self._updates = self._undrained = 0
        self._within_epoch = False
        self._norm: float | None = None
        self._layout: Layout | None = None
        self._accumulation, self._made = _accumulation(model.optimizer)
        self._tail: deque[tuple[int, list[Block]]] = deque()
        self._epochs: list[Block] = []
        self._noted_data = False
        self._before = Before()
        self._trajectory = Trajectory()
        self._given = FitArguments.of(model)
        self._announced_stride = 1
        self._feed = Feed()
        per_call = int(getattr(model, "steps_per_execution", 1) or 1)
        self._per_call = per_call
        self._pacer = Pacer(budget, max(2, self._accumulation))
        self._averages = Averages(half, per_call * self._accumulation)
        backend = keras.backend.backend()
        self._eager = eager = backend == "torch" or bool(model.run_eagerly)
        self._tape = Tape(
            max(_FUNCTIONAL_ROWS if backend == "jax" else _ROWS, 2 * per_call),
            costly=budget != 0,
            eager=eager and backend != "jax",
            functional=backend == "jax",
        )
        self._drained_at = time.perf_counter()
        _running.add(self)
        reason = why_not(model) or self._rival()
        if reason:
            self._unwatched(reason)
        else:
            self._guarded(self._open_seam)
        self._guarded(self._look_before)
        self._guarded(self._follow, model)

    # Called by Keras's side.

    def event(self, event: Event) -> None:
        """Put an event on the record, at the step where the run stands unless it names one."""
        self._keeper.event(event)

    def epoch_begins(self) -> None:
        """Between epochs time passes that no step took."""
        self._within_epoch = True
        if (
            self._seam is not None
            and len(self._feed.fingerprints) < _EPOCHS_COMPARED
            and self._steps_asked != 1
        ):
            self._feed.look()
        self._drained_at = time.perf_counter()
        self._pacer.resume(self._drained_at)

    def epoch_ended(self, epoch: int, logs: Mapping[str, Any], model: keras.Model) -> None:
        """Drain the tape, and record the epoch's logs and the probe batch; `epoch` counts from 1."""
        self._guarded(self._epoch_ended, epoch, logs, model)
        self._within_epoch = False  # only now: Keras's progress bar ends its line after us

    def train_ended(self, model: keras.Model) -> None:
        """A last look, at the weights that training ends with: at the probe batch, and at what no step was given.

        The model and a sample of its examples are kept, where they are wanted.
        """
        self._guarded(self._measure_probe, model, None, True)
        self._guarded(self._look_at_rest, model)
        if self._keeps:
            self._guarded(self._keep, model)

    def close(self, reason: str, message: str = "") -> None:
        """End the run. Harmless when called twice, and from a `fit` that died."""
        if not self._keeper.open and self._seam is None:
            return
        self._guarded(self._drain)
        if self._seam is not None and self._undrained:
            lost = f"{self._undrained} steps were lost with the one that failed"
            self.event(Event(self._step, "unwatched", {"reason": lost}))
        self._close_seam()
        info = self._keeper.info
        stopped = reason == "completed" and self._epoch < int(info["fit"].get("epochs") or 0)
        detail = {"reason": "stopped" if stopped else reason, **({"message": message} if message else {})}
        self.event(Event(self._step, "finished", detail))
        watch: dict[str, Any] = {
            "stride": self._pacer.stride * self._per_call,
            "cost": self._pacer.cost,
        }
        if self._averages.looked == 0:
            watch["averages"] = self._averages.reason
        self._keeper.note({"watch": {**info["watch"], **watch}})
        self._guarded(lambda: self._keeper.note({"callback_ends": callback_ends(self._given.callbacks)}))
        _running.discard(self)
        if not self._keeper.open:
            return
        self._keeper.close()
        if self._notices.speaks and self._notices.findings:
            self._guarded(self._say_findings)

    # Called by the seam.

    def _before_step(self, data: Any, state: tuple[Any, Any] | None) -> Any:
        if self._averages.due(self._step + self._undrained):
            self._guarded(self._look_at_averages, state)
        return self._guarded(self._look_at_data, data, state, otherwise=data)

    def _after_step(self, first: bool) -> None:
        self._calls += 1
        # The pacer counts, and times, calls that apply the optimizer: others have no costly probes.
        applied = not self._eager or self._tape.updates > self._updates
        self._turns += applied
        self._updates = self._tape.updates
        self._undrained += self._per_call
        now = time.perf_counter()
        if first:
            self._pacer.interrupted()
        if (
            (applied and self._pacer.due(self._turns))
            or self._undrained > self._tape.rows - self._per_call
            or now - self._drained_at >= _SECONDS
        ):
            self._guarded(self._drain)

    def _failed(self, error: BaseException) -> None:
        interrupted = isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit)
        self.close("interrupted" if interrupted else "exception", f"{type(error).__name__}: {error}")

    def _remade(self) -> None:
        self._guarded(self._drain)
        self._close_seam()
        self._unwatched("a callback had Keras make its train function anew")

    # The work.

    def _rival(self) -> str | None:
        if any(run._model is self._model and run._seam is not None for run in _running):
            return "another Watch is looking at its steps already"
        return None

    def _open_seam(self) -> None:
        if self._model.built:
            self._keeper.note(model_facts(self._model))
        self._seam = Seam(
            self._model, self._tape, self._before_step, self._after_step, self._failed, self._remade
        )

    def _look_before(self) -> None:
        before, given = self._before, self._given
        before.look_at_fit(self._model, given, self._keeper.info["fit"])
        self._keeper.note(before.facts)
        sample = given.sample()
        if sample is None:
            return
        self._feed.close()
        if self._budget is not None and not _for_looks.affords():
            before.hold(sample)
            self._noted_data = True
            self._pacer.begin(self._turns)
            reason = "the data were not looked at: this fit is one of many, and short"
            self.event(Event(0, "unwatched", {"reason": reason}))
            return
        _for_looks.timed(lambda: self._look_at_arrays(sample))

    def _look_at_arrays(self, sample: Batch) -> None:
        self._note_data(sample)
        self._first_look(None)
        self._check_before()

    def _look_at_data(self, data: Any, state: tuple[Any, Any] | None) -> Any:
        handed = self._feed.through(data)
        self._tape.measuring = self._tape.costly and self._pacer.measures(self._turns)
        if self._calls == 0 and not self._noted_data and self._model.built:
            self._look_at_first(self._feed.examples(EXAMPLES), state)
        if not self._feed.open and not self._noted_data:
            self._note_stream()
        return handed

    def _look_at_averages(self, state: tuple[Any, Any] | None) -> None:
        averages = self._averages
        if averages.ends:
            self._drain()  # so that it knows the step and its rates
        self._pacer.pause(time.perf_counter())
        step, probe = self._step + self._undrained, self._before.probe
        epochs = int(self._keeper.info["fit"].get("epochs") or 1)
        measured = averages.look(self._model, probe, state, step, self._steps_an_epoch, epochs)
        if measured:
            self._keeper.append([single(step, measured)])
        if not averages.open:
            self.event(Event(step, "unwatched", {"reason": f"no averages of the weights: {averages.reason}"}))
        self._pacer.resume(time.perf_counter())

    def _look_at_first(self, batch: Batch | None, state: tuple[Any, Any] | None) -> None:
        """The first batch of a pipeline, before the step that it is for."""
        examples = 0 if batch is None else len(tree.flatten(batch[0])[0])
        if batch is None or examples < _ENOUGH:
            return
        if examples == EXAMPLES:
            self._before.hold(batch)  # else it is not full yet, and another would not be the same
            self._first_look(state)
        else:
            self._for_probe.timed(lambda: self._before.look_at_batch(self._model, batch, state))
            self._keeper.note(self._before.facts)

    def _first_look(self, state: tuple[Any, Any] | None) -> None:
        self._for_probe.timed(lambda: self._before.look_at_outputs(self._model, state))
        self._keeper.note(self._before.facts)
        self._append_measurements(0, self._before.measured)
        if state is None and self._model.built:
            self._track(self._model)

    def _note_stream(self) -> None:
        """The data came as a pipeline, and as much of them as is wanted has passed."""
        batch = self._feed.examples()
        if batch is not None:
            self._keeper.note({"fit": {**self._keeper.info["fit"], "batch_size": self._feed.batch_size}})
            self._note_data(batch)
            self._check_before()
        else:
            self._noted_data = True
            self._pacer.begin(self._turns)
            if self._feed.reason:
                self.event(Event(self._step, "unwatched", {"reason": self._feed.reason}))

    def _note_data(self, sample: Batch) -> None:
        self._noted_data = True
        self._pacer.begin(self._turns)
        before = self._before
        before.facts["fit"] = self._keeper.info["fit"]
        before.look_at_data(self._model, sample, self._given)
        assert before.probe is not None
        watch = {**self._keeper.info["watch"], "probe_examples": before.probe.examples}
        self._keeper.note({**before.facts, "watch": watch})

    def _check_before(self) -> None:
        """Say what speaks against this training before it makes a step, or before it makes many."""
        while self._before.failed:
            reason = f"not looked at, a bug of Thalweg's: {self._before.failed.pop()}"
            self.event(Event(self._step, "unwatched", {"reason": reason}))
        for finding in diagnose_before(Record(self._keeper.info, {})).concerns:
            self._notices.went_wrong(finding, within_epoch=self._within_epoch)

    def _drain(self) -> None:
        seam = self._seam
        if seam is None:
            return
        if seam.broken is not None:
            raise seam.broken
        rows = self._tape.read()
        done = time.perf_counter()
        if rows is not None:
            self._step, self._undrained = int(rows.steps[-1]), 0
            if rows.lost:
                self.event(
                    Event(self._step, "unwatched", {"reason": f"{rows.lost} steps passed between two drains"})
                )
            layout = self._layout
            if layout is None or len(layout.tensors) < len(seam.parameters):
                layout = self._make_layout(seam)
            norm = None if rows.lost else self._norm
            found = blocks(rows, layout, norm, self._made + rows.lost)
            if len(rows.applied):
                norm = float(np.sqrt(np.sum(rows.gradient_norms[-1] ** 2)))
            self._norm, self._made = norm, self._made + rows.lost + len(rows.applied)
            self._keeper.append(found)
            if layout.has_rate:
                self._averages.used(rows.learning_rate, self._step)
            self._tail.append((self._step, found))
            while self._tail[0][0] <= self._step - _TAIL:
                self._tail.popleft()
            if rows.told[0] and rows.steps[0] == 1:
                self._keeper.note({"initial_loss": float(rows.loss[0])})
        self._pacer.read(self._turns, done)
        if self._pacer.stride != self._announced_stride:
            self._announced_stride = self._pacer.stride
            detail = {"stride": self._pacer.stride * self._per_call, "cost": self._pacer.cost}
            self.event(Event(self._step, "thinned", detail))
        if rows is not None:
            self._look_live()
        self._drained_at = time.perf_counter()
        self._pacer.resume(self._drained_at)

    def _look_live(self) -> None:
        if self._for_rules.affords():
            self._for_rules.timed(self._check_live)

    def _check_live(self) -> None:
        parts = [block for _, drain in self._tail for block in drain]
        record = Record.of(series([*parts, *self._epochs[-200:]]), self._keeper.info, self._keeper.events)
        for rule in _LIVE:
            finding = rule.check(record)
            if finding.verdict is Verdict.CONCERN:
                self._notices.went_wrong(finding, within_epoch=self._within_epoch)

    def _epoch_ended(self, epoch: int, logs: Mapping[str, Any], model: keras.Model) -> None:
        self._guarded(self._drain)
        self._pacer.pause(time.perf_counter())
        self._epoch = epoch
        if self._feed.open:
            self._feed.close()
        if not self._noted_data:
            self._note_stream()
        self._steps_an_epoch = self._steps_an_epoch or self._step
        if self._seam is None:
            self._step = max(epoch * int(self._steps_asked or 1), self._step + 1)
        logs = self._told(logs)
        measured = [
            (f"validation_{key[4:]}" if key.startswith("val_") else f"epoch_{key}", _unit(key), float(value))
            for key, value in logs.items()
            if _is_number(value)
        ]
        fit = self._keeper.info["fit"]
        validation = bool(fit.get("validation")) or any(key.startswith("val_") for key in logs)
        if fit.get("validation") is not validation:
            self._keeper.note({"fit": {**fit, "validation": validation}})
        self._append_measurements(self._step, measured)
        self.event(Event(self._step, "epoch", {"epoch": epoch}))
        self._compare_epochs()
        self._measure_probe(model, epoch, False)
        self._track(model)
        self._follow(model)
        if epoch == fit.get("epochs"):
            # What went wrong is said while the run goes on, if ever so late.
            self._for_rules.timed(self._check_live)
        else:
            self._look_live()

    def _told(self, logs: Mapping[str, Any]) -> Mapping[str, Any]:
        """The logs without a loss that nobody told Keras: a training step of one's own left its tracker alone."""
        loss = logs.get("loss")
        known = self._layout is None or self._tape.has_loss
        if known or not _is_number(loss) or float(loss) != 0.0:  # type: ignore[arg-type]
            return logs
        if self._epoch == 1:
            self._unwatched("the training step told Keras no loss, which logs 0 for it")
        return {key: value for key, value in logs.items() if key != "loss"}

    def _compare_epochs(self) -> None:
        """Whether every epoch begins with the same batch."""
        prints, data = self._feed.fingerprints, self._keeper.info.get("data")
        if len(prints) == _EPOCHS_COMPARED and data is not None and "repeats" not in data.get("order", {}):
            order = {**data.get("order", {}), "repeats": len(set(prints)) == 1}
            self._keeper.note({"data": {**data, "order": order}})

    def _measure_probe(self, model: keras.Model, epoch: int | None, final: bool) -> None:
        probe = self._before.probe
        looked = "data" in self._before.facts
        if probe is not None and looked and not self._before.asked:  # it was not built before
            self._before.look_at_contract(model, step=self._step)
            self._keeper.note(self._before.facts)
            self._check_before()
        if probe is None or self._probed_at == self._step or self._step == 0:
            return
        if not (final or epoch == 1 or self._for_probe.affords()):
            return
        self._probed_at = self._step
        self._append_measurements(self._step, self._for_probe.timed(lambda: probe.measure(model)))

    def _track(self, model: keras.Model) -> None:
        """The curvature, where it is wanted; what cannot be had at the end of an epoch is not tried again."""
        sharpness = self._sharpness
        if sharpness is None:
            return
        try:
            self._append_measurements(self._step, sharpness.look(model, self._examples_for_curvature()))
            return
        except UnsupportedError as error:
            if self._step == 0:  # a model without weights yet, an optimizer without a state
                return
            reason = str(error).rstrip(".")
        except Exception as error:
            if os.environ.get("THALWEG_RAISE"):
                raise
            reason = f"Thalweg failed ({type(error).__name__}: {error}), which is a bug of Thalweg's"
        self._sharpness, reason = None, f"the curvature is not tracked: {reason}"
        self.event(Event(self._step, "unwatched", {"reason": reason}))
        self._notices.line(reason, within_epoch=self._within_epoch)

    def _examples_for_curvature(self) -> Batch:
        """The probe batch, weighted as the training weighs it."""
        probe, given = self._before.probe, self._given
        if probe is None:
            raise UnsupportedError("there are no examples to look at it on")
        if (self._keeper.info.get("optimizer") or {}).get("rate_kind") == "callable":
            raise UnsupportedError(
                "the learning rate is a function, and to call it might change what follows"
            )
        batch = probe.inputs, probe.targets, probe.weights
        if given.training is None or given.class_weights is None:  # a pipeline brings its weights along
            return batch
        return (*batch[:2], weighted(batch, given.class_weights))

    def _look_at_rest(self, model: keras.Model) -> None:
        tensors, known = self._keeper.info.get("tensors", ()), self._keeper.info.get("optimizer")
        if self._layout is not None and not self._tape.has_update and known is not None:
            made = steps_made(model.optimizer)
            if made is not None and made == known.get("steps_before"):
                # What it was set to says nothing of a training whose steps were made without it.
                self._keeper.note({"optimizer": {"applied": False}})
        if self._layout is not None and len(self._layout.tensors) < len(tensors):
            self._keeper.note({"tensors": with_still(model, tensors, self._layout.tensors)})

    def _follow(self, model: keras.Model) -> None:
        if self._keeps and model.built:
            self._trajectory.offer(self._step, model)

    def _keep(self, model: keras.Model) -> None:
        passed = None if self._given.training is not None else self._feed.examples()
        total = self._step // max(self._epoch, 1) * (self._feed.batch_size or 0) or None
        self._follow(model)
        followed = {"trajectory": self._trajectory.write(self.folder)}
        self._keeper.note({"kept": {**keep(self.folder, model, self._given, passed, total), **followed}})

    def _make_layout(self, seam: Seam) -> Layout:
        if "tensors" not in self._keeper.info:
            self._keeper.note(model_facts(self._model, begun=True))
            self._check_before()
        layout = self._layout = Layout(
            [name for name, _ in tensor_names(self._model, seam.parameters)],
            self._tape.has_rate,
            self._accumulation,
        )
        if seam.unconnected:
            names = [name for name, _ in tensor_names(self._model, seam.unconnected)]
            tensors = [
                {**t, **({"unconnected": True} if t["name"] in names else {})}
                for t in self._keeper.info["tensors"]
            ]
            self._keeper.note({"tensors": tensors})
        return layout

    def _say_findings(self) -> None:
        record = read(self.folder)
        self._notices.ended(diagnose(record), record, self.folder)

    # Writing, and never stopping the training.

    def _append_measurements(self, step: int, measured: list[Measurement]) -> None:
        if not measured:
            return
        block = single(step, measured)
        self._epochs.append(block)
        self._keeper.append([block])

    def _lost(self, error: RunFolderError) -> None:
        self._close_seam()
        self._notices.line(
            f"from step {self._step:,} on nothing is recorded, training goes on unwatched: {error}",
            within_epoch=self._within_epoch,
        )

    def _unwatched(self, reason: str) -> None:
        self.event(Event(self._step, "unwatched", {"reason": reason}))
        self._notices.line(f"steps are not watched, only epochs: {reason}", within_epoch=self._within_epoch)

    def _close_seam(self) -> None:
        seam, self._seam = self._seam, None
        if seam is not None:
            seam.close()

    def _guarded(self, action: Any, *args: Any, otherwise: Any = None) -> Any:
        """A bug of ours ends the watching, not the training (with THALWEG_RAISE set, in tests, it raises)."""
        try:
            return action(*args)
        except UnsupportedError as error:
            self._close_seam()
            self._unwatched(str(error))
        except Exception as error:
            if os.environ.get("THALWEG_RAISE"):
                raise
            self._close_seam()
            self._unwatched(f"Thalweg failed ({type(error).__name__}: {error}), which is a bug of Thalweg's")
        return otherwise


@atexit.register
def _close_all() -> None:
    for run in list(_running):
        run.close("interrupted", "the interpreter ended")


def _accumulation(optimizer: Any) -> tuple[int, int]:
    """How many gradients the optimizer adds up to one update, and how many it has now."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    every = getattr(inner, "gradient_accumulation_steps", None) or 1
    return every, int(ops.convert_to_numpy(inner._iterations)) % every if every > 1 else 0


def _is_number(value: Any) -> bool:
    try:
        return math.isfinite(float(value)) or True
    except (TypeError, ValueError):
        return False


def _unit(key: str) -> str:
    plain = key.removeprefix("val_")
    if plain == "loss" or plain.endswith("_loss"):
        return "loss"
    return "fraction" if "accuracy" in plain or plain == "acc" else "1"
