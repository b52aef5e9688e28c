"""The graph of a model's layers: from which layers each takes its input."""

from collections.abc import Sequence
from typing import Any

import keras

Names = frozenset[str]


def layer_inputs(model: keras.Model, named: dict[str, keras.Layer]) -> dict[str, list[str]]:
    """By layer the names of those that feed it, in the order of depth; layers outside of any graph are left out.

    Nested models are looked through. An operation that is no layer stands as an input under its own name, so
    that nobody takes what it does for nothing.
    """
    graph = graph_of(model)
    if graph is None:
        return {}
    names = {id(layer): name for name, layer in named.items()}
    found: dict[str, Names] = {}
    _walk(graph, [frozenset()] * len(graph.inputs), names, found)
    order = {name: index for index, name in enumerate(found)}
    return {name: sorted(inputs, key=lambda name: order[name]) for name, inputs in found.items()}


def _walk(graph: Any, fed: Sequence[Names], names: dict[int, str], found: dict[str, Names]) -> list[Names]:
    """Note the inputs of all layers of a graph, given what feeds its own inputs; what stands at its outputs."""
    sources = {id(tensor): feeding for tensor, feeding in zip(graph.inputs, fed, strict=True)}
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if node.is_input:
                continue
            arriving = [sources.get(id(tensor), frozenset()) for tensor in node.arguments.keras_tensors]
            inner = graph_of(node.operation)
            if inner is None:
                name = names.get(id(node.operation), node.operation.name)
                found[name] = found.get(name, frozenset()).union(*arriving)
                leaving = [frozenset([name])] * len(node.outputs)
            else:
                if len(arriving) != len(inner.inputs):
                    arriving = [frozenset().union(*arriving)] * len(inner.inputs)
                leaving = _walk(inner, arriving, names, found)
            sources |= {id(tensor): names_ for tensor, names_ in zip(node.outputs, leaving, strict=False)}
    return [sources.get(id(tensor), frozenset()) for tensor in graph.outputs]


def graph_of(operation: Any) -> Any:
    """The functional graph of a model; None where there is none."""
    if isinstance(operation, keras.Sequential):
        operation = getattr(operation, "_functional", None)
    return operation if hasattr(operation, "_nodes_by_depth") else None
