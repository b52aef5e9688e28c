"""A run while it goes on: the host's side of the seam."""

import atexit
import os
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from thalweg.diagnosis import diagnose
from thalweg.errors import RunFolderError, UnsupportedError
from thalweg.keras import facts
from thalweg.keras.allowance import Shares
from thalweg.keras.average import Averages
from thalweg.keras.callback_facts import callback_ends
from thalweg.keras.curvature import Curvature
from thalweg.keras.epoch_logs import measurements
from thalweg.keras.examples import Examples
from thalweg.keras.keeper import Keeper, single
from thalweg.keras.kept import keep
from thalweg.keras.live_rules import LiveRules
from thalweg.keras.model_facts import model_facts
from thalweg.keras.notices import Notices
from thalweg.keras.seam import Seam
from thalweg.keras.sharpness import Sharpness
from thalweg.keras.steps import Steps
from thalweg.keras.support import why_not
from thalweg.keras.trajectory import Trajectory
from thalweg.record import Event
from thalweg.store import read

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
        self.folder, self._model, self._notices = folder, model, notices
        known = facts.run_facts(model, folder.name, dict(params), budget)
        self._keeper = keeper = Keeper(folder, known, overwrite, self._lost)
        notices.began(folder)
        self._seam: Seam | None = None
        self._epoch, self._steps_an_epoch = 0, params.get("steps")
        shares = Shares.of(budget, curvature=curvature)
        self._steps = Steps(model, keeper, shares.steps)
        tracked = Curvature(keeper, notices, Sharpness(shares.curvature) if curvature else None)
        self._examples = Examples(model, keeper, notices, self._steps, tracked, shares.probe)
        self._averages = Averages(shares.averages, self._steps.an_update)
        self._rules = LiveRules(keeper, notices, shares.rules)
        self._trajectory = Trajectory() if keeps else None
        _running.add(self)
        reason = why_not(model) or self._rival()
        if reason:
            self._unwatched(reason)
        else:
            self._guarded(self._open_seam)
        self._guarded(self._examples.look_before)
        self._guarded(self._follow, model)

    # Called by Keras's side.

    def event(self, event: Event) -> None:
        """Put an event on the record, at the step where the run stands unless it names one."""
        self._keeper.event(event)

    def epoch_begins(self) -> None:
        """Between epochs time passes that no step took."""
        self._notices.within_epoch = True
        if self._seam is not None:
            self._examples.epoch_begins()
        self._steps.restart()

    def epoch_ended(self, epoch: int, logs: Mapping[str, Any], model: keras.Model) -> None:
        """Drain the tape, and record the epoch's logs and the probe batch; `epoch` counts from 1."""
        self._guarded(self._epoch_ended, epoch, logs, model)
        self._notices.within_epoch = False  # only now: Keras's progress bar ends its line after us

    def train_ended(self, model: keras.Model) -> None:
        """A last look, at the weights that training ends with: at the probe batch, and at what no step was given.

        The model and a sample of its examples are kept, where they are wanted.
        """
        self._guarded(lambda: self._examples.measure(model, whatever_it_costs=True))
        self._guarded(self._steps.note_rest)
        self._guarded(self._keep, model)

    def close(self, reason: str, message: str = "") -> None:
        """End the run. Harmless when called twice, and from a `fit` that died."""
        keeper = self._keeper
        if not keeper.open and self._seam is None:
            return
        self._guarded(self._drain)
        if self._seam is not None and self._steps.undrained:
            keeper.unwatched(f"{self._steps.undrained} steps were lost with the one that failed")
        self._close_seam()
        stopped = reason == "completed" and self._epoch < int(keeper.info["fit"].get("epochs") or 0)
        detail = {"reason": "stopped" if stopped else reason, **({"message": message} if message else {})}
        self.event(Event(keeper.step, "finished", detail))
        averages = {} if self._averages.looked else {"averages": self._averages.reason}
        keeper.note({"watch": {**keeper.info["watch"], **self._steps.pace, **averages}})
        self._guarded(lambda: keeper.note({"callback_ends": callback_ends(self._examples.given.callbacks)}))
        _running.discard(self)
        if not keeper.open:
            return
        keeper.close()
        if self._notices.speaks and self._notices.findings:
            self._guarded(self._say_findings)

    # Called by the seam.

    def _before_step(self, data: Any, state: tuple[Any, Any] | None) -> Any:
        if self._averages.due(self._steps.reached):
            self._guarded(self._look_at_averages, state)
        return self._guarded(self._hand_on, data, state, otherwise=data)

    def _after_step(self, first: bool) -> None:
        if self._steps.called(first):
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
            self._model, self._steps.tape, self._before_step, self._after_step, self._failed, self._remade
        )

    def _hand_on(self, data: Any, state: tuple[Any, Any] | None) -> Any:
        handed = self._examples.through(data)
        self._steps.prepare()
        self._examples.look_at_passed(state)
        return handed

    def _look_at_averages(self, state: tuple[Any, Any] | None) -> None:
        averages = self._averages
        if averages.ends:
            self._drain()  # so that it knows the step and its rates
        self._steps.pause()
        step, probe = self._steps.reached, self._examples.probe
        epochs = int(self._keeper.info["fit"].get("epochs") or 1)
        measured = averages.look(self._model, probe, state, step, self._steps_an_epoch, epochs)
        if measured:
            self._keeper.append([single(step, measured)])
        if not averages.open:
            self.event(Event(step, "unwatched", {"reason": f"no averages of the weights: {averages.reason}"}))
        self._steps.resume()

    def _drain(self) -> None:
        seam, steps = self._seam, self._steps
        if seam is None:
            return
        if seam.broken is not None:
            raise seam.broken
        rows = steps.read()
        if rows is not None:
            if "tensors" not in self._keeper.info:
                self._keeper.note(model_facts(self._model, begun=True))
                self._examples.check()
            drained = steps.keep(rows, seam)
            if steps.has_rate:
                self._averages.used(rows.learning_rate, self._keeper.step)
            self._rules.follow(drained)
        steps.paced()
        if rows is not None:
            self._rules.look()
        steps.restart()

    def _epoch_ended(self, epoch: int, logs: Mapping[str, Any], model: keras.Model) -> None:
        keeper, steps, examples = self._keeper, self._steps, self._examples
        self._guarded(self._drain)
        steps.pause()
        self._epoch = epoch
        examples.epoch_ended()
        self._steps_an_epoch = self._steps_an_epoch or keeper.step
        fit = keeper.info["fit"]
        if self._seam is None:
            keeper.step = max(epoch * int(fit.get("steps_per_epoch") or 1), keeper.step + 1)
        measured = measurements(logs)
        if steps.told_no_loss and ("epoch_loss", "loss", 0.0) in measured:
            measured.remove(("epoch_loss", "loss", 0.0))
            if epoch == 1:
                self._unwatched("the training step told Keras no loss, which logs 0 for it")
        validation = bool(fit.get("validation")) or any(key.startswith("val_") for key in logs)
        if fit.get("validation") is not validation:
            keeper.note({"fit": {**fit, "validation": validation}})
        keeper.looked(measured)
        self.event(Event(keeper.step, "epoch", {"epoch": epoch}))
        examples.compare_epochs()
        examples.measure(model, whatever_it_costs=epoch == 1)
        examples.track_curvature(model)
        self._follow(model)
        if epoch == fit.get("epochs"):
            self._rules.look_at_last()
        else:
            self._rules.look()

    def _follow(self, model: keras.Model) -> None:
        if self._trajectory is not None and model.built:
            self._trajectory.offer(self._keeper.step, model)

    def _keep(self, model: keras.Model) -> None:
        if self._trajectory is None:
            return
        examples = self._examples
        total = self._keeper.step // max(self._epoch, 1) * (examples.batch_size or 0) or None
        passed = examples.passed()
        self._follow(model)
        followed = {"trajectory": self._trajectory.write(self.folder)}
        self._keeper.note({"kept": {**keep(self.folder, model, examples.given, passed, total), **followed}})

    def _say_findings(self) -> None:
        record = read(self.folder)
        self._notices.ended(diagnose(record), record, self.folder)

    # Never stopping the training.

    def _lost(self, error: RunFolderError) -> None:
        self._close_seam()
        step = self._keeper.step
        self._notices.line(f"from step {step:,} on nothing is recorded, training goes on unwatched: {error}")

    def _unwatched(self, reason: str) -> None:
        self._keeper.unwatched(reason)
        self._notices.line(f"steps are not watched, only epochs: {reason}")

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
