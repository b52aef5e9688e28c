"""Records of runs on data of a given look: what the sample says, and how the training went."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from thalweg import Event, Finding, Record, Rule, Verdict
from thalweg.testing import check

from .runs import series

EPOCH = 50
STEPS = 20 * EPOCH


def falling(low: float = 0.2, high: float = 0.7, seed: int = 0) -> np.ndarray:
    """The losses of a run that learned."""
    noise = 0.02 * high * np.random.default_rng(seed).standard_normal(STEPS)
    return low + (high - low) * np.exp(-np.arange(STEPS) / 100) + noise


def flat(level: float = 0.7, seed: int = 0) -> np.ndarray:
    """The losses of a run that got nowhere."""
    return level + 0.01 * level * np.random.default_rng(seed).standard_normal(STEPS)


def row(**changed: Any) -> dict[str, Any]:
    """An input of ten standardised columns."""
    usual = {
        "name": "x",
        "shape": [10],
        "dtype": "float32",
        "nonfinite": 0,
        "minimum": -3.0,
        "maximum": 3.0,
        "mean": 0.0,
        "spread": 1.0,
        "low": -2.3,
        "high": 2.3,
        "columns": 10,
        "examined_columns": 10,
        "constant_columns": 0,
        "duplicate_columns": 0,
        "correlated_columns": 0,
        "column_spread": {"minimum": 0.9, "median": 1.0, "maximum": 1.1},
        "column_offset": 0.1,
        "condition_number": 3.0,
    }
    return {**usual, **changed}


CLASSES = {"name": "y", "kind": "classes", "minimum": 0, "maximum": 1, "class_counts": [512, 512]}
NUMBERS = {"name": "y", "kind": "continuous", "minimum": -3.0, "maximum": 3.0, "mean": 0.0, "spread": 1.0}


def data(
    *inputs: Mapping[str, Any], targets: Mapping[str, Any] | None = None, **beside: Any
) -> dict[str, Any]:
    """The facts `data`: a learnable problem unless told otherwise."""
    return {
        "examples": 1024,
        "weighted": False,
        "inputs": list(inputs) or [row()],
        "targets": [targets or CLASSES],
        "signal": {
            "score": 0.9,
            "chance": 0.5,
            "p": 0.01,
            "permutations": 99,
            "balanced": 0.9,
            "contradicted": 0.0,
        },
        "duplicates": {"examples": 0.0, "contradictions": 0.0, "whole": 0.0, "finest": 1.0},
        **beside,
    }


def run(
    facts: Mapping[str, Any],
    course: ArrayLike | None = None,
    *,
    ends: Mapping[str, ArrayLike] | None = None,
    constant: float | None = 0.6931,
    **info: Any,
) -> Record:
    """A run of 20 epochs on these data; `ends` are series with values at the ends of (the last) epochs."""
    losses = falling() if course is None else np.asarray(course, dtype=float)
    epochs = np.arange(EPOCH, len(losses) + 1, EPOCH)
    made = [series("loss", losses)]
    means = [losses[e - EPOCH : e].mean() for e in epochs]
    for name, values in {"epoch_loss": means, **(ends or {})}.items():
        array = np.atleast_1d(np.asarray(values, dtype=float))
        made.append(series(name, array, epochs[-len(array) :]))
    known = {
        "step_unit": "step",
        "data": dict(facts),
        "fit": {"batch_size": 32, "epochs": 20, "shuffle": True, "class_weight": False},
        "watch": {"probe_examples": 256},
        **({} if constant is None else {"constant_prediction_loss": constant}),
    }
    done = [Event(int(e), "epoch", {"epoch": i + 1}) for i, e in enumerate(epochs)]
    return Record.of(made, {**known, **info}, done)


def before(facts: Mapping[str, Any], **info: Any) -> Record:
    """The same before the first step."""
    fit = {"batch_size": 32, "epochs": 20, "shuffle": True, "class_weight": False}
    return Record.of([], {"data": dict(facts), "fit": fit, "constant_prediction_loss": 0.6931, **info})


def ask(rule: Rule, record: Record) -> Finding:
    """The finding, with all that is asked of any finding."""
    return check(rule, record)


def verdict(rule: Rule, record: Record) -> Verdict:
    return ask(rule, record).verdict
