"""The logits behind a softmax or a sigmoid whose loss is its cross-entropy."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras

_PARTNERS = {
    "softmax": {"categorical_crossentropy", "sparse_categorical_crossentropy"},
    "sigmoid": {"binary_crossentropy"},
}


@dataclass(frozen=True)
class Seen:
    """That `function`, called `name`, made `output` of `logits`."""

    name: str
    function: Callable[[Any], Any]
    logits: Any
    output: Any


@contextmanager
def seeing_activations(model: keras.Model, seen: list[Seen]) -> Iterator[None]:
    """Every softmax and sigmoid of a layer is noted, until the block ends."""

    def noting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(logits: Any, *args: Any, **kwargs: Any) -> Any:
            output = function(logits, *args, **kwargs)
            seen.append(Seen(name, lambda values: function(values, *args, **kwargs), logits, output))
            return output

        return call

    replaced: list[tuple[keras.Layer, str, Any]] = []
    try:
        for layer in model._flatten_layers(include_self=True):
            activation = getattr(layer, "activation", None)
            name = getattr(activation, "__name__", None)
            if name in _PARTNERS and activation is getattr(keras.activations, name):
                replaced.append((layer, "activation", activation))
                vars(layer)["activation"] = noting(name, activation)
            elif isinstance(layer, keras.layers.Softmax) and "call" not in vars(layer):
                replaced.append((layer, "call", None))
                vars(layer)["call"] = noting("softmax", layer.call)
        yield
    finally:
        for layer, attribute, before in replaced:
            if before is None:
                del vars(layer)[attribute]
            else:
                vars(layer)[attribute] = before


def links(outputs: list[Any], losses: list[tuple[Any, Any]], seen: list[Seen]) -> list[Seen | None]:
    """For each output what made it of its logits, where every loss on it is the matching cross-entropy.

    `losses` are pairs of a loss and the output that it is given.
    """
    found: list[Seen | None] = []
    for output in outputs:
        made = next((each for each in seen if each.output is output), None)
        names = {_name(loss) for loss, given in losses if given is output}
        found.append(made if made and names and names <= _PARTNERS[made.name] else None)
    return found


def _name(loss: Any) -> str | None:
    """The name of Keras's function that the loss computes; None where it takes logits or is not Keras's."""
    function = getattr(loss, "fn", None)
    if function is None or getattr(loss, "_fn_kwargs", {}).get("from_logits"):
        return None
    name = getattr(function, "__name__", "")
    return name if function is getattr(keras.losses, name, None) else None
