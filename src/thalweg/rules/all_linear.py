"""M001: hidden layers without a nonlinearity."""

import math
from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.graph import AFFINE, NOISE, RESHAPING, Graph, figures, graph, initial
from thalweg.rules.objective import number, rows

_LINEAR = AFFINE | RESHAPING | NOISE | {"BatchNormalization", "Activation", "Add", "Average", "Concatenate"}
_SAMPLE = 512.0
"""Examples on which the two simple methods are tried at most."""


@dataclass(frozen=True)
class AllLinear(Rule):
    """Hidden layers without a nonlinearity.

    ## What it asks

    Are all layers below the output linear, where the targets are not a linear function of the inputs?

    ## Why it matters

    Linear layers on top of one another are one linear layer: depth and width add nothing that a regression
    could not do. `Dense(64)` without `activation` is linear.

    ## How it is decided

    From the graph of the layers: two dense, convolutional or other affine layers or more, and nothing that is not
    linear in front of the last of them. Where the graph is not known (a model of one's own class): as many such
    layers, and outputs half-way between two examples that lie half-way between theirs, to `affine` of their spread (a
    last sigmoid or softmax undone). That is a concern where both hold:

    - a kernel method, which is not linear (`data.signal`), removes `gap` or more of the error that a linear model
      (`data.linear`) leaves, in accuracy or explained variance, both cross-validated on the same sample, and the
      two differ by more than `errors` standard errors;
    - where the run has got that far: it ended no more than half of that gap above the linear model.

    A chain with a layer narrower than both its ends is a factorisation (a linear autoencoder, a low-rank layer):
    it says something of its own, and is no concern.

    ## Thresholds

    `affine` = 1e-3, `gap` = 0.25, `errors` = 3. Rates: docs/calibration.md.

    ## Known limits

    Where the two simple methods were not tried (sequences, pictures, several outputs), or the one that is not
    linear does no better, the rule does not accuse. A layer of a class that is not Keras's counts as nonlinear.

    ## What to do

    Give the hidden layers an activation.

    ## References

    Saxe, McClelland & Ganguli, *Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks*, ICLR 2014. Olkin & Finn, *Psychol. Bull.* 118, 1995 (error of an explained variance).
    """

    code = "M001"
    title = "Hidden layers without a nonlinearity"
    family = Family.ARCHITECTURE
    before = True

    affine: float = 1e-3
    """Distance from a straight line between examples, as a share of the outputs' spread, that is rounding."""
    gap: float = 0.25
    """Share of a linear model's error that a kernel method has to remove."""
    errors: float = 3.0
    """Standard errors by which it has to be better."""

    def assess(self, record: Record) -> Finding:
        """Whether the layers are linear, then whether it matters."""
        known = graph(record)
        if known is None:
            return self._unseen(record)
        affine = [name for name in known.layers if known.kind(name) in AFFINE]
        if len(affine) < 2:
            return self.unassessed("Not assessed: the model has no hidden layer of its own.")
        bent = [name for name in known.layers if _bends(known, name)]
        below = [name for name in bent if known.downstream(name).intersection(affine)]
        evidence = {"layers": Evidence(len(affine), "layers")}
        if below:
            return self.finding(
                Verdict.SATISFACTORY,
                "Between the {layers} layers with a kernel there was a nonlinearity, `{first}` the first.",
                {**evidence, "first": Evidence(below[0])},
            )
        return self._linear(record, affine, evidence)

    def _unseen(self, record: Record) -> Finding:
        """A model whose layers cannot be followed, by what it does half-way between examples."""
        gap = number(record, "contract", "affine_gap")
        affine = [str(row.get("name")) for row in rows(record, "layers") if row.get("class") in AFFINE]
        if np.isnan(gap) or len(affine) < 2:
            return self.unassessed("Not assessed: the record does not tell how the layers are connected.")
        evidence = {
            "layers": Evidence(len(affine), "layers"),
            "gap": Evidence(gap, "fraction", threshold=self.affine),
        }
        if gap > self.affine:
            return self.finding(
                Verdict.SATISFACTORY,
                "Half-way between examples the outputs lay {gap} of their spread from half-way between theirs: the "
                "model is not linear.",
                evidence,
            )
        return self._linear(record, affine, evidence)

    def _linear(self, record: Record, affine: list[str], evidence: dict[str, Evidence]) -> Finding:
        """Whether a model that is linear should not be."""
        if _factorises(record, affine):
            return self.finding(
                Verdict.SATISFACTORY,
                "The {layers} layers with a kernel were linear, and narrower between than at both ends: a "
                "factorisation.",
                evidence,
            )
        measure, words = "accuracy", "accuracy"
        line = number(record, "data", "linear", measure)
        if np.isnan(line):
            measure, words = "explained_variance", "explained variance"
            line = number(record, "data", "linear", measure)
        curve = number(record, "data", "signal", "score")
        if np.isnan(line) or np.isnan(curve):
            return self.unassessed(
                "Not assessed: the {layers} layers with a kernel were linear, but whether the targets are is not "
                "known.",
                evidence,
            )
        evidence |= {
            "linear": Evidence(line, "fraction"),
            "curved": Evidence(curve, "fraction", threshold=line),
        }
        series = record.series.get(f"probe_{measure}")
        reached = float(series.values[-1]) if series is not None and len(series) else np.nan
        least = max(self.gap * (1.0 - line), self.errors * _error(record, measure, line, curve))
        if curve - line <= least or reached > line + 0.5 * (curve - line):
            return self.finding(
                Verdict.SATISFACTORY,
                "The {layers} layers with a kernel were linear, and so was what there was to learn: a linear "
                f"model had an {words} of {{linear}}, a kernel method {{curved}}.",
                evidence,
            )
        template = (
            "There was no nonlinearity between the {layers} layers with a kernel: they are one linear model, which "
            f"had an {words} of {{linear}} where a kernel method had {{curved}}."
        )
        if np.isfinite(reached):
            evidence["reached"] = Evidence(reached, "fraction", usual=curve, threshold=line)
            template += " The run ended at {reached}."
        return self.finding(
            Verdict.CONCERN,
            template,
            evidence,
            series=(f"probe_{measure}",) if np.isfinite(reached) else (),
            layer=affine[0],
            remedies=(
                Remedy(
                    f"Give the hidden layers an activation, `{affine[0]}` first.",
                    "Without one, layers on top of one another are a single linear layer.",
                    code='activation="relu"',
                ),
            ),
        )


def _error(record: Record, measure: str, *scores: float) -> float:
    """The standard error of the difference of two scores, as if of two samples: it is less on one."""
    examples = number(record, "data", "examples")
    examples = min(examples, _SAMPLE) if examples >= 1.0 else _SAMPLE
    shares = [min(max(score, 0.0), 1.0) for score in scores]
    if measure == "accuracy":
        return math.sqrt(sum(p * (1.0 - p) for p in shares) / examples)
    return math.sqrt(sum(4.0 * p * (1.0 - p) ** 2 for p in shares) / examples)


def _bends(known: Graph, name: str) -> bool:
    return known.kind(name) not in _LINEAR or known.activation(name) is not None


def _factorises(record: Record, affine: list[str]) -> bool:
    """Whether a layer between is narrower than the first one's inputs and the last one's units."""
    first = figures(initial(record, f"{affine[0]}/kernel"), "fan_in")
    widths = [figures(initial(record, f"{name}/kernel"), "units") for name in affine]
    if first is None or any(width is None for width in widths):
        return False
    units = [width[0] for width in widths if width is not None]
    return min(units[:-1]) < min(first[0], units[-1])
