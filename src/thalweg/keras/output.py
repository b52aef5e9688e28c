"""What a model ends with: the activation of its output, looked for through layers that only pass values on."""

from typing import Any

import keras

from thalweg.keras.probe_batch import activation_name

_PASSING = ("Reshape", "Flatten", "Identity", "Dropout", "Permute")
_OPERATIONS = ("relu", "sigmoid", "softmax", "tanh", "softplus")
"""Functions of `keras.ops` that are activations."""


def output_facts(model: keras.Model) -> dict[str, str]:
    """`output_activation`, and `score_activation`: what stands before a softmax that is a layer of its own.

    Empty where the model has several outputs, is no graph of layers, or ends with what nobody knows.
    """
    layers = _from_the_end(model)
    activation = next(layers, None)
    if activation is None:
        return {}
    facts = {"output_activation": activation}
    if activation == "softmax" and (scores := next(layers, None)) is not None:
        facts["score_activation"] = scores
    return facts


def _from_the_end(model: Any) -> Any:
    """The activations from the output on backwards; a softmax of a layer of its own and what it was given apart."""
    graph = getattr(model, "_functional", None) if isinstance(model, keras.Sequential) else model
    outputs = keras.tree.flatten(getattr(graph, "outputs", None) or [])
    if len(outputs) != 1:
        return
    tensor = outputs[0]
    while (made := getattr(tensor, "_keras_history", None)) is not None:
        operation = made.operation
        if isinstance(operation, keras.Model):
            yield from _from_the_end(operation)
            return
        name, bare = _activation(operation)
        if name is None and not bare:
            return
        if name is not None:
            yield name
        if not bare:
            return
        arguments = operation._inbound_nodes[made.node_index].input_tensors
        if len(arguments) != 1:
            return
        tensor = arguments[0]


def _activation(operation: Any) -> tuple[str | None, bool]:
    """The activation of an operation, and whether it does nothing else; None of one that passes values on."""
    kind = type(operation).__name__
    if not isinstance(operation, keras.Layer):
        return (kind.lower(), True) if kind.lower() in _OPERATIONS else (None, False)
    if kind in _PASSING:
        return None, True
    if isinstance(operation, keras.layers.Softmax):
        return "softmax", True
    if isinstance(operation, keras.layers.Activation):
        return (name, True) if (name := activation_name(operation)) else (None, True)
    if isinstance(operation, keras.layers.ReLU):
        return activation_name(operation), True
    if hasattr(operation, "recurrent_activation"):  # a gated state stays where its activation does
        return getattr(operation.activation, "__name__", None), False
    return (
        (activation_name(operation) or "linear", False) if hasattr(operation, "activation") else (None, False)
    )
