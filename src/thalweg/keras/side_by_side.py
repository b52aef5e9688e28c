"""Members of one optimizer and batch size, trained side by side in one program."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from thalweg.comparison import Configuration, Member
from thalweg.errors import UnsupportedError
from thalweg.keras.course import OWN, Course
from thalweg.keras.kept import configuration_of, model_file
from thalweg.keras.names import tensor_names
from thalweg.keras.population import Place, Population
from thalweg.keras.problem import Problem, Task, traced
from thalweg.store.studies import Trained

Kind = tuple[str, int]
"""What members of one program have in common: optimizer and batch size."""
Shape = tuple[int, int]
"""Of a program: how many seeds, and members of each."""
Told = Callable[[int, int], None]
"""Told of so many epochs of members that were trained, or need not be any more, and of members that died."""
WIDTHS = (1, 4, 16, 64)
"""Members in one program, among which the fastest is looked for."""
_CACHE = 8 << 20
"""Bytes of values that the members of a program may have on a CPU until widths are measured."""
_SHRINKING = 1.0
"""Times the seconds of a compilation that are to be saved, for members that died to leave the program."""
_STEPS = 8
"""So many are timed for that."""


def kinds(tasks: Iterable[Task]) -> list[tuple[Kind, list[Task]]]:
    """The trainings of each program, those of a seed one after another."""

    def kind(task: Task) -> Kind:
        return task[0].optimizer, task[0].batch_size

    ordered = sorted(tasks, key=lambda task: (kind(task), task[1], task[0]))
    return [(key, list(group)) for key, group in groupby(ordered, key=kind)]


def chunks(tasks: Sequence[Task], width: int) -> tuple[Shape, list[list[Task]]]:
    """Trainings of one kind in chunks of at most `width` that one program fits, and its shape."""
    by_seed = [list(group) for _, group in groupby(tasks, key=lambda task: task[1])]
    longest = max(map(len, by_seed))
    across = math.ceil(longest / math.ceil(longest / width))
    most = max(min(width // across, len(by_seed)), 1)
    down = math.ceil(len(by_seed) / math.ceil(len(by_seed) / most))
    found = []
    for top in range(0, len(by_seed), down):
        for first in range(0, longest, across):
            if chunk := [task for own in by_seed[top : top + down] for task in own[first : first + across]]:
                found.append(chunk)
    return (down, across), found


class SideBySide:
    """Trains members of one optimizer and batch size; what was compiled is used again.

    `step_seconds` is what a step of a member took in the last epoch, `compile_seconds` what compiling has taken.
    """

    def __init__(self, problem: Problem, kind: Kind, before: "SideBySide | None" = None) -> None:
        self._problem, self._size = problem, kind[1]
        alike = before is not None and before._size == self._size and before._model is not None
        self._before: Population | None = before._population if before is not None and alike else None
        self._population: Population
        self._starts: dict[tuple[int, str], tuple[Place, dict[str, Any]]] = {}
        self._model: keras.Model | None = None
        self._configuration: dict[str, Any] | str = ""
        self.step_seconds, self.compile_seconds = math.nan, 0.0

    def fitting(self, tasks: Sequence[Task], width: int, memory: int) -> tuple[Shape, list[list[Task]]]:
        """These in chunks of the largest width up to this one whose program takes at most so many bytes; at least 1.

        On a CPU it is 1 for convolutions, for those of several members are a grouped one, which XLA does slowly; and
        the values of all members are to fit into a cache.
        """
        from thalweg.keras.autodiff.jax import on_cpu

        place = self._start(tasks[0])[0]
        if self._population.lone:
            return chunks(tasks, 1)
        width = _bounded(width, place, min(memory, 3 * _CACHE) if on_cpu() else memory)
        while True:
            found = chunks(tasks, width)
            first = self._begun(*found)
            begun = time.perf_counter()
            fits = traced(self._population.memory, *first) <= memory
            self.compile_seconds += time.perf_counter() - begun
            if width == 1 or fits:
                return found
            width //= 2

    def fastest(self, tasks: Sequence[Task], memory: int) -> int:
        """The width with the least time for a step of a member, measured on the first steps, of those that fit."""
        found: dict[int, float] = {}
        place = self._start(tasks[0])[0]
        for tried in sorted({_bounded(min(one, len(tasks)), place, memory) for one in WIDTHS}):
            orders, rates = self._begun(*chunks(tasks, tried))
            if traced(self._population.memory, orders, rates) > memory and found:
                continue
            steps = min(_STEPS, len(rates))
            seconds = traced(self._population.seconds, orders[:, : steps * self._size], rates[:steps])
            found[tried] = seconds / rates[0].size
        return min(found, key=lambda one: found[one])

    def train(self, tasks: Sequence[Task], shape: Shape, told: Told) -> Iterator[Trained]:
        """Train these in one program of this shape."""
        problem, count = self._problem, len(tasks)
        begun = time.perf_counter()
        grid, table = self._placed(shape, tasks)
        population, courses = self._population, [Course() for _ in tasks]
        alive, steps = set(range(count)), problem.steps(self._size)
        first = 0.0
        for epoch in range(problem.epochs):
            clock = time.perf_counter()
            found = traced(population.epoch, *self._epoch(tasks, grid, table, epoch))
            validated = traced(population.validate)
            seconds = time.perf_counter() - clock
            places = _places(grid)
            for member in alive:
                courses[member].add(found, validated, places[member])
            dead = {member for member in alive if courses[member].dead}
            alive -= dead
            left = problem.epochs - epoch - 1
            told(len(alive) + len(dead) * (1 + left), len(dead))
            first = seconds if epoch == 0 else first
            self.step_seconds = seconds / steps / grid.size
            if not alive:
                break
            # A smaller program must be compiled first.
            small = _grid(tasks, sorted(alive))
            saved = seconds * left / 2
            if (
                small.size <= grid.size // 2
                and epoch
                and saved > _SHRINKING * (self.compile_seconds or first)
            ):
                population.keep(np.array([[places[member] for member in row] for row in small]))
                grid = small
        self.compile_seconds += max(first - self.step_seconds * steps * math.prod(shape), 0.0)
        each, places = (time.perf_counter() - begun) / count, _places(grid)
        for member, (configuration, seed) in enumerate(tasks):
            end = population.end(*places[member]) if member in alive else None
            yield self._trained(configuration, seed, courses[member], end, each)

    def close(self) -> None:
        """Let the model go."""
        if self._model is not None:
            self._population.close()

    def _placed(self, shape: Shape, tasks: Sequence[Task]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The members at their start: where each stands, and (steps, n) the rates of all their training."""
        wanted = {(seed, configuration.initializer) for configuration, seed in tasks}
        self._starts = {key: start for key, start in self._starts.items() if key in wanted}
        grid = _grid(tasks, range(len(tasks)), shape)
        places = [[self._start(tasks[member])[0] for member in row] for row in grid]
        self._population.begin(places)
        # A schedule is asked for the rate of each step: once for all seeds.
        tables = {one: self._problem.rates(one) for one in {configuration for configuration, _ in tasks}}
        return grid, np.stack([tables[configuration] for configuration, _ in tasks], axis=1)

    def _epoch(
        self, tasks: Sequence[Task], grid: NDArray[np.int64], table: NDArray[np.float64], epoch: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """What an epoch is given: the order of the examples of each row, and the rates."""
        steps = self._problem.steps(self._size)
        orders = np.stack([self._problem.order(tasks[row[0]][1], epoch) for row in grid])
        return orders, table[epoch * steps : (epoch + 1) * steps][:, grid]

    def _begun(
        self, shape: Shape, chunked: Sequence[Sequence[Task]]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The members of the first chunk at their start, and what their first epoch is given."""
        grid, table = self._placed(shape, chunked[0])
        return self._epoch(chunked[0], grid, table, 0)

    def _start(self, task: Task) -> tuple[Place, dict[str, Any]]:
        """Where a training begins, and the facts that are known then."""
        configuration, seed = task
        key = seed, configuration.initializer
        if key not in self._starts:
            model = self._problem.built(configuration, seed)
            if isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer):
                raise UnsupportedError(
                    "Populations do not scale their losses: compare under another policy than mixed_float16, or with "
                    "--engine fit."
                )
            self._starts[key] = Place.of(model), self._problem.facts(model, self._size)
            if self._model is None:
                self._model = model
                self._population = Population(
                    model,
                    self._problem.training,
                    self._problem.validation,
                    self._size,
                    before=self._before,
                )
        return self._starts[key]

    def _trained(
        self, configuration: Configuration, seed: int, course: Course, end: Place | None, seconds: float
    ) -> Trained:
        model = self._model
        assert model is not None
        names = [name for name, _ in tensor_names(model, model.trainable_variables)]
        facts = self._start((configuration, seed))[1]
        file = None
        if self._problem.kept is not None and end is not None:
            values = dict(
                zip(
                    map(id, [*model.trainable_variables, *model.non_trainable_variables]),
                    [*end.trainable, *end.fixed],
                    strict=True,
                )
            )
            weights = [values[id(variable)] for variable in model.weights]
            self._configuration = self._configuration or configuration_of(model)
            file, kept = model_file(self._configuration, weights, end.optimizer, configuration.learning_rate)
            facts = {**facts, "kept": {**self._problem.kept, "model": kept}}
        record = course.record(facts, names, configuration, seed)
        member = Member.of(configuration, seed, record, keras.backend.backend(), seconds)
        return Trained(member, record, file, OWN)


def _bounded(width: int, place: Place, memory: int) -> int:
    """As many members, given, taken and returned, as have room before anything is computed; at least 1."""
    return max(min(width, memory // max(3 * place.bytes, 1)), 1)


def _grid(tasks: Sequence[Task], members: Iterable[int], shape: Shape | None = None) -> NDArray[np.int64]:
    """(S, K) members, those of a seed in a row; what is not filled repeats what is, so that one program fits all."""
    rows = [list(group) for _, group in groupby(members, key=lambda member: tasks[member][1])]
    down, across = shape or (len(rows), max(map(len, rows)))
    full = [row + row[:1] * (across - len(row)) for row in rows]
    return np.array(full + full[:1] * (down - len(full)))


def _places(grid: NDArray[np.int64]) -> dict[int, tuple[int, int]]:
    """Where each member stands; of several places the first."""
    found: dict[int, tuple[int, int]] = {}
    for place in np.ndindex(grid.shape):
        found.setdefault(int(grid[place]), (place[0], place[1]))
    return found
