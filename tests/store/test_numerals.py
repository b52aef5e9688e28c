"""Numbers as people and programs write them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thalweg.store.numerals import decimal_comma, number


@pytest.mark.parametrize(
    ("cell", "comma", "value"),
    [
        ("0.25", False, 0.25),
        (" 1e-3 ", True, 1e-3),
        ("0,25", True, 0.25),
        ("1,5e-3", True, 1.5e-3),
        ("1,234.5", False, 1234.5),
        ("1.234,5", True, 1234.5),
        ("1,234,567", False, 1234567.0),
        ("1 234", False, 1234.0),
        ("1\u202f234,5", True, 1234.5),
        ("12'345.5", False, 12345.5),
        ("97.5%", False, 97.5),
        ("tensor(0.25, device='cuda:0')", False, 0.25),
        ("tensor(0.25, device='cuda:0')", True, 0.25),
        ("tf.Tensor(0.25, shape=(), dtype=float32)", False, 0.25),
        ("np.float32(2.5e-01)", False, 0.25),
        ("array([0.25])", False, 0.25),
        ("[0.25]", False, 0.25),
        ("-Infinity", False, -math.inf),
        ("1.#INF", False, math.inf),
        ("1e999", False, math.inf),
        ("NA", False, None),
        ("  ", False, None),
        ("<NA>", False, None),
        ("low", False, "low"),
        ("0.5.1", False, "0.5.1"),
        ("12:30", False, "12:30"),
    ],
)
def test_number(cell, comma, value):
    assert number(cell, comma) == value


def test_not_a_number_is_one():
    for cell in ("nan", "NaN", "-nan", "1.#QNAN", "-1.#IND00", "tensor(nan)"):
        found = number(cell)
        assert isinstance(found, float) and math.isnan(found)


@pytest.mark.parametrize(
    ("cells", "separator", "comma"),
    [
        ([], ",", False),
        ([], ";", True),
        (["1,234"], ",", False),
        (["1,234"], ";", True),
        (["1,234", "0,5"], ",", True),
        (["1,234.5"], ";", False),
        (["1.234,5"], ",", True),
        (["some, words", "tensor(0.1, device=1)"], ",", False),
    ],
)
def test_the_decimal_comma(cells, separator, comma):
    assert decimal_comma(cells, separator) is comma


@given(st.text(max_size=12) | st.text("0123456789.,-+eE'[]() %#naif", max_size=12), st.booleans())
def test_any_cell_is_a_number_or_absent_or_itself(cell, comma):
    found = number(cell, comma)
    assert found is None or isinstance(found, float) or found == cell


@given(st.floats(), st.booleans())
def test_any_number_comes_back(value, comma):
    text = repr(value).replace(".", ",") if comma else repr(value)
    found = number(text, comma)
    assert found == value or (math.isnan(value) and math.isnan(found))
