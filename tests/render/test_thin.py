"""Fewer points for the same picture: nothing that stands out may be lost."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from thalweg.record import Series
from thalweg.render.thin import curve, grid, short

values = st.one_of(
    arrays(np.float64, st.integers(1, 300), elements=st.floats(width=64)),
    # More gaps than any number of buckets: every other value is not finite.
    arrays(np.float64, st.integers(1, 300), elements=st.sampled_from([1.0, -2.0, np.nan, np.inf])),
)


def series(numbers: np.ndarray, stride: int = 1) -> Series:
    return Series("x", "1", 1 + stride * np.arange(len(numbers)), numbers)


@settings(max_examples=200, deadline=None)
@given(values, st.integers(1, 40), st.integers(1, 9))
def test_extremes_ends_and_true_values_stay(numbers, buckets, stride):
    whole = series(numbers, stride)
    drawn = curve(whole, buckets)
    finite = np.isfinite(numbers)
    assert len(drawn.steps) <= 2 * buckets + 2 or not drawn.thinned
    assert np.all(np.diff(drawn.steps) > 0)
    measured = dict(zip(whole.steps.tolist(), numbers.tolist(), strict=True))
    assert all(measured[s] == v for s, v in zip(drawn.steps.tolist(), drawn.values.tolist(), strict=True))
    if finite.any():
        assert drawn.values.max() == numbers[finite].max()
        assert drawn.values.min() == numbers[finite].min()
        assert drawn.steps[0] == whole.steps[finite][0]
        assert drawn.steps[-1] == whole.steps[finite][-1]


@settings(max_examples=200, deadline=None)
@given(values, st.integers(1, 40))
def test_every_value_that_was_not_finite_is_counted_and_covered(numbers, buckets):
    gaps = curve(series(numbers), buckets).gaps
    lost = 1 + np.flatnonzero(~np.isfinite(numbers))
    assert sum(gap.count for gap in gaps) == len(lost)
    assert all(any(gap.first <= step <= gap.last for gap in gaps) for step in lost)
    assert len(gaps) <= buckets + 1
    assert all(a.last < b.first for a, b in pairwise(gaps))


def test_a_gap_says_what_it_was():
    numbers = np.array([1.0, np.nan, np.inf, 2.0, -np.inf])
    assert [(g.first, g.last, g.count, g.words) for g in curve(series(numbers), 10).gaps] == [
        (2, 3, 2, "NaN and infinity"),
        (5, 5, 1, "-infinity"),
    ]


@settings(max_examples=100, deadline=None)
@given(values, st.integers(1, 40))
def test_a_cell_holds_the_largest_of_its_stretch(numbers, bins):
    last = len(numbers)
    cells = grid([series(numbers)], 1, last, bins)
    for place in range(bins):
        inside = [v for n, v in enumerate(numbers) if int(n / last * bins) == place]
        finite = [v for v in inside if np.isfinite(v)]
        assert cells.broken[0, place] == (len(finite) < len(inside))
        assert np.isnan(cells.largest[0, place]) if not finite else cells.largest[0, place] == max(finite)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_short_number_stays_finite_and_near(value):
    assert np.isfinite(short(value))
    assert abs(short(value) - value) <= max(1e-4 * abs(value), 5e-324)
