"""A model and its compiled loss, called without a trace: no variable, seed or running average moves."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras import ops, tree
from keras.src.backend.common.masking import get_keras_mask, set_keras_mask
from numpy.typing import NDArray

from thalweg.keras.feed import mapped
from thalweg.keras.put_back import in_mode, losses_put_back, random_numbers_put_back

_FOREIGN = {"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}
"""Keras's layers that run code which is not Keras's."""


Values = tuple[list[Any], list[Any]]
"""Of the trainable and of the other variables of a model."""


def answers(model: keras.Model) -> bool:
    """Whether the model makes outputs of inputs: no frame around others, with a training step but no `call`."""
    return bool(model.built) and type(model).call is not keras.Model.call


class Stateless:
    """A model that is called at given values of its variables.

    On JAX the values live outside of the model while it trains; elsewhere they are the model's own.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        # JAX compiles each operation on its own otherwise, for each shape.
        compiled = sys.modules["jax"].jit if keras.backend.backend() == "jax" else lambda function: function
        self._compiled_training, self._compiled_loss = compiled(self._train), compiled(self._lose)
        self._compiled_inference = compiled(self._infer)

    def values(self, trainable: Any = None, fixed: Any = None) -> Values:
        """These values, or, where one of them is None, those that the model holds."""
        if trainable is None or fixed is None:
            trainable = [variable.value for variable in self.model.trainable_variables]
            fixed = [variable.value for variable in self.model.non_trainable_variables]
        return [ops.stop_gradient(ops.convert_to_tensor(value)) for value in trainable], list(fixed)

    def predict(self, values: Values, inputs: Any, training: bool = False) -> Any:
        """The outputs for `inputs` (NumPy arrays), as the backend's tensors."""
        if not training:
            return self.observe(values, inputs)[0]
        tensors = tree.map_structure(ops.convert_to_tensor, inputs)
        with in_mode(self.model, training), random_numbers_put_back():
            return self._compiled_training(values, tensors)

    def predict_normalised(self, values: Values, inputs: Any) -> Any:
        """The outputs in inference, but for batch normalisation, which takes the statistics of these very inputs.

        It is what inference answers once the moving statistics have been estimated anew on these inputs, layer after
        layer; they stay where they were. A layer that is not trainable keeps its own, as it does in training.
        """
        tensors = tree.map_structure(ops.convert_to_tensor, inputs)
        model = self.model
        with in_mode(model, False), random_numbers_put_back(), losses_put_back(model), _normalising(model):
            return self._compiled_inference(values, tensors)

    def observe(self, values: Values, inputs: Any) -> tuple[Any, float | None]:
        """The outputs in inference, layer by layer, and what layers added to the loss; None where none did."""
        tensors = tree.map_structure(ops.convert_to_tensor, inputs)
        with in_mode(self.model, False), random_numbers_put_back(), losses_put_back(self.model):
            outputs, _, losses = self._call(values, tensors, return_losses=True)
            # Behind them come the penalties on the weights.
            weights = sum(variable.regularizer is not None for variable in self.model.trainable_weights)
            added = losses[: len(losses) - weights]
            return outputs, sum(float(as_numpy(loss).sum()) for loss in added) if added else None

    def loss(self, values: Values, targets: Any, outputs: Any, weights: Any = None) -> float | None:
        """The compiled loss, without regularisation; None where there is none that can be called."""
        if getattr(self.model, "_compile_loss", None) is None or targets is None:
            return None
        masked = any(get_keras_mask(output) is not None for output in tree.flatten(outputs))
        function = self._lose if masked else self._compiled_loss  # a mask is no argument of a function
        given = mapped(ops.convert_to_tensor, targets), outputs, mapped(ops.convert_to_tensor, weights)
        metrics = [variable.value for variable in self._metrics()]
        try:
            return float(ops.convert_to_numpy(function((*values, metrics), *given)))
        except Exception:  # a loss that only its own train step can call
            return None

    def penalty(self, values: Values) -> float:
        """The regularisation terms of the weights; losses that layers add are not among them."""
        pairs = zip(self.model.trainable_variables, values[0], strict=True)
        terms = [variable.regularizer(value) for variable, value in pairs if variable.regularizer]
        return float(sum(float(ops.convert_to_numpy(term)) for term in terms))

    @property
    def modes_differ(self) -> bool:
        """Whether any layer can tell training from inference."""
        return any(
            layer._call_has_training_arg
            for layer in self.model._flatten_layers(include_self=True)
            if not isinstance(layer, keras.Sequential) and type(layer).__name__ != "Functional"
        )

    @property
    def trains_without_trace(self) -> bool:
        """Whether a pass in training mode leaves all as it was.

        What is not Keras's may draw from generators or move averages that nobody can put back: on JAX there
        are none such, on PyTorch averages are buffers, on TensorFlow nothing tells.
        """
        if keras.backend.backend() == "torch":
            return next(iter(self.model.buffers()), None) is None
        return keras.backend.backend() == "jax" or all(
            type(layer).__module__.startswith("keras.") and type(layer).__name__ not in _FOREIGN
            for layer in self.model._flatten_layers(include_self=True)
        )

    def _call(self, values: Values, inputs: Any, training: bool = False, return_losses: bool = False) -> Any:
        arguments = {"training": training} if self.model._call_has_training_arg else {}
        return self.model.stateless_call(*values, inputs, return_losses=return_losses, **arguments)

    def _infer(self, values: Values, inputs: Any) -> Any:
        return self._call(values, inputs)[0]

    def _train(self, values: Values, inputs: Any) -> Any:
        return self._call(values, inputs, training=True)[0]

    def _lose(self, values: Any, targets: Any, outputs: Any, weights: Any) -> Any:
        model = self.model
        variables = (model.trainable_variables, model.non_trainable_variables, self._metrics())
        mapping = [
            pair
            for ours, theirs in zip(variables, values, strict=True)
            for pair in zip(ours, theirs, strict=True)
        ]
        with keras.StatelessScope(state_mapping=mapping):
            return model._compile_loss(targets, outputs, weights)

    def _metrics(self) -> list[Any]:
        return [variable for variable in self.model.metrics_variables if variable._value is not None]


def as_numpy(tensor: Any) -> NDArray[Any]:
    """The tensor on the host, in single precision at least."""
    values = np.asarray(ops.convert_to_numpy(tensor))
    return values if values.dtype in (np.float32, np.float64) else values.astype(np.float32)


def unseen(outputs: Any) -> Any:
    """The outputs as tensors that Keras cannot look behind; their masks stay.

    On TensorFlow a softmax or sigmoid leaves a note of its logits on what it returns, and the cross-entropies
    take these instead.
    """

    def anew(output: Any) -> Any:
        tensor = ops.convert_to_tensor(as_numpy(output))
        if (mask := get_keras_mask(output)) is not None:
            set_keras_mask(tensor, mask)
        return tensor

    return tree.map_structure(anew, outputs)


@contextmanager
def _normalising(model: keras.Model) -> Iterator[None]:
    """Batch normalisation takes the statistics of its batch, in inference too."""
    layers = [
        layer
        for layer in model._flatten_layers(include_self=False)
        if isinstance(layer, keras.layers.BatchNormalization)
    ]

    def interposed(call: Any) -> Any:
        return lambda inputs, training=None, mask=None: call(inputs, training=True, mask=mask)

    own = [vars(layer).get("call") for layer in layers]
    try:
        for layer in layers:
            vars(layer)["call"] = interposed(layer.call)
        yield
    finally:
        for layer, before in zip(layers, own, strict=True):
            vars(layer).pop("call", None)
            if before is not None:
                vars(layer)["call"] = before
