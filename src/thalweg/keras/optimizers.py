"""Keras's optimizers by name, at a learning rate."""

import inspect
from collections.abc import Callable
from typing import Any

import keras

from thalweg.errors import UsageError, nearest

_OF_OTHERS = {"Optimizer", "LossScaleOptimizer", "MultiOptimizer"}
_MORE: dict[str, tuple[str, dict[str, Any]]] = {
    "momentum": ("SGD", {"momentum": 0.9}),
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
}
"""What people mean by these names."""


def known() -> list[str]:
    """The names that `optimizer` takes."""
    classes = (name for name, value in vars(keras.optimizers).items() if inspect.isclass(value))
    return sorted({name.lower() for name in classes if name not in _OF_OTHERS} | _MORE.keys())


def optimizer(wanted: str | keras.optimizers.Optimizer) -> tuple[str, Callable[[float], Any]]:
    """What an optimizer is called, and what makes a new one of it at a learning rate.

    A name is one of Keras's, whatever its capitals, `momentum` or `nesterov` (SGD with 0.9); an optimizer is a
    pattern for others, its own learning rate left out. Raises `UsageError` for a name that is not known.
    """
    if isinstance(wanted, str):
        name, options = _MORE.get(wanted.lower(), (wanted, {}))
        classes = {
            key.lower(): value for key, value in vars(keras.optimizers).items() if inspect.isclass(value)
        }
        if wanted.lower() not in known():
            raise UsageError(f"There is no optimizer {wanted!r}{nearest(wanted, known()) or _all()}")
        made: Any = classes[name.lower()]
        return wanted.lower(), lambda rate: made(learning_rate=rate, **options)
    configuration = {**wanted.get_config()}
    usual = type(wanted)().get_config()
    apart = [
        f"{key}={value}"
        for key, value in configuration.items()
        if key not in ("learning_rate", "name") and value != usual.get(key)
    ]
    label = type(wanted).__name__.lower() + (f"({', '.join(apart)})" if apart else "")
    return label, lambda rate: type(wanted).from_config({**configuration, "learning_rate": rate})


def _all() -> str:
    return f": there are {', '.join(known())}"
