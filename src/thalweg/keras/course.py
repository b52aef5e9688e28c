"""What one member of a population showed, epoch by epoch, and the record of it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.comparison import Configuration
from thalweg.keras.blocks import Block, Layout, blocks, series
from thalweg.keras.epoch_logs import measurements
from thalweg.keras.population import Epoch
from thalweg.keras.tape import Rows
from thalweg.record import Event, Record

FAR = 1e3
"""A member whose epoch's loss is so many times its first loss is not trained on."""
OWN = ("name", "seed", "optimizer", "initial_loss", "kept")
"""The facts that differ between the configurations of a seed."""


def given_up(loss: float, first: float) -> bool:
    """Whether a member is not worth training on, from the loss of an epoch and its very first."""
    return not np.isfinite(loss) or loss > FAR * abs(first)


class Course:
    """The measurements of a member as they come."""

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

    def add(self, epoch: Epoch, validated: Mapping[str, NDArray[np.float64]], place: tuple[int, int]) -> None:
        """One more epoch, in which the member was at this place among the others."""
        self._loss.append(epoch.loss[:, *place])
        self._rate.append(epoch.learning_rate[:, *place])
        self._nonfinite.append(epoch.nonfinite_gradients[:, *place])
        self._norms.append(epoch.gradient_norms[:, *place])
        logs = {name: float(values[place]) for name, values in epoch.logs.items()}
        logs |= {f"val_{name}": float(values[place]) for name, values in validated.items()}
        self._epochs.append((self._steps, logs))
        self.dead = given_up(logs.get("loss", np.nan), float(self._loss[0][0]))

    def record(
        self, facts: Mapping[str, Any], names: Sequence[str], configuration: Configuration, seed: int
    ) -> Record:
        """All of it; `names` are those of the trainable tensors."""
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
        own = {
            "name": name_of(configuration, seed),
            "seed": seed,
            "optimizer": {**facts["optimizer"], "learning_rate": configuration.learning_rate},
            "initial_loss": float(self._loss[0][0]),
        }
        return Record.of(series(found), {**facts, **own}, events)


def name_of(configuration: Configuration, seed: int) -> str:
    """What a member is called."""
    return f"{configuration.optimizer} {configuration.learning_rate:g}, seed {seed}"
