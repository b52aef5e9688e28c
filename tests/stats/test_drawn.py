"""The mean of independent draws, weighted or not."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import sem, t

from thalweg.stats.drawn import drawn

ANY = st.lists(st.one_of(st.floats(), st.sampled_from([0.0, 1e300, -1e300, 5e-324])), max_size=20)


@given(ANY, ANY)
@settings(max_examples=60, deadline=None)
def test_total(values: list[float], weights: list[float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for found in (drawn(values), drawn(values, weights), drawn([1.7e308, -1.7e308] * 5, weights)):
            assert not found.error < 0.0
            assert not found.within(0.95) < 0.0


def test_it_is_the_textbook_mean() -> None:
    x = np.random.default_rng(0).standard_normal(40)
    found = drawn([*x, np.nan, np.inf])
    assert (found.value, found.error, found.count) == (pytest.approx(x.mean()), pytest.approx(sem(x)), 40)
    low, _ = t.interval(0.9, 39, x.mean(), sem(x))
    assert found.value - found.within(0.9) == pytest.approx(low)
    assert drawn(x * 1e200).error == pytest.approx(found.error * 1e200)
    assert np.isnan(drawn([1.0]).within(0.9)) and drawn([]).count == 0


def test_weighted_it_is_a_ratio_of_means_whose_error_is_held() -> None:
    """Against repeats: the ratio scatters as its error says."""
    rng = np.random.default_rng(1)
    repeats = []
    for _ in range(400):
        w = rng.exponential(size=1000)
        x = 1.0 + w + rng.standard_normal(1000)
        found = drawn(x, w)
        assert found.value == pytest.approx(np.sum(w * x) / np.sum(w))
        repeats.append((found.value, found.error))
    values, errors = np.transpose(repeats)
    assert values.mean() == pytest.approx(3.0, abs=0.02)
    assert errors.mean() == pytest.approx(values.std(), rel=0.12)
