"""The facts noted once: model, optimizer, versions, device, and what the data look like."""

import platform
from collections.abc import Iterable
from datetime import datetime
from importlib import metadata
from typing import Any

import keras
import numpy as np
from keras import tree
from numpy.typing import NDArray

from thalweg.keras.feed import Batch
from thalweg.keras.names import tensor_names, unique_names
from thalweg.keras.probe_batch import activation_name
from thalweg.stats.columns import columns
from thalweg.stats.targets import TargetKind, constant_prediction_loss, target_kind

_DISTRIBUTIONS = {
    "tensorflow": ("tensorflow", "tensorflow-cpu"),
    "jax": ("jax", "jaxlib"),
    "torch": ("torch",),
}


def run_facts(model: keras.Model, name: str, params: dict[str, Any], budget: float | None) -> dict[str, Any]:
    """What is known before the first step. `params` are Keras's callback parameters."""
    facts: dict[str, Any] = {
        "name": name,
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "source": "thalweg",
        "step_unit": "step",
        "loss": _name(getattr(model, "loss", None)),
        "metrics": [str(metric) for metric in getattr(model, "metrics_names", [])],
        "fit": {"epochs": params.get("epochs"), "steps_per_epoch": params.get("steps")},
        "versions": _versions(),
        "seed": _seed(),
        "backend": keras.backend.backend(),
        "precision": str(getattr(model.dtype_policy, "name", model.dtype_policy)),
        "watch": {"budget": budget},
    }
    if model.optimizer is not None:
        facts["optimizer"] = optimizer_facts(model.optimizer)
    return facts


def model_facts(model: keras.Model) -> dict[str, Any]:
    """The model's parts, once it is built: `model`, `device`, `layers`, `tensors`."""
    layers = unique_names(model._flatten_layers(include_self=False, recursive=True))
    leaves = {name: layer for name, layer in layers.items() if not isinstance(layer, keras.layers.InputLayer)}
    facts: dict[str, Any] = {
        "name": model.name,
        "class": type(model).__name__,
        "parameters": _entries(model.weights),
        "trainable_parameters": _entries(model.trainable_variables),
    }
    last = [layer for layer in leaves.values() if not isinstance(layer, keras.Model)]
    if last and isinstance(model, keras.Sequential) and hasattr(last[-1], "activation"):
        facts["output_activation"] = activation_name(last[-1]) or "linear"
    names = tensor_names(model, model.trainable_variables)
    return {
        "model": facts,
        "device": _device(model),
        "layers": [
            {
                "name": name,
                "class": type(layer).__name__,
                "activation": activation_name(layer),
                "units": getattr(layer, "units", getattr(layer, "filters", None)),
                "trainable": bool(layer.trainable),
            }
            for name, layer in leaves.items()
        ],
        "tensors": [
            {"name": tensor, "layer": layer, "shape": list(v.shape), "size": int(np.prod(v.shape))}
            for (tensor, layer), v in zip(names, model.trainable_variables, strict=True)
        ],
    }


def optimizer_facts(optimizer: keras.optimizers.Optimizer) -> dict[str, Any]:
    """The optimizer's Keras configuration, as plain values; what cannot be one is named by its class."""
    config = {"name": type(optimizer).__name__, "class": type(optimizer).__name__}
    try:
        found = optimizer.get_config()
    except Exception:  # a learning rate that cannot be serialised, such as a lambda
        return config
    return {**{key: _plain(value) for key, value in found.items()}, **config}


def data_facts(batch: Batch) -> dict[str, Any]:
    """Ranges, spreads, columns and classes of the sample `batch`."""
    inputs, targets, weights = batch
    named_targets = _named(targets, "target")
    return {
        "examples": len(tree.flatten(inputs)[0]),
        "weighted": weights is not None,
        "inputs": [{"name": name, **_array_facts(array)} for name, array in _named(inputs, "input")],
        "targets": [
            {"name": name, **_array_facts(array), **_target_facts(array)} for name, array in named_targets
        ],
    }


def constant_loss(model: keras.Model, batch: Batch, output_width: int | None) -> float | None:
    """The loss of the best constant prediction on the sample; None where it has no meaning or no formula."""
    _, targets, weights = batch
    arrays = [array for array in tree.flatten(targets) if array is not None]
    loss = _name(getattr(model, "loss", None))
    smoothed = getattr(getattr(model, "loss", None), "label_smoothing", 0.0)
    if len(arrays) != 1 or weights is not None or not isinstance(loss, str) or smoothed:
        return None
    kind = target_kind(arrays[0], output_width)
    if "crossentropy" not in loss:
        kind = TargetKind.CONTINUOUS
    return constant_prediction_loss(loss, arrays[0], kind)


def _array_facts(array: NDArray[Any]) -> dict[str, Any]:
    facts: dict[str, Any] = {"shape": list(array.shape[1:]), "dtype": str(array.dtype)}
    if array.dtype.kind not in "fiub" or not array.size:
        return facts
    values = array.astype(np.float64)
    finite = values[np.isfinite(values)]
    facts["nonfinite"] = int(values.size - finite.size)
    if finite.size:
        with np.errstate(over="ignore"):
            facts |= {
                "minimum": float(finite.min()),
                "maximum": float(finite.max()),
                "mean": float(finite.mean()),
                "spread": float(finite.std()),
            }
    if array.ndim == 2 and array.shape[1] > 1:
        looked = columns(values)
        facts |= {
            "columns": int(array.shape[1]),
            "constant_columns": looked.constant,
            "duplicate_columns": looked.duplicate,
            "correlated_columns": looked.correlated,
        }
    return facts


def _target_facts(array: NDArray[Any]) -> dict[str, Any]:
    kind = target_kind(array, None)
    facts: dict[str, Any] = {"kind": str(kind)}
    if kind in (TargetKind.CLASSES, TargetKind.BINARY):
        classes, counts = np.unique(array, return_counts=True)
        if len(classes) <= 1000:
            facts |= {"classes": len(classes), "class_counts": [int(count) for count in counts]}
    elif kind is TargetKind.ONE_HOT:
        counts = array.reshape(-1, array.shape[-1]).sum(axis=0)
        facts |= {"classes": int(array.shape[-1]), "class_counts": [int(count) for count in counts]}
    return facts


def _named(structure: Any, default: str) -> list[tuple[str, NDArray[Any]]]:
    flat = [(path, leaf) for path, leaf in tree.flatten_with_path(structure) if leaf is not None]
    if len(flat) == 1:
        return [(str(flat[0][0][-1]) if flat[0][0] else default, np.asarray(flat[0][1]))]
    return [("/".join(str(part) for part in path) or default, np.asarray(leaf)) for path, leaf in flat]


def _entries(variables: Iterable[Any]) -> int:
    return int(sum(int(np.prod(variable.shape)) for variable in variables))


def _name(part: Any) -> Any:
    """A loss by its name; several losses as the same structure of names."""
    if isinstance(part, dict):
        return {str(key): _name(value) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return [_name(value) for value in part]
    if part is None or isinstance(part, str):
        return part
    return getattr(part, "name", None) or getattr(part, "__name__", type(part).__name__)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return float(value) if isinstance(value, np.floating | np.integer) else type(value).__name__


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for distribution in ("thalweg", "keras", "numpy", *_DISTRIBUTIONS[keras.backend.backend()]):
        try:
            versions[distribution] = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _seed() -> int | None:
    try:
        from keras.src.utils.rng_utils import get_random_seed  # the one way to ask for it
    except ImportError:
        return None
    seed = get_random_seed()
    return None if seed is None else int(seed)


def _device(model: keras.Model) -> str:
    values = [variable.value for variable in model.weights[:1]]
    device = str(getattr(values[0], "device", "")) if values else ""
    return device.rpartition("device:")[2] or "unknown"  # TensorFlow names job, replica and task before it
