"""`thalweg check`: a script up to its first `fit`, which is looked at and ended before its first step."""

import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import wrapt

from thalweg.configuration import FailOn
from thalweg.diagnosis import diagnose_before
from thalweg.errors import ThalwegError
from thalweg.keras.program import execute
from thalweg.keras.script import interpose_fit, script_path
from thalweg.record import Record
from thalweg.render import DiagnosisView, terminal
from thalweg.rule import Rule
from thalweg.rules import RULES

_UNREADABLE = 2


def check_script(
    script: str,
    arguments: Sequence[str],
    *,
    overfit: bool = False,
    strict: bool = False,
    rules: Iterable[Rule] | None = None,
    fail_on: FailOn = FailOn.CONCERN,
) -> int:
    """Say what speaks against a script's first `fit`, and return the exit code: its own where it failed.

    `overfit` also trains on one batch; `strict` leaves what today's Keras refuses to fail.

    Raises `UsageError` where there is no such script.
    """
    checking = _Checking(script_path(script).stem, overfit, strict)
    wrapt.register_post_import_hook(checking.keras_loaded, "keras")
    code = execute(script, arguments)
    if checking.record is None:
        if not code:
            checking.say(f"{script} never called fit: there is nothing to check")
        return code or 3
    return checking.finish(checking.record, rules, fail_on)


class _Checking:
    """The first `fit` of one script."""

    def __init__(self, stem: str, overfit: bool, strict: bool) -> None:
        self._stem, self._overfit, self._strict = stem, overfit, strict
        self._console = terminal(sys.stderr)
        self._said: set[str] = set()
        self.record: Record | None = None

    def say(self, text: str) -> None:
        """One line, once."""
        if text not in self._said:
            self._said.add(text)
            self._console.print(f"thalweg: {text}", soft_wrap=True)

    def keras_loaded(self, keras: Any) -> None:
        """Called when the script has imported Keras."""
        try:
            interpose_fit(keras, self._fit)
        except ThalwegError as error:
            self.say(str(error))
            raise SystemExit(_UNREADABLE) from None
        if not self._strict:
            from thalweg.keras import adapt

            adapt.install(lambda what: self.say(f"adapted: {what}"))

    def _fit(self, fit: Callable[..., Any], bound: inspect.BoundArguments) -> Any:
        import keras

        from thalweg.keras.adapt import callbacks_for
        from thalweg.keras.check import Check, Checked

        model, given = bound.arguments["self"], bound.arguments.get("callbacks")
        check = Check(self._stem, self._overfit)
        if isinstance(given, keras.callbacks.CallbackList):
            given.callbacks.insert(0, check)
            check.set_model(model)
            check.set_params(given.params)
        else:
            adapted = [] if self._strict else callbacks_for(model)
            others = [] if given is None else keras.tree.flatten(given)
            bound.arguments["callbacks"] = [check, *adapted, *others]
        try:
            return fit(*bound.args, **bound.kwargs)
        except Checked:
            self.record = check.record
            raise SystemExit(0) from None

    def finish(self, record: Record, rules: Iterable[Rule] | None, fail_on: FailOn) -> int:
        """Say what was found, and return the exit code that follows from it."""
        for event in record.events:
            self.say(f"note: {event.detail['reason']}")
        diagnosis = diagnose_before(record, rules=RULES if rules is None else rules)
        self._console.print(DiagnosisView(diagnosis, record, full=True))
        return fail_on.exit_code([diagnosis])
