"""What a run fell short of: a kernel method counts where it is asked for."""

from typing import Any

import pytest

from thalweg import Record
from thalweg.rules.shortfall import shortfall

from .runs import having, healthy, series, stuck


def reached(value: float, score: float = 0.9, measure: str = "probe_accuracy", **facts: Any) -> Record:
    """A run that learned so much, of which a kernel method tells `score`."""
    data = {"examples": 50_000, "signal": {"score": score}, **facts.pop("data", {})}
    return having(healthy(info={"data": data, **facts}), series(measure, [0.1, value]))


def test_a_kernel_method_counts_where_it_is_asked_for() -> None:
    found = shortfall(reached(0.7), kernel=True)
    assert found is not None and found.linear and "a kernel method has" in found.words
    assert found.evidence["reached"].usual == 0.9
    assert shortfall(reached(0.7)) is None


@pytest.mark.parametrize(
    ("measure", "score", "above", "below"),
    [
        ("probe_accuracy", 0.9, 0.84, 0.82),  # three standard errors of 256 and of 512 examples
        ("probe_accuracy", 0.99, 0.945, 0.935),  # and a twentieth at least
        ("probe_explained_variance", 0.6, 0.41, 0.39),  # half of what it leaves
        ("probe_explained_variance", 0.98, 0.94, 0.92),
    ],
)
def test_how_far_below_it_counts(measure: str, score: float, above: float, below: float) -> None:
    assert shortfall(reached(above, score, measure), kernel=True) is None
    assert shortfall(reached(below, score, measure), kernel=True) is not None


@pytest.mark.parametrize(
    "record",
    [
        reached(0.5, data={"weighted": True}),
        reached(0.5, fit={"class_weight": True}),
        reached(0.5, data={"signal": {}}),
        reached(-0.9, -0.1, "probe_explained_variance"),
        healthy(info={"data": {"examples": 1000, "signal": {"score": 0.9}}}),
    ],
    ids=["weighted", "class weights", "no method", "no signal", "not measured"],
)
def test_where_it_is_no_measure(record: Record) -> None:
    assert shortfall(record, kernel=True) is None


def test_a_linear_model_is_named_before_it_and_either_before_the_loss() -> None:
    linear = reached(0.5, data={"linear": {"accuracy": 0.8}})
    assert "a linear model" in shortfall(linear, kernel=True).words
    lost = having(healthy(loss=stuck(), info=dict(reached(0.5).info)), series("probe_accuracy", [0.1, 0.5]))
    assert "a kernel method" in shortfall(lost, kernel=True).words


def test_the_first_weights_fell_short_of_nothing() -> None:
    """The probe batch before the first step says what an untrained network makes of it."""
    info = {"data": {"linear": {"accuracy": 0.95}, "examples": 1000}, "watch": {"probe_examples": 256}}
    untrained = Record.of([series("probe_accuracy", [0.1], [0]), series("probe_loss", [2.4], [0])], info)
    assert shortfall(untrained, kernel=True) is None
