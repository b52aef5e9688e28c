"""Every rule of the registry conforms, and a bad one does not."""

from dataclasses import dataclass

import pytest

from thalweg import Evidence, Family, Finding, Record, Rule, Verdict
from thalweg.rules import RULES
from thalweg.testing import RuleConformance

for _rule in RULES:
    _name = f"Test{type(_rule).__name__}"
    globals()[_name] = type(_name, (RuleConformance,), {"rule": _rule})


def test_codes_are_unique() -> None:
    codes = [rule.code for rule in RULES]
    assert len(set(codes)) == len(codes)


@dataclass(frozen=True)
class Bad(Rule):
    """A rule that does everything wrong."""

    code = "N001"
    title = "bad."
    family = Family.OUTCOME
    needs = (("loss",),)
    limit: float = 3.0

    def assess(self, record: Record) -> Finding:
        values = record.series["loss"].values
        evidence = {"value": Evidence(float(values[0]))}
        return self.finding(Verdict.CONCERN, "it was {value}, above 3", evidence)


class _Bad(RuleConformance):
    rule = Bad()


@pytest.mark.parametrize(
    "name",
    [
        "test_answers_hard_records",
        "test_answers_drawn_records",
        "test_code_is_permanent_and_its_own",
        "test_manual_page_is_complete",
    ],
)
def test_a_bad_rule_fails(name: str) -> None:
    with pytest.raises(AssertionError):
        getattr(_Bad(), name)()
