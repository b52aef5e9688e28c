"""What members of a study have in common: how a model is made, its data, and what a configuration's words mean."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import tree
from numpy.typing import NDArray

from thalweg.comparison import Configuration
from thalweg.errors import UnsupportedError, UsageError
from thalweg.keras.arguments import FitArguments
from thalweg.keras.before import Before
from thalweg.keras.facts import run_facts
from thalweg.keras.feed import Batch, mapped
from thalweg.keras.global_state import seed_everything
from thalweg.keras.model_facts import model_facts
from thalweg.keras.schedules import Schedule, rates

Task = tuple[Configuration, int]
"""A training that is to be: what is compared, and the seed."""


@dataclass
class Problem:
    """The training that members share. It can be sent to another process, and means the same there.

    `makers` make an optimizer of a learning rate, by the names that configurations have for them, as `schedules` and
    `initializers` are. Models are kept with the members where `kept` is not None: it says what else is, for `info`.
    """

    build_model: Callable[[], keras.Model]
    training: Batch
    validation: Batch | None
    epochs: int
    makers: Mapping[str, Callable[[Any], keras.optimizers.Optimizer]]
    schedules: Mapping[str, Schedule]
    initializers: Mapping[str, Any]
    shuffle: bool | str = True
    kept: Mapping[str, Any] | None = None
    _of_data: dict[str, Any] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """The training examples."""
        return len(tree.flatten(self.training[0])[0])

    def steps(self, batch_size: int) -> int:
        """Those of an epoch."""
        return -(-self.count // batch_size)

    def order(self, seed: int, epoch: int) -> NDArray[np.int64]:
        """The examples in the order in which this seed sees them in this epoch."""
        if self.shuffle is False:
            return np.arange(self.count)
        return np.random.default_rng([seed, 0 if self.shuffle == "once" else epoch]).permutation(self.count)

    def rates(self, configuration: Configuration) -> NDArray[np.float64]:
        """The learning rate of each step of the training."""
        steps = self.steps(configuration.batch_size) * self.epochs
        return rates(self.schedules[configuration.schedule], configuration.learning_rate, steps)

    def built(self, configuration: Configuration, seed: int, learning_rate: Any = 1e-3) -> keras.Model:
        """The model of a seed before its first step, with an optimizer at this learning rate, a number or a schedule.

        Raises `UsageError` where `build_model` makes no compiled model, `UnsupportedError` where its step fails.
        """
        model = model_of(seed, self.build_model, self.training, configuration.batch_size)
        initializer = self.initializers[configuration.initializer]
        if initializer is not None:
            for layer in model._flatten_layers(include_self=False):
                if isinstance(kernel := getattr(layer, "kernel", None), keras.Variable):
                    kernel.assign(keras.initializers.get(initializer)(kernel.shape, kernel.dtype))
        scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
        made = self.makers[configuration.optimizer](learning_rate)
        model.optimizer = keras.optimizers.LossScaleOptimizer(made) if scaled else made
        model.optimizer.build(model.trainable_variables)
        return model

    def facts(self, model: keras.Model, batch_size: int) -> dict[str, Any]:
        """Those of a member's record before its first step; the data and the loss are looked at once."""
        params = {"epochs": self.epochs, "steps": self.steps(batch_size)}
        info = run_facts(model, "", params, None)
        given = FitArguments(
            training=self.training,
            validation=self.validation,
            validated=self.validation is not None,
            batch_size=batch_size,
            shuffle=self.shuffle,
        )
        before = Before()
        before.look_at_fit(model, given, info["fit"])
        of_fit = dict(before.facts)
        if not self._of_data:
            sample = given.sample()
            assert sample is not None
            before.look_at_data(model, sample, given)
            before.look_at_outputs(model)
            self._of_data = {key: value for key, value in before.facts.items() if key not in of_fit}
        kept = {} if self.kept is None else {"kept": dict(self.kept)}
        return {**info, **model_facts(model), **self._of_data, **of_fit, **kept}


def model_of(
    seed: int, build_model: Callable[[], keras.Model], training: Batch, batch_size: int
) -> keras.Model:
    """The model that is built from this seed, its variables made as a first batch would make them.

    Raises `UsageError` where it is no compiled model, `UnsupportedError` where its step fails.
    """
    if keras.backend.backend() == "jax":
        seed_everything(seed)  # as below, but for TensorFlow, which takes seconds to be loaded
    else:
        keras.utils.set_random_seed(seed)
    model = build_model()
    if not isinstance(model, keras.Model) or not getattr(model, "compiled", False):
        raise UsageError("build_model is to return a compiled Keras model: call compile with its loss.")
    traced(model._symbolic_build, data_batch=mapped(lambda array: array[:batch_size], training))
    return model


def traced(action: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """What traces the model's step, the first time that it is done; raises `UnsupportedError` where that fails."""
    try:
        return action(*given, **named)
    except Exception as error:  # of the model's own code, or of a step that wants values while it is traced
        reason = str(error).strip().split("\n", 1)[0][:200]
        raise UnsupportedError(
            f"The model's training step cannot be compiled for many at once ({type(error).__name__}: {reason})."
        ) from error
