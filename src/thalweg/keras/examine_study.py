"""From the models of several runs and examples of their training to what was measured of them."""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TypeVar

import keras
import numpy as np
from keras import tree
from numpy.typing import NDArray

from thalweg.errors import UnsupportedError
from thalweg.examination import Progress
from thalweg.keras.feed import Batch
from thalweg.keras.landscape import Landscape, Point, between, point_of, same_shapes
from thalweg.keras.permutation import symmetry
from thalweg.keras.restart import LOOKS, basin_of, restarts_of
from thalweg.stats.matching import Symmetry, match, permuted
from thalweg.study_examination import Basin, FinalLosses, Line, Restarts, StudyExamination

_Part = TypeVar("_Part")

_POSITIONS = np.linspace(0.0, 1.0, 11)
_RADII = (0.05, 0.1, 0.2, 0.4, 0.8)
_DIRECTIONS = 5
_RESTARTS = 3
_RADIUS = 0.4
EVALUATIONS = 300
"""Passes over the training examples, by default: enough for the lines between five runs and all that follows."""
_BEFORE = {"model": 0.0, "losses": 0.05, "lines": 0.1, "basin": 0.5, "restarts": 0.7}
"""What share of the time is gone when a part begins, of a few runs; progress is told by it."""
STEPS = 200
"""Training steps of each restart, by default."""


def examine_study(
    models: Sequence[keras.Model],
    training: Batch,
    validation: Batch | None = None,
    *,
    total: int | None = None,
    batch_size: int = 32,
    evaluations: int = EVALUATIONS,
    steps: int = STEPS,
    seed: int = 0,
    progress: Progress | None = None,
) -> StudyExamination:
    """Measure the final losses, the lines between the solutions, the basin of the lowest and restarts from near it.

    `models` are compiled, with their optimizers; whatever is done to one is undone. `training` and `validation` are
    samples of what they trained and were validated on, of `total` training examples; `evaluations` bounds the passes
    over the former in inference, and a part for which they do not suffice is left out, as is one that fails: the
    reason stands in `missing`. The same models, examples and seed give the same numbers.
    """
    study = _Study(models, training, validation, evaluations, seed, progress or (lambda what, share: None))
    study.measure(batch_size, steps)
    return StudyExamination(
        examples=study.examples,
        validation=study.validated,
        total=total,
        mode=study.mode,
        evaluations=study.spent,
        seed=seed,
        losses=study.losses,
        lines=study.lines,
        basin=study.basin,
        restarts=study.restarts,
        missing=study.missing,
    )


class _Study:
    """The parts of an examination as they are made, and what is left of the budget."""

    def __init__(
        self,
        models: Sequence[keras.Model],
        training: Batch,
        validation: Batch | None,
        evaluations: int,
        seed: int,
        progress: Progress,
    ) -> None:
        self.models, self.training, self.validation = list(models), training, validation
        self.evaluations, self.spent, self.seed = evaluations, 0, seed
        self.progress = progress
        self.examples = self.validated = 0
        self.mode = ""
        self.losses: FinalLosses | None = None
        self.lines: tuple[Line, ...] | None = None
        self.basin: Basin | None = None
        self.restarts: Restarts | None = None
        self.missing: dict[str, str] = {}

    def measure(self, batch_size: int, steps: int) -> None:
        self.points = [point_of(model) for model in self.models]
        if not same_shapes(self.points):
            self.missing["model"] = "the models' weights have different shapes"
            return
        landscape = self._made("model", 0, lambda: Landscape(self.models[0], self.training))
        if landscape is None:
            return
        self.landscape, self.examples = landscape, _count(self.training)
        self.mode = "inference mode" + (
            ", running averages of batch normalisation measured anew at weights that no run ended with"
            if landscape.normalises
            else ""
        )
        around, again = 1 + _DIRECTIONS * len(_RADII), (1 + _RESTARTS) * (LOOKS + 1)
        self.losses = self._made("losses", len(self.models), self._final)
        if len(self.models) > 1:
            self._draw_lines(self.evaluations - self.spent - around - again)
        run = _lowest(self.losses)
        home = self.models[run]
        self.basin = self._made(
            "basin", around, lambda: basin_of(landscape, home, run, _RADII, _DIRECTIONS, self.seed)
        )
        self.restarts = self._made(
            "restarts",
            again,
            lambda: restarts_of(
                landscape, home, self.training, run, _RADIUS, _RESTARTS, steps, batch_size, self.seed
            ),
        )

    def _made(self, part: str, cost: int, make: Callable[[], _Part]) -> _Part | None:
        """What `make` returns; None, and why, where it costs more passes than are left, or fails."""
        self.progress(part, _BEFORE[part])
        left = self.evaluations - self.spent
        if cost > left:
            self.missing[part] = (
                f"it takes {cost:,} passes over the examples, and {left:,} of {self.evaluations:,} were left"
            )
            return None
        try:
            self.spent += cost
            return make()
        except UnsupportedError as error:
            self.missing[part] = str(error)
        except Exception as error:  # whatever a model or its loss may do
            if os.environ.get("THALWEG_RAISE"):
                raise
            self.missing[part] = f"it failed ({type(error).__name__})"
        return None

    def _final(self) -> FinalLosses:
        validation = None if self.validation is None else Landscape(self.models[0], self.validation)
        self.validated = 0 if self.validation is None else _count(self.validation)
        return FinalLosses(
            np.array([self.landscape.losses(point) for point in self.points]),
            np.array([validation.losses(point) if validation else [] for point in self.points]),
        )

    def _draw_lines(self, evaluations: int) -> None:
        """The lines between as many pairs as the passes suffice for; those of the first runs first."""
        groups = symmetry(self.models[0])
        if isinstance(groups, Symmetry) and not groups.sizes:
            groups = "the model has no hidden units that could be reordered"
        if isinstance(groups, str):
            self.missing["matching"] = groups
        each = len(_POSITIONS) * (1 if isinstance(groups, str) else 2)
        pairs = sorted(combinations(range(len(self.models)), 2), key=lambda pair: pair[1])
        drawn = pairs[: max(evaluations // each, 1)]
        self.lines = self._made(
            "lines", each * len(drawn), lambda: tuple(self._line(*pair, groups) for pair in drawn)
        )

    def _line(self, first: int, second: int, groups: Symmetry | str) -> Line:
        ours, theirs = self.points[first], self.points[second]
        losses = self._along(ours, theirs)
        line = Line(first, second, _POSITIONS, losses, self._distance(ours, theirs))
        if isinstance(groups, str):
            return line
        found = match(ours, theirs, groups, self.seed)
        reordered = permuted(theirs, groups, found.orders)
        matched = self._along(ours, reordered)
        if not np.allclose(matched[-1], losses[-1], rtol=1e-3, atol=1e-6, equal_nan=True):
            self.missing["matching"] = "reordering hidden units changed what the model computes"
            return line
        return replace(
            line,
            matched=matched,
            matched_distance=self._distance(ours, reordered),
            units=found.units,
            moved=found.moved,
        )

    def _along(self, first: Point, second: Point) -> NDArray[np.float64]:
        return np.array(
            [self.landscape.losses(between(first, second, a), anew=True) for a in _POSITIONS.tolist()]
        )

    def _distance(self, first: Point, second: Point) -> float:
        count = len(self.models[0].trainable_variables)
        pairs = zip(first[:count], second[:count], strict=True)
        return math.sqrt(
            sum(float(np.sum((np.asarray(a, np.float64) - np.asarray(b, np.float64)) ** 2)) for a, b in pairs)
        )


def _count(examples: Batch) -> int:
    return len(tree.flatten(examples[0])[0])


def _lowest(losses: FinalLosses | None) -> int:
    """The run with the lowest training loss; the first where there is none."""
    means = np.array([]) if losses is None else losses.training.mean(axis=1)
    return int(np.nanargmin(means)) if np.isfinite(means).any() else 0
