"""From a record, or the file that holds one, to a diagnosis."""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from thalweg.finding import Diagnosis, Finding, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules import RULES, answer, answer_before
from thalweg.rules.causes import causes, upstream
from thalweg.store import read

_ORDER = (Verdict.CONCERN, Verdict.SATISFACTORY, Verdict.UNASSESSED)


def diagnose(source: Record | str | os.PathLike[str], *, rules: Iterable[Rule] = RULES) -> Diagnosis:
    """The findings of the rules on a run: causes first, each before what it explains, then the others.

    `source` is a record, a run folder, or a log that `thalweg.read` understands.

    A rule that breaks (a bug of Thalweg's) becomes an unassessed finding that says so.

    Raises `RunFolderError` where the source cannot be read.
    """
    record = source if isinstance(source, Record) else read(source)
    findings = [_check(rule, record) for rule in rules]
    return diagnosis_of(answer(findings), findings)


def diagnose_before(record: Record, *, rules: Iterable[Rule] = RULES) -> Diagnosis:
    """The findings of those rules that can be asked before the first step, on the facts that are known then."""
    findings = [_check(rule, record) for rule in rules if rule.before]
    found = diagnosis_of("", findings)
    return replace(found, answer=answer_before(found))


def diagnosis_of(answer: str, findings: Iterable[Finding]) -> Diagnosis:
    """The diagnosis of these findings, in the order in which a person should read them."""
    found = list(findings)
    because = causes(found)
    place = {f.code: upstream(f) for f in found if f.verdict is Verdict.CONCERN}

    def order(finding: Finding) -> tuple[int, ...]:
        group = _ORDER.index(finding.verdict)
        if group:
            return (group,)
        cause = because.get(finding.code)
        return (group, place[cause or finding.code], cause is not None, place[finding.code])

    return Diagnosis(answer, tuple(sorted(found, key=order)), because)


def report(source: Record | str | os.PathLike[str], path: str | os.PathLike[str] = "report.html") -> Path:
    """Write the report of a run as one self-contained HTML page, and return where it is.

    Raises `RunFolderError` where the source cannot be read, `OSError` where the page cannot be written.
    """
    from thalweg.render import page  # charts and terminal: nothing that `import thalweg` should wait for

    record = source if isinstance(source, Record) else read(source)
    target = Path(path)
    target.write_text(page(record, diagnose(record)), encoding="utf-8")
    return target


def _check(rule: Rule, record: Record) -> Finding:
    try:
        return rule.check(record)
    except Exception as error:
        return rule.unassessed(
            f"Not assessed: this rule failed ({type(error).__name__}), which is a bug of Thalweg's; "
            "the other findings stand."
        )
