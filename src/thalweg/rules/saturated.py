"""A002: saturated units."""

from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.graph import figures, graph
from thalweg.rules.objective import progress, rows
from thalweg.rules.shortfall import shortfall
from thalweg.stats import spread


@dataclass(frozen=True)
class SaturatedUnits(Rule):
    """Saturated units.

    ## What it asks

    Which share of a sigmoid-like hidden layer's units lay where their slope is next to nothing, in a run that fell
    short?

    ## Why it matters

    The gradient is multiplied by the slope: under 5 % of the largest slope a unit hardly learns, and nor do those
    below it.

    ## How it is decided

    By layer the median of its saturated share over the second half of the measurements; the last layer is left
    out, for an output that is sure of itself is saturated. A concern needs both of these:

    - the share of a layer is above `share`, and was at the end;
    - the run fell short: no better than a constant prediction, behind a linear model, or not finite.

    Where it began tells the cause: saturated before the first step means inputs or weights out of scale, and later
    means steps that were too long.

    ## Thresholds

    `share` = 0.5. Rates: docs/calibration.md.

    ## Known limits

    At most 256 examples are probed. Gates of recurrent layers are not measured.

    ## What to do

    Scale the inputs, fit the initialisation to tanh or sigmoid, or lower the learning rate, by cause.

    ## References

    Rakitianskaia & Engelbrecht, *Measuring Saturation in Neural Networks*, SSCI 2015. Glorot & Bengio, 2010.
    """

    code = "A002"
    title = "Saturated units"
    family = Family.ARCHITECTURE
    needs = (("saturated_fraction",),)

    share: float = 0.5
    """Least share of saturated units in one layer."""

    def assess(self, record: Record) -> Finding:
        """The hidden layer with the most saturated units."""
        known = graph(record)
        listed = [str(row.get("name")) for row in rows(record, "layers")]
        ends = set(listed[-1:]) if known is None else set(known.layers) - set(known.consumers)
        shares = {
            name: spread(s.values[len(s) // 2 :]).location
            for name, s in record.each("saturated_fraction").items()
            if name in listed and name not in ends and len(s) and np.isfinite(s.values[-1])
        }
        if not shares:
            return self.unassessed("Not assessed: no hidden layer's share of saturated units was measured.")
        worst = max(shares, key=lambda name: shares[name])
        series = record.series[f"saturated_fraction/{worst}"]
        first, last = float(series.values[0]), float(series.values[-1])
        evidence = {
            "layer": Evidence(worst),
            "share": Evidence(last, "fraction", threshold=self.share),
            "first": Evidence(first, "fraction"),
        }
        if min(shares[worst], last) <= self.share:
            return self.finding(
                Verdict.SATISFACTORY,
                "Of the hidden layers `{layer}` had the most saturated units; at the end they were {share}.",
                evidence,
                series=(series.name,),
            )
        short = shortfall(record)
        if short is None:
            told = "In `{layer}` {share} of the units were saturated at the end"
            if progress(record).adequate:
                return self.finding(
                    Verdict.SATISFACTORY,
                    f"{told}, and the loss fell all the same.",
                    evidence,
                    series=(series.name,),
                )
            return self.unassessed(
                "Not assessed: in `{layer}` {share} of the units were saturated at the end, but whether the loss "
                "fell could not be told.",
                evidence,
            )
        began = first > self.share
        reached = series.steps[series.values > self.share]
        template = "In `{layer}` {share} of the units were saturated at the end, after {first} at first"
        remedies = _BEGAN if began else _CAME
        if began and (largest := _largest_input(record)) > 10.0:
            evidence["input"] = Evidence(largest, "input", usual=1.0)
            template += ", on inputs of up to {input}"
            remedies = (_SCALE, _FIT, _NORMALISE)
        return self.finding(
            Verdict.CONCERN,
            f"{template}; {short.words}.",
            {**evidence, **short.evidence},
            series=(series.name, *short.series),
            step=int(reached[0]),
            layer=worst,
            remedies=remedies,
        )


def _largest_input(record: Record) -> float:
    """The largest absolute value of an input; 0 where it is not known."""
    bounds = [figures(row, "minimum", "maximum") for row in rows(record, "data", "inputs")]
    return max((abs(value) for bound in bounds if bound is not None for value in bound), default=0.0)


_SCALE = Remedy(
    "Scale the inputs to zero mean and unit standard deviation.",
    "Large inputs drive every unit to the flat end of its activation.",
)
_FIT = Remedy(
    "Initialise with `glorot_uniform`.",
    "The sums then stay where the activation has a slope.",
    code='kernel_initializer="glorot_uniform"',
)
_NORMALISE = Remedy(
    "Put a `BatchNormalization` before the activation.", "It centres the sums where the slope is largest."
)
_RATE = Remedy(
    "Divide the learning rate by 10 and start again.",
    "Steps that are too long drive the sums to the flat ends, where no gradient brings them back.",
)
_BEGAN = (_FIT, _SCALE, _NORMALISE)
_CAME = (_RATE, _NORMALISE, _SCALE)
