"""What was measured of several solutions of one training: numbers and arrays, no judgement."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thalweg.examination import Looked

Array = NDArray[np.float64]


def _mean(losses: Array) -> Array:
    """The mean of each row, NaN of an empty one, and where there are no rows."""
    if losses.ndim != 2:
        return np.full(losses.size, np.nan)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.mean(losses, axis=1) if losses.shape[1] else np.full(len(losses), np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class FinalLosses:
    """The loss of each run at its final weights, in inference mode, on the same groups of examples.

    `training` (k, g), `validation` (k, h), h 0 where there were none: means over groups of equal size. Penalties on
    the weights are in both, as they are in Keras's `loss` and `val_loss`.
    """

    training: Array
    validation: Array

    @property
    def levels(self) -> tuple[Array, Array]:
        """The mean training loss of each run (k,) and the mean validation loss, NaN where there is none."""
        return _mean(self.training), _mean(self.validation)


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """The training loss on the straight line from the weights of one run to those of another.

    `positions` (p,) from 0 to 1; `losses` (p, g) by group of examples, `matched` the same to the second run's weights
    with its hidden units in the order nearest to the first's; None where they could not be matched. `moved` of
    `units` hidden units then had another place. `distance` and `matched_distance` are Euclidean, in parameters.
    """

    first: int
    second: int
    positions: Array
    losses: Array
    distance: float
    matched: Array | None = None
    matched_distance: float = np.nan
    units: int = 0
    moved: int = 0

    @property
    def course(self) -> Array:
        """The mean loss (p,) on the line, for a chart; `matched_course` is that after matching, empty without one."""
        return _mean(self.losses)

    @property
    def matched_course(self) -> Array:
        """The mean loss (p,) on the line to the second run's weights with its hidden units reordered."""
        return np.empty(0) if self.matched is None else _mean(self.matched)


@dataclass(frozen=True, slots=True, eq=False)
class Basin:
    """How the training loss of one run rises with the distance from its weights.

    `rises` (d, r): above the loss at the weights, along d random directions at `radii` (r,), filter-normalised: at
    radius 0.1 every filter was moved by a tenth of its length.
    """

    run: int
    radii: Array
    rises: Array


@dataclass(frozen=True, slots=True, eq=False)
class Restarts:
    """Training again, from the weights of one run and from near them.

    `start` (g,) is the training loss by group of examples at the run's weights; `lifted` (r,) the loss right after
    each of r perturbations of `radius`, filter-normalised. Each then trained `steps` steps of `batch_size` examples
    with the run's own optimizer, as did one that was not perturbed, the control, on the same batches. `control` (g,)
    and `ends` (r, g) are means over the looks of the last quarter; `courses` (1 + r, l) the loss at `looks` (l,),
    steps, the control's first.
    """

    run: int
    radius: float
    steps: int
    batch_size: int
    learning_rate: float
    start: Array
    lifted: Array
    control: Array
    ends: Array
    looks: NDArray[np.int64]
    courses: Array


@dataclass(frozen=True, slots=True, eq=False)
class StudyExamination(Looked):
    """All that was measured of the models of a study; each part is None where it was not, and `missing` says why.

    The training examples and the `validation` examples are the same for all; `evaluations` passes over the former
    were made, and what is asked is meant for each run. Groups are of equal size, and the few examples (under 20) that
    are left over are in no loss. `missing["matching"]` says why hidden units were not matched.
    """

    unseen = "the models were not looked at"

    validation: int = 0
    evaluations: int = 0
    losses: FinalLosses | None = None
    lines: tuple[Line, ...] | None = None
    basin: Basin | None = None
    restarts: Restarts | None = None
