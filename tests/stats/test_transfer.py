"""Whether what holds among training examples holds among validation examples."""

import numpy as np
import pytest

from thalweg.stats.transfer import transfer

RANDOM = np.random.default_rng(0)
WEIGHTS = RANDOM.standard_normal((20, 3))


def drawn(count, seed, weights=WEIGHTS):
    x = np.random.default_rng(seed).standard_normal((count, 20))
    return x, (x @ weights).argmax(axis=1)


def test_examples_of_one_kind():
    found = transfer(*drawn(500, 1), *drawn(400, 2))
    assert found.within > 0.85 and found.own > 0.8 and found.chance == pytest.approx(1 / 3)
    assert found.across == pytest.approx(found.within, abs=3 * found.error) and found.error < 0.04


def test_columns_in_another_order():
    x, y = drawn(400, 2)
    found = transfer(*drawn(500, 1), x[:, ::-1], y)
    assert found.across < 0.45 < 0.8 < min(found.within, found.own)


def test_the_scores_are_those_of_a_regression_that_is_solved_anew():
    """Weighted least squares with a penalty on weights and intercept, and the standard errors by hand."""
    (x, y), (v, w) = drawn(120, 3), drawn(90, 4)
    found = transfer(x, y, v, w)
    size = np.mean(np.sum(np.concatenate([x, v]) ** 2, axis=1))

    def recalls(learned, labels, asked):
        design = np.hstack([learned / np.sqrt(size), np.ones((len(learned), 1))])
        weight = len(labels) / (3 * np.bincount(labels)[labels])
        inner = design.T @ (weight[:, None] * design) + np.eye(21)
        solved = np.linalg.solve(inner, design.T @ (weight[:, None] * np.eye(3)[labels]))
        return np.argmax(np.hstack([asked / np.sqrt(size), np.ones((len(asked), 1))]) @ solved, axis=1)

    def recall(truth, told):
        return np.mean([np.mean(told[truth == k] == k) for k in range(3)])

    told = np.concatenate([recalls(x[60:], y[60:], x[:60]), recalls(x[:60], y[:60], x[60:])])
    assert found.within == pytest.approx(recall(y, told))
    both = [recall(w, recalls(x[part], y[part], v)) for part in (slice(60), slice(60, None))]
    assert found.across == pytest.approx(np.mean(both))
    assert 0.0 < found.error == pytest.approx(np.hypot(1, 1) * np.sqrt(0.25 * 0.75 / 30 / 3), rel=0.4)


def test_neighbours_in_time_are_on_one_side():
    """Labels that nothing foretells, the same for twenty neighbours: a random half would know them by heart."""
    x = np.repeat(RANDOM.standard_normal((20, 50)), 20, axis=0) + 0.1 * RANDOM.standard_normal((400, 50))
    y = np.repeat(np.arange(20) % 2, 20)
    found = transfer(x, y, x[:200] + 1.0, y[:200])
    assert abs(found.within - 0.5) < 0.25


def test_other_frequencies_do_not_count():
    x, y = drawn(800, 5)
    rarer = (y != 0) | (np.arange(800) % 4 == 0)
    found = transfer(*drawn(500, 1), x[rarer], y[rarer])
    assert found.across == pytest.approx(found.within, abs=0.1)


def test_classes_that_a_half_lacks_are_left_out():
    (x, y), (v, w) = drawn(500, 1), drawn(400, 2)
    y[250:][y[250:] == 2] = 1
    assert transfer(x, y, v, w).chance == 0.5
    assert transfer(x, np.sort(y), v, w) is None
    few = np.r_[np.zeros(46, int), np.ones(4, int)]
    assert transfer(x[:100], np.tile(few, 2), v[:100], np.tile(few, 2)) is None
    enough = np.r_[np.zeros(45, int), np.ones(5, int)]
    assert transfer(x[:100], np.tile(enough, 2), v[:100], np.tile(enough, 2)).chance == 0.5


@pytest.mark.parametrize("x", [np.zeros((60, 4)), np.zeros((60, 0)), np.full((60, 4), 1e200)])
def test_inputs_that_say_nothing(x):
    y = np.arange(60) % 2
    with np.errstate(all="ignore"):
        assert transfer(x, y, x, y) is None
    assert transfer(x[:0], y[:0], x[:0], y[:0]) is None


def test_all_told_is_not_certain():
    x = np.eye(2)[np.arange(40) % 2]
    y = np.arange(40) % 2
    found = transfer(x, y, x, y)
    assert found.within == found.across == found.own == 1.0 and 0.01 < found.error < 0.1
