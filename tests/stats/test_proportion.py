"""The interval of a share: against SciPy's exact binomial test, and how often it holds the truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from thalweg.stats.proportion import proportion_interval


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_it_is_that_of_the_exact_test(counted: tuple[int, int]) -> None:
    wanted = binomtest(*counted).proportion_ci(0.95, "exact")
    assert proportion_interval(*counted) == pytest.approx((wanted.low, wanted.high), abs=1e-9)


@pytest.mark.parametrize("chance", [0.05, 0.5, 0.8])
def test_it_holds_the_probability_at_least_as_often_as_it_says(chance: float) -> None:
    n = 12
    held = [low <= chance <= high for low, high in (proportion_interval(k, n) for k in range(n + 1))]
    assert float(np.sum(binom.pmf(np.arange(n + 1), n, chance)[held])) >= 0.95


def test_of_nothing_nothing_is_known() -> None:
    assert proportion_interval(0, 0) == (0.0, 1.0) == proportion_interval(3, 2) == proportion_interval(-1, 2)
    assert proportion_interval(0, 1)[0] == 0.0 and proportion_interval(1, 1)[1] == 1.0
