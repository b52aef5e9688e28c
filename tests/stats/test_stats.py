"""The statistics: totality, invariances, and oracles computed another way."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from thalweg import stats
from thalweg.stats.autocorrelation import batch_means, inflation, lag_one, residuals

ANY = st.lists(
    st.one_of(st.floats(), st.floats(-5, 5), st.sampled_from([0.0, 1.0, 1e300, -1e300])), max_size=120
)
PLAIN = arrays(np.float64, st.integers(12, 60), elements=st.floats(-100, 100, width=32))

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "spread": stats.spread,
    "mean": stats.mean,
    "trend": lambda v: stats.trend(np.arange(len(v)), v),
    "turn": stats.turn,
    "alternation": stats.alternation,
    "profile": stats.profile,
    "p_falls": stats.p_falls,
    "rolling_bound": lambda v: stats.rolling_bound(v, 1e-6),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@given(values=ANY, repeats=st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_total(name: str, values: list[float], repeats: int) -> None:
    with warnings.catch_warnings(), np.errstate(divide="warn", over="warn", invalid="warn"):
        warnings.simplefilter("error")
        FUNCTIONS[name](values * repeats)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(
    "values", [[], [1.0], [np.nan] * 50, [np.inf] * 50, [1.7e308, -1.7e308] * 40, [5e-324] * 60]
)
def test_total_on_the_worst(name: str, values: list[float]) -> None:
    with warnings.catch_warnings(), np.errstate(divide="warn", over="warn", invalid="warn"):
        warnings.simplefilter("error")
        FUNCTIONS[name](values)


@given(PLAIN, st.floats(-10, 10), st.sampled_from([0.25, 2.0, 1024.0]), st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_spread_moves_with_the_data(x: np.ndarray, shift: float, scale: float, random: Any) -> None:
    before, after = stats.spread(x), stats.spread(x * scale + shift)
    assert after.location == pytest.approx(before.location * scale + shift, abs=1e-6)
    assert after.scale == pytest.approx(before.scale * scale, abs=1e-6)
    order = list(range(len(x)))
    random.shuffle(order)
    assert stats.spread(x[order]) == before


def test_spread_against_scipy() -> None:
    x = np.random.default_rng(0).standard_normal(501)
    found = stats.spread([*x, np.nan, np.inf])
    assert found.location == np.median(x)
    assert found.scale == pytest.approx(scipy.stats.median_abs_deviation(x, scale="normal"), rel=1e-4)
    assert found.count == 501


@given(PLAIN, st.floats(-10, 10), st.sampled_from([0.25, 2.0, 1024.0]))
@settings(max_examples=80, deadline=None)
def test_trend_invariances(y: np.ndarray, shift: float, scale: float) -> None:
    x = np.arange(len(y))
    before = stats.trend(x, y)
    # A perfect line has no scatter to compare, and rounding alone decides what is left of it.
    assume(before.error > 1e-3)
    moved = stats.trend(x + 1000, y * scale + shift)
    assert moved.change == pytest.approx(before.change * scale, rel=1e-5, abs=1e-6)
    assert moved.error == pytest.approx(before.error * scale, rel=1e-3)
    mirrored = stats.trend(x, -y)
    assert mirrored.p_rising == pytest.approx(before.p_falling, abs=1e-6)


def test_trend_is_least_squares() -> None:
    rng = np.random.default_rng(1)
    y = rng.standard_normal(30) + 0.1 * np.arange(30)
    found = stats.trend(np.arange(30) * 5, y, batches=30)
    slope = np.polyfit(np.arange(30) * 5, y, 1)[0]
    assert found.slope == pytest.approx(slope)
    assert found.change == pytest.approx(slope * 145)


def test_trend_error_is_that_of_the_parabola_without_correlation() -> None:
    """Where residuals are alternating the correction is off, and the error is the textbook's."""
    x = np.arange(24.0)
    y = 0.3 * x + 0.02 * x**2 + np.where(np.arange(24) % 2, 1.0, -1.0)
    _, covariance = np.polyfit(x - x.mean(), y, 2, cov=True)
    # polyfit scales its covariance by n - 3 degrees of freedom, as here.
    assert stats.trend(x, y).error == pytest.approx(23 * np.sqrt(covariance[1, 1]), rel=1e-6)


def test_trend_of_perfect_and_constant_lines() -> None:
    line = stats.trend(range(20), np.arange(20) * -0.5)
    assert line.change == pytest.approx(-9.5)
    assert line.p_falling < 1e-12
    constant = stats.trend(range(20), [3.0] * 20)
    assert constant.change == 0.0
    assert not constant.p_falling < 0.5 and not constant.p_rising < 0.5
    assert np.isnan(stats.trend([1, 2], [1, 2]).change)


def ar1(phi: float, n: int, runs: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((runs, n))
    noise[:, 0] /= np.sqrt(1 - phi * phi)
    for i in range(1, n):
        noise[:, i] += phi * noise[:, i - 1]
    return noise


@pytest.mark.parametrize("phi", [0.0, 0.6, 0.9])
def test_mean_error_is_the_known_one(phi: float) -> None:
    """Var(mean) of an AR(1) series tends to s^2 / n / (1 - phi)^2."""
    n = 4000
    errors = [stats.mean(x).error for x in ar1(phi, n, 60, 5)]
    known = 1.0 / np.sqrt(n) / (1 - phi)
    assert np.median(errors) == pytest.approx(known, rel=0.15)


@pytest.mark.parametrize(("phi", "most"), [(0.0, 0.02), (0.9, 0.03)])
def test_trend_error_rate(phi: float, most: float) -> None:
    """At one per cent, both sides: a bare slope of AR(1) 0.9 rejects about half of the time."""
    ps = [(t.p_falling, t.p_rising) for t in (stats.trend(range(400), x) for x in ar1(phi, 400, 600, 11))]
    assert np.mean(np.array(ps) < 0.01) < most


def test_batch_means_keep_the_end() -> None:
    assert batch_means(np.arange(10.0), 4).tolist() == [2.0, 5.0, 8.0]
    assert batch_means(np.arange(4.0), 32).tolist() == [0.0, 1.0, 2.0, 3.0]


def test_inflation_of_a_long_series_is_the_known_one() -> None:
    x = ar1(0.5, 20000, 1, 3)[0]
    assert inflation(x - x.mean(), 1) == pytest.approx(3.0, rel=0.1)
    assert inflation(np.resize([1.0, -1.0], 100), 1) == 1.0
    assert lag_one(np.resize([1.0, -1.0], 100)) == pytest.approx(-0.99)


def test_residuals_against_polyfit() -> None:
    rng = np.random.default_rng(2)
    x, y = np.arange(40.0), rng.standard_normal(40)
    expected = y - np.polyval(np.polyfit(x, y, 2), x)
    assert residuals(x, y, 2) == pytest.approx(expected, abs=1e-10)


def test_bound_is_exact_for_exponential_excess() -> None:
    """One value after 64 exponential ones passes the bound with the stated probability, estimate and all."""
    rng = np.random.default_rng(4)
    passed = 0
    for _ in range(4000):
        x = rng.exponential(size=65)
        bound = stats.rolling_bound(x, 0.01)
        passed += x[-1] > bound.upper[-1]
    assert passed / 4000 == pytest.approx(0.01, abs=0.006)


def test_bound_looks_back_only() -> None:
    rng = np.random.default_rng(6)
    x = rng.standard_normal(400)
    y = x.copy()
    y[300:] += 50.0
    before, after = stats.rolling_bound(x, 1e-6), stats.rolling_bound(y, 1e-6)
    assert np.array_equal(before.upper[:300], after.upper[:300], equal_nan=True)
    assert np.all(np.isnan(before.upper[:32])) and np.all(np.isfinite(before.upper[32:]))
    assert before.typical[320] == pytest.approx(np.median(x[64:320]), abs=0.05)


@given(PLAIN, st.floats(-50, 50), st.sampled_from([0.5, 8.0]))
@settings(max_examples=50, deadline=None)
def test_bound_moves_with_the_data(x: np.ndarray, shift: float, scale: float) -> None:
    x = np.tile(x, 4)
    before, after = stats.rolling_bound(x, 1e-4), stats.rolling_bound(x * scale + shift, 1e-4)
    np.testing.assert_allclose(after.upper, before.upper * scale + shift, rtol=1e-6, atol=1e-6)


def test_turn_of_a_plain_valley() -> None:
    t = np.arange(30.0)
    found = stats.turn(np.abs(t - 12) + 0.01 * np.random.default_rng(0).standard_normal(30))
    assert found.index in (11, 12, 13)
    assert found.rise > 10
    assert found.p_rising < 1e-6
    falling = stats.turn(-t)
    assert falling.rise < 0 and not falling.p_rising < 0.5
    assert stats.turn(t[:9]).index == -1


@given(PLAIN, st.integers(-10, 10), st.sampled_from([0.5, 8.0]))
@settings(max_examples=60, deadline=None)
def test_turn_moves_with_the_data(x: np.ndarray, shift: int, scale: float) -> None:
    # On eighths sums are exact: where two stretches are equally low, rounding must not choose.
    x = np.round(x * 8) / 8
    before, after = stats.turn(x), stats.turn(x * scale)
    assert after.index == before.index
    assert after.rise == pytest.approx(before.rise * scale)
    assert stats.turn(x + shift).rise == pytest.approx(before.rise, abs=1e-6)


def test_alternation() -> None:
    swing = stats.alternation(np.resize([1.0, -1.0], 100) + 0.1 * np.arange(100))
    assert swing.correlation < -0.95 and swing.score < -9
    scores = [stats.alternation(x).score for x in ar1(0.0, 200, 400, 9)]
    assert np.std(scores) == pytest.approx(1.0, abs=0.12)
    assert np.isnan(stats.alternation([2.0] * 40).correlation)


def test_profile() -> None:
    found = stats.profile(3.0 ** np.arange(6))
    assert found.factor == pytest.approx(3.0)
    assert found.low == pytest.approx(3.0) and found.high == pytest.approx(3.0)
    gap = stats.profile([1.0, 3.0, 0.0, 27.0, np.nan, 243.0])
    assert gap.factor == pytest.approx(3.0) and gap.count == 4
    noisy = np.exp(np.random.default_rng(0).standard_normal(8))
    slope, _ = np.polyfit(np.arange(8), np.log(noisy), 1)
    assert stats.profile(noisy).factor == pytest.approx(np.exp(slope))
    assert np.isnan(stats.profile([1.0, 2.0, 3.0]).factor)


@given(PLAIN)
@settings(max_examples=80, deadline=None)
def test_p_falls_is_the_binomial_test(x: np.ndarray) -> None:
    falls = sum(b < a for a, b in zip(x.tolist(), x[1:].tolist(), strict=False))
    oracle = scipy.stats.binomtest(falls, len(x) - 1, alternative="greater").pvalue
    assert stats.p_falls(x) == pytest.approx(oracle, rel=1e-9)
    assert stats.p_falls(x * 4.0) == pytest.approx(stats.p_falls(x), rel=1e-9)


def test_p_falls_of_a_straight_way_down() -> None:
    assert stats.p_falls(range(8, 0, -1)) == pytest.approx(1 / 128)
    assert stats.p_falls([3.0]) == stats.p_falls([]) == stats.p_falls([1.0, 1.0, 2.0]) == 1.0


@given(arrays(np.float64, st.integers(0, 40)))
def test_the_median_is_that_of_the_spread(values):
    np.testing.assert_equal(stats.median(values), stats.spread(values).location)
