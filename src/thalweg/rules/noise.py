"""P008: the gradient is mostly noise."""

from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.objective import number
from thalweg.rules.shortfall import failure, learnable
from thalweg.rules.steps import FEW, few, plain, rate, setting, steps


@dataclass(frozen=True)
class GradientNoise(Rule):
    """Gradient noise too large for the steps.

    ## What it asks

    Did a batch of one or a few examples, at the rate and momentum of a large one, drown the direction of the
    loss?

    ## Why it matters

    The noise of a gradient shrinks with the root of the batch, and the level at which the loss then hovers
    grows with the rate, divided by one less the momentum. Each example undoes what the last one taught.

    ## How it is decided

    All of these:

    - a step saw at most `batch` examples, those of accumulated gradients counted together, and fewer than
      there are;
    - successive gradients had nothing in common: mean cosine under `cosine` with 99 % confidence;
    - the steps were long for such a gradient: the typical update, or the largest of the first 20 measured,
      above `ratio` of its parameters;
    - the last loss was not finite, the run ended short of a linear model or of a constant prediction, or the
      loss diverged (`L002`) or oscillated (`L003`).

    Left to others: a negative rate (P007), an extreme one (P003), targets that nothing foretells (D008).

    ## Thresholds

    `batch` = 4, `cosine` = 0.2, `ratio` = 3e-3. None is an alarm in a run that got somewhere. Rates:
    docs/calibration.md.

    ## Known limits

    A loss that noise holds a little above what a smaller rate would reach is no shortfall, and not found. A
    recorded batch size is that of the first batch.

    ## What to do

    Use a larger batch; or divide the rate by what the momentum multiplies it with.

    ## References

    Smith & Le, *A Bayesian Perspective on Generalization and Stochastic Gradient Descent*, ICLR 2018 (noise
    scale). McCandlish et al., *An Empirical Model of Large-Batch Training*, 2018.
    """

    code = "P008"
    title = "Gradient noise too large"
    family = Family.OPTIMISATION
    needs = (("loss", "epoch_loss"), ("gradient_cosine",), ("update_ratio",))

    batch: int = FEW
    """Largest number of examples of a step."""
    cosine: float = 0.2
    """Largest mean cosine of successive gradients."""
    ratio: float = 3e-3
    """Least ratio of an update to its parameters."""

    def assess(self, record: Record) -> Finding:
        """The batch, the gradients and the steps, then what came of them."""
        size, used = number(record, "fit", "batch_size"), rate(record)
        if np.isnan(size):
            return self.unassessed("Not assessed: the size of a batch is not known.")
        went = steps(record)
        evidence = {"size": Evidence(int(size), "examples", threshold=self.batch)}
        if not few(record):
            return self.finding(Verdict.SATISFACTORY, "A step saw {size} examples or more.", evidence)
        length = max((x for x in (went.first, went.typical) if np.isfinite(x)), default=np.nan)
        if np.isnan(length) or np.isnan(went.cosine.error):
            return self.unassessed("Not assessed: too few updates or successive gradients were measured.")
        evidence["cosine"] = Evidence(went.cosine.value, "cosine", threshold=self.cosine)
        evidence["ratio"] = Evidence(length, "1", usual=1e-3, threshold=self.ratio)
        did = (
            "A batch held {size} examples, successive gradients had a mean cosine of {cosine}, and the "
            "updates were up to {ratio} of their parameters"
        ).replace("examples", "example" if size == 1.0 else "examples", 1)
        noisy = went.cosine.quantile(0.99) < self.cosine and length > self.ratio
        short = failure(record) if noisy else None
        if not noisy or short is None:
            return self.finding(
                Verdict.SATISFACTORY,
                f"{did}{', and the run got somewhere all the same' if noisy else ''}.",
                evidence,
            )
        if used < 0.0 or not learnable(record) or used >= (1.0 if plain(record) else 1.0 / 30.0):
            return self.unassessed(
                "Not assessed: a batch held {size} examples, but the learning rate or the targets were to "
                "blame (see P003, P007 and D008).",
                evidence,
            )
        momentum = setting(record, "momentum")
        evidence |= short.evidence
        template = f"{did}; {short.words}."
        if 0.0 < momentum < 1.0:
            evidence["momentum"] = Evidence(momentum, "1")
            template += " A momentum of {momentum} added them up."
        return self.finding(
            Verdict.CONCERN,
            template,
            evidence,
            series=("gradient_cosine", "loss", *short.series),
            remedies=(
                Remedy(
                    "Use a batch of 32 examples.",
                    "The noise of the gradient shrinks with the root of its size.",
                    code="batch_size=32",
                ),
                Remedy(
                    "Divide the learning rate by 10.",
                    "The level at which noise holds the loss is proportional to it.",
                    code=f"learning_rate={used / 10.0:.1g}" if setting(record, "learning_rate") > 0.0 else "",
                ),
                Remedy(
                    "Accumulate gradients where memory allows no larger batch.",
                    "The step is then that of the larger batch.",
                    code="gradient_accumulation_steps=32",
                ),
            ),
        )
