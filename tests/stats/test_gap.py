"""The gap between two means and its bootstrap interval."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.stats.gap import gap

ANY = st.lists(st.one_of(st.floats(), st.sampled_from([0.0, 1e300, -1e300, 5e-324])), max_size=20)


@given(ANY, ANY)
@settings(max_examples=20, deadline=None)
def test_total(first: list[float], second: list[float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = gap(first * 2, second * 2)
        gap([1.7e308, -1.7e308] * 5, second)
    assert not found.low > found.high


def test_of_normal_samples_it_is_the_textbook_interval() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal(400), rng.standard_normal(300) * 2.0 + 1.0
    found = gap([*x, np.nan], y)
    assert found.value == pytest.approx(y.mean() - x.mean())
    errors = x.std(ddof=1) / 20, y.std(ddof=1) / np.sqrt(300)
    assert found.errors == pytest.approx(errors)
    assert found.high - found.value == pytest.approx(1.96 * np.hypot(*errors), rel=0.07)
    assert found.value - found.low == pytest.approx(found.high - found.value)
    assert gap(x, y, 0.5).high < found.high
    assert gap(x * 1e200, y * 1e200).high == pytest.approx(found.high * 1e200)
    assert gap(x, y) == gap(x, y)


def test_skew_losses_are_held_more_often_than_by_two_errors() -> None:
    """One loss in ten large, 30 examples: with too few large ones the mean is low and its error small."""
    held = normal = 0
    for seed in range(60):
        rng = np.random.default_rng([seed, 1])
        x, y = (np.where(rng.random(n) < 0.1, rng.exponential(3.0, n), 0.01) for n in (120, 30))
        found = gap(x, y)
        held += found.low <= 0.0 <= found.high
        normal += abs(found.value) <= 1.96 * np.hypot(*found.errors)
    assert held > normal
    assert held >= 52


def test_under_eight_values_nothing_is_said() -> None:
    assert np.isnan(gap(np.arange(7.0), np.arange(20.0)).high)
    assert np.isnan(gap(np.arange(20.0), [*range(7), np.inf]).value)
