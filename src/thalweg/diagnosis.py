"""From a record, or the file that holds one, to a diagnosis."""

import os
from collections.abc import Iterable
from pathlib import Path

from thalweg.finding import Diagnosis, Finding, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules import RULES, answer
from thalweg.store import read

_ORDER = (Verdict.CONCERN, Verdict.SATISFACTORY, Verdict.UNASSESSED)


def diagnose(source: Record | str | os.PathLike[str], *, rules: Iterable[Rule] = RULES) -> Diagnosis:
    """The findings of the rules on a run: concerns first, each group in the rules' own order.

    `source` is a record, a run folder, or a log that `thalweg.read` understands.

    A rule that breaks (a bug of Thalweg's) becomes an unassessed finding that says so.

    Raises `RunFolderError` where the source cannot be read.
    """
    record = source if isinstance(source, Record) else read(source)
    findings = [_check(rule, record) for rule in rules]
    findings.sort(key=lambda finding: _ORDER.index(finding.verdict))
    return Diagnosis(answer(findings), tuple(findings))


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
