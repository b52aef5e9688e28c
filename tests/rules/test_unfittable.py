"""M004: a single batch cannot be overfitted."""

import pytest

from thalweg import Record, Verdict
from thalweg.rules.unfittable import Unfittable


def record(first=2.3, lowest=0.01, parameters=1000):
    overfit = {"examples": 16, "steps": 500, "first": first, "last": lowest, "lowest": lowest}
    return Record({"overfit": overfit, "model": {"trainable_parameters": parameters}}, {})


@pytest.mark.parametrize(("lowest", "verdict"), [(1.14, Verdict.SATISFACTORY), (1.16, Verdict.CONCERN)])
def test_half_of_the_first_loss_is_the_line(lowest, verdict):
    found = Unfittable().check(record(lowest=lowest))
    assert found.verdict is verdict
    assert found.evidence["loss"].threshold == pytest.approx(1.15)


def test_a_network_with_fewer_parameters_than_examples_need_not():
    assert Unfittable().check(record(lowest=2.0, parameters=11)).verdict is Verdict.UNASSESSED


@pytest.mark.parametrize("first", [float("nan"), -1.0, 0.0, "2", None])
def test_a_loss_that_is_no_positive_number_is_not_judged(first):
    assert Unfittable().check(record(first=first, lowest=1.0)).verdict is Verdict.UNASSESSED


def test_what_was_not_tried_is_not_judged_and_says_how_to():
    assert "--overfit" in Unfittable().check(Record({}, {})).message
