"""D003: targets of a scale that hurts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.objective import fact, progress, rows
from thalweg.rules.samples import last, name_of, value
from thalweg.rules.shortfall import Shortfall, failure, learnable


@dataclass(frozen=True)
class TargetScale(Rule):
    """Targets of a scale that hurts.

    ## What it asks

    In a regression, are the targets far from numbers around one, and did the outputs fail to reach them?

    ## Why it matters

    A new network answers numbers around zero. Targets of 200,000 make the first gradients 200,000 times too
    large for the learning rate, or, under an optimizer that takes steps of one size (Adam), millions of steps away;
    targets of 0.001 drown in the noise of its first answers.

    ## How it is decided

    A symptom: the root mean square of the targets is `large` or more, or all of them are under `small`. And
    beside it one of:

    - the run fell short: its loss was not finite at the end, no better than a constant prediction's, the
      network explained less of the variance on the probe batch than a linear model, or the loss diverged or
      oscillated;
    - the outputs ended with a mean farther from that of the targets than their standard deviation, and than a
      quarter of that mean.

    Losses of class probabilities and targets that cannot be foretold (`D008`) are not judged.

    ## Thresholds

    `large` = 10, `small` = 0.02. Rates: docs/calibration.md.

    ## Known limits

    A model that scales its outputs itself is judged by where they ended, as any other.

    ## What to do

    Standardise the targets, and scale the predictions back.

    ## References

    LeCun, Bottou, Orr & Mueller, *Efficient BackProp*, 1998, section 4.5.
    """

    code = "D003"
    title = "Targets of a scale that hurts"
    family = Family.DATA
    before = True

    large: float = 10.0
    """Root mean square."""
    small: float = 0.02
    """Largest absolute value."""

    def assess(self, record: Record) -> Finding:
        """The targets' scale, and where the outputs ended."""
        targets = [row for row in rows(record, "data", "targets") if np.isfinite(value(row, "spread"))]
        if not targets:
            return self.unassessed("Not assessed: the record does not say how the targets are scaled.")
        loss = fact(record, "loss")
        if any(row.get("kind") != "continuous" for row in targets) or "crossentropy" in str(loss):
            return self.unassessed("Not assessed: the targets are classes.")
        row = next((row for row in targets if self._wild(row)), None)
        shown = targets[0] if row is None else row
        evidence = {
            "name": Evidence(name_of(shown, "target")),
            "mean": Evidence(value(shown, "mean"), "target", usual=0.0),
            "spread": Evidence(value(shown, "spread"), "target", usual=1.0, threshold=self.large),
        }
        template = "Target `{name}` had mean {mean} and standard deviation {spread}"
        if row is None:
            return self.finding(Verdict.SATISFACTORY, f"{template}.", evidence)
        if (missed := _missed(record, row, single=len(targets) == 1)) is None or not learnable(record):
            if progress(record).adequate and missed is None:
                return self.finding(
                    Verdict.SATISFACTORY, f"{template}, and the outputs reached them.", evidence
                )
            return self.unassessed(
                "Not assessed: target `{name}` had mean {mean} and standard deviation {spread}; nothing "
                "shows that the training suffered.",
                evidence,
            )
        return self.finding(
            Verdict.CONCERN,
            f"{template}, where {{mean__usual}} and {{spread__usual}} are usual; {missed.words}.",
            {**evidence, **missed.evidence},
            series=missed.series,
            remedies=_REMEDIES,
        )

    def _wild(self, row: Mapping[str, Any]) -> bool:
        size = float(np.hypot(value(row, "mean"), value(row, "spread")))
        largest = max(abs(value(row, "minimum")), abs(value(row, "maximum")))
        return size >= self.large or 0.0 < largest <= self.small


def _missed(record: Record, row: Mapping[str, Any], *, single: bool) -> Shortfall | None:
    """How the outputs missed the targets."""
    mean, spread, reached = value(row, "mean"), value(row, "spread"), last(record, "output_mean")
    gap = abs(reached - mean)
    ended = single and np.isfinite(reached) and record.series["output_mean"].steps[-1] > 0
    if ended and gap > max(spread, 0.25 * abs(mean)):
        found = Evidence(reached, "target", usual=mean)
        return Shortfall("the outputs ended with a mean of {reached}", {"reached": found}, ("output_mean",))
    return failure(record)


_REMEDIES = (
    Remedy(
        "Standardise the targets by the mean and standard deviation of the training targets, and scale the "
        "predictions back.",
        "A new network answers numbers around zero, a learning rate is made for errors around one.",
        code="mean, spread = y_train.mean(axis=0), y_train.std(axis=0); y_train = (y_train - mean) / spread",
    ),
    Remedy(
        "Or let the model do it: end it with a layer that multiplies by the spread and adds the mean.",
        "What the model then answers has the targets' own unit.",
        code="keras.layers.Rescaling(scale=y_train.std(), offset=y_train.mean())",
    ),
)
