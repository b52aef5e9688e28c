"""P006: the gradient is clipped at nearly every step."""

from dataclasses import dataclass

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.objective import progress
from thalweg.rules.shortfall import learnable, shortfall
from thalweg.rules.steps import CLIPPED, clipping, plain, steps


@dataclass(frozen=True)
class AlwaysClipped(Rule):
    """Gradient clipped at nearly every step.

    ## What it asks

    Did the clip, which is there for the rare large gradient, cut nearly every one, by a large factor, in a
    run that got nowhere?

    ## Why it matters

    The learning rate that was set is then not the one that acts: the step is the rate times the limit,
    whatever the gradient. A clip a thousand times too low is a rate a thousand times too low.

    ## How it is decided

    The gradient before clipping against the optimizer's limit: the whole norm for `global_clipnorm`, each
    tensor's for `clipnorm`, each tensor's root mean square for `clipvalue`. All of these:

    - the clip acted on `share` of the measured gradients or more, and the typical one was `factor` times the
      limit;
    - the optimizer is SGD: adaptive ones divide by the gradient's own size, and a constant factor cancels;
    - the run ended short of a linear model or of a constant prediction, and its updates were small.

    ## Thresholds

    `share` = 0.9, `factor` = 10. Neither is an alarm in a run that got somewhere. Rates: docs/calibration.md.

    ## Known limits

    Entries under the root mean square may pass a `clipvalue` that cuts the others; the share is about
    tensors. Clips of an adaptive optimizer are not assessed.

    ## What to do

    Set the limit a few times above the typical norm, so that it acts on the exceptions.

    ## References

    Pascanu et al., *On the difficulty of training recurrent neural networks*, ICML 2013 (clip near the
    typical norm). Zhang et al., *Why gradient clipping accelerates training*, ICLR 2020.
    """

    code = "P006"
    title = "Gradient clipped at nearly every step"
    family = Family.OPTIMISATION
    needs = (("gradient_norm",),)

    share: float = 0.9
    """Least share of the gradients that the clip acted on."""
    factor: float = CLIPPED
    """Least ratio of the typical gradient to the limit."""

    def assess(self, record: Record) -> Finding:
        """The clip against what it cut, then what came of it."""
        clip = clipping(record)
        if clip is None:
            return self.unassessed(
                "Not assessed: the optimizer was not known to clip, or nothing was measured against it."
            )
        evidence = {
            "share": Evidence(clip.share, "fraction", threshold=self.share),
            "norm": Evidence(
                clip.usual, "loss/parameter", usual=clip.limit, threshold=self.factor * clip.limit
            ),
        }
        did = (
            f"`{clip.name}` acted on {{share}} of the gradients, whose typical size was {{norm}} against "
            "a limit of {norm__usual}"
        )
        if not (clip.share >= self.share and clip.factor > self.factor):
            return self.finding(Verdict.SATISFACTORY, f"{did}.", evidence, series=clip.series)
        if plain(record) is not True:
            return self.unassessed(
                f"Not assessed: {did}; an adaptive optimizer divides by the gradient's size again.", evidence
            )
        short = shortfall(record)
        if short is None:
            if progress(record).adequate is None:
                return self.unassessed(
                    f"Not assessed: {did}, but whether the loss fell could not be told.", evidence
                )
            return self.finding(
                Verdict.SATISFACTORY,
                f"{did}, and the run got somewhere all the same.",
                evidence,
                series=clip.series,
            )
        if not learnable(record) or steps(record).largest > 0.1:
            return self.unassessed(
                f"Not assessed: {did}, but the updates were large or the targets could not be foretold.",
                evidence,
            )
        return self.finding(
            Verdict.CONCERN,
            f"{did}; {short.words}.",
            {**evidence, **short.evidence},
            series=(*clip.series, *short.series),
            remedies=(
                Remedy(
                    f"Raise `{clip.name}` above the typical gradient.",
                    "A clip is for the exceptions; below the typical norm it is a smaller learning rate.",
                    code=f"{clip.name}={3.0 * clip.usual:.1g}",
                ),
                Remedy(
                    f"Leave `{clip.name}` out, if the loss does not jump without it.",
                    "What the learning rate says is then what the step does.",
                ),
            ),
        )
