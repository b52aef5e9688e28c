"""The effective rank, against the eigenvalues of the covariance and on planted clouds."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from thalweg.stats.rank import effective_rank

ANY = arrays(np.float64, st.tuples(st.integers(0, 9), st.integers(0, 7)), elements=st.floats(width=64))


@given(ANY)
@settings(max_examples=200, deadline=None)
def test_answers_whatever_comes(points):
    with warnings.catch_warnings(), np.errstate(all="warn"):
        warnings.simplefilter("error")
        rank = effective_rank(points)
    assert np.isnan(rank) or 0.0 <= rank <= 1.0


@pytest.mark.parametrize("shape", [(40, 6), (5, 30)])
def test_against_the_eigenvalues(shape):
    points = np.random.default_rng(0).standard_normal(shape) * np.geomspace(1, 30, shape[1])
    values = np.linalg.eigvalsh(np.cov(points, rowvar=False))
    oracle = values.sum() ** 2 / (values**2).sum() / min(shape)
    assert effective_rank(points) == pytest.approx(oracle)
    assert effective_rank(1e200 * points) == pytest.approx(oracle)


def test_planted():
    rng = np.random.default_rng(0)
    line = np.outer(rng.standard_normal(300), np.ones(10))
    assert effective_rank(line) == pytest.approx(0.1)
    assert effective_rank(rng.standard_normal((5000, 8))) > 0.95
    assert effective_rank(np.full((40, 5), 0.1, np.float32)) == 0.0
    assert effective_rank(np.float32(1) + np.float32(1e-7) * rng.standard_normal((40, 5)).astype("f4")) == 0.0
    assert np.isnan(effective_rank(np.array([[np.nan, 1.0]])))
