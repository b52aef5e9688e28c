"""Where the weights went: some of the points that training passed, evenly spaced."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

TRAJECTORY = "trajectory.npz"
_BYTES = 16_000_000
"""What the points may take in memory and on disk."""
_MOST = 64
_FEWEST = 8
"""Larger models than have room for so many points are not followed."""
_PATH = 3
"""Points that a path has at least: two span a line."""


class Trajectory:
    """At most 64 points (p,) of the trainable weights, as float32, in the order of `trainable_variables`.

    Offered a point at each epoch's end it keeps all until they are too many, then every second, every fourth and so
    on; the last that was offered is always there. Where layers are frozen or thawed a new path begins.
    """

    def __init__(self) -> None:
        self._points: list[tuple[int, NDArray[np.float32]]] = []
        self._last: tuple[int, NDArray[np.float32]] | None = None
        self._every, self._offered = 1, 0
        self._most: int | None = None

    def offer(self, step: int, model: keras.Model) -> None:
        """The weights after this step, as the model holds them."""
        if self._most is None:
            size = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
            self._most = min(_MOST, _BYTES // (4 * max(size, 1)))
        if self._most < _FEWEST or (self._last is not None and self._last[0] == step):
            return
        point = flat(model)
        if self._last is not None and len(self._last[1]) != len(point):
            self._points, self._every, self._offered = [], 1, 0  # layers were frozen or thawed: another space
        self._last = (step, point)
        if self._offered % self._every == 0:
            self._points.append(self._last)
        self._offered += 1
        if len(self._points) > self._most:
            self._points = self._points[::2]
            self._every *= 2

    def write(self, folder: Path) -> bool:
        """Write the points into the folder of their run; whether there are enough of them for a path."""
        points = list(self._points)
        if self._last is not None and points[-1][0] != self._last[0]:
            points.append(self._last)
        if len(points) < _PATH:
            return False
        steps, rows = zip(*points, strict=True)
        np.savez(folder / TRAJECTORY, steps=np.array(steps, np.int64), points=np.stack(rows))
        return True


@dataclass(frozen=True, slots=True, eq=False)
class Trodden:
    """The `points` (k, p) of a path and the `steps` (k,) after which training was there."""

    steps: NDArray[np.int64]
    points: NDArray[np.float32]

    @classmethod
    def read(cls, folder: Path) -> "Trodden | None":
        """What was written into the folder; None where there is nothing that can be read."""
        try:
            with (folder / TRAJECTORY).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return cls(arrays["steps"], arrays["points"])
        except (OSError, ValueError, KeyError):
            return None


def flat(model: keras.Model) -> NDArray[np.float32]:
    """The trainable weights (p,), in the order of `trainable_variables`, each raveled in C order."""
    parts: list[Any] = [keras.ops.convert_to_numpy(variable.value) for variable in model.trainable_variables]
    return np.concatenate([np.ravel(part).astype(np.float32) for part in parts] or [np.empty(0, np.float32)])
