"""A script's compiled model made anew, as often as there are seeds."""

from collections.abc import Callable
from typing import Any

import keras

from thalweg.errors import UnsupportedError
from thalweg.keras.freshness import fresh
from thalweg.keras.initial import fetch, sample
from thalweg.keras.kept import finalise
from thalweg.keras.names import tensor_names, unique_names


def rebuilder(model: keras.Model) -> Callable[[], keras.Model]:
    """What makes new models of the same layers, loss and metrics, with first values drawn anew.

    Weights that are not as their initializer draws them, those of a backbone that was trained before or of a
    `Normalization` that was adapted, are the model's own in each. Raises `UnsupportedError` where the model cannot be
    made from its configuration.
    """
    known = unique_names(model._flatten_layers(include_self=True, recursive=True))
    names = tensor_names(model, model.weights)
    places = list(zip(model.weights, (layer for _, layer in names), strict=True))
    trained = {layer for variable, layer in places if _drawn(known.get(layer), variable) is False}
    own = [
        (index, keras.ops.convert_to_numpy(variable.value))
        for index, (variable, layer) in enumerate(places)
        if layer in trained
    ]
    arguments = dict(model._compile_config.config)

    def build() -> keras.Model:
        try:
            made = type(model).from_config(model.get_config())
            if not made.built:
                made.build_from_config(model.get_build_config())
            made.compile(**{**arguments, "optimizer": "sgd", "metrics": _anew(arguments.get("metrics"))})
            for index, value in own:
                made.weights[index].assign(value)
            finalise(made)
        except Exception as error:
            reason = str(error).split("\n", 1)[0].split(". ", 1)[0][:200]
            raise UnsupportedError(
                f"the model cannot be made anew from its configuration ({type(error).__name__}: {reason}): call "
                "thalweg.compare with a function that builds it"
            ) from error
        return made

    return build


def _drawn(layer: keras.Layer | None, variable: keras.Variable) -> bool | None:
    """Whether a weight is as its initializer draws it; None where that cannot be told."""
    if layer is None or "seed_generator" in str(variable.path):
        return None
    if (array := fetch(variable)) is None:
        return None
    if not variable.trainable:
        return False  # statistics that were adapted, or have moved: the model's own
    return fresh(layer, str(variable.name), sample(array), tuple(variable.shape))


def _anew(metrics: Any) -> Any:
    """Metrics without the state of those that were given."""
    return keras.tree.map_structure(
        lambda one: type(one).from_config(one.get_config()) if isinstance(one, keras.metrics.Metric) else one,
        metrics,
        none_is_leaf=True,
    )
