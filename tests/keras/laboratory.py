"""Keras on the chosen backend, or a skip that says what is missing; small models, data, what is left."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

BACKEND = os.environ["KERAS_BACKEND"]
keras = pytest.importorskip(
    "keras", reason=f"Keras or its backend {BACKEND} is missing", exc_type=ImportError
)

from keras import layers, ops  # noqa: E402

from thalweg import Record, Watch  # noqa: E402

random = np.random.default_rng(20)
X = random.standard_normal((300, 6)).astype("float32")
Y = (X[:, 0] > 0).astype("int32") + (X[:, 1] > 0.3)
Z = X[:, :1] * 2.0 - X[:, 2:3]


def classifier(*hidden: Any, **compiled: Any) -> Any:
    """Six inputs, three classes, compiled."""
    hidden = hidden or (layers.Dense(8, activation="relu"),)
    model = keras.Sequential([layers.Input((6,)), *hidden, layers.Dense(3, activation="softmax")])
    model.compile(**{"optimizer": "sgd", "loss": "sparse_categorical_crossentropy", **compiled})
    return model


def fitted(folder: Any, model: Any, *data: Any, budget: float | None = None, **asked: Any) -> Record:
    """Fit under watch; the record."""
    watch = Watch(folder, budget=budget, quiet=True)
    data = data or (X[:48], Y[:48])
    callbacks = [*asked.pop("callbacks", ()), watch]
    model.fit(*data, **{"epochs": 2, "verbose": 0, "callbacks": callbacks, **asked})
    return watch.record()


def state(model: Any) -> list[np.ndarray]:
    """All that training leaves: weights, seeds and moving averages, and the optimizer's variables."""
    return [ops.convert_to_numpy(v.value) for v in (*model.variables, *model.optimizer.variables)]


def attributes(model: Any) -> list[set[str]]:
    """The names that stand in the instances' own namespaces."""
    inner = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    owners = [model, model.optimizer, inner, *model.metrics, *model._flatten_layers(include_self=False)]
    return [set(vars(owner)) for owner in owners]


def same(left: list[np.ndarray], right: list[np.ndarray]) -> None:
    """Bit for bit, NaN included."""
    assert len(left) == len(right) > 2
    for a, b in zip(left, right, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        assert a.tobytes() == b.tobytes(), float(np.abs(a.astype(float) - b.astype(float)).max())


def trained(build: Callable[[], Any], fit: Callable[[Any, list[Any]], None], watch: Watch | None) -> Any:
    """A model trained from one seed, watched or bare."""
    keras.utils.set_random_seed(7)
    model = build()
    fit(model, [] if watch is None else [watch])
    return model


@contextmanager
def precision(name: str) -> Iterator[None]:
    """Within it Keras makes and computes in this floating-point type."""
    before = keras.config.floatx()
    keras.config.set_floatx(name)
    keras.config.set_dtype_policy(name)
    if BACKEND == "jax":
        import jax

        wide = jax.config.jax_enable_x64
        jax.config.update("jax_enable_x64", name == "float64")
    try:
        yield
    finally:
        keras.config.set_floatx(before)
        keras.config.set_dtype_policy(before)
        if BACKEND == "jax":
            jax.config.update("jax_enable_x64", wide)


def reasons(record: Record, kind: str) -> list[Any]:
    return [
        event.detail.get("reason") or event.detail.get("what")
        for event in record.events
        if event.kind == kind
    ]
