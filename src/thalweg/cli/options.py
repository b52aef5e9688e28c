"""Options that several commands share: which rules to ask, and what to fail on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import click

from thalweg.configuration import Configuration, FailOn, configuration
from thalweg.plugins import installed
from thalweg.rule import Rule

_NAMES = "a code (G002), its beginning (G), or a family (data); several with commas"


@dataclass(frozen=True, slots=True)
class Asked:
    """The rules that a command asks, after the project's wishes and its own options."""

    rules: tuple[Rule, ...]
    project: Configuration
    notes: tuple[str, ...]
    """What to say beside the answer, in sentences without a full stop."""


def choosing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--select` and `--ignore`."""
    for option, words in (("--ignore", "Leave out these rules"), ("--select", "Ask these rules only")):
        command = click.option(option, multiple=True, metavar="RULES", help=f"{words}: {_NAMES}.")(command)
    return command


def failing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--fail-on`."""
    return click.option(
        "--fail-on",
        type=click.Choice([each.value for each in FailOn], case_sensitive=False),
        help="What gives an exit code other than 0: a concern (1; the default), also a rule that could not be "
        "assessed (3), or nothing that is found.",
    )(command)


def asked(select: Sequence[str], ignore: Sequence[str], fail_on: str | None = None) -> Asked:
    """What to ask, from the command line and the project's `pyproject.toml`; the command line wins.

    Raises `UsageError` for what either of them says and cannot be.
    """
    project, known = configuration(), installed()
    rules = project.asked(known.rules, select, ignore)
    notes = list(known.notes)
    # What a file further up leaves out must not pass for what was found to be well.
    missing = 0 if select else len(known.rules) - len(project.asked(known.rules))
    if missing:
        notes.append(f"{project.path} leaves out {missing} of {len(known.rules)} rules")
    if project.rules:
        notes.append(f"{project.path} sets thresholds of {', '.join(project.rules)}")
    if fail_on is not None:
        project = replace(project, fail_on=FailOn(fail_on.lower()))
    return Asked(rules, project, tuple(notes))
