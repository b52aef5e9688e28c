"""A value that stands apart from all the others, again and again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from thalweg.stats.lone import lone

RANDOM = np.random.default_rng(0)


def test_a_code_in_two_rows_of_a_hundred() -> None:
    """Its gap and its part of the variance, by hand: 98 numbers from 0 to 1, two of -9999."""
    values = np.concatenate([np.linspace(0.0, 1.0, 98), [-9999.0, -9999.0]])
    found = lone(values)
    assert found is not None and (found.value, found.count) == (-9999.0, 2)
    assert found.gap == pytest.approx(9999.0)
    within = 0.98 * np.var(np.linspace(0.0, 1.0, 98))
    assert found.share == pytest.approx(1.0 - within / np.var(values))


@pytest.mark.parametrize(
    "values",
    [
        RANDOM.lognormal(0.0, 1.5, 2000).round(2),
        RANDOM.poisson(1.0, 2000),
        np.where(RANDOM.random(2000) < 0.6, 0.0, RANDOM.gamma(2.0, 10.0, 2000)),
        np.minimum(RANDOM.normal(0.0, 1.0, 2000), 0.5),
        RANDOM.standard_t(2.5, 2000),
    ],
    ids=["prices", "counts", "often nothing", "cut off", "heavy tails"],
)
def test_honest_targets_have_no_value_apart_that_several_share(values: np.ndarray) -> None:
    found = lone(np.asarray(values, dtype=np.float64))
    assert found is None or found.count < 3 or found.gap < 1.0


def test_too_few_to_tell() -> None:
    assert lone(np.array([0.0, 0.0, 5.0, np.nan])) is None
    assert lone(np.array([])) is None


@given(arrays(np.float64, st.integers(0, 30), elements=st.floats(allow_nan=True, allow_infinity=True)))
def test_any_numbers(values: np.ndarray) -> None:
    found = lone(values)
    assert found is None or (found.value in values and found.count >= 1)
