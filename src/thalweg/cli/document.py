"""A diagnosis as one JSON document; docs/json.md describes it."""

import math
from collections.abc import Mapping
from typing import Any

import thalweg
from thalweg.finding import Diagnosis, Evidence, Finding, Verdict
from thalweg.record import Record

SCHEMA = 1
"""Raised whenever a program that reads the document would misread a newer one; keys are added without."""


def document(diagnosis: Diagnosis, record: Record, *, exit_code: int | None = None) -> dict[str, Any]:
    """The diagnosis in plain values; what is not finite is the text `NaN`, `Infinity` or `-Infinity`.

    `exit_code` is what the command exits with where that is not the diagnosis's own.
    """
    counts = {str(verdict): len(diagnosis.of(verdict)) for verdict in Verdict}
    run = {key: record.info.get(key) for key in ("name", "started", "source", "step_unit")}
    events = [
        {"step": event.step, "kind": event.kind, "detail": event.detail}
        for event in record.events
        if event.kind != "epoch"
    ]
    values: dict[str, Any] = plain(
        {
            "schema": SCHEMA,
            "thalweg": thalweg.__version__,
            "answer": diagnosis.answer,
            "exit_code": diagnosis.exit_code if exit_code is None else exit_code,
            "verdicts": counts,
            "run": {**run, "steps": record.last_step, "events": events},
            "notes": diagnosis.notes,
            "findings": [entry(finding, diagnosis) for finding in diagnosis],
        }
    )
    return values


def entry(finding: Finding, diagnosis: Diagnosis) -> dict[str, Any]:
    """One finding of a diagnosis, in values that `plain` makes plain."""
    return {
        "code": finding.code,
        "title": finding.title,
        "family": str(finding.family),
        "verdict": str(finding.verdict),
        "message": finding.message,
        "step": finding.step,
        "layer": finding.layer,
        "series": finding.series,
        "evidence": {name: _evidence(evidence) for name, evidence in finding.evidence.items()},
        "because": diagnosis.because.get(finding.code),
        "remedies": [
            {
                "action": remedy.action,
                "reason": remedy.reason,
                "safety": str(remedy.safety),
                "code": remedy.code or None,
            }
            for remedy in finding.remedies
        ],
    }


def remedies(finding: Finding) -> list[str]:
    """The remedies of a finding as numbered lines of text."""
    return [
        " ".join(
            [f"{number}. {remedy.action}", *([f"`{remedy.code}`"] if remedy.code else []), remedy.reason]
        )
        for number, remedy in enumerate(finding.remedies, start=1)
    ]


def _evidence(evidence: Evidence) -> dict[str, Any]:
    return {
        "value": evidence.value,
        "unit": evidence.unit,
        "usual": evidence.usual,
        "threshold": evidence.threshold,
    }


def plain(value: Any) -> Any:
    """The value with nothing in it that JSON has no word for."""
    if hasattr(value, "tolist"):  # NumPy's scalars and arrays
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
