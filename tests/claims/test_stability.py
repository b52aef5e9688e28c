"""The step size is inside its stability limit: on numbers made by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thalweg import Record, Series
from thalweg.certificate import Status
from thalweg.claims.stability import StepSize
from thalweg.examination import BatchSharpness, Examination, Ritz, StepLimit


def record(slope: float, steps: int = 400, noise: float = 0.01) -> Record:
    at = np.arange(1, steps + 1)
    values = 1.0 + slope * at / steps + noise * np.random.default_rng(0).standard_normal(steps)
    return Record.of([Series("loss", "loss", at, values)])


FALLING, FLAT, RISING = record(-0.5), record(0.0), record(0.5)


def asked(
    ratio: float, run: Record = FLAT, residual: float = 1e-3, limit: float = 20.0, preconditioned=False
):
    found = StepLimit(Ritz(ratio * limit, residual * limit), limit, "2 / learning rate", 0.1, preconditioned)
    return StepSize().ask(run, Examination(parameters=500, examples=100, total=200, step_limit=found))


@pytest.mark.parametrize(
    ("ratio", "run", "residual", "status", "words"),
    [
        (0.3, FALLING, 1e-3, Status.ESTABLISHED, "below the edge"),
        (0.3, RISING, 1e-3, Status.ESTABLISHED, "below the edge"),  # another rule's business
        (-0.1, FALLING, 1e-3, Status.ESTABLISHED, "below the edge"),
        (1.01, FALLING, 1e-3, Status.ESTABLISHED, "at the edge"),
        (1.01, RISING, 1e-3, Status.ESTABLISHED, "at the edge"),
        (0.85, FALLING, 0.1, Status.ESTABLISHED, "at the edge"),
        (1.6, RISING, 1e-3, Status.REFUTED, "above the edge, and the loss rose"),
        (1.6, FALLING, 1e-3, Status.NOT_ESTABLISHED, "not seen to rise"),
        (1.6, FLAT, 1e-3, Status.NOT_ESTABLISHED, "not seen to rise"),
        (1.6, Record.of([]), 1e-3, Status.NOT_ESTABLISHED, "not seen to rise"),
        (1.6, RISING, 0.5, Status.NOT_ESTABLISHED, "too wide an interval"),
        (1.0, RISING, 0.5, Status.NOT_ESTABLISHED, "too wide an interval"),
        (np.nan, RISING, 1e-3, Status.NOT_ESTABLISHED, "not finite"),
        (np.inf, RISING, 1e-3, Status.NOT_ESTABLISHED, "not finite"),
    ],
)
def test_status(ratio, run, residual, status, words):
    claim = asked(ratio, run, residual)
    assert claim.status is status and words in claim.message
    assert claim.evidence.get("ratio") is None or claim.evidence["ratio"].value == pytest.approx(ratio)


def test_a_loss_that_left_every_bound_has_risen():
    series = RISING.series["loss"]
    run = Record.of(
        [Series("loss", "loss", series.steps, np.r_[series.values[:-3], [np.inf, np.nan, np.nan]])]
    )
    assert asked(1.6, run).status is Status.REFUTED


def test_what_it_says():
    assert asked(1.02, limit=20.0).message == (
        "The largest eigenvalue was 20.4 ± 0.02, 1.02 times the limit of 20 (2 / learning rate, at 0.1): at the "
        "edge of stability, where full-batch training usually stays."
    )
    assert "preconditioned Hessian" in asked(1.0, preconditioned=True).scope
    assert "100 of 200 training examples" in asked(1.0).scope


def test_a_rate_of_zero_is_stable():
    found = StepLimit(Ritz(5.0, 0.1), np.inf, "2 / learning rate", 0.0)
    assert StepSize().ask(FLAT, Examination(step_limit=found)).status is Status.ESTABLISHED


def test_not_looked_at():
    claim = StepSize().ask(FLAT, Examination(missing={"step_limit": "no limit is known for Lion"}))
    assert claim.status is Status.NOT_ESTABLISHED and "no limit is known for Lion" in claim.message


def batched(ratio: float, scatter: float = 0.1, run: Record = FLAT, **asked):
    """Of a step limit of 20, a largest eigenvalue of 0.7 times that and 100 batches around this ratio."""
    each = 20.0 * (ratio + scatter * np.tile([-1.0, 1.0], 50))
    found = StepLimit(Ritz(14.0, 0.01), 20.0, "2 / learning rate", 0.1, **asked)
    batches = BatchSharpness(each, np.tile([1.0, 3.0], 50), 8)
    return StepSize().ask(
        run, Examination(parameters=500, examples=100, step_limit=found, batch_sharpness=batches)
    )


@pytest.mark.parametrize(
    ("ratio", "scatter", "run", "status", "words"),
    [
        (0.5, 0.1, FALLING, Status.ESTABLISHED, "below the edge"),
        (0.97, 0.1, RISING, Status.ESTABLISHED, "at the edge of stability, where plain SGD usually stays"),
        (1.5, 0.1, FALLING, Status.NOT_ESTABLISHED, "above the edge, but the loss was not seen to rise"),
        (1.5, 0.1, RISING, Status.REFUTED, "above the edge, and the loss rose"),
        (1.1, 1.0, RISING, Status.NOT_ESTABLISHED, "too wide an interval"),
        (np.nan, 1.0, RISING, Status.ESTABLISHED, "that of 0 batches of 8 was not finite"),
    ],
)
def test_of_mini_batches_the_batch_sharpness_counts(ratio, scatter, run, status, words):
    claim = batched(ratio, scatter, run)
    assert claim.status is status and words in claim.message
    assert claim.evidence["ratio"].value == pytest.approx(0.7)
    if np.isfinite(ratio):
        assert claim.evidence["batch_ratio"].value == pytest.approx(ratio)
        assert claim.evidence["batch_error"].value == pytest.approx(20.0 * scatter / np.sqrt(99))
        weighted = 20.0 * (ratio + 0.5 * scatter)
        assert claim.evidence["weighted_batch_sharpness"].value == pytest.approx(weighted)


def test_what_it_says_of_batches():
    assert batched(0.97).message == (
        "The largest eigenvalue was 14 ± 0.01, 0.7 times the limit of 20 (2 / learning rate, at 0.1); batch "
        "sharpness was 19.4 ± 0.201 (standard error, 100 batches of 8), 0.97 times it: at the edge of stability, "
        "where plain SGD usually stays."
    )


def test_the_largest_eigenvalue_counts_where_it_is_larger():
    assert batched(0.3).status is Status.ESTABLISHED and "at the edge" not in batched(0.3).message
    each, found = np.full(50, 6.0), StepLimit(Ritz(32.0, 0.01), 20.0, "2 / learning rate", 0.1)
    measured = Examination(step_limit=found, batch_sharpness=BatchSharpness(each, np.ones(50), 8))
    assert StepSize().ask(RISING, measured).status is Status.REFUTED


@pytest.mark.parametrize("asked", [{"momentum": 0.9}, {"preconditioned": True}])
def test_with_momentum_or_a_preconditioner_it_is_told_and_held_against_nothing(asked):
    claim = batched(1.5, run=RISING, **asked)
    assert claim.status is Status.ESTABLISHED and "batch_ratio" not in claim.evidence
    assert "batch sharpness was 30" in claim.message and "SGD without momentum alone" in claim.message


def test_batches_that_were_not_looked_at_are_said():
    found = StepLimit(Ritz(14.0, 0.01), 20.0, "2 / learning rate", 0.1)
    missing = {"batch_sharpness": "of 3 examples no batches of {8} can be drawn"}
    claim = StepSize().ask(FLAT, Examination(step_limit=found, missing=missing))
    assert "its batches were not looked at (of 3 examples no batches of {8} can be drawn)" in claim.message


@pytest.mark.parametrize(
    ("limit", "norms", "status", "words"),
    [
        (1.0, 0.5, Status.REFUTED, "above the edge, and the loss rose"),
        (1.0, 4.0, Status.NOT_ESTABLISHED, "gradients that are clipped, as 100 % of the last ones were"),
        (1.0, None, Status.NOT_ESTABLISHED, "whether they were is not known"),
    ],
)
def test_a_clipped_step_is_not_refuted(limit, norms, status, words):
    """What was clipped in the first steps alone says nothing of the last."""
    info = {"optimizer": {"global_clipnorm": limit}}
    series = [RISING.series["loss"]]
    if norms is not None:
        series.append(
            Series("gradient_norm", "1", np.arange(1, 401), np.r_[np.full(200, 9.0), np.full(200, norms)])
        )
    found = StepLimit(Ritz(32.0, 0.01), 20.0, "2 / learning rate", 0.1, clips=True)
    claim = StepSize().ask(Record.of(series, info), Examination(step_limit=found))
    assert claim.status is status and words in claim.message


@given(*(st.floats() for _ in range(4)), *(st.lists(st.floats(), max_size=40) for _ in range(3)))
def test_total(value, residual, limit, rate, losses, curvatures, squares):
    found = StepLimit(Ritz(value, residual), limit, "2 / learning rate", rate, clips=True)
    batches = BatchSharpness(np.array(curvatures), np.array(squares), 4)
    run = Record.of([Series("loss", "loss", np.arange(len(losses)), np.array(losses))])
    StepSize().ask(run, Examination(step_limit=found, batch_sharpness=batches))
