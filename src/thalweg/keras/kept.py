"""What the watch keeps of a run so that it can be certified later: its model, and a sample of its examples."""

import hashlib
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import tree
from numpy.typing import NDArray

from thalweg.errors import UnsupportedError
from thalweg.keras.arguments import FitArguments
from thalweg.keras.feed import Batch, mapped
from thalweg.keras.stateless import Stateless, as_numpy
from thalweg.keras.trajectory import Trodden

MODEL = "model.npz"
"""The model as training left it: its configuration, its variables and its optimizer's."""
EXAMPLES = "examples.npz"
"""Training and validation examples, with their sample weights."""
ANSWERS = "answers.npz"
"""What the model answered to some of them."""
_MODEL_BYTES = 100_000_000
"""A model whose variables and optimizer take more is not kept."""
_ANSWERED = 32
"""Of so many kept examples the model's answers are kept too, by which it is known again."""
_ALIKE = 1e-2
"""Answers are the same that differ by less than this, of their largest."""
_EXAMPLE_BYTES = 8_000_000
"""Of the training and of the validation examples each at most so much is kept, spread evenly."""


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A model and examples to look at, and the path that training took to its weights.

    `total` is how many training examples there were, None where not known; `trodden` is None where no path was kept.
    """

    model: keras.Model
    training: Batch
    validation: Batch | None = None
    total: int | None = None
    trodden: Trodden | None = None

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of the weights and of the examples, in hexadecimal."""
        leaves = [leaf for leaf in tree.flatten((self.training, self.validation)) if leaf is not None]
        return {"weights": digest(_values(_weights(self.model))), "examples": digest(leaves)}


def keep(
    folder: Path, model: keras.Model, given: FitArguments, passed: Batch | None, total: int | None
) -> dict[str, Any]:
    """Write the model and a sample of its examples into the folder of its run; what was kept, for `info`.

    Where training took a pipeline, `passed` are the first examples that it brought, of about `total`. What is not
    kept is told by a sentence without a full stop, under `model` or `examples`.
    """
    kept: dict[str, Any] = {}
    parts: dict[str, Callable[[], Any]] = {
        "model": lambda: _keep_model(folder, model),
        "examples": lambda: keep_examples(folder, given, passed, total),
        "answers": lambda: _keep_answers(folder, model),
    }
    for name, part in parts.items():
        try:
            kept[name] = part()
        except Exception as error:  # whatever a layer's configuration, a target or a disk may bring
            kept[name] = _not_kept(error)
    return kept


def subject(folder: Path, kept: Mapping[str, Any], model: keras.Model | None = None) -> Subject:
    """The model and the examples that `keep` wrote; `kept` is what it returned, `model` takes the kept one's place.

    Raises `UnsupportedError`, with a clause for the user, where either cannot be had.
    """
    for part in ("model", "examples") if model is None else ("examples",):
        if not isinstance(kept.get(part), Mapping):
            raise UnsupportedError(f"the {part} of this run: {kept.get(part) or 'none were kept'}")
    examples = _read_examples(folder)
    if model is None:
        model = _read_model(folder)
        _know_again(model, examples["training"], folder)
    total, trodden = kept["examples"].get("total"), Trodden.read(folder)
    return Subject(model, examples["training"], examples.get("validation"), total, trodden)


def _not_kept(error: Exception) -> str:
    return f"it could not be kept ({type(error).__name__}: {str(error).strip().split(chr(10), 1)[0][:200]})"


def finalise(model: keras.Model) -> None:
    """Let layers that were adapted take over the weights given to them: they do not look there at each call."""
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()


def configuration_of(model: keras.Model) -> dict[str, Any] | str:
    """What `model_file` takes: the model's configuration, with the optimizer that it has instead of that it had.

    Where there is none, a sentence without a full stop says why.
    """
    try:
        configuration: dict[str, Any] = keras.saving.serialize_keras_object(model)
        if isinstance(compiled := configuration.get("compile_config"), dict):
            compiled["optimizer"] = keras.saving.serialize_keras_object(model.optimizer)
        json.dumps(configuration)
    except Exception as error:  # whatever a layer's configuration may bring
        return _not_kept(error)
    return configuration


def model_file(
    configuration: dict[str, Any] | str,
    weights: Sequence[NDArray[Any]],
    optimizer: Sequence[NDArray[Any]],
    learning_rate: float,
) -> tuple[bytes | None, Any]:
    """A model with these values and this learning rate as `model.npz`, and what was kept; or none, and why."""
    if isinstance(configuration, str):
        return None, configuration
    if isinstance(compiled := configuration.get("compile_config"), dict):
        compiled["optimizer"]["config"]["learning_rate"] = learning_rate
    file = io.BytesIO()
    _write(file, _arrays(json.dumps(configuration), weights, optimizer))
    return file.getvalue(), {"weights": digest(weights)}


def _keep_model(folder: Path, model: keras.Model) -> Any:
    variables = [*_weights(model), *_optimizer(model)]
    size = sum(int(np.prod(v.shape)) * 4 for v in variables)
    if size > _MODEL_BYTES:
        return f"it takes {size / 1e6:,.0f} MB, and above {_MODEL_BYTES / 1e6:,.0f} MB none is kept"
    configuration = json.dumps(keras.saving.serialize_keras_object(model))
    weights = _values(_weights(model))
    _write(folder / MODEL, _arrays(configuration, weights, _values(_optimizer(model))))
    return {"weights": digest(weights)}


def _arrays(
    configuration: str, weights: Sequence[NDArray[Any]], optimizer: Sequence[NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    return {
        "configuration": np.array(configuration),
        **{f"weight-{i}": value for i, value in enumerate(weights)},
        **{f"optimizer-{i}": value for i, value in enumerate(optimizer)},
    }


def _read_model(folder: Path) -> keras.Model:
    try:
        with (folder / MODEL).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            configuration = json.loads(str(arrays["configuration"]))
            # Not trusted: whoever sent the folder must not run code here.
            model = keras.saving.deserialize_keras_object(configuration, safe_mode=True)
            if model.optimizer is not None:
                model.optimizer.build(model.trainable_variables)
            for name, variables in (("weight", _weights(model)), ("optimizer", _optimizer(model))):
                stored = sum(key.startswith(f"{name}-") for key in arrays)
                if stored != len(variables):
                    raise ValueError(f"{stored} {name} arrays for {len(variables)} variables")
                for index, variable in enumerate(variables):
                    variable.assign(arrays[f"{name}-{index}"])
            finalise(model)
    except FileNotFoundError:
        raise UnsupportedError(f"the model is gone: there is no {MODEL} in the run's folder") from None
    except Exception as error:
        # Keras puts whole configurations around the one sentence that says which class it does not know.
        reason = str(error).rpartition("Exception encountered: ")[2].split(". ", 1)[0].split("\n", 1)[0][:200]
        raise UnsupportedError(
            f"the model cannot be rebuilt from its configuration ({reason}): give it, as in "
            "thalweg.certify(folder, model=model)"
        ) from error
    return model


def _keep_answers(folder: Path, model: keras.Model) -> Any:
    """What the model answers to the first kept examples, in inference."""
    answers = _answers(model, _read_examples(folder)["training"])
    _write(folder / ANSWERS, {f"answer-{i}": answer for i, answer in enumerate(answers)})
    return {"examples": len(answers[0])}


def _know_again(model: keras.Model, training: Batch, folder: Path) -> None:
    """Raise `UnsupportedError` where the rebuilt model does not answer as the trained one did.

    A configuration need not hold all that makes a model: what a layer keeps outside of its weights is lost.
    """
    try:
        with (folder / ANSWERS).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            kept = [arrays[f"answer-{i}"] for i in range(len(arrays))]
    except Exception:  # none were kept
        return
    for was, now in zip(kept, _answers(model, training), strict=True):
        far = np.max(np.abs(np.asarray(now, np.float64) - was), initial=0.0)
        alike = far <= _ALIKE * np.max(np.abs(was), initial=0.0) or not np.isfinite(was).all()
        if not alike and not _random(model, training):
            raise UnsupportedError(
                "the model that was rebuilt from its configuration answers otherwise than the trained one did: give "
                "that, as in thalweg.certify(folder, model=model)"
            )


def _random(model: keras.Model, training: Batch) -> bool:
    """Whether a rebuilt model, which nobody else holds, answers the same question in two ways."""
    inputs = mapped(lambda array: array[:_ANSWERED], training[0])
    pair = (tree.flatten(model.predict_on_batch(inputs)) for _ in range(2))
    return not all(np.array_equal(one, other, equal_nan=True) for one, other in zip(*pair, strict=True))


def _answers(model: keras.Model, training: Batch) -> list[NDArray[Any]]:
    stateless = Stateless(model)
    inputs = mapped(lambda array: array[:_ANSWERED], training[0])
    return [as_numpy(output) for output in tree.flatten(stateless.predict(stateless.values(), inputs))]


def keep_examples(folder: Path, given: FitArguments, passed: Batch | None, total: int | None) -> Any:
    """Write a sample of the examples into this folder; what was kept, for `info`, or why none was."""
    training = given.training if given.training is not None else passed
    if training is None:
        return "none were kept, for the input could not be sampled"
    count = len(tree.flatten(training[0])[0])
    if given.training is not None:
        total = count
        if given.class_weights is not None:  # a pipeline brings its weights along
            training = (*training[:2], weighted(training, given.class_weights))
    parts = {"training": _spread(training)}
    if given.validation is not None:
        parts["validation"] = _spread(given.validation)
    arrays: dict[str, NDArray[Any]] = {}
    structures = {}
    for name, batch in parts.items():
        structures[name] = _noted(batch, arrays, name)
    _write(folder / EXAMPLES, {"structure": np.array(json.dumps(structures)), **arrays})
    return {
        "digest": digest(
            leaf for batch in parts.values() for leaf in tree.flatten(batch) if leaf is not None
        ),
        "training": len(tree.flatten(parts["training"][0])[0]),
        "total": total and max(total, count),
        "bytes": sum(array.nbytes for array in arrays.values()),
    }


def _read_examples(folder: Path) -> dict[str, Batch]:
    try:
        with (folder / EXAMPLES).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            structures = json.loads(str(arrays["structure"]))
            return {name: tuple(_restored(part, arrays)) for name, part in structures.items()}
    except FileNotFoundError:
        raise UnsupportedError(f"the examples are gone: there is no {EXAMPLES} in the run's folder") from None
    except Exception as error:
        raise UnsupportedError(f"the examples cannot be read ({type(error).__name__}: {error})") from error


def _spread(batch: Batch) -> Batch:
    """Examples spread evenly over the whole, as many as fit."""
    leaves = [leaf for leaf in tree.flatten(batch) if leaf is not None]
    count = len(leaves[0])
    each = sum(np.asarray(leaf[:1]).nbytes for leaf in leaves)
    most = min(count, max(_EXAMPLE_BYTES // max(each, 1), 1))
    if most == count:
        return batch
    rows = np.unique(np.linspace(0, count - 1, most).astype(np.int64))
    return mapped(lambda array: array[rows], batch)  # type: ignore[no-any-return]


def weighted(batch: Batch, weights: Mapping[str, float]) -> NDArray[np.float64]:
    """The sample weights that `class_weight` comes to, times those that were given; as Keras does it."""
    targets = np.asarray(tree.flatten(batch[1])[0])
    classes = targets.argmax(axis=-1) if targets.ndim == 2 and targets.shape[1] > 1 else targets.reshape(-1)
    by_class = np.array([weights.get(str(int(label)), 1.0) for label in classes])
    return by_class if batch[2] is None else by_class * np.asarray(batch[2]).reshape(-1)


def _noted(part: Any, arrays: dict[str, NDArray[Any]], name: str) -> Any:
    """The structure in JSON, each leaf by the name under which its array is put into `arrays`."""
    if part is None:
        return None
    if isinstance(part, Mapping):
        return {"keys": {str(key): _noted(value, arrays, name) for key, value in part.items()}}
    if isinstance(part, list | tuple):
        return {"list": [_noted(value, arrays, name) for value in part]}
    array = np.asarray(part)
    if array.dtype == object:
        array = array.astype(str)
    key = f"{name}-{len(arrays)}"
    arrays[key] = array
    return {"array": key}


def _restored(noted: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    if noted is None:
        return None
    if "keys" in noted:
        return {key: _restored(value, arrays) for key, value in noted["keys"].items()}
    if "list" in noted:
        return [_restored(value, arrays) for value in noted["list"]]
    return arrays[noted["array"]]


def _write(path: Path | io.BytesIO, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Each in a type that NumPy can read back: bfloat16 is none, and every value of it is one of float32."""
    plain: dict[str, Any] = {
        name: array.astype(np.float32) if array.dtype.name == "bfloat16" else array
        for name, array in arrays.items()
    }
    np.savez(path, **plain)


def _weights(model: keras.Model) -> list[Any]:
    return list(model.weights)


def _optimizer(model: keras.Model) -> list[Any]:
    return [] if model.optimizer is None else list(model.optimizer.variables)


def _values(variables: Iterable[Any]) -> list[NDArray[Any]]:
    return [np.asarray(keras.ops.convert_to_numpy(variable.value)) for variable in variables]


def digest(arrays: Iterable[Any]) -> str:
    """SHA-256 of arrays, in hexadecimal."""
    sha = hashlib.sha256()
    for array in arrays:
        values = np.ascontiguousarray(array)
        sha.update(f"{values.dtype.str}{values.shape}".encode())
        sha.update(values.tobytes() if values.dtype != object else repr(values.tolist()).encode())
    return sha.hexdigest()
