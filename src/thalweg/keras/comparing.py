"""`compare`: trains every configuration with every seed, and keeps each training in a study."""

import atexit
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import keras
import numpy as np

from thalweg.comparison import Configuration, Member
from thalweg.comparison_study import ComparisonStudy
from thalweg.errors import UsageError
from thalweg.keras.arguments import FitArguments
from thalweg.keras.engines import engine as engine_named
from thalweg.keras.given import arrays, positive
from thalweg.keras.identity import identity
from thalweg.keras.kept import keep_examples
from thalweg.keras.optimizers import optimizer as optimizer_named
from thalweg.keras.problem import Problem, Task
from thalweg.keras.schedules import Schedule, rates, schedule_name
from thalweg.keras.valleys import valleys
from thalweg.store.studies import StudyStore, read_members

MODELS_BYTES = 1_000_000_000
"""Models are kept with a study's members where all of them take at most so much."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a study has come: members trained of `total`, how many diverged, the share of the work that is done.

    `best` is the configuration with the lowest median of the final losses until now, with that median.
    """

    done: int
    total: int
    diverged: int
    share: float
    best: tuple[Configuration, float] | None = None


Progress = Callable[[Standing], None]


def compare(
    build_model: Callable[[], keras.Model],
    data: Sequence[Any],
    *,
    validation_data: Sequence[Any] | None = None,
    class_weight: Mapping[int, float] | None = None,
    optimizers: Iterable[str | keras.optimizers.Optimizer] = ("sgd", "momentum", "rmsprop", "adam"),
    learning_rates: Iterable[float] = (1e-4, 1e-3, 1e-2, 1e-1),
    schedules: Iterable[Schedule] = ("constant",),
    initializers: Iterable[str | keras.initializers.Initializer | None] = (None,),
    batch_sizes: Iterable[int] = (32,),
    configurations: Iterable[Configuration] | None = None,
    seeds: int | Iterable[int] = 5,
    epochs: int = 20,
    shuffle: bool | str = True,
    target: float | None = None,
    engine: str = "auto",
    workers: int | None = None,
    folder: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> ComparisonStudy:
    """Train every combination with every seed: on JAX many of them in one compiled program.

    - `build_model`: makes the compiled model anew; its loss and metrics count, its optimizer is replaced. Each
      seed's model is built after `keras.utils.set_random_seed(seed)`.
    - `data`, `validation_data`: arrays (inputs, targets) or (inputs, targets, sample weights).
    - `optimizers`: names of Keras's, `momentum` or `nesterov`, or optimizers as patterns.
    - `schedules`: names (`constant`, `cosine`, `linear`, `exponential`, `warm-up`) or functions of a learning rate
      and the number of steps that return Keras's schedule.
    - `initializers`: of every layer's kernel; None leaves what the model has.
    - `configurations`: those to train, of the names above, in place of every combination.
    - `seeds`: how many (0, 1, ...), or which. Seed and epoch make the order of the examples: all configurations of
      a seed start from the same weights and see the same batches.
    - `shuffle`: True for another order in every epoch, `"once"` for one order that every epoch repeats, False for
      the order in which the examples lie.
    - `engine`: `vmap` compiles populations on JAX, whatever backend Keras runs on here; `fit` trains members one
      after another in worker processes; `ray` does either as tasks of a Ray cluster; `auto` is `vmap` on JAX, `fit`
      elsewhere. `workers` are the processes, by default as many as there are cores.
    - `folder`: where the study is kept. The same call again goes on with it, also after a crash, and trains no member
      twice; other configurations and seeds are added. By default it is kept until the program ends.

    A member's training is that of `fit` alone, with these batches, to rounding. One that is not finite any more, or
    whose loss in an epoch is 1,000 times the first, is not trained on.

    Raises `UsageError` for what cannot be compared as asked and `RunFolderError` for a folder that cannot be written,
    before anything is trained, and `UnsupportedError` where the model's step is no pure function, or the model cannot
    be sent to a worker.
    """
    problem, tasks = prepared(
        build_model,
        data,
        validation_data=validation_data,
        class_weight=class_weight,
        optimizers=optimizers,
        learning_rates=learning_rates,
        schedules=schedules,
        initializers=initializers,
        batch_sizes=batch_sizes,
        configurations=configurations,
        seeds=seeds,
        epochs=epochs,
        shuffle=shuffle,
    )
    _, members = trained(problem, tasks, engine, workers, lambda _: folder, progress)
    return ComparisonStudy(tuple(members), target, valleys=valleys)


def prepared(
    build_model: Callable[[], keras.Model],
    data: Sequence[Any],
    *,
    validation_data: Sequence[Any] | None,
    class_weight: Mapping[int, float] | None,
    optimizers: Iterable[str | keras.optimizers.Optimizer],
    learning_rates: Iterable[float],
    schedules: Iterable[Schedule],
    initializers: Iterable[str | keras.initializers.Initializer | None],
    batch_sizes: Iterable[int],
    seeds: int | Iterable[int],
    epochs: int,
    shuffle: bool | str,
    configurations: Iterable[Configuration] | None = None,
) -> tuple[Problem, list[Task]]:
    """What `compare` is to train; raises `UsageError` where that cannot be."""
    training = arrays(data, "data", class_weight)
    validation = None if validation_data is None else arrays(validation_data, "validation_data")
    makers = _makers(optimizers)
    by_name = {schedule_name(schedule): schedule for schedule in schedules}
    beginnings = {initializer_name(one): one for one in initializers}
    if configurations is None:
        plan = [
            Configuration(label, _rate(rate), schedule, initializer, positive(size, "batch size"))
            for label, rate, schedule, initializer, size in product(
                makers, learning_rates, by_name, beginnings, batch_sizes
            )
        ]
    else:
        plan = list(configurations)
        makers |= _makers({c.optimizer for c in plan} - makers.keys())
        by_name |= {name: name for c in plan if (name := c.schedule) not in by_name and schedule_name(name)}
        beginnings |= {
            name: name for c in plan if (name := c.initializer) not in beginnings and initializer_name(name)
        }
        plan = [replace(c, learning_rate=_rate(c.learning_rate)) for c in plan]
    chosen = range(seeds) if isinstance(seeds, int) else list(seeds)
    if not plan or not len(chosen):
        raise UsageError("There is nothing to train: give at least one of each, and a seed.")
    if shuffle not in (True, False, "once"):
        raise UsageError(f"shuffle is True, False or 'once': got {shuffle!r}.")
    for schedule in by_name.values():
        rates(schedule, plan[0].learning_rate, 1)  # raises where it makes none
    problem = Problem(
        build_model,
        training,
        validation,
        positive(epochs, "number of epochs"),
        makers,
        by_name,
        beginnings,
        shuffle,
    )
    return problem, [(configuration, seed) for configuration in dict.fromkeys(plan) for seed in chosen]


def trained(
    problem: Problem,
    tasks: Sequence[Task],
    engine: str,
    workers: int | None,
    folder_of: Callable[[str], str | os.PathLike[str] | None],
    progress: Progress | None,
) -> tuple[Path, list[Member]]:
    """The folder of the study, and the members of these trainings, those that it has not got trained now.

    `folder_of` says where the study is to be, of 8 digits by which it is known; None is a folder for as long as this
    program runs.
    """
    if workers is not None:
        positive(workers, "number of workers")
    train = engine_named(engine, workers)
    backend = "jax" if engine == "vmap" else keras.backend.backend()
    model = problem.built(tasks[0][0], 0)
    known = identity(problem, model, backend)
    digits = hashlib.sha256(repr(sorted(known.items())).encode()).hexdigest()[:8]
    store = StudyStore.open(folder_of(digits) or _for_now(), known)
    try:
        size = sum(int(np.prod(v.shape)) * 4 for v in [*model.weights, *model.optimizer.variables])
        if size * len(tasks) <= MODELS_BYTES:
            given = FitArguments(training=problem.training, validation=problem.validation)
            problem.kept = {"examples": keep_examples(store.folder, given, None, None)}
        else:
            problem.kept = None
        del model
        there = store.trained()
        missing = [task for task in tasks if task not in there]
        teller = _Teller(read_members(store.folder), len(tasks), problem.epochs, set(tasks), progress)
        for found in train(problem, missing, teller.told) if missing else ():
            teller.came(store.add(found))
        wanted = set(tasks)
        members = read_members(store.folder)
        return store.folder, [m for m in members if (m.configuration, m.seed) in wanted]
    finally:
        store.close()


class _Teller:
    """Tells of the progress of a study."""

    def __init__(
        self,
        there: Iterable[Member],
        total: int,
        epochs: int,
        wanted: set[Task],
        progress: Progress | None,
    ) -> None:
        self._total, self._epochs, self._progress = total, epochs, progress
        self._done = self._died = self._worked = 0
        self._losses: dict[Configuration, list[float]] = {}
        for member in there:
            if (member.configuration, member.seed) in wanted:
                self._worked += epochs
                self._died += member.diverged
                self._count(member)
        self._tell()

    def told(self, epochs: int, died: int) -> None:
        """So many epochs of members are done, and so many members died in them."""
        self._worked, self._died = self._worked + epochs, self._died + died
        self._tell()

    def came(self, member: Member) -> None:
        """A member is trained."""
        self._count(member)
        self._tell()

    def _count(self, member: Member) -> None:
        self._done += 1
        name = "validation_loss" if "validation_loss" in member.curves else "epoch_loss"
        self._losses.setdefault(member.configuration, []).append(member.final(name))

    def _tell(self) -> None:
        if self._progress is None:
            return
        medians = {configuration: float(np.median(found)) for configuration, found in self._losses.items()}
        lowest = min(medians, key=lambda one: medians[one]) if medians else None
        best = None if lowest is None or not np.isfinite(medians[lowest]) else (lowest, medians[lowest])
        share = self._worked / (self._total * self._epochs)
        self._progress(Standing(self._done, self._total, self._died, share, best))


def _for_now() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="thalweg-study-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _makers(optimizers: Iterable[str | keras.optimizers.Optimizer]) -> dict[str, Callable[[Any], Any]]:
    wanted = [optimizer_named(one) for one in optimizers]
    makers = dict(wanted)
    if len(makers) < len(wanted):
        raise UsageError(f"Two optimizers are the same: {', '.join(label for label, _ in wanted)}.")
    return makers


def _rate(rate: float) -> float:
    if not (isinstance(rate, int | float | np.floating) and np.isfinite(rate) and rate > 0.0):
        raise UsageError(f"A learning rate is a number above 0: got {rate!r}.")
    return float(rate)


def initializer_name(initializer: Any) -> str:
    """What an initializer is called in tables; raises `UsageError` for a name that is not known."""
    if initializer is None:
        return "as built"
    try:
        made = keras.initializers.get(initializer)
    except ValueError:
        raise UsageError(f"There is no initializer {initializer!r}.") from None
    return initializer if isinstance(initializer, str) else type(made).__name__
