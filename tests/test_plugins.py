"""Rules of other packages: what is taken in, and that nothing of theirs breaks a diagnosis."""

from dataclasses import dataclass
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import pytest

from thalweg import RULES, Family, Finding, Record, Rule
from thalweg.plugins import GROUP, gathered


@dataclass(frozen=True)
class Patience(Rule):
    """A rule of another package."""

    code = "ACME001"
    title = "No patience"
    family = Family.CALLBACKS
    limit: float = 2.0

    def assess(self, record: Record) -> Finding:
        return self.unassessed("Not assessed: this rule is for tests.")


class Unnamed(Patience):
    code = "acme-1"


class Untitled(Patience):
    title = ""


class Homeless(Patience):
    family = "callbacks"  # type: ignore[assignment]


class Abstract(Rule):
    code = "ACME002"


class Taken(Patience):
    code = "G002"


class Broken(Patience):
    def __init__(self) -> None:
        raise RuntimeError("two\n  lines")


A_RULE, A_LIST, NONE = Patience(), [Patience(limit=3.0)], "a text"


def point(attribute: str, package: str = "thalweg-acme", module: str = __name__) -> EntryPoint:
    found = EntryPoint("own", f"{module}:{attribute}", GROUP)
    vars(found).update(dist=SimpleNamespace(name=package))
    return found


@pytest.mark.parametrize(("attribute", "limit"), [("Patience", 2.0), ("A_RULE", 2.0), ("A_LIST", 3.0)])
def test_a_class_a_rule_and_a_list_are_taken_in_after_thalwegs_own(attribute, limit):
    found = gathered([point(attribute)])
    assert found.rules == (*RULES, Patience(limit))
    assert found.notes == ()


@pytest.mark.parametrize(
    ("attribute", "words"),
    [
        ("Unnamed", "TypeError: a code is capital letters and three digits, as in ACME001, not 'acme-1'"),
        ("Untitled", "TypeError: ACME001 needs a title and a family"),
        ("Homeless", "TypeError: ACME001 needs a title and a family"),
        ("Abstract", "TypeError: Can't instantiate abstract class Abstract"),
        ("NONE", "TypeError: 'a text' is not a thalweg.Rule"),
        ("Broken", "RuntimeError: two lines"),
        ("gone", "AttributeError: "),
    ],
)
def test_what_is_no_rule_is_a_note_and_the_others_stay(attribute, words):
    found = gathered([point(attribute), point("Patience", "thalweg-zulu")])
    assert found.rules == (*RULES, Patience())
    (note,) = found.notes
    assert note.startswith("the rules `own` of thalweg-acme were left out (")
    assert words in note
    assert "\n" not in note


def test_a_package_that_is_not_there_or_leaves_the_program_is_a_note(tmp_path, monkeypatch):
    (tmp_path / "leaving.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(tmp_path)
    found = gathered([point("x", module="nowhere_at_all"), point("x", "thalweg-exit", module="leaving")])
    assert found.rules == RULES
    assert "ModuleNotFoundError" in found.notes[0]
    assert "SystemExit: 3" in found.notes[1]


def test_a_code_that_is_taken_is_refused_whatever_the_order_of_discovery():
    points = [point("A_LIST", "thalweg-zulu"), point("Taken"), point("Patience")]
    for given in (points, points[::-1]):
        found = gathered(given)
        assert found.rules == (*RULES, Patience())
        assert found.notes == (
            "the rule G002 of thalweg-acme was left out: Thalweg has a rule of that code",
            "the rule ACME001 of thalweg-zulu was left out: thalweg-acme has a rule of that code",
        )
