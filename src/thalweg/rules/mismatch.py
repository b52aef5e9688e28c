"""O006: a loss or metric that is not meant for such targets."""

from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.head import CATEGORICAL, REGRESSION, Head, head
from thalweg.rules.objective import fact

_ACCURACY = frozenset(
    {"accuracy", "acc", "binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy"}
)

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
_BINARY = Remedy(
    "For two classes use one unit with `sigmoid`, and `binary_crossentropy`.",
    "The share of one unit among one unit is always one.",
    code='loss="binary_crossentropy"',
)


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
    - accuracy as the metric of one such unit whose targets are not whole numbers.

    What trains as well as the textbook pair on today's Keras is left alone: squared error on one-hot rows,
    binary cross-entropy over exclusive classes, sigmoid outputs in a categorical cross-entropy.

    ## Thresholds

    `classes` = 3. Rates: docs/calibration.md.

    ## Known limits

    Counts and grades are whole numbers in order: where the accuracy is not asked for, their regression is
    taken as meant. One output only.

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
        whole = end.target.get("whole")
        if not isinstance(whole, bool):
            return self.unassessed("Not assessed: whether the targets are whole numbers is not known.")
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
            name in _ACCURACY for name in names if isinstance(name, str)
        ):
            return True
    return False
