"""Change points: totality, invariances, a slow oracle, and how near they come."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from thalweg.stats import segments
from thalweg.stats.segments import SHORTEST, _divisions

ANY = st.lists(
    st.one_of(st.floats(), st.floats(-5, 5), st.sampled_from([0.0, 1.0, 1e300, -1e300])), max_size=120
)


@given(ANY, st.integers(1, 5), st.integers(1, 8))
@settings(max_examples=60, deadline=None)
@pytest.mark.filterwarnings("error")
def test_total_and_in_order(values: list[float], repeats: int, most: int) -> None:
    found = segments(values * repeats, most)
    assert len(found) < most or found == ()
    assert all(
        0 < a < b <= len(values) * repeats
        for a, b in itertools.pairwise((*found, len(values) * repeats))
        if a
    )
    assert list(found) == sorted(set(found))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "values", [[], [np.nan] * 50, [np.inf] * 50, [1.7e308, -1.7e308] * 40, [5e-324, 0.0] * 60]
)
def test_total_on_the_worst(values: list[float]) -> None:
    assert segments(values) == ()


@given(st.integers(0, 50), st.sampled_from([0.25, 1024.0]), st.floats(-4, 4))
@settings(max_examples=30, deadline=None)
def test_unit_and_origin_do_not_matter(seed: int, scale: float, shift: float) -> None:
    rng = np.random.default_rng(seed)
    y = np.repeat([3.0, 1.0, 0.0], 40) + 0.05 * rng.standard_normal(120)
    assert segments(y * scale) == segments(y)
    assert segments(y + shift) == segments(y)


@given(arrays(np.float64, st.integers(12, 20), elements=st.floats(-5, 5, width=16)))
@settings(max_examples=30, deadline=None)
def test_least_squares_of_all_divisions(y: np.ndarray) -> None:
    """Against every division there is, each line by `polyfit`."""
    squares, ends = _divisions(y, 3)

    def left(starts: tuple[int, ...]) -> float:
        rest = 0.0
        for part in np.split(y, starts):
            x = np.arange(len(part))
            rest += float(np.sum((part - np.polyval(np.polyfit(x, part, 1), x)) ** 2))
        return rest

    for lines in (1, 2, 3):
        places = itertools.combinations(range(SHORTEST, len(y) - SHORTEST + 1), lines - 1)
        every = [p for p in places if all(b - a >= SHORTEST for a, b in itertools.pairwise((0, *p, len(y))))]
        assert squares[lines - 1] == pytest.approx(min(map(left, every)), abs=1e-6)
        assert left(tuple(ends[lines - 1])) == pytest.approx(squares[lines - 1], abs=1e-6)


def noise(rng: np.random.Generator, n: int, correlation: float) -> np.ndarray:
    values = rng.standard_normal(n)
    for i in range(1, n):
        values[i] = correlation * values[i - 1] + np.sqrt(1.0 - correlation**2) * values[i]
    return values


def test_a_straight_line_is_one() -> None:
    """Of 40 lines of 300 values whose neighbours correlate by 0.5, and 40 of 3,000 by 0.9, at most one is divided."""
    rng = np.random.default_rng(11)
    for n, correlation in ((300, 0.5), (3000, 0.9)):
        divided = [bool(segments(-np.arange(n) / n + 0.1 * noise(rng, n, correlation))) for _ in range(40)]
        assert sum(divided) <= 1


@pytest.mark.parametrize(("size", "correlation"), [(0.02, 0.0), (0.1, 0.0), (0.1, 0.9)])
def test_how_near_a_known_change_is_found(size: float, correlation: float) -> None:
    """A fast fall, a slow one from 25 % on and a flat end from 60 %: the first within two medians of 64."""
    rng = np.random.default_rng(12)
    n = 3000
    t = np.arange(n) / n
    course = np.where(t < 0.25, -8.0 * t, np.where(t < 0.6, -1.75 - t, -2.35))
    errors = []
    for _ in range(20):
        found = segments(course + size * noise(rng, n, correlation))
        assert 1 <= len(found) <= 3
        errors.append(min(abs(place / n - 0.25) for place in found))
    assert np.quantile(errors, 0.9) <= 2.0 / 64.0
