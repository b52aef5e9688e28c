"""Names of layers and tensors that are short, unique and stable within a model."""

from collections.abc import Iterable
from typing import Any

import keras


def unique_names(layers: Iterable[keras.Layer]) -> dict[str, keras.Layer]:
    """Each layer once under its name; a name that two layers bear gets a number: `dense`, `dense#2`."""
    named: dict[str, keras.Layer] = {}
    seen: set[int] = set()
    for layer in layers:
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        name, count = layer.name, 2
        while name in named:
            name, count = f"{layer.name}#{count}", count + 1
        named[name] = layer
    return named


def tensor_names(model: keras.Model, variables: Iterable[keras.Variable]) -> list[tuple[str, str]]:
    """Of each variable its name as `layer/variable` and the name of the layer that owns it."""
    owners: dict[int, str] = {}
    for name, layer in unique_names(model._flatten_layers(include_self=True)).items():
        for variable in [*layer._trainable_variables, *getattr(layer, "_non_trainable_variables", ())]:
            owners.setdefault(id(variable), name)
    result: list[tuple[str, str]] = []
    taken: set[str] = set()
    for variable in variables:
        layer_name = owners.get(id(variable)) or _parent(variable)
        base = f"{layer_name}/{variable.name}"
        name, count = base, 2
        while name in taken:
            name, count = f"{base}#{count}", count + 1
        taken.add(name)
        result.append((name, layer_name))
    return result


def _parent(variable: Any) -> str:
    # Of a sub-object such as a recurrent cell: `lstm/lstm_cell/kernel` belongs to the cell's layer.
    parts = str(getattr(variable, "path", variable.name)).split("/")
    return parts[-2] if len(parts) > 1 else "model"
