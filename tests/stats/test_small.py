"""Numbers next to zero among others."""

import numpy as np
import pytest

from thalweg.stats.small import small


def test_one_zero_is_nearly_all_of_a_percentage_error():
    found = small(np.r_[0.0, np.full(999, 2.0)])
    assert (found.looked, found.count, found.zeros) == (1000, 1, 1)
    assert found.share == pytest.approx(1e7 / (1e7 + 999 / 2))


def test_what_is_under_a_thousandth_of_the_median():
    sizes = np.r_[0.0019, -0.0019, 0.0021, np.full(997, -2.0)]
    found = small(sizes)
    assert (found.count, found.zeros) == (2, 0)
    assert found.share == pytest.approx(2 / 0.0019 / np.sum(1 / np.abs(sizes)))


def test_whole_numbers_of_several_columns():
    found = small(np.array([[5, 0], [-7, 9]]))
    assert (found.looked, found.count, found.zeros) == (4, 1, 1)


def test_most_are_zero():
    found = small(np.r_[np.zeros(6), 0.5e-3, np.ones(4)])
    assert (found.count, found.zeros) == (7, 6) and found.share > 0.99


@pytest.mark.parametrize("values", [np.zeros(10), np.full(3, np.nan), np.zeros(0)])
def test_no_size_to_hold_them_against(values):
    assert small(values) is None


def test_values_that_are_not_finite_are_left_out():
    found = small(np.r_[np.nan, np.inf, 0.0, np.ones(5)])
    assert (found.looked, found.count) == (6, 1)


def test_of_very_many_a_part():
    assert small(np.ones(2_500_000, np.float32)).looked == 833_334
