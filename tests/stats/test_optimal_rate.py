"""The best rate of a long training, told from short ones: laws whose best rate is known, and odd input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from thalweg.stats.optimal_rate import FLAT, SEED, WANDERS, centre, optimal_rate

RATES = np.geomspace(1e-5, 1e2, 43)
STEPS = np.array([40, 60, 80, 100])


def valleys(middle, steps=STEPS, seeds=1):
    """Losses (n, m, k) that are parabolas in log rate about middle(steps)."""
    u = np.log10(RATES)
    return np.stack([np.tile(np.exp((u - np.log10(middle(t))) ** 2), (seeds, 1)) for t in steps])


def test_the_centre_is_the_weighted_geometric_mean():
    rates, losses = [0.01, 0.1, 1.0], [1.0, 1.05, 1.2]
    weights = np.array([1.0, np.exp(-np.log(1.05) / 0.1), np.exp(-np.log(1.2) / 0.1)])
    by_hand = 10.0 ** (weights @ [-2.0, -1.0, 0.0] / weights.sum())
    assert centre(rates, losses) == pytest.approx(by_hand, rel=1e-12)
    assert centre(rates, 1e6 * np.array(losses)) == pytest.approx(by_hand, rel=1e-9)
    assert centre(rates, losses, start=100.0) == pytest.approx(by_hand, rel=1e-12)


def test_after_few_steps_a_share_of_the_fall_sets_the_scale():
    rates = [0.01, 0.1, 1.0]
    losses = [4.0, 3.99, 3.9]  # hardly anything learned: the last one is best, for all that
    width = 0.2 * np.log(4.01 / 3.9)
    weights = np.exp(-np.log(np.array(losses) / 3.9) / width)
    by_hand = 10.0 ** (weights @ [-2.0, -1.0, 0.0] / weights.sum())
    assert centre(rates, losses, start=4.01) == pytest.approx(by_hand, rel=1e-9)
    assert centre(rates, losses, start=4.01) > 0.8 > centre(rates, losses)


def test_losses_below_zero_have_a_centre_too():
    u = np.log10(RATES)
    assert centre(RATES, -5.0 + (u + 2.0) ** 2) == pytest.approx(0.01, rel=0.02)


def test_what_diverged_weighs_nothing():
    losses = valleys(lambda t: 0.1)[0, 0]
    gone = np.where(RATES > 1.0, np.nan, losses)
    assert centre(RATES, gone) == pytest.approx(centre(RATES[RATES <= 1.0], losses[RATES <= 1.0]), rel=1e-12)
    assert np.isnan(centre(RATES, np.full(len(RATES), np.inf)))


@pytest.mark.parametrize(
    ("power", "expected"), [(0.0, 0.0), (-0.5, -0.5), (-1.0, -1.0), (-2.0, -1.0), (0.7, 0.0)]
)
def test_a_power_law_is_followed_between_the_flow_and_the_edge(power, expected):
    found = optimal_rate(RATES, valleys(lambda t: 0.02 * (t / 100.0) ** power), STEPS, 400)
    assert found.drift == pytest.approx(expected, abs=0.02)
    if expected == power:
        assert found.rate == pytest.approx(0.02 * 4.0**power, rel=0.02)
    assert found.centres[-1] == pytest.approx(0.02, rel=0.02)


def quadratic(rate, steps, curvature=1.0, start=1.0, noise=1e-3):
    """The expected loss of SGD with noisy gradients: closed form (NOTES-statistics, stationary law of SGD)."""
    shrink = (1.0 - rate * curvature) ** 2
    settled = rate**2 * noise / (1.0 - shrink)
    return 0.5 * curvature * (settled + (start - settled) * shrink**steps)


@pytest.mark.parametrize("noise", [1e-4, 1e-3, 1e-2])
def test_on_a_noisy_quadratic_the_rate_is_as_good_as_the_best(noise):
    budget, rates = 400, np.geomspace(3e-4, 1.6, 23)
    steps = budget // 32 * np.arange(2, 9)
    losses = np.stack([[quadratic(rates, t, noise=noise)] for t in steps])
    found = optimal_rate(rates, losses, steps, budget, start=0.5)
    best = minimize_scalar(
        lambda u: quadratic(np.exp(u), budget, noise=noise), bounds=(-9, 0), method="bounded"
    )
    nearest = quadratic(rates[np.argmin(losses[-1, 0])], budget, noise=noise)
    assert found.low < np.exp(best.x) < found.high
    assert quadratic(found.rate, budget, noise=noise) < min(1.3 * best.fun, nearest)


def test_a_rate_at_which_one_seed_diverged_is_left_out():
    losses = valleys(lambda t: 0.1, seeds=3)
    losses[:, 1, RATES > 0.1] = np.inf
    assert optimal_rate(RATES, losses, STEPS, 400).rate < 0.1


def test_the_interval_is_that_of_its_variances():
    one = optimal_rate(RATES, valleys(lambda t: 0.1), STEPS, 100)
    assert np.log10(one.high / one.low) == pytest.approx(2 * 1.959964 * np.hypot(FLAT, SEED), rel=1e-6)
    far = optimal_rate(RATES, valleys(lambda t: 0.1, seeds=2), STEPS, 1000)
    assert np.log10(far.high / far.rate) == pytest.approx(1.959964 * np.hypot(FLAT, WANDERS), rel=1e-6)
    losses = np.concatenate([valleys(lambda t: 0.05), valleys(lambda t: 0.2)], axis=1)
    apart = optimal_rate(RATES, losses, STEPS, 100)
    scatter = np.var(np.log10([0.05, 0.2]), ddof=1) / 2
    assert np.log10(apart.high / apart.rate) == pytest.approx(1.959964 * np.sqrt(FLAT**2 + scatter), rel=0.02)


def test_the_interval_holds_the_best_rate_as_often_as_it_says():
    rng, held, studies = np.random.default_rng(4), 0, 400
    for _ in range(studies):
        power, flat = rng.uniform(-1.0, 0.0), rng.normal(0.0, 0.2)
        middles = 0.02 * 10.0 ** rng.normal(0.0, 0.15, 3)
        seeds = [valleys(lambda t, p=power, m=middle: m * (t / 100.0) ** p) for middle in middles]
        found = optimal_rate(RATES, np.concatenate(seeds, axis=1), STEPS, 400)
        held += found.low <= 0.02 * 4.0**power * 10.0**flat <= found.high
    assert 0.93 <= held / studies <= 1.0


values = st.floats(allow_nan=True, allow_infinity=True)


@given(st.lists(st.tuples(*[values] * 4), min_size=1, max_size=4), st.integers(1, 10**6), values)
def test_any_losses_have_an_answer(rows, budget, start):
    losses = np.array(rows).reshape(len(rows), 2, 2)
    with np.errstate(all="ignore"):
        found = optimal_rate([0.01, 0.1], losses, np.arange(1, len(rows) + 1), budget, start)
    if np.isfinite(losses).all(axis=1).any():
        assert found.low < found.rate < found.high and -1.0 <= found.drift <= 0.0
    else:
        assert np.isnan([found.rate, found.low, found.high, found.drift]).all()
