"""`thalweg run`: a script in its own process and as its own `__main__`, with every `fit` in it under watch.

Keras is not imported here: the script may choose its backend first. It is met when the script imports it.
"""

import contextlib
import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import wrapt

from thalweg.configuration import FailOn
from thalweg.diagnosis import diagnose, report
from thalweg.errors import RunFolderError, ThalwegError, UsageError
from thalweg.finding import Diagnosis
from thalweg.keras.program import execute
from thalweg.record import Event, Record
from thalweg.render import ConcernsView, DiagnosisView, RunRow, RunsTable, terminal
from thalweg.rule import Rule
from thalweg.store import Journal, read
from thalweg.store.layout import journal_path
from thalweg.store.summary import summary

if TYPE_CHECKING:
    from thalweg.keras.watch import Watch


def run_script(
    script: str,
    arguments: Sequence[str],
    *,
    runs: str = "runs",
    budget: float | None = 0.03,
    strict: bool = False,
    keep: bool = True,
    curvature: bool = False,
    report: str | None = None,
    rules: Sequence[Rule] | None = None,
    fail_on: FailOn = FailOn.CONCERN,
) -> int:
    """Run a script under watch and return the exit code: its own where it failed, else the findings'.

    `runs` is the folder that the runs are kept in, `strict` leaves what today's Keras refuses to fail, `keep`
    also keeps models and examples, `curvature` also tracks the largest eigenvalue of the Hessian, `report` is a
    path for the page of the last run. `rules` are asked afterwards, and no others are heard while it runs; all
    where it is None. `fail_on` says which findings give an exit code. Where a run cannot be watched or kept, the
    script runs all the same, and a line says why.

    Raises `UsageError` where there is no such script.
    """
    session = _Session(script_path(script).stem, Path(runs), budget, strict, keep, curvature, rules, fail_on)
    wrapt.register_post_import_hook(session.keras_loaded, "keras")
    code = execute(script, arguments)
    found = session.finish(script, failed=code != 0, page=report)
    return code or found


def script_path(script: str) -> Path:
    """The script's path; raises `UsageError` where there is no such file."""
    path = Path(script)
    if not path.is_file():
        what = f"{script!r} is a folder" if path.is_dir() else f"there is no script {script!r}"
        raise UsageError(f"{what}: give the path of a Python file")
    return path


def interpose_fit(keras: Any, instead: Callable[[Callable[..., Any], inspect.BoundArguments], Any]) -> None:
    """Have `instead` called with Keras's `fit` and its arguments whenever a model is fitted.

    Raises `UnsupportedError` where this Keras cannot be watched.
    """
    from thalweg.keras.support import require_keras

    fit = keras.Model.fit
    require_keras()
    signature = inspect.signature(fit)

    @functools.wraps(fit)
    def watched_fit(model: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            bound = signature.bind(model, *args, **kwargs)
        except TypeError:
            return fit(model, *args, **kwargs)  # Keras's own error
        return instead(fit, bound)

    keras.Model.fit = watched_fit


@dataclass(frozen=True, slots=True)
class _Kept:
    """A run that was kept, and what was found in it."""

    folder: Path
    diagnosis: Diagnosis


class _Session:
    """The fits of one script."""

    def __init__(
        self,
        stem: str,
        runs: Path,
        budget: float | None,
        strict: bool,
        keep: bool,
        curvature: bool,
        rules: Sequence[Rule] | None,
        fail_on: FailOn,
    ) -> None:
        self._stem, self._runs, self._budget = stem, runs, budget
        self._strict, self._keeps, self._curvature = strict, keep, curvature
        self._rules, self._fail_on = rules, fail_on
        self._console = terminal(sys.stderr)
        self._speaks = sys.stderr.isatty()
        self._said: list[str] = []
        self._adapted: list[str] = []
        self._kept: list[_Kept] = []
        self._fits = 0
        self._remarks: list[str] = []

    def keras_loaded(self, keras: Any) -> None:
        """Called when the script has imported Keras: from now on each `fit` is watched."""
        try:
            interpose_fit(keras, self._fit)
        except ThalwegError as error:
            self._fits += 1  # there may be none, but nobody looks
            self._say(f"the script runs unwatched: {error}")
            return
        if not self._strict:
            from thalweg.keras import adapt

            adapt.install(self._adapt)

    def _say(self, text: str) -> None:
        """One line, once."""
        if text not in self._said:
            self._said.append(text)
            self._console.print(f"thalweg: {text}", soft_wrap=True)

    def _adapt(self, what: str) -> None:
        self._say(f"adapted: {what}")
        if what not in self._adapted:
            self._adapted.append(what)

    def _fit(self, fit: Callable[..., Any], bound: inspect.BoundArguments) -> Any:
        import keras

        from thalweg.keras.adapt import callbacks_for
        from thalweg.keras.watch import Watch

        self._fits += 1
        model = bound.arguments["self"]
        given: Any = bound.arguments.get("callbacks")
        listed = isinstance(given, keras.callbacks.CallbackList)
        callbacks = given.callbacks if listed else [] if given is None else keras.tree.flatten(given)
        extra: list[Any] = [] if self._strict else callbacks_for(model)
        watch = next((callback for callback in callbacks if isinstance(callback, Watch)), None)
        if watch is None:
            try:
                watch = Watch(
                    self._free_folder(), budget=self._budget, keep=self._keeps, curvature=self._curvature
                )
            except RunFolderError as error:
                self._say(f"training goes on unwatched: {error}")
            else:
                extra.append(watch)
        if listed:
            for callback in extra:
                given.callbacks.append(callback)
                callback.set_model(model)
                callback.set_params(given.params)
        else:
            bound.arguments["callbacks"] = [*extra, *callbacks]
        try:
            with self._watching(watch) if watch is not None else contextlib.nullcontext():
                return fit(*bound.args, **bound.kwargs)
        finally:
            if listed:  # the list is the script's, and may be handed to another fit
                for callback in extra:
                    given.callbacks.remove(callback)

    @contextlib.contextmanager
    def _watching(self, watch: "Watch") -> Any:
        watch.speak(self._speaks, None if self._rules is None else {rule.code for rule in self._rules})
        for what in self._adapted:
            watch.note(Event(0, "adapted", {"what": what}))
        before = watch.folder
        try:
            yield
        except BaseException as error:
            interrupted = isinstance(error, KeyboardInterrupt | SystemExit)
            watch.close("interrupted" if interrupted else "exception", f"{type(error).__name__}: {error}")
            raise
        finally:
            if watch.folder is not None and watch.folder != before and journal_path(watch.folder).exists():
                self._keep(watch.folder)

    def _free_folder(self) -> Path:
        """The next free folder; raises `RunFolderError`, before training, where no run can be kept."""
        number = 1
        while (folder := self._runs / f"{self._stem}-{number}").exists():
            number += 1
        Journal.create(folder, {}).close()
        journal_path(folder).unlink()
        folder.rmdir()  # a fit that Keras refuses leaves nothing behind
        return folder

    def _keep(self, folder: Path) -> None:
        try:
            record = read(folder)
        except RunFolderError as error:
            self._say(str(error))
            return
        diagnosis = diagnose(record, rules=self._rules)
        self._kept.append(_Kept(folder, diagnosis))
        if not self._speaks:  # else the watch has said it; here it waits until the script has spoken its last
            reasons = [event.detail.get("reason") for event in record.events if event.kind == "unwatched"]
            self._remarks += [f"{folder}: {reason}" for reason in reasons]
        elif len(self._kept) == 1:
            self._console.print()
            self._show(self._kept[0], record)
        else:
            self._say(f"{folder}: {diagnosis.answer}")

    def _show(self, kept: _Kept, record: Record) -> None:
        if kept.diagnosis.exit_code == 3:  # thirteen reasons why nothing is known say no more than one
            self._say(f"{kept.folder}: {kept.diagnosis.answer}")
        else:
            self._console.print(DiagnosisView(kept.diagnosis, record, str(kept.folder)))

    def finish(self, script: str, *, failed: bool, page: str | None) -> int:
        """Say what was found in all fits, and return the exit code that follows from it."""
        for remark in self._remarks:
            self._say(remark)
        if not self._fits and not failed:
            self._say(f"{script} never called fit: there is nothing to diagnose")
        elif len(self._kept) > 1:
            self._console.print()
            rows = [RunRow.of(summary(journal_path(k.folder)), k.diagnosis.answer) for k in self._kept]
            self._console.print(RunsTable(rows))
            alike: dict[tuple[str, ...], list[_Kept]] = {}
            for kept in self._kept:
                alike.setdefault(tuple(finding.code for finding in kept.diagnosis.causes), []).append(kept)
            for first, *others in (runs for codes, runs in alike.items() if codes):
                self._console.print()
                self._console.print(ConcernsView(first.diagnosis, str(first.folder), len(others)))
        elif self._kept and not self._speaks:
            self._show(self._kept[0], read(self._kept[0].folder))
        if page and self._kept:
            self._report(self._kept[-1].folder, page)
        return self._fail_on.exit_code(kept.diagnosis for kept in self._kept)

    def _report(self, folder: Path, page: str) -> None:
        try:
            self._say(f"the report is in {report(folder, page, rules=self._rules)}")
        except OSError as error:
            self._say(f"cannot write the report to {page!r}: {error.strerror or error}")
