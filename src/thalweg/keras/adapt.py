"""What an older Keras accepted and today's refuses, done as its author meant it. `thalweg run` alone uses it.

Each adaptation is told, in one line, to `tell`. What could be meant in more than one way is left alone, and
Keras's own error speaks.
"""

import functools
import inspect
import os
import sys
import weakref
from collections.abc import Callable
from typing import Any

import keras

_EPOCH_NAMES = {"epoch", "epochs", "epoch_number", "epoch_index", "epoch_num", "current_epoch", "ep"}

_epoch_rates: "weakref.WeakKeyDictionary[Any, Callable[[int], float]]" = weakref.WeakKeyDictionary()


def install(tell: Callable[[str], None]) -> None:
    """Adapt the optimizers' learning rates and the checkpoints' paths of this process."""
    _adapt_learning_rates(tell)
    _adapt_checkpoints(tell)


def callbacks_for(model: keras.Model) -> list[keras.callbacks.Callback]:
    """What a `fit` of this model needs so that its adapted learning rate follows the epochs."""
    optimizer = getattr(model, "optimizer", None)  # a model that was not compiled has none
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    schedule = _epoch_rates.get(optimizer) if optimizer is not None else None
    return [] if schedule is None else [keras.callbacks.LearningRateScheduler(schedule)]


def _adapt_learning_rates(tell: Callable[[str], None]) -> None:
    # The class whose constructor takes the learning rate for all optimizers of all backends.
    base = next(c for c in keras.optimizers.Optimizer.__mro__ if "learning_rate" in _parameters(c))
    original = base.__init__

    @functools.wraps(original)
    def init(self: Any, learning_rate: Any, *args: Any, **kwargs: Any) -> None:
        rate = _rate_of_epoch(learning_rate)
        if rate is None:
            original(self, learning_rate, *args, **kwargs)
            return
        original(self, rate(0), *args, **kwargs)
        _epoch_rates[self] = rate
        name = getattr(learning_rate, "__name__", "the function")
        tell(
            f"{type(self).__name__}(learning_rate={name}): Keras would call {name} without its epoch and "
            f"fail; the learning rate follows {name}(epoch), set at the start of each epoch"
        )

    base.__init__ = init


def _parameters(owner: type) -> set[str]:
    init = vars(owner).get("__init__")
    return set(inspect.signature(init).parameters) if inspect.isfunction(init) else set()


def _rate_of_epoch(rate: Any) -> Callable[[int], float] | None:
    """`rate` as a function of the epoch, where its one parameter says by its name that it is one."""
    if not callable(rate) or isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        return None
    try:
        parameters = list(inspect.signature(rate).parameters.values())
    except (TypeError, ValueError):
        return None
    needed = [
        p
        for p in parameters
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    if len(needed) != 1 or needed[0].name.lower() not in _EPOCH_NAMES:
        return None
    try:
        float(rate(0))
    except Exception:
        return None
    return lambda epoch: float(rate(epoch))


def _adapt_checkpoints(tell: Callable[[str], None]) -> None:
    checkpoint = keras.callbacks.ModelCheckpoint
    original = checkpoint.__init__
    signature = inspect.signature(original)
    adapted: set[bool] = set()

    @functools.wraps(original)
    def init(self: Any, filepath: Any, *args: Any, **kwargs: Any) -> None:
        asked = os.fspath(filepath) if isinstance(filepath, str | os.PathLike) else None
        try:
            bound = signature.bind(self, filepath, *args, **kwargs)
        except TypeError:
            asked = None
        if asked is not None:
            weights_only = bool(bound.arguments.get("save_weights_only", False))
            filepath = _with_extension(asked, weights_only=weights_only)
            if filepath != asked:
                adapted.add(weights_only)
                tell(
                    f"ModelCheckpoint(filepath={asked!r}): Keras would refuse a path with this ending; "
                    f"the checkpoint is kept in {filepath!r}"
                )
        original(self, filepath, *args, **kwargs)

    checkpoint.__init__ = init

    def kept(path: Any) -> Any:
        """Where the checkpoint is that the script knows by this path, which may be one of several epochs'."""
        if isinstance(path, str | os.PathLike) and not os.path.exists(path):  # noqa: PTH110
            for weights_only in adapted:
                ours = _with_extension(os.fspath(path), weights_only=weights_only)
                if os.path.exists(ours):  # noqa: PTH110
                    return ours
        return path

    load_weights = keras.Model.load_weights

    @functools.wraps(load_weights)
    def loading_weights(self: Any, filepath: Any, *args: Any, **kwargs: Any) -> Any:
        return load_weights(self, kept(filepath), *args, **kwargs)

    keras.Model.load_weights = loading_weights
    load_model = keras.models.load_model

    @functools.wraps(load_model)
    def loading_model(filepath: Any, *args: Any, **kwargs: Any) -> Any:
        return load_model(kept(filepath), *args, **kwargs)

    # `keras.models`, `keras.saving`, `tf.keras.models`, and where they have it from.
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "keras" and vars(module).get("load_model") is load_model:
            module.load_model = loading_model  # type: ignore[attr-defined]


def _with_extension(path: str, *, weights_only: bool) -> str:
    if weights_only:
        if path.endswith(".weights.h5"):
            return path
        return path.removesuffix(".h5").removesuffix(".keras") + ".weights.h5"
    return path if path.endswith((".keras", ".h5")) else path + ".keras"
