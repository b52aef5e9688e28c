"""Trainings of one problem that are taken on by any number of steps: each a seed, each at a rate of its own."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import tree
from numpy.typing import NDArray

from thalweg.errors import UsageError
from thalweg.keras.feed import Batch
from thalweg.keras.population import Place, Population
from thalweg.keras.problem import model_of, traced

WIDTH = 32
"""Members in one program."""


class Streams:
    """Members that stand at the same step, each with its seed.

    A seed is a start (`build_model` is called with all random numbers drawn from it) and an order of the examples,
    drawn anew each time that they are through, and cut into whole batches: one may hold the end of a pass and the
    beginning of the next.
    """

    def __init__(
        self,
        build_model: Callable[[], keras.Model],
        optimizer: Callable[[float], Any],
        training: Batch,
        validation: Batch,
        batch_size: int,
    ) -> None:
        self._build, self._optimizer = build_model, optimizer
        self._training, self._validation = training, validation
        self._count = len(tree.flatten(training[0])[0])
        self._size = min(batch_size, self._count)
        self._starts: dict[int, Place] = {}
        self._orders: dict[int, list[NDArray[np.int64]]] = {}
        self._population: Population | None = None
        self._seeds: list[int] = []
        self._steps = 0

    @property
    def pass_steps(self) -> int:
        """The steps of `fit` in an epoch."""
        return -(-self._count // self._size)

    def shape(self, seeds: Sequence[int], members: int) -> tuple[int, int]:
        """How many seeds, and members of each, one program is to have."""
        self._start(seeds[0])
        assert self._population is not None
        if self._population.lone:
            return 1, 1
        across = min(members, WIDTH)
        return max(min(WIDTH // across, len(seeds)), 1), across

    def begin(self, seeds: Sequence[int], members: int) -> None:
        """So many members of each of these seeds, before their first step."""
        places = [[self._start(seed)] * members for seed in seeds]
        assert self._population is not None
        self._population.begin(places)
        self._seeds, self._steps = list(seeds), 0

    def advance(self, rates: NDArray[np.floating]) -> NDArray[np.float64]:
        """Train on: `rates` (s, S, K) of K members of S seeds are those of the next steps. Returns their losses."""
        assert self._population is not None
        first, last = self._steps * self._size, (self._steps + len(rates)) * self._size
        orders = np.stack([self._order(seed, first, last) for seed in self._seeds])
        self._steps += len(rates)
        return traced(self._population.epoch, orders, rates).loss  # type: ignore[no-any-return]

    def validate(self) -> NDArray[np.float64]:
        """(S, K) the loss of each on the validation examples."""
        assert self._population is not None
        return self._population.validate()["loss"]

    def close(self) -> None:
        """Make the models as they were."""
        if self._population is not None:
            self._population.close()

    def _start(self, seed: int) -> Place:
        if seed not in self._starts:
            model = self._built(seed)
            self._starts[seed] = Place.of(model)
            if self._population is None:
                size = max(self._size, 256)
                self._population = Population(model, self._training, self._validation, self._size, size)
        return self._starts[seed]

    def _order(self, seed: int, first: int, last: int) -> NDArray[np.int64]:
        passes = self._orders.setdefault(seed, [])
        while len(passes) * self._count < last:
            passes.append(np.random.default_rng([seed, len(passes)]).permutation(self._count))
        begin, end = first // self._count, -(-last // self._count)
        part = np.concatenate(passes[begin:end])
        return part[first - begin * self._count : last - begin * self._count]

    def _built(self, seed: int) -> keras.Model:
        model = model_of(seed, self._build, self._training, self._size)
        if not model.trainable_variables:
            raise UsageError("No weight of the model is trainable: there is nothing to train.")
        model.optimizer = self._optimizer(1e-3)
        model.optimizer.build(model.trainable_variables)
        return model
