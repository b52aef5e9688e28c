"""O002: labels that do not fit the loss."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Safety, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.head import BINARY, Head, head
from thalweg.rules.objective import fact

_Found = tuple[str, dict[str, Evidence], tuple[Remedy, ...]]

_SPARSE = frozenset({"sparse_categorical_crossentropy"})
_SHARES = frozenset({"categorical_crossentropy", "categorical_focal_crossentropy", "kl_divergence"})

_WHOLE = Remedy(
    "Leave the labels as they are: whole numbers from 0, and scale the inputs alone.",
    "The loss cuts a fraction off, and most classes become class 0.",
    Safety.MANUAL,
)
_FROM_ZERO = Remedy(
    "Number the classes from 0, one unit a class.",
    "Label k asks for the k-th unit, counted from 0.",
    code="y = np.unique(y, return_inverse=True)[1]",
)
_UNITS = Remedy(
    "Or give the last layer a unit for every class.",
    "There is no unit for the largest label.",
    code="keras.layers.Dense(int(y.max()) + 1)",
)
_ZERO_ONE = Remedy(
    "Code the two classes as 0 and 1.",
    "With other numbers the loss has no lower bound, and falls for ever.",
    code="y = (y == y.max()).astype('float32')",
)
_MANY = Remedy(
    "For more than two classes use one unit a class with `softmax`, and `sparse_categorical_crossentropy`.",
    "One probability cannot name one of many.",
    code="loss='sparse_categorical_crossentropy'",
)
_SCALE = Remedy(
    "For numbers that are not probabilities use a loss of distance.",
    "A cross-entropy compares probabilities.",
    code="loss='mean_squared_error'",
)
_ONE_HOT = Remedy(
    "Make each row of the targets sum to 1.",
    "The loss takes a row for the probabilities of classes that exclude each other.",
    Safety.MANUAL,
)
_LABELS = Remedy(
    "Where several labels hold at once use `sigmoid` and `binary_crossentropy`.",
    "Each label then has a probability of its own.",
    code="keras.layers.Dense(labels, activation='sigmoid'); model.compile(loss='binary_crossentropy')",
)


@dataclass(frozen=True)
class Labels(Rule):
    """Labels that do not fit the loss.

    ## What it asks

    Are the targets what the loss takes them for: class numbers, probabilities, rows of probabilities?

    ## Why it matters

    A loss checks the shape of its targets, hardly ever their values. Labels divided by 255 with the pixels
    become class 0 one and all, and the loss falls to zero at the accuracy of chance; labels of -1 or 2 in a binary
    cross-entropy make a loss without a lower bound; a class number without a unit is an error on one device
    and NaN on another.

    ## How it is decided

    From the facts before the first step, over the sampled targets. Any of these is wrong whatever the
    training does:

    - sparse categorical cross-entropy: a label that is not whole, is negative, or has no unit (the number that
      the loss was told to ignore excepted);
    - binary cross-entropy: a target outside [0, 1] by more than `tolerance`;
    - categorical cross-entropy and Kullback-Leibler divergence: a negative target, a row whose sum is above
      1, or no row that reaches 1, by more than `sum`. A row of zeros is left alone: it masks an example.

    ## Thresholds

    `tolerance` = 0.001, `sum` = 0.01. Rates: docs/calibration.md.

    ## Known limits

    Judged by a sample where the data come as a pipeline. Labels counted from 1 with one unit to spare waste
    that unit and are not named. Negative labels of weighted examples are left alone: their weight may be 0.

    ## What to do

    Code the labels as the loss reads them, or change last layer and loss together.

    ## References

    Zhang et al., *AUTOTRAINER*, ICSE 2021; Schoop et al., *UMLAUT*, CHI 2021 (label checks).
    """

    code = "O002"
    title = "Labels do not fit the loss"
    family = Family.OUTPUT
    before = True

    tolerance: float = 0.001
    """How far a probability may leave [0, 1]."""
    sum: float = 0.01
    """How far a row's sum may be from one."""

    def assess(self, record: Record) -> Finding:
        """The values of the targets against the loss."""
        end = head(record)
        if end is None or not end.target:
            return self.unassessed(
                "Not assessed: the loss is not known to be a single one of Keras's, or the targets are not known."
            )
        if end.loss not in _SPARSE | _SHARES | BINARY:
            return self.unassessed(
                "Not assessed: the loss `{loss}` takes targets of any value.", {"loss": Evidence(end.loss)}
            )
        low, high = end.of_target("minimum"), end.of_target("maximum")
        if np.isnan(low) or np.isnan(high):
            return self.unassessed("Not assessed: the range of the targets is not known.")
        weighted = fact(record, "data", "weighted") is True
        for template, evidence, remedies in self._wrong(end, low, high, weighted):
            named = {"loss": Evidence(end.loss), **evidence}
            return self.finding(Verdict.CONCERN, template, named, remedies=remedies)
        return self.finding(
            Verdict.SATISFACTORY,
            "The targets, between {low} and {high}, were what `{loss}` takes.",
            {"loss": Evidence(end.loss), "low": Evidence(low, "target"), "high": Evidence(high, "target")},
        )

    def _wrong(self, end: Head, low: float, high: float, weighted: bool) -> Iterator[_Found]:
        lowest, highest = Evidence(low, "target", threshold=0), Evidence(high, "target")
        both = {"low": lowest, "high": highest}
        if end.loss in _SPARSE:
            ignored = end.facts.get("ignore_class")
            if end.target.get("whole") is False:
                yield (
                    "The loss `{loss}` takes whole class numbers; the targets, between {low} and {high}, were not "
                    "whole.",
                    both,
                    (_WHOLE, _SCALE),
                )
            if low < 0.0 and low != ignored and not weighted:
                yield (
                    "The loss `{loss}` takes class numbers from 0; the lowest target was {low}.",
                    both,
                    (_FROM_ZERO,),
                )
            if end.units is not None and high >= end.units and high != ignored:
                evidence = {
                    **both,
                    "high": Evidence(high, "target", threshold=end.units - 1),
                    "units": Evidence(end.units, "units"),
                    "zero": Evidence(0, "target"),
                }
                template = (
                    "The output had {units} units; the highest class number, counted from {zero}, was {high}."
                )
                if low == 1.0 and high == end.units:
                    template = (
                        "The class numbers went from {low} to {high}, for {units} units counted from {zero}."
                    )
                yield template, evidence, (_FROM_ZERO, _UNITS)
        elif end.loss in BINARY and (low < -self.tolerance or high > 1.0 + self.tolerance):
            two = end.target.get("classes") == 2 or {low, high} == {-1.0, 1.0}
            whole = end.target.get("whole") is True
            yield (
                "The loss `{loss}` takes targets from {low__threshold} to {high__threshold}; they lay between "
                "{low} and {high}.",
                {"low": lowest, "high": Evidence(high, "target", threshold=1)},
                (_ZERO_ONE,) if two else (_MANY, _ZERO_ONE) if whole else (_SCALE, _ZERO_ONE),
            )
        elif end.loss in _SHARES:
            if low < -self.tolerance:
                yield (
                    "The loss `{loss}` takes probabilities; the lowest target was {low}.",
                    both,
                    (_ONE_HOT, _SCALE),
                )
            least, most = end.of_target("row_sum_minimum"), end.of_target("row_sum_maximum")
            if most > 1.0 + self.sum or most < 1.0 - self.sum:
                yield (
                    "The loss `{loss}` takes rows that sum to {most__threshold}; those of the targets summed to "
                    "between {least} and {most}.",
                    {"least": Evidence(least, "target"), "most": Evidence(most, "target", threshold=1)},
                    (_LABELS, _ONE_HOT) if most > 1.0 else (_ONE_HOT,),
                )
