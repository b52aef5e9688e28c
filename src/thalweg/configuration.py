"""What a project asks of Thalweg: the table `[tool.thalweg]` of its `pyproject.toml`."""

import dataclasses
import enum
import math
import os
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from thalweg.errors import UsageError, nearest
from thalweg.finding import Diagnosis, Verdict
from thalweg.rule import Rule
from thalweg.selection import chosen


class FailOn(enum.StrEnum):
    """What a program that asks for the exit code wants to fail on."""

    CONCERN = "concern"
    """1 for a concern, 3 where nothing at all could be assessed."""
    UNASSESSED = "unassessed"
    """1 for a concern, 3 where any rule that was asked could not be assessed."""
    NEVER = "never"
    """0 whatever was found."""

    def exit_code(self, diagnoses: Iterable[Diagnosis]) -> int:
        """The exit code of one or several diagnoses; of none, nothing could be assessed."""
        found = list(diagnoses)
        codes = {diagnosis.exit_code for diagnosis in found}
        if self is FailOn.NEVER:
            return 0
        if 1 in codes:
            return 1
        gaps = self is FailOn.UNASSESSED and any(diagnosis.of(Verdict.UNASSESSED) for diagnosis in found)
        return 0 if 0 in codes and not gaps else 3


@dataclass(frozen=True, slots=True)
class Configuration:
    """The wishes of a project; what it does not say is None or empty."""

    path: Path | None = None
    """The file that says so; None where no file does."""
    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    fail_on: FailOn = FailOn.CONCERN
    budget: float | None = None
    runs: str | None = None
    """The folder of the runs, as seen from the working directory; the file says it as seen from its own."""
    rules: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Thresholds by the code of their rule."""

    def asked(
        self, rules: Iterable[Rule], select: Iterable[str] = (), ignore: Iterable[str] = ()
    ) -> tuple[Rule, ...]:
        """The rules to ask of these, with the project's thresholds.

        `select` and `ignore` are the command line's: the first takes the place of all that the project
        chose, the second leaves out still more.

        Raises `UsageError` for a name, a threshold or a value that there cannot be, and where no rule is left.
        """
        tuned, select, ignore = self._with_thresholds(rules), tuple(select), tuple(ignore)
        if select:
            return chosen(tuned, select, ignore)
        kept = {rule.code for rule in chosen(tuned, None, ignore)}
        try:
            own = chosen(tuned, self.select, self.ignore)
        except UsageError as error:
            raise UsageError(f"{self.path}: {error}") from error
        left = tuple(rule for rule in own if rule.code in kept)
        if not left:
            raise UsageError(f"no rule is left to ask: {self.path} asks only rules that --ignore names")
        return left

    def _with_thresholds(self, rules: Iterable[Rule]) -> tuple[Rule, ...]:
        known = {rule.code: rule for rule in rules}
        for code, thresholds in self.rules.items():
            if code not in known:
                raise UsageError(f"{self.path}: [tool.thalweg.rules]: no rule {code!r}{nearest(code, known)}")
            known[code] = self._tuned(known[code], thresholds)
        return tuple(known.values())

    def _tuned(self, rule: Rule, thresholds: Mapping[str, Any]) -> Rule:
        table = f"{self.path}: [tool.thalweg.rules.{rule.code}]"
        fields = {each.name: each for each in dataclasses.fields(rule)}
        for name, value in thresholds.items():
            if name not in fields:
                has = f"its thresholds are {', '.join(fields)}" if fields else "it has no thresholds"
                raise UsageError(f"{table}: no threshold {name!r}{nearest(name, fields) or f': {has}'}")
            present = getattr(rule, name)
            fractional = isinstance(present, float) or fields[name].type in (float, "float")
            if not (_is_number(value) if fractional else type(value) is type(present)):
                wanted = "a finite number" if fractional else _TYPES.get(type(present), "not to be set here")
                raise UsageError(f"{table}: {name} is {wanted}, such as {present!r}; got {value!r}")
        try:
            return dataclasses.replace(rule, **thresholds)
        except Exception as error:  # a rule may check its thresholds when it is made
            raise UsageError(f"{table}: {error}") from error


_TYPES = {int: "a whole number", bool: "true or false", str: "a text"}


def configuration(folder: Path | None = None) -> Configuration:
    """The wishes in the nearest `pyproject.toml` that has a table `[tool.thalweg]`: here or further up.

    Raises `UsageError` where such a file cannot be read, or says what is not understood.
    """
    here = Path.cwd() if folder is None else folder.absolute()
    for place in (here, *here.parents):
        path = place / "pyproject.toml"
        if os.path.isfile(path):  # noqa: PTH113 - False, too, where we may not look, and never raises
            table = _table(path)
            if table is not None:
                return _read(table, path)
    return Configuration()


def _table(path: Path) -> Mapping[str, Any] | None:
    try:
        whole = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"{_shown(path)} cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # TOML's and UTF-8's alike
        raise UsageError(f"{_shown(path)} is not TOML: {error}") from error
    tool = whole.get("tool")
    table = tool.get("thalweg") if isinstance(tool, dict) else None
    if table is not None and not isinstance(table, dict):
        raise UsageError(f"{_shown(path)}: tool.thalweg is a table; got {table!r}")
    return table


def _read(table: Mapping[str, Any], path: Path) -> Configuration:
    shown = _shown(path)
    wishes: dict[str, Any] = {}
    for key, value in table.items():
        if key not in _KEYS:
            hint = nearest(key, _KEYS) or f": the keys are {', '.join(_KEYS)}"
            raise UsageError(f"{shown}: [tool.thalweg] has no key {key!r}{hint}")
        wanted, understand = _KEYS[key]
        understood = understand(value)
        if understood is None:
            raise UsageError(f"{shown}: {key} in [tool.thalweg] is {wanted}; got {value!r}")
        wishes[key.replace("-", "_")] = understood
    if "runs" in wishes:
        wishes["runs"] = str(_shown(path.parent / wishes["runs"]))
    return Configuration(shown, **wishes)


def _shown(path: Path) -> Path:
    """The path as seen from the working directory, which is how a person would type it."""
    try:
        return Path(os.path.relpath(path))
    except ValueError:  # on another drive
        return path


def _names(value: Any) -> tuple[str, ...] | None:
    names = [value] if isinstance(value, str) else value
    return tuple(names) if isinstance(names, list) and all(isinstance(n, str) for n in names) else None


def _fail_on(value: Any) -> FailOn | None:
    return next((each for each in FailOn if isinstance(value, str) and each == value.casefold()), None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _budget(value: Any) -> float | None:
    return float(value) if _is_number(value) and 0.0 < value <= 1.0 else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _thresholds(value: Any) -> Mapping[str, Mapping[str, Any]] | None:
    good = isinstance(value, dict) and all(isinstance(each, dict) for each in value.values())
    return MappingProxyType({code.upper(): each for code, each in value.items()}) if good else None


_KEYS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "select": ("a list of codes and families", _names),
    "ignore": ("a list of codes and families", _names),
    "fail-on": ('"concern", "unassessed" or "never"', _fail_on),
    "budget": ("a fraction above 0, up to 1", _budget),
    "runs": ("the path of a folder", _text),
    "rules": ("a table of thresholds for each code", _thresholds),
}
"""What the table may hold: what each is, in words, and how it is understood (None where it is not)."""
