"""A member trained by the model's own `fit`, on any backend: the same batches, one training after another."""

import tempfile
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from thalweg.comparison import Member
from thalweg.keras.course import OWN, given_up, name_of
from thalweg.keras.feed import Batch, mapped
from thalweg.keras.kept import configuration_of, model_file
from thalweg.keras.problem import Problem, Task
from thalweg.keras.watch import Watch
from thalweg.record import Record
from thalweg.store.studies import Trained


def train_by_fit(problem: Problem, task: Task) -> Trained:
    """Train one member; raises what the problem raises where its model cannot be made."""
    configuration, seed = task
    begun = time.perf_counter()
    table = problem.rates(configuration)
    constant = bool(np.all(table == table[0]))
    model = problem.built(configuration, seed, float(table[0]) if constant else _Table(table))
    batches = _Batches(problem, seed, configuration.batch_size)
    validation = problem.validation
    with tempfile.TemporaryDirectory(prefix="thalweg-") as folder:
        watch = Watch(Path(folder) / "member", quiet=True, keep=False)
        giving_up = _GivingUp(watch)
        model.fit(
            batches,
            epochs=problem.epochs,
            validation_data=None if validation is None else validation[: 2 + (validation[2] is not None)],
            validation_batch_size=configuration.batch_size,
            shuffle=False,
            verbose=0,
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_begin=batches.begin), watch, giving_up],
        )
        record = watch.record()
    file, facts = None, {**record.info, **problem.facts(model, configuration.batch_size)}
    if problem.kept is not None and not giving_up.gave_up:
        weights, state = (
            [np.asarray(ops.convert_to_numpy(variable.value)) for variable in variables]
            for variables in (model.weights, model.optimizer.variables)
        )
        file, kept = model_file(configuration_of(model), weights, state, configuration.learning_rate)
        facts["kept"] = {**problem.kept, "model": kept}
    facts |= {
        "name": name_of(configuration, seed),
        "seed": seed,
        "optimizer": {**record.info["optimizer"], "learning_rate": configuration.learning_rate},
    }
    record = Record(facts, record.series, record.events)
    seconds = time.perf_counter() - begun
    member = Member.of(configuration, seed, record, keras.backend.backend(), seconds)
    return Trained(member, record, file, OWN)


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """The batches in the order in which this seed sees them."""

    def __init__(self, problem: Problem, seed: int, size: int) -> None:
        super().__init__()
        self._problem, self._seed, self._size = problem, seed, size
        self.begin(0)

    def begin(self, epoch: int, logs: Any = None) -> None:
        """An epoch begins, with an order of its own: Keras looks at batches between them too."""
        self._order = self._problem.order(self._seed, epoch)

    def __len__(self) -> int:
        return self._problem.steps(self._size)

    def __getitem__(self, index: int) -> Batch:
        rows = self._order[index * self._size : (index + 1) * self._size]
        batch = mapped(lambda array: array[rows], self._problem.training)
        return batch if batch[2] is not None else batch[:2]  # type: ignore[no-any-return]


class _Table(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """The learning rate of each step, from a table."""

    def __init__(self, table: NDArray[np.float64]) -> None:
        self._table = table.astype(np.float32)

    def __call__(self, step: Any) -> Any:
        """The rate of this step."""
        last = len(self._table) - 1
        return ops.take(ops.convert_to_tensor(self._table), ops.minimum(ops.cast(step, "int32"), last))

    def get_config(self) -> dict[str, Any]:
        """The table."""
        return {"table": self._table.tolist()}


class _GivingUp(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends a training whose loss is not finite or has grown far beyond its first, as a population does."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch
        self._first = np.nan
        self.gave_up = False

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """The epoch's loss is known; the first step's is on the record."""
        if epoch == 0 and (series := self._watch.record().series.get("loss")) is not None and len(series):
            self._first = float(series.values[0])
        if given_up(float((logs or {}).get("loss", np.nan)), self._first):
            self.gave_up = self.model.stop_training = True
