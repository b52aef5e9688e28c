"""The facts noted once: how the run was asked for, and with which versions."""

import platform
from collections.abc import Mapping
from datetime import datetime
from importlib import metadata
from typing import Any

import keras

from thalweg.keras.model_facts import optimizer_facts

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
        "fit": {
            "epochs": params.get("epochs"),
            "steps_per_epoch": params.get("steps"),
            "run_eagerly": bool(model.run_eagerly),
        },
        "versions": _versions(),
        "seed": _seed(),
        "backend": keras.backend.backend(),
        "precision": str(getattr(model.dtype_policy, "name", model.dtype_policy)),
        "watch": {"budget": budget},
    }
    if model.optimizer is not None:
        facts["optimizer"] = optimizer_facts(model)
    return facts


def batch_size(info: Mapping[str, Any]) -> int | None:
    """Examples in the first batch, as it was noted; None where that is not known."""
    fit = info.get("fit")
    size = fit.get("batch_size") if isinstance(fit, Mapping) else None
    return size if isinstance(size, int) and size > 0 else None


def step_size(info: Mapping[str, Any], total: int | None) -> int | None:
    """Examples that a training step takes, of a `total`; None where that is not known."""
    size = batch_size(info)
    return size if size is None or total is None else min(size, total)


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
