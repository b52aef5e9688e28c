"""M004: a single batch cannot be overfitted."""

from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Safety, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.objective import fact, number


@dataclass(frozen=True)
class Unfittable(Rule):
    """A single batch cannot be overfitted.

    ## What it asks

    Does the loss of 16 examples fall when the network is trained on nothing but them? Asked on request, by
    `thalweg check --overfit`.

    ## Why it matters

    A network that cannot learn 16 examples by heart will not learn a thousand. It takes seconds, and finds what
    hides behind hours of training: a head that cannot express the targets, a layer that passes nothing on, a
    gradient with the wrong sign, a rate that is far off.

    ## How it is decided

    The network is trained with its own optimizer on one batch of 16 examples, for up to 500 steps, and its
    loss on them is measured in inference mode. A concern where the lowest loss stays above `share` of the first.
    Where the network has fewer trainable parameters than the batch has examples it need not be able to,
    and the rule is unassessed.

    ## Thresholds

    `share` = 0.5. Rates: docs/calibration.md.

    ## Known limits

    Sixteen examples with equal inputs and different targets cannot be learned by anything. A rate that is low by
    design (fine-tuning) moves too little in 500 steps. A loss that does not have zero for its lowest value
    (a penalty left out, label smoothing, an autoencoder's cross-entropy) may fall by less than the share.

    ## What to do

    Look at the other findings first: output and loss, initial values. Then at the learning rate.

    ## References

    Braiek & Khomh, *Testing Feedforward Neural Networks Training Programs*, TOSEM 2023 (TheDeepChecker).
    """

    code = "M004"
    title = "A single batch cannot be overfitted"
    family = Family.ARCHITECTURE
    before = True

    share: float = 0.5
    """Share of the first loss that the lowest must be under."""

    def assess(self, record: Record) -> Finding:
        """The lowest loss of the batch against its first."""
        if fact(record, "overfit") is None:
            return self.unassessed(
                "Not assessed: no batch was overfitted (`thalweg check --overfit` tries it)."
            )
        first, lowest = number(record, "overfit", "first"), number(record, "overfit", "lowest")
        examples, steps = number(record, "overfit", "examples"), number(record, "overfit", "steps")
        if not np.isfinite([first, lowest, examples, steps]).all() or first <= 0.0:
            return self.unassessed("Not assessed: the loss of the batch was not a positive number.")
        if number(record, "model", "trainable_parameters") < examples:
            return self.unassessed(
                "Not assessed: the network has fewer parameters than the batch has examples, {examples}.",
                {"examples": Evidence(int(examples), "examples")},
            )
        evidence = {
            "examples": Evidence(int(examples), "examples"),
            "steps": Evidence(int(steps), "steps"),
            "loss": Evidence(lowest, "loss", usual=first, threshold=self.share * first),
        }
        if lowest < self.share * first:
            return self.finding(
                Verdict.SATISFACTORY,
                "Trained on {examples} examples alone, the loss fell from {loss__usual} to {loss} in {steps} steps.",
                evidence,
            )
        return self.finding(
            Verdict.CONCERN,
            "Trained on {examples} examples alone for {steps} steps, the loss fell from {loss__usual} to no less "
            "than {loss}.",
            evidence,
            remedies=(
                Remedy(
                    "Check that the last layer and the loss fit the targets, and that every layer reaches the loss.",
                    "What cannot be expressed cannot be learned by heart either.",
                    Safety.MANUAL,
                ),
                Remedy(
                    "Try learning rates 10 times higher and lower.",
                    "At a rate that fits, 500 steps are enough for so few examples.",
                ),
            ),
        )
