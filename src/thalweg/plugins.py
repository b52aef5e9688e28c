"""Rules from other packages: the entry points of the group `thalweg.rules`.

An entry point names a rule, a class of rules or a list of them. A package that breaks costs its own rules and
a note, never a diagnosis.
"""

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from thalweg.finding import Family
from thalweg.rule import Rule
from thalweg.rules import RULES

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "thalweg.rules"
CODE = r"[A-Z]+\d{3}"
"""One letter is Thalweg's own; a package takes more, so that two packages do not meet."""


@dataclass(frozen=True, slots=True)
class Installed:
    """The rules that there are, Thalweg's own first, and a sentence for each that could not be had."""

    rules: tuple[Rule, ...]
    notes: tuple[str, ...] = ()


@functools.cache
def installed() -> Installed:
    """Thalweg's rules and those of the packages that are installed here."""
    from importlib.metadata import entry_points  # slow, and nothing that `import thalweg` should wait for

    return gathered(entry_points(group=GROUP))


def gathered(points: "Iterable[EntryPoint]") -> Installed:
    """Thalweg's rules and those that the entry points name, in the order of the packages' names."""
    rules, notes = list(RULES), []
    owners = {rule.code: "Thalweg" for rule in RULES}
    for package, point in sorted(
        ((_package(p), p) for p in points), key=lambda each: (each[0], each[1].name)
    ):
        try:
            found = list(_rules(point.load()))
        # A package may do anything while it is imported, and even leave the program.
        except (Exception, SystemExit) as error:
            what = " ".join(f"{type(error).__name__}: {error}".split())
            notes.append(f"the rules `{point.name}` of {package} were left out ({what})")
            continue
        for rule in found:
            if rule.code in owners:
                owner = owners[rule.code]
                notes.append(
                    f"the rule {rule.code} of {package} was left out: {owner} has a rule of that code"
                )
            else:
                owners[rule.code] = package
                rules.append(rule)
    return Installed(tuple(rules), tuple(notes))


def _package(point: "EntryPoint") -> str:
    return str(point.dist.name) if point.dist is not None else point.value


def _rules(loaded: object) -> Iterator[Rule]:
    """The rules that an entry point stands for; raises `TypeError` where one of them is none."""
    for each in loaded if isinstance(loaded, list | tuple) else (loaded,):
        rule = each() if isinstance(each, type) else each
        if not isinstance(rule, Rule):
            raise TypeError(f"{rule!r} is not a thalweg.Rule")
        code, family, title = (getattr(rule, name, None) for name in ("code", "family", "title"))
        if not isinstance(code, str) or not re.fullmatch(CODE, code):
            raise TypeError(f"a code is capital letters and three digits, as in ACME001, not {code!r}")
        if not isinstance(family, Family) or not isinstance(title, str) or not title:
            raise TypeError(f"{code} needs a title and a family of thalweg.Family")
        yield rule
