"""Signal: found where it was planted, and p uniform where there is none."""

import numpy as np
import pytest

from thalweg.stats.ridge import standardised
from thalweg.stats.signal import signal

random = np.random.default_rng(0)
X = random.standard_normal((400, 6))
LINE = (X @ [1.0, -1.0, 0.5, 0.0, 0.0, 0.0] > 0).astype(int)


def of(x: np.ndarray, labels: np.ndarray, **given):
    return signal(standardised(x), np.eye(labels.max() + 1)[labels], True, **given)


@pytest.mark.parametrize(
    ("x", "labels"),
    [
        (X, LINE),
        (X[:, :2], (X[:, 0] * X[:, 1] > 0).astype(int)),
        (X[:, :2], (np.sum(X[:, :2] ** 2, axis=1) > 1.4).astype(int)),
        (np.floor(4.0 * (random.random((400, 2)))), random.integers(0, 2, (4, 4)).ravel()),
    ],
)
def test_planted(x, labels):
    if len(labels) == 16:  # a checkerboard drawn by chance
        labels = labels.reshape(4, 4)[x[:, 0].astype(int), x[:, 1].astype(int)]
    found = of(x, labels)
    assert found.p == 0.01 and found.permutations == 99
    assert found.score > 0.85 and found.balanced > 0.85
    assert found.contradicted < 0.05


def test_numbers():
    found = signal(standardised(X), np.sin(2.0 * X[:, :1]), False)
    assert found.p == 0.01 and found.score > 0.5
    assert np.isnan(found.balanced) and np.isnan(found.contradicted)


def test_p_is_uniform_where_there_is_none():
    small = standardised(random.standard_normal((60, 4)))
    p = [signal(small, np.eye(2)[random.integers(0, 2, 60)], True, permutations=19).p for _ in range(200)]
    assert np.mean(np.array(p) <= 0.05) < 0.1
    assert 0.4 < np.mean(p) < 0.66


@pytest.mark.parametrize("rate", [0.2, 0.4])
def test_contradicted_is_the_share_of_flipped_labels(rate):
    labels = np.where(random.random(400) < rate, 1 - LINE, LINE)
    assert of(X, labels).contradicted == pytest.approx(rate, abs=0.09)


def test_balanced_sees_what_imbalance_hides():
    rare = (X[:, 0] + X[:, 1] > 2.3).astype(int)
    assert rare.mean() < 0.1
    found = of(X, rare)
    assert found.balanced > 0.9
    assert found.score < 0.99


def test_too_little_to_tell():
    assert of(X[:30], LINE[:30]) is None
    assert signal(X, np.zeros((400, 1)), False) is None
    assert signal(np.empty((400, 0)), np.eye(2)[LINE], True) is None


def test_many_columns_take_fewer_permutations():
    labels = random.integers(0, 60, 400)
    assert of(X, labels).permutations == 50


def test_a_rare_class_that_the_accuracy_does_not_see() -> None:
    """Its examples lie apart, but nowhere are they the more likely answer."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3))
    rare = (rng.random(400) < 0.4) & (x[:, 0] > 0.8)
    found = signal(standardised(x), np.eye(2)[rare.astype(int)], True)
    assert found is not None
    assert found.score == pytest.approx(found.chance, abs=0.02)
    assert found.p < 0.05
