"""The facts of the model and its optimizer: layers, tensors, what is frozen, how the weights began."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import keras
import numpy as np

from thalweg.keras.callable_rate import rate_reads
from thalweg.keras.freshness import fresh
from thalweg.keras.graph import input_facts, layer_inputs
from thalweg.keras.initial import fetch, initial_facts, sample
from thalweg.keras.names import tensor_names, unique_names
from thalweg.keras.output import output_facts
from thalweg.keras.probe_batch import activation_name


def model_facts(model: keras.Model, begun: bool = False) -> dict[str, Any]:
    """The model's parts, once it is built: `model`, `device`, `layers`, `tensors`, `frozen`.

    `begun`: the training has, and what the weights hold is no more what they held at first.
    """
    named = unique_names(model._flatten_layers(include_self=True, recursive=True))
    layers = {
        name: layer
        for name, layer in unique_names(model._flatten_layers(include_self=False, recursive=True)).items()
        if not isinstance(layer, keras.layers.InputLayer)
    }
    inputs = layer_inputs(model, layers)
    facts: dict[str, Any] = {
        "name": model.name,
        "class": type(model).__name__,
        "parameters": _entries(model.weights),
        "trainable_parameters": _entries(model.trainable_variables),
    }
    with suppress(Exception):  # a graph of a kind that nobody has seen
        facts |= output_facts(model)
    if (shape := _output_shape(model)) is not None:
        facts["output_shape"] = shape
    with suppress(Exception):  # as above
        if (read := input_facts(model, layers)) is not None:
            facts["inputs"] = read
    names = tensor_names(model, model.trainable_variables)
    return {
        "model": facts,
        "device": _device(model),
        "layers": [
            _layer_facts(name, layers[name], inputs.get(name)) for name in _by_depth(layers, list(inputs))
        ],
        "tensors": [
            {
                "name": tensor,
                "layer": layer,
                "shape": list(v.shape),
                "size": math.prod(v.shape),
                **({} if begun else _initial(named.get(layer), v)),
            }
            for (tensor, layer), v in zip(names, model.trainable_variables, strict=True)
        ],
        "frozen": _frozen(model, named),
    }


def with_still(model: keras.Model, tensors: Sequence[Mapping[str, Any]], given: Collection[str]) -> list[Any]:
    """The rows of the tensors, those marked `still` that no step was given and that are as they were drawn.

    What was trained elsewhere, a teacher, is left as it is on purpose.
    """
    named = unique_names(model._flatten_layers(include_self=True, recursive=True))
    names = tensor_names(model, model.trainable_variables)
    still = {
        tensor: _initial(named.get(layer), variable)
        for (tensor, layer), variable in zip(names, model.trainable_variables, strict=True)
        if tensor not in given and _fresh(named.get(layer), variable)
    }
    return [
        {**row, "still": True}
        if (found := still.get(str(row.get("name")))) is not None
        and ("initial" not in row or found == {"initial": row["initial"]})
        else dict(row)
        for row in tensors
    ]


def optimizer_facts(model: keras.Model) -> dict[str, Any]:
    """The optimizer's Keras configuration, as plain values; what cannot be one is named by its class.

    Beside it what the configuration does not say: what kind of rate it has and what that reads, the steps that
    it has made already, the tensors that it does not hold.
    """
    optimizer = model.optimizer
    facts: dict[str, Any] = {"name": type(optimizer).__name__, "class": type(optimizer).__name__}
    with suppress(Exception):  # a learning rate that cannot be serialised, such as a lambda
        facts = {**{key: _plain(value) for key, value in optimizer.get_config().items()}, **facts}
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    rate = getattr(optimizer, "_learning_rate", None)
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        facts["rate_kind"] = "schedule"
    elif rate is not None:
        facts["rate_kind"] = "callable" if callable(rate) else "constant"
        facts["rate_reads"] = rate_reads(optimizer)
    if (made := steps_made(optimizer)) is not None:
        facts["steps_before"] = made
    unheld = _unheld(model, optimizer)
    return facts if unheld is None else {**facts, "unheld": unheld}


def steps_made(optimizer: Any) -> int | None:
    """How many steps an optimizer has made, inside its loss scale; None of one that counts otherwise."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    with suppress(Exception):
        return int(keras.ops.convert_to_numpy(inner._iterations))
    return None


def accumulated(optimizer: Any) -> int:
    """How many gradients an optimizer, inside its loss scale, adds up to one update."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return getattr(inner, "gradient_accumulation_steps", None) or 1


def _layer_facts(name: str, layer: keras.Layer, inputs: list[str] | None) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "name": name,
        "class": type(layer).__name__,
        "activation": activation_name(layer),
        "units": getattr(layer, "units", getattr(layer, "filters", None)),
        "trainable": bool(layer.trainable),
    }
    if inputs is not None:
        facts["inputs"] = inputs
    for key in ("rate", "momentum", "stddev"):
        if isinstance(value := getattr(layer, key, None), int | float):
            facts[key] = float(value)
    if isinstance(layer, keras.layers.RandomRotation | keras.layers.RandomTranslation):
        facts["strength"] = _strength(layer)
    regularizer = getattr(layer, "kernel_regularizer", None)
    penalty = {
        key: float(value)
        for key in ("l1", "l2")
        if (value := _number(getattr(regularizer, key, None))) is not None
    }
    if penalty:
        facts["penalty"] = penalty
    if isinstance(layer, keras.layers.Normalization) and _passes_on(layer):
        facts["identity"] = True
    if isinstance(layer, keras.layers.Rescaling):
        numbers = {key: _number(getattr(layer, key)) for key in ("scale", "offset")}
        facts |= {key: value for key, value in numbers.items() if value is not None}
    if isinstance(layer, keras.layers.Reshape):
        with suppress(Exception):  # in no graph
            facts["reshaped"] = [list(layer.input.shape[1:]), list(layer.output.shape[1:])]
    if getattr(layer, "activity_regularizer", None) is not None:
        facts["activity_penalty"] = True
    initializer = getattr(layer, "kernel_initializer", getattr(layer, "embeddings_initializer", None))
    if initializer is not None:
        known = isinstance(initializer, keras.initializers.Initializer)
        facts["initializer"] = type(initializer).__name__ if known else _plain(initializer)
    return facts


def _strength(layer: keras.Layer) -> float | None:
    """How far a layer turns or shifts pictures at most: its largest factor either way; None where not known."""
    factors = [getattr(layer, key, None) for key in ("factor", "height_factor", "width_factor")]
    numbers = [_number(value) for value in keras.tree.flatten(factors)]
    return max((abs(value) for value in numbers if value is not None), default=None)


def _passes_on(layer: keras.layers.Normalization) -> bool:
    """Whether its mean is 0 and its variance 1, as they are before `adapt`."""
    with suppress(Exception):  # not built, or built in a trace
        mean, variance = (np.asarray(keras.ops.convert_to_numpy(v)) for v in (layer.mean, layer.variance))
        return bool((mean == 0).all() and (variance == 1).all())
    return False


def _by_depth(layers: dict[str, keras.Layer], visited: list[str]) -> list[str]:
    """The names in the order of the graph; a layer that it does not hold stays behind the one before it."""
    order = {name: index for index, name in enumerate(visited)}
    places, place = [], -1
    for name in layers:
        place = order.get(name, place)
        places.append(place)
    return [name for _, name in sorted(zip(places, layers, strict=True), key=lambda pair: pair[0])]


def _initial(layer: keras.Layer | None, variable: keras.Variable) -> dict[str, Any]:
    with suppress(Exception):  # a value that is not on this host, or of a type that NumPy does not know
        if (array := fetch(variable)) is not None:
            return {"initial": initial_facts(layer, variable, array)}
    return {}


def _frozen(model: keras.Model, named: dict[str, keras.Layer]) -> list[dict[str, Any]]:
    """The weights of layers that are not trainable, and whether they are still as they were drawn."""
    found = []
    for (tensor, name), variable in zip(tensor_names(model, model.weights), model.weights, strict=True):
        layer = named.get(name)
        if layer is None or layer.trainable:
            continue
        row: dict[str, Any] = {"name": tensor, "layer": name, "size": math.prod(variable.shape)}
        told = _fresh(layer, variable)
        found.append(row if told is None else {**row, "fresh": told})
    return found


def _fresh(layer: keras.Layer | None, variable: keras.Variable) -> bool | None:
    with suppress(Exception):  # as in `_initial`
        if (array := fetch(variable)) is not None:
            return fresh(layer, str(variable.name), sample(array), tuple(variable.shape))
    return None


def _unheld(model: keras.Model, optimizer: Any) -> list[str] | None:
    """The trainable tensors that a built optimizer does not know; None where that cannot be told."""
    known = getattr(optimizer, "_trainable_variables", None)
    if (
        not getattr(optimizer, "built", False)
        or not isinstance(known, list)
        or hasattr(optimizer, "optimizers")
    ):
        return None
    variables = model.trainable_variables
    if keras.backend.backend() == "jax" and [v.shape for v in known] == [v.shape for v in variables]:
        return []  # JAX hands the optimizer values by their place: variables of the same shapes will do
    held = {id(variable) for variable in known}
    named = zip(tensor_names(model, variables), variables, strict=True)
    return [tensor for (tensor, _), variable in named if id(variable) not in held]


def _output_shape(model: keras.Model) -> list[int | None] | None:
    try:
        shape = model.output_shape
    except Exception:  # a model of its own class that was never asked
        return None
    if not isinstance(shape, tuple) or not all(size is None or isinstance(size, int) for size in shape):
        return None
    return list(shape[1:])


def _entries(variables: Iterable[Any]) -> int:
    return sum(math.prod(variable.shape) for variable in variables)


def _number(value: Any) -> float | None:
    """A number, be it a tensor of one; None of anything else."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return float(value) if isinstance(value, np.floating | np.integer) else type(value).__name__


def _device(model: keras.Model) -> str:
    values = [variable.value for variable in model.weights[:1]]
    device = str(getattr(values[0], "device", "")) if values else ""
    return device.rpartition("device:")[2] or "unknown"  # TensorFlow names job, replica and task before it
