"""The probe batch: one forward pass over the same examples, again and again while the model learns."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import tree
from numpy.typing import NDArray

from thalweg.keras.feed import Batch, mapped
from thalweg.keras.names import unique_names
from thalweg.keras.stateless import Stateless, Values, answers, as_numpy, unseen
from thalweg.stats.rank import effective_rank
from thalweg.stats.targets import TargetKind, target_kind

EXAMPLES = 256
"""At most so many examples are in the probe batch."""
SATURATED = 0.05
"""A unit is saturated when its mean slope on the probe batch is under this share of the largest slope.

Rakitianskaia & Engelbrecht (2015) measure saturation by the outputs' distance from the middle; the slope is
what backpropagation multiplies by.
"""

Measurement = tuple[str, str, float]
"""Name of a series, its unit and its value."""

_CAN_DIE = {"relu", "relu6"}
_SLOPES: Mapping[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    # The derivative from the activation a itself, over its largest value.
    "sigmoid": lambda a: 4.0 * a * (1.0 - a),
    "tanh": lambda a: 1.0 - a * a,
    "hard_sigmoid": lambda a: (a > 0.0) & (a < 1.0),
    "hard_tanh": lambda a: np.abs(a) < 1.0,
    "softsign": lambda a: (1.0 - np.abs(a)) ** 2,
}


def activation_name(layer: keras.Layer) -> str | None:
    """The name of the layer's activation; None where it has none, or its output is not that activation."""
    if isinstance(layer, keras.layers.ReLU):
        return "relu" if not layer.negative_slope and not layer.threshold else "leaky_relu"
    if hasattr(layer, "recurrent_activation"):  # LSTM, GRU: their output is gated
        return None
    activation = getattr(layer, "activation", None)
    name = getattr(activation, "__name__", None) or getattr(activation, "name", None)
    return None if name in (None, "linear") else str(name)


@dataclass
class _Activations:
    """What is kept of one layer's activations: nothing that grows with the examples."""

    alive: Any = None
    slope: Any = None
    mean: float = 0.0
    square: float = 0.0
    rank: float = 0.0
    calls: int = 0


class ProbeBatch:
    """The fixed examples, and what a model makes of them."""

    def __init__(self, batch: Batch) -> None:
        self.inputs, self.targets, self.weights = mapped(lambda array: array[:EXAMPLES], batch)
        self.examples = len(tree.flatten(self.inputs)[0])
        self._called: Stateless | None = None

    def called(self, model: keras.Model) -> Stateless:
        """The model as it is called without a trace; the same for the same model, since JAX compiles for it."""
        if self._called is None or self._called.model is not model:
            self._called = Stateless(model)
        return self._called

    def measure(
        self, model: keras.Model, trainable: list[Any] | None = None, fixed: list[Any] | None = None
    ) -> list[Measurement]:
        """One forward pass, and another in training mode where that may differ.

        `trainable` and `fixed` are the variables' values where the model lacks them. The model is called
        without side effects: no variable of it, no random seed and no running average moves. Returns name,
        unit and value of each quantity; those that the model or its targets do not have are left out.
        """
        if not answers(model):
            return []
        called = self.called(model)
        values = called.values(trainable, fixed)
        watched = {
            name: layer
            for name, layer in unique_names(model._flatten_layers(include_self=False)).items()
            if activation_name(layer)
        }
        seen = {name: _Activations() for name in watched}
        with _listening(watched, seen):
            outputs, added = called.observe(values, self.inputs)
        measured = list(self._outputs(model, outputs))
        for name, layer in watched.items():
            measured += _layer_measurements(name, activation_name(layer), seen[name])
        losses = {
            "probe_loss": called.loss(values, self.targets, outputs, self.weights),
            "recomputed_loss": called.loss(values, self.targets, unseen(outputs), self.weights),
            "penalty": called.penalty(values),
            "added_loss": added,
        }
        losses["probe_training_loss"] = self._training_loss(called, values, losses["probe_loss"])
        return [*measured, *((name, "loss", loss) for name, loss in losses.items() if loss is not None)]

    def _training_loss(self, called: Stateless, values: Values, inference: float | None) -> float | None:
        if inference is None or not called.modes_differ:
            return inference
        if not called.trains_without_trace:
            return None
        outputs = called.predict(values, self.inputs, training=True)
        return called.loss(values, self.targets, outputs, self.weights)

    def _outputs(self, model: keras.Model, outputs: Any) -> Iterator[Measurement]:
        leaves = [as_numpy(leaf).astype(np.float64) for leaf in tree.flatten(outputs)]
        targets = [leaf for leaf in tree.flatten(self.targets) if leaf is not None]
        names = list(getattr(model, "output_names", None) or [str(i) for i in range(len(leaves))])
        for index, (name, output) in enumerate(zip(names, leaves, strict=False)):
            suffix = "" if len(leaves) == 1 else f"/{name}"
            yield f"output_mean{suffix}", "target", float(np.mean(output))
            yield f"output_spread{suffix}", "target", float(np.mean(np.std(output, axis=0)))
            yield f"output_minimum{suffix}", "target", float(np.min(output))
            yield f"output_maximum{suffix}", "target", float(np.max(output))
            if len(targets) == len(leaves):
                for quantity, unit, value in _agreement(output, targets[index]):
                    yield f"{quantity}{suffix}", unit, value


def _agreement(output: NDArray[Any], target: NDArray[Any]) -> Iterator[Measurement]:
    """The outputs against the targets: classes for classes, explained variance for numbers."""
    width = output.shape[-1] if output.ndim > 1 else 1
    kind = target_kind(target, width)
    rows = output.reshape(-1, width)
    if kind in (TargetKind.CLASSES, TargetKind.ONE_HOT, TargetKind.BINARY):
        if kind is TargetKind.BINARY:
            # A sigmoid's output is cut at a half; one that leaves [0, 1] is a logit and is cut at zero.
            cut = 0.5 if rows.min() >= 0.0 and rows.max() <= 1.0 else 0.0
            predicted, truth = (rows[:, 0] > cut).astype(int), target.reshape(-1).astype(int)
        else:
            predicted = rows.argmax(axis=1)
            truth = (
                target.reshape(-1, width).argmax(axis=1) if kind is TargetKind.ONE_HOT else target.reshape(-1)
            )
        if len(predicted) == len(truth):
            right = predicted == truth
            yield "probe_accuracy", "fraction", float(np.mean(right))
            recalls = [np.mean(right[truth == label]) for label in np.unique(truth)]
            yield "balanced_accuracy", "fraction", float(np.mean(recalls))
            share = np.unique(predicted, return_counts=True)[1] / len(predicted)
            yield "predicted_classes", "classes", float(np.exp(-np.sum(share * np.log(share))))
    elif kind is TargetKind.CONTINUOUS and target.size == output.size and np.isfinite(target).all():
        numbers = target.reshape(rows.shape).astype(np.float64)
        spread = float(np.sum(np.var(numbers, axis=0)))
        if spread > 0.0:
            with np.errstate(all="ignore"):
                left = float(np.sum(np.var(numbers - rows, axis=0)))
            yield "probe_explained_variance", "fraction", 1.0 - left / spread


def _layer_measurements(name: str, activation: str | None, seen: _Activations) -> Iterator[Measurement]:
    if not seen.calls:
        return
    mean = seen.mean / seen.calls
    variance = max(seen.square / seen.calls - mean * mean, 0.0) if np.isfinite(seen.square) else np.nan
    yield f"activation_mean/{name}", "activation", mean
    yield f"activation_spread/{name}", "activation", float(np.sqrt(variance))
    yield f"effective_rank/{name}", "fraction", seen.rank / seen.calls
    if seen.alive is not None:
        yield f"dead_fraction/{name}", "fraction", float(1.0 - np.mean(seen.alive))
    if seen.slope is not None:
        yield f"saturated_fraction/{name}", "fraction", float(np.mean(seen.slope / seen.calls < SATURATED))


@contextmanager
def _listening(layers: Mapping[str, keras.Layer], seen: Mapping[str, _Activations]) -> Iterator[None]:
    """Each layer's `call` tells what it returned, until the block ends."""

    def interposed(layer: keras.Layer, activations: _Activations) -> Callable[..., Any]:
        call = layer.call

        def tell(*args: Any, **kwargs: Any) -> Any:
            result = call(*args, **kwargs)
            with suppress(Exception):  # a cell within a compiled loop: what it returns has no values
                _note(activations, layer, tree.flatten(result)[0])
            return result

        return tell

    own = {name: vars(layer)["call"] for name, layer in layers.items() if "call" in vars(layer)}
    try:
        for name, layer in layers.items():
            vars(layer)["call"] = interposed(layer, seen[name])
        yield
    finally:
        for name, layer in layers.items():
            vars(layer).pop("call", None)
            if name in own:
                vars(layer)["call"] = own[name]


def _note(activations: _Activations, layer: keras.Layer, result: Any) -> None:
    # On the host: each operation on the device would be compiled for each layer's shape.
    values = as_numpy(result)
    channels_first = getattr(layer, "data_format", None) == "channels_first" and values.ndim > 2
    units = 1 if channels_first else values.ndim - 1
    others = tuple(axis for axis in range(values.ndim) if axis != units)
    name = activation_name(layer)
    activations.calls += 1
    with np.errstate(all="ignore"):
        activations.mean += float(np.mean(values, dtype=np.float64))
        activations.square += float(np.mean(np.square(values, dtype=np.float64)))
        activations.rank += effective_rank(np.moveaxis(values, units, -1).reshape(-1, values.shape[units]))
        if name in _CAN_DIE:
            alive = np.any(values != 0.0, axis=others)
            activations.alive = alive if activations.alive is None else activations.alive | alive
        if name is not None and name in _SLOPES:
            slope = np.mean(_SLOPES[name](values), axis=others)
            activations.slope = slope if activations.slope is None else activations.slope + slope
