"""The truth table, row by row."""

import itertools

import pytest

from thalweg import Evidence, Finding, Verdict
from thalweg.rules import answer

C, S, U = Verdict.CONCERN, Verdict.SATISFACTORY, Verdict.UNASSESSED


def finding(code: str, verdict: Verdict) -> Finding:
    prefix = "Not assessed: because of" if verdict is U else "The number of"
    return Finding(code, code, verdict, f"{prefix} {code} at step 7. And a second sentence.")


def said(**verdicts: Verdict) -> str:
    return answer([finding(code, verdict) for code, verdict in verdicts.items()])


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ({"N001": C, "L001": S, "L002": C}, "Not converging: the number of N001 at step 7."),
        ({"N001": S, "L002": C, "L001": C}, "Diverged: the number of L002 at step 7."),
        ({"L001": C, "L003": C}, "Not converging: the number of L001 at step 7."),
        ({"L001": S, "L003": C}, "Not converging: the number of L003 at step 7."),
        ({"L001": S, "B001": C}, "Not converging to anything useful: the number of B001 at step 7."),
        (
            {"L001": S, "V001": C, "L004": C},
            "Converging on the training data only: the number of V001 at step 7.",
        ),
        (
            {"L001": S, "B002": C, "A001": C},
            "Converging to less than a linear model: the number of B002 at step 7.",
        ),
        (
            {"L001": S, "L004": C, "B002": C},
            "Converging, and still falling when training stopped; but the number of B002 at step 7.",
        ),
        ({"L001": S, "L004": C}, "Converging, and still falling when training stopped."),
        (
            {"L001": S, "L004": S},
            "Converging: the number of L001 at step 7, and the number of L004 at step 7.",
        ),
        ({"L001": S, "L004": U}, "Converging: the number of L001 at step 7."),
        (
            {"L001": S, "L004": S, "G001": C},
            "Converging: the number of L001 at step 7, and the number of L004 at step 7; but the "
            "number of G001 at step 7.",
        ),
        ({"L001": U}, "Cannot tell: because of L001 at step 7."),
        ({"L001": U, "P002": C}, "Cannot tell: because of L001 at step 7; but the number of P002 at step 7."),
        ({"L004": S, "V001": S}, "Cannot tell: L001, whether the loss fell, was not asked."),
        ({}, "Cannot tell: L001, whether the loss fell, was not asked."),
    ],
)
def test_row(verdicts: dict[str, Verdict], expected: str) -> None:
    assert said(**verdicts) == expected
    assert answer([finding(c, v) for c, v in reversed(verdicts.items())]) == expected


def test_converging_is_never_said_without_the_word_of_the_loss() -> None:
    codes = ("N001", "L001", "L002", "L003", "B001", "V001", "L004")
    for verdicts in itertools.product((C, S, U), repeat=len(codes)):
        found = dict(zip(codes, verdicts, strict=True))
        sentence = said(**found)
        assert sentence.endswith(".")
        blocked = any(found[c] is C for c in ("N001", "L001", "L002", "L003", "B001"))
        assert sentence.startswith("Converging") == (found["L001"] is S and not blocked)
        assert sentence.startswith("Diverged") == (found["L002"] is C and found["N001"] is not C)
        assert sentence.startswith("Cannot tell") == (found["L001"] is U and not blocked)


def test_a_validation_loss_that_is_not_finite_says_nothing_about_the_training() -> None:
    only = Finding(
        "N001", "N001", C, "The validation loss became NaN at step 7.", series=("validation_loss",)
    )
    sentence = answer([only, finding("L001", S)])
    assert sentence == (
        "Converging: the number of L001 at step 7; but the validation loss became NaN at step 7."
    )


def test_better_than_a_constant_on_the_training_data_only() -> None:
    only = Finding("B001", "B001", C, "The validation loss ended at 2.4.", series=("validation_loss", "loss"))
    assert answer([only, finding("L001", S), finding("V001", C)]) == (
        "Converging on the training data only: the validation loss ended at 2.4."
    )


def test_a_fall_to_the_level_of_a_constant_is_not_left_unsaid() -> None:
    message = "Not assessed: the level lay between 1.07 and 1.09, too near to tell."
    near = Finding("B001", "B001", U, message, {"low": Evidence(1.07), "high": Evidence(1.09)})
    assert answer([near, finding("L001", S)]) == (
        "Converging: the number of L001 at step 7; but the level lay between 1.07 and 1.09, too near to tell."
    )


def test_the_concern_named_is_the_one_to_read_first_without_the_harm_that_came_with_it() -> None:
    """Dropout explains the dead units that were found before it."""
    said = {
        "A001": "Half of the units were dead.",
        "R002": "The dropout silenced 0.9 of the inputs; the loss ended at 2.",
    }
    concerns = [Finding(code, "", C, message) for code, message in said.items()]
    fell = Finding("L001", "", S, "The loss fell.")
    assert (
        answer([*concerns, fell]) == "Converging: the loss fell; but the dropout silenced 0.9 of the inputs."
    )


def test_what_the_fall_that_was_told_explains_is_named_last() -> None:
    """A run that was cut short is behind a linear model for that; an overwritten checkpoint is another matter."""
    concerns = [Finding(code, "", C, f"The words of {code}.") for code in ("B002", "K008", "L004")]
    told = answer([*concerns, Finding("L001", "", S, "The loss fell.")])
    assert told == "Converging, and still falling when training stopped; but the words of K008."
