"""The kind of targets, and the loss of the best constant prediction against a search for it."""

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from thalweg.stats.targets import TargetKind, constant_prediction_loss, target_kind

random = np.random.default_rng(3)
CLASSES = random.integers(0, 4, 200)
KINDS = [
    (CLASSES, 4, TargetKind.CLASSES),
    (CLASSES[:, None], 4, TargetKind.CLASSES),
    (CLASSES.astype("float32"), 4, TargetKind.CLASSES),
    (CLASSES, None, TargetKind.CLASSES),
    (CLASSES.astype("float32"), None, TargetKind.CONTINUOUS),
    (CLASSES, 1, TargetKind.CONTINUOUS),
    (CLASSES - 1, 4, TargetKind.CONTINUOUS),
    (CLASSES.reshape(20, 10), 4, TargetKind.CLASSES),
    (np.eye(4)[CLASSES], 4, TargetKind.ONE_HOT),
    (np.eye(4)[CLASSES], None, TargetKind.ONE_HOT),
    (np.eye(4)[CLASSES].reshape(20, 10, 4), 4, TargetKind.ONE_HOT),
    ((random.random((50, 4)) > 0.5).astype(int), 4, TargetKind.MULTI_LABEL),
    (CLASSES > 1, 1, TargetKind.BINARY),
    ((CLASSES > 1).astype(float)[:, None], 1, TargetKind.BINARY),
    ((CLASSES > 1).astype(int), 2, TargetKind.CLASSES),
    (random.standard_normal((50, 2)), 2, TargetKind.CONTINUOUS),
    (random.standard_normal(50), 1, TargetKind.CONTINUOUS),
    (np.array([0.0, np.nan, 1.0]), 1, TargetKind.CONTINUOUS),
    (np.array([]), 3, TargetKind.CONTINUOUS),
    (np.array(["a", "b"]), 2, TargetKind.CONTINUOUS),
]


@pytest.mark.parametrize(("targets", "width", "kind"), KINDS)
def test_kind(targets, width, kind):
    assert target_kind(targets, width) is kind


def best(loss, size: int) -> float:
    """The smallest mean loss over constant predictions of this many numbers, found by search."""
    start = np.full(size, 0.3)
    found = scipy.optimize.minimize(
        loss, start, method="Nelder-Mead", options={"maxiter": 6000, "fatol": 1e-10}
    )
    return float(found.fun)


@given(arrays(np.int64, st.integers(2, 40), elements=st.integers(0, 3)))
@settings(max_examples=15, deadline=None)
def test_cross_entropy(classes):
    def loss(scores: np.ndarray) -> float:
        return float(np.mean(np.log(np.sum(np.exp(scores))) - scores[classes]))

    expected = best(loss, 4)
    for targets, kind in ((classes, TargetKind.CLASSES), (np.eye(4)[classes], TargetKind.ONE_HOT)):
        for name in ("categorical_crossentropy", "sparse_categorical_crossentropy"):
            found = constant_prediction_loss(name, targets, kind)
            assert found == pytest.approx(expected, abs=2e-3)
            assert found <= expected + 1e-9


@given(arrays(np.int64, st.tuples(st.integers(2, 30), st.integers(1, 2)), elements=st.integers(0, 1)))
@settings(max_examples=15, deadline=None)
def test_binary_cross_entropy(labels):
    def loss(scores: np.ndarray) -> float:
        return float(np.mean(np.log1p(np.exp(scores)) - labels * scores))

    found = constant_prediction_loss("binary_crossentropy", labels, TargetKind.MULTI_LABEL)
    assert found == pytest.approx(best(loss, labels.shape[1]), abs=2e-3)


@given(arrays(np.float64, st.tuples(st.integers(2, 30), st.integers(1, 2)), elements=st.floats(-5, 5)))
@settings(max_examples=15, deadline=None)
def test_errors(numbers):
    def squared(constant: np.ndarray) -> float:
        return float(np.mean((numbers - constant) ** 2))

    def absolute(constant: np.ndarray) -> float:
        return float(np.mean(np.abs(numbers - constant)))

    size, kind = numbers.shape[1], TargetKind.CONTINUOUS
    for name in ("mean_squared_error", "mse"):
        assert constant_prediction_loss(name, numbers, kind) == pytest.approx(best(squared, size), abs=1e-3)
    for name in ("mean_absolute_error", "mae"):
        assert constant_prediction_loss(name, numbers, kind) == pytest.approx(best(absolute, size), abs=1e-3)


@pytest.mark.parametrize(
    ("loss", "targets", "kind"),
    [
        ("huber", np.ones(3), TargetKind.CONTINUOUS),
        ("mse", np.array([1.0, np.inf]), TargetKind.CONTINUOUS),
        ("mse", np.array([]), TargetKind.CONTINUOUS),
        ("categorical_crossentropy", np.array([0.2, 0.8]), TargetKind.CONTINUOUS),
        ("binary_crossentropy", np.array([0.2, 0.8]), TargetKind.CONTINUOUS),
    ],
)
def test_no_formula_no_number(loss, targets, kind):
    assert constant_prediction_loss(loss, targets, kind) is None
