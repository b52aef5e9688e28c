"""B002: far below a linear model."""

from typing import Any

import numpy as np
import pytest

from thalweg import Verdict
from thalweg.record import Record

from .runs import ask, having, healthy, series

CLASSES = {
    "examples": 1000,
    "targets": [{"name": "y", "kind": "classes", "class_counts": [700, 300]}],
    "linear": {"accuracy": 0.95},
}
NUMBERS = {"examples": 1000, "linear": {"explained_variance": 0.8}}


def ended(name: str, value: float, data: dict[str, Any], **info: Any) -> Record:
    return having(healthy(info={"data": data, **info}), series(name, [0.5, value], [0, 2000]))


@pytest.mark.parametrize(
    ("name", "value", "data"),
    [("probe_accuracy", 0.7, CLASSES), ("probe_explained_variance", 0.2, NUMBERS)],
    ids=["accuracy", "explained variance"],
)
def test_a_loss_that_fell_and_left_most_to_learn(name: str, value: float, data: dict[str, Any]) -> None:
    finding = ask("B002", ended(name, value, data))
    assert finding.verdict is Verdict.CONCERN
    assert "where a linear model has" in finding.message


@pytest.mark.parametrize(
    ("name", "value", "data"),
    [
        ("probe_accuracy", 0.9, CLASSES),
        ("probe_explained_variance", 0.7, NUMBERS),
        ("probe_accuracy", 0.7, {**CLASSES, "linear": {"accuracy": 0.75}}),
        ("probe_accuracy", 0.7, {**CLASSES, "targets": []}),
        ("probe_explained_variance", 0.2, {"linear": {"explained_variance": float("nan")}}),
        ("probe_accuracy", 0.7, {**CLASSES, "weighted": True}),
    ],
    ids=["learned", "explained", "little to learn", "chance unknown", "no linear model", "weighted"],
)
def test_what_is_not_far_below(name: str, value: float, data: dict[str, Any]) -> None:
    assert ask("B002", ended(name, value, data)).verdict is not Verdict.CONCERN


def test_a_linear_model_that_is_near_a_constant_is_named() -> None:
    finding = ask("B002", ended("probe_accuracy", 0.7, {**CLASSES, "linear": {"accuracy": 0.84}}))
    assert finding.verdict is Verdict.UNASSESSED
    assert "a linear model has 84 % accuracy and a constant prediction 70 %" in finding.message
    unknown = ask("B002", ended("probe_accuracy", 0.7, {**CLASSES, "linear": {}}))
    assert unknown.verdict is Verdict.UNASSESSED and "is not known" in unknown.message


def test_an_untrained_network_and_weighted_classes_are_not_asked() -> None:
    untrained = having(healthy(info={"data": CLASSES}), series("probe_accuracy", [0.3], [0]))
    assert ask("B002", untrained).verdict is Verdict.UNASSESSED
    weighted = ended("probe_accuracy", 0.7, CLASSES, fit={"class_weight": True})
    assert ask("B002", weighted).verdict is Verdict.UNASSESSED


def test_few_steps_are_not_held_against_a_run() -> None:
    short = having(healthy(60, info={"data": CLASSES}), series("probe_accuracy", [0.5, 0.7], [0, 60]))
    finding = ask("B002", short)
    assert finding.verdict is Verdict.UNASSESSED and "too few steps to tell, 60" in finding.message


def test_a_loss_on_its_way_is_first_given_time() -> None:
    """Down in a straight line to the end, or levelled off long before."""
    for loss, first in (
        (2.3 - np.arange(2000) / 2000, "Train for longer"),
        (np.full(2000, 1.0), "See whether"),
    ):
        record = having(
            healthy(info={"data": CLASSES}, loss=loss), series("probe_accuracy", [0.5, 0.7], [0, 2000])
        )
        finding = ask("B002", record)
        assert finding.remedies[0].action.startswith(first)
        assert finding.message.endswith("the loss was still falling.") == (first == "Train for longer")
