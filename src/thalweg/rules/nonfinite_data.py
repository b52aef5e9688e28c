"""D001: NaN or infinity in the data."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Safety, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.objective import epochs, fact, progress, rows
from thalweg.rules.samples import name_of, shown, value

_PLACES = (
    ("input", ("data", "inputs")),
    ("target", ("data", "targets")),
    ("validation input", ("data", "validation", "inputs")),
    ("validation target", ("data", "validation", "targets")),
)


@dataclass(frozen=True)
class NonFiniteData(Rule):
    """NaN or infinity in the data.

    ## What it asks

    Do the inputs or targets, of training or validation, hold values that are not finite, in how many examples,
    and where is the first?

    ## Why it matters

    One such value makes the loss of its batch NaN, its gradient too, and with the next step every parameter.

    ## How it is decided

    Every value of the data is looked at, where they are arrays; else the sample. One that is not finite is a
    concern before the first step. A run that trained for an epoch or more in which all losses,
    gradients and validation losses were finite, and the loss fell, is satisfactory: its model or its loss knows
    what to do with them. Targets that are not finite are not
    judged before where the loss is the user's own, which may mask them.

    ## Thresholds

    None: the values are exact, and data that are finite cannot raise this finding.

    ## Known limits

    Of arrays with more than 400 million entries, and of pipelines, a part is looked at. A layer that replaces
    NaN inside the model is not recognised before the first epoch has ended.

    ## What to do

    Drop or impute those examples.

    ## References

    Hynes et al., *The Data Linter*, NIPS ML Systems 2017.
    """

    code = "D001"
    title = "NaN or infinity in the data"
    family = Family.DATA
    before = True

    def assess(self, record: Record) -> Finding:
        """Every array of the data in turn; the first that is not finite is named."""
        held = list(_held(record))
        if not held:
            return self.unassessed("Not assessed: the record does not say whether the data were finite.")
        where, evidence = next(((w, e) for w, e in held if e["count"].value), held[0])
        if not evidence["count"].value:
            return self.finding(
                Verdict.SATISFACTORY,
                "All inputs and targets were finite, in each of the {looked} examples that were looked at.",
                {"looked": evidence["looked"]},
            )
        template = f"Of {{looked}} examples {{count}} held NaN or infinity in {where} `{{name}}`"
        template += ", the first of them at index {first}." if "first" in evidence else "."
        names = shown(record, "loss", "epoch_loss", "validation_loss")
        losses = [record.series[name].values for name in names]
        gradients = record.series.get("nonfinite_gradients")
        unharmed = gradients is None or not np.any(gradients.values > 0.0)
        finite = unharmed and all(np.isfinite(values).all() for values in losses)
        if losses and epochs(record) and finite and progress(record).fell is not False:
            return self.finding(
                Verdict.SATISFACTORY, f"{template} The losses stayed finite, and the gradients.", evidence
            )
        masked = where.endswith("target") and any(row.get("own") is True for row in rows(record, "losses"))
        if masked and not losses:
            return self.unassessed(
                f"Not assessed: {{count}} examples held NaN or infinity in {where} `{{name}}`, which a loss "
                "of one's own may mask.",
                evidence,
            )
        remedies = _REMEDIES_OF_TARGETS if where.endswith("target") else _REMEDIES
        return self.finding(Verdict.CONCERN, template, evidence, series=names, remedies=remedies)


def _held(record: Record) -> Iterator[tuple[str, dict[str, Evidence]]]:
    """By array in words, how many of its examples are not finite; of a sample, how many values."""
    for where, path in _PLACES:
        for row in rows(record, *path):
            count, looked = value(row, "nonfinite_examples"), value(row, "looked")
            if not np.isfinite(count):
                count, looked = value(row, "nonfinite"), value(fact(record, "data"), "examples")
            if not 0.0 <= count < np.inf:
                continue
            evidence = {
                "count": Evidence(int(count), "examples", threshold=0),
                "looked": Evidence(int(looked) if looked >= count and looked < np.inf else int(count)),
                "name": Evidence(name_of(row, where)),
            }
            if np.isfinite(first := value(row, "first_nonfinite")):
                evidence["first"] = Evidence(int(first), "index")
            yield where, evidence


_REMEDIES = (
    Remedy(
        "Drop the examples that are not finite, from inputs and targets alike.",
        "One of them makes every parameter NaN at the next step.",
        code="finite = np.isfinite(x.reshape(len(x), -1)).all(axis=1); x, y = x[finite], y[finite]",
    ),
    Remedy(
        "Or put the column's median of the training data in their place.",
        "Examples with one missing value still hold the others.",
        code="x = np.where(np.isfinite(x), x, np.nanmedian(x_train, axis=0))",
    ),
    Remedy(
        "Look for where they were born: a division by a spread of zero, a logarithm of zero, a missing value "
        "in the file.",
        "The examples may be right and their preparation wrong.",
        Safety.MANUAL,
    ),
)
_REMEDIES_OF_TARGETS = (
    Remedy(
        "Drop the examples whose target is not finite, from inputs and targets alike.",
        "One of them makes every parameter NaN at the next step, and nobody knows its answer.",
        code="finite = np.isfinite(y.reshape(len(y), -1)).all(axis=1); x, y = x[finite], y[finite]",
    ),
    _REMEDIES[2],
)
