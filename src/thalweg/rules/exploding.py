"""G003: gradients explode through depth."""

from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.depth import over_depth
from thalweg.rules.objective import unit

_REMEDIES = (
    Remedy(
        "Divide the learning rate by 10.",
        "Weights that have grown too large are what multiplies the gradient.",
    ),
    Remedy(
        "Clip the gradient: set `clipnorm=1.0` on the optimizer.",
        "The direction stays and the length is bounded.",
    ),
    Remedy(
        "Initialise to fit the activation: `he_normal` for ReLU, `glorot_uniform` for tanh.",
        "The variance is then the same at every depth.",
    ),
    Remedy(
        "Add `LayerNormalization`, or scale inputs and targets to unit standard deviation.",
        "It restores the scale at every layer.",
    ),
)


@dataclass(frozen=True)
class ExplodingGradients(Rule):
    """Gradients explode through depth.

    ## What it asks

    Do the gradients of the kernels grow layer by layer toward the input in a run that makes no progress, or
    did their norm pass what float32 can hold?

    ## Why it matters

    No learning rate fits both ends of such a network: what moves the output's layers throws those of the
    input far away.

    ## How it is decided

    Each kernel's gradient norm over the root of its number of entries, its median over the run; a straight
    line through its logarithm over depth. Both of these:

    - the gradient grows toward the input by `factor` per layer or more and by `total` over the whole depth, or by ten
      times `total`, however slowly; and the line rises with two standard errors to spare;
    - the run fell short: of a fall, of a constant prediction (`L001`, `B001`), or of a linear model.

    Or: the norm was infinite at a step whose entries were all finite, which is to say above 1.8e19, where
    its square overflows float32. That is a violated contract by itself.

    ## Thresholds

    `factor` = 2 per layer, `total` = 100. A concern needs a run that was shown not to progress, and on 2,240
    healthy synthetic runs neither `L001` nor `B001` was raised (0 to 0.17 %, `benchmarks/error_rates.py`);
    the profile alone is never an alarm.

    On real Keras programs: the zoo's tables in docs/calibration.md.

    ## Known limits

    Depth is the order of the layers in the model; parallel branches are read one after the other. Fewer than
    four kernels make no profile. Gradients that grow over the steps and not over depth show as a diverging
    loss (`L002`).

    ## What to do

    Lower the learning rate, clip, and check the initialisation.

    ## References

    Pascanu et al., *On the difficulty of training recurrent neural networks*, ICML 2013. He et al., *Delving
    Deep into Rectifiers*, ICCV 2015.
    """

    code = "G003"
    title = "Exploding gradients"
    family = Family.OPTIMISATION
    needs = (("gradient_norm",),)

    factor: float = 2.0
    """Least growth per layer toward the input."""
    total: float = 100.0
    """Least growth over the whole depth."""

    def assess(self, record: Record) -> Finding:
        """Overflow of the norm first, then the profile over depth and the progress beside it."""
        return self._overflow(record) or over_depth(
            self, record, grows=True, factor=self.factor, total=self.total, remedies=_REMEDIES
        )

    def _overflow(self, record: Record) -> Finding | None:
        norm, counts = record.series.get("gradient_norm"), record.series.get("nonfinite_gradients")
        if norm is None or counts is None:
            return None
        steps = np.intersect1d(norm.steps[np.isposinf(norm.values)], counts.steps[counts.values == 0.0])
        if not len(steps):
            return None
        evidence = {
            "step": Evidence(int(steps[0]), "step"),
            "count": Evidence(len(steps), "steps"),
            "limit": Evidence(1.8e19, norm.unit, threshold=1.8e19),
        }
        return self.finding(
            Verdict.CONCERN,
            f"At {unit(record)} {{step}} the gradient norm passed {{limit}}, where float32 overflows, "
            "though every entry was finite." + (" There were {count} such steps." if len(steps) > 1 else ""),
            evidence,
            series=("gradient_norm",),
            step=int(steps[0]),
            remedies=_REMEDIES,
        )
