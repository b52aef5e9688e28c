"""A population: trainings of one model side by side, in one compiled program on JAX."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops, tree
from numpy.typing import NDArray

from thalweg.errors import UnsupportedError
from thalweg.keras import probes
from thalweg.keras.feed import Batch, mapped
from thalweg.keras.seam import loss_metrics

Values = list[NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where one training stands: the values of its trainable and other variables, and of its optimizer's."""

    trainable: Values
    fixed: Values
    optimizer: Values

    @classmethod
    def of(cls, model: keras.Model) -> "Place":
        """Where the model itself stands; its optimizer is built."""
        held = (model.trainable_variables, model.non_trainable_variables, model.optimizer.variables)
        return cls(*([np.asarray(variable.value) for variable in variables] for variables in held))

    @property
    def bytes(self) -> int:
        """What its values take."""
        return sum(value.nbytes for value in (*self.trainable, *self.fixed, *self.optimizer))


@dataclass(frozen=True, slots=True, eq=False)
class Epoch:
    """What s steps of S groups of K members showed.

    `loss`, `learning_rate` and `nonfinite_gradients` are (s, S, K), `gradient_norms` (s, S, K, T) for T trainable
    tensors; `logs` are Keras's own at the end of the epoch, (S, K) each.
    """

    loss: NDArray[np.float64]
    learning_rate: NDArray[np.float64]
    nonfinite_gradients: NDArray[np.float64]
    gradient_norms: NDArray[np.float64]
    logs: Mapping[str, NDArray[np.float64]]


class Population:
    """Trainings of one compiled model that differ in their values, learning rates and the order of their examples.

    They are S groups of K members: those of a group see the same examples, which are fetched once for all of them. A
    step of a member is the model's own `train_step`, so that a member comes out as the same training alone does, to
    rounding. Between the steps nothing returns to Python; the examples lie on the device. The model itself keeps its
    values: a member's are in its `place`.

    Its optimizer's learning rate must be a variable, which each step is given. `close` takes out again what the
    model was made to show. What a population `before` compiled to validate serves this one too, where they differ in
    their optimizers alone.
    """

    def __init__(
        self,
        model: keras.Model,
        training: Batch,
        validation: Batch | None,
        batch_size: int,
        validation_batch_size: int | None = None,
        before: "Population | None" = None,
    ) -> None:
        from thalweg.keras.autodiff.jax import SideBySide

        self._model = model
        self._training, self._validation = _on_device(training), _on_device(validation)
        self._size, self._validation_size = batch_size, validation_batch_size or batch_size
        model.reset_metrics()
        self._metrics = [variable.value for variable in model.metrics_variables]
        self._rate = _rate_index(model.optimizer)
        self._loss: Any = None
        self._gradients: Sequence[Any] = ()
        self._put_back: list[tuple[dict[str, Any], str]] = []
        self._interpose(model.optimizer, "stateless_apply", self._stateless_apply)
        for metric in loss_metrics(model):
            self._interpose(metric, "update_state", self._update_state)
        self._steps = SideBySide(self._step)
        self._tests: Any = SideBySide(self._test, alike=True) if before is None else before._tests
        self._state: Any = None

    @property
    def lone(self) -> bool:
        """Whether a program had better have one member: convolutions of several are a grouped one, slow on a CPU."""
        from thalweg.keras.autodiff.jax import on_cpu

        return on_cpu() and any("Conv" in type(layer).__name__ for layer in self._model._flatten_layers())

    def close(self) -> None:
        """Make the model as it was."""
        while self._put_back:
            namespace, name = self._put_back.pop()
            namespace.pop(name, None)

    def begin(self, places: Sequence[Sequence[Place]]) -> None:
        """The members of each group start from here; the groups are equally large."""
        held = [[(place.trainable, place.fixed, place.optimizer) for place in group] for group in places]
        groups = [tree.map_structure(lambda *values: np.stack(values), *group) for group in held]
        self._state = tree.map_structure(lambda *values: ops.stack(values), *groups)

    def keep(self, members: NDArray[np.integer]) -> None:
        """Go on with these members alone: (S, K, 2), the group and the place of each until now."""
        groups, places = members[..., 0], members[..., 1]
        self._state = tree.map_structure(lambda values: values[groups, places], self._state)

    def place(self, group: int, member: int) -> Place:
        """Where a member stands."""
        return Place(*tree.map_structure(lambda values: np.asarray(values[group, member]), self._state))

    def end(self, group: int, member: int) -> Place:
        """Where its training ends now: an optimizer that averages its weights leaves the average, as Keras has it."""
        place, optimizer = self.place(group, member), self._model.optimizer
        if not getattr(optimizer, "use_ema", False):
            return place
        average = _indices(optimizer.variables, optimizer._model_variables_moving_average)
        return Place([place.optimizer[i] for i in average], place.fixed, place.optimizer)

    def epoch(self, orders: NDArray[np.integer], rates: NDArray[np.floating]) -> Epoch:
        """Train for one epoch: `orders` (S, n) are each group's examples one after another, `rates` (s, S, K)."""
        state, shown, done = self._begun(), [], 0
        for rows in _batches(orders, self._size):
            state, seen = self._steps(self._training, state, rows, _single(rates[done : done + len(rows)]))
            shown.append(seen)
            done += len(rows)
        self._state = state[:3]
        loss, norms, nonfinite = (_joined([rows[0][i] for rows in shown]) for i in range(3))
        return Epoch(loss, np.asarray(rates, np.float64), nonfinite, norms, _last(shown[-1][1]))

    def memory(self, orders: NDArray[np.integer], rates: NDArray[np.floating]) -> int:
        """What such an epoch takes, in bytes; it is compiled for that."""
        rows = _batches(orders, self._size)[0]
        return self._steps.memory(self._training, self._begun(), rows, _single(rates[: len(rows)]))

    def seconds(self, orders: NDArray[np.integer], rates: NDArray[np.floating]) -> float:
        """How long the steps of such an epoch take, once compiled; the members must begin again after it."""
        state = self._begun()
        for _ in range(2):
            begun = time.perf_counter()
            for rows in _batches(orders, self._size):
                state, shown = self._steps(self._training, state, rows, _single(rates[: len(rows)]))
            tree.map_structure(np.asarray, shown)
        return time.perf_counter() - begun

    def validate(self) -> dict[str, NDArray[np.float64]]:
        """Keras's logs of an evaluation on the validation examples, (S, K) each; nothing where there are none."""
        if self._validation is None:
            return {}
        trainable, fixed, _, metrics = self._begun()
        state, shown = (trainable, fixed, metrics), {}
        groups, members = trainable[0].shape[:2]
        count = len(tree.flatten(self._validation[0])[0])
        for rows in _batches(np.arange(count)[None], self._validation_size):
            none = np.zeros((len(rows), groups, members), np.float32)
            state, shown = self._tests(self._validation, state, rows[:, 0], none)
        return _last(shown)

    def _begun(self) -> Any:
        """The members' values, and the metrics at the start of an epoch."""
        shape = self._state[0][0].shape[:2]
        return (*self._state, [ops.broadcast_to(value, (*shape, *value.shape)) for value in self._metrics])

    # In the step of one member: traced once.

    def _step(self, data: Any, state: Any, rows: Any, rate: Any) -> tuple[Any, Any]:
        trainable, fixed, optimizer, metrics = state
        optimizer = [rate if i == self._rate else value for i, value in enumerate(optimizer)]
        logs, state = self._model.train_step((trainable, fixed, optimizer, metrics), _chosen(data, rows))
        gradients, self._gradients = self._gradients, ()
        loss, self._loss = self._loss, None
        plain = [ops.cast(gradient, "float32") for gradient in gradients]
        row = (
            ops.cast(ops.reshape(loss, ()), "float32"),
            probes.norms(plain),
            probes.nonfinite_entries(plain),
        )
        return tuple(list(part) for part in state), (row, logs)

    def _test(self, data: Any, state: Any, rows: Any, _: Any) -> tuple[Any, Any]:
        logs, state = self._model.test_step(state, _chosen(data, rows))
        return tuple(list(part) for part in state), logs

    def _interpose(self, owner: Any, name: str, method: Any) -> None:
        inner, namespace = getattr(owner, name), vars(owner)
        self._put_back.append((namespace, name))
        namespace[name] = lambda *args, **kwargs: method(inner, *args, **kwargs)

    def _stateless_apply(self, inner: Any, variables: Any, gradients: Any, trainable: Any) -> Any:
        scale = getattr(self._model.optimizer, "loss_scale_factor", None)
        self._gradients = gradients if scale is None else [gradient / scale for gradient in gradients]
        return inner(variables, gradients, trainable)

    def _update_state(self, inner: Any, values: Any, *args: Any, **kwargs: Any) -> Any:
        self._loss = values
        return inner(values, *args, **kwargs)


def _rate_index(optimizer: keras.optimizers.Optimizer) -> int:
    """Where among the optimizer's variables its learning rate stands; raises `UnsupportedError` where it is none."""
    found = _indices(optimizer.variables, [getattr(optimizer, "_learning_rate", None)])
    if not found:
        raise UnsupportedError(f"{type(optimizer).__name__} has no learning rate of its own that can be set")
    return found[0]


def _indices(variables: Sequence[Any], wanted: Sequence[Any]) -> list[int]:
    """Where the wanted variables stand among these."""
    places = {id(variable): i for i, variable in enumerate(variables)}
    return [places[id(variable)] for variable in wanted if id(variable) in places]


def _on_device(batch: Batch | None) -> Any:
    return None if batch is None else mapped(ops.convert_to_tensor, batch)


def _chosen(data: Any, rows: Any) -> Any:
    return mapped(lambda array: ops.take(array, rows, axis=0), data)


def _batches(orders: NDArray[np.integer], size: int) -> list[NDArray[np.int32]]:
    """Of (S, n) the full batches (s, S, size), and the last that is smaller (1, S, rest), where there are any."""
    groups, count = orders.shape
    full = count - count % size
    parts = (orders[:, :full].reshape(groups, -1, size), orders[:, None, full:])
    return [np.swapaxes(part, 0, 1).astype(np.int32) for part in parts if part.size]


def _single(rates: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.asarray(rates, np.float32)


def _joined(parts: list[Any]) -> NDArray[np.float64]:
    return np.concatenate([np.asarray(part, np.float64) for part in parts])


def _last(logs: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
    return {name: np.asarray(values[-1], np.float64) for name, values in logs.items()}
