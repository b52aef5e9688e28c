"""M002: softmax or an exponential as a hidden layer's activation."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.graph import AFFINE, NOISE, NORMALISING, RESHAPING, Graph, graph
from thalweg.rules.objective import objective, progress
from thalweg.rules.samples import last
from thalweg.rules.shortfall import Shortfall, shortfall

_PASSED = RESHAPING | NOISE | NORMALISING
_WORDS = {"softmax": "its units add up to one", "exponential": "it multiplies what it is given"}


@dataclass(frozen=True)
class HiddenSoftmax(Rule):
    """Softmax or an exponential as a hidden activation.

    ## What it asks

    Does a softmax or an exponential feed a layer with a kernel, in a run that fell short?

    ## Why it matters

    The units of a softmax add up to one: with many of them each is small, and hardly changes with the input. What
    comes out of an exponential grows without bound, and its gradient with it.

    ## How it is decided

    From the graph: a layer whose activation is `softmax` or `exponential`, and whose output goes into a dense or
    convolutional layer (reshaping, dropout and normalisation in between are looked through). A softmax
    whose output is multiplied with something, as in attention and gating, is none of these. A concern needs
    also that the run fell short (no better than a constant prediction, behind a linear model, or not finite), or
    that the layer's activations went beyond `size`, or, for a softmax that is not the narrowest of the layers, that
    accuracy or explained variance on the probe batch ended under `enough`.

    ## Thresholds

    `size` = 1e6, `enough` = 0.95. Rates: docs/calibration.md.

    ## Known limits

    Models whose graph is not known are not assessed. A softmax meant as a soft choice between codes or topics
    is no concern where it is the narrowest layer and the run learns; else it is named first and may be innocent.

    ## What to do

    Use ReLU, GELU or tanh in hidden layers, and softmax in the last.

    ## References

    Goodfellow, Bengio & Courville, *Deep Learning*, section 6.3 (hidden units).
    """

    code = "M002"
    title = "Softmax or exponential in a hidden layer"
    family = Family.ARCHITECTURE
    before = True

    size: float = 1e6
    """Activations beyond this are exploding."""
    enough: float = 0.95
    """Accuracy or explained variance above which a softmax within was no hindrance."""

    def assess(self, record: Record) -> Finding:
        """The hidden layers of that kind, then what became of the run."""
        known = graph(record)
        if known is None:
            return self.unassessed("Not assessed: the record does not tell how the layers are connected.")
        found = [name for name in known.layers if known.activation(name) in _WORDS and _feeds(known, name)]
        if not found:
            return self.finding(
                Verdict.SATISFACTORY,
                "None of {layers} layers fed a softmax or an exponential into a kernel.",
                {"layers": Evidence(len(known.layers), "layers")},
            )
        name = found[0]
        activation = str(known.activation(name))
        evidence = {"layer": Evidence(name), "activation": Evidence(activation)}
        harm = self._exploding(record, found) or shortfall(record, kernel=True)
        reached = max(
            np.nan_to_num(last(record, name)) for name in ("probe_accuracy", "probe_explained_variance")
        )
        narrow, began = _narrowest(known, name), objective(record) is not None
        if harm is None and activation == "softmax" and began and 0.0 < reached < self.enough and not narrow:
            return self._softmax(
                name, {**evidence, "reached": Evidence(reached, "fraction", threshold=self.enough)}
            )
        if harm is None:
            if progress(record).adequate:
                return self.finding(
                    Verdict.SATISFACTORY,
                    "The hidden layer `{layer}` had `{activation}` for its activation, and the loss fell all the "
                    "same.",
                    evidence,
                )
            return self.unassessed(
                "Not assessed: the hidden layer `{layer}` had `{activation}` for its activation; whether it does "
                "harm, the loss has to tell.",
                evidence,
            )
        return self.finding(
            Verdict.CONCERN,
            f"The hidden layer `{{layer}}` had `{{activation}}` for its activation; {harm.words}.",
            {**evidence, **harm.evidence},
            series=harm.series,
            layer=name,
            remedies=(_remedy(name, activation),),
        )

    def _softmax(self, name: str, evidence: Mapping[str, Evidence]) -> Finding:
        return self.finding(
            Verdict.CONCERN,
            "The hidden layer `{layer}` had `{activation}` for its activation: its units share a sum of {one}, and "
            "what one of them gains the others lose. The run ended at {reached} on the probe batch.",
            {**evidence, "one": Evidence(1, "activation")},
            layer=name,
            remedies=(_remedy(name, "softmax"),),
        )

    def _exploding(self, record: Record, names: list[str]) -> Shortfall | None:
        for name in names:
            series = record.series.get(f"activation_spread/{name}")
            if series is None or not len(series):
                continue
            largest = float(np.max(series.values))  # a NaN among them is the largest
            if not largest <= self.size:
                spread = Evidence(largest, "activation", threshold=self.size)
                return Shortfall("its values spread over {spread}", {"spread": spread}, (series.name,))
        return None


def _remedy(name: str, activation: str) -> Remedy:
    return Remedy(
        f"Replace the activation of `{name}` by `relu`.",
        f"With `{activation}`, {_WORDS[activation]}, which starves or floods the layers above.",
        code='activation="relu"',
    )


def _narrowest(known: Graph, name: str) -> bool:
    """Whether a layer is the narrowest of several: a code of shares, as a mixture or a topic model has."""
    widths = [
        units
        for n in known.layers
        if known.kind(n) in AFFINE and isinstance(units := known.layers[n].get("units"), int)
    ]
    own = known.layers[name].get("units")
    return isinstance(own, int) and len(widths) > 2 and own <= min(widths)


def _feeds(known: Graph, name: str) -> bool:
    """Whether all that a layer's output goes into are layers with a kernel."""
    after = known.reached(name, lambda n: known.kind(n) in _PASSED and known.activation(n) is None)
    return bool(after) and all(known.kind(n) in AFFINE for n in after)
