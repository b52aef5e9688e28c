"""The spectral density from products, against spectra that are known."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from thalweg.stats.density import density

SPECTRA = {
    "arcsine": np.sort(np.cos(np.linspace(0.0, np.pi, 300))),
    "evenly": np.arange(1.0, 401.0),
    "wide": np.geomspace(1e-3, 1e3, 300),
    "two values": np.repeat([-1.0, 1.0], 60),
    "a network's": np.sort(np.r_[-0.3, -0.1, np.zeros(200), np.geomspace(1e-4, 1.0, 40), 3.0, 5.0, 20.0]),
    "five": np.arange(5.0),
}


def share(spectrum: np.ndarray, points: np.ndarray) -> np.ndarray:
    return np.searchsorted(spectrum, points, side="right") / len(spectrum)


def along_axes(spectrum: np.ndarray, **options: int):
    """A random direction knows no axes, so a diagonal matrix is as good as any."""
    return density(lambda v: spectrum * v, len(spectrum), **options)


@pytest.mark.parametrize("name", ["arcsine", "evenly", "two values"])
def test_kolmogorov_distance(name):
    spectrum = SPECTRA[name]
    found = along_axes(spectrum, probes=8, steps=60)
    between = np.r_[spectrum[:-1] + np.diff(spectrum) / 2.0, spectrum[-1] + 1.0]
    distance = np.abs(found.cumulative(between).share - share(spectrum, between)).max()
    assert distance < 0.05
    assert found.weights.sum() == pytest.approx(1.0) and np.all(np.diff(found.nodes) >= 0.0)
    assert found.products <= 480 and found.size == len(spectrum)


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("steps", [4, 24])
def test_the_band_holds_the_truth_everywhere_at_once(name, steps):
    spectrum = SPECTRA[name]
    points = np.unique(np.r_[spectrum, spectrum - 1e-9, spectrum + 1e-9, spectrum[0] - 1, spectrum[-1] + 1])
    misses = 0
    for seed in range(40):
        band = along_axes(spectrum, probes=3, steps=steps, seed=seed).cumulative(points)
        true = share(spectrum, points)
        misses += bool(np.any((true < band.low - 1e-12) | (true > band.high + 1e-12)))
        assert np.all((band.low <= band.share) & (band.share <= band.high))
    assert misses <= 5  # 2 of 40 are allowed on average; 6 or more once in 70


def test_the_sampling_error_is_that_of_directions():
    """With every eigenvalue resolved only the directions' chance is left: at most as often as stated, hardly less."""
    spectrum = np.repeat(np.arange(30.0), 10)
    between = np.arange(30.0) + 0.5
    distances = [
        np.abs(
            along_axes(spectrum, probes=2, steps=30, seed=s).cumulative(between).share
            - share(spectrum, between)
        )
        for s in range(200)
    ]
    bound = along_axes(spectrum, probes=2, steps=30).sampling(0.9)
    beyond = np.mean([d.max() > bound for d in distances])
    assert 0.02 <= beyond <= 0.16  # 0.10 stated, less for a bridge that is seen at 30 points


def test_a_closed_space_is_exact_but_for_sampling():
    band = along_axes(SPECTRA["two values"], probes=4, steps=30).cumulative([-1.1, 0.0, 1.1])
    found = along_axes(SPECTRA["two values"], probes=4, steps=30)
    assert len(found.nodes) == 8 and found.products == 8
    assert band.share[1] == pytest.approx(0.5, abs=found.sampling())
    assert band.high[1] - band.low[1] == pytest.approx(2.0 * found.sampling())


def test_more_probes_and_steps_narrow_the_band():
    points = np.linspace(0.0, 400.0, 50)

    def width(probes: int, steps: int) -> float:
        band = along_axes(SPECTRA["evenly"], probes=probes, steps=steps).cumulative(points)
        return float(np.mean(band.high - band.low))

    assert width(1, 10) > width(8, 10) > width(8, 80)


def test_mean_is_the_trace_over_the_size():
    spectrum = SPECTRA["a network's"]
    basis, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((len(spectrum),) * 2))
    matrix = (basis * spectrum) @ basis.T
    found = [density(lambda v: matrix @ v, len(matrix), probes=8, seed=s).mean for s in range(12)]
    assert np.mean(found) == pytest.approx(spectrum.mean(), rel=0.15)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_products_that_are_not_finite(bad):
    found = density(lambda v: v * bad, 20)
    assert not len(found.nodes) and found.probes == 0 and np.isnan(found.mean)
    assert np.isnan(found.cumulative([0.0, 1.0]).low).all() and np.isnan(found.sampling())
    calls = []

    def later(vector: np.ndarray) -> np.ndarray:
        calls.append(1)
        return np.arange(20.0) * vector if len(calls) < 10 else vector * bad

    assert density(later, 20, probes=1).probes == 1


ANY = st.one_of(st.floats(), st.floats(-5, 5), st.sampled_from([0.0, 1.0, 1e300, 5e-324]))


@given(
    matrix=st.integers(1, 6).flatmap(lambda n: arrays(np.float64, (n, n), elements=ANY)),
    probes=st.integers(-1, 4),
    steps=st.integers(-1, 8),
    points=arrays(np.float64, st.integers(0, 5), elements=st.floats()),
    confidence=st.floats(),
)
@settings(max_examples=150, deadline=None)
def test_total(matrix, probes, steps, points, confidence):
    def product(vector: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return matrix @ vector

    with warnings.catch_warnings(), np.errstate(divide="warn", over="warn", invalid="warn"):
        warnings.simplefilter("error")
        found = density(product, len(matrix), probes=probes, steps=steps)
        band = found.cumulative(points, confidence)
        assert len(band.share) == len(points)
        known = ~np.isnan(points) & ~np.isnan(band.low)
        assert np.all(band.low[known] <= band.high[known])
