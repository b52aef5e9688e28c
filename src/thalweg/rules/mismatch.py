"""O006: a loss or metric that is not meant for such targets."""

from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.head import ACCURACIES, CATEGORICAL, REGRESSION, Head, head
from thalweg.rules.objective import fact
from thalweg.rules.samples import value

_ERROR = Remedy(
    "Measure the error instead of the accuracy.",
    "Of numbers hardly any is met exactly, however good the fit.",
    code='metrics=["mae"]',
)
_CLASSES = Remedy(
    "Answer with one probability a class, and a cross-entropy.",
    "Class numbers have no order and no distance; class 2 is no mean of 1 and 3.",
    code='loss="sparse_categorical_crossentropy"',
)
_DISTANCE = Remedy(
    "Use a squared or an absolute error.",
    "A distance counts alike on both sides of zero.",
    code='loss="mean_squared_error"',
)
_POSITIVE = Remedy(
    "End with an activation that is above zero.",
    "The loss takes the logarithm of the outputs.",
    code='keras.layers.Dense(units, activation="exponential")',
)
_BINARY = Remedy(
    "For two classes use one unit with `sigmoid`, and `binary_crossentropy`.",
    "The share of one unit among one unit is always one.",
    code='loss="binary_crossentropy"',
)
_ABSOLUTE = Remedy(
    "Use the mean absolute error, and scale the targets by figures of the training data alone.",
    "It counts an error alike whatever the size of the target.",
    code='loss="mean_absolute_error"',
)
_LOGARITHMIC = frozenset({"mean_squared_logarithmic_error", "poisson"})
"""Losses of quantities and counts: they know nothing under zero."""


@dataclass(frozen=True)
class Mismatch(Rule):
    """A loss or metric that is not meant for such targets.

    ## What it asks

    Is the loss, and is the accuracy, one of these targets?

    ## Why it matters

    A categorical cross-entropy over one unit is zero for any answer. A squared error of class numbers takes
    class 9 for three times class 3. And the accuracy of a regression counts exact hits: it stays near 0 in a
    good fit, and says nothing.

    ## How it is decided

    From the facts before the first step. Any of these:

    - a categorical cross-entropy (not the sparse one) over a single unit;
    - one unit and a loss of distance (squared, absolute, Huber, ...) on at least `classes` classes numbered
      from 0 or 1, all of them whole, of which the program asks the accuracy: it means classes;
    - a unit for each class, and a loss of distance that holds all of them against the number of the class;
    - accuracy as the metric of one such unit whose targets are not whole numbers;
    - a logarithmic or Poisson loss of targets under zero, to which they are all one or a gain without end; or a
      percentage error of targets on both sides of zero, where the smallest count for all: 1 % of the targets or
      more lie there by over `margin` of the distance between the 1 % and the 99 % quantile;
    - a percentage error of targets next to zero: those under a thousandth of the median size would be `most` of the
      loss or more if the error were the same everywhere. Keras divides by 1e-7 at least: one zero is the whole;
    - a Poisson loss of outputs under zero at the first weights: they have no logarithm.

    What trains as well as the textbook pair on today's Keras is left alone: squared error on one-hot rows,
    binary cross-entropy over exclusive classes, sigmoid outputs in a categorical cross-entropy.

    ## Thresholds

    `classes` = 3, `margin` = 0.05, `most` = 0.5. Rates: docs/calibration.md.

    ## Known limits

    Counts and grades are whole numbers in order: where the accuracy is not asked for, their regression is
    taken as meant. One output only. Negative targets of weighted examples are left alone, and those next to zero:
    their weight may be 0.

    ## What to do

    Choose last layer, loss and metric together, by what the targets are.

    ## References

    Bishop, *Pattern Recognition and Machine Learning*, Springer 2006, sections 4.1.3 and 4.3.
    """

    code = "O006"
    title = "Loss or metric not meant for such targets"
    family = Family.OUTPUT
    before = True

    classes: int = 3
    """Fewest classes whose numbers are no regression."""
    margin: float = 0.05
    """Share of the targets' range by which they may be on the wrong side of zero."""
    most: float = 0.5
    """Share of a percentage error that targets next to zero have."""

    def assess(self, record: Record) -> Finding:
        """The loss and the metrics against the targets."""
        end = head(record)
        if end is None:
            return self.unassessed("Not assessed: the loss is not known to be a single one of Keras's.")
        evidence = {"loss": Evidence(end.loss)}
        if end.units == 1 and end.loss in CATEGORICAL - {"sparse_categorical_crossentropy"}:
            return self.finding(
                Verdict.CONCERN,
                "The loss `{loss}` over {units} unit is zero, whatever the network answers.",
                {**evidence, "units": Evidence(1, "units", threshold=2)},
                remedies=(_BINARY, _CLASSES),
            )
        if (wrong := self._sign(record, end)) is not None:
            return wrong
        whole = end.target.get("whole")
        if not isinstance(whole, bool):
            return self.unassessed("Not assessed: whether the targets are whole numbers is not known.")
        if end.loss in REGRESSION and end.units is not None and end.units > 1:
            numbered, shape = self._numbered(end), end.target.get("shape")
            if numbered is not None and shape in ([], [1]) and end.units >= float(str(numbered.value)):
                return self.finding(
                    Verdict.CONCERN,
                    "The loss `{loss}` held each of {units} units against the number of the class, one of {classes}.",
                    {**evidence, "classes": numbered, "units": Evidence(end.units, "units")},
                    remedies=(_CLASSES,),
                )
        if end.loss in REGRESSION and end.units == 1 and _accuracy(record):
            if (numbered := self._numbered(end)) is not None:
                return self.finding(
                    Verdict.CONCERN,
                    "The loss `{loss}` took the numbers of {classes} classes for quantities; the accuracy was asked "
                    "for, and {units} unit gave it.",
                    {**evidence, "classes": numbered, "units": Evidence(1, "units")},
                    remedies=(_CLASSES,),
                )
            if whole is False:
                return self.finding(
                    Verdict.CONCERN,
                    "The accuracy was asked of a regression: its targets, from {low} to {high}, were not whole.",
                    {
                        "low": Evidence(end.of_target("minimum"), "target"),
                        "high": Evidence(end.of_target("maximum"), "target"),
                    },
                    remedies=(_ERROR,),
                )
        return self.finding(Verdict.SATISFACTORY, "The loss `{loss}` is one of such targets.", evidence)

    def _sign(self, record: Record, end: Head) -> Finding | None:
        """Targets or outputs on the side of zero on which the loss has no meaning."""
        low, high = end.of_target("low"), end.of_target("high")
        if fact(record, "data", "weighted") is True:
            low = np.nan  # a weight of 0 masks what is no target
        slack = self.margin * (high - low)
        relative = end.loss == "mean_absolute_percentage_error"
        evidence = {
            "loss": Evidence(end.loss),
            "low": Evidence(low, "target", threshold=0),
            "high": Evidence(high, "target"),
        }
        if (end.loss in _LOGARITHMIC and low < -slack) or (relative and low < -slack and high > slack):
            says = "divides by the targets" if relative else "takes targets from {low__threshold} up"
            return self.finding(
                Verdict.CONCERN,
                f"The loss `{{loss}}` {says}; {{most}} of them lay between {{low}} and {{high}}.",
                {**evidence, "most": Evidence(0.98, "fraction")},
                remedies=(_DISTANCE,),
            )
        if relative and (near := self._near_zero(record, end)) is not None:
            return near
        lowest = end.measured("output_minimum")
        if end.loss == "poisson" and lowest < 0.0:
            return self.finding(
                Verdict.CONCERN,
                "The loss `{loss}` takes the logarithm of the outputs; at the first weights they went down to "
                "{lowest}.",
                {"loss": Evidence(end.loss), "lowest": Evidence(lowest, "target", threshold=0)},
                remedies=(_POSITIVE,),
            )
        return None

    def _near_zero(self, record: Record, end: Head) -> Finding | None:
        """Targets that a percentage error consists of, because it divides by them."""
        looked, count, zeros, share = (
            value(end.target, "small", key) for key in ("looked", "count", "zeros", "share")
        )
        if not (share >= self.most and np.isfinite(looked + count + zeros)):
            return None
        if fact(record, "data", "weighted") is True:
            return None
        return self.finding(
            Verdict.CONCERN,
            "The loss `{loss}` divides by the targets: {count} of {looked} were under {small} of the median size, "
            "{zeros} of them zero. At the same error everywhere these were {share} of the loss.",
            {
                "loss": Evidence(end.loss),
                "count": Evidence(int(count), "targets"),
                "looked": Evidence(int(looked), "targets"),
                "small": Evidence(0.001, "fraction"),
                "zeros": Evidence(int(zeros), "targets"),
                "share": Evidence(share, "fraction", threshold=self.most),
            },
            remedies=(_ABSOLUTE,),
        )

    def _numbered(self, end: Head) -> Evidence | None:
        """How many classes the targets number, where they do."""
        low, high, classes = (end.of_target(key) for key in ("minimum", "maximum", "classes"))
        if np.isnan(classes):  # whole numbers in floating point are not counted
            classes = high - low + 1.0
        if end.target.get("whole") is not True or low not in (0.0, 1.0) or classes > 100:
            return None
        if classes < self.classes or high - low + 1.0 != classes:
            return None
        return Evidence(int(classes), "classes", threshold=self.classes)


def _accuracy(record: Record) -> bool:
    for key in ("metrics_expected", "metrics"):
        names = fact(record, key)
        if isinstance(names, list | tuple) and any(
            name in ACCURACIES for name in names if isinstance(name, str)
        ):
            return True
    return False
