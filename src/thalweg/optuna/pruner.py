"""`ConvergencePruner`: ends a trial for what its reported values show, and says why."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from optuna.logging import get_logger
from optuna.pruners import BasePruner
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from thalweg.errors import UsageError
from thalweg.finding import Verdict
from thalweg.optuna.attributes import note
from thalweg.record import Record, Series
from thalweg.rules.diverging import Diverging
from thalweg.rules.nonfinite import NonFinite
from thalweg.rules.stalled import Stalled
from thalweg.stats import median, trend
from thalweg.words import figure, percent

REASON = "thalweg"
"""The user attribute of a pruned trial that says why."""
FEWEST = 8
"""Values of a trial that may be said to stand still."""
SHORTEST = 5
"""Values under its last line."""

_log = get_logger("optuna.thalweg")  # Optuna's own way of printing


class ConvergencePruner(BasePruner):
    """Ends a trial that diverged, or that stands still where a better one is known.

    What a trial reports is taken for the loss of an epoch where the study minimises, and for a metric of which
    nothing is known where it maximises. Every report is looked at; a trial is ended where its last value

    - was not finite (N001): of a loss at once, of a metric, which may be undefined at first, after the warm-up;
    - closed `looks` reports in a row at each of which the loss had diverged (L002). Not asked of a metric;
    - closed `looks` reports in a row at each of which it stood still far from the best. The line through the last
      third of its values, five at least, carried on to the step at which the longest completed trial ended, gains at
      most `share` of what the best completed trial gained. The most that this line may gain, with a probability of
      1 - `alpha`, is under half of the gap to that trial; and no completed trial gained as much as the gap from this
      step on, as trials do whose learning rate is lowered then.
      Where the loss had not decreased since its first value, L001 says so.

    A trial that has reported a value as good as the best completed trial's last one is ended only where it is not
    finite, or has diverged beyond its first value: Optuna takes its best from completed trials alone. So no trial is
    ended for standing still before one is completed. A completed trial counts by what it reported, not by what it
    returned, which may be another quantity. Steps may be of any kind, but of one kind in a study.

    `warm_up` is the number of reports before which only a loss that is not finite ends a trial; raise it where a
    learning rate warms up for longer. What share of the ended trials would have improved, with these thresholds and
    beside Optuna's own pruner: docs/optuna.md.

    The reason is the user attribute `thalweg` of the trial, and a line in Optuna's log. Not for studies of several
    objectives, which Optuna does not prune. Raises `UsageError` for a threshold that is none.
    """

    def __init__(self, warm_up: int = 5, *, looks: int = 3, share: float = 0.01, alpha: float = 0.01) -> None:
        if warm_up < 1 or looks < 1:
            raise UsageError(
                f"warm_up and looks are numbers of reports, 1 or more: got {warm_up} and {looks}."
            )
        if not (0.0 < share < 1.0 and 0.0 < alpha < 0.5):
            raise UsageError(
                f"share lies between 0 and 1, and alpha between 0 and 0.5: got {share:g} and {alpha:g}."
            )
        self._warm_up, self._looks, self._share, self._alpha = warm_up, looks, share, alpha

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether the trial is to be ended; Optuna asks this in `trial.should_prune()`."""
        reason = self.reason(study, trial)
        if reason is None:
            return False
        note(study, trial, REASON, reason)
        _log.info(f"Trial {trial.number} is to be pruned. {reason}")
        return True

    def reason(self, study: Study, trial: FrozenTrial) -> str | None:
        """Why the trial is to be ended, one or two sentences; None where it is not."""
        falls = study.direction == StudyDirection.MINIMIZE
        course = _Course.of(trial, falls)
        count = len(course.steps)
        if not count:
            return None
        if not np.isfinite(course.losses[-1]):
            if falls:
                return f"N001: {NonFinite().check(course.record()).message}"
            return (
                None if count < self._warm_up else f"The value of step {course.steps[-1]:,} was not finite."
            )
        if count < self._warm_up + self._looks - 1:
            return None
        completed = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        rivals = [rival.finite() for each in completed if (rival := _Course.of(each, falls)).ended]
        best = min(rivals, key=lambda rival: rival.losses[-1], default=None)
        leads = best is None or float(np.nanmin(course.losses)) <= best.losses[-1]
        looks = [course.until(count - back) for back in range(self._looks)]
        lost = falls and (not leads or course.losses[-1] > course.losses[0])
        if lost and all(_diverged(look) for look in looks):
            return f"L002: {Diverging().check(course.record()).message}"
        if best is None or leads or not all(self._still(look, best, rivals) for look in looks):
            return None
        return self._still(course, best, rivals)

    def _still(self, course: "_Course", best: "_Course", rivals: list["_Course"]) -> str | None:
        """Why nothing more is to be hoped of a trial, as of the last of these values."""
        course = course.finite()
        count = len(course.steps)
        if count < FEWEST:
            return None
        third = max(count // 3, SHORTEST)
        steps, losses = course.steps[-third:], course.losses[-third:]
        last, end = int(steps[-1]), max(int(rival.steps[-1]) for rival in rivals)
        level, lowest = median(losses), float(best.losses[-1])
        gained = median([course.losses[0], *(rival.losses[0] for rival in rivals)]) - lowest
        line, ahead = trend(steps, losses), (end - last) / float(steps[-1] - steps[0])
        further, most = max(-line.change, 0.0) * ahead, max(-line.quantile(self._alpha), 0.0) * ahead
        gap = level - lowest
        if not (ahead > 0.0 and further < self._share * gained and most < 0.5 * gap):
            return None
        if max(rival.later(int(steps[0]), last) for rival in rivals) >= gap:
            return None
        told = Stalled().check(course.record()) if course.falls else None
        way, side = ("fall", "above") if course.falls else ("rise", "below")
        words = (
            f"From step {steps[0]:,} to step {last:,} the value was {figure(course.sign * level)}, {figure(gap)} "
            f"{side} that of trial {best.number}. At that pace it was to {way} by {figure(further)} until step "
            f"{end:,}, {percent(further / gained)} of what that one gained, and by at most {figure(most)}."
        )
        return f"L001: {told.message} {words}" if told and told.verdict is Verdict.CONCERN else words


def _diverged(course: "_Course") -> bool:
    return Diverging().check(course.record()).verdict is Verdict.CONCERN


@dataclass(frozen=True, slots=True, eq=False)
class _Course:
    """What a trial reported, as losses that are to fall: `losses` (n,) at `steps` (n,), n reports in their order."""

    number: int
    steps: NDArray[np.int64]
    losses: NDArray[np.float64]
    falls: bool

    @classmethod
    def of(cls, trial: FrozenTrial, falls: bool) -> "_Course":
        reported: Iterable[tuple[int, float]] = sorted(trial.intermediate_values.items())
        steps, values = [], []
        for step, value in reported:
            steps.append(step)
            values.append(value if falls else -value)
        return cls(trial.number, np.array(steps, np.int64), np.array(values, np.float64), falls)

    @property
    def sign(self) -> float:
        """What a loss is to be multiplied with to have the reported value again."""
        return 1.0 if self.falls else -1.0

    @property
    def ended(self) -> bool:
        """Whether there are values, and the last was finite."""
        return bool(len(self.losses) and np.isfinite(self.losses[-1]))

    def until(self, count: int) -> "_Course":
        """The first reports alone."""
        return _Course(self.number, self.steps[:count], self.losses[:count], self.falls)

    def finite(self) -> "_Course":
        """The reports that were finite."""
        known = np.isfinite(self.losses)
        return _Course(self.number, self.steps[known], self.losses[known], self.falls)

    def later(self, first: int, last: int) -> float:
        """By how much the lowest loss after step `last` lay below the typical one from `first` to it."""
        before = self.losses[(self.steps >= first) & (self.steps <= last)]
        after = self.losses[self.steps > last]
        return float(median(before) - np.min(after)) if len(before) and len(after) else 0.0

    def record(self) -> Record:
        """As a log of the epochs' losses has it: what is reported is one value of many steps."""
        return Record.of([Series("epoch_loss", "loss", self.steps, self.losses)], {"step_unit": "step"})
