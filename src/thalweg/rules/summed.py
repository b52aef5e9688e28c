"""O008: the loss is a sum over the batch, not a mean."""

from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.objective import number, objective, rows
from thalweg.rules.shortfall import failure

_MEAN = Remedy("Take the mean over the batch.", "The step then no longer grows with the batch.")
_RATE = Remedy(
    "Or divide the learning rate by the batch size.",
    "The sum of n losses has n times the gradient of their mean.",
)


@dataclass(frozen=True)
class SummedLoss(Rule):
    """The loss is a sum over the batch, not a mean.

    ## What it asks

    Does the loss double when the batch is given twice, in a run that went wrong?

    ## Why it matters

    The gradient of a sum grows with the batch: at 256 examples the usual learning rate is 256 times too high
    for plain gradient descent, and a penalty on the weights counts for 256 times less.

    ## How it is decided

    At the first weights the loss of a batch given twice is divided by that of the batch. A concern needs both
    of these:

    - the ratio is within `width` of two;
    - the run failed: it fell short of a finite loss or a linear model or did not fall (L001), it
      diverged (L002) or it oscillated (L003).

    ## Thresholds

    `width` = 0.02. Rates: docs/calibration.md. A sum with a rate to match trains well: the ratio alone is
    never an alarm.

    ## Known limits

    An optimizer that divides by the size of the gradient, such as Adam, hardly feels it.

    ## What to do

    Take the mean.

    ## References

    Keras documentation, *Losses*, argument `reduction`. Goyal et al., *Accurate, Large Minibatch SGD*, 2017.
    """

    code = "O008"
    title = "Loss is a sum over the batch"
    family = Family.OUTPUT
    before = True

    width: float = 0.02
    """How far from two the ratio of a sum may be."""

    def assess(self, record: Record) -> Finding:
        """The ratio, and the progress beside it."""
        ratio = number(record, "contract", "double_ratio")
        if np.isnan(ratio):
            return self.unassessed("Not assessed: the loss of a batch given twice was not measured.")
        evidence = {"ratio": Evidence(ratio, "1", usual=1.0, threshold=2.0 - self.width)}
        if abs(ratio - 2.0) > self.width:
            return self.finding(
                Verdict.SATISFACTORY,
                "A batch given twice had {ratio} times the loss of the batch; a sum over it would have two times.",
                evidence,
            )
        if objective(record) is None:
            return self.unassessed(
                "Not assessed: the loss was a sum over the batch, {ratio} times as large for a batch given twice; "
                "whether that does harm, the run has to tell.",
                evidence,
            )
        # What is known of a constant prediction is the mean of its losses, not their sum.
        info = {key: value for key, value in record.info.items() if key != "constant_prediction_loss"}
        harm = failure(Record(info, record.series, record.events))
        if harm is None:
            return self.finding(
                Verdict.SATISFACTORY,
                "The loss was a sum over the batch, {ratio} times as large for a batch given twice; nothing shows "
                "that it did harm.",
                evidence,
            )
        size = number(record, "fit", "batch_size")
        template = "The loss was a sum over the batch: given twice, a batch had {ratio} times the loss."
        if np.isfinite(size):
            evidence["size"] = Evidence(int(size), "examples", usual=1)
            template += " At {size} examples the gradient was {size} times that of a mean."
        start = harm.words[:1].upper() + harm.words[1:]
        return self.finding(
            Verdict.CONCERN,
            f"{template} {start}.",
            {**evidence, **harm.evidence},
            series=harm.series,
            remedies=(Remedy(_MEAN.action, _MEAN.reason, code=_code(record)), _RATE),
        )


def _code(record: Record) -> str:
    """The line where the sum is asked of Keras's own loss; else empty."""
    losses = rows(record, "losses")
    if len(losses) != 1 or losses[0].get("own") is not False or losses[0].get("reduction") != "sum":
        return ""
    return f"loss=keras.losses.{losses[0].get('class')}()"
