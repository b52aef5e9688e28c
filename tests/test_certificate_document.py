"""docs/certificate.md names every key of the document that it describes."""

import dataclasses
import re
from pathlib import Path

import pytest

from thalweg.certificate import Certificate, Claim, Outcome, Status
from thalweg.examination import (
    BatchSharpness,
    Curvature,
    Examination,
    Gradients,
    Losses,
    Plane,
    Ritz,
    StepLimit,
)
from thalweg.finding import Evidence
from thalweg.study_examination import Basin, FinalLosses, Line, Restarts, StudyExamination

DOCUMENT = (Path(__file__).parents[1] / "docs" / "certificate.md").read_text(encoding="utf-8")
_PARTS = re.split(
    r"^(`certificate`|A claim|`[\w ]+`)[:,]",
    DOCUMENT.partition("\n## `certificate.json`")[2],
    flags=re.MULTILINE,
)
SECTIONS = dict(zip(_PARTS[1::2], _PARTS[2::2], strict=True))
"""What follows each heading in words, by that."""


@pytest.mark.parametrize(
    ("section", "value"),
    [
        ("`certificate`", Certificate),
        ("A claim", Claim),
        ("A claim", Evidence),
        ("`gradients`", Gradients),
        ("`curvature`", Curvature),
        ("`curvature`", Ritz),
        ("`step_limit`", StepLimit),
        ("`batch_sharpness`", BatchSharpness),
        ("`losses`", Losses),
        ("`plane`", Plane),
        ("`study_examination`", StudyExamination),
        ("`final losses`", FinalLosses),
        ("`line`", Line),
        ("`basin`", Basin),
        ("`restarts`", Restarts),
    ],
)
def test_every_key_is_described_where_it_belongs(section, value):
    for field in dataclasses.fields(value):
        assert f"`{field.name}`" in SECTIONS[section], field.name


def test_every_part_of_the_examination_and_every_outcome_and_status_is_named():
    parts = DOCUMENT.partition("`examination` is what was measured")[2].partition("\n`gradients`,")[0]
    for field in dataclasses.fields(Examination):
        assert f"`{field.name}`" in parts, field.name
    for outcome in Outcome:
        code = Certificate(outcome, "", ()).exit_code
        assert f"| {outcome} | {code} |" in DOCUMENT
    assert all(f"`{status}`" in SECTIONS["A claim"] for status in Status)
