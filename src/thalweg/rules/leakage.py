"""D007: validation examples among the training examples."""

from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Safety, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.objective import number
from thalweg.rules.samples import shown


@dataclass(frozen=True)
class Leakage(Rule):
    """Validation examples among the training examples.

    ## What it asks

    How many of the validation examples, input for input the same, did the network train on?

    ## Why it matters

    On examples that it has seen a network looks as good as it can remember. The validation loss then shows no
    overfitting, and the figure that is reported is not the one that will be met.

    ## How it is decided

    Validation examples are looked up among all training examples and compared entry by entry. A share of `share`
    or more is a concern, if chance or habit does not explain it: either the training examples themselves repeat
    `times` times more rarely, or a column of the inputs is continuous (nine tenths of its values differ among the
    examples), or fewer than `near` of the different examples agree in all columns but one, so that no two agree
    by accident: `share` more of the validation than of the training examples must have a twin then, or `most` of
    them. A random split of a file that repeats itself gives both the same rate. Data of few possible values
    (categories, short texts) repeat everywhere, and are satisfactory.

    ## Thresholds

    `share` = 0.1, `most` = 0.5, `near` = 0.01, `times` = 4. The comparison is exact: where no validation example
    is a training example the finding cannot be raised. Rates: docs/calibration.md.

    ## Known limits

    Examples that differ in one entry, by noise or by compression, are not found; nor are other records of the same
    person. Of more than 200,000 training examples a part is looked at, and of validation
    examples 1,024.
    ## What to do

    Drop the copies first and split afterwards.

    ## References

    Kaufman, Rosset & Perlich, *Leakage in Data Mining*, KDD 2011. Barz & Denzler, *Do We Train on Test Data?*, J.
    Imaging 6, 2020.
    """

    code = "D007"
    title = "Validation examples among the training examples"
    family = Family.DATA
    before = True

    share: float = 0.1
    """Share of the validation examples."""
    most: float = 0.5
    """The same of continuous data whose training examples repeat as well."""
    near: float = 0.01
    """Share of the examples that are another's but for one column, where none agrees by accident."""
    times: float = 4.0
    """How many times more of them than of the training examples have a twin."""

    def assess(self, record: Record) -> Finding:
        """The share of known validation examples, beside what repeats in the training data."""
        overlap = number(record, "data", "validation", "overlap")
        if not 0.0 <= overlap <= 1.0:
            return self.unassessed(
                "Not assessed: the record does not say whether validation examples are training examples."
            )
        twins, finest = (
            number(record, "data", "duplicates", "whole"),
            number(record, "data", "duplicates", "finest"),
        )
        if not np.isfinite(twins):
            twins = number(record, "data", "duplicates", "examples")
        evidence = {"overlap": Evidence(overlap, "fraction", threshold=self.share)}
        template = "Of the validation examples {overlap} were also training examples"
        if np.isfinite(twins):
            evidence["twins"] = Evidence(twins, "fraction")
        if overlap < self.share:
            return self.finding(Verdict.SATISFACTORY, f"{template}.", evidence)
        near = number(record, "data", "duplicates", "near")
        beyond = not overlap - twins < self.share  # what a random split of data that repeat does not explain
        copied = (finest >= 0.9 or near < self.near) and (overlap >= self.most or beyond)
        if not (twins * self.times <= overlap or copied):
            if not np.isfinite(twins):
                return self.unassessed(
                    f"Not assessed: {template[0].lower()}{template[1:]}; the record does not say how "
                    "common equal examples are.",
                    evidence,
                )
            return self.finding(
                Verdict.SATISFACTORY,
                f"{template}; of the training examples {{twins}} had a twin as well.",
                evidence,
            )
        if "twins" in evidence:
            template += "; of the training examples {twins} had a twin among themselves"
        return self.finding(
            Verdict.CONCERN,
            f"{template}.",
            evidence,
            series=shown(record, "validation_loss"),
            # Where the training examples have twins as well, a clean split would deal them to both sides again.
            remedies=(_COPIES, _SPLIT) if twins * self.times > overlap else (_SPLIT, _COPIES),
        )


_SPLIT = Remedy(
    "Split without overlap: shuffle once, and let no example stand on both sides.",
    "Only examples that were not trained on tell how the network does on new ones.",
    code="x_train, x_val, y_train, y_val = sklearn.model_selection.train_test_split(x, y)",
)
_COPIES = Remedy(
    "Drop repeated examples before the split, and augment or oversample after it.",
    "Copies that were made before the split fall on both sides of it.",
    Safety.MANUAL,
    code="_, first = np.unique(x, axis=0, return_index=True); x, y = x[first], y[first]",
)
