"""What can be known of a run before its first step: its data, its model and its loss held against one another."""

import os
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import tree
from threadpoolctl import threadpool_limits

from thalweg.keras.arguments import FitArguments
from thalweg.keras.callback_facts import callback_facts, metric_directions, metrics_expected
from thalweg.keras.contract import constant_loss, contract_facts, loss_facts
from thalweg.keras.data_facts import data_facts
from thalweg.keras.feed import Batch, mapped
from thalweg.keras.probe_batch import EXAMPLES, Measurement, ProbeBatch

_CLASSES = 1000
"""As many classes as are counted."""


class Before:
    """Facts for `info`, and the probe batch measured at the first weights.

    Nothing of the model, the data or a generator of random numbers is moved. A part that fails (a bug of
    ours) leaves its facts out and is named in `failed`; the others stand.
    """

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {}
        self.measured: list[Measurement] = []
        self.probe: ProbeBatch | None = None
        self.failed: list[str] = []
        self.asked = False
        """Whether the contract was looked at, with or without success."""

    def look_at_fit(self, model: keras.Model, given: FitArguments, fit: Mapping[str, Any]) -> None:
        """The arguments of `fit`, what it was compiled with, and the callbacks beside us."""
        known: dict[str, Any] = {
            "shuffle": given.shuffle,
            "class_weight": given.class_weight,
            "initial_epoch": given.initial_epoch,
            "validation": given.validated,
        }
        if given.class_weights is not None and len(given.class_weights) <= _CLASSES:
            known["class_weights"] = given.class_weights
        if given.batch_size is not None:
            known["batch_size"] = given.batch_size
        self.facts["fit"] = {**fit, **known}
        self._add("callbacks", lambda: callback_facts(given.callbacks, model))
        self._add("metrics_expected", lambda: metrics_expected(model))
        self._add("metric_directions", lambda: metric_directions(model))
        self._add("losses", lambda: loss_facts(model))

    def look_at_data(self, model: keras.Model, sample: Batch, given: FitArguments) -> None:
        """The sample: its ranges, its order, its signal; where there are whole arrays, they too."""
        fit = self.facts.get("fit", {})
        batch_size, planned = fit.get("batch_size"), (fit.get("epochs"), fit.get("steps_per_epoch"))
        loss = getattr(model, "loss", None)
        shape = getattr(model, "output_shape", None)
        width = shape[-1] if isinstance(shape, tuple) and shape else None
        # On matrices of a few hundred rows a second thread gains little, and loses tenfold where the cores are taken.
        with threadpool_limits(1, user_api="blas"):
            self._add(
                "data",
                lambda: data_facts(
                    sample,
                    whole=given.training,
                    validation=given.validation,
                    batch_size=batch_size,
                    loss=loss if isinstance(loss, str) else None,
                    output_width=width,
                    steps=planned[0] * planned[1] if all(planned) else None,
                ),
            )
        if not given.class_weight:  # else the loss that is minimised weighs them, and the constant's does not
            self._add("constant_prediction_loss", lambda: constant_loss(loss_facts(model), sample, width))
        if self.probe is None:
            every = 1 if given.training is None else max(1, len(tree.flatten(sample[0])[0]) // EXAMPLES)
            self.hold(mapped(lambda array: array[::every], sample))

    def hold(self, batch: Batch) -> None:
        """Make these examples the probe batch."""
        self.probe = ProbeBatch(batch)

    def look_at_outputs(self, model: keras.Model, state: tuple[Any, Any] | None = None) -> None:
        """The probe batch at the first weights; `state` holds their values where the model does not."""
        probe = self.probe
        if probe is not None and model.built:
            self.look_at_contract(model, state)
            self.measured = self._tried("outputs", lambda: probe.measure(model, *(state or ()))) or []

    def look_at_contract(
        self, model: keras.Model, state: tuple[Any, Any] | None = None, step: int = 0
    ) -> None:
        """What the loss makes of the outputs and targets of the probe batch, after so many steps."""
        probe = self.probe
        if probe is not None:
            self.asked = True
            self._add("contract", lambda: _contract(model, probe, state, step))

    def look_at_batch(self, model: keras.Model, batch: Batch, state: tuple[Any, Any] | None = None) -> None:
        """The same of the first batch at the first weights, where the probe batch will be full after it only."""
        probe, self.asked = ProbeBatch(batch), True

        def facts() -> dict[str, Any]:
            # The series begin with the probe batch: a value of other examples is none of them.
            losses = {name: value for name, _, value in probe.measure(model, *(state or ()))}
            training = losses.get("probe_training_loss")
            return {
                **_contract(model, probe, state, 0),
                **({} if training is None else {"training_loss": training}),
            }

        self._add("contract", facts)

    def _add(self, key: str, part: Callable[[], Any]) -> None:
        found = self._tried(key, part)
        if found is not None:
            self.facts[key] = found

    def _tried(self, key: str, part: Callable[[], Any]) -> Any:
        try:
            with warnings.catch_warnings():
                # What Keras warns of it says again when the script itself comes to it.
                warnings.simplefilter("ignore")
                return part()
        except Exception as error:
            if os.environ.get("THALWEG_RAISE"):
                raise
            self.failed.append(f"{key} ({type(error).__name__}: {error})")
            return None


def _contract(
    model: keras.Model, probe: ProbeBatch, state: tuple[Any, Any] | None, step: int
) -> dict[str, Any]:
    trainable, fixed = state or (None, None)
    found = contract_facts(model, (probe.inputs, probe.targets, probe.weights), trainable, fixed, probe)
    return {**found, "step": step} if found else {}
