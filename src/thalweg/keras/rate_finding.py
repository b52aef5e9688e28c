"""`lr_find`: short trainings at a row of learning rates, and the rate that they speak for."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from thalweg.errors import UnsupportedError, UsageError
from thalweg.keras.feed import Batch, mapped
from thalweg.keras.given import arrays, positive
from thalweg.keras.global_state import global_state_put_back, seed_everything
from thalweg.keras.optimizers import optimizer as optimizer_named
from thalweg.keras.rebuilt import Rebuilder
from thalweg.keras.streams import Streams
from thalweg.rate_suggestion import RateSuggestion
from thalweg.stats.optimal_rate import centre, optimal_rate
from thalweg.words import figure

LOW, HIGH = 1e-6, 10.0
"""The row of rates that is scanned first, two in a decade; it is lengthened where the best lies at its end."""
LOWEST, HIGHEST = 1e-14, 1e4
SAMPLE = 1024
"""So many of the training examples tell the loss where nothing is validated."""
LOOKS = 8
"""So often the loss is looked at within the horizon; the scan ends at a quarter of them."""
BELOW, ABOVE = 4, 2
"""Rates that are trained to the horizon beside the centre of the scan, three in a decade: the best one falls."""

Progress = Callable[[int, int], None]
"""Called now and then with the steps trained and those to train, of all members together."""


def lr_find(
    model: keras.Model | Callable[[], keras.Model],
    data: Sequence[Any],
    *,
    validation_data: Sequence[Any] | None = None,
    class_weight: Mapping[int, float] | None = None,
    epochs: int,
    batch_size: int = 32,
    seeds: int | Iterable[int] = 4,
    horizon: float = 0.25,
    progress: Progress | None = None,
) -> RateSuggestion:
    """The constant learning rate with which a training of so many epochs ends with the lowest loss.

    - `model`: compiled; or what makes one. It is trained anew from starts of its own with the optimizer that it was
      compiled with, of which the rate alone is varied. The model, its optimizer, and the random numbers of Python,
      NumPy and Keras are afterwards what they were.
    - `data`, `validation_data`: arrays (inputs, targets) or (inputs, targets, sample weights). Lowest is the
      validation loss; where nothing is validated, that of up to 1,024 training examples, as `evaluate` gives it.
    - `class_weight`: as `fit` takes it.
    - `seeds`: how many starts and orders of the examples each rate has (0, 1, ...), or which.
    - `horizon`: the share of the training's steps that is trained.

    One seed scans a row of rates from 1e-6 to 10 to a quarter of the horizon. Seven rates around the best are then
    trained to the horizon with every seed, and `thalweg.stats.optimal_rate` tells from looks at their losses on the
    way where the best rate will be after all steps. On JAX, in compiled populations.

    Raises `UsageError` for what cannot be done as asked, and where the loss falls at no rate; `UnsupportedError`
    where Keras does not run on JAX, or the model's step is no pure function.
    """
    if keras.backend.backend() != "jax":
        raise UnsupportedError(
            f"Populations are compiled on JAX, and Keras runs on {keras.backend.backend()}: set KERAS_BACKEND=jax "
            "before Keras is imported."
        )
    training = arrays(data, "data", class_weight)
    held = _sample(training) if validation_data is None else arrays(validation_data, "validation_data")
    positive(epochs, "number of epochs")
    positive(batch_size, "batch size")
    chosen = list(range(positive(seeds, "number of seeds")) if isinstance(seeds, int) else seeds)
    if not chosen:
        raise UsageError("There is no seed to train with: give at least one.")
    if not 0.0 < horizon <= 1.0:
        raise UsageError(f"The horizon is a share of the training, above 0 and at most 1: got {horizon!r}.")
    begun = time.perf_counter()
    with global_state_put_back():
        build: Callable[[], keras.Model]
        if isinstance(model, keras.Model):
            _compiled(model)
            build, pattern = Rebuilder.of(model), model.optimizer
        else:
            seed_everything(0)
            build, pattern = model, _compiled(model()).optimizer
        own = _rate(pattern)
        label, maker = optimizer_named(pattern)
        streams = Streams(build, maker, training, held, batch_size)
        try:
            budget = epochs * streams.pass_steps
            found = Search(streams, budget, horizon, chosen, progress).found()
        finally:
            streams.close()
    score = "loss" if validation_data is None else "validation_loss"
    return replace(found, own=own, optimizer=label, score=score, seconds=time.perf_counter() - begun)


@dataclass
class Search:
    """The scan, and the trainings to the horizon."""

    streams: Streams
    budget: int
    share: float
    seeds: Sequence[int]
    progress: Progress | None = None
    done: int = 0
    scanned: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    scan: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    _held: dict[float, bool] = field(default_factory=dict)
    _starts: dict[int, float] = field(default_factory=dict)
    _fell: bool = False

    def __post_init__(self) -> None:
        wanted = max(round(self.share * self.budget), min(LOOKS, self.budget))
        self.looks = min(LOOKS, wanted)
        self.chunk = wanted // self.looks
        scan = max(self.looks // 4, 1) * len(_row(LOW, HIGH, 2))
        self.total = self.chunk * (scan + self.looks * (BELOW + ABOVE + 1) * len(self.seeds))

    @property
    def horizon(self) -> int:
        """The steps that are trained with every seed."""
        return self.looks * self.chunk

    def found(self) -> RateSuggestion:
        """What the trainings say; of the optimizer, and of what the loss was of, they know nothing."""
        middle = np.log10(self._scanned())
        rates = 10.0 ** (middle + np.arange(-BELOW, ABOVE + 1) / 3.0)
        losses = self._trained(rates, self.seeds, self.looks)
        first = self.looks // LOOKS  # of many the first is left out: what it says of rates changes too fast
        steps = self.chunk * np.arange(first + 1, self.looks + 1)
        start = float(np.mean([self._starts[seed] for seed in self.seeds]))
        best = optimal_rate(rates, losses[first:], steps, self.budget, start)
        if not np.isfinite(best.rate):
            raise UsageError(
                f"At every learning rate between {figure(rates[0])} and {figure(rates[-1])} a seed diverged within "
                f"{self.horizon:,} steps: `thalweg check` says what speaks against the model and its data."
            )
        stable = self._stable(rates[int(np.argmin(losses[-1].mean(axis=0)))])
        return RateSuggestion(
            rate=min(best.rate, stable),
            low=best.low,
            high=best.high,
            stable=stable,
            own=np.nan,
            optimizer="",
            drift=best.drift,
            rates=rates,
            losses=losses[-1],
            scanned=self.scanned,
            scan=self.scan,
            score="",
            horizon=self.horizon,
            budget=self.budget,
            steps=self.done,
            seconds=np.nan,
        )

    def _stable(self, best: float) -> float:
        """The highest rate tried below the lowest one above `best` that was not stable.

        Below the best a loss may rise for other reasons: the averages of a batch normalisation have not settled.
        """
        broken = min((rate for rate, held in self._held.items() if not held and rate > best), default=np.inf)
        return max(rate for rate in self._held if rate < broken)

    def _scanned(self) -> float:
        """The centre of a row of rates at a quarter of the horizon, with rates on either side of it."""
        row, losses = np.zeros(0), np.zeros(0)
        more = _row(LOW, HIGH, 2)
        while len(more):
            found = self._trained(more, self.seeds[:1], max(self.looks // 4, 1))[-1, 0]
            order = np.argsort(joined := np.concatenate([row, more]))
            row, losses = joined[order], np.concatenate([losses, found])[order]
            place = int(np.argmin(losses)) if np.isfinite(losses).any() else 0
            if place == 0 and row[0] > LOWEST:
                more = _row(row[0] / 1e4, row[0] / 10**0.5, 2)
            elif place == len(row) - 1 and row[-1] < HIGHEST:
                more = _row(row[-1] * 10**0.5, row[-1] * 1e2, 2)
            else:
                break
        self.scanned, self.scan = row, losses
        if not self._fell:
            raise UsageError(
                f"The loss fell at no learning rate between {figure(row[0])} and {figure(row[-1])} in "
                f"{self.chunk * max(self.looks // 4, 1):,} steps: `thalweg check` says what speaks against the model "
                "and its data."
            )
        return centre(row, losses, self._starts[self.seeds[0]])

    def _trained(self, rates: NDArray[np.float64], seeds: Sequence[int], looks: int) -> NDArray[np.float64]:
        """(looks, seeds, k) the losses at these rates, infinite from where one was not finite."""
        found = np.full((looks, len(seeds), len(rates)), np.inf)
        start = np.full(len(seeds), np.nan)
        down, across = self.streams.shape(seeds, len(rates))
        for top, left in product(range(0, len(seeds), down), range(0, len(rates), across)):
            some, part = seeds[top : top + down], rates[left : left + across]
            place = slice(top, top + down), slice(left, left + across)
            self.streams.begin(some, len(part))
            start[place[0]] = self.streams.validate()[:, 0]
            table = np.broadcast_to(part, (self.chunk, len(some), len(part)))
            for look in range(looks):
                self.streams.advance(table)
                found[look][place] = self.streams.validate()
                self.done += table.size
                if self.progress is not None:
                    self.progress(self.done, max(self.total, self.done))
        found[~np.isfinite(found)] = np.inf
        self._note(rates, seeds, start, found)
        return found

    def _note(
        self,
        rates: NDArray[np.float64],
        seeds: Sequence[int],
        start: NDArray[np.float64],
        losses: NDArray[np.float64],
    ) -> None:
        """Which rates were stable: the loss of every seed finite, and at the end no higher than at the start."""
        self._starts.update(zip(seeds, map(float, start), strict=True))
        self._fell |= bool((losses[-1] < start[:, None]).any())
        held = (np.isfinite(losses).all(axis=0) & (losses[-1] <= start[:, None])).all(axis=0)
        self._held.update(zip(map(float, rates), map(bool, held), strict=True))


def _sample(training: Batch) -> Batch:
    """Some of the examples, spread evenly."""
    count = len(keras.tree.flatten(training[0])[0])
    rows = np.unique(np.linspace(0, count - 1, min(count, SAMPLE)).astype(np.int64))
    return mapped(lambda array: array[rows], training)  # type: ignore[no-any-return]


def _row(low: float, high: float, each: int) -> NDArray[np.float64]:
    """Rates from low to high, so many in a decade."""
    return np.geomspace(low, high, round(each * np.log10(high / low)) + 1)


def _compiled(model: Any) -> keras.Model:
    if not isinstance(model, keras.Model) or not getattr(model, "compiled", False):
        raise UsageError(
            "The model is to be a compiled Keras model, or what makes one: call compile with its loss."
        )
    if isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer):
        raise UnsupportedError(
            "Populations do not scale their losses yet: find the rate under another policy than mixed_float16."
        )
    return model


def _rate(optimizer: keras.optimizers.Optimizer) -> float:
    """The optimizer's own rate; raises `UsageError` where it is none that stays."""
    held = getattr(optimizer, "_learning_rate", None)
    if isinstance(held, keras.optimizers.schedules.LearningRateSchedule) or callable(held):
        name = getattr(held, "__name__", type(held).__name__)
        raise UsageError(
            f"The optimizer's learning rate follows a schedule, {name}: what is found is a constant rate. Give the "
            "optimizer a number for this, and the schedule the rate that was found as its highest."
        )
    return float(keras.ops.convert_to_numpy(optimizer.learning_rate))
