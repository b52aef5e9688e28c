"""O004: the reported loss is not that of the predictions."""

from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.head import class_counts, last
from thalweg.rules.objective import number


@dataclass(frozen=True)
class ReportedLoss(Rule):
    """The reported loss is not that of the predictions.

    ## What it asks

    Is the loss that fell the loss of what the network answers?

    ## Why it matters

    On TensorFlow, Keras computes a cross-entropy from the numbers before the last softmax or sigmoid, where it
    finds them. That is exact where the two belong together. Where they do not, the numbers are fitted and the
    answers are not: with a softmax over one unit the loss falls to 0.005 while every answer is one.

    ## How it is decided

    On the probe batch, at the last look: the compiled loss of the outputs as Keras sees them, against that of
    the same outputs as bare numbers. A concern needs all of these:

    - the two differ by more than `gap` of the larger;
    - the reported one is under `share` of a constant prediction's, so that it says something was learned;
    - that of the answers is not below the constant prediction's, so that nothing was;
    - the mean recall of the classes, where it was measured, is within `chance` of that of blind guessing.

    ## Thresholds

    `gap` = 0.01, `share` = 0.9, `chance` = 0.1. Rates: docs/calibration.md.

    ## Known limits

    A difference that leaves the answers good (logits announced and probabilities given, on TensorFlow) is
    told and no concern. Losses whose constant prediction is not known are not judged.

    ## What to do

    Fit last layer and loss to each other.

    ## References

    Keras source, `backend/tensorflow/nn.py`, `_get_logits`.
    """

    code = "O004"
    title = "Reported loss is not that of the predictions"
    family = Family.OUTPUT
    needs = (("recomputed_loss",), ("probe_loss",))

    gap: float = 0.01
    """Relative difference of two losses that are not the same."""
    share: float = 0.9
    """Share of the constant prediction's loss under which something was learned."""
    chance: float = 0.1
    """How far above blind guessing the mean recall may be."""

    def assess(self, record: Record) -> Finding:
        """The two losses at the last look at the probe batch."""
        reported, recomputed = last(record, "probe_loss"), last(record, "recomputed_loss")
        if np.isnan(reported) or np.isnan(recomputed):
            return self.unassessed("Not assessed: the last losses on the probe batch were not finite.")
        constant = number(record, "constant_prediction_loss")
        evidence = {
            "reported": Evidence(reported, "loss", usual=recomputed),
            "recomputed": Evidence(recomputed, "loss"),
        }
        if not abs(reported - recomputed) > self.gap * max(abs(reported), abs(recomputed)):
            return self.finding(
                Verdict.SATISFACTORY,
                "The loss of the predictions alone was {recomputed} on the probe batch, the reported one {reported}.",
                evidence,
                series=("probe_loss", "recomputed_loss"),
            )
        if np.isnan(constant):
            return self.unassessed(
                "Not assessed: the reported loss was {reported} and that of the predictions {recomputed}, but the "
                "loss of a constant prediction is not known for this run.",
                evidence,
            )
        evidence["recomputed"] = Evidence(recomputed, "loss", usual=constant, threshold=constant)
        recall, guessing = last(record, "balanced_accuracy"), _guessing(record)
        blind = np.isnan(recall) or np.isnan(guessing) or recall <= guessing + self.chance
        if not (reported < self.share * constant and recomputed >= constant and blind):
            return self.finding(
                Verdict.SATISFACTORY,
                "The reported loss was {reported} and that of the predictions {recomputed} on the probe batch; the "
                "predictions were not made worthless by it.",
                evidence,
                series=("probe_loss", "recomputed_loss"),
            )
        template = (
            "The reported loss fell to {reported}, but the predictions themselves had a loss of {recomputed}, no "
            "better than the {recomputed__usual} of a constant one."
        )
        if np.isfinite(recall):
            evidence["recall"] = Evidence(recall, "fraction")
            template += " Their mean recall over the classes was {recall}."
        return self.finding(
            Verdict.CONCERN,
            template,
            evidence,
            series=("probe_loss", "recomputed_loss"),
            step=int(record.series["recomputed_loss"].steps[-1]),
            remedies=(
                Remedy(
                    "Fit the last layer to the loss: `sigmoid` to `binary_crossentropy`, `softmax` over one unit a "
                    "class to the categorical ones.",
                    "The loss was computed from the numbers before the last activation, as if it were that one.",
                ),
                Remedy(
                    "Or give the last layer no activation, and the loss `from_logits=True`.",
                    "Loss and predictions then speak of the same numbers.",
                ),
            ),
        )


def _guessing(record: Record) -> float:
    """The mean recall of answering blindly; NaN where the classes are not known."""
    counts = class_counts(record)
    return np.nan if counts is None else 1.0 / max(int(np.count_nonzero(counts)), 1)
