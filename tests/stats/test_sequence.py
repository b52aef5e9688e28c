"""Means, trends and noise scales that may be looked at again and again: totality, oracles, error rates."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.stats.batches import batches
from thalweg.stats.drift import drift
from thalweg.stats.noise_scale import noise_scale
from thalweg.stats.sequence import anytime_mean, independent_mean, one_sided, reach

ANY = st.lists(
    st.one_of(st.floats(), st.floats(-5, 5), st.sampled_from([0.0, 1.0, 1e300, -1e300, 5e-324])), max_size=60
)
FUNCTIONS: dict[str, Callable[[list[float]], Any]] = {
    "anytime_mean": lambda v: (anytime_mean(v).interval(), anytime_mean(v, 1).upper(0.3)),
    "independent_mean": lambda v: independent_mean(v).interval(),
    "drift": lambda v: drift(np.arange(len(v)), v).interval(),
    "drift of any steps": lambda v: drift(v, v).interval(),
    "noise_scale": lambda v: (noise_scale(v, v * 2, 8).interval(), noise_scale(v, v * 2, 8, 20).value),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@given(values=ANY, repeats=st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_total(name: str, values: list[float], repeats: int) -> None:
    with warnings.catch_warnings(), np.errstate(divide="warn", over="warn", invalid="warn"):
        warnings.simplefilter("error")
        FUNCTIONS[name](values * repeats)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(
    "values", [[], [1.0], [np.nan] * 90, [np.inf] * 90, [1.7e308, -1.7e308] * 60, [5e-324] * 90, [2.0] * 90]
)
def test_total_on_the_worst(name: str, values: list[float]) -> None:
    with warnings.catch_warnings(), np.errstate(divide="warn", over="warn", invalid="warn"):
        warnings.simplefilter("error")
        FUNCTIONS[name](values)


def test_reach_is_where_the_mixture_of_likelihood_ratios_is_one_over_alpha() -> None:
    """The e-value of Wang & Ramdas, integrated by quadrature over effects, against the closed form."""
    n, alpha, information = 12, 0.05, 0.6
    q = -2 * np.log(alpha) + np.log1p(-2 * np.log(alpha))
    precision = n / (information * q)  # of the effects' prior, so that r = precision / (n + precision)
    t = reach(information, n - 1.0, alpha)

    def ratio(effect: float) -> float:
        shifted = scipy.stats.nct.pdf(t, n - 1, effect * np.sqrt(n)) / scipy.stats.t.pdf(t, n - 1)
        return float(shifted * scipy.stats.norm.pdf(effect, scale=precision**-0.5))

    value, _ = scipy.integrate.quad(ratio, -8, 8, limit=400)
    assert value == pytest.approx(1 / alpha, rel=1e-3)
    # Of one side alone: the mixture over positive effects is at least 1 / alpha at the one-sided bound.
    t = reach(information, n - 1.0, one_sided(alpha))
    # (its prior precision is that of the one-sided rate)
    rate = one_sided(alpha)
    q = -2 * np.log(rate) + np.log1p(-2 * np.log(rate))
    precision = n / (information * q)
    positive, _ = scipy.integrate.quad(ratio, 0, 8, limit=400)
    assert 1 / alpha <= 2 * positive < 1.05 / alpha


@pytest.mark.parametrize(("n", "tightest", "alpha"), [(50, 500, 0.05), (500, 500, 0.05), (4000, 100, 0.01)])
def test_reach_with_many_degrees_is_the_asymptotic_sequence(n: int, tightest: int, alpha: float) -> None:
    """The formula of Waudby-Smith et al. with its own letters, for s = 1."""
    rho2 = (-2 * np.log(alpha) + np.log(-2 * np.log(alpha) + 1)) / tightest
    width = np.sqrt(2 * (n * rho2 + 1) / (n**2 * rho2) * np.log(np.sqrt(n * rho2 + 1) / alpha))
    assert reach(n / tightest, 1e9, alpha) / np.sqrt(n) == pytest.approx(width, rel=1e-6)
    assert reach(n / tightest, 19.0, alpha) > reach(n / tightest, 1e9, alpha)


def test_reach_is_least_where_it_was_asked_to_be() -> None:
    times = np.array([0.1, 0.3, 1.0, 3.0, 10.0])
    assert np.argmin([reach(t, 1e9, 0.05) for t in times]) == 2
    assert reach(1.0, 1.0, 0.05) == np.inf
    assert reach(1.0, np.nan, 0.05) == np.inf


def test_anytime_mean_of_independent_values() -> None:
    x = np.random.default_rng(0).standard_normal(400) + 3.0
    found = anytime_mean(x)
    assert found.value == pytest.approx(x.mean())
    assert x.std() / 20 < found.error < 1.3 * x.std() / 20
    low, high = found.interval()
    assert (high - low) / 2 == pytest.approx(reach(400 / 500, found.degrees, 0.05) * found.error)
    assert found.lower(0.05) == pytest.approx(found.interval(0.1 / 1.05)[0])
    assert low < found.lower(0.05) < found.value < found.upper(0.05) < high
    assert anytime_mean(x[:19]).interval() == (-np.inf, np.inf)


def test_the_mean_of_what_is_known_to_be_independent() -> None:
    x = np.random.default_rng(0).exponential(1.0, 22)
    found = independent_mean(x, 22)
    assert (found.value, found.degrees, found.length) == (pytest.approx(x.mean()), 21.0, 1)
    assert found.error == pytest.approx(scipy.stats.sem(x))
    assert found.upper() == pytest.approx(x.mean() + reach(1.0, 21.0, 0.1 / 1.05) * scipy.stats.sem(x))
    assert independent_mean([1.0, 2.0, np.nan]).interval() == (-np.inf, np.inf)


def walk(seed: int, phi: float, n: int) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal(n) * np.sqrt(1 - phi * phi)
    x[0] /= np.sqrt(1 - phi * phi)
    for i in range(1, n):
        x[i] += phi * x[i - 1]
    return x


def test_the_error_of_a_wander_is_its_long_run_error() -> None:
    errors = [anytime_mean(walk(seed, 0.9, 8000)).error for seed in range(20)]
    assert np.mean(errors) == pytest.approx(np.sqrt(19 / 8000), rel=0.1)
    found = anytime_mean(walk(0, 0.9, 8000))
    assert found.length >= 3 * 15


def test_a_wander_under_louder_noise_is_found_in_the_batches() -> None:
    """Of the values' variance a tenth wanders: neighbours hardly tell, batch means do."""
    found = [
        anytime_mean(walk(seed, 0.97, 4000) + 3.0 * np.random.default_rng([seed, 1]).standard_normal(4000))
        for seed in range(20)
    ]
    truth = np.sqrt((1.97 / 0.03 + 9.0) / 4000)
    assert np.nanmean([each.error for each in found]) == pytest.approx(truth, rel=0.15)


def test_a_short_wander_says_nothing() -> None:
    assert sum(np.isfinite(anytime_mean(walk(seed, 0.9, 200)).error) for seed in range(50)) == 0


def test_batches_leave_out_the_first_values() -> None:
    y = np.repeat(np.random.default_rng(4).standard_normal(200), 4)
    found = batches(np.arange(801.0), np.append(2.0, y), 0)
    assert found is not None
    assert found.length == 32
    assert found.values == pytest.approx(y.reshape(25, 32).mean(axis=1))
    assert found.rest == pytest.approx(found.values - y.mean())
    assert found.steps == pytest.approx(np.arange(1, 801).reshape(25, 32).mean(axis=1))


@pytest.mark.parametrize("spacing", [1, 7])
def test_drift_is_the_least_squares_line_of_the_tail(spacing: int) -> None:
    rng = np.random.default_rng(1)
    steps = np.arange(100) * spacing
    y = rng.standard_normal(100) - 0.1 * np.arange(100)
    found = drift(steps, y)
    assert (found.first, found.count, found.number) == (48, 52, 1)
    length = found.length
    means = y[48:].reshape(-1, length).mean(axis=1)
    at = steps[48:].reshape(-1, length).mean(axis=1)
    slope, covariance = np.polyfit(at, means, 1, cov=True)
    assert found.change == pytest.approx(slope[0] * 51 * spacing)
    assert found.error == pytest.approx(np.sqrt(covariance[0, 0]) * 51 * spacing, rel=0.2)
    low, high = found.interval()
    spent = 0.05 * 6 / np.pi**2 / 4
    expected = reach((52 / 48 / 1.25) ** 3, found.degrees, spent) * found.error
    assert (high - low) / 2 == pytest.approx(expected)
    assert high < 0.0


def epochs(rng: np.random.Generator, count: int, period: int, wander: float = 0.0) -> np.ndarray:
    """Losses whose noise is the luck of the draw: every epoch holds the same values in another order."""
    values = rng.standard_normal(period)
    level = np.repeat(wander * rng.standard_normal(count), period)
    return np.concatenate([rng.permutation(values) for _ in range(count)]) + level


def test_what_every_epoch_holds_once_is_no_noise_of_the_trend() -> None:
    rng = np.random.default_rng(3)
    y = epochs(rng, 50, 16, wander=0.05) - 0.5 * np.arange(800) / 800
    alone, held = drift(np.arange(800), y), drift(np.arange(800), y, 16)
    assert held.first == alone.first
    means = y[held.first :][(800 - held.first) % 16 :].reshape(-1, 16).mean(axis=1)
    at = 16.0 * np.arange(len(means))
    slope, covariance = np.polyfit(at, means, 1, cov=True)
    assert held.length == 16
    assert held.change == pytest.approx(slope[0] * (799 - held.first))
    assert held.error == pytest.approx(np.sqrt(covariance[0, 0]) * (799 - held.first), rel=0.2)
    assert held.error < 0.5 * alone.error
    assert held.interval()[1] < 0.0 < alone.interval()[1]


def test_too_few_epochs_are_no_batches() -> None:
    y = epochs(np.random.default_rng(4), 30, 16)
    assert drift(np.arange(480), y, 16) == drift(np.arange(480), y)


def test_drift_of_little() -> None:
    rng = np.random.default_rng(2)
    assert drift(np.arange(63), rng.standard_normal(63)).interval() == (-np.inf, np.inf)
    known = [np.isfinite(drift(np.arange(71), rng.standard_normal(71)).error) for _ in range(40)]
    assert np.mean(known) > 0.7
    same = drift(np.arange(90), [2.0] * 90)
    assert same.interval() == (0.0, 0.0)


def looked_at(sequences: int, seed: int, see: Callable[[np.ndarray], bool]) -> float:
    rng = np.random.default_rng(seed)
    return float(np.mean([see(rng.standard_normal(120)) for _ in range(sequences)]))


def test_looking_again_and_again_keeps_the_rate() -> None:
    """At most 5 % where a naive test, looked at as often, errs in a quarter of the sequences or more."""

    def outside(interval: tuple[float, float]) -> bool:
        return not interval[0] <= 0.0 <= interval[1]

    looks = range(20, 121, 4)
    held = looked_at(100, 1, lambda x: any(outside(anytime_mean(x[:n], 60).interval()) for n in looks))
    naive = looked_at(
        100, 1, lambda x: any(abs(x[:n].mean()) > 1.96 * x[:n].std() / np.sqrt(n) for n in range(6, 121))
    )
    assert held <= 0.05 < 0.1 < naive
    assert looked_at(60, 2, lambda x: any(outside(drift(range(n), x[:n]).interval()) for n in looks)) <= 0.05


def pairs(
    rng: np.random.Generator, k: int, b: int, d: int = 8, distance: float = 1.0, noise: float = 0.1
) -> tuple[np.ndarray, np.ndarray]:
    """Products and squares of mini-batch gradients of a linear regression at `distance` from its truth."""
    x = rng.standard_normal((2 * k, b, d))
    residual = distance * x[..., 0] + noise * rng.standard_normal((2 * k, b))
    g = (x * residual[..., None]).mean(axis=1)
    return np.sum(g[::2] * g[1::2], axis=1), np.sum(g * g, axis=1)


def test_noise_scale_of_linear_regression() -> None:
    """tr = (d + 1) D^2 + d s^2, |G|^2 = D^2: 9.08, inside the 95 % interval in 186 to 197 of 200 (central 99 %)."""
    rng = np.random.default_rng(11)
    found = [noise_scale(*pairs(rng, 40, 16), 16) for _ in range(200)]
    inside = sum(low <= 9.08 <= high for low, high in (each.interval() for each in found))
    assert 180 <= inside <= 198
    assert np.mean([each.trace for each in found]) == pytest.approx(9.08, rel=0.02)
    assert np.mean([each.square for each in found]) == pytest.approx(1.0, rel=0.02)
    errors = np.array([(each.trace_error, each.square_error) for each in found])
    assert errors.mean(axis=0) == pytest.approx(
        np.std([(each.trace, each.square) for each in found], axis=0), rel=0.15
    )
    assert all(each.interval(0.99)[1] > each.interval()[1] > each.value for each in found)


def test_the_interval_ends_where_trace_less_scale_times_square_is_just_significant() -> None:
    products, squares = pairs(np.random.default_rng(2), 12, 4)
    x = 4 * ((squares[::2] + squares[1::2]) / 2 - products)
    ends = noise_scale(products, squares, 4).interval(0.9)
    for end in ends:
        assert scipy.stats.ttest_1samp(x - end * products, 0.0).pvalue == pytest.approx(0.1)
    # Where |G|^2 is not told from zero there is a lower end alone.
    products = products - 0.9 * products.mean()
    x = 4 * ((squares[::2] + squares[1::2]) / 2 - products)
    low, high = noise_scale(products, squares, 4).interval(0.9)
    assert high == np.inf
    assert scipy.stats.ttest_1samp(x - low * products, 0.0).pvalue == pytest.approx(0.1)


def test_noise_scale_at_the_minimum_is_unresolved() -> None:
    found = [noise_scale(*pairs(np.random.default_rng(s), 40, 16, distance=0.0), 16) for s in range(100)]
    unresolved = [each for each in found if np.isnan(each.value)]
    assert len(unresolved) >= 92
    assert all(each.interval()[1] == np.inf for each in unresolved)
    assert np.mean([each.trace for each in found]) == pytest.approx(0.08, rel=0.02)


def test_without_replacement_it_is_the_gradient_of_these_examples() -> None:
    """All partitions of a small data set into pairs of batches: exact means, the noises' covariance included."""
    rng = np.random.default_rng(5)
    gradients = rng.standard_normal((24, 3)) + np.array([0.4, 0.0, 0.0])
    square = float(np.sum(gradients.mean(axis=0) ** 2))
    trace = float(np.trace(np.cov(gradients.T)))
    found = []
    for _ in range(4000):
        g = gradients[rng.permutation(24)].reshape(6, 4, 3).mean(axis=1)
        found.append(noise_scale(np.sum(g[::2] * g[1::2], axis=1), np.sum(g * g, axis=1), 4, total=24))
    assert np.mean([each.trace for each in found]) == pytest.approx(trace, rel=0.01)
    assert np.mean([each.square for each in found]) == pytest.approx(square, abs=0.02)


@pytest.mark.parametrize("scale", [1e-200, 1e-3, 1e150])
def test_noise_scale_does_not_depend_on_the_unit(scale: float) -> None:
    products, squares = pairs(np.random.default_rng(4), 30, 8)
    before, after = noise_scale(products, squares, 8), noise_scale(products * scale, squares * scale, 8)
    assert after.interval() == pytest.approx(before.interval())
    assert after.value == pytest.approx(before.value)
    broken = noise_scale([*products, np.nan], [*squares, 1.0, 1.0], 8)
    assert broken == before
