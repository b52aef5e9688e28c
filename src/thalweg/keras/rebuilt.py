"""A script's compiled model made anew, as often as there are seeds."""

import contextlib
import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
from numpy.typing import NDArray

from thalweg.errors import UnsupportedError
from thalweg.keras.freshness import fresh
from thalweg.keras.initial import fetch, sample
from thalweg.keras.kept import finalise
from thalweg.keras.names import tensor_names, unique_names


@dataclass(frozen=True, slots=True, eq=False)
class Rebuilder:
    """Makes models of the same layers, loss and metrics, with first values drawn anew; here or in another process.

    Weights that are not as their initializer draws them, those of a backbone that was trained before or of a
    `Normalization` that was adapted, are `own`: the same in each, by their number. `objects` are the classes and
    functions that a configuration names and Keras does not know. `source` is the code that made the first model.
    """

    kind: type[keras.Model]
    configuration: dict[str, Any]
    build_configuration: dict[str, Any]
    compiled: dict[str, Any]
    own: tuple[tuple[int, NDArray[Any]], ...]
    objects: dict[str, Any]
    source: str

    @classmethod
    def of(cls, model: keras.Model, source: str = "") -> "Rebuilder":
        """What makes this model anew; raises `UnsupportedError` where it has no configuration."""
        layers = unique_names(model._flatten_layers(include_self=True, recursive=True))
        names = tensor_names(model, model.weights)
        places = list(zip(model.weights, (layer for _, layer in names), strict=True))
        trained = {layer for variable, layer in places if _drawn(layers.get(layer), variable) is False}
        own = tuple(
            (index, keras.ops.convert_to_numpy(variable.value))
            for index, (variable, layer) in enumerate(places)
            if layer in trained
        )
        with _told():
            return cls(
                type(model),
                model.get_config(),
                model.get_build_config(),
                dict(model._compile_config.config),
                own,
                _known_by_name({type(layer) for layer in layers.values()}),
                source,
            )

    def __call__(self) -> keras.Model:
        """A new model; raises `UnsupportedError` where it cannot be made."""
        with _told(), keras.saving.custom_object_scope(self.objects):
            made = self.kind.from_config(copy.deepcopy(self.configuration))  # Keras takes it apart
            if not made.built:
                made.build_from_config(self.build_configuration)
            metrics = _anew(self.compiled.get("metrics"))
            made.compile(**{**self.compiled, "optimizer": "sgd", "metrics": metrics})
            for index, value in self.own:
                made.weights[index].assign(value)
            finalise(made)
        return made


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # whatever a configuration, or a class of the user's own, may bring
        reason = str(error).split("\n", 1)[0].split(". ", 1)[0][:200]
        raise UnsupportedError(
            f"the model cannot be made anew from its configuration ({type(error).__name__}: {reason}): call "
            "thalweg.compare with a function that builds it"
        ) from error


def _known_by_name(classes: Iterable[type]) -> dict[str, Any]:
    """Classes that are not Keras's own, by all names that a configuration may have for them."""
    return {
        name: kind
        for kind in classes
        if not kind.__module__.startswith("keras.")
        for name in (kind.__name__, keras.saving.get_registered_name(kind))
    }


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
