"""Claims about several runs, on numbers made by hand."""

import dataclasses
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from thalweg import Record
from thalweg.certificate import Claim, Status
from thalweg.claims import STUDY_CLAIMS
from thalweg.errors import UsageError
from thalweg.study import Study
from thalweg.study_examination import Basin, FinalLosses, Line, Restarts, StudyExamination

AT = np.linspace(0.0, 1.0, 11)
NOISE = 0.005 * np.random.default_rng(0).standard_normal((8, 20))
INFO = {"constant_prediction_loss": 2.3, "loss": "sparse_categorical_crossentropy"}
"""What training gains here is 2.2, of which 2 % are 0.044."""


def study(count: int = 3, **info: Any) -> Study:
    names = tuple("abcdefgh"[:count])
    return Study(names, tuple(Record({**INFO, "seed": seed, **info}, {}) for seed in range(count)))


def losses(*levels: float) -> np.ndarray:
    return np.array(levels)[:, None] + NOISE[: len(levels)]


def final(*levels: float, validation: tuple[float, ...] = ()) -> FinalLosses:
    return FinalLosses(losses(*levels), losses(*validation) if validation else np.empty((len(levels), 0)))


def hill(height: float, end: float = 0.1) -> np.ndarray:
    return end + height * np.sin(np.pi * AT)[:, None] + NOISE[:1]


def line(height: float, matched: float | None = None, first: int = 0, second: int = 1) -> Line:
    after = None if matched is None else hill(matched)
    return Line(first, second, AT, hill(height), 20.0, after, 15.0, 96, 90)


def restarts(*ends: float, control: float = 0.1, start: float = 0.1, lifted: float = 0.6) -> Restarts:
    looks = np.array([0, 100, 200])
    courses = np.full((1 + len(ends), 3), 0.1)
    by_group = losses(start, control, *ends)
    return Restarts(
        0,
        0.4,
        200,
        32,
        0.001,
        by_group[0],
        np.full(len(ends), lifted),
        by_group[1],
        by_group[2:],
        looks,
        courses,
    )


def examined(**parts: Any) -> StudyExamination:
    return StudyExamination(**{"examples": 1000, "total": 1000, "losses": final(0.1, 0.1, 0.1), **parts})


def ask(name: str, of: Study, examination: StudyExamination) -> Claim:
    return next(question for question in STUDY_CLAIMS if question.name == name).ask(of, examination)


def test_equal_seeds_agree_and_it_is_said_what_would_have_shown():
    claim = ask(
        "seeds-agree", study(), examined(losses=final(0.1, 0.105, 0.098, validation=(0.2, 0.21, 0.2)))
    )
    assert claim.status is Status.ESTABLISHED
    assert claim.evidence["low"].value == pytest.approx(0.098, abs=0.003)
    assert 0.007 < claim.evidence["upper"].value < 0.044
    assert claim.evidence["upper"].threshold == pytest.approx(0.02 * 2.2, rel=0.01)
    assert 0.0 < claim.evidence["detectable"].value < 0.02
    assert "3 seeds would have shown a spread of" in claim.message


def test_a_seed_that_ended_higher_is_named():
    claim = ask("seeds-agree", study(), examined(losses=final(0.1, 0.3, 0.1)))
    assert claim.status is Status.REFUTED
    assert claim.evidence["apart"].value == "b"
    assert 0.18 < claim.evidence["lower"].value < 0.2


def test_a_diverged_seed_is_named_and_all_diverged_is_no_agreement():
    diverged = FinalLosses(losses(0.1, np.nan, 0.1), np.empty((3, 0)))
    claim = ask("seeds-agree", study(), examined(losses=diverged))
    assert claim.status is Status.REFUTED and claim.evidence["names"].value == "b"
    all_diverged = FinalLosses(np.full((3, 20), np.inf), np.empty((3, 0)))
    assert ask("seeds-agree", study(), examined(losses=all_diverged)).status is Status.NOT_ESTABLISHED


def test_validation_losses_that_clearly_differ_refute_agreement():
    claim = ask("seeds-agree", study(), examined(losses=final(0.1, 0.1, 0.1, validation=(0.2, 0.2, 0.4))))
    assert claim.status is Status.REFUTED and claim.evidence["apart"].value == "c"
    assert "validation" in claim.message


def test_between_agreement_and_difference_it_stays_open():
    rough = FinalLosses(losses(0.1, 0.1, 0.1) + 20.0 * NOISE[3:6], np.empty((3, 0)))
    claim = ask("seeds-agree", study(), examined(losses=rough))
    assert claim.status is Status.NOT_ESTABLISHED and claim.evidence["upper"].value > 0.044
    unknown = ask("seeds-agree", study(constant_prediction_loss=None), examined())
    assert unknown.status is Status.NOT_ESTABLISHED and "not known" in unknown.message


def test_a_line_is_ready_for_a_chart():
    drawn = line(1.0)
    np.testing.assert_allclose(drawn.course, 0.1 + np.sin(np.pi * AT) + NOISE[0].mean())
    assert len(drawn.matched_course) == 0
    np.testing.assert_allclose(line(1.0, 0.5).matched_course[5], 0.6 + NOISE[0].mean())


def test_no_barrier_is_one_valley():
    claim = ask("same-valley", study(2), examined(losses=final(0.1, 0.1), lines=(line(0.01),)))
    assert claim.status is Status.ESTABLISHED and claim.evidence["valley"].value == "the same"


def test_a_barrier_that_matching_takes_away_is_one_valley_by_permutation():
    claim = ask("same-valley", study(2), examined(losses=final(0.1, 0.1), lines=(line(1.3, 0.01),)))
    assert claim.status is Status.ESTABLISHED
    assert claim.evidence["valley"].value == "the same by permutation"
    assert claim.evidence["before"].value == pytest.approx(1.3, abs=0.01)
    assert "1.3" in claim.message


def test_a_barrier_that_stays_is_another_valley_and_the_pair_is_named():
    lines = (line(1.3, 0.01), line(1.2, 0.2, 0, 2), line(1.1, 0.01, 1, 2))
    claim = ask("same-valley", study(), examined(lines=lines))
    assert claim.status is Status.REFUTED and claim.evidence["valley"].value == "another"
    assert (claim.evidence["first"].value, claim.evidence["second"].value) == ("a", "c")
    assert claim.evidence["barrier"].value == pytest.approx(0.2, abs=0.01)
    assert claim.evidence["apart"].value == 1


def test_matching_that_makes_a_flat_line_worse_is_not_used():
    claim = ask("same-valley", study(2), examined(losses=final(0.1, 0.1), lines=(line(0.01, 0.3),)))
    assert claim.status is Status.ESTABLISHED


def test_a_barrier_stays_open_where_units_cannot_be_matched():
    missing = {"matching": "hidden units cannot be matched: the layer lstm (LSTM)"}
    claim = ask(
        "same-valley", study(2), examined(losses=final(0.1, 0.1), lines=(line(1.3),), missing=missing)
    )
    assert claim.status is Status.NOT_ESTABLISHED and "lstm" in claim.message


def test_lines_that_were_not_drawn_leave_it_open():
    claim = ask("same-valley", study(), examined(lines=(line(0.01),)))
    assert claim.status is Status.NOT_ESTABLISHED and claim.evidence["pairs"].value == 3


def test_restarts_that_return_find_nothing_lower():
    basin = Basin(0, np.array([0.1, 0.2, 0.4]), np.array([[0.0, 0.044, 0.5], [0.0, 0.022, 0.066]]))
    made = examined(restarts=restarts(0.1, 0.102, 0.099), basin=basin)
    claim = ask("nothing-lower", study(1), made)
    assert claim.status is Status.ESTABLISHED
    assert claim.evidence["lift"].value == pytest.approx(0.5, abs=0.01)
    # 2 % of what training gained, 0.044: at 0.2 in one direction, half-way from 0.2 to 0.4 in the other.
    assert claim.evidence["narrow"].value == pytest.approx(0.2, rel=0.01)
    assert claim.evidence["wide"].value == pytest.approx(0.3, rel=0.01)
    assert "no more than that" not in claim.message
    flat = ask("nothing-lower", study(1), examined(restarts=restarts(0.1, 0.1, lifted=0.12)))
    assert flat.status is Status.ESTABLISHED and "no more than that" in flat.message


def test_a_restart_that_ends_lower_refutes_it():
    claim = ask(
        "nothing-lower",
        study(1),
        examined(losses=final(0.6), restarts=restarts(0.6, 0.2, control=0.6, start=0.6)),
    )
    assert claim.status is Status.REFUTED
    assert claim.evidence["lowest"].value == pytest.approx(-0.4, abs=0.01)


def test_a_run_that_was_still_falling_is_not_at_the_bottom():
    falling = restarts(0.1, 0.1, control=0.1, start=0.6)
    assert (
        ask("nothing-lower", study(1), examined(losses=final(0.6), restarts=falling)).status is Status.REFUTED
    )
    part = examined(losses=final(0.6), restarts=falling, total=60_000)
    claim = ask("nothing-lower", study(1), part)
    assert claim.status is Status.NOT_ESTABLISHED and "by heart" in claim.message


def test_whether_the_control_fell_must_be_known():
    rough = dataclasses.replace(restarts(0.1, 0.1), start=0.1 + 40.0 * (NOISE[7] - NOISE[7].mean()))
    assert (
        ask("nothing-lower", study(1), examined(losses=final(0.1), restarts=rough)).status
        is Status.NOT_ESTABLISHED
    )


def test_a_restart_that_does_not_come_back_leaves_it_open():
    claim = ask("nothing-lower", study(1), examined(losses=final(0.1), restarts=restarts(0.1, 0.5)))
    assert claim.status is Status.NOT_ESTABLISHED and claim.evidence["highest"].value == pytest.approx(
        0.4, abs=0.01
    )
    lost = examined(losses=final(0.1), restarts=restarts(0.1, np.nan))
    assert ask("nothing-lower", study(1), lost).status is Status.NOT_ESTABLISHED


@pytest.mark.parametrize("question", STUDY_CLAIMS, ids=lambda question: question.name)
def test_what_was_not_measured_says_why(question):
    claim = question.ask(study(), StudyExamination(missing={question.part: "the {budget} was spent"}))
    assert claim.status is Status.NOT_ESTABLISHED and "the {budget} was spent" in claim.message
    if question.fewest > 1:
        assert "at least 2 runs" in question.ask(study(1), examined()).message


@pytest.mark.parametrize("name", ["seeds-agree", "same-valley"])
def test_unlike_runs_are_not_compared(name):
    other = Study(("a", "b"), (Record(INFO, {}), Record({**INFO, "loss": "mse"}, {})))
    claim = ask(name, other, examined(losses=final(0.1, 0.1), lines=(line(0.01),)))
    assert claim.status is Status.NOT_ESTABLISHED and "The loss of b is mse" in claim.message


ODD = st.one_of(st.floats(), st.sampled_from([0.0, 1.0, 1e300, np.nan, np.inf]))


def odd(*shape: int) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.float64, shape, elements=ODD)


@st.composite
def examinations(draw: st.DrawFn) -> StudyExamination:
    k, g, r = draw(st.integers(0, 4)), draw(st.integers(0, 3)), draw(st.integers(0, 3))
    p = draw(st.integers(0, 4))
    positions = np.linspace(0.0, 1.0, p)
    made = Restarts(
        draw(st.integers(0, 5)),
        0.4,
        9,
        1,
        0.1,
        *(draw(odd(*s)) for s in [(g,), (r,), (g,), (r, g)]),
        np.arange(2),
        draw(odd(r + 1, 2)),
    )
    return StudyExamination(
        losses=FinalLosses(draw(odd(k, g)), draw(odd(k, draw(st.integers(0, 3))))),
        lines=tuple(
            Line(0, draw(st.integers(0, 5)), positions, draw(odd(p, g)), 1.0, draw(st.none() | odd(p, g)))
            for _ in range(2)
        ),
        basin=Basin(made.run, np.array([0.1, 0.2]), draw(odd(draw(st.integers(0, 2)), 2))),
        restarts=made,
    )


@given(examinations(), st.integers(1, 4), ODD)
@settings(max_examples=200, deadline=None)
def test_total(examination, count, begun):
    with warnings.catch_warnings(), np.errstate(divide="warn", over="warn", invalid="warn"):
        warnings.simplefilter("error")
        for question in STUDY_CLAIMS:
            claim = question.ask(study(count, constant_prediction_loss=begun), examination)
            assert claim.message and claim.name == question.name


def test_every_claim_has_its_own_name_and_a_manual():
    assert len({question.name for question in STUDY_CLAIMS}) == len(STUDY_CLAIMS)
    for question in STUDY_CLAIMS:
        assert question.__doc__ and dataclasses.is_dataclass(question)


def test_a_study_says_what_is_not_the_same():
    layers = [{"name": "dense", "class": "Dense", "units": 8, "activation": "relu"}]
    info = {
        **INFO,
        "layers": layers,
        "optimizer": {"class": "Adam", "learning_rate": 0.001},
        "data": {"total": 100},
    }
    renamed = {**info, "layers": [{**layers[0], "name": "dense_1"}], "seed": 4}
    assert Study(("a", "b"), (Record(info, {}), Record(renamed, {}))).differences == ()
    assert Study(("a", "b"), (Record(info, {}), Record({}, {}))).differences == ()
    wider = {
        **info,
        "layers": [{**layers[0], "units": 9}],
        "optimizer": {"class": "Adam", "learning_rate": 0.01},
    }
    assert Study(("a", "b"), (Record(info, {}), Record(wider, {}))).differences == (
        "The layers of b are not those of a, from the Dense layer on, number 1.",
        "The learning rate of b is 0.01, that of a 0.001.",
    )
    fewer = {**info, "data": {"total": 90}, "layers": layers * 2}
    assert Study(("a", "b"), (Record(info, {}), Record(fewer, {}))).differences == (
        "The layers of b are not those of a: 2 against 1.",
        "The number of training examples of b is 90, that of a 100.",
    )


def test_a_study_refuses_what_is_none():
    for names, records in [((), ()), (("a",), (Record({}, {}),) * 2), (("a", "a"), (Record({}, {}),) * 2)]:
        with pytest.raises(UsageError):
            Study(names, records)
