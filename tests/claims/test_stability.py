"""The step size is inside its stability limit: on numbers made by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thalweg import Record, Series
from thalweg.certificate import Status
from thalweg.claims.stability import StepSize
from thalweg.examination import Examination, Ritz, StepLimit


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


@given(*(st.floats() for _ in range(4)), st.lists(st.floats(), max_size=40))
def test_total(value, residual, limit, rate, losses):
    found = StepLimit(Ritz(value, residual), limit, "2 / learning rate", rate)
    run = Record.of([Series("loss", "loss", np.arange(len(losses)), np.array(losses))])
    StepSize().ask(run, Examination(step_limit=found))
