"""D012: a number that stands for a missing target."""

from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Safety, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.objective import number, rows
from thalweg.rules.samples import name_of, value
from thalweg.rules.shortfall import left_over, shortfall


@dataclass(frozen=True)
class MissingCode(Rule):
    """A number that stands for a missing target.

    ## What it asks

    In a regression, do several targets have one and the same value far from all the others, as where -9999 stands
    for *not measured*?

    ## Why it matters

    To the loss it is a target like any other. A squared error of thousands in two rows of a hundred drowns all the
    others, and the network learns which rows were not measured, or nothing.

    ## How it is decided

    All of these, of targets of one column in the bounded sample:

    - the least or the largest value stands in `repeats` of them or more, at least `gap` times the range of all the
      others away from them;
    - `share` of the variance or more lies between it and the others;
    - the run fell short: of a constant prediction, of a linear model or a kernel method, or the outputs explained
      less than `told` of the variance on the probe batch.

    ## Thresholds

    `repeats` = 3, `gap` = 1, `share` = 0.5, `told` = 0.5. A value that many rows share at the end of a range (counts,
    amounts that are often nothing, cut off readings) lies next to the others. Rates: docs/calibration.md.

    ## Known limits

    A state of its own, such as a machine that is off, looks the same where the network does not learn to tell it.
    Inputs are not asked, nor targets of several columns.

    ## What to do

    Drop these examples, or give them no weight.

    ## References

    Little & Rubin, *Statistical Analysis with Missing Data*, chapter 3 (complete cases).
    """

    code = "D012"
    title = "A number that stands for a missing target"
    family = Family.DATA

    repeats: float = 3.0
    """Fewest examples with the value."""
    gap: float = 1.0
    """Least distance to the others, in units of their range."""
    share: float = 0.5
    """Least part of the variance between the value and the others."""
    told: float = 0.5
    """Explained variance below which the network did not learn to tell them."""

    def assess(self, record: Record) -> Finding:
        """The first target with such a value, and where the run ended."""
        numbers = [row for row in rows(record, "data", "targets") if row.get("kind") == "continuous"]
        if not numbers:
            return self.unassessed("Not assessed: no targets of a regression are known.")
        row = next(
            (
                row
                for row in numbers
                if value(row, "lone", "count") >= self.repeats
                and value(row, "lone", "gap") >= self.gap
                and value(row, "lone", "share") >= self.share
            ),
            None,
        )
        if row is None:
            return self.finding(
                Verdict.SATISFACTORY,
                "No value of the targets stood apart from all the others, again and again.",
            )
        code = value(row, "lone", "value")
        evidence = {
            "name": Evidence(name_of(row, "target")),
            "value": Evidence(f"{code:g}"),  # the number itself, as it is to be searched for
            "count": Evidence(int(value(row, "lone", "count")), "examples", threshold=self.repeats),
            "examples": Evidence(int(np.nan_to_num(number(record, "data", "examples"))), "examples"),
            "gap": Evidence(value(row, "lone", "gap"), "", threshold=self.gap),
            "share": Evidence(value(row, "lone", "share"), "fraction", threshold=self.share),
        }
        words = (
            "Of {examples} targets `{name}` {count} were {value}, {gap} times the range of all the others away from "
            "them, and {share} of the variance came of it"
        )
        harm = shortfall(record, kernel=True) or left_over(record, self.told)
        if harm is None:
            return self.finding(
                Verdict.SATISFACTORY, f"{words}; nothing shows that the run fell short.", evidence
            )
        return self.finding(
            Verdict.CONCERN,
            f"{words}; {harm.words}.",
            {**evidence, **harm.evidence},
            series=harm.series,
            remedies=(
                Remedy(
                    "Drop these examples, or give them a weight of 0, if the number stands for a missing one.",
                    "The loss takes it for a target, and its error for that of thousands of others.",
                    Safety.MANUAL,
                    code=f"known = y_train != {code:g}; x_train, y_train = x_train[known], y_train[known]",
                ),
            ),
        )
