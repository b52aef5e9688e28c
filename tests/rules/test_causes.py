"""Findings with one cause are one diagnosis."""

from hypothesis import given
from hypothesis import strategies as st

from thalweg import RULES, Finding, Verdict
from thalweg.rules.causes import EXPLAINS, causes


def concern(code):
    return Finding(code, "", Verdict.CONCERN, "")


def test_symptoms_are_folded_under_the_most_upstream_cause():
    found = [concern(code) for code in ("L001", "B001", "P003", "D002")]
    assert causes(found) == {"L001": "D002", "B001": "D002", "P003": "D002"}


def test_what_nothing_explains_stands_for_itself():
    assert causes([concern("K008"), concern("V001")]) == {}


def test_only_concerns_explain_and_are_explained():
    fine = Finding("D002", "", Verdict.SATISFACTORY, "")
    assert causes([fine, concern("L001")]) == {}


def test_no_row_explains_one_above_it():
    rows = list(EXPLAINS)
    for number, cause in enumerate(rows):
        assert cause not in EXPLAINS[cause]
        assert not set(EXPLAINS[cause]) & set(rows[:number]), cause


@given(st.sets(st.sampled_from(sorted({*EXPLAINS, *(c for row in EXPLAINS.values() for c in row)}))))
def test_every_concern_is_a_cause_or_has_one_that_is(codes):
    because = causes([concern(code) for code in codes])
    assert set(because) <= codes
    for cause in because.values():
        assert cause in codes and cause not in because


def test_every_code_of_the_table_is_a_rule():
    known = {rule.code for rule in RULES}
    assert {*EXPLAINS, *(c for row in EXPLAINS.values() for c in row)} <= known


def test_data_explain_where_a_run_began_and_what_validation_says():
    for cause in ("D004", "D005", "D010", "D011"):
        assert causes([concern(cause), concern("O007")]) == {"O007": cause}
    for cause in ("D006", "D007", "D011"):
        assert causes([concern(cause), concern("L004")]) == {"L004": cause}
    assert causes([concern("D009"), concern("B001"), concern("V001")]) == {"B001": "D009", "V001": "D009"}


def test_what_the_layers_are_explains_what_they_did():
    found = [concern(code) for code in ("A001", "M003", "P002", "B001")]
    assert causes(found) == {"A001": "M003", "P002": "M003", "B001": "M003"}
    assert causes([concern("O002"), concern("A001")]) == {"A001": "O002"}


def test_steps_too_noisy_explain_what_overflows_and_nothing_else_is_first():
    found = [concern(code) for code in ("G003", "G001", "P001", "N001", "P008")]
    assert set(causes(found)) == {"G003", "G001", "P001", "N001"}


def test_training_longer_is_not_what_to_do_first_where_something_is_wrong():
    for cause in ("P002", "P003", "P007", "P008", "R003"):
        assert causes([concern(cause), concern("L004")]) == {"L004": cause}


def test_a_penalty_and_averages_that_lag_explain_what_looks_like_dead_units_or_long_steps():
    for cause in ("R001", "R003"):
        found = [concern(code) for code in ("A001", "P001", "P003", "B001")]
        assert set(causes([*found, concern(cause)]).values()) == {cause}
    assert causes([concern("O007"), concern("R003")]) == {"O007": "R003"}


def test_layers_frozen_at_random_explain_why_the_network_could_not_tell():
    found = [concern(code) for code in ("D008", "D009", "L001", "O007", "W001")]
    assert causes(found) == dict.fromkeys(("D008", "D009", "L001", "O007"), "W001")
    assert causes([concern("D008"), concern("W002")]) == {"D008": "W002"}


def test_noise_explains_the_dead_units_of_a_network_that_learned_nothing():
    found = [concern(code) for code in ("A001", "A002", "P001", "P008", "G002", "L001", "R002")]
    assert set(causes(found).values()) == {"R002"} and len(causes(found)) == 6


def test_a_contract_stands_above_what_became_of_the_rare_classes():
    for cause in ("O001", "O002", "O003"):
        assert causes([concern("D010"), concern(cause)]) == {"D010": cause}
    assert causes([concern("A001"), concern("D011"), concern("P003")]) == {"A001": "D011", "P003": "D011"}


def test_a_softmax_within_stands_above_the_loss_that_it_began_with():
    assert causes([concern("M002"), concern("O007")]) == {"O007": "M002"}
    assert causes([concern("L004"), concern("N001")]) == {"L004": "N001"}
    assert causes([concern("A002"), concern("G001")]) == {"A002": "G001"}


def test_a_warm_up_that_had_not_ended_explains_gradients_of_weights_that_never_moved():
    found = [concern(code) for code in ("G002", "L004", "P001", "B001", "P009")]
    assert causes(found) == dict.fromkeys(("G002", "L004", "P001", "B001"), "P009")
