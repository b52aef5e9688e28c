"""Columns without information: planted, and against a count by brute force."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from thalweg.stats.columns import CORRELATED, Columns, columns

SMALL = arrays(
    np.float64, st.tuples(st.integers(2, 7), st.integers(1, 6)), elements=st.integers(-2, 2).map(float)
)


def by_hand(matrix: np.ndarray) -> Columns:
    constant = duplicate = correlated = 0
    kept: list[np.ndarray] = []
    for column in matrix.T:
        if not np.isfinite(column).all():
            continue
        if len(set(column)) == 1:
            constant += 1
        elif any(list(column) == list(other) for other in kept):
            duplicate += 1
        else:
            correlated += any(abs(np.corrcoef(column, other)[0, 1]) >= CORRELATED for other in kept)
            kept.append(column)
    return Columns(matrix.shape[1], constant, duplicate, correlated)


@given(SMALL)
@settings(max_examples=200, deadline=None)
def test_against_a_count_by_hand(matrix):
    assert columns(matrix) == by_hand(matrix)


def test_before_means_in_the_order_of_the_matrix():
    random = np.random.default_rng(0)
    middle, aside = random.standard_normal((2, 500))
    left, right = middle + 0.12 * aside, middle - 0.12 * aside
    r = np.corrcoef([left, middle, right])
    assert r[0, 1] > CORRELATED and r[1, 2] > CORRELATED and r[0, 2] < CORRELATED
    assert columns(np.column_stack([left, right, middle])).correlated == 1
    assert columns(np.column_stack([middle, left, right])).correlated == 2
    assert columns(np.column_stack([-middle, -left, -right])).correlated == 2


def test_planted():
    random = np.random.default_rng(1)
    a, b = random.standard_normal((2, 100))
    broken = np.where(np.arange(100) == 3, np.nan, a)
    matrix = np.column_stack([a, np.full(100, 7.0), b, a, -3.0 * a + 1.0, broken, b, np.zeros(100)])
    assert columns(matrix) == Columns(examined=8, constant=2, duplicate=2, correlated=1)
    assert columns(matrix, limit=3) == Columns(examined=3, constant=1, duplicate=0, correlated=0)


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_the_scale_does_not_matter(scale):
    matrix = np.random.default_rng(2).standard_normal((50, 3))
    matrix[:, 2] = -matrix[:, 0]
    assert columns(matrix * scale) == Columns(3, 0, 0, 1)


@given(
    arrays(np.float64, st.tuples(st.integers(0, 5), st.integers(0, 4)), elements=st.floats(width=64)),
)
@settings(max_examples=100, deadline=None)
def test_total(matrix):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = columns(matrix)
    assert found.examined == matrix.shape[1]
    assert found.constant + found.duplicate + found.correlated <= matrix.shape[1]
