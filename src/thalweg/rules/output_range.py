"""O001: the last activation cannot express the targets."""

from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Safety, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.head import BINARY, CATEGORICAL, RANGES, REGRESSION, Head, head

_LINEAR = Remedy(
    "Give the last layer no activation.",
    "A linear output reaches every number.",
    code="keras.layers.Dense(units)",
)
_RESCALE = Remedy(
    "Or scale the targets into the range of the activation, by figures of the training data alone.",
    "What the network cannot reach it learns to miss.",
    Safety.MANUAL,
)
_SIGMOID = Remedy(
    "Use `sigmoid` in the last layer.",
    "It gives each output a probability of its own.",
    code='keras.layers.Dense(units, activation="sigmoid")',
)
_SOFTMAX = Remedy(
    "Use `softmax` in the last layer.",
    "It turns scores of either sign into probabilities, with a gradient everywhere.",
    code='keras.layers.Dense(units, activation="softmax")',
)


_SCORES = Remedy(
    "Leave the activation of the layer before the softmax off.",
    "The softmax turns scores of either sign into probabilities, with a gradient everywhere.",
    code="keras.layers.Dense(units)",
)


@dataclass(frozen=True)
class OutputRange(Rule):
    """The last activation cannot express the targets.

    ## What it asks

    Can the network answer, with the activation that it ends with, what the targets say?

    ## Why it matters

    No training reaches what the last activation rules out: a sigmoid never answers 22.5, and a softmax over
    one unit answers one, whatever the input. The loss may hide it: on TensorFlow, Keras computes the
    cross-entropy from the numbers before the softmax.

    ## How it is decided

    From the facts before the first step. Any of these:

    - softmax over a single unit;
    - softmax where the rows of the targets do not sum to one, in a regression or with a loss that takes each
      output for itself: the sum lies off by more than `sum` in some row;
    - a regression (squared, absolute, Huber, log-cosh, percentage or logarithmic error) whose targets leave
      the activation's range: their 1 % or 99 % quantile lies outside by more than `margin` of the distance
      between the two, so that a few outliers do not count;
    - ReLU in front of a cross-entropy, or of the softmax before it: it gives no negative score, and where it is
      zero no gradient.

    ## Thresholds

    `margin` = 0.05, `sum` = 0.1. Rates: docs/calibration.md.

    ## Known limits

    The last activation is known of models that are graphs of layers; one output only, and Keras's own losses.

    ## What to do

    A linear output for numbers, a sigmoid for two classes or several labels, a softmax for one class of many.

    ## References

    Goodfellow, Bengio & Courville, *Deep Learning*, MIT Press 2016, section 6.2.2 (output units).
    """

    code = "O001"
    title = "Last activation cannot express the targets"
    family = Family.OUTPUT
    before = True

    margin: float = 0.05
    """Share of the targets' range by which they may leave the activation's."""
    sum: float = 0.1
    """How far the sum of a row may be from one."""

    def assess(self, record: Record) -> Finding:
        """The activation against loss and targets."""
        end = head(record)
        if end is None:
            return self.unassessed(
                "Not assessed: only one output with one of Keras's own losses is judged, and this run's are not "
                "known to be that."
            )
        if end.activation is None:
            return self.unassessed("Not assessed: the activation of the last layer is not known.")
        if end.activation == "softmax" and end.units == 1:
            single = end.loss in BINARY or end.loss in CATEGORICAL
            return self.finding(
                Verdict.CONCERN,
                "The last layer was a softmax over {units} unit, which answers {answer} whatever the input.",
                {"units": Evidence(1, "units", threshold=2), "answer": Evidence(1, "target")},
                remedies=(_SIGMOID,) if single else (_LINEAR,),
            )
        cut = end.scores if end.activation == "softmax" else end.activation
        if cut in ("relu", "relu6") and end.loss in CATEGORICAL | BINARY:
            before = "the softmax" if end.activation == "softmax" else "the loss `{loss}`"
            return self.finding(
                Verdict.CONCERN,
                f"The last layer's `{{activation}}` stood before {before}: it gave no negative score, and "
                "no gradient where it was zero.",
                {"activation": Evidence(cut), "loss": Evidence(end.loss)},
                remedies=(_SCORES if end.scores else _SIGMOID if end.loss in BINARY else _SOFTMAX,),
            )
        return self._sums(end) or self._range(end)

    def _sums(self, end: Head) -> Finding | None:
        low, high = end.of_target("row_sum_minimum"), end.of_target("row_sum_maximum")
        if end.activation != "softmax" or end.loss not in REGRESSION | BINARY:
            return None
        if not (low < 1.0 - self.sum or high > 1.0 + self.sum):
            return None
        return self.finding(
            Verdict.CONCERN,
            "The outputs of the last softmax sum to {one} in every example, the targets to between {low} and "
            "{high}.",
            {"one": Evidence(1, "target"), "low": Evidence(low, "target"), "high": Evidence(high, "target")},
            remedies=(_SIGMOID,) if end.loss in BINARY else (_LINEAR, _RESCALE),
        )

    def _range(self, end: Head) -> Finding:
        lower, upper = RANGES.get(end.activation or "", (-np.inf, np.inf))
        low, high = end.of_target("low"), end.of_target("high")
        if np.isnan(low) or np.isnan(high):
            return self.unassessed("Not assessed: the range of the targets is not known.")
        evidence = {
            "activation": Evidence(end.activation or ""),
            "low": Evidence(low, "target", threshold=lower if np.isfinite(lower) else None),
            "high": Evidence(high, "target", threshold=upper if np.isfinite(upper) else None),
        }
        slack = self.margin * (high - low)
        if end.loss not in REGRESSION or (low >= lower - slack and high <= upper + slack):
            return self.finding(
                Verdict.SATISFACTORY,
                "The last activation, `{activation}`, can express the targets, which lay between {low} and "
                "{high}.",
                evidence,
            )
        bounds = "{low__threshold} and {high__threshold}"
        if not np.isfinite(upper):
            bounds = "{low__threshold} and infinity"
        return self.finding(
            Verdict.CONCERN,
            f"The last activation, `{{activation}}`, answers between {bounds}; {{most}} of the targets lay between "
            "{low} and {high}.",
            {**evidence, "most": Evidence(0.98, "fraction")},
            remedies=(_LINEAR, _RESCALE),
        )
