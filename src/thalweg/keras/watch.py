"""`Watch`: an ordinary Keras callback that records a run, judges it and never changes a bit of it."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import keras

from thalweg.errors import UsageError
from thalweg.keras.live import LiveRun
from thalweg.keras.notices import Notices
from thalweg.record import Event, Record
from thalweg.store import Journal, read
from thalweg.store.layout import journal_path


class Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Records the training it is passed to, and says at its end whether it converged.

        watch = thalweg.Watch("runs/digits")
        model.fit(x, y, epochs=20, callbacks=[watch])
        thalweg.diagnose(watch.record())

    The weights come out bit for bit as they would without it. Watched a second time, the same callback writes
    a second run beside the first (`runs/digits-2`).

    - `folder`: where the run is kept; by default the next free `runs/run-N`. It must not hold a run already.
    - `budget`: what watching may cost, as a fraction of a step's time. The costly probes are thinned to hold
      it, which the record says; 0 leaves them out altogether, and with them the one parameter-sized buffer;
      None measures everything at every step.
    - `overwrite`: replace the run that the folder holds.
    - `keep`: when training ends, also write the model and a sample of its examples into the folder (at most 100
      and 16 MB), for `thalweg.certify`; False writes neither.
    - `curvature`: also track the largest eigenvalue of the Hessian on the probe batch, and the largest that the
      optimizer's step can bear (docs/record.md), at step 0 and at the ends of epochs as often as half of the budget
      allows; the rest of the watching has the other half.
    - `quiet`: say nothing on the terminal. By default Thalweg speaks where standard error is a terminal and
      `fit` itself is not silent (`verbose=0`).

    It is not a way to change the run: it holds nothing through which it could write. A disk that fills up, an
    input that cannot be sampled or a model that cannot be watched never stop the training: the record says
    what is missing and why.

    Raises `UsageError` for a budget that is not a fraction, or is 0 where the curvature is wanted, and
    `RunFolderError` where the folder holds a run or cannot be written, both before training.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        *,
        budget: float | None = 0.03,
        overwrite: bool = False,
        keep: bool = True,
        curvature: bool = False,
        quiet: bool | None = None,
    ) -> None:
        super().__init__()
        if budget is not None and not 0.0 <= float(budget) <= 1.0:
            raise UsageError(
                f"budget must be a fraction of a step's time between 0 and 1, or None to measure everything; "
                f"got {budget!r}."
            )
        if curvature and budget == 0:
            raise UsageError(
                "budget=0 leaves no time for the curvature: give a budget, or leave curvature out."
            )
        self._asked = None if folder is None else Path(folder)
        self._budget, self._overwrite, self._keep, self._quiet = budget, overwrite, keep, quiet
        self._curvature = curvature
        if self._asked is not None and not overwrite and journal_path(self._asked).exists():
            Journal.create(self._asked, {}).close()  # raises, with the words for it
        self._notes: list[Event] = []
        self._notices: Notices | None = None
        self._folder: Path | None = None
        self._run: LiveRun | None = None

    @property
    def folder(self) -> Path | None:
        """The folder of the last run; None before there is one."""
        return self._folder

    def record(self) -> Record:
        """The record of the last run, as far as it has gone.

        Raises `UsageError` before the first `fit`, `RunFolderError` where the run could not be kept.
        """
        if self._folder is None:
            raise UsageError(
                "Nothing has been watched yet: pass this callback to model.fit(..., callbacks=[watch])."
            )
        return read(self._folder)

    def speak(self, speaks: bool, asked: Collection[str] | None = None) -> None:
        """Say the lines before and during a run or not, and leave the findings after it to the caller.

        `asked` are the codes of the rules whose findings are said; all where it is None.
        """
        self._notices = Notices(speaks, findings=False, asked=asked)

    def note(self, event: Event) -> None:
        """Put an event on the record of the next run, or of the one that is going on."""
        if self._run is None:
            self._notes.append(event)
        else:
            self._run.event(event)

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Open the run."""
        self.close("interrupted")
        self._folder = self._next_folder()
        params = self.params or {}
        notices = self._notices or Notices.chosen(self._quiet, params.get("verbose"))
        self._run = LiveRun(
            self.model,
            self._folder,
            self._budget,
            self._overwrite,
            notices,
            params,
            self._keep,
            self._curvature,
        )
        self._overwrite = False
        for event in self._notes:
            self._run.event(event)
        self._notes.clear()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Time starts that is the steps' own."""
        if self._run is not None:
            self._run.epoch_begins()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Record the epoch's logs and look at the probe batch."""
        if self._run is not None:
            self._run.epoch_ended(epoch + 1, logs or {}, self.model)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Close the run and say what was found."""
        if self._run is not None:
            self._run.train_ended(self.model)
        self.close("completed")

    def close(self, reason: str, message: str = "") -> None:
        """End the run that is going on, if there is one; `reason` as in the event `finished`.

        Keras does not tell its callbacks of an exception: `thalweg run`, the next `fit` and the interpreter's
        end call this.
        """
        run, self._run = self._run, None
        if run is not None:
            run.close(reason, message)

    def _next_folder(self) -> Path:
        if self._asked is not None and self._folder is None:
            return self._asked
        asked, number = (self._asked, 2) if self._asked is not None else (Path("runs/run"), 1)
        while (folder := asked.with_name(f"{asked.name}-{number}")).exists():
            number += 1
        return folder
