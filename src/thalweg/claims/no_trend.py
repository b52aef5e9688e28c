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
from thalweg.rules.objective import number, objective, progress, unit
from thalweg.stats.drift import FIRST, drift

_ROUNDING = 1e-6
"""A loss in single precision is known to so much of itself."""


@dataclass(frozen=True)
class NoTrend(Question):
    """Whether as many steps again would have changed the loss by anything that matters.

    The loss is that of each step, else of each epoch; the tail is the last 50 to 60 % of it (`drift` says where it
    begins). Through it goes a line whose error knows autocorrelation, with an interval that holds at
    all looks together: the question may be asked after every epoch and errs in `alpha` of all runs at most. The
    line goes through means of whole epochs where the tail has enough of them: each holds every example once, and of
    the luck of the draw, most of a step's noise, nothing is left.

    What matters is set by consequence: the interval of the change, carried on for as many steps as the run had,
    against `share` of what the run gained. The gain is counted from the first losses, at most from a constant
    prediction's, to the mean of the last quarter; 5 % of it is what L004 holds against a run that stopped
    too early. Established where the whole interval is inside that tolerance: not to see a trend is not enough, and
    a short or noisy tail establishes nothing. Refuted where it is wholly outside, and the means of the tail's
    quarters, carried on with the ratio at which their differences shrink, would leave the tolerance too: what has all
    but stopped falling is not refuted by the fall before. In between nothing is said.

    A loss without noise, as whole-batch training has it, wanders too smoothly for any error. Of its tail it is
    asked whether all of it lies within the tolerance, as many times smaller as the run is longer than the tail:
    established. Refuted where the means of `parts` equal parts all go one way (of random walks 0.07 % do, of noise
    that forgets itself within a tenth of the tail none of 20,000) and, carried on as above, would leave the
    tolerance.
    """

    name: ClassVar[str] = "no-trend"
    statement: ClassVar[str] = "The loss had no trend over the tail of the run."
    assumptions: ClassVar[tuple[str, ...]] = (
        "The noise of the loss forgets itself within a twentieth of the tail.",
        "A further run would go on along the line, with the same rate and data.",
    )

    alpha: float = 0.05
    share: float = 0.05
    parts: int = 16

    def answer(self, record: Record, examination: Examination) -> Claim:
        """The change that the tail foretells, against a share of the gain."""
        series = objective(record)
        if series is None:
            return self.open("Not looked at: the record holds no loss.")
        if not np.isfinite(series.values[-1]):
            return self.open("Not looked at: the last loss was not finite.")
        word, finite = unit(record), np.isfinite(series.values)
        steps, values = series.steps[finite], series.values[finite]
        found = drift(steps, values, _an_epoch(record, steps) if series.name == "loss" else 1)
        count = Evidence(len(values), "losses", threshold=2 * FIRST)
        if len(values) < 2 * FIRST:
            return self.open(
                "It takes {losses__threshold} losses to tell; there were {losses}.", {"losses": count}
            )
        first, last = int(steps[found.first]), int(steps[-1])
        per = {"epoch_loss": "epoch", "probe_loss": "look"}.get(series.name, "step")
        scope = f"the training loss of each {per}, {word}s {first:,} to {last:,}"
        made = progress(record)
        gain = max(float(np.fmin(made.start, made.constant)) - made.final, 0.0)
        ahead = last / (last - first)
        tolerance = max(self.share * gain, _ROUNDING * abs(made.final))
        low, high = (end * ahead for end in found.interval(self.alpha))
        if not np.isfinite([low, high]).all():
            told = {
                "first": Evidence(first, word),
                "gain": Evidence(gain, series.unit),
                "share": Evidence(self.share, "fraction"),
                "losses": Evidence(found.count, "losses"),
            }
            return self._smooth(values[found.first :], ahead, tolerance, (told, series.unit, word, scope))
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
        if -tolerance <= low and high <= tolerance:
            return self.claim(Status.ESTABLISHED, f"{begin}{matters}.", evidence, scope=scope)
        way = 1.0 if found.change > 0.0 else -1.0
        beyond = low > tolerance if way > 0.0 else high < -tolerance
        if beyond and way * _further(values[found.first :], 4.0 * ahead) > tolerance:
            return self.claim(Status.REFUTED, f"{begin}{matters}.", evidence, scope=scope)
        open_ = begin.replace(" to the end.", " to the end, too little to tell a trend from none.", 1)
        return self.open(f"{open_}{matters}.", evidence, scope=scope)

    def _smooth(
        self,
        tail: NDArray[np.float64],
        ahead: float,
        tolerance: float,
        told: tuple[dict[str, Evidence], str, str, str],
    ) -> Claim:
        """The answer where no error of a trend can be told."""
        evidence, loss, word, scope = told
        steps = np.diff([np.mean(part) for part in np.array_split(tail, self.parts)])
        further = _further(tail, 4.0 * ahead)
        evidence = evidence | {
            "band": Evidence(float(np.ptp(tail)), loss, threshold=tolerance / ahead),
            "change": Evidence(float(tail[-1] - tail[0]), loss),
            "ahead": Evidence(further, loss, threshold=tolerance),
            "parts": Evidence(self.parts, "parts"),
        }
        matters = "{share} of all it had gained is {ahead__threshold}."
        if np.ptp(tail) * ahead <= tolerance:
            message = f"From {word} {{first}} on all {{losses}} losses lay within {{band}}, where {matters}"
            return self.claim(Status.ESTABLISHED, message, evidence, scope=scope)
        if abs(further) > tolerance and (np.all(steps > 0.0) or np.all(steps < 0.0)):
            message = (
                f"The loss changed by {{change}} from {word} {{first}} to the end, and went one way through all "
                "{parts} parts of it. Going on with the ratio at which its steps shrink, as long a run again would "
                f"change it by {{ahead}}, where {matters}"
            )
            return self.claim(Status.REFUTED, message, evidence, scope=scope)
        message = (
            f"The loss changed by {{change}} from {word} {{first}} to the end, and wandered so slowly that no error "
            "of its trend can be told."
        )
        return self.open(message, evidence, scope=scope)


def _an_epoch(record: Record, steps: NDArray[np.int64]) -> int:
    """Steps to an epoch; 1 where that is not known, or not every step is."""
    count = number(record, "fit", "steps_per_epoch")
    return int(count) if 1.0 <= count <= len(steps) and np.all(np.diff(steps) == 1) else 1


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
