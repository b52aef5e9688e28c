"""D012: a number that stands for a missing target."""

from typing import Any

import pytest

from thalweg import Verdict
from thalweg.record import Record

from .runs import ask, having, healthy, series

CODE = {"value": -9999.0, "count": 20, "gap": 360.0, "share": 0.98}


def regression(explained: float, lone: dict[str, Any] | None = None, kind: str = "continuous") -> Record:
    row = {"name": "y", "kind": kind, "spread": 1400.0, **({"lone": lone} if lone else {})}
    record = healthy(info={"data": {"examples": 1000, "targets": [row]}})
    return having(record, series("probe_explained_variance", [-0.1, explained], [0, 2000]))


def test_a_code_that_the_network_did_not_learn_to_tell() -> None:
    finding = ask("D012", regression(0.1, CODE))
    assert finding.verdict is Verdict.CONCERN
    assert finding.message.startswith("Of 1,000 targets `y` 20 were -9999, 360 times the range")
    assert "y_train != -9999;" in (finding.remedies[0].code or "")


@pytest.mark.parametrize(
    ("record", "verdict"),
    [
        (regression(0.9, CODE), Verdict.SATISFACTORY),
        (regression(0.1, {**CODE, "count": 2}), Verdict.SATISFACTORY),
        (regression(0.1, {**CODE, "gap": 0.01}), Verdict.SATISFACTORY),
        (regression(0.1, {**CODE, "share": 0.1}), Verdict.SATISFACTORY),
        (regression(0.1), Verdict.SATISFACTORY),
        (regression(0.1, CODE, kind="classes"), Verdict.UNASSESSED),
    ],
    ids=["told", "an outlier or two", "beside the others", "of no weight", "none", "classes"],
)
def test_what_is_no_code_or_did_no_harm(record: Record, verdict: Verdict) -> None:
    assert ask("D012", record).verdict is verdict
