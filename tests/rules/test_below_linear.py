"""B002: far below a linear model."""

from typing import Any

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


def test_an_untrained_network_and_weighted_classes_are_not_asked() -> None:
    untrained = having(healthy(info={"data": CLASSES}), series("probe_accuracy", [0.3], [0]))
    assert ask("B002", untrained).verdict is Verdict.UNASSESSED
    weighted = ended("probe_accuracy", 0.7, CLASSES, fit={"class_weight": True})
    assert ask("B002", weighted).verdict is Verdict.UNASSESSED
