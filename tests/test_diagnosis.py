"""`diagnose`: which rules it asks, and that none of them can break it."""

from dataclasses import dataclass

import pytest

import thalweg
from thalweg import Family, Finding, Record, Rule, UsageError, Verdict
from thalweg.diagnosis import diagnose_before
from thalweg.plugins import Installed
from thalweg.testing import INFO, filled


@dataclass(frozen=True)
class Acme(Rule):
    code = "ACME001"
    title = "Of another package"
    family = Family.DATA
    before = True

    def assess(self, record: Record) -> Finding:
        raise KeyError("loss")


class Silent(Acme):
    def assess(self, record: Record) -> Finding:
        return None  # type: ignore[return-value]


class Undecided(Acme):
    def assess(self, record: Record) -> Finding:
        return Finding(self.code, self.title, "perhaps", "Perhaps.")  # type: ignore[arg-type]


class Another(Acme):
    def assess(self, record: Record) -> Finding:
        return Finding("L001", self.title, Verdict.CONCERN, "As if it were another.")


@pytest.fixture(scope="module")
def record():
    return filled(lambda n: [2.0 / (1 + i) for i in range(n)], 300, INFO)


def codes(diagnosis):
    return {finding.code for finding in diagnosis}


def test_only_the_chosen_are_asked(record):
    assert codes(thalweg.diagnose(record, select="G", ignore=["G002"])) == {"G001", "G003"}
    assert codes(thalweg.diagnose(record, select=["outcome"])) >= {"L001", "B001"}
    assert codes(thalweg.diagnose(record)) == {rule.code for rule in thalweg.RULES}
    assert codes(thalweg.diagnose(record, rules=thalweg.RULES[:3], select=["all"])) == {
        rule.code for rule in thalweg.RULES[:3]
    }
    assert codes(thalweg.diagnose(record, rules=())) == set()


def test_a_name_that_is_no_rules_is_said_before_anything_is_read(record):
    with pytest.raises(UsageError, match="did you mean G002"):
        thalweg.diagnose("nowhere", ignore=["G02"])


def test_a_report_has_the_chosen_rules_alone(record, tmp_path):
    page = thalweg.report(record, tmp_path / "page.html", select=["L"], ignore="L003").read_text()
    assert "L001" in page
    assert "L003" not in page
    assert "G002" not in page


@pytest.mark.parametrize(
    ("rule", "error"),
    [(Acme(), "KeyError"), (Silent(), "TypeError"), (Undecided(), "TypeError"), (Another(), "ValueError")],
)
def test_a_rule_that_breaks_says_whose_bug_it_is(record, rule, error):
    (finding,) = thalweg.diagnose(record, rules=[rule])
    assert finding.verdict is Verdict.UNASSESSED
    package = __name__.partition(".")[0]
    assert finding.message == (
        f"Not assessed: this rule failed ({error}), which is a bug of the package `{package}`; "
        "the other findings stand."
    )


def test_rules_of_other_packages_are_asked_and_those_that_could_not_be_had_are_noted(record, monkeypatch):
    found = Installed((*thalweg.RULES, Acme()), ("the rules `x` of y were left out (z)",))
    monkeypatch.setattr("thalweg.diagnosis.installed", lambda: found)
    for diagnosis in (thalweg.diagnose(record), diagnose_before(record)):
        assert "ACME001" in codes(diagnosis)
        assert diagnosis.notes == found.notes
