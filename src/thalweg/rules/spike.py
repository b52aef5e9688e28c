"""G001: a single-step gradient spike."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thalweg.finding import Evidence, Family, Finding, Remedy, Safety, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.objective import number, unit
from thalweg.stats import rolling_bound, spread


@dataclass(frozen=True)
class GradientSpike(Rule):
    """A single-step gradient spike.

    ## What it asks

    Was there a step whose gradient was far beyond anything that the steps before it led one to expect, and
    did it do harm?

    ## Why it matters

    One corrupt label or input makes one enormous gradient. The step it causes can undo an epoch of training,
    and an optimizer with a memory (momentum, Adam) carries it on. The step names the batch, and the batch the
    example.

    ## How it is decided

    Both of these at one step:

    1. *The gradient*: its log norm passes the bound that the 256 steps before it put at probability
       `probability`, from the mean excess over their upper quartile (Hill's estimator, its own
       uncertainty included), and the norm is `ratio` times the typical one or more.
    2. *Harm*: the loss at that step lies above the loss of the untrained network (the initial loss, or that
       of a constant prediction, whichever is larger) and passes its own bound at 1e-3; or the median of the
       following 16 losses passes that bound.

    A large gradient alone is no finding: recurrent networks, saturating losses and rare hard
    examples make them all the time, and nothing follows.

    ## Thresholds

    `probability` = 1e-6 per step, `ratio` = 5. On 60 runs of 100,000 steps of steady noise (log-normal,
    Pareto of index 2, Laplace logarithms, Student t3 entries, correlated by 0.9) whose loss rises with the
    gradient 1 alarm; none on 140 runs asked every 128 steps (`benchmarks/error_rates.py`).

    On real Keras programs: the zoo's tables in docs/calibration.md.

    ## Known limits

    The first 32 steps have no baseline and are not assessed. A corrupt example that is met in every batch is
    not a spike. One wrong class label among many right ones is label noise, and too small to be found here.

    ## What to do

    Look at the batch of that step first; clip the gradient if the example is genuine.

    ## References

    Hill, *Annals of Statistics* 3, 1975. Pascanu et al., *On the difficulty of training recurrent neural
    networks*, ICML 2013 (clipping).
    """

    code = "G001"
    title = "Gradient spike"
    family = Family.OPTIMISATION
    needs = (("gradient_norm",), ("loss",))
    live = True

    probability: float = 1e-6
    """Per-step probability of the bound on the gradient norm."""
    ratio: float = 5.0
    """Least ratio of the norm to the typical norm."""

    def assess(self, record: Record) -> Finding:
        """The worst spike that did harm."""
        gradient, loss = record.series["gradient_norm"], record.series["loss"]
        positive = np.where(np.isfinite(gradient.values) & (gradient.values > 0.0), gradient.values, np.nan)
        norms = rolling_bound(np.log(positive), self.probability, floor=0.02)
        assessed = int(np.sum(np.isfinite(norms.upper) & np.isfinite(positive)))
        if not assessed:
            return self.unassessed(
                "Not assessed: a baseline takes {count__threshold} gradient norms that are finite and not "
                "zero, and there were {count}.",
                {"count": Evidence(int(np.sum(np.isfinite(positive))), "steps", threshold=48)},
            )
        excess = np.log(positive) - norms.upper
        distance = np.log(positive) - norms.typical
        spikes = np.flatnonzero((excess > 0.0) & (distance > np.log(self.ratio)))
        harmful = [i for i in spikes if self._harm(record, int(gradient.steps[i]))] if len(spikes) else []
        if not harmful:
            evidence = {"count": Evidence(assessed, "steps")}
            template = "None of {count} gradients was a spike that harmed the loss."
            if len(spikes):
                evidence["spikes"] = Evidence(len(spikes), "steps")
                template = (
                    "Of {count} gradients {spikes} stood out from those before them, and the loss "
                    "did not suffer."
                )
            return self.finding(Verdict.SATISFACTORY, template, evidence)
        worst = max(harmful, key=lambda i: float(distance[i]))
        step = int(gradient.steps[worst])
        typical = float(np.exp(norms.typical[worst]))
        with np.errstate(over="ignore"):
            threshold = float(
                np.exp(np.maximum(norms.upper[worst], norms.typical[worst] + np.log(self.ratio)))
            )
            ratio = float(np.exp(distance[worst]))
        evidence = {
            "step": Evidence(step, "step"),
            "norm": Evidence(
                float(gradient.values[worst]), gradient.unit, usual=typical, threshold=threshold
            ),
            "ratio": Evidence(ratio, "1", threshold=self.ratio),
        }
        template = (
            f"At {unit(record)} {{step}} the gradient norm was {{norm}}, {{ratio}} times the typical "
            "{norm__usual}."
        )
        if len(harmful) > 1:
            evidence["spikes"] = Evidence(len(harmful), "steps")
            template += " It was the largest of {spikes} such steps."
        at = np.flatnonzero(loss.steps == step)
        if len(at):
            before = spread(loss.values[max(0, int(at[0]) - 256) : int(at[0])])
            evidence["loss"] = Evidence(float(loss.values[at[0]]), loss.unit, usual=before.location)
        return self.finding(
            Verdict.CONCERN,
            template,
            evidence,
            series=("gradient_norm", "loss"),
            step=step,
            remedies=(
                Remedy(
                    "Look at the examples of the batch of that step: labels, ranges, units.",
                    "A single corrupt example is the commonest cause of a single enormous gradient.",
                    Safety.MANUAL,
                ),
                Remedy(
                    "Clip the gradient: set `clipnorm` on the optimizer to a few times the typical norm.",
                    "A genuine but extreme example then moves the parameters no further than the others do.",
                ),
                Remedy(
                    "Use a loss that grows linearly with the error, such as `Huber`, if such targets are "
                    "genuine.",
                    "The gradient of a squared error grows with the error.",
                ),
            ),
        )

    def _harm(self, record: Record, step: int) -> bool:
        """Whether the loss at or after a step was beyond what it should be."""
        loss = record.series["loss"]
        here = int(np.searchsorted(loss.steps, step))
        before = loss.values[max(0, here - 512) : here]
        bound = _upper(before)
        if here < len(loss) and loss.steps[here] == step and loss.values[here] > bound:
            untrained = np.array([number(record, "initial_loss"), number(record, "constant_prediction_loss")])
            if not np.any(np.isfinite(untrained)):
                untrained = np.array([spread(loss.values[:10]).location])
            if loss.values[here] > np.nanmax(untrained):
                return True
        after = loss.values[here + 1 : here + 17]
        return len(after) >= 8 and spread(after).location > bound


def _upper(before: NDArray[np.float64]) -> float:
    """The bound at 1e-3 on a loss that follows these; infinite where they are too few."""
    padded = np.append(before[-(len(before) // 16 * 16) :], np.nan) if len(before) >= 16 else before[:0]
    bound = rolling_bound(padded, 1e-3).upper
    return float(bound[-1]) if len(bound) and np.isfinite(bound[-1]) else np.inf
