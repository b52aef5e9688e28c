"""`compare`: trains every configuration with every seed, side by side, and records each training."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, product
from typing import Any

import keras
import numpy as np
from keras import tree
from numpy.typing import NDArray

from thalweg.comparison import Comparison, Configuration, Member
from thalweg.errors import UnsupportedError, UsageError
from thalweg.keras.arguments import FitArguments, arrays_of
from thalweg.keras.before import Before
from thalweg.keras.blocks import Block, Layout, blocks, series
from thalweg.keras.epoch_logs import measurements
from thalweg.keras.facts import run_facts
from thalweg.keras.feed import Batch, mapped
from thalweg.keras.model_facts import model_facts
from thalweg.keras.names import tensor_names
from thalweg.keras.optimizers import optimizer as optimizer_named
from thalweg.keras.population import Epoch, Place, Population
from thalweg.keras.schedules import Schedule, rates, schedule_name
from thalweg.keras.tape import Rows
from thalweg.record import Event, Record

WIDTH = 32
"""Members trained in one program."""
FAR = 1e3
"""A member whose epoch's loss is so many times its first loss is not trained on."""

Progress = Callable[[int, int, int], None]
"""Called after every epoch with the epochs trained, those to train, and the members that died."""


def compare(
    build_model: Callable[[], keras.Model],
    data: Sequence[Any],
    *,
    validation_data: Sequence[Any] | None = None,
    optimizers: Iterable[str | keras.optimizers.Optimizer] = ("sgd", "momentum", "rmsprop", "adam"),
    learning_rates: Iterable[float] = (1e-4, 1e-3, 1e-2, 1e-1),
    schedules: Iterable[Schedule] = ("constant",),
    initializers: Iterable[str | keras.initializers.Initializer | None] = (None,),
    batch_sizes: Iterable[int] = (32,),
    seeds: int | Iterable[int] = 5,
    epochs: int = 20,
    target: float | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Train every combination with every seed, on JAX, many of them in one compiled program.

    - `build_model`: makes the compiled model anew; its loss and metrics count, its optimizer is replaced. Each
      seed's model is built after `keras.utils.set_random_seed(seed)`.
    - `data`, `validation_data`: arrays (inputs, targets) or (inputs, targets, sample weights).
    - `optimizers`: names of Keras's, `momentum` or `nesterov`, or optimizers as patterns.
    - `schedules`: names (`constant`, `cosine`, `linear`, `exponential`, `warm-up`) or functions of a learning rate
      and the number of steps that return Keras's schedule.
    - `initializers`: of every layer's kernel; None leaves what the model has.
    - `seeds`: how many (0, 1, ...), or which. Seed and epoch make the order of the examples: all configurations of
      a seed start from the same weights and see the same batches.

    A member's training is that of `fit` alone, with these batches, to rounding. One that is not finite any more, or
    whose loss in an epoch is 1,000 times the first, is not trained on.

    Raises `UsageError` for what cannot be compared as asked, before anything is trained, and `UnsupportedError` where
    Keras does not run on JAX or the model's step is no pure function.
    """
    if keras.backend.backend() != "jax":
        raise UnsupportedError(
            f"Populations are compiled on JAX, and Keras runs on {keras.backend.backend()}: set KERAS_BACKEND=jax "
            "before Keras is imported."
        )
    training, validation = _arrays(data, "data"), None
    if validation_data is not None:
        validation = _arrays(validation_data, "validation_data")
    wanted = [optimizer_named(one) for one in optimizers]
    makers = dict(wanted)
    if len(makers) < len(wanted):
        raise UsageError(f"Two optimizers are the same: {', '.join(label for label, _ in wanted)}.")
    by_name = {schedule_name(schedule): schedule for schedule in schedules}
    beginnings = {_initializer_name(one): one for one in initializers}
    chosen = range(seeds) if isinstance(seeds, int) else list(seeds)
    plan = [
        Configuration(label, _rate(rate), schedule, initializer, _positive(size, "batch size"))
        for label, rate, schedule, initializer, size in product(
            makers, learning_rates, by_name, beginnings, batch_sizes
        )
    ]
    if not plan or not len(chosen):
        raise UsageError("There is nothing to train: give at least one of each, and a seed.")
    _positive(epochs, "number of epochs")
    problem = _Problem(build_model, training, validation, epochs, makers, by_name, beginnings)
    total, done, died = len(plan) * len(chosen) * epochs, 0, 0

    def trained(count: int, dead: int) -> None:
        nonlocal done, died
        done, died = done + count, died + dead
        if progress is not None:
            progress(done, total, died)

    members: list[Member] = []
    for (label, size), group in groupby(sorted(plan, key=_group), key=_group):
        tasks = [(configuration, seed) for configuration in group for seed in chosen]
        members += problem.train(label, size, tasks, trained)
    return Comparison(tuple(members), target)


@dataclass
class _Problem:
    """What all members have in common."""

    build_model: Callable[[], keras.Model]
    training: Batch
    validation: Batch | None
    epochs: int
    makers: Mapping[str, Callable[[float], Any]]
    schedules: Mapping[str, Schedule]
    initializers: Mapping[str, Any]
    _facts: dict[str, Any] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """The training examples."""
        return len(tree.flatten(self.training[0])[0])

    def train(
        self,
        label: str,
        size: int,
        tasks: Sequence[tuple[Configuration, int]],
        trained: Callable[[int, int], None],
    ) -> list[Member]:
        """Train members of one optimizer and batch size."""
        starts: dict[tuple[int, str], tuple[Place, dict[str, Any]]] = {}
        model = None
        for configuration, seed in tasks:
            key = (seed, configuration.initializer)
            if key not in starts:
                made = self._built(seed, self.initializers[configuration.initializer], label, size)
                starts[key] = Place.of(made), self._known(made, size)
                model = model or made
        assert model is not None
        population = Population(model, self.training, self.validation, size)
        names = [name for name, _ in tensor_names(model, model.trainable_variables)]
        members: list[Member] = []
        try:
            for first in range(0, len(tasks), WIDTH):
                chunk = tasks[first : first + WIDTH]
                places = [starts[seed, configuration.initializer][0] for configuration, seed in chunk]
                facts = [starts[seed, configuration.initializer][1] for configuration, seed in chunk]
                courses = self._chunk(population, chunk, places, size, trained)
                members += [
                    Member.of(configuration, seed, course.record(known, names, configuration, seed))
                    for (configuration, seed), course, known in zip(chunk, courses, facts, strict=True)
                ]
        finally:
            population.close()
        return members

    def _chunk(
        self,
        population: Population,
        chunk: Sequence[tuple[Configuration, int]],
        places: Sequence[Place],
        size: int,
        trained: Callable[[int, int], None],
    ) -> list["_Course"]:
        steps = -(-self.count // size)
        table = np.stack(
            [rates(self.schedules[c.schedule], c.learning_rate, steps * self.epochs) for c, _ in chunk],
            axis=1,
        )
        courses = [_Course() for _ in chunk]
        alive = list(range(len(chunk)))
        population.begin(places)
        held = list(alive)  # the members that the program trains, those among them that died too
        compiled = 0.0
        for epoch in range(self.epochs):
            begun = time.perf_counter()
            orders = np.stack([_order(chunk[member][1], epoch, self.count) for member in held])
            found = _traced(population.epoch, orders, table[epoch * steps : (epoch + 1) * steps, held])
            validated = population.validate()
            seconds = time.perf_counter() - begun
            for place, member in enumerate(held):
                if member in alive:
                    courses[member].add(found, validated, place)
            dead = [member for member in alive if courses[member].dead]
            alive = [member for member in alive if member not in dead]
            left = self.epochs - epoch - 1
            trained(len(alive) + len(dead) * (1 + left), len(dead))
            if not alive:
                break
            if epoch == 0:
                compiled = seconds
            # A smaller program must be compiled first.
            if len(alive) <= len(held) // 2 and epoch and seconds * left / 2 > compiled:
                population.keep([held.index(member) for member in alive])
                held = list(alive)
        return courses

    def _built(self, seed: int, initializer: Any, label: str, size: int) -> keras.Model:
        keras.utils.set_random_seed(seed)
        model = self.build_model()
        if not isinstance(model, keras.Model) or not getattr(model, "compiled", False):
            raise UsageError("build_model is to return a compiled Keras model: call compile with its loss.")
        if isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer):
            raise UnsupportedError(
                "Populations do not scale their losses yet: compare under another policy than mixed_float16."
            )
        sample = mapped(lambda array: array[:size], self.training)
        _traced(model._symbolic_build, data_batch=sample)
        if initializer is not None:
            for layer in model._flatten_layers(include_self=False):
                if isinstance(kernel := getattr(layer, "kernel", None), keras.Variable):
                    kernel.assign(keras.initializers.get(initializer)(kernel.shape, kernel.dtype))
        model.optimizer = self.makers[label](1e-3)
        model.optimizer.build(model.trainable_variables)
        return model

    def _known(self, model: keras.Model, size: int) -> dict[str, Any]:
        """The facts for a member's record, those of the data and the loss looked at once."""
        params = {"epochs": self.epochs, "steps": -(-self.count // size)}
        info = run_facts(model, "", params, None)
        given = FitArguments(
            training=self.training,
            validation=self.validation,
            validated=self.validation is not None,
            batch_size=size,
            shuffle=True,
        )
        before = Before()
        before.look_at_fit(model, given, info["fit"])
        of_fit = dict(before.facts)
        if not self._facts:
            sample = given.sample()
            assert sample is not None
            before.look_at_data(model, sample, given)
            before.look_at_outputs(model)
            self._facts = {key: value for key, value in before.facts.items() if key not in of_fit}
        return {**info, **model_facts(model), **self._facts, **of_fit}


class _Course:
    """What one member showed, epoch by epoch."""

    def __init__(self) -> None:
        self._loss: list[NDArray[Any]] = []
        self._rate: list[NDArray[Any]] = []
        self._nonfinite: list[NDArray[Any]] = []
        self._norms: list[NDArray[Any]] = []
        self._epochs: list[tuple[int, dict[str, float]]] = []
        self.dead = False

    @property
    def _steps(self) -> int:
        return sum(map(len, self._loss))

    def add(self, epoch: Epoch, validated: Mapping[str, NDArray[np.float64]], place: int) -> None:
        """One more epoch."""
        self._loss.append(epoch.loss[:, place])
        self._rate.append(epoch.learning_rate[:, place])
        self._nonfinite.append(epoch.nonfinite_gradients[:, place])
        self._norms.append(epoch.gradient_norms[:, place])
        logs = {name: float(values[place]) for name, values in epoch.logs.items()}
        logs |= {f"val_{name}": float(values[place]) for name, values in validated.items()}
        self._epochs.append((self._steps, logs))
        loss, first = logs.get("loss", np.nan), float(self._loss[0][0])
        self.dead = not np.isfinite(loss) or loss > FAR * abs(first)

    def record(
        self, facts: Mapping[str, Any], names: Sequence[str], configuration: Configuration, seed: int
    ) -> Record:
        """All of it."""
        steps = np.arange(1, self._steps + 1)
        nothing = np.zeros((0, len(names)))
        rows = Rows(
            steps=steps,
            told=np.ones(len(steps), bool),
            loss=np.concatenate(self._loss),
            applied=np.arange(len(steps)),
            learning_rate=np.concatenate(self._rate),
            nonfinite_gradients=np.concatenate(self._nonfinite),
            gradient_norms=np.concatenate(self._norms),
            costly=np.zeros(0, np.int64),
            gradient_products=np.zeros(0),
            fresh=np.zeros(0, bool),
            update_norms=nothing,
            parameter_norms=nothing,
            zero_fractions=nothing,
            lost=0,
        )
        found = blocks(rows, Layout(names, True), None, 0)
        for step, logs in self._epochs:
            for name, unit, value in measurements(logs):
                found.append(Block(((name, unit),), np.array([step]), np.array([[value]])))
        events = [Event(step, "epoch", {"epoch": i}) for i, (step, _) in enumerate(self._epochs, 1)]
        reason = "stopped" if self.dead else "completed"
        events.append(Event(self._steps, "finished", {"reason": reason}))
        optimizer = {**facts["optimizer"], "learning_rate": configuration.learning_rate}
        own = {
            "name": f"{configuration.optimizer} {configuration.learning_rate:g}, seed {seed}",
            "seed": seed,
            "optimizer": optimizer,
            "initial_loss": float(self._loss[0][0]),
        }
        return Record.of(series(found), {**facts, **own}, events)


def _traced(action: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """What traces the model's step, the first time that it is done."""
    try:
        return action(*given, **named)
    except Exception as error:  # of the model's own code, or of a step that wants values while it is traced
        reason = str(error).strip().split("\n", 1)[0][:200]
        raise UnsupportedError(
            f"The model's training step cannot be compiled for many at once ({type(error).__name__}: {reason})."
        ) from error


def _group(configuration: Configuration) -> tuple[str, int]:
    return configuration.optimizer, configuration.batch_size


def _order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """The examples in the order in which this seed sees them in this epoch."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def _arrays(data: Sequence[Any], name: str) -> Batch:
    parts = tuple(data) if isinstance(data, list | tuple) else ()
    if not 2 <= len(parts) <= 3:
        raise UsageError(f"{name} is to be (inputs, targets) or (inputs, targets, sample weights) of arrays.")
    arrays = arrays_of((*parts, None)[:3])
    if arrays is None:
        raise UsageError(f"{name} must be arrays of equal length that fit into memory.")
    return mapped(_single, arrays)  # type: ignore[no-any-return]


def _single(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(keras.config.floatx()) if array.dtype.kind == "f" else array


def _rate(rate: float) -> float:
    if not (isinstance(rate, int | float | np.floating) and np.isfinite(rate) and rate > 0.0):
        raise UsageError(f"A learning rate is a number above 0: got {rate!r}.")
    return float(rate)


def _positive(count: Any, what: str) -> int:
    if not (isinstance(count, int | np.integer) and count > 0):
        raise UsageError(f"The {what} must be a whole number above 0: got {count!r}.")
    return int(count)


def _initializer_name(initializer: Any) -> str:
    if initializer is None:
        return "as built"
    try:
        made = keras.initializers.get(initializer)
    except ValueError:
        raise UsageError(f"There is no initializer {initializer!r}.") from None
    return initializer if isinstance(initializer, str) else type(made).__name__
