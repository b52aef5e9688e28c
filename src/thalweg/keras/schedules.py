"""Learning rates over a training, as a table of one a step."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from thalweg.errors import UsageError, nearest

Schedule = str | Callable[[float, int], Any]
"""A name of `NAMED`, or what makes Keras's schedule (or a number) of a learning rate and the number of steps."""

NAMED: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "constant": np.ones_like,
    "cosine": lambda done: 0.5 * (1.0 + np.cos(np.pi * done)),
    "linear": lambda done: 1.0 - done,
    "exponential": lambda done: 0.01**done,
    "warm-up": lambda done: np.minimum(done / 0.1, (1.0 - done) / 0.9),
}
"""The rate over the largest one, of the share of the training that is done, [0, 1)."""


def schedule_name(schedule: Schedule) -> str:
    """What a schedule is called in tables; raises `UsageError` for a name that is not known."""
    if not isinstance(schedule, str):
        return str(getattr(schedule, "__name__", type(schedule).__name__))
    if schedule not in NAMED:
        raise UsageError(f"There is no schedule {schedule!r}{nearest(schedule, NAMED)}")
    return schedule


def rates(schedule: Schedule, learning_rate: float, steps: int) -> NDArray[np.float64]:
    """(steps,) the learning rate of each step of a training.

    Raises `UsageError` where the schedule makes none that is a number.
    """
    if isinstance(schedule, str):
        return learning_rate * NAMED[schedule](np.arange(steps) / max(steps, 1))
    made = schedule(learning_rate, steps)
    if isinstance(made, keras.optimizers.schedules.LearningRateSchedule):
        found = np.array([float(keras.ops.convert_to_numpy(made(step))) for step in range(steps)])
    else:
        try:
            found = np.full(steps, float(made))
        except (TypeError, ValueError):
            raise UsageError(
                f"The schedule {schedule_name(schedule)!r} made {type(made).__name__}: it is to make one of "
                "Keras's schedules, or a number, of a learning rate and the number of steps."
            ) from None
    if not (np.isfinite(found).all() and (found >= 0.0).all()):
        raise UsageError(
            f"The schedule {schedule_name(schedule)!r} makes rates from {found.min():g} to {found.max():g}: "
            "a learning rate is a finite number, not below 0."
        )
    return found
