"""The facts noted once: how the run was asked for, versions, and what the data look like."""

import platform
from datetime import datetime
from importlib import metadata
from typing import Any

import keras
import numpy as np
from keras import tree
from numpy.typing import NDArray

from thalweg.keras.feed import Batch
from thalweg.keras.model_facts import model_facts as model_facts
from thalweg.keras.model_facts import optimizer_facts
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
        facts["optimizer"] = optimizer_facts(model)
    return facts


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


def _name(part: Any) -> Any:
    """A loss by its name; several losses as the same structure of names."""
    if isinstance(part, dict):
        return {str(key): _name(value) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return [_name(value) for value in part]
    if part is None or isinstance(part, str):
        return part
    return getattr(part, "name", None) or getattr(part, "__name__", type(part).__name__)


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
