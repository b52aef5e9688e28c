"""What training gained: the scale on which a difference of losses is of consequence."""

import numpy as np

from thalweg.stats.robust import median
from thalweg.study import Study
from thalweg.study_examination import StudyExamination

MATERIAL = 0.02
"""The share of what training gained under which two losses are taken for the same.

Of a squared error it is two points of explained variance. In docs/certify/valleys.md the final training losses of
trained seeds differ by at most 0.2 %, those of runs that were stopped early by 8 %; the line between two solutions
rises by 16 to 58 %, and by 0.3 to 11 % once hidden units are matched.
"""


def gain(study: Study, examination: StudyExamination) -> float:
    """The loss of the best constant prediction, or else the first, less the runs' final one, medians over the runs.

    NaN where neither is known, no run ended with a finite loss, or nothing was gained.
    """
    begun = [
        float(loss)
        for record in study.records
        if isinstance(
            loss := record.info.get("constant_prediction_loss", record.info.get("initial_loss")), int | float
        )
        and np.isfinite(loss)
    ]
    ends = np.empty(0) if examination.losses is None else level(examination.losses.training)
    ends = ends[np.isfinite(ends)]
    if not begun or not len(ends):
        return np.nan
    gained = median(begun) - median(ends)
    return gained if gained > 0.0 else np.nan


def level(losses: np.typing.NDArray[np.float64]) -> np.typing.NDArray[np.float64]:
    """The mean loss (k,) of each run over its groups of examples (k, g), infinite where it is not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        means = np.mean(losses, axis=1) if losses.shape[-1] else np.full(len(losses), np.nan)
    return np.where(np.isfinite(means), means, np.inf)
