"""Shift, ordering, overlap, scales and non-finite examples: planted, and against slow counts."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from thalweg.stats import nonfinite
from thalweg.stats.conditioning import scales
from thalweg.stats.nonfinite import nonfinite_examples
from thalweg.stats.ordering import class_ordering, value_ordering
from thalweg.stats.overlap import finest, near, occurrences, repeated
from thalweg.stats.shift import shift

random = np.random.default_rng(0)
WILD = arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(0, 4)), elements=st.floats(width=64))
SMALL = arrays(np.int64, st.tuples(st.integers(1, 9), st.integers(1, 3)), elements=st.integers(-1, 1))


def test_shift():
    alike = random.standard_normal((2, 200, 5))
    assert shift(*alike) == pytest.approx(0.5, abs=0.1)
    assert shift(alike[0], alike[1] + 0.5) == pytest.approx(0.78, abs=0.08)
    assert shift(alike[0], alike[1] + 4.0) > 0.999
    assert shift(alike[0], alike[0]) == pytest.approx(0.5, abs=0.1)
    assert np.isnan(shift(alike[0][:10], alike[1]))
    assert np.isnan(shift(np.ones((30, 2)), np.ones((30, 2))))


def test_shift_counts_ties_as_half():
    first, second = np.repeat([0.0, 1.0], [30, 10])[:, None], np.repeat([0.0, 1.0], [10, 30])[:, None]
    assert shift(first, second) == pytest.approx(0.75, abs=0.06)


def test_class_ordering():
    ordered = np.repeat(np.arange(4), 50)
    found = class_ordering(ordered, 20)
    assert found.batches == 10
    assert found.one_class == 0.8  # 50 is no multiple of 20: two batches hold a border
    assert found.neighbours == pytest.approx((196 / 199 - 0.25) / 0.75)
    mixed = class_ordering(random.permutation(np.repeat(np.arange(4), 500)), 20)
    assert mixed.one_class == 0.0 and abs(mixed.neighbours) < 0.1
    assert class_ordering(np.tile([0, 1], 50), 10).neighbours == pytest.approx(-1.0)
    assert np.isnan(class_ordering(np.zeros(50), 10).neighbours)
    assert np.isnan(class_ordering(np.zeros(5), 10).one_class)


def test_value_ordering():
    noise = random.standard_normal((500, 2))
    assert abs(value_ordering(noise, 10).neighbours) < 0.15
    assert value_ordering(np.sort(noise, axis=0), 10).neighbours > 0.97
    expected = np.corrcoef(noise[1:, 0], noise[:-1, 0])[0, 1]
    assert value_ordering(noise[:, 0], 10).neighbours == pytest.approx(expected, abs=0.01)
    assert np.isnan(value_ordering(np.full(40, 1e300), 4).neighbours)


def by_hand(rows: list[np.ndarray], table: list[np.ndarray]) -> list[int]:
    return [
        sum(
            all(np.array_equal(r[i], t[j]) for r, t in zip(rows, table, strict=True))
            for j in range(len(table[0]))
        )
        for i in range(len(rows[0]))
    ]


@given(SMALL, st.data())
@settings(max_examples=100, deadline=None)
def test_occurrences_against_a_count_by_hand(rows, data):
    table = data.draw(arrays(np.float32, (7, rows.shape[1]), elements=st.integers(-1, 1).map(float)))
    second = np.arange(len(rows))[:, None] % 2, np.arange(7) % 2
    found = occurrences([rows, second[0]], [table, second[1][:, None]])
    assert list(found) == by_hand([rows, second[0]], [table, second[1][:, None]])


def test_occurrences_are_confirmed_on_all_columns():
    """Rows that agree in all columns of the key, and differ in one beyond it."""
    table = np.tile(random.standard_normal(600).astype(np.float32), (50, 1))
    table[:, :300] = random.standard_normal((50, 300))
    rows = table[:20].copy()
    rows[:10, 599] += 1.0
    assert list(occurrences([rows], [table])) == [0] * 10 + [1] * 10


def test_occurrences_see_through_precision_and_the_sign_of_zero():
    table = random.standard_normal((30, 4))
    table[3] = 0.0
    rows = table.astype(np.float32)
    rows[3] = -0.0
    assert occurrences([rows], [table]).tolist() == [1] * 30
    table[5, 0] = np.nan
    assert occurrences([table], [table])[5] == 0


def test_copies_bring_no_values_of_their_own():
    once = np.c_[np.arange(50.0), np.zeros(50)]
    assert finest([np.repeat(once, 4, axis=0)]) == 0.25
    assert finest([np.repeat(once, 4, axis=0)], copies=150) == 1.0
    assert finest([np.repeat(once // 10, 4, axis=0)], copies=150) == 0.1


@given(WILD)
@settings(deadline=None)
def test_what_is_finest_without_copies_is_a_share(rows):
    groups = repeated([rows])
    share = finest([rows], copies=sum(map(len, groups)) - len(groups))
    assert finest([rows]) <= share <= 1.0


def test_near_tells_copies_from_rows_that_agree_by_accident():
    wide = np.random.default_rng(0).integers(0, 40, (100, 6))  # no column is continuous
    assert near([np.repeat(wide, 3, axis=0)]) == near([wide]) == 0.0
    categories = np.random.default_rng(0).integers(0, 3, (200, 4))
    assert near([categories]) > 0.5
    assert near([categories[:, :2], categories[:, 2:]]) == near([categories])
    assert near([np.arange(5)[:, None]]) == 1.0 and near([wide[:1]]) == 0.0


@given(SMALL)
def test_near_against_a_slow_count(rows):
    """The column left out is the one with the most values."""
    different = np.unique(rows, axis=0)
    values = [len(np.unique(column)) for column in different.T]
    left = [np.delete(different, c, axis=1) for c in range(different.shape[1]) if values[c] == max(values)]
    shares = {float(np.mean([(part == row).all(axis=1).sum() > 1 for row in part])) for part in left}
    assert near([rows]) in (shares if len(different) > 1 else {0.0})


def test_repeated_and_finest():
    rows = random.standard_normal((20, 3))
    rows[7] = rows[19] = rows[2]
    rows[4] = rows[5]
    assert sorted(repeated([rows])) == [[2, 7, 19], [4, 5]]
    assert repeated([rows, np.arange(20)]) == []
    assert finest([rows]) == 17 / 20
    assert finest([np.tile([0, 1], 10)]) == 0.1


def test_scales():
    x = random.standard_normal((1000, 4)) * [1.0, 10.0, 100.0, 1e300] + [50.0, 0.0, 0.0, 0.0]
    found = scales(np.column_stack([x, np.full(1000, -7.0), np.where(np.arange(1000) == 5, np.nan, 9.0)]))
    assert found.minimum == pytest.approx(1.0, rel=0.1)
    assert found.median == pytest.approx(55.0, rel=0.1)
    assert found.maximum == pytest.approx(1e300, rel=0.1)
    assert found.offset == pytest.approx(50.0, rel=0.1)
    assert found.constant == 7.0
    assert 1.0 <= found.condition < 1.5


@pytest.mark.parametrize("noise", [1e-1, 1e-2, 1e-3])
def test_condition_of_two_columns_alike(noise):
    x = random.standard_normal((2000, 2))
    x[:, 1] = x[:, 0] + noise * x[:, 1]
    r = np.corrcoef(x.T)[0, 1]
    assert scales(x).condition == pytest.approx((1 + r) / (1 - r), rel=1e-3)


def test_condition_is_infinite_for_a_combination_and_unknown_for_few_rows():
    x = random.standard_normal((400, 3)).astype(np.float32)
    one_hot = np.eye(4)[random.integers(0, 4, 400)]
    assert scales(np.column_stack([x, x @ [1.0, 2.0, 3.0]]).astype(np.float64)).condition == np.inf
    assert scales(one_hot).condition == np.inf
    assert np.isnan(scales(random.standard_normal((11, 3))).condition)
    assert np.isfinite(scales(random.standard_normal((12, 3))).condition)


@given(WILD)
@settings(max_examples=150, deadline=None)
def test_total(matrix):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = scales(matrix)
        value_ordering(matrix, 2)
        class_ordering(matrix, 2)
        finest([matrix])
        repeated([matrix])
        occurrences([matrix], [matrix])
        counted = nonfinite_examples(matrix)
    assert not found.minimum > found.median and not found.median > found.maximum
    bad = [i for i, row in enumerate(matrix) if not np.isfinite(row).all()]
    assert (counted.count, counted.first) == (len(bad), bad[0] if bad else -1)


def test_nonfinite_examples_across_chunks(monkeypatch):
    monkeypatch.setattr(nonfinite, "_CHUNK", 12)
    x = np.zeros((50, 2, 2), np.float32)
    x[7, 1, 1], x[7, 0, 0], x[49, 0, 0] = np.nan, np.inf, -np.inf
    found = nonfinite_examples(x)
    assert (found.count, found.first, found.looked) == (2, 7, 50)
    assert nonfinite_examples(np.zeros((5, 2), np.uint8)).count == 0
    monkeypatch.setattr(nonfinite, "_ENTRIES", 100)
    assert nonfinite_examples(x).looked == 26
