"""The trace from products, against matrices whose trace is known."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from thalweg.stats.trace import trace

SPECTRA = {
    "arcsine": np.cos(np.linspace(0.0, np.pi, 200)) + 0.1,
    "wide": np.geomspace(1e-3, 1e3, 200),
    "a network's": np.r_[-0.3, -0.1, np.zeros(150), np.geomspace(1e-4, 1.0, 40), 3.0, 5.0, 20.0],
    "two": np.r_[np.full(150, 1e-3), 10.0, 10.0],
}


def rotated(spectrum: np.ndarray) -> np.ndarray:
    basis, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((len(spectrum), len(spectrum))))
    return (basis * spectrum) @ basis.T


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("products", [12, 30])
def test_the_interval_holds_the_trace_as_often_as_stated(name, products):
    matrix = rotated(SPECTRA[name])
    found = [trace(lambda v: matrix @ v, len(matrix), products=products, seed=s) for s in range(200)]
    true = float(SPECTRA[name].sum())
    inside = sum(low <= true <= high for low, high in (one.interval(0.9) for one in found))
    assert inside >= 171  # 180 are to be expected at 0.9; 170 or fewer once in 60
    errors = np.array([one.value - true for one in found])
    assert abs(errors.mean()) < 4.0 * errors.std() / np.sqrt(len(errors))
    assert 0.4 * errors.std() < np.mean([one.error for one in found]) < 3.0 * errors.std()
    assert all(one.products == products and one.degrees == products // 3 - 1 for one in found)


def test_the_sketch_takes_up_what_is_large():
    """A few large eigenvalues: Hutchinson's estimate alone would be off by |A| sqrt(2 / products)."""
    matrix = rotated(SPECTRA["a network's"])
    found = [trace(lambda v: matrix @ v, len(matrix), products=60, seed=s) for s in range(20)]
    off = np.sqrt(np.mean([(one.value - np.trace(matrix)) ** 2 for one in found]))
    assert off < 0.02 * np.sqrt(2.0 / 60.0) * np.linalg.norm(matrix)


def test_low_rank_is_exact():
    spectrum = np.zeros(100)
    spectrum[:5] = [1.0, 2.0, 3.0, -4.0, 50.0]
    matrix = rotated(spectrum)
    found = trace(lambda v: matrix @ v, 100, products=30)
    low, high = found.interval()
    assert low <= 52.0 <= high and high - low < 1e-10


@pytest.mark.parametrize("size", [1, 7, 30])
def test_every_dimension_asked_is_exact(size):
    matrix = rotated(np.arange(1.0, size + 1.0))
    calls = []

    def product(vector: np.ndarray) -> np.ndarray:
        calls.append(1)
        return matrix @ vector

    found = trace(product, size, products=30)
    assert found.value == pytest.approx(size * (size + 1) / 2) and found.error == 0.0
    assert found.products == len(calls) == size and found.interval()[1] - found.value < 1e-9


def test_too_few_products_give_a_value_without_an_error():
    one = trace(lambda v: v, 50, products=1)
    assert one.value == pytest.approx(50.0) and np.isnan(one.error) and np.isnan(one.interval()).all()
    assert trace(lambda v: v, 50, products=2).error < 1e-12  # every direction sees the same
    for size, products in ((0, 10), (10, 0), (-1, -1)):
        assert np.isnan(trace(lambda v: v, size, products=products).value)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("when", [1, 12, 25])
def test_a_product_that_is_not_finite(bad, when):
    calls = []

    def product(vector: np.ndarray) -> np.ndarray:
        calls.append(1)
        return vector * (bad if len(calls) == when else 1.0)

    assert np.isnan(trace(product, 100, products=30).value)


@pytest.mark.parametrize("unit", [1e-280, 1e100])
def test_any_unit(unit):
    matrix = rotated(SPECTRA["wide"])
    found = trace(lambda v: unit * (matrix @ v), 200, products=90)
    assert found.value == pytest.approx(unit * np.trace(matrix), rel=0.05)


ANY = st.one_of(st.floats(), st.floats(-5, 5), st.sampled_from([0.0, 1.0, 1e300, 5e-324]))


@given(
    matrix=st.integers(1, 9).flatmap(lambda n: arrays(np.float64, (n, n), elements=ANY)),
    products=st.integers(-1, 12),
    confidence=st.floats(),
)
@settings(max_examples=200, deadline=None)
def test_total(matrix, products, confidence):
    def product(vector: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return matrix @ vector

    with warnings.catch_warnings(), np.errstate(divide="warn", over="warn", invalid="warn"):
        warnings.simplefilter("error")
        trace(product, len(matrix), products=products).interval(confidence)
