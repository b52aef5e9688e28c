"""A001: dead units."""

import math
from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.objective import progress, rows
from thalweg.rules.shortfall import shortfall, underway


@dataclass(frozen=True)
class DeadUnits(Rule):
    """Dead units.

    ## What it asks

    Which share of a ReLU-like layer's units was zero on every example of the probe batch, in a run that made
    no progress?

    ## Why it matters

    A unit that is zero everywhere has no gradient and does not come back by itself. A layer of such units is
    a wall.

    ## How it is decided

    The share of dead units at the end of the run, of the layer with the most. A concern needs all of these:

    - the share is `share` or more;
    - it is above one half, or above where it began, by more than `errors` standard errors of so many units that
      die at random, or all of them are dead: behind inputs that are never negative (a ReLU, pixels) about half of
      the units are dead at first, and the others do;
    - the run fell short: of a fall, of a constant prediction (`L001`, `B001`), or of a linear model that it was
      not still on its way to.

    Units that were dead before the first step point to the initial values; those that died later, to the rate.

    ## Thresholds

    `share` = 0.5, `errors` = 3. A concern needs a run that was shown not to progress, and on 2,240 healthy
    synthetic runs neither `L001` nor `B001` was raised (0 to 0.17 %, `benchmarks/error_rates.py`); the share
    alone is never an alarm.

    On real Keras programs: the zoo's tables in docs/calibration.md.

    ## Known limits

    At most 256 examples are probed: a unit that answers one example in a thousand looks dead. Wide and sparse
    layers of healthy networks have many such units, which is why the share alone is no concern.

    ## What to do

    Where the units died in training, lower the learning rate and start again: dead units stay dead. Where they
    were dead at the start, mend the initial values.

    ## References

    Lu et al., *Dying ReLU and Initialization: Theory and Numerical Examples*, Commun. Comput. Phys. 28, 2020.
    Maas et al., *Rectifier Nonlinearities Improve Neural Network Acoustic Models*, 2013 (leaky ReLU).
    """

    code = "A001"
    title = "Dead units"
    family = Family.ARCHITECTURE
    needs = (("dead_fraction",),)

    share: float = 0.5
    """Least share of dead units in one layer."""
    errors: float = 3.0
    """Standard errors by which it is above what chance leaves."""

    def assess(self, record: Record) -> Finding:
        """The layer with the most dead units at the end."""
        layers = {
            name: s
            for name, s in record.each("dead_fraction").items()
            if len(s) and np.isfinite(s.values[-1])
        }
        if not layers:
            return self.unassessed("Not assessed: no layer's share of dead units was finite at the end.")
        worst = max(layers, key=lambda name: float(layers[name].values[-1]))
        series = layers[worst]
        last, first = float(series.values[-1]), float(series.values[0])
        made = progress(record)
        if made.adequate is False and not np.isfinite(made.final):
            return self.unassessed(
                "Not assessed: the last loss was not finite, and its activations say nothing."
            )
        evidence = {
            "layers": Evidence(len(layers), "layers"),
            "layer": Evidence(worst),
            "share": Evidence(
                last, "fraction", usual=first if np.isfinite(first) else 0.0, threshold=self.share
            ),
        }
        if last < self.share:
            template = (
                "Of {layers} ReLU-like layers `{layer}` had the most dead units at the end, {share} of them."
            )
            if len(layers) == 1:
                template = "At the end {share} of the units of `{layer}`, the one ReLU-like layer, were dead."
            if last == 0.0:
                template = "No unit of a ReLU-like layer was dead at the end."
            return self.finding(Verdict.SATISFACTORY, template, evidence, series=(series.name,))
        # The error of the share of so many coins; of few units all have to be dead.
        error = self.errors * 0.5 / math.sqrt(_units(record, worst))
        line = min(0.5 + error, 1.0)
        if last < line and not last - first > error:
            return self.finding(
                Verdict.SATISFACTORY,
                "In `{layer}` {share} of the units were zero on every probed example, after {share__usual} at "
                "first; of units that are dead or not by chance up to {line} may be.",
                {**evidence, "line": Evidence(line, "fraction")},
                series=(series.name,),
            )
        short = shortfall(record)
        if short is not None and underway(record, short):
            return self.unassessed(
                "Not assessed: in `{layer}` {share} of the units were zero on every probed example, but the loss "
                "was still falling.",
                evidence,
            )
        if short is None and made.adequate is None:
            return self.unassessed(
                "Not assessed: in `{layer}` {share} of the units were zero on every probed example, but "
                "whether the loss fell could not be told.",
                evidence,
            )
        if short is None:
            return self.finding(
                Verdict.SATISFACTORY,
                "In `{layer}` {share} of the units were zero on every probed example, and the run learned "
                "all the same.",
                evidence,
                series=(series.name,),
            )
        reached = series.steps[series.values >= self.share]
        del evidence["layers"]
        return self.finding(
            Verdict.CONCERN,
            "In `{layer}` {share} of the units were zero on every probed example at the end, after "
            f"{{share__usual}} at first; {short.words}.",
            {**evidence, **short.evidence},
            series=(series.name, *short.series),
            step=int(reached[0]),
            layer=worst,
            # Units that are dead before the first step were not killed by it.
            remedies=(_INITIAL, _SLOPE, _NORMALISE)
            if first >= self.share
            else (_RATE, _SLOPE, _INITIAL, _NORMALISE),
        )


def _units(record: Record, layer: str) -> float:
    """How many units a layer has; 64 where it is not known."""
    found = {row.get("name"): row.get("units") for row in rows(record, "layers")}.get(layer)
    if not isinstance(found, int) or found < 1:
        return 64.0  # an activation that is a layer of its own tells none
    return float(found)


_RATE = Remedy(
    "Divide the learning rate by 10 and start again.",
    "One step too long pushes a unit's bias below all its inputs, for good.",
)
_SLOPE = Remedy("Use LeakyReLU, GELU or ELU in that layer.", "They keep a slope where ReLU has none.")
_INITIAL = Remedy(
    "Initialise with `he_normal`, and the biases with zeros.",
    "Units then start active on about half of the examples.",
    code='kernel_initializer="he_normal", bias_initializer="zeros"',
)
_NORMALISE = Remedy(
    "Put a `BatchNormalization` before the activation.", "It centres the inputs of every unit on the batch."
)
