"""Places that come back: planted, under its two null hypotheses, and total."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from thalweg.stats.recurrence import recurrence


def falling(epochs: int, places: int) -> np.ndarray:
    """A loss that falls within epochs and over them: a trend is no recurrence."""
    t = np.arange(epochs * places).reshape(epochs, places)
    return 2.0 * np.exp(-t / (epochs * places))


def test_a_trend_alone_does_not_come_back():
    random = np.random.default_rng(0)
    found = [recurrence(falling(6, 50) + 0.1 * random.standard_normal((6, 50))) for _ in range(400)]
    for name in ("p_place", "p_order"):
        p = np.array([getattr(f, name) for f in found])
        assert 0.02 < np.mean(p < 0.05) < 0.09
        assert p.min() > 1e-5


def test_the_share_is_that_of_the_variances():
    random = np.random.default_rng(1)
    place = random.standard_normal(400)
    found = recurrence(place + 0.5 * random.standard_normal((50, 400)))
    assert found.share == pytest.approx(1.0 / 1.25, abs=0.03)
    assert found.p_place < 1e-12
    assert (found.epochs, found.places) == (50, 400)


def test_a_random_order_comes_back_and_has_no_shape():
    """Hard batches come back, however heavy their tails: no order is seen in them."""
    random = np.random.default_rng(2)
    found = [
        recurrence(random.standard_cauchy(60) + 0.01 * random.standard_normal((4, 60))) for _ in range(400)
    ]
    assert all(f.p_place < 1e-9 for f in found)
    assert 0.02 < np.mean([f.p_order < 0.05 for f in found]) < 0.09
    assert min(f.p_order for f in found) > 1e-5


@pytest.mark.parametrize("shape", [np.sin(np.arange(60) / 4.0), (-1.0) ** np.arange(60)])
def test_a_shape_is_seen(shape):
    random = np.random.default_rng(3)
    found = recurrence(falling(4, 60) + shape + 0.1 * random.standard_normal((4, 60)))
    assert found.p_order < 1e-6 and found.p_place < 1e-12


def test_equal_values_have_no_order():
    """A loss that is zero but for a few hard batches."""
    random = np.random.default_rng(5)
    low = []
    for _ in range(200):
        x = np.zeros((4, 60))
        x[:, random.choice(60, 8, replace=False)] = 1.0 + random.random((4, 8))
        low.append(recurrence(x).p_order)
    assert np.mean(np.array(low) < 0.05) < 0.12 and min(low) > 1e-5


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_the_scale_does_not_matter(scale):
    x = np.random.default_rng(4).standard_normal((4, 40))
    assert recurrence(scale * x).p_place == pytest.approx(recurrence(x).p_place)


@pytest.mark.parametrize("values", [np.zeros((5, 40)), np.ones((2, 40)), np.ones((5, 15)), [], 3.0])
def test_too_little_to_tell(values):
    assert np.isnan(recurrence(values).share) and np.isnan(recurrence(values).p_place)


@given(arrays(np.float64, st.tuples(st.integers(0, 5), st.integers(0, 40)), elements=st.floats(width=64)))
@settings(max_examples=100, deadline=None)
def test_total(values):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = recurrence(values)
    assert not found.share > 1.0 + 1e-9 and not found.p_order > 1.0 and not found.p_place < 0.0
