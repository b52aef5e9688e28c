"""D004: constant or duplicate columns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Safety, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.initial_loss import badly_begun
from thalweg.rules.objective import progress, rows
from thalweg.rules.samples import head_is_frozen, name_of, shown, takes_any_scale, value
from thalweg.rules.shortfall import failure, learnable


@dataclass(frozen=True)
class IdleColumns(Rule):
    """Constant or duplicate columns.

    ## What it asks

    Do the inputs vary at all; and where the training suffered, is there a huge constant column, or are most
    columns copies of others?

    ## Why it matters

    Of inputs that are all the same no target can be foretold. A constant column of 10,000 is a second bias
    whose gradient is 10,000 times that of the first. A column that comes ten times has ten times the learning
    rate.

    ## How it is decided

    - Every column of every input is constant in the sample while the targets vary: a concern before the first
      step, unless adequate progress shows that the sample was not the whole.
    - A constant column of `huge` times the median column's standard deviation and of 10 or more, or a share of
      `copies` or more of the columns that vary being duplicates: a concern only beside a run that fell short
      (its loss not finite, no better than a constant prediction's or a linear model's, diverged or oscillated), or
      one that did not make up for a first loss far too high (`O007`).

    Constant columns as such are harmless (the rim of an image), and so are some duplicates.

    ## Thresholds

    `huge` = 100, `copies` = 0.5. Rates: docs/calibration.md.

    ## Known limits

    Columns are judged on the sample, up to 1,024 of them: a column that varies once in 100,000 examples
    counts as constant.

    ## What to do

    Drop them.

    ## References

    Hynes et al., *The Data Linter*, NIPS ML Systems 2017.
    """

    code = "D004"
    title = "Constant or duplicate columns"
    family = Family.DATA
    before = True

    huge: float = 100.0
    """A constant column's absolute value, over the median standard deviation of those that vary."""
    copies: float = 0.5
    """Share of the columns that vary which are equal to one before them."""

    def assess(self, record: Record) -> Finding:
        """Inputs without any variation, then columns that hurt."""
        inputs = [
            row for row in rows(record, "data", "inputs") if value(row, "minimum") <= value(row, "maximum")
        ]
        if not inputs:
            return self.unassessed("Not assessed: the record does not say how the inputs vary.")
        counted = sum(
            max(value(row, "examined_columns"), value(row, "columns"), 1.0) for row in _known(inputs)
        )
        constant = sum(max(value(row, "constant_columns"), 0.0) for row in _known(inputs))
        evidence = {
            "columns": Evidence(int(counted), "columns"),
            "constant": Evidence(int(constant), "columns"),
        }
        if all(_constant(row) for row in inputs):
            return self._all_constant(record, len(inputs))
        if (symptom := next(filter(None, map(self._symptom, inputs)), None)) is None:
            return self.finding(
                Verdict.SATISFACTORY, "Of {columns} columns {constant} were constant.", evidence
            )
        template, held, remedies = symptom
        failed = failure(record) or badly_begun(record)
        if failed is None or not learnable(record):
            if progress(record).adequate and failed is None:
                return self.finding(
                    Verdict.SATISFACTORY, f"{template}, and the training did not suffer.", held
                )
            return self.unassessed(
                f"Not assessed: {template[0].lower()}{template[1:]}; nothing shows that the training "
                "suffered.",
                held,
            )
        if takes_any_scale(record) is not None or head_is_frozen(record):
            return self.unassessed("Not assessed: the model brings inputs of any scale to one.", held)
        return self.finding(
            Verdict.CONCERN,
            f"{template}; {failed.words}.",
            {**held, **failed.evidence},
            series=failed.series,
            remedies=remedies,
        )

    def _all_constant(self, record: Record, count: int) -> Finding:
        targets = rows(record, "data", "targets")
        evidence = {"inputs": Evidence(count, "inputs")}
        if not any(value(row, "minimum") < value(row, "maximum") for row in targets):
            return self.unassessed("Not assessed: neither inputs nor targets varied in the sample.", evidence)
        if progress(record).adequate:
            return self.unassessed(
                "Not assessed: the inputs were constant in the sample, and the loss says that elsewhere "
                "they vary.",
                evidence,
            )
        return self.finding(
            Verdict.CONCERN,
            "In all inputs, {inputs} of {inputs}, every column was constant over the sample, while the "
            "targets varied.",
            evidence,
            series=shown(record, "loss", "epoch_loss"),
            remedies=(_PREPARATION,),
        )

    def _symptom(self, row: Mapping[str, Any]) -> tuple[str, dict[str, Evidence], tuple[Remedy, ...]] | None:
        median, constant = value(row, "column_spread", "median"), value(row, "constant_maximum")
        name = Evidence(name_of(row, "input"))
        if median > 0.0 and np.isfinite(constant) and constant >= max(self.huge * median, 10.0):
            held = Evidence(constant, "input", usual=median, threshold=self.huge * median)
            words = (
                "A constant column of input `{name}` held {size}, where the median standard deviation of "
                "those that vary was {size__usual}"
            )
            return words, {"name": name, "size": held}, (_DROP_CONSTANT,)
        twins, looked = value(row, "duplicate_columns"), value(row, "examined_columns")
        varying = looked - value(row, "constant_columns")
        if varying >= 4.0 and np.isfinite(varying) and twins >= self.copies * varying:
            held = Evidence(int(twins), "columns", threshold=self.copies * varying)
            words = "Of {varying} columns of input `{name}` that vary {copies} were copies of others"
            evidence = {"name": name, "copies": held, "varying": Evidence(int(varying), "columns")}
            return words, evidence, (_DROP_COPIES,)
        return None


def _known(inputs: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [row for row in inputs if np.isfinite(value(row, "columns") + value(row, "constant_columns"))]


def _constant(row: Mapping[str, Any]) -> bool:
    """Whether no column of the input varies."""
    if value(row, "minimum") == value(row, "maximum"):
        return True
    looked = value(row, "examined_columns")
    complete = looked >= value(row, "columns")
    return bool(complete and looked == value(row, "constant_columns"))


_PREPARATION = Remedy(
    "Look at the inputs as they reach the model, and at what prepares them.",
    "What is the same in every example says nothing about any.",
    Safety.MANUAL,
    code="print(x_train[:3], x_train.std(axis=0))",
)
_DROP_CONSTANT = Remedy(
    "Drop the columns that do not vary.",
    "The bias does what they do, at a scale that fits the learning rate.",
    code="varies = x_train.std(axis=0) > 0; x_train = x_train[:, varies]",
)
_DROP_COPIES = Remedy(
    "Keep one of each set of equal columns.",
    "Every copy multiplies the learning rate of what the column says.",
    code="_, kept = np.unique(x_train, axis=1, return_index=True); x_train = x_train[:, np.sort(kept)]",
)
