"""I002: first weights out of scale."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.graph import NORMALISING, figures, initial
from thalweg.rules.head import head
from thalweg.rules.objective import late, progress, rows
from thalweg.rules.samples import value
from thalweg.rules.shortfall import left_over, shortfall, unseen

_FITTED = ("Glorot", "He", "Lecun", "Orthogonal", "Zeros", "Identity")
"""Initializers whose scale follows the layer's size (or that have none)."""
_LAYERS = ("Dense", "Conv", "EinsumDense", "Depthwise", "Separable")


@dataclass(frozen=True)
class InitialScale(Rule):
    """First weights out of scale.

    ## What it asks

    Did the weights start too small or too large for the number of their inputs, in a run that got nowhere?

    ## Why it matters

    The sum over n inputs grows with the root of n. Weights that do not shrink with it make the signal grow from
    layer to layer, until units saturate or numbers overflow; weights that are too small let it fade, and
    the gradient with it.

    ## How it is decided

    The gain of a kernel is the root mean square of its first weights times the root of its number of inputs:
    about 1 to 1.4 where the initializer fits the layer. Looked at are the kernels whose initializer does not
    follow the layer's size (`RandomNormal`, `RandomUniform`, a constant and so on), the last one left out where
    it is small: heads start small on purpose. Both of these:

    - one gain is `gain` times too large or too small, or all of them together multiply the signal by more than
      `total` or less than its inverse, where no normalisation layer restores the scale;
    - the run fell short: its loss did not come below a constant prediction's, or it stayed behind a simple method;
      or, beside a single kernel so far off, accuracy or explained variance on the probe batch under `enough`; beside
      several, a validation accuracy behind what a linear model has on new examples.

    Or: the weights of a hidden kernel above the first lean to one side (their mean is over `lean` of their root mean
    square), so that it multiplies what its inputs have in common by over `sums`, and the run fell short or
    explained less than `enough`.

    Or, whatever the initializers: before the first step the outputs of a last layer without activation went more
    than `total` times as far as both inputs and targets, and the run fell short. Or: an activation was not finite
    before the first step, on inputs that were.

    ## Thresholds

    `gain` = 10, `total` = 100, `lean` = 0.5, `sums` = 3, `enough` = 0.9. Rates: docs/calibration.md.

    ## Known limits

    Residual branches and weights that are normalised by themselves have other laws, which is why a gain alone
    is no concern. Deep networks of sigmoids lose their signal with any initializer: see G002.

    ## What to do

    Take an initializer that follows the layer's size.

    ## References

    He et al., *Delving Deep into Rectifiers*, ICCV 2015. Glorot & Bengio, *Understanding the difficulty of
    training deep feedforward neural networks*, AISTATS 2010.
    """

    code = "I002"
    title = "First weights out of scale"
    family = Family.INITIALISATION
    before = True

    gain: float = 10.0
    """How many times too large or too small one kernel may be."""
    lean: float = 0.5
    """Mean of a kernel over its root mean square beyond which all its units sum with one sign."""
    sums: float = 3.0
    """By how much such a kernel multiplies what its inputs have in common."""
    enough: float = 0.9
    """Accuracy or explained variance above which nothing is missed."""
    total: float = 100.0
    """How much all kernels together may multiply the signal, or the whole network what it is given."""

    def assess(self, record: Record) -> Finding:
        """Overflow before the first step, then the gains and the progress beside them."""
        if (overflow := self._overflow(record)) is not None:
            return overflow
        gains = _gains(record)
        if not gains:
            return self._far(record) or self.unassessed(
                "Not assessed: no kernel's first values were recorded, or their initializers follow the "
                "layers' size."
            )
        names = list(gains)
        judged = {n: g for n, g in gains.items() if g >= 1.0 or n != names[-1]}
        worst = max(judged or gains, key=lambda name: abs(math.log(gains[name])))
        whole = math.exp(sum(math.log(g) for g in judged.values()))
        evidence = {
            "layer": Evidence(worst),
            "gain": Evidence(gains[worst], "1", usual=1.0, threshold=self.gain),
            "count": Evidence(len(gains), "kernels"),
        }
        if (leaning := self._leaning(record, gains)) is not None:
            return leaning
        one = bool(judged) and abs(math.log(gains[worst])) > math.log(self.gain)
        free = not any(str(row.get("class")) in NORMALISING for row in rows(record, "layers"))
        together = free and abs(math.log(whole)) > math.log(self.total)
        if not one and not together:
            return self._far(record) or self.finding(
                Verdict.SATISFACTORY,
                "The kernel furthest off, that of `{layer}`, started with a gain of {gain}; about {gain__usual} "
                "is usual.",
                evidence,
            )
        template = "The first weights of `{layer}` had a gain of {gain}, where about {gain__usual} is usual"
        if not one:
            evidence["whole"] = Evidence(whole, "1", usual=1.0, threshold=self.total)
            template = "The first weights of {count} kernels multiplied the signal by {whole} in all"
        short = shortfall(record, kernel=True) or (left_over(record, self.enough) if one else unseen(record))
        if short is None:
            if progress(record).adequate:
                return self.finding(
                    Verdict.SATISFACTORY, f"{template}, and the loss fell all the same.", evidence
                )
            return self.unassessed(
                f"Not assessed: {template[:1].lower()}{template[1:]}; whether it does harm, the loss has to tell.",
                evidence,
            )
        return self.finding(
            Verdict.CONCERN,
            f"{template}; {short.words}.",
            {**evidence, **short.evidence},
            series=short.series,
            layer=worst,
            remedies=_remedies(record, worst),
        )

    def _leaning(self, record: Record, gains: Mapping[str, float]) -> Finding | None:
        """Hidden kernels of one sign: the units sum up what their inputs have in common, and nothing else."""
        found = {}
        for name in list(gains)[1:]:
            facts = figures(initial(record, f"{name}/kernel"), "mean", "spread", "fan_in", "units")
            if facts is None:
                continue
            mean, spread, fan_in, units = facts
            leans = abs(mean) / math.hypot(mean, spread)
            if leans > self.lean and abs(mean) * fan_in > self.sums and fan_in * units >= 64.0:
                found[name] = (leans, abs(mean) * fan_in)
        short = shortfall(record, kernel=True) or left_over(record, self.enough)
        if not found or short is None:
            return None
        worst = max(found, key=lambda name: found[name][1])
        leans, sums = found[worst]
        return self.finding(
            Verdict.CONCERN,
            "The first weights of `{layer}` leaned to one side (their mean was {lean} of their root mean square): it "
            f"multiplied what its inputs have in common by {{sums}}; {short.words}.",
            {
                "layer": Evidence(worst),
                "lean": Evidence(leans, "fraction", usual=0.0, threshold=self.lean),
                "sums": Evidence(sums, "1", usual=0.0, threshold=self.sums),
                **short.evidence,
            },
            series=short.series,
            layer=worst,
            remedies=_remedies(record, worst),
        )

    def _far(self, record: Record) -> Finding | None:
        """Outputs that went much farther than anything that the network was given."""
        end = head(record)
        if end is None or end.activation != "linear" or not end.contract or late(record):
            return None
        reach = max(abs(end.measured("output_minimum")), abs(end.measured("output_maximum")))
        given = [
            abs(value(row, key)) for row in rows(record, "data", "inputs") for key in ("minimum", "maximum")
        ]
        given += [abs(end.of_target(key)) for key in ("minimum", "maximum")]
        usual = float(np.max(given))
        short = shortfall(record)
        if short is None or not (0.0 < usual < math.inf and reach > self.total * usual):
            return None
        layer = _recurrent(record)
        return self.finding(
            Verdict.CONCERN,
            "Before the first step the outputs went up to {reach}, where inputs and targets went up to "
            f"{{reach__usual}}; {short.words}.",
            {"reach": Evidence(reach, "target", usual=usual, threshold=self.total * usual), **short.evidence},
            series=short.series,
            step=0,
            layer=layer,
            remedies=(*((_ORTHOGONAL,) if layer else ()), *_remedies(record, layer)),
        )

    def _overflow(self, record: Record) -> Finding | None:
        inputs = rows(record, "data", "inputs")
        if not inputs or any(row.get("nonfinite") != 0 for row in inputs):
            return None
        for name, series in record.each("activation_spread").items():
            if len(series) and series.steps[0] == 0 and not np.isfinite(series.values[0]):
                return self.finding(
                    Verdict.CONCERN,
                    "Before the first step the activations of `{layer}` were not finite, on inputs that were.",
                    {"layer": Evidence(name), "spread": Evidence(float(series.values[0]), "activation")},
                    series=(series.name,),
                    step=0,
                    layer=name,
                    remedies=_remedies(record, name),
                )
        return None


def _gains(record: Record) -> dict[str, float]:
    """By layer the gain of its first kernel, where its initializer does not follow the layer's size."""
    layers = {str(row.get("name")): row for row in rows(record, "layers")}
    gains = {}
    for row in rows(record, "tensors"):
        layer, name, facts = str(row.get("layer")), str(row.get("name")), row.get("initial")
        kind, drawn = (str(layers.get(layer, {}).get(key, "")) for key in ("class", "initializer"))
        if not name.endswith("/kernel") or not kind.startswith(_LAYERS) or drawn.startswith(_FITTED):
            continue
        found = figures(facts, "mean", "spread", "fan_in") if isinstance(facts, Mapping) else None
        if found is None:
            continue
        mean, spread, fan_in = found
        gain = math.hypot(mean, spread) * math.sqrt(max(fan_in, 0.0))
        if spread > 0.0 and 0.0 < gain < math.inf:
            gains[layer] = gain
    return gains


def _recurrent(record: Record) -> str | None:
    """The layer whose recurrent kernel multiplies its state by most, where one multiplies it at all."""
    gains = {}
    for row in rows(record, "tensors"):
        facts = row.get("initial")
        if str(row.get("name")).endswith("/recurrent_kernel") and isinstance(facts, Mapping):
            found = figures(facts, "mean", "spread", "fan_in")
            if found is not None:
                gains[str(row.get("layer"))] = math.hypot(*found[:2]) * math.sqrt(max(found[2], 0.0))
    worst = max(gains, key=lambda name: gains[name], default=None)
    return worst if worst is not None and gains[worst] > 1.1 else None


_ORTHOGONAL = Remedy(
    "Initialise the recurrent kernel orthogonal, with a gain of 1.",
    "It is applied at every time step, and what it multiplies grows with the power of their number.",
    code='recurrent_initializer="orthogonal"',
)


def _remedies(record: Record, layer: str | None) -> tuple[Remedy, ...]:
    activation = next((r.get("activation") for r in rows(record, "layers") if r.get("name") == layer), None)
    kind = "he_normal" if activation in ("relu", "relu6", "leaky_relu") else "glorot_uniform"
    return (
        Remedy(
            f"Initialise with `{kind}`, which follows the number of inputs.",
            "The signal then keeps its scale from layer to layer.",
            code=f'kernel_initializer="{kind}"',
        ),
        Remedy(
            "Add `BatchNormalization` or `LayerNormalization` after the hidden layers.",
            "It restores the scale at every layer, whatever the weights.",
        ),
    )
