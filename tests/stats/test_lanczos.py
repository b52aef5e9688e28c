"""Extreme eigenvalues from products, against spectra that are known."""

import warnings

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from thalweg.stats.krylov import Krylov, direction
from thalweg.stats.lanczos import Ending, extremes, preconditioned

SPECTRA = {
    "arcsine": np.cos(np.linspace(0.0, np.pi, 300)),
    "a network's": np.r_[-0.3, -0.1, np.zeros(200), np.geomspace(1e-4, 1.0, 40), 3.0, 5.0, 20.0],
    "evenly": np.arange(1.0, 301.0),
    "two values": np.r_[np.ones(50), -np.ones(50)],
    "negative": -np.geomspace(1.0, 100.0, 60),
    "small": np.array([-2.0, 1.0, 7.0]),
}


def rotated(spectrum: np.ndarray, seed: int = 0) -> np.ndarray:
    """A symmetric matrix with this spectrum and no preferred axes."""
    basis, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(spectrum), len(spectrum))))
    return (basis * spectrum) @ basis.T


class Counted:
    def __init__(self, matrix: np.ndarray) -> None:
        self.matrix, self.calls = matrix, 0

    def __call__(self, vector: np.ndarray) -> np.ndarray:
        self.calls += 1
        product = self.matrix @ vector
        vector[:] = np.nan  # what is given may be written to
        return product


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("basis", [16, 48])
def test_extremes_of_a_known_spectrum(name, basis):
    spectrum = SPECTRA[name]
    product = Counted(rotated(spectrum))
    found = extremes(product, len(spectrum), products=2500, basis=basis, seed=3)
    assert found.converged and found.products == product.calls
    for ritz, true in ((found.smallest, spectrum.min()), (found.largest, spectrum.max())):
        assert ritz.value == pytest.approx(true, rel=1e-6)
        assert ritz.low <= true <= ritz.high
        assert ritz.residual < 2e-6 * np.abs(spectrum).max()
        assert np.linalg.norm(ritz.vector) == pytest.approx(1.0, abs=1e-12)
        off = rotated(spectrum) @ ritz.vector - ritz.value * ritz.vector
        assert np.linalg.norm(off) <= ritz.residual


@pytest.mark.parametrize("products", [1, 2, 3, 7, 20, 60])
def test_the_interval_holds_an_eigenvalue_however_few_the_products(products):
    spectrum = np.linspace(-1.0, 1.0, 200) ** 3
    product = Counted(rotated(spectrum, 1))
    found = extremes(product, 200, products=products, basis=10, tolerance=0.0)
    assert product.calls == products and found.ending is Ending.BUDGET
    for ritz in (found.smallest, found.largest):
        assert np.any((spectrum >= ritz.low) & (spectrum <= ritz.high))
    assert found.smallest.value >= -1.0 - 1e-12 and found.largest.value <= 1.0 + 1e-12


def test_memory_is_the_basis():
    assert Krylov(np.ones(1000), 20).vectors.shape == (21, 1000)
    few = extremes(Counted(rotated(SPECTRA["evenly"])), 300, products=2000, basis=12)
    many = extremes(Counted(rotated(SPECTRA["evenly"])), 300, products=2000, basis=200)
    assert few.products > many.products  # the price


def test_the_basis_stays_orthonormal_through_restarts():
    matrix = rotated(SPECTRA["a network's"])
    space = Krylov(direction(len(matrix), np.random.default_rng(0)), 20)
    for _ in range(5):
        while space.count < space.capacity:
            assert space.extend(lambda v: matrix @ v)
        space.restart(space.ritz()[2][:, -8:])
    known = space.vectors[: space.count + 1]
    assert known @ known.T == pytest.approx(np.eye(len(known)), abs=1e-12)
    inside = known[:8] @ matrix @ known[:8].T
    assert inside * 2.0**-space.scale == pytest.approx(space.measured[:8, :8], abs=1e-12)


def test_only_the_largest_is_cheaper():
    matrix = rotated(SPECTRA["a network's"] - 0.05)
    both = extremes(Counted(matrix), len(matrix), tolerance=1e-9)
    one = extremes(Counted(matrix), len(matrix), tolerance=1e-9, both=False)
    assert one.products < both.products and one.largest.value == pytest.approx(19.95, rel=1e-9)


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-8])
@pytest.mark.parametrize("both", [True, False])
def test_it_ends_with_the_first_product_that_is_enough(tolerance, both):
    matrix = rotated(SPECTRA["a network's"])
    enough = extremes(Counted(matrix), len(matrix), tolerance=tolerance, both=both)
    assert enough.converged and enough.largest.residual <= 1.01 * tolerance * enough.norm
    fewer = extremes(
        Counted(matrix), len(matrix), tolerance=tolerance, both=both, products=enough.products - 1
    )
    assert fewer.ending is Ending.BUDGET
    within = [ritz.residual <= tolerance * fewer.norm for ritz in (fewer.smallest, fewer.largest)]
    assert not (all(within) if both else within[1])


def test_a_start_that_seems_an_eigenvector_is_not_believed_at_once():
    _, vectors = np.linalg.eigh(rotated(SPECTRA["arcsine"], 5))
    product = Counted(rotated(SPECTRA["arcsine"], 5))
    extremes(product, 300, tolerance=0.1, both=False, start=vectors[:, 250])
    assert product.calls > 3


def test_a_warm_start_is_cheaper_and_does_not_hide_what_is_orthogonal_to_it():
    values, vectors = np.linalg.eigh(rotated(SPECTRA["arcsine"], 5))
    matrix = rotated(SPECTRA["arcsine"], 5)
    cold = extremes(Counted(matrix), 300, tolerance=1e-3, both=False, products=500)
    warm = extremes(Counted(matrix), 300, tolerance=1e-3, both=False, products=500, start=vectors[:, -1])
    assert warm.products < cold.products
    wrong = extremes(Counted(matrix), 300, products=2000, tolerance=1e-7, start=vectors[:, 150])
    assert wrong.largest.value == pytest.approx(values[-1], rel=1e-6)
    assert wrong.missed_above(values[-1] - 1e-3) == 1.0  # seen, not missed


@pytest.mark.parametrize("start", [None, 3])
def test_what_was_missed_is_bounded_as_often_as_stated(start):
    """Few products, one eigenvalue above a dense rest: often missed, and then inside the bound."""
    spectrum = np.r_[np.linspace(-1.0, 1.0, 400), 1.15]  # along the axes: a random start knows no axes
    given = None if start is None else np.eye(401)[start]
    missed, outside, tight = 0, 0, 0
    for seed in range(150):
        found = extremes(
            lambda v: spectrum * v, 401, products=10, tolerance=0.0, seed=1000 + seed, start=given
        )
        missed += found.largest.value < 1.1
        outside += found.upper(0.1) < 1.15
        tight += found.missed_above(1.15) <= 0.1
        if seed % 10:
            continue
        assert found.missed_above(found.upper(0.1)) <= 0.1 + 1e-6
        assert found.upper(0.01) >= found.upper(0.1) >= found.largest.value
        assert found.lower(0.01) <= found.lower(0.1) <= found.smallest.value
    assert missed > 20
    assert outside <= 25 and tight <= 25  # 15 of 150 are allowed on average; 26 or more once in 300


def test_the_bound_holds_through_restarts_and_falls_with_more_products():
    spectrum = np.linspace(0.0, 1.0, 500)
    beyond = [
        extremes(lambda v: spectrum * v, 500, products=k, basis=16, tolerance=0.0).upper(0.01)
        for k in (10, 20, 40, 80, 160)
    ]
    assert np.all(np.diff(beyond) < 0.0) and beyond[-1] > 1.0
    assert beyond[-1] < 1.002
    whole = extremes(lambda v: spectrum * v, 500, products=80, basis=80, tolerance=0.0)
    assert whole.upper(0.01) <= beyond[3]


def test_recurrence_of_the_bound_against_the_eigenvectors_themselves():
    """phi_j(lambda) is the share of v_j along u over that of v_1, for every eigenpair."""
    spectrum = np.linspace(-1.0, 1.0, 40)
    found = extremes(lambda v: spectrum * v, 40, products=30, basis=12, tolerance=0.0, seed=4)
    first = direction(40, np.random.default_rng(4))
    # The basis at the end has parts whose squares add up to at most 1, so the growth is at most 1 / part^2.
    for index in range(40):
        value = float(spectrum[index])
        assert found._growth(value / found._unit) <= -2.0 * np.log(abs(first[index])) + 1e-6


def test_preconditioned_against_the_generalised_problem():
    random = np.random.default_rng(2)
    matrix = rotated(SPECTRA["a network's"], 2)
    diagonal = np.exp(random.standard_normal(len(matrix)))
    true = scipy.linalg.eigh(matrix, np.diag(diagonal), eigvals_only=True)
    found = extremes(
        preconditioned(lambda v: matrix @ v, diagonal), len(matrix), products=500, tolerance=1e-8
    )
    assert found.largest.value == pytest.approx(true[-1], rel=1e-6)
    assert found.smallest.value == pytest.approx(true[0], rel=1e-6)


def test_single_precision_is_allowed_for():
    for seed in range(20):
        spectrum = np.random.default_rng(seed).standard_normal(200) ** 3
        matrix = rotated(spectrum, seed).astype(np.float32)
        found = extremes(
            lambda v, m=matrix: m @ v.astype(np.float32),
            200,
            products=300,
            tolerance=1e-9,
            precision=float(np.finfo(np.float32).eps),
        )
        assert found.largest.low <= spectrum.max() <= found.largest.high
        assert found.smallest.low <= spectrum.min() <= found.smallest.high
        assert found.largest.residual < 1e-4 * np.abs(spectrum).max()


def test_products_that_are_not_symmetric_widen_the_interval():
    random = np.random.default_rng(0)
    symmetric, skew = rotated(SPECTRA["arcsine"]), random.standard_normal((300, 300))
    skew = 1e-3 * (skew - skew.T)
    true = np.linalg.eigvalsh(symmetric)[-1]
    found = extremes(lambda v: (symmetric + skew) @ v, 300, products=200)
    length = float(np.linalg.norm(skew) / np.sqrt(300))
    assert length < found.rounding < 4.0 * length
    assert found.largest.low <= true <= found.largest.high


@pytest.mark.parametrize("size", [1, 2, 5])
def test_small_and_zero_operators(size):
    zero = extremes(np.zeros_like, size)
    assert zero.converged and zero.products == 1
    assert zero.largest.value == zero.smallest.value == zero.largest.residual == 0.0
    assert zero.upper(1e-9) == pytest.approx(0.0, abs=1e-20)
    whole = extremes(lambda v: np.arange(1.0, size + 1.0) * v, size)
    assert whole.converged and whole.products == size
    assert (whole.smallest.value, whole.largest.value) == (pytest.approx(1.0), pytest.approx(size))
    assert whole.upper(1e-3) == pytest.approx(size, abs=1e-9)
    assert whole.missed_above(size + 1e-6) < 1e-6


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e200])
def test_a_product_that_is_not_finite_ends_the_search_with_what_was_found(bad):
    spectrum, calls = np.linspace(0.0, 1.0, 50), []

    def product(vector: np.ndarray) -> np.ndarray:
        calls.append(1)
        return spectrum * vector if len(calls) < 9 else np.full(50, bad)

    found = extremes(product, 50)
    assert found.ending is Ending.NONFINITE and found.products == 9 and not found.converged
    assert 0.8 < found.largest.value <= 1.0
    nothing = extremes(lambda v: v * bad, 50)
    assert nothing.ending is Ending.NONFINITE and np.isnan(nothing.largest.value)
    assert np.isnan([nothing.upper(), nothing.missed_above(1.0), nothing.norm]).all()


def test_nothing_asked_nothing_known():
    for size, products in ((0, 10), (10, 0), (-1, -1)):
        found = extremes(lambda v: v, size, products=products)
        assert found.ending is Ending.EMPTY and found.products == 0 and np.isnan(found.smallest.low)


@pytest.mark.parametrize("unit", [1e-300, 1e-100, 1e100])
def test_any_unit(unit):
    spectrum = np.linspace(-1.0, 2.0, 60)
    found = extremes(lambda v: unit * (spectrum * v), 60)
    assert found.largest.value == pytest.approx(2.0 * unit, rel=1e-6)
    assert found.smallest.value == pytest.approx(-unit, rel=1e-6)
    assert found.upper(0.01) == pytest.approx(2.0 * unit, rel=1e-3)


def test_equal_seeds_equal_answers():
    spectrum = np.linspace(-1.0, 2.0, 60)
    one, two, other = (
        extremes(lambda v: spectrum * v, 60, products=9, seed=s).largest.value for s in (1, 1, 2)
    )
    assert one == two != other


ANY = st.one_of(st.floats(), st.floats(-5, 5), st.sampled_from([0.0, 1.0, 1e300, -1e300, 5e-324]))


@given(
    matrix=st.integers(1, 7).flatmap(lambda n: arrays(np.float64, (n, n), elements=ANY)),
    products=st.integers(0, 12),
    basis=st.integers(-1, 8),
    tolerance=st.sampled_from([0.0, 1e-6, np.nan, np.inf, -1.0]),
    start=st.one_of(st.none(), arrays(np.float64, st.integers(0, 8), elements=ANY)),
    value=st.floats(),
    failure=st.floats(),
)
@settings(max_examples=200, deadline=None)
def test_total(matrix, products, basis, tolerance, start, value, failure):
    def product(vector: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return matrix @ vector

    with warnings.catch_warnings(), np.errstate(divide="warn", over="warn", invalid="warn"):
        warnings.simplefilter("error")
        found = extremes(
            preconditioned(product, np.abs(matrix[0])),
            len(matrix),
            products=products,
            basis=basis,
            tolerance=tolerance,
            start=start,
        )
        found.upper(failure), found.lower(failure), found.missed_above(value), found.missed_below(value)
        assert found.products <= products


@pytest.mark.parametrize("size", [2, 3, 30])
def test_the_chance_of_a_small_component_against_students_t(size):
    """After one product phi is (lambda - mean) / beta; a component c of a unit vector is a t in disguise."""
    spectrum = np.linspace(0.0, 1.0, size)
    found = extremes(lambda v: spectrum * v, size, products=1, basis=2, seed=7)
    beyond = (1.3 - found.largest.value) / (found.largest.residual - found.rounding)
    square = 1.0 / (1.0 + beyond**2)
    t = np.sqrt(square * (size - 1.0) / (1.0 - square))
    true = 2.0 * scipy.stats.t.cdf(t, size - 1.0) - 1.0
    assert found.missed_above(1.3) == pytest.approx(true, rel=1e-9)
