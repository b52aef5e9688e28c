"""Averaged iterates while the run goes on: what the mean of the weights is worth, beside the weights themselves."""

import math
import os
import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from thalweg.keras.probe_batch import Measurement, ProbeBatch
from thalweg.keras.stateless import as_numpy
from thalweg.stats.looks import A_DOUBLING, KEPT, SNAPSHOTS, Look, Looks, Point

FIRST = 128
"""Steps before the first look at least; two epochs of them, that every example counts alike."""
BYTES = 512 * 2**20
"""As much memory may the averages take; of models for which they would take more none are kept."""
BAND = 1.2
"""The sums begin anew where the largest rate since they began is this many times the smallest.

The noise ball is as large as the rate: a mean over rates farther apart than a fifth is that of no step size. A
narrower band would leave a schedule that changes the rate at every step without any look.
"""
FREE = 0.25
"""Seconds that the averages may take whatever the budget: beside what it costs to begin a `fit` they are little."""
_CALLS = 64
"""Calls of the train function before the first look at least: at most every other one is followed by a snapshot."""
_ENOUGH = 2.0
"""Doublings of the time with looks for which, where they cannot be had, every other snapshot alone is evaluated."""
_TIMED = 8
"""Steps that are timed, before the sums begin."""


class Averages:
    """The means of the trainable weights that looks 2^(1/4) apart in time need, and what they are worth.

    A few snapshots between each two looks are read from the outside, before a call of the train function: nothing of
    them runs in the step. They are worth the loss on the fixed probe batch, penalties on the weights included, in
    inference mode, but with the statistics of batch normalisation estimated on that very batch, for the iterates as
    for their means: moving averages of the iterates' own are none of a mean's.

    `share` of the run's time is theirs (None: any, 0: none), or `FREE`: the first look is as early as all looks up to
    the end of the run, `steps` of them, are affordable. `calls` steps are made in one call of the train function.
    `looked` counts the looks, and `reason` says why there has been none.
    """

    def __init__(self, share: float | None, calls: int) -> None:
        self._share, self._calls = share, calls
        self._probe: ProbeBatch | None = None
        self._model: Any = None
        self._looks: Looks | None = None
        self._fixed: list[Any] = []
        self._origin, self._due = 0, _TIMED
        self._timed: tuple[int, float] | None = None
        self._step_takes, self._reading_takes, self._evaluation_takes = math.inf, 0.0, 0.0
        self._spent, self._every = 0.0, 1
        self._rates: tuple[float, float] | None = None
        self.looked = 0
        self.open = share is None or share > 0.0
        self.reason = "the run was too short" if self.open else "the budget is 0"

    def due(self, step: int) -> bool:
        """Whether a snapshot is wanted after so many steps."""
        return self.open and step - self._origin >= self._due

    @property
    def ends(self) -> bool:
        """Whether the next snapshot completes a look: what the rates have been is to be told first (`used`)."""
        return self._looks is not None and self._looks.ends

    def used(self, rates: NDArray[np.float64], step: int) -> None:
        """The learning rates of the steps since the last time, up to this one."""
        known = np.abs(rates[np.isfinite(rates)])
        if not len(known):
            return
        low, high = float(known.min()), float(known.max())
        if self._rates is not None:
            low, high = min(low, self._rates[0]), max(high, self._rates[1])
        if high > BAND * low:
            self._again(step)
            low = high = float(known[-1])
        self._rates = low, high

    def look(
        self,
        model: keras.Model,
        probe: ProbeBatch | None,
        state: tuple[Any, Any] | None,
        step: int,
        epoch: int | None,
        epochs: int,
    ) -> list[Measurement]:
        """Take the snapshot that is due after so many steps; the measurements of the look that it completes.

        `state` holds the values of the trainable and other variables where the model does not; `epoch` is how many
        steps an epoch has, where known, and `epochs` were asked for.
        """
        began = time.perf_counter()
        try:
            if probe is None or epoch is None:
                self._due += _TIMED
                return []
            self._time(step, began)
            return self._look(model, probe, state, step, 2 * epoch, epochs * epoch)
        except Exception as error:  # the run is watched on without averages
            if os.environ.get("THALWEG_RAISE"):
                raise
            self._stop(f"they failed ({type(error).__name__}: {error}), which is a bug of Thalweg's")
            return []
        finally:
            self._spent += time.perf_counter() - began
            self._fixed, self._timed = [], (step, time.perf_counter())

    def _time(self, step: int, now: float) -> None:
        """How long a step takes: the shortest time is that in which nothing else was done."""
        if self._timed is not None and step > self._timed[0]:
            self._step_takes = min(self._step_takes, (now - self._timed[1]) / (step - self._timed[0]))

    def _look(
        self,
        model: keras.Model,
        probe: ProbeBatch,
        state: tuple[Any, Any] | None,
        step: int,
        least: int,
        steps: int,
    ) -> list[Measurement]:
        self._model, self._probe = model, probe
        if state is None:
            trainable = [variable.value for variable in model.trainable_variables]
            self._fixed = [variable.value for variable in model.non_trainable_variables]
        else:
            trainable, self._fixed = list(state[0]), list(state[1])
        since = step - self._origin
        if self._looks is None:
            if since < FIRST // A_DOUBLING:
                self._due = since + _TIMED
                return []
            first = self._first(trainable, max(FIRST, least, _CALLS * self._calls), step, steps)
            if first is None or since < first // 4:
                self._due = 2 * since if first is None else first // 4
                return []
            self._looks = Looks(max(first, 4 * since), self._value, self._every)
            self.reason = "the run was too short"
        found = None
        if since >= self._looks.next:
            found = self._looks.add(since, [_on_host(value) for value in trainable])
        self._due = self._looks.next
        self.looked += found is not None
        return [] if found is None else _measurements(found)

    def _first(self, trainable: Sequence[Any], least: int, step: int, steps: int) -> int | None:
        """The earliest first look that the run can afford, counted from where the sums begin; None for none."""
        size = KEPT * sum(
            int(np.prod(v.shape)) * (8 if v.dtype == "float64" else 4)
            for v in self._model.trainable_variables
        )
        if size > BYTES:
            self._stop(f"they would take {size / 2**20:,.0f} MB, more than {BYTES / 2**20:,.0f}")
            return None
        if not self._evaluation_takes and not self._try_out(trainable):
            return None
        if self._share is None:
            return least
        affordable = max(FREE, self._share * self._step_takes * steps) - self._spent
        doublings, self._every = self._doublings(affordable, 1), 1
        if doublings < _ENOUGH:
            doublings, self._every = self._doublings(affordable, 2), 2
        if doublings < 0.0:
            self.reason = "the budget did not afford them"
            self._evaluation_takes = 0.0  # to be timed anew: the machine may have been busy with other things
            return None
        earliest: float = (steps - self._origin) * 0.5 ** min(doublings, 60.0)
        return max(least, math.ceil(earliest))

    def _doublings(self, affordable: float, every: int) -> float:
        """Of the time, with looks for which every so many snapshots are evaluated, in so many seconds."""
        evaluations = SNAPSHOTS // every + 1  # from one look to the next: of snapshots, and of a mean
        look_takes = SNAPSHOTS * self._reading_takes + evaluations * self._evaluation_takes
        # Of the looks that it can afford twice `A_DOUBLING` go by before the first that is complete.
        return affordable / look_takes / A_DOUBLING - 2.0

    def _try_out(self, trainable: Sequence[Any]) -> bool:
        """Time what one look costs. The first evaluation compiles, and says nothing about the next."""
        start = time.perf_counter()
        value = self._value([_on_host(part) for part in trainable])
        self._spent -= time.perf_counter() - start
        if not np.isfinite(value):
            self.reason = "the loss on the probe batch was not finite, or could not be computed"
            return False
        start = time.perf_counter()
        point = [_on_host(part) for part in trainable]
        read = time.perf_counter()
        self._value(point)
        self._reading_takes, self._evaluation_takes = read - start, time.perf_counter() - read
        return True

    def _value(self, point: Point) -> float:
        probe, model = self._probe, self._model
        assert probe is not None
        called = probe.called(model)
        tensors = [
            ops.convert_to_tensor(part, dtype=variable.dtype)
            for part, variable in zip(point, model.trainable_variables, strict=True)
        ]
        values = called.values(tensors, self._fixed)
        outputs = called.predict_normalised(values, probe.inputs)
        loss = called.loss(values, probe.targets, outputs, probe.weights)
        return np.nan if loss is None else loss + called.penalty(values)

    def _again(self, step: int) -> None:
        self._looks = None
        self._origin, self._due = step, _TIMED

    def _stop(self, reason: str) -> None:
        self.open, self.reason, self._looks = False, reason, None


def _on_host(value: Any) -> NDArray[np.floating]:
    # A copy of its own: what the device's memory holds under this array the next step writes over.
    return np.array(as_numpy(ops.copy(value)))


def _measurements(look: Look) -> list[Measurement]:
    return [
        ("average_span", "steps", float(look.span)),
        ("early_average_loss", "loss", look.early),
        ("average_loss", "loss", look.late),
        ("iterate_loss", "loss", look.iterates),
        ("iterate_loss_error", "loss", look.error),
        ("average_distance", "parameter", look.distance),
    ]
