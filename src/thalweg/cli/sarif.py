"""A diagnosis as SARIF 2.1.0, which code hosts and editors read.

Concerns alone are results: GitHub shows every result as an alert, whatever its kind. What could not be assessed
is a notification about the run, what is satisfactory only a count.
"""

import dataclasses
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import thalweg
from thalweg.cli.document import entry, plain, remedies
from thalweg.finding import Diagnosis, Finding, Verdict
from thalweg.record import Record
from thalweg.rule import Rule

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def sarif(
    diagnosis: Diagnosis, record: Record, rules: Iterable[Rule], source: str, *, exit_code: int
) -> dict[str, Any]:
    """The SARIF log of one run; `rules` are those that were asked, `source` is where the run was read."""
    asked = list(rules)
    name = str(record.info.get("name") or Path(source).name)
    # GitHub takes no result without a line.
    place = {"physicalLocation": {"artifactLocation": {"uri": _uri(source)}, "region": {"startLine": 1}}}

    def rule(finding: Finding) -> int:
        return next(index for index, each in enumerate(asked) if each.code == finding.code)

    def result(finding: Finding) -> dict[str, Any]:
        layer = {"logicalLocations": [{"name": finding.layer, "kind": "module"}]} if finding.layer else {}
        # By this GitHub knows the alert again in the next upload.
        known = hashlib.sha256(
            f"{name}/{finding.code}/{finding.layer or ''}".encode(errors="replace")
        ).hexdigest()
        markdown = "\n".join([finding.message, "", *remedies(finding)])
        return {
            "ruleId": finding.code,
            "ruleIndex": rule(finding),
            "kind": "fail",
            "level": "warning",
            "message": {"text": finding.message, "markdown": markdown},
            "locations": [{**place, **layer}],
            "partialFingerprints": {"primaryLocationLineHash": f"{known[:16]}:1"},
            "properties": entry(finding, diagnosis),
        }

    invocation = {
        "executionSuccessful": True,
        "exitCode": exit_code,
        "toolExecutionNotifications": [
            {
                "level": "note",
                "message": {"text": finding.message},
                "associatedRule": {"id": finding.code, "index": rule(finding)},
            }
            for finding in diagnosis.of(Verdict.UNASSESSED)
        ],
        "toolConfigurationNotifications": [
            {"level": "warning", "message": {"text": note}} for note in diagnosis.notes
        ],
    }
    driver = {
        "name": "Thalweg",
        "version": thalweg.__version__,
        "semanticVersion": thalweg.__version__,
        "rules": [_descriptor(rule) for rule in asked],
    }
    run = {
        "tool": {"driver": driver},
        # What comes before the last slash is one analysis among several of a commit.
        "automationDetails": {"id": f"thalweg/{name}/"},
        "invocations": [invocation],
        "results": [result(finding) for finding in diagnosis.concerns],
        "properties": {
            "answer": diagnosis.answer,
            "verdicts": {str(verdict): len(diagnosis.of(verdict)) for verdict in Verdict},
            "steps": record.last_step,
        },
    }
    log: dict[str, Any] = plain({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})
    return log


def _descriptor(rule: Rule) -> dict[str, Any]:
    manual = rule.manual()
    asks = manual.partition("## What it asks\n")[2].partition("\n## ")[0]
    thresholds = {field.name: getattr(rule, field.name) for field in dataclasses.fields(rule)}
    return {
        "id": rule.code,
        "name": type(rule).__name__,
        "shortDescription": {"text": f"{rule.title}."},
        "fullDescription": {"text": " ".join(asks.split()) or f"{rule.title}."},
        "help": {"text": manual or rule.title, "markdown": manual or rule.title},
        "defaultConfiguration": {"level": "warning"},
        "properties": {"family": rule.family, "tags": [rule.family], "thresholds": thresholds},
    }


def _uri(source: str) -> str:
    """A relative reference where the source lies below the working directory, as code hosts want it."""
    path = Path(source).absolute()
    try:
        return quote(os.fsencode(path.relative_to(Path.cwd()).as_posix()))
    except ValueError:
        return path.as_uri()
