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


def input_facts(model: keras.Model, named: dict[str, keras.Layer]) -> list[dict[str, Any]] | None:
    """Of each input its `name`, `used` (whether an output depends on it) and `taken_by` (what is called on it).

    None where there is no graph. Of an input that is used `taken_by` names what is in the graph, of another what is
    not: a branch that was built and never joined.
    """
    graph = graph_of(model)
    if graph is None:
        return None
    names = {id(layer): name for name, layer in named.items()}
    marks = [frozenset([f"<{place}>"]) for place in range(len(graph.inputs))]  # no layer is called so
    found: dict[str, Names] = {}
    reached: set[str] = set()
    open_ = list(frozenset().union(*_walk(graph, marks, names, found)))
    while open_:
        if (at := open_.pop()) not in reached:
            reached.add(at)
            open_ += found.get(at, ())
    facts = []
    for tensor, mark in zip(graph.inputs, marks, strict=True):
        operation, used = tensor._keras_history.operation, mark <= reached
        takers = [node.operation for node in operation._outbound_nodes]
        known = list(dict.fromkeys(names.get(id(taker), taker.name) for taker in takers))
        inside = known if not used else [name for name, before in found.items() if mark <= before]
        facts.append({"name": operation.name, "used": used, "taken_by": inside})
    return facts


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
                if len(arriving) != len(inner.inputs) or not _as_listed(node, inner):
                    arriving = [frozenset().union(*arriving)] * len(inner.inputs)
                leaving = _walk(inner, arriving, names, found)
            sources |= {id(tensor): names_ for tensor, names_ in zip(node.outputs, leaving, strict=False)}
    return [sources.get(id(tensor), frozenset()) for tensor in graph.outputs]


def _as_listed(node: Any, inner: Any) -> bool:
    """Whether a nested model reads what it is given in the order of its graph, and nothing besides."""
    own = type(node.operation).__name__ not in ("Functional", "Sequential")
    by_name = isinstance(next(iter(node.arguments.args), None), dict)
    return not own and by_name == isinstance(inner._inputs_struct, dict)


def graph_of(operation: Any) -> Any:
    """The functional graph of a model; None where there is none."""
    if isinstance(operation, keras.Sequential):
        operation = getattr(operation, "_functional", None)
    return operation if hasattr(operation, "_nodes_by_depth") else None
