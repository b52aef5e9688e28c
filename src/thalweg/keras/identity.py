"""By what a study is known again: that the same command goes on with it, and another does not."""

import hashlib
import inspect
import json
from collections.abc import Iterable
from typing import Any

import keras
from keras import tree

from thalweg.keras.kept import digest
from thalweg.keras.problem import Problem


def identity(problem: Problem, model: keras.Model, backend: str) -> dict[str, str]:
    """What makes two trainings the same but for what is compared: digests of data, model and code, and the budget.

    `model` is as it is built for seed 0: its first values tell what its configuration does not, such as the weights
    of a backbone. Of code that is not Keras's own the source is looked at.
    """
    return {
        "training data": _digest(problem.training),
        "validation data": _digest(problem.validation),
        "model": _text(_architecture(model)),
        "first values": digest(keras.ops.convert_to_numpy(v.value) for v in model.weights if _plain(v)),
        "code": _text("\n".join(_sources(problem, model))),
        "epochs": str(problem.epochs),
        "order of the examples": str(problem.shuffle),
        "backend": backend,
    }


def _digest(batch: Any) -> str:
    return digest(leaf for leaf in tree.flatten(batch) if leaf is not None)


def _plain(variable: keras.Variable) -> bool:
    return "seed_generator" not in str(variable.path)


def _architecture(model: keras.Model) -> str:
    """The configuration of the model and of what it was compiled with, whatever number its names end with."""
    compiled = {key: value for key, value in (model.get_compile_config() or {}).items() if key != "optimizer"}
    try:
        configuration = model.get_config()
    except Exception:  # a model of its own class, which has none: its code and values are looked at
        configuration = {}
    text = json.dumps([type(model).__name__, configuration, compiled], default=str, sort_keys=True)
    layers = [model, *model._flatten_layers(include_self=False, recursive=True)]
    for number, name in enumerate(dict.fromkeys(layer.name for layer in layers)):
        text = text.replace(f'"{name}"', f'"#{number}"')
    return text


def _sources(problem: Problem, model: keras.Model) -> Iterable[str]:
    """The code of what the user wrote himself."""
    compiled = model._compile_config.config if hasattr(model, "_compile_config") else {}
    parts = tree.flatten([compiled.get(key) for key in ("loss", "metrics", "weighted_metrics")])
    made = getattr(problem.build_model, "source", problem.build_model)
    for part in (made, type(model), *model._flatten_layers(include_self=False, recursive=True), *parts):
        if isinstance(part, str | None):
            yield str(part)
            continue
        code = part if inspect.isfunction(part) or inspect.isclass(part) else type(part)
        if not str(getattr(code, "__module__", "")).startswith(("keras.", "thalweg.")):
            yield _source(code)


def _source(code: Any) -> str:
    try:
        return inspect.getsource(code)
    except (OSError, TypeError):
        compiled = getattr(code, "__code__", None)  # of an interactive session, say
        return repr(code) if compiled is None else compiled.co_code.hex() + repr(compiled.co_names)


def _text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
