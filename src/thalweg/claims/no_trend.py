"""The loss has no trend over the tail of the run."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from thalweg.certificate import Claim, Status
from thalweg.examination import Examination
from thalweg.finding import Evidence
from thalweg.question import Question
from thalweg.record import Record
from thalweg.rules.objective import objective, progress, unit
from thalweg.stats.drift import FIRST, drift

_ROUNDING = 1e-6
"""A loss in single precision is known to so much of itself."""


@dataclass(frozen=True)
class NoTrend(Question):
    """Whether as many steps again would have changed the loss by anything that matters.

    The loss is that of each step, else of each epoch; the tail is the last 50 to 60 % of it (`drift` says where it
    begins). Through it goes a line whose error knows autocorrelation, with an interval that holds at
    all looks together: the question may be asked after every epoch and errs in `alpha` of all runs at most.

    What matters is set by consequence: the interval of the change, carried on for as many steps as the run had,
    against `share` of what the run gained. The gain is counted from the first losses, at most from a constant
    prediction's, to the mean of the last quarter; 5 % of it is what L004 holds against a run that stopped
    too early. Established where the whole interval is inside that tolerance: not to see a trend is not enough, and
    a short or noisy tail establishes nothing. Refuted where it is wholly outside, and the means of the tail's
    quarters, carried on with the ratio at which their differences shrink, would leave the tolerance too: what has all
    but stopped falling is not refuted by the fall before. In between nothing is said.
    """

    name: ClassVar[str] = "no-trend"
    statement: ClassVar[str] = "The loss had no trend over the tail of the run."
    assumptions: ClassVar[tuple[str, ...]] = (
        "The noise of the loss forgets itself within a twentieth of the tail.",
        "A further run would go on along the line, with the same rate and data.",
    )

    alpha: float = 0.05
    share: float = 0.05

    def answer(self, record: Record, examination: Examination) -> Claim:
        """The change that the tail foretells, against a share of the gain."""
        series = objective(record)
        if series is None:
            return self.open("Not looked at: the record holds no loss.")
        if not np.isfinite(series.values[-1]):
            return self.open("Not looked at: the last loss was not finite.")
        found, word = drift(series.steps, series.values), unit(record)
        finite = np.isfinite(series.values)
        steps, values = series.steps[finite], series.values[finite]
        count = Evidence(len(values), "losses", threshold=2 * FIRST)
        if len(values) < 2 * FIRST:
            return self.open(
                "It takes {losses__threshold} losses to tell; there were {losses}.", {"losses": count}
            )
        first, last = int(steps[found.first]), int(steps[-1])
        per = {"epoch_loss": "epoch", "probe_loss": "look"}.get(series.name, "step")
        scope = f"the training loss of each {per}, {word}s {first:,} to {last:,}"
        if not np.isfinite(found.error):
            return self.open(
                "The {losses} losses wander so slowly that no error of their trend can be told.",
                {"losses": count},
                scope=scope,
            )
        made = progress(record)
        gain = max(float(np.fmin(made.start, made.constant)) - made.final, 0.0)
        ahead = last / (last - first)
        low, high = (end * ahead for end in found.interval(self.alpha))
        tolerance = max(self.share * gain, _ROUNDING * abs(made.final))
        evidence = {
            "first": Evidence(first, word),
            "change": Evidence(found.change, series.unit),
            "ahead": Evidence(found.change * ahead, series.unit, threshold=tolerance),
            "low": Evidence(low, series.unit, threshold=-tolerance),
            "high": Evidence(high, series.unit, threshold=tolerance),
            "gain": Evidence(gain, series.unit),
            "share": Evidence(self.share, "fraction"),
            "confidence": Evidence(1.0 - self.alpha, "fraction"),
            "losses": Evidence(found.count, "losses"),
        }
        begin = (
            f"The loss changed by {{change}} from {word} {{first}} to the end. At that pace as long a run again "
            "would change it by {ahead} ({low} to {high} with {confidence} confidence at every look), where "
        )
        matters = "{share} of all it had gained is {ahead__threshold}"
        if not np.isfinite([low, high]).all():
            few = "{losses} losses whose noise wanders tell nothing of their trend."
            return self.open(few[:1].upper() + few[1:], evidence, scope=scope)
        if -tolerance <= low and high <= tolerance:
            return self.claim(Status.ESTABLISHED, f"{begin}{matters}.", evidence, scope=scope)
        way = 1.0 if found.change > 0.0 else -1.0
        beyond = low > tolerance if way > 0.0 else high < -tolerance
        if beyond and way * _further(values[found.first :], 4.0 * ahead) > tolerance:
            return self.claim(Status.REFUTED, f"{begin}{matters}.", evidence, scope=scope)
        return self.open(f"{begin}{matters}: too little to tell.", evidence, scope=scope)


def _further(tail: NDArray[np.float64], quarters: float) -> float:
    """The change over so many quarters more, if the differences of the quarters' means go on to shrink as they do.

    Differences that grow are carried on as they are; of those that change their sign nothing is left.
    """
    steps = np.diff([np.mean(part) for part in np.array_split(tail, 4)])
    before, after = float(steps[0] + steps[1]), float(steps[1] + steps[2])
    if not after * before > 0.0:
        return 0.0
    ratio = min(after / before, 1.0)
    return float(steps[2] * np.sum(ratio ** np.arange(1.0, quarters + 1.0)))
