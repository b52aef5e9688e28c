"""What the callbacks beside the watch were told, and what they had decided when the run ended.

Everything here is read: no callback is asked to do anything.
"""

import copy
import json
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras

_MONITORING = ("monitor", "mode", "min_delta", "patience")
_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "EarlyStopping": (*_MONITORING, "baseline", "restore_best_weights", "start_from_epoch"),
    "ReduceLROnPlateau": (*_MONITORING, "factor", "cooldown", "min_lr"),
    "ModelCheckpoint": ("monitor", "mode", "save_best_only", "save_weights_only", "save_freq", "best"),
    "BackupAndRestore": ("save_freq", "double_checkpoint", "delete_checkpoint"),
    "SwapEMAWeights": ("swap_on_epoch",),
}
"""By class the attributes that are its arguments; a subclass may do something else with them."""
_ENDS = ("best", "best_epoch", "stopped_epoch", "wait", "cooldown_counter")


def callback_facts(callbacks: Iterable[Any], model: keras.Model) -> list[dict[str, Any]]:
    """The fact `callbacks`: class and arguments of each callback but the watch, in order, before the run.

    `own` marks those that are not Keras's, or run the user's functions: they may write into the logs.
    """
    return [_facts(callback, model) for callback in _others(callbacks)]


def callback_ends(callbacks: Iterable[Any]) -> list[dict[str, Any]]:
    """The fact `callback_ends`, parallel to `callbacks`: what they held when the run ended.

    Epochs count from 1; `stopped_epoch` is null where the callback did not stop the run, `best` where it
    never took a value.
    """
    found = []
    for callback in _others(callbacks):
        kind = _kind(callback)
        ends = {key: _plain(getattr(callback, key)) for key in _ENDS if kind and hasattr(callback, key)}
        if "best_epoch" in ends:
            ends["best_epoch"] += 1
            ends["stopped_epoch"] = ends["stopped_epoch"] + 1 if ends.get("stopped_epoch") else None
        found.append({"class": type(callback).__name__, **ends})
    return found


def metrics_expected(model: keras.Model) -> list[str] | None:
    """The names of the logs that Keras will write, without `val_`; None where they cannot be told.

    They cannot where the model writes its own, or has several outputs that it has not seen yet.
    """
    if _logs_its_own(model):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the mean of nothing so far
            results = [(metric.name, metric.result()) for metric in _metrics(model)]
    except Exception:  # several outputs, or a metric of the user's that has no value before its first batch
        return None
    return [key for name, result in results for key in (result if isinstance(result, dict) else [name])]


def metric_directions(model: keras.Model) -> list[dict[str, str]] | None:
    """The fact `metric_directions`: Keras's own metrics of a single output, by log, and which way they are better.

    The class of one that is compiled as "accuracy" is a guess before Keras has seen the targets. None where the
    metrics cannot be told (see `metrics_expected`).
    """
    try:
        if _logs_its_own(model) or len(keras.tree.flatten(model.outputs)) > 1:
            return None
        compiled = [each for metric in _metrics(model) for each in getattr(metric, "metrics", ())]
    except Exception:  # a model or a metric that is not built yet, or Keras has changed how it does this
        return None
    names = [metric.name for metric in compiled]
    return [
        {"name": metric.name, "class": type(metric).__name__, "direction": better}
        for metric in compiled
        if names.count(metric.name) == 1 and type(metric).__module__.startswith("keras.")
        if (better := {"up": "max", "down": "min"}.get(str(getattr(metric, "_direction", None))))
    ]


def _logs_its_own(model: keras.Model) -> bool:
    """Whether the model may write logs that Keras's own steps would not."""
    steps = ("fit", "train_step", "test_step", "evaluate", "metrics", "compute_metrics", "get_metrics_result")
    return any(_module(getattr(type(model), name, None)).partition(".")[0] != "keras" for name in steps)


def _others(callbacks: Iterable[Any]) -> Iterator[Any]:
    ours = __name__.partition(".")[0]
    return (c for c in callbacks if type(c).__module__.partition(".")[0] != ours)


def _kind(callback: Any) -> str:
    """The name of the Keras class that it is an instance of, not of a subclass; else empty."""
    name = type(callback).__name__
    return name if getattr(keras.callbacks, name, None) is type(callback) else ""


def _facts(callback: Any, model: keras.Model) -> dict[str, Any]:
    kind = _kind(callback)
    facts: dict[str, Any] = {"class": type(callback).__name__}
    if not kind or kind == "LambdaCallback":
        return {**facts, "own": True}
    facts |= {key: _plain(getattr(callback, key, None)) for key in _ARGUMENTS.get(kind, ())}
    if "min_delta" in facts:
        facts["min_delta"] = abs(facts["min_delta"])  # Keras turns its sign where less is better
    if "monitor" in facts and (direction := _direction(callback, model)) is not None:
        facts["direction"] = direction
    if kind == "ModelCheckpoint":
        # Keras keeps the `initial_value_threshold` as the first `best`, and a best from an earlier fit.
        path = Path(callback.filepath)
        facts["filepath"] = path.name
        if "{" not in callback.filepath:
            facts["exists"] = path.exists()
    if kind == "BackupAndRestore":
        facts |= _backup(Path(callback.backup_dir))
    return facts


def _backup(folder: Path) -> dict[str, Any]:
    """Whether there is a backup to resume from, and from where; `epoch` counts the epochs that were whole."""
    path = folder / "training_metadata.json"
    if not path.exists():
        return {"exists": False}
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return {"exists": True, "epoch": int(stored["epoch"]), "batch": int(stored["batch"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {"exists": True}


def _direction(callback: Any, model: keras.Model) -> str | None:
    """`min` or `max` as Keras will find it, empty where it will raise; None where that cannot be told yet."""
    try:
        twin = copy.copy(callback)
        twin.monitor_op = None
        twin._model = SimpleNamespace(metrics=[] if callback.mode in ("min", "max") else _metrics(model))
        twin._set_monitor_op()
    except ValueError as error:
        return "" if "maximized or minimized" in str(error) else None
    except Exception:  # Keras has changed how it does this
        return None
    return "min" if twin.monitor_op is keras.ops.less else "max"


def _metrics(model: keras.Model) -> list[Any]:
    """The model's metrics, those it was compiled with built, in a twin where it has not built them itself.

    Raises `LookupError` where they depend on data that it has not seen, and what Keras raises.
    """
    compiled = getattr(model, "_compile_metrics", None)
    several = len(keras.tree.flatten(model.outputs)) > 1
    if several and not all(getattr(part, "built", True) for part in (compiled, model._compile_loss)):
        raise LookupError("the names depend on the structure of the targets")
    if compiled is None or compiled.built:
        return list(model.metrics)
    asked = (compiled._user_metrics, compiled._user_weighted_metrics)
    twin = type(compiled)(*asked, output_names=compiled.output_names)
    twin.build(model.outputs[0], model.outputs[0])
    return [twin if metric is compiled else metric for metric in model.metrics]


def _module(member: Any) -> str:
    return str(getattr(getattr(member, "fget", member), "__module__", None) or "")


def _plain(value: Any) -> Any:
    """A number, text, truth or nothing; what is none of these is named by its class."""
    if value is None or isinstance(value, bool | int | str):
        return value
    try:
        return float(value)
    except (TypeError, ValueError):
        return type(value).__name__
