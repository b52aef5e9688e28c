"""Claim: the averaged iterate has stopped improving."""

import itertools
from dataclasses import dataclass

import numpy as np

from thalweg.certificate import Claim, Status
from thalweg.claims.averages import BAND, Averaged, averaged, fall, why_none
from thalweg.examination import Examination
from thalweg.finding import Evidence
from thalweg.question import Question
from thalweg.record import Record
from thalweg.stats.looks import A_DOUBLING
from thalweg.stats.noise_ball import ERRORS, ROUNDING, RUNNING


@dataclass(frozen=True)
class NoiseBall(Question):
    """The noise ball of this step size was reached: noise keeps the loss up, not a way that is left to go.

    At looks a factor 2^(1/4) apart, with x1 the mean of the weights over [t/4, t/2] and x2 over [t/2, t], t the steps
    since the sums began, all on one probe batch: progress P = f(x1) - f(x2), and the cost of noise E = mean f(x_s) -
    f(x2) over s in (t/2, t]. Established where P < E and E > 3 se(E) at three looks running, the last one of the run
    among them. Where E is not above zero there is no noise ball, and nothing is claimed of one.

    Refuted where P > E + 3 se(E) at the last three, and another doubling of the steps would gain as much: f(x2) fell
    from each of them to the next, and goes on so with the ratio at which its falls shrink for the four looks of a
    doubling. Both must be `least` of the run's whole fall or more.

    It is a statement about the run's own horizon: what another doubling of the steps would gain is less than what the
    noise costs. Many doublings may gain more, where the loss falls by as much in each.

    On a quadratic E is what the noise adds to the loss in the stationary state, and what lowering the rate to nothing
    will gain; the gradients need not be resolved against their noise for that, which the tests of the literature need
    (Pflug 1990; Chee & Toulis 2018; Pesme et al. 2020; Lang et al. 2019). docs/certify/stationarity.md has the rates
    of all, side by side.
    """

    name = "noise-ball"
    statement = "The averaged iterate has stopped improving: the noise ball of this step size is reached."
    assumptions = (
        "The probe batch stands for the data.",
        "The next doubling of the steps would bring no more than the last one did: a slow tail is not excluded.",
        "Optimizer, batch size and data stayed what they were in the second half of the averages.",
    )
    least: float = 0.01

    def answer(self, record: Record, examination: Examination) -> Claim:
        """The last looks of the record."""
        found = averaged(record)
        if not found.looks:
            return self.open(why_none(record))
        last, step = found.looks[-1], int(found.steps[-1])
        scope = f"the {last.span:,} steps up to step {step:,}, on the probe batch"
        count = _running(found)
        evidence = {
            "progress": Evidence(last.progress, "loss", threshold=last.cost),
            "cost": Evidence(last.cost, "loss", threshold=ERRORS * last.error),
            "looks": Evidence(count, "looks", threshold=RUNNING),
            "span": Evidence(last.span, "steps"),
            "step": Evidence(step, "step"),
        }
        if (stale := _stale(record, found)) is not None:
            return self.open(stale, evidence, scope=scope)
        said = (
            "Up to step {step}, {span} steps after the sums began, the mean of the weights improved the loss by "
            "{progress}; the noise of the steps cost {cost}"
        )
        if found.reached[-1]:
            return self.claim(
                Status.ESTABLISHED,
                f"{said}, which is about what lowering the rate would gain.",
                evidence,
                scope=scope,
            )
        if last.cost <= 0.0:
            return self.open(f"{said}: there was no noise ball.", evidence, scope=scope)
        whole, further = fall(record, last.late), _further(found)
        enough = max(last.cost + ERRORS * last.error, self.least * whole)
        evidence["fall"] = Evidence(whole, "loss")
        evidence["further"] = Evidence(further, "loss", threshold=enough)
        if _improves(found, self.least * whole) and further > enough:
            message = (
                "Up to step {step} the mean of the weights went on to improve: the loss there fell by {progress} of "
                "a whole fall of {fall}, the noise of the steps cost {cost}, and as many steps again would bring "
                "{further} at the same pace."
            )
            return self.claim(Status.REFUTED, message, evidence, scope=scope)
        return self.open(
            f"{said}; it takes less than that at {{looks__threshold}} looks running, and there were {{looks}}.",
            evidence,
            scope=scope,
        )


def _running(found: Averaged) -> int:
    """At how many of the last looks P < E and E was resolved."""
    count = 0
    for look, later in zip(found.looks[::-1], (None, *found.looks[:0:-1]), strict=True):
        anew = later is not None and not later.span > look.span
        resolved = look.cost > max(ERRORS * look.error, ROUNDING * abs(look.late))
        if anew or not (look.progress < look.cost and resolved):
            break
        count += 1
    return count


def _improves(found: Averaged, least: float) -> bool:
    """Whether the mean point improved by more than the noise costs, and by this much, at the last looks running."""
    looks = found.looks[-RUNNING:]
    grows = all(b.span > a.span for a, b in itertools.pairwise(looks))
    with np.errstate(all="ignore"):
        return (
            len(looks) == RUNNING
            and grows
            and all(look.progress > max(look.cost + ERRORS * look.error, least) for look in looks)
        )


def _further(found: Averaged) -> float:
    """What another doubling of the steps would gain at the mean point, its last falls carried on; NaN for none."""
    lates = [look.late for look in found.looks[-RUNNING:]]
    if len(lates) < RUNNING:
        return np.nan
    with np.errstate(all="ignore"):
        before, after = -np.diff(lates)[-2:]
        ratio = min(after / before, 1.0) if after > 0.0 and before > 0.0 else np.nan
        return float(after * np.sum(ratio ** np.arange(1.0, A_DOUBLING + 1.0)))


def _stale(record: Record, found: Averaged) -> str | None:
    """Why the last look says nothing of the end of the run; None where it does."""
    last, step = found.looks[-1], int(found.steps[-1])
    rates = record.series.get("learning_rate")
    if rates is None or not len(rates):
        return "The learning rate is not known, nor whether it stayed the same."
    used = np.abs(rates.between(step - last.span + 1, int(rates.steps[-1])).values)
    if len(used) and not float(np.max(used)) <= BAND * float(np.min(used)):
        return "The learning rate was changed after the last look at the averages, at step {step}."
    if record.last_step - step > last.span:
        return "The averages were last looked at at step {step}, and the run went on for longer than it had."
    return None
