"""The plane of a path."""

import warnings

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from thalweg.stats.plane import main_plane

random = np.random.default_rng(5)


def test_a_path_within_a_plane_is_found_whole():
    basis = np.linalg.qr(random.standard_normal((40, 2)))[0].T
    t = np.linspace(0.0, 3.0, 20)
    inside = np.stack([np.exp(-t) * np.cos(3 * t), 0.3 * np.exp(-t) * np.sin(3 * t)], axis=1)
    found = main_plane(7.0 + inside @ basis)
    assert np.isclose(found.shares.sum(), 1.0)
    assert np.allclose(found.directions @ found.directions.T, np.eye(2))
    assert np.allclose(found.seen @ found.directions, (inside - inside[-1]) @ basis)
    assert np.all(found.seen[0] <= 0.0) and np.all(found.seen[-1] == 0.0)


def test_the_shares_are_those_of_the_singular_values():
    path = random.standard_normal((9, 30))
    found = main_plane(path)
    squares = np.linalg.svd(path - path[-1], compute_uv=False) ** 2
    assert np.allclose(found.shares, squares[:2] / squares.sum())


def test_what_spans_no_plane_has_none():
    line = np.outer(np.arange(5.0), np.ones(4))
    for points in (
        [],
        [[1.0, 2.0]],
        np.ones((5, 4)),
        line,
        np.full((5, 4), np.nan),
        np.where(line > 3.0, np.inf, line),
    ):
        assert main_plane(points) is None


@given(arrays(np.float64, array_shapes(min_dims=1, max_dims=3, max_side=6), elements=st.floats(width=64)))
def test_it_answers_everything(points):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = main_plane(points)
    if found is not None:
        assert np.isfinite(found.shares).all()
