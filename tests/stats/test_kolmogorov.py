"""The Kolmogorov distance, and its bound on the probability."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thalweg.stats.kolmogorov import kolmogorov


def test_by_hand() -> None:
    """Of 0.2 and 0.4 the empirical function is 1 from 0.4 on, where the uniform one is 0.4."""
    found = kolmogorov([0.4, 0.2])
    assert (found.distance, found.count) == (pytest.approx(0.6), 2)
    assert found.p == pytest.approx(2 * np.exp(-2 * 2 * 0.36))
    assert kolmogorov([0.6, 0.8]).distance == pytest.approx(0.6)


def test_error_rate_and_power() -> None:
    random = np.random.default_rng(3)
    fair = [kolmogorov(random.random(300)).p < 0.05 for _ in range(2000)]
    assert 0.025 < np.mean(fair) < 0.065
    assert kolmogorov(random.random(3000) ** 1.15).p < 1e-4


@given(st.lists(st.floats(), max_size=50))
def test_total(values: list[float]) -> None:
    found = kolmogorov(values)
    assert (np.isnan(found.p) and found.count == 0) or (0.0 <= found.p <= 1.0 and 0.0 < found.distance <= 1.0)
