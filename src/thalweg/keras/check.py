"""`Check`: a `fit` looked at before its first step, and ended there."""

import os
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import tree

from thalweg.keras.arguments import FitArguments
from thalweg.keras.before import Before
from thalweg.keras.facts import run_facts
from thalweg.keras.feed import Batch, Feed, mapped
from thalweg.keras.model_facts import model_facts
from thalweg.keras.probe_batch import ProbeBatch
from thalweg.record import Event, Record, Series

FITTED = 16
"""Examples in the batch that is to be overfitted (Braiek & Khomh 2023, TheDeepChecker)."""
_STEPS = 500
_LOOK = 50


class Checked(BaseException):
    """What is known before the first step is known: the `fit` ends here. Not an `Exception`: none should catch it."""


class Check(keras.callbacks.Callback):  # type: ignore[misc]
    """Gathers what can be known before the first step into `record`, then raises `Checked` out of the `fit`.

    With `overfit`, it first trains on one batch of 16 examples, again and again, with the model's own optimizer:
    no training follows, so nothing is spoilt.
    """

    def __init__(self, name: str, overfit: bool = False) -> None:
        super().__init__()
        self._name, self._overfit = name, overfit
        self.record = Record({}, {})

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Look, and end the `fit`."""
        model, given, before = self.model, FitArguments.of(self.model), Before()
        info = run_facts(model, self._name, dict(self.params or {}), None)
        sample, events = given.sample(), []
        if sample is None and given.iterator is not None:
            sample, reason = _drawn(given)
            events += [Event(0, "unwatched", {"reason": reason})] if reason else []
        if sample is not None:
            # On TensorFlow Keras builds model, metrics and loss in the first step, which never comes here.
            model._symbolic_build(data_batch=sample)
        before.look_at_fit(model, given, info["fit"])
        if sample is not None:
            before.look_at_data(model, sample, given)
            before.look_at_outputs(model)
        info |= model_facts(model) if model.built else {}
        if self._overfit and sample is not None and model.built:
            before.facts["overfit"] = _overfitted(model, sample)
        steps = np.array([0])
        series = [Series(name, unit, steps, np.array([value])) for name, unit, value in before.measured]
        events += [
            Event(0, "unwatched", {"reason": f"not looked at, a bug of Thalweg's: {part}"})
            for part in before.failed
        ]
        self.record = Record.of(series, {**info, **before.facts}, events)
        raise Checked


def _drawn(given: FitArguments) -> tuple[Batch | None, str | None]:
    """The pipeline's first examples, or why there are none."""
    feed = Feed()
    try:
        for batch in given.drawn():
            feed.keep(batch)
    except Exception as error:  # the pipeline's own
        if os.environ.get("THALWEG_RAISE"):
            raise
        return feed.examples(), f"the input could not be sampled ({type(error).__name__}: {error})"
    return feed.examples(), feed.reason


def _overfitted(model: keras.Model, sample: Batch) -> dict[str, Any]:
    """How far the loss of one batch falls when nothing but that batch is trained on; inference mode."""
    batch = mapped(lambda array: array[:: max(1, len(array) // FITTED)][:FITTED], sample)
    probe = ProbeBatch(batch)

    def loss() -> float:
        return next((value for name, _, value in probe.measure(model) if name == "probe_loss"), np.nan)

    first = last = lowest = loss()
    steps = 0
    while steps < _STEPS and np.isfinite(last) and not last < 0.01 * abs(first):
        for _ in range(_LOOK):
            model.train_on_batch(*batch)
        steps, last = steps + _LOOK, loss()
        lowest = min(lowest, last)
    examples = len(tree.flatten(batch)[0])
    return {"examples": examples, "steps": steps, "first": first, "last": last, "lowest": lowest}
