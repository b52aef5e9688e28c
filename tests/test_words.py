"""Numbers become words in one way."""

import pytest

from thalweg.words import percent


@pytest.mark.parametrize(
    ("fraction", "words"),
    [(0.003, "0.3 %"), (1.0, "100 %"), (-11.3, "-1,130 %"), (1e9, "1e+11 %"), (float("nan"), "NaN %")],
)
def test_a_percentage_has_three_digits_or_is_whole(fraction: float, words: str) -> None:
    assert percent(fraction) == words
