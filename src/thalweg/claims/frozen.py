"""Claim: the learning rate did not freeze the weights."""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thalweg.certificate import Claim, Status
from thalweg.claims.averages import BAND, Averaged, averaged, fall, why_none
from thalweg.examination import Examination
from thalweg.finding import Evidence, Verdict
from thalweg.question import Question
from thalweg.record import Record
from thalweg.rules.schedule import ScheduleEnded
from thalweg.stats.looks import A_DOUBLING, Look
from thalweg.stats.noise_ball import ERRORS
from thalweg.words import plural


@dataclass(frozen=True)
class NotFrozen(Question):
    """What ended the run's descent was not that its learning rate came down to nothing.

    Time is counted in *schedule time*, the sum of the rates: under gradient flow, and in the mean under SGD, it
    is this that moves the weights. Established where the last rate was a `fallen`th of the largest or more. Else
    the last look at the averaged weights is asked whose windows [t/4, t] hold `covered` of the run's schedule time
    or more:

    - established, where the noise ball of the rate was reached there (claim `noise-ball`), or where the pace of the
      mean's progress (P + 3 se(E), over the schedule time between the middles of its two windows), kept up for as
      much schedule time as the whole run had, would gain less than `least` of the run's fall;
    - refuted, where that gain (of P alone) is `gain` of the fall or more, P > `clear` E + 3 se(E), and the distance
      to where the mean heads is `several` times what the remaining schedule allows. The gain is large because the
      pace of a mean, which lags and would lessen, foretells two to ten times what there is; P is clear of E because
      it scatters by as much (docs/certify/frozen.md). The distance is that between the two
      mean points, or, where a look half as old is known, the secant's: the slopes P / |x2 - x1| of the two looks
      meet zero there; less what the mean went, at the speed that it had, while the rate stayed what it was at the
      look. The schedule allows that speed times the schedule time that followed, with as many steps more at the
      last rate as the run had;
    - else not established.

    Where the rate fell too fast for any average, P005 is asked whether the loss was still falling when it ended.
    """

    name = "not-frozen"
    statement = "The learning rate did not freeze the weights on their way."
    assumptions = ("The weights move in proportion to the learning rate.",)
    fallen: float = 10.0
    covered: float = 0.05
    least: float = 0.02
    gain: float = 0.2
    clear: float = 5.0
    several: float = 3.0

    def answer(self, record: Record, examination: Examination) -> Claim:
        """The rates of the run, and the averages where they fell."""
        series = record.series.get("learning_rate")
        if series is None or not len(series) or not np.all(np.isfinite(series.values)):
            return self.open("The record does not hold the learning rate of every step.")
        rates = np.abs(series.values)
        peak, last = float(np.max(rates)), float(rates[-1])
        evidence = {"last": Evidence(last, "1", usual=peak, threshold=peak / self.fallen)}
        scope = f"the learning rates of {plural(len(rates), 'step')}"
        if peak == 0.0:
            return self.claim(
                Status.REFUTED, "The learning rate was {last} throughout.", evidence, scope=scope
            )
        if last >= peak / self.fallen:
            return self.claim(
                Status.ESTABLISHED,
                "The last learning rate was {last}, the largest {last__usual}.",
                evidence,
                scope=scope,
            )
        clock = _Clock(series.steps, rates / peak)
        found = averaged(record)
        index = next((i for i in range(len(found.looks))[::-1] if self._holds_enough(found, i, clock)), None)
        if index is None:
            return self._without(record, evidence, scope)
        scope += f", and the averages up to step {int(found.steps[index]):,}"
        return self._judged(record, found, index, clock, evidence, scope)

    def _holds_enough(self, found: Averaged, index: int, clock: "_Clock") -> bool:
        step, span = int(found.steps[index]), found.looks[index].span
        return clock.between(step - 0.75 * span, step) >= self.covered * clock.whole > 0.0

    def _judged(
        self,
        record: Record,
        found: Averaged,
        index: int,
        clock: "_Clock",
        evidence: dict[str, Evidence],
        scope: str,
    ) -> Claim:
        look, step = found.looks[index], int(found.steps[index])
        begin = step - look.span
        between = clock.between(begin + 0.375 * look.span, begin + 0.75 * look.span)
        kept = clock.kept(step)
        left = clock.between(kept, clock.end) + clock.last * clock.end
        whole = fall(record, look.late)
        came = "The learning rate came down from {last__usual} to {last}"
        with np.errstate(all="ignore"):
            gain = float(np.float64(look.progress) / between * clock.whole)
            most = float(np.float64(look.progress + ERRORS * look.error) / between * clock.whole)
            speed = np.float64(look.distance) / between
            allowed = float(speed * left)
            to_go = max(_to_go(found, index) - float(speed * clock.between(step, kept)), 0.0)
        evidence = evidence | {
            "step": Evidence(step, "step"),
            "kept": Evidence(kept, "step"),
            "progress": Evidence(look.progress, "loss", threshold=self.clear * look.cost),
            "cost": Evidence(look.cost, "loss", threshold=ERRORS * look.error),
            "gain": Evidence(gain, "loss", usual=whole, threshold=self.gain * whole),
            "most": Evidence(most, "loss", usual=whole, threshold=self.least * whole),
            "distance": Evidence(to_go, "parameter", threshold=self.several * allowed),
            "allowed": Evidence(allowed, "parameter"),
        }
        if found.reached[index]:
            return self.claim(
                Status.ESTABLISHED,
                f"{came}, but at step {{step}} the mean of the weights had stopped: it improved the loss by "
                "{progress}, and the noise of the steps cost {cost}.",
                evidence,
                scope=scope,
            )
        if most < self.least * whole:
            return self.claim(
                Status.ESTABLISHED,
                f"{came}, but as much schedule again at the pace of step {{step}} would have gained at most {{most}} "
                "of loss, of a whole fall of {most__usual}.",
                evidence,
                scope=scope,
            )
        heads = (
            "the mean of the weights had {distance} to go at step {kept}, and the rest of the schedule allowed "
            "{allowed}"
        )
        if (
            gain >= self.gain * whole > 0.0
            and look.progress > max(self.clear * look.cost + ERRORS * look.error, 0.0)
            and to_go >= self.several * allowed
        ):
            return self.claim(
                Status.REFUTED,
                f"{came}, and froze the weights on their way: {heads}.",
                evidence,
                scope=scope,
            )
        return self.open(f"{came}; {heads}.", evidence, scope=scope)

    def _without(self, record: Record, evidence: dict[str, Evidence], scope: str) -> Claim:
        finding = ScheduleEnded().check(record)
        if finding.verdict is Verdict.CONCERN and "spent" in finding.evidence:
            return self.claim(
                Status.REFUTED,
                "The learning rate came down from {last__usual} to {last}, and to a hundredth by step {step}; the "
                "loss had not levelled off before.",
                evidence | {"step": finding.evidence["step"], "spent": finding.evidence["spent"]},
                scope=scope,
            )
        reason = (
            why_none(record)
            if not averaged(record).looks
            else "No average was kept at a rate that moved the weights."
        )
        return self.open(
            f"The learning rate came down from {{last__usual}} to {{last}}. {reason}", evidence, scope=scope
        )


class _Clock:
    """Schedule time in steps at the largest rate, from steps (n,) and rates (n,) over the largest."""

    def __init__(self, steps: NDArray[np.int64], rates: NDArray[np.float64]) -> None:
        self._steps = np.concatenate([[min(0, int(steps[0]) - 1)], steps]).astype(np.float64)
        self._time = np.concatenate([[0.0], np.cumsum(rates * np.diff(self._steps))])
        self._rates = rates
        self.whole, self.end, self.last = float(self._time[-1]), float(self._steps[-1]), float(rates[-1])

    def kept(self, step: int) -> int:
        """Up to which step the rate stayed what it was at this one."""
        after = np.flatnonzero(self._steps[1:] >= step)
        rates = self._rates[after]
        left = np.flatnonzero((rates * BAND < rates[0]) | (rates > BAND * rates[0])) if len(after) else after
        return int(self._steps[1:][after[left[0]]]) - 1 if len(left) else int(self.end)

    def between(self, first: float, last: float) -> float:
        """The schedule time from one step to another."""
        return float(np.diff(np.interp((first, last), self._steps, self._time))[0])


def _to_go(found: Averaged, index: int) -> float:
    """The distance from the last mean point to where it heads; infinite where its slope does not lessen."""
    look = found.looks[index]
    before: Look | None = found.looks[index - A_DOUBLING] if index >= A_DOUBLING else None
    since = found.looks[max(index - A_DOUBLING, 0) : index + 1]
    if before is None or not all(b.span > a.span for a, b in itertools.pairwise(since)):
        return look.distance
    with np.errstate(all="ignore"):
        now, then = (np.float64(x.progress) / x.distance for x in (look, before))
        if not now < then:
            return float("inf") if now > 0.0 else look.distance
        # Each slope is that half-way between the look's two mean points.
        meets = max(now, 0.0) * 0.5 * (look.distance + before.distance) / (then - now)
        return max(float(meets) - 0.5 * look.distance, 0.0)
