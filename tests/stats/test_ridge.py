"""Kernel ridge regression: the closed form against fits made anew, and what it sees."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from thalweg.stats.ridge import (
    cross_validated,
    descent_score,
    explained_variance,
    gaussian_kernel,
    linear_kernel,
    linear_score,
    standardised,
)


def anew(
    kernel: np.ndarray, targets: np.ndarray, penalty: float, folds: int, weights: np.ndarray
) -> np.ndarray:
    """Every fold predicted by a regression that was fitted without it."""
    n = len(kernel)
    kernel = kernel + 10.0
    predicted = np.empty_like(targets)
    for rows in np.array_split(np.random.default_rng(0).permutation(n), folds):
        rest = np.setdiff1d(np.arange(n), rows)
        inside = kernel[np.ix_(rest, rest)] + np.diag(penalty / weights[rest])
        predicted[rows] = kernel[np.ix_(rows, rest)] @ np.linalg.solve(inside, targets[rest])
    return predicted


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("folds", [2, 5])
def test_closed_form_against_fits_made_anew(folds, weighted):
    random = np.random.default_rng(0)
    features = standardised(random.standard_normal((43, 6)))
    targets = random.standard_normal((43, 3))
    weights = random.uniform(0.5, 2.0, 43) if weighted else np.ones(43)
    kernel = linear_kernel(features) + gaussian_kernel(linear_kernel(features), 1.0)
    found = cross_validated(kernel, targets, 0.3, folds, weights if weighted else None)
    np.testing.assert_allclose(found, anew(kernel, targets, 0.3, folds, weights), atol=1e-9)


def test_gaussian_kernel_against_its_formula():
    x = np.random.default_rng(1).standard_normal((12, 3))
    square = np.sum((x[:, None] - x[None]) ** 2, axis=2)
    expected = np.exp(-2.0 * square / np.median(square))
    np.testing.assert_allclose(gaussian_kernel(linear_kernel(x), 2.0), expected, atol=1e-12)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("steps", [10, 100, 1000])
def test_descent_score_against_steps_that_were_made(steps, wide):
    """Pairs of columns that differ by little, and the target is in the difference."""
    random = np.random.default_rng(4)
    first, second = random.standard_normal((2, 400, 3))
    features = standardised(np.hstack([first + 0.1 * second, first - 0.1 * second]))
    if wide:
        features = np.hstack([features] * 80)
    targets = (first + second).sum(axis=1, keepdims=True)
    weights, train = np.zeros((features.shape[1], 1)), slice(0, 320)
    rate = 1.0 / np.linalg.norm(features[train].T @ features[train], 2)
    for _ in range(steps):
        weights -= rate * features[train].T @ (features[train] @ weights - targets[train])
    made = explained_variance(targets[320:], features[320:] @ weights)
    assert descent_score(features, targets, False, steps) == pytest.approx(made, abs=0.12)
    assert linear_score(features, targets, False)[0] > 0.99


def test_descent_score_of_nothing():
    few, none, flat = np.ones((10, 2)), np.ones((30, 0)), np.zeros((30, 2))
    for features in (few, none, flat):
        assert np.isnan(descent_score(features, np.ones((len(features), 1)), False, 100))
    assert np.isnan(descent_score(np.eye(30), np.ones((30, 1)), False, 0))


def test_linear_score_of_a_line_and_of_a_circle():
    random = np.random.default_rng(2)
    x = random.standard_normal((400, 5))
    features = standardised(x)
    line = x @ np.arange(1.0, 6.0)
    noisy = (line + line.std() / 2 * random.standard_normal(400))[:, None]
    score, loss = linear_score(features, noisy, False)
    assert 0.75 < score < 0.85
    assert loss == pytest.approx((1 - score) * noisy.var(), rel=0.02)
    classes = np.eye(2)[(line > 0).astype(int)]
    assert linear_score(features, classes, True)[0] > 0.9
    circle = np.eye(2)[(np.sum(x[:, :2] ** 2, axis=1) > 1.4).astype(int)]
    assert linear_score(features, circle, True)[0] < 0.65


def test_too_little_to_tell():
    assert linear_score(np.ones((10, 2)), np.ones((10, 1)), False) is None
    assert linear_score(np.ones((30, 0)), np.ones((30, 1)), False) is None


def test_standardised():
    random = np.random.default_rng(3)
    x = random.standard_normal((200, 4)) * [1.0, 1e-150, 1e300, 0.0] + [0.0, 0.0, 1e300, 7.0]
    x[5, 0], x[9, 0], x[11, 1] = np.nan, np.inf, 1e-140
    found = standardised(x)
    assert found.shape == (200, 3)
    assert found[5, 0] == found[9, 0] == 0.0
    assert np.abs(found).max() == 5.0
    np.testing.assert_allclose(found[:, 2].std(), 1.0, atol=1e-6)


@given(arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(0, 4)), elements=st.floats(width=64)))
@settings(max_examples=150, deadline=None)
def test_standardised_is_total(matrix):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = standardised(matrix)
    assert np.isfinite(found).all() and len(found) == len(matrix)
    assert np.abs(found).max(initial=0.0) <= 5.0


def test_explained_variance_of_constants_is_unknown():
    assert np.isnan(explained_variance(np.ones((5, 1)), np.zeros((5, 1))))
