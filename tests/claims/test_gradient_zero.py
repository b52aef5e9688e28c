"""The gradient is zero against its own noise: on gradients of made-up examples, whose mean is known."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from thalweg import Record
from thalweg.certificate import Claim, Status
from thalweg.claims.gradient_zero import GradientZero
from thalweg.examination import Examination, Gradients

EMPTY = Record.of([])


def examined(
    scale: float, n: int = 800, b: int = 8, total: int | None = 800, d: int = 30, seed: int = 0
) -> Examination:
    """Gradients of n examples, their mean of square `scale` times tr(Sigma) / n, in one partition into batches."""
    rng = np.random.default_rng(seed)
    each = rng.standard_normal((n, d))
    each -= each.mean(axis=0)
    trace = np.trace(np.cov(each.T))
    each += np.sqrt(scale * trace / n / d)
    g = each[rng.permutation(n)].reshape(-1, b, d).mean(axis=1)
    products, squares = np.sum(g[::2] * g[1::2], axis=1), np.sum(g * g, axis=1)
    whole = float(np.sum(each.mean(axis=0) ** 2))
    return Examination(
        parameters=d, examples=n, total=total, gradients=Gradients(products, squares, b, whole)
    )


def asked(examination: Examination) -> Claim:
    return GradientZero().ask(EMPTY, examination)


@pytest.mark.parametrize(
    ("scale", "status"),
    [
        (0.0, Status.ESTABLISHED),
        (0.5, Status.ESTABLISHED),
        (1.0, Status.NOT_ESTABLISHED),
        (2.0, Status.REFUTED),
        (100.0, Status.REFUTED),
    ],
)
def test_of_all_examples(scale: float, status: Status) -> None:
    claim = asked(examined(scale))
    assert claim.status is status, claim.message
    truth = np.inf if scale == 0.0 else 800 / scale
    assert claim.evidence["noise_scale"].value == pytest.approx(truth, rel=0.1) or scale == 0.0
    assert claim.evidence["noise_scale"].threshold == 800
    assert claim.scope.startswith("all 800 training examples")


@pytest.mark.parametrize(
    ("total", "scale", "status"),
    [
        (8000, 0.0, Status.NOT_ESTABLISHED),
        (8000, 1.0, Status.NOT_ESTABLISHED),
        (None, 0.0, Status.NOT_ESTABLISHED),
        (8000, 20.0, Status.REFUTED),
        (None, 20.0, Status.REFUTED),
    ],
)
def test_of_a_sample(total: int | None, scale: float, status: Status) -> None:
    """Of a tenth of the examples no batch can show that the gradient of all is small; it can show that it is not."""
    claim = asked(examined(scale, total=total))
    assert claim.status is status, claim.message
    if status is Status.REFUTED:
        assert claim.evidence["noise_scale"].value == pytest.approx(800 / 20, rel=0.3)


def test_a_sample_whose_products_are_positive_by_luck_refutes_nothing() -> None:
    claim = asked(examined(4.0, total=8000, seed=2))
    assert claim.evidence["excess"].value > 0.0 > claim.evidence["low"].value
    assert claim.status is Status.NOT_ESTABLISHED


def test_without_the_whole_gradient_products_below_zero_show_it() -> None:
    """Of many parameters, whose noises cancel, the pairs alone tell -tr(Sigma) / N from zero."""
    found = examined(0.0, d=8000)
    assert found.gradients is not None
    claim = asked(replace(found, gradients=replace(found.gradients, whole=np.nan)))
    assert claim.status is Status.ESTABLISHED, claim.message
    assert claim.evidence["noise_scale"].value == "unresolved"


def test_at_the_line_hardly_any_is_called_either_way() -> None:
    """Where |G|^2 is tr(Sigma) / N exactly, neither answer may come in more than 5 % of data sets."""
    statuses = [asked(examined(1.0, 400, seed=seed, total=400)).status for seed in range(100)]
    assert statuses.count(Status.ESTABLISHED) <= 5
    assert statuses.count(Status.REFUTED) <= 5


def test_a_dead_network_has_no_gradient_and_no_noise() -> None:
    none = Gradients(np.zeros(30), np.zeros(60), 8, 0.0)
    assert (
        asked(Examination(parameters=3, examples=480, total=480, gradients=none)).status is Status.ESTABLISHED
    )
    # A penalty alone has a gradient without noise.
    penalty = Gradients(np.full(30, 2.0), np.full(60, 2.0), 8, 2.0)
    assert (
        asked(Examination(parameters=3, examples=480, total=480, gradients=penalty)).status is Status.REFUTED
    )


@pytest.mark.parametrize(
    ("whole", "rounding", "total", "status"),
    [
        (2e-9, 3e-9, 480, Status.ESTABLISHED),
        (2e-9, 3e-9, 9000, Status.ESTABLISHED),
        (2e-9, 1e-9, 480, Status.REFUTED),
        (2e-9, 1e-9, None, Status.REFUTED),
        (2e-9, np.nan, 480, Status.REFUTED),
    ],
)
def test_where_no_example_differs_it_is_held_against_rounding(
    whole: float, rounding: float, total: int | None, status: Status
) -> None:
    found = Gradients(np.full(30, whole), np.full(60, whole), 8, whole, rounding)
    claim = asked(Examination(parameters=3, examples=480, total=total, gradients=found))
    assert claim.status is status, claim.message
    if np.isfinite(rounding):
        assert claim.message == (
            f"The squared norm of the gradient was 2e-09, where rounding the weights makes it {rounding:.0e}, and "
            "examples drawn anew no more."
        )


def test_rounding_is_no_tolerance_where_examples_differ_more() -> None:
    for scale in (0.5, 1.0, 2.0):
        found = examined(scale)
        assert found.gradients is not None
        little = replace(found, gradients=replace(found.gradients, rounding=0.5 * found.gradients.whole))
        assert asked(little).message == asked(found).message


def test_a_constraint_may_hold_the_weights() -> None:
    for total in (800, 8000):
        claim = asked(replace(examined(50.0, total=total), constrained=12))
        assert claim.status is Status.REFUTED
        assert claim.message.endswith(
            "Parameters under a constraint: 12; where it holds them, the gradient need not vanish."
        )
        assert claim.evidence["constrained"].value == 12


@pytest.mark.parametrize(
    ("gradients", "words"),
    [
        (None, "the model was not looked at"),
        (Gradients(np.empty(0), np.empty(0), 8), "no finite"),
        (Gradients(np.full(30, np.nan), np.ones(60), 8, 1.0), "no finite"),
        (Gradients(np.ones(19), np.ones(38), 8, 1.0), "there were 19"),
    ],
)
def test_what_cannot_be_told_is_not_established(gradients: Gradients | None, words: str) -> None:
    claim = asked(Examination(parameters=3, examples=480, total=480, gradients=gradients))
    assert claim.status is Status.NOT_ESTABLISHED
    assert words in claim.message


@given(
    arrays(np.float64, st.sampled_from([0, 1, 20, 41])),
    st.floats(),
    st.integers(0, 9),
    st.integers(0, 100),
    st.none() | st.integers(0, 100),
    st.floats(),
)
@settings(max_examples=80, deadline=None)
def test_total(
    products: np.ndarray, whole: float, b: int, examples: int, total: int | None, rounding: float
) -> None:
    found = Gradients(products, np.repeat(np.abs(products), 2), b, whole, rounding)
    assert asked(Examination(parameters=1, examples=examples, total=total, gradients=found)).message
