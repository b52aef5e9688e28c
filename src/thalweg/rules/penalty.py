"""R001: the penalty on the weights dominates."""

from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.objective import number
from thalweg.rules.shortfall import Shortfall, learnable, shortfall
from thalweg.stats import spread

_TENTH = Remedy(
    "Divide the penalty by 100, and raise it only while the validation loss falls.",
    "The gradient went into shrinking weights instead of fitting targets.",
    code="kernel_regularizer=keras.regularizers.L2(1e-4)",
)
_DECAY = Remedy(
    "Divide `weight_decay` by 100, and raise it only while the validation loss falls.",
    "The weights shrank faster than the gradient made them grow.",
    code="weight_decay=1e-4",
)


@dataclass(frozen=True)
class Penalty(Rule):
    """The penalty on the weights dominates.

    ## What it asks

    Did weight decay, or the regularisers of the kernels, keep the network from fitting its targets?

    ## Why it matters

    A penalty above the loss of the data turns the task around: the network minimises its weights, and fits on
    the side. The result looks like a network too small, or a learning rate too low.

    ## How it is decided

    A concern needs a run that ended short of a constant prediction or of a linear model (L001, B001) on
    targets of which nothing says that they cannot be learned (D008), together with one of these:

    - the sum of the kernels' penalties was above `ratio` of the loss of the predictions at every look at the
      probe batch in the second half of the run, two looks at least; or it was at the first look, and then
      the weights shrank until it was under the square of `shrunk` of that;
    - the optimizer's weight decay, times the learning rate and the number of steps, came to `decayed` or
      more, and the norm of the parameters ended under `shrunk` of what it was after the first step.

    ## Thresholds

    `ratio` = 1, `decayed` = 1, `shrunk` = 0.5. Rates: docs/calibration.md.

    ## Known limits

    Losses that layers add themselves are no penalty here. A large network may carry a penalty above a small
    loss and generalise the better: without a shortfall it is no concern.

    ## What to do

    Less of it.

    ## References

    Krogh & Hertz, *A Simple Weight Decay Can Improve Generalization*, 1992. Loshchilov & Hutter, *Decoupled
    Weight Decay Regularization*, ICLR 2019.
    """

    code = "R001"
    title = "Penalty on the weights dominates"
    family = Family.REGULARISATION
    needs = (("loss", "epoch_loss"), ("penalty", "parameter_norm"))

    ratio: float = 1.0
    """Penalty over data loss."""
    decayed: float = 1.0
    """Total decay, as an exponent, that counts."""
    shrunk: float = 0.5
    """Share of their first norm that the parameters kept."""

    def assess(self, record: Record) -> Finding:
        """The penalties against the data loss, then the decay; each beside a shortfall."""
        found = self._penalty(record) or self._decay(record)
        if found is None:
            return self.finding(
                Verdict.SATISFACTORY,
                "No penalty on the weights and no weight decay outweighed the loss of the data.",
            )
        template, evidence, series, remedy = found
        harm: Shortfall | None = shortfall(record)
        if harm is None:
            return self.finding(
                Verdict.SATISFACTORY,
                f"{template}, and nothing shows that the fit fell short.",
                evidence,
                series=series,
            )
        if not learnable(record):
            return self.unassessed(
                "Not assessed: the targets could not be foretold from the inputs (see D008)."
            )
        return self.finding(
            Verdict.CONCERN,
            f"{template}; {harm.words}.",
            {**evidence, **harm.evidence},
            series=(*series, *harm.series),
            remedies=(remedy,),
        )

    def _penalty(self, record: Record) -> tuple[str, dict[str, Evidence], tuple[str, ...], Remedy] | None:
        penalty, loss = record.series.get("penalty"), record.series.get("recomputed_loss")
        if penalty is None or loss is None:
            return None
        _, left, right = np.intersect1d(penalty.steps, loss.steps, return_indices=True)
        paid, fitted = penalty.values[left], loss.values[right]
        above = (paid / self.ratio > fitted) & (fitted > 0.0)
        if len(paid) < 2:
            return None
        evidence = {"penalty": Evidence(float(paid[-1]), "loss"), "data": Evidence(float(fitted[-1]), "loss")}
        series = ("penalty", "recomputed_loss")
        if np.all(above[len(paid) // 2 :]) and len(paid) > 2:
            words = "The penalty on the weights ended at {penalty}, above the {data} that the data themselves cost"
        elif above[0] and paid[-1] < self.shrunk**2 * paid[0]:
            evidence["began"] = Evidence(float(paid[0]), "loss", usual=float(fitted[0]))
            words = (
                "The penalty on the weights began at {began}, where the data themselves cost {began__usual}, and "
                "shrank the weights until it was {penalty}"
            )
        else:
            return None
        return words, evidence, series, _TENTH

    def _decay(self, record: Record) -> tuple[str, dict[str, Evidence], tuple[str, ...], Remedy] | None:
        decay = number(record, "optimizer", "weight_decay")
        rate, norm = record.series.get("learning_rate"), record.series.get("parameter_norm")
        if not decay > 0.0 or rate is None or norm is None or len(norm) < 2:
            return None
        total = decay * spread(rate.values).location * record.last_step
        first, final = float(norm.values[0]), float(norm.values[-1])
        if not (total >= self.decayed and final < self.shrunk * first):
            return None
        evidence = {
            "decay": Evidence(decay, "1"),
            "norm": Evidence(final, "parameter", usual=first, threshold=self.shrunk * first),
        }
        words = "Under a weight decay of {decay} the parameters shrank from a norm of {norm__usual} to {norm}"
        return words, evidence, ("parameter_norm",), _DECAY
