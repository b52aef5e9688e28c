"""The interval of a median: its coverage against simulation, and what it does at the ends."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from thalweg.stats.median_interval import median_band, median_interval


@pytest.mark.parametrize(
    ("n", "confidence", "low", "high"),
    [(5, 0.9375, 0, 4), (6, 0.96875, 0, 5), (9, 0.9609375, 1, 7), (10, 0.978515625, 1, 8), (3, 0.75, 0, 2)],
)
def test_the_ranks_are_those_of_the_sign_test(n: int, confidence: float, low: int, high: int) -> None:
    found = median_interval(np.random.default_rng(0).permutation(n))
    assert (found.low, found.high) == (low, high)
    assert found.confidence == pytest.approx(confidence)


@pytest.mark.parametrize("n", [5, 8, 20])
@pytest.mark.parametrize("kind", ["normal", "skew", "some never come"])
def test_it_holds_the_median_as_often_as_it_says(n: int, kind: str) -> None:
    rng = np.random.default_rng(n)
    drawn = {"normal": rng.normal, "skew": rng.exponential, "some never come": rng.uniform}[kind](
        size=(20_000, n)
    )
    truth = {"normal": 0.0, "skew": np.log(2.0), "some never come": 0.5}[kind]
    if kind == "some never come":
        drawn[drawn > 0.7] = np.nan
    found = [median_interval(row) for row in drawn]
    inside = np.mean([one.low <= truth <= one.high for one in found])
    assert inside == pytest.approx(found[0].confidence, abs=0.008)
    assert found[0].confidence >= min(0.95, 1.0 - 2.0 * 0.5**n)


def test_what_never_came_is_later_than_all_that_did() -> None:
    assert median_interval([3.0, np.nan, 1.0]).value == 3.0
    assert median_interval([np.nan, np.nan, 1.0]).value == np.inf
    assert median_interval([np.inf, 1.0, 2.0, np.inf]).value == np.inf
    assert median_interval([]).count == 0 and np.isnan(median_interval([]).value)
    assert median_interval([2.0]).confidence == 0.0
    assert median_interval([1.5e308, 1.7e308]).value == 1.6e308
    assert median_interval([5e-324]).value == 5e-324


@given(st.lists(st.floats(), max_size=30))
def test_the_median_lies_in_its_interval(values: list[float]) -> None:
    found = median_interval(values)
    assert not values or found.low <= found.value <= found.high or np.isnan(found.value)
    assert 0.0 <= found.confidence <= 1.0


@given(st.tuples(st.integers(0, 9), st.integers(0, 4)).flatmap(lambda shape: arrays(np.float64, shape)))
def test_a_band_is_an_interval_of_each_column(values: np.ndarray) -> None:
    band = median_band(values)
    for column, parts in zip(values.T, zip(band.value, band.low, band.high, strict=True), strict=True):
        alone = median_interval(column)
        assert np.array_equal(parts, (alone.value, alone.low, alone.high), equal_nan=True)
        assert (band.confidence, band.count) == (alone.confidence, alone.count)
