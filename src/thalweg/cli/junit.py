"""A diagnosis as JUnit XML, which every continuous integration reads: a test case for each rule."""

import re
from xml.etree import ElementTree

import thalweg
from thalweg.cli.document import remedies
from thalweg.finding import Diagnosis, Finding, Verdict
from thalweg.record import Record

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML document may hold, not even as a reference."""


def junit(diagnosis: Diagnosis, record: Record) -> str:
    """The document: a concern is a failure, what could not be assessed is skipped, the rest passes."""
    failed, skipped = (len(diagnosis.of(v)) for v in (Verdict.CONCERN, Verdict.UNASSESSED))
    name = _text(f"thalweg {record.info.get('name') or ''}".strip())
    counts = {"tests": str(len(diagnosis)), "failures": str(failed), "errors": "0", "time": "0"}
    suites = ElementTree.Element("testsuites", {"name": "thalweg", **counts})
    suite = ElementTree.SubElement(suites, "testsuite", {"name": name, **counts, "skipped": str(skipped)})
    properties = ElementTree.SubElement(suite, "properties")
    facts = {
        "thalweg": thalweg.__version__,
        "answer": diagnosis.answer,
        "steps": str(record.last_step),
        **{f"note {number}": note for number, note in enumerate(diagnosis.notes, start=1)},
    }
    for key, value in facts.items():
        ElementTree.SubElement(properties, "property", {"name": key, "value": _text(value)})
    for finding in diagnosis:
        _case(suite, finding, diagnosis.because.get(finding.code))
    ElementTree.indent(suites)
    # In ASCII: what a shell or Windows makes of the stream cannot hurt it.
    text: bytes = ElementTree.tostring(suites, encoding="us-ascii", xml_declaration=True)
    return text.decode("ascii")


def _case(suite: ElementTree.Element, finding: Finding, because: str | None) -> None:
    names = {"classname": f"thalweg.{finding.family}", "name": _text(f"{finding.code} {finding.title}")}
    case = ElementTree.SubElement(suite, "testcase", {**names, "time": "0"})
    message = _text(finding.message)
    if finding.verdict is Verdict.CONCERN:
        failure = ElementTree.SubElement(case, "failure", {"message": message, "type": "concern"})
        failure.text = _text("\n".join(_lines(finding, because)))
    elif finding.verdict is Verdict.UNASSESSED:
        ElementTree.SubElement(case, "skipped", {"message": message.removeprefix("Not assessed: ")})
    else:
        ElementTree.SubElement(case, "system-out").text = message


def _lines(finding: Finding, because: str | None) -> list[str]:
    where = ([finding.layer] if finding.layer else []) + (
        [f"step {finding.step:,}"] if finding.step is not None else []
    )
    return [
        finding.message,
        *([f"Where: {', '.join(where)}"] if where else []),
        *([f"Because of: {because}"] if because else []),
        *remedies(finding),
        f"More: thalweg explain {finding.code}",
    ]


def _text(value: str) -> str:
    return _NO_XML.sub("\ufffd", value)
