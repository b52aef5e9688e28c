"""Which rules are asked: names, breadth, and what is no name."""

import pytest

from thalweg import RULES as ALL
from thalweg import Family, UsageError
from thalweg.selection import chosen

# A fixed few: the tests must not change with every rule that is added.
CODES = {
    "N001",
    "L001",
    "L002",
    "L003",
    "L004",
    "B001",
    "G001",
    "G002",
    "G003",
    "P001",
    "P002",
    "A001",
    "V001",
}
RULES = tuple(rule for rule in ALL if rule.code in CODES)


def codes(select=None, ignore=()) -> list[str]:
    return [rule.code for rule in chosen(RULES, select, ignore)]


EVERY = [rule.code for rule in RULES]
LOSS = [code for code in EVERY if code[0] == "L"]


def test_all_in_their_own_order_where_nothing_is_said():
    assert codes() == codes(["all"]) == codes(["ALL"]) == EVERY


@pytest.mark.parametrize(
    ("select", "wanted"),
    [
        (["G002"], ["G002"]),
        ("g002,L004", ["G002", "L004"]),
        (["G002 , L004"], ["G002", "L004"]),
        (["G002", "L004"], ["G002", "L004"]),
        (["L"], LOSS),
        (["l00"], LOSS),
    ],
)
def test_codes_beginnings_and_letters(select, wanted):
    assert sorted(codes(select)) == sorted(wanted)


@pytest.mark.parametrize("name", ["outcome", "OUTCOME", " Outcome "])
def test_a_family_in_any_spelling(name):
    assert codes([name]) == [rule.code for rule in RULES if rule.family is Family.OUTCOME]


@pytest.mark.parametrize("name", ["output", "output and loss", "output-and-loss", "Output_and_Loss"])
def test_a_family_of_several_words(name):
    left = [rule.code for rule in RULES if rule.family is not Family.OUTPUT]
    assert codes(None, [name]) == left


def test_the_narrower_name_counts_and_ignore_where_they_are_alike():
    assert codes(["L"], ["L004"]) == [code for code in LOSS if code != "L004"]
    assert codes(["L004"], ["L"]) == ["L004"]
    assert codes(["L00", "G001"], ["L"]) == [code for code in EVERY if code in (*LOSS, "G001")]
    assert "G002" not in codes(["G"], ["G002"])
    assert codes(["all"], ["L"]) == [code for code in EVERY if code not in LOSS]


def test_letters_mean_whole_letters():
    class Other(type(RULES[0])):
        code = "GX001"

    rules = (*RULES, Other())
    assert "GX001" not in [rule.code for rule in chosen(rules, ["G"])]
    assert [rule.code for rule in chosen(rules, ["gx"])] == ["GX001"]
    assert "GX001" in [rule.code for rule in chosen(rules, None, ["G"])]


@pytest.mark.parametrize(
    ("select", "ignore", "words"),
    [
        (["G02"], [], "select: there is no rule or family 'G02': did you mean .*G002"),
        (
            None,
            ["optimization"],
            "ignore: there is no rule or family 'optimization': did you mean optimisation",
        ),
        (None, ["?"], "'\\?': `thalweg explain` lists all"),
        (["G"], ["G"], "no rule is left to ask: select names G, and ignore G"),
        ([], [], "no rule is left to ask: select names nothing, and ignore nothing"),
    ],
)
def test_what_cannot_be_is_said(select, ignore, words):
    with pytest.raises(UsageError, match=words):
        codes(select, ignore)


@pytest.mark.parametrize("family", list(Family))
def test_every_family_is_a_name_even_before_it_has_a_rule(family):
    assert codes(None, [family.value]) == [rule.code for rule in RULES if rule.family is not family]
