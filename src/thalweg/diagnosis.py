"""From a record, or the file that holds one, to a diagnosis."""

import os
import shlex
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from thalweg.comparison import Member
from thalweg.errors import RunFolderError, UsageError
from thalweg.examination import Examination
from thalweg.finding import Diagnosis, Finding, Stage, Verdict
from thalweg.plugins import Installed, installed
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules import answer, answer_before
from thalweg.rules.causes import causes, upstream
from thalweg.selection import chosen
from thalweg.stages import stages
from thalweg.store import read
from thalweg.store.certificates import CERTIFICATE, is_certificate, read_certificate
from thalweg.study import Study, names_in
from thalweg.study_examination import StudyExamination

_ORDER = (Verdict.CONCERN, Verdict.SATISFACTORY, Verdict.UNASSESSED)


def diagnose(
    source: Record | Member | str | os.PathLike[str],
    *,
    select: Iterable[str] | None = None,
    ignore: Iterable[str] = (),
    rules: Iterable[Rule] | None = None,
) -> Diagnosis:
    """The findings of the rules on a run: causes first, each before what it explains, then the others.

    `source` is a record, a member of a study, a run folder, or a log that `thalweg.read` understands. `select` and
    `ignore` choose rules by code (`"G002"`), by its beginning (`"G"`) or by family (`"data"`), as on the command
    line. `rules` are those to choose from: Thalweg's and those of installed packages where not given.

    A rule that breaks (a bug of its author's) becomes an unassessed finding that says so; rules of other packages
    that could not be had are in the diagnosis's `notes`.

    Raises `UsageError` for a name that is no rule's, `RunFolderError` where the source cannot be read.
    """
    known = _known(rules)
    asked = chosen(known.rules, select, ignore)
    record = source if isinstance(source, Record) else read(source)
    findings = [_check(rule, record) for rule in asked]
    return replace(diagnosis_of(answer(findings), findings), stages=_stages(record), notes=known.notes)


def diagnose_before(record: Record, *, rules: Iterable[Rule] | None = None) -> Diagnosis:
    """The findings of those rules that can be asked before the first step, on the facts that are known then."""
    known = _known(rules)
    found = diagnosis_of("", [_check(rule, record) for rule in known.rules if rule.before])
    return replace(found, answer=answer_before(found), notes=known.notes)


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


def report(
    source: Record | str | os.PathLike[str],
    path: str | os.PathLike[str] = "report.html",
    *,
    select: Iterable[str] | None = None,
    ignore: Iterable[str] = (),
    rules: Iterable[Rule] | None = None,
) -> Path:
    """Write the report of a run as one self-contained HTML page, and return where it is; rules as in `diagnose`.

    The certificate that `thalweg certify` left in the run's folder is a section of it. `source` may also be the
    certificate of several runs, as `thalweg certify RUN RUN -o FILE` writes it.

    Raises `UsageError` for a name that is no rule's, `RunFolderError` where the source cannot be read, `OSError`
    where the page cannot be written.
    """
    target = Path(path)
    if not isinstance(source, Record) and is_certificate(source):
        if select is not None or tuple(ignore):
            raise UsageError(f"{str(source)!r} is a certificate, of which no rule is asked")
        target.write_text(page_of_study(source), encoding="utf-8")
        return target
    if isinstance(source, Record):
        record, folder = source, None
    else:
        record, folder = read(source), Path(source)
    diagnosis = diagnose(record, select=select, ignore=ignore, rules=rules)
    target.write_text(page_of(record, diagnosis, folder), encoding="utf-8")
    return target


def page_of(record: Record, diagnosis: Diagnosis, folder: Path | None = None) -> str:
    """The report of a run as one HTML document, with the certificate in its folder where there is one."""
    from thalweg.render import page  # charts and terminal: nothing that `import thalweg` should wait for

    if folder is None or not (folder / CERTIFICATE).is_file():
        return page(record, diagnosis)
    try:
        certificate, examination = read_certificate(folder)
    except RunFolderError as error:
        return page(record, diagnosis, unread=f"The certificate cannot be shown: {error}.")
    if not isinstance(examination, Examination):
        there = f"`thalweg report {shlex.quote(str(folder / CERTIFICATE))}` shows it."
        return page(
            record, diagnosis, unread=f"The certificate in this folder is one of several runs: {there}"
        )
    return page(record, diagnosis, certificate, examination)


def page_of_study(path: str | os.PathLike[str]) -> str:
    """The report of several runs as one HTML document, from the file of their certificate.

    Raises `RunFolderError` where it is of one run, or of another state of these runs, or one cannot be read.
    """
    from thalweg.render import study_page

    certificate, examination = read_certificate(path)
    if not isinstance(examination, StudyExamination):
        raise RunFolderError(
            f"{str(path)!r} is the certificate of one run: the report of its folder shows it, "
            f"`thalweg report {shlex.quote(str(Path(path).parent))}`"
        )
    names = names_in(certificate.subject)
    study = Study(names, tuple(read(name) for name in names))
    for name, digest in study.digests.items():
        if certificate.subject[name] != digest:
            raise RunFolderError(
                f"{str(path)!r} is of another state of these runs (the {name} has the digest {digest[:12]}, in the "
                f"certificate {certificate.subject[name][:12]}): `thalweg certify` makes it anew"
            )
    return study_page(study, certificate, examination)


def _known(rules: Iterable[Rule] | None) -> Installed:
    return installed() if rules is None else Installed(tuple(rules))


def _stages(record: Record) -> tuple[Stage, ...]:
    try:
        return stages(record)
    except Exception:  # a bug of ours costs the stages, not the findings
        if os.environ.get("THALWEG_RAISE"):
            raise
        return ()


def _check(rule: Rule, record: Record) -> Finding:
    try:
        finding = rule.check(record)
        if not (isinstance(finding, Finding) and isinstance(finding.verdict, Verdict)):
            raise TypeError(finding)
        if finding.code != rule.code:
            raise ValueError(finding.code)
        return finding
    except Exception as error:
        package = type(rule).__module__.partition(".")[0]
        whose = "Thalweg's" if package == "thalweg" else f"the package `{package}`"
        return rule.unassessed(
            f"Not assessed: this rule failed ({type(error).__name__}), which is a bug of {whose}; "
            "the other findings stand."
        )
