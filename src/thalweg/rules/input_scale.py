"""D002: inputs of a scale that hurts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.initial_loss import badly_begun
from thalweg.rules.objective import progress, rows
from thalweg.rules.samples import (
    Rescaled,
    head_is_frozen,
    idle_scaling,
    name_of,
    rescaled,
    takes_any_scale,
    value,
)
from thalweg.rules.shortfall import Shortfall, failure, learnable

OFF = 0.9
"""The share of the first layer's units beyond which it passes next to nothing on."""

_ADAPT = Remedy(
    "Adapt the `Normalization` layer to the training inputs before `compile`.",
    "Until then its mean is 0 and its variance 1, and it passes on what it is given.",
    code="normalization.adapt(x_train)",
)


@dataclass(frozen=True)
class InputScale(Rule):
    """Inputs of a scale that hurts.

    ## What it asks

    Are the inputs far from numbers around one, or their columns of very different spread, and did the
    training suffer?

    ## Why it matters

    Initial weights, learning rates and saturation are made for inputs with mean 0 and standard deviation 1. Inputs
    of 1,000 give a first layer a thousand times the gradient; of two columns, the wider one is all it sees.

    ## How it is decided

    A symptom: the root mean square of an input is `large` or more; or no value of it is over `small`; or its
    mean is `offset` of its standard deviations from zero; or the widest column has `ratio` times the standard
    deviation of the median one, or, among 2 to 64 columns, ten times as much of the narrowest. And beside it,
    for a symptom alone hurts nobody (raw pixels train well under Adam), one of:

    - the run fell short: its loss was not finite at the end, no better than a constant prediction's, the
      network did worse on the probe batch than a linear model on standardised inputs, or the loss diverged or
      oscillated;
    - the first loss was far above a constant prediction's, and the run did not make up for it (`O007`);
    - nine tenths of the first layer's units ended dead or saturated, and adequate progress is not shown.

    A model that begins with a layer that takes inputs of any scale (`Normalization`, `Embedding`, batch or layer
    normalisation) is not judged, nor one whose first layer is frozen, nor targets that cannot be foretold (`D008`).
    A `Rescaling` layer only multiplies and adds: where the one input passes it before the first weights, what
    leaves it is judged. Where its numbers are not known (one for each channel), or what lies between, the
    model is not judged.

    A `Normalization` layer with mean 0 and variance 1, as it is before `adapt`, changes nothing. Where the model
    begins with one, its one input has a symptom and no other layer scales it, the layer does not do what it is
    there for: a violated contract, whatever the training does, and said before the first step.

    ## Thresholds

    `large` = 10, `small` = 0.02, `offset` = 10, `ratio` = 100. Rates: docs/calibration.md.

    ## Known limits

    Scale is one cause of a run that fell short; where there are others upstream the diagnosis names those first.
    A `Normalization` layer that was adapted to other inputs counts as one that takes any scale. Of images the
    columns are looked at up to 1,024.

    ## What to do

    Standardise the inputs, inside of the model: then what serves it does the same.

    ## References

    LeCun, Bottou, Orr & Mueller, *Efficient BackProp*, 1998, section 4.3.
    """

    code = "D002"
    title = "Inputs of a scale that hurts"
    family = Family.DATA
    before = True

    large: float = 10.0
    """Root mean square."""
    small: float = 0.02
    """Largest absolute value."""
    offset: float = 10.0
    """Mean, in standard deviations."""
    ratio: float = 100.0
    """Spread of the widest column over that of the median one."""

    def assess(self, record: Record) -> Finding:
        """The first input with a symptom, and what the run made of it."""
        inputs = rows(record, "data", "inputs")
        known = [
            row for row in inputs if np.isfinite(value(row, "mean")) and np.isfinite(value(row, "spread"))
        ]
        if not known:
            return self.unassessed("Not assessed: the record does not say how the inputs are scaled.")
        fixed = rescaled(record)
        if fixed is None and (scaling := takes_any_scale(record)) is not None:
            return self.finding(
                Verdict.SATISFACTORY,
                "The model took inputs of any scale: `{layer}` stood before its weights.",
                {"layer": Evidence(scaling)},
            )
        if head_is_frozen(record):
            return self.unassessed("Not assessed: the first layer was frozen, and expects inputs of its own.")
        behind, by = _behind(fixed)
        known = known if fixed is None else [_as_rescaled(row, fixed) for row in known]
        if (symptom := next(filter(None, map(self._symptom, known)), None)) is None:
            return self.finding(
                Verdict.SATISFACTORY,
                f"Input `{{name}}` had mean {{mean}} and standard deviation {{spread}}{behind}.",
                {
                    **by,
                    "name": Evidence(name_of(known[0], "input")),
                    "mean": Evidence(value(known[0], "mean"), "input"),
                    "spread": Evidence(value(known[0], "spread"), "input", threshold=self.large),
                },
            )
        template, evidence, row = f"{symptom[0]}{behind}", {**symptom[1], **by}, symptom[2]
        if (idle := idle_scaling(record)) is not None:
            return self.finding(
                Verdict.CONCERN,
                "Layer `{layer}` changed nothing, for its mean and variance were not those of the inputs: "
                f"{template[0].lower()}{template[1:]}.",
                {"layer": Evidence(idle), **evidence},
                layer=idle,
                remedies=(_ADAPT,),
            )
        suffered = self._suffered(record)
        if suffered is None or not learnable(record):
            if progress(record).adequate and suffered is None:
                return self.finding(
                    Verdict.SATISFACTORY, f"{template}, and the training did not suffer.", evidence
                )
            return self.unassessed(
                f"Not assessed: {template[0].lower()}{template[1:]}; nothing shows that the training "
                "suffered.",
                evidence,
            )
        return self.finding(
            Verdict.CONCERN,
            f"{template}; {suffered.words}.",
            {**evidence, **suffered.evidence},
            series=suffered.series,
            remedies=_remedies(row, fixed),
        )

    def _symptom(self, row: Mapping[str, Any]) -> tuple[str, dict[str, Evidence], Mapping[str, Any]] | None:
        mean, spread = value(row, "mean"), value(row, "spread")
        size = float(np.hypot(mean, spread))
        evidence = {"name": Evidence(name_of(row, "input"))}
        largest = max(abs(value(row, "minimum")), abs(value(row, "maximum")))
        if size >= self.large:
            evidence["size"] = Evidence(size, "input", usual=1.0, threshold=self.large)
            return (
                "Input `{name}` had a root mean square of {size}, where {size__usual} is usual",
                evidence,
                row,
            )
        if 0.0 < largest <= self.small:
            evidence["size"] = Evidence(largest, "input", usual=1.0, threshold=self.small)
            return "Input `{name}` had no value over {size}, where {size__usual} is usual", evidence, row
        if abs(mean) >= self.offset * spread > 0.0:
            evidence["mean"] = Evidence(mean, "input", usual=0.0, threshold=self.offset * spread)
            evidence["spread"] = Evidence(spread, "input")
            return "Input `{name}` varied by {spread} about a mean of {mean}", evidence, row
        widest, median = value(row, "column_spread", "maximum"), value(row, "column_spread", "median")
        narrowest, columns = value(row, "column_spread", "minimum"), value(row, "columns")
        few = 2.0 <= columns <= 64.0
        if widest >= self.ratio * median > 0.0 or (few and widest >= 10.0 * self.ratio * narrowest > 0.0):
            evidence["widest"] = Evidence(widest, "input", usual=median, threshold=self.ratio * median)
            evidence["narrowest"] = Evidence(narrowest, "input")
            words = "The columns of input `{name}` had standard deviations from {narrowest} to {widest}"
            return words, evidence, row
        return None

    def _suffered(self, record: Record) -> Shortfall | None:
        if (failed := failure(record) or badly_begun(record)) is not None:
            return failed
        if progress(record).adequate:
            return None
        for quantity, word in (("dead_fraction", "dead"), ("saturated_fraction", "saturated")):
            first = next(iter(record.each(quantity).values()), None)
            if first is not None and len(first) and first.steps[-1] > 0 and first.values[-1] >= OFF:
                share = Evidence(float(first.values[-1]), "fraction", threshold=OFF)
                return Shortfall(
                    f"{{units}} of the first layer's units ended {word}", {"units": share}, (first.name,)
                )
        return None


def _as_rescaled(row: Mapping[str, Any], fixed: Rescaled) -> dict[str, Any]:
    """What an input is like once a layer has rescaled it; a negative scale makes the least value the largest."""
    changed = {key: fixed.scale * value(row, key) + fixed.offset for key in ("minimum", "maximum", "mean")}
    changed["spread"] = abs(fixed.scale) * value(row, "spread")
    spreads = {
        key: abs(fixed.scale) * value(row, "column_spread", key) for key in ("minimum", "median", "maximum")
    }
    return {**row, **changed, "column_spread": spreads}


def _behind(fixed: Rescaled | None) -> tuple[str, dict[str, Evidence]]:
    """The clause that names the layer behind which an input was judged, and its numbers."""
    if fixed is None:
        return "", {}
    words = " once layer `{rescaling}` had multiplied it by {scale}"
    by = {"rescaling": Evidence(fixed.layer), "scale": Evidence(fixed.scale, "1")}
    if fixed.offset:
        words, by["offset"] = f"{words} and added {{offset}}", Evidence(fixed.offset, "input")
    return words, by


def _remedies(row: Mapping[str, Any], fixed: Rescaled | None) -> tuple[Remedy, ...]:
    pixels = value(row, "minimum") >= 0.0 and 1.0 < value(row, "maximum") <= 255.0
    shape = row.get("shape")
    image = pixels and (row.get("dtype") == "uint8" or (isinstance(shape, list | tuple) and len(shape) >= 2))
    standardise = Remedy(
        "Standardise the inputs in a `Normalization` layer, adapted to the training inputs, before the first "
        "layer.",
        "Columns with mean 0 and standard deviation 1 need one and the same learning rate.",
        code="normalization = keras.layers.Normalization(); normalization.adapt(x_train)",
    )
    divide = Remedy(
        "Bring pixels to 0 to 1 in a `Rescaling` layer before the first layer.",
        "Initial weights are made for inputs around one.",
        code="keras.layers.Rescaling(1 / 255)",
    )
    if 0.0 < max(abs(value(row, "minimum")), abs(value(row, "maximum"))) <= 0.02:
        places = (
            ""
            if fixed is None
            else f", in what prepares them and in `{fixed.layer}`: leave one of the two out"
        )
        twice = Remedy(
            f"Check that the inputs are not divided twice{places}.",
            "Pixels divided by 255 twice are under 0.004.",
        )
        return (twice, standardise)
    return (divide, standardise) if image and fixed is None else (standardise,)
