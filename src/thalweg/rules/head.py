"""The end of a network with one output: its last activation, its loss and its targets, as facts tell them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.record import Record
from thalweg.rules.objective import fact, rows

ACCURACIES = ("accuracy", "acc", "binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy")
"""Metrics that are the share of examples told right."""
CATEGORICAL = frozenset(
    {"categorical_crossentropy", "sparse_categorical_crossentropy", "categorical_focal_crossentropy"}
)
"""Losses that want one probability a class."""
BINARY = frozenset({"binary_crossentropy", "binary_focal_crossentropy"})
"""Losses that want one probability an output."""
REGRESSION = frozenset(
    {
        "mean_squared_error",
        "mean_absolute_error",
        "huber",
        "log_cosh",
        "mean_absolute_percentage_error",
        "mean_squared_logarithmic_error",
    }
)
"""Losses of a distance between numbers."""
RANGES: Mapping[str, tuple[float, float]] = {
    "sigmoid": (0.0, 1.0),
    "hard_sigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "hard_tanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
    "relu": (0.0, np.inf),
    "relu6": (0.0, 6.0),
    "softplus": (0.0, np.inf),
    "exponential": (0.0, np.inf),
    "elu": (-1.0, np.inf),
    "selu": (-1.7581, np.inf),
}
"""What an activation can answer at all."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a model with one output and one of Keras's own losses ends with; None and NaN where not known."""

    loss: str
    from_logits: bool | None
    activation: str | None
    scores: str | None
    """The activation of what a softmax that is a layer of its own is given."""
    units: int | None
    target: Mapping[str, Any]
    contract: Mapping[str, Any]
    facts: Mapping[str, Any]

    def of_target(self, key: str) -> float:
        """A number among the facts of the targets."""
        return _finite(self.target.get(key))

    def measured(self, key: str) -> float:
        """A number among those that were measured at the first weights."""
        return _finite(self.contract.get(key))

    @property
    def on_simplex(self) -> bool:
        """Whether the outputs of every measured example were shares of one."""
        sums = self.measured("row_sum_minimum"), self.measured("row_sum_maximum")
        return bool(
            self.measured("output_minimum") >= 0.0 and abs(sums[0] - 1.0) < 1e-3 and abs(sums[1] - 1.0) < 1e-3
        )


def head(record: Record) -> Head | None:
    """The head; None where the model has several outputs, or a loss that is not Keras's or not known."""
    losses, targets = rows(record, "losses"), rows(record, "data", "targets")
    if len(losses) != 1 or len(targets) > 1 or losses[0].get("own") is not False:
        return None
    name, from_logits = losses[0].get("name"), losses[0].get("from_logits")
    if not isinstance(name, str):
        return None
    contract, activation = fact(record, "contract"), fact(record, "model", "output_activation")
    scores = fact(record, "model", "score_activation")
    return Head(
        name,
        from_logits if isinstance(from_logits, bool) else None,
        activation if isinstance(activation, str) else None,
        scores if isinstance(scores, str) else None,
        units(record),
        targets[0] if targets else {},
        contract if isinstance(contract, Mapping) else {},
        losses[0],
    )


def units(record: Record) -> int | None:
    """The width of the output; None where it is not known."""
    for path in (("model", "output_shape"), ("contract", "example_axis", "outputs")):
        shape = fact(record, *path)
        if isinstance(shape, list | tuple) and shape and isinstance(shape[-1], int):
            return shape[-1]
    return None


def class_counts(record: Record) -> NDArray[np.float64] | None:
    """How often each class is a target; None where it is not known."""
    for row in rows(record, "data", "targets"):
        try:
            counts = np.asarray(row.get("class_counts"), dtype=np.float64).ravel()
        except (TypeError, ValueError):
            continue
        if len(counts) and np.all(counts >= 0.0) and 0.0 < float(np.sum(counts)) < np.inf:
            return counts
    return None


def last(record: Record, name: str) -> float:
    """The last value of a series; NaN where there is none or it is not finite."""
    series = record.series.get(name)
    return _finite(float(series.values[-1])) if series is not None and len(series) else np.nan


def _finite(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return np.nan
    return float(value) if np.isfinite(float(value)) else np.nan
