"""Statistics of several runs: paired differences, barriers, agreement and filter-normalised directions."""

import warnings

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from thalweg.stats.agreement import agreement
from thalweg.stats.barrier import barrier
from thalweg.stats.filters import filter_normalised
from thalweg.stats.paired import paired

ODD = st.one_of(st.floats(), st.floats(-5, 5), st.sampled_from([0.0, 1e300, -1e300, np.inf, np.nan]))
MATRICES = st.tuples(st.integers(0, 5), st.integers(0, 5)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=ODD)
)
AT = np.linspace(0.0, 1.0, 11)


@given(MATRICES)
@settings(max_examples=150, deadline=None)
def test_total(values):
    with warnings.catch_warnings(), np.errstate(divide="warn", over="warn", invalid="warn"):
        warnings.simplefilter("error")
        agreement(values)
        barrier(np.linspace(0.0, 1.0, len(values)) if len(values) else [], values)
        paired(values.ravel(), values[::-1].ravel(), 0.01)
        (direction,) = filter_normalised([values], np.random.default_rng(0))
        assert direction.shape == values.shape


def test_paired_against_scipy():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 17))
    expected = scipy.stats.ttest_rel(a, b).confidence_interval(0.98)
    found = paired(a, b, 0.01)
    assert (found.lower, found.upper) == pytest.approx((expected.low, expected.high))


def test_barrier_of_a_double_well_is_its_hill():
    """L = (w^2 - 1)^2 from -1 to 1: the hill at 0 is 1 high."""
    w = 2.0 * AT - 1.0
    losses = np.tile(((w**2 - 1.0) ** 2)[:, None], (1, 8)) + np.linspace(0, 1, 8)
    found = barrier(AT, losses)
    assert (found.height, found.position) == (pytest.approx(1.0), pytest.approx(0.5))
    assert found.error == pytest.approx(0.0, abs=1e-12)
    assert found.lower == pytest.approx(1.0) and found.upper == pytest.approx(1.0)


@given(st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_a_convex_loss_has_no_barrier(seed):
    """Squared errors of a linear model, along the line between any two of them."""
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((40, 6)), rng.standard_normal(40)
    first, second = 3.0 * rng.standard_normal((2, 6))
    by_example = np.array([(x @ ((1 - a) * first + a * second) - y) ** 2 for a in AT])
    assert barrier(AT, by_example.reshape(11, 8, 5).mean(axis=2)).height <= 1e-9


def test_barrier_bounds_hold_as_often_as_stated():
    """A flat line measured with noise of its own at every position: above zero in at most 1 %, at 5 %."""
    rng = np.random.default_rng(1)
    missed = {"lower": 0, "upper": 0}
    for _ in range(400):
        found = barrier(AT, rng.standard_normal((11, 20)), miss=0.05)
        missed["lower"] += found.lower > 0.0
        missed["upper"] += found.upper < 0.0
    assert missed["lower"] <= 32 and missed["upper"] <= 32  # 20 expected at most; 32 is 2.8 sigma above


def test_a_line_that_is_not_finite_is_an_infinite_barrier():
    losses = np.ones((11, 4))
    losses[4, 2] = np.nan
    found = barrier(AT, losses)
    assert found.height == found.lower == np.inf and found.position == pytest.approx(0.4)
    losses[0, 0] = np.inf
    assert np.isnan(barrier(AT, losses).height)


def runs(rng: np.random.Generator, count: int, spread: float, groups: int = 20) -> np.ndarray:
    """Losses on common groups: what is common to all, what is of the seed, what is of seed and group."""
    common, seed = rng.standard_normal(groups), spread * rng.standard_normal((count, 1))
    return np.asarray(2.0 + common + seed + 0.3 * rng.standard_normal((count, groups)))


def test_agreement_of_equal_seeds_rejects_no_more_often_than_stated():
    rng = np.random.default_rng(2)
    rejected = sum(agreement(runs(rng, 4, 0.0), miss=0.05).lower > 0.0 for _ in range(400))
    assert 2 <= rejected <= 32


@pytest.mark.parametrize("count", [2, 3, 6])
def test_a_detectable_spread_is_detected_as_often_as_stated(count):
    rng = np.random.default_rng(3)
    detectable = np.median([agreement(runs(rng, count, 0.0)).detectable for _ in range(50)])
    told = sum(agreement(runs(rng, count, float(detectable))).lower > 0.0 for _ in range(400))
    assert 0.74 < told / 400 < 0.92  # of many pairs some have narrower intervals


def test_agreement_finds_the_spread_and_the_pair():
    rng = np.random.default_rng(4)
    squares = [agreement(runs(rng, 5, 0.5)).spread ** 2 for _ in range(300)]
    assert np.sqrt(np.mean(squares)) == pytest.approx(0.5, rel=0.08)
    losses = np.ones((3, 20)) + 0.01 * rng.standard_normal((3, 20))
    losses[1] += 1.0
    found = agreement(losses)
    assert found.pair is not None and 1 in found.pair
    assert found.lower < 1.0 < found.upper and found.upper - found.lower < 0.1


def test_a_seed_astray_hides_nothing():
    """One that is not finite is left out; one that is wild widens no interval of the others."""
    rng = np.random.default_rng(5)
    losses = np.ones((3, 20)) + 0.01 * rng.standard_normal((3, 20))
    losses[2] = np.nan
    found = agreement(losses)
    assert found.runs == 2 and found.pair == (0, 1) and found.upper < 0.05
    losses[2] = 1e6 * rng.exponential(size=20)
    assert agreement(losses).lower > 1e5
    assert agreement(losses).detectable > agreement(losses[:2]).detectable


def test_filters_keep_their_length():
    rng = np.random.default_rng(6)
    kernel, bias = rng.standard_normal((3, 3, 2, 5)) * np.arange(5.0), rng.standard_normal(5)
    moved, still = filter_normalised([kernel, bias], rng)
    lengths = [np.linalg.norm(tensor.reshape(-1, 5), axis=0) for tensor in (kernel, moved)]
    np.testing.assert_allclose(*lengths)
    assert not still.any()
    assert abs(np.sum(kernel * moved)) < 0.5 * np.sum(kernel**2)  # another direction


@pytest.mark.parametrize("count", [2, 4])
def test_the_detectable_spread_against_the_studentised_range(count):
    losses = runs(np.random.default_rng(7), count, 0.1)
    pairs = [scipy.stats.ttest_rel(losses[i], losses[j]) for i in range(count) for j in range(i + 1, count)]
    level = 1.0 - 0.01 / len(pairs)
    reaches = [np.ptp(pair.confidence_interval(level)) / 2.0 for pair in pairs]
    errors = [(losses[i] - losses[j]).std(ddof=1) / np.sqrt(20) for i in range(count) for j in range(i)]
    told = np.median(reaches) / scipy.stats.studentized_range.ppf(0.2, count, np.inf)
    expected = np.sqrt(told**2 - np.median(errors) ** 2 / 2.0)
    assert agreement(losses).detectable == pytest.approx(expected, rel=1e-5)
