"""B002: far below a linear model."""

from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Safety, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.head import class_counts
from thalweg.rules.objective import number, progress, weighted
from thalweg.rules.shortfall import falling


@dataclass(frozen=True)
class FarBelowLinear(Rule):
    """Far below a linear model.

    ## What it asks

    Did the trained network learn at least a good part of what a straight line learns from the same examples?

    ## Why it matters

    A loss that fell says that something was learned, not that it was much. What a linear model tells is there to
    be told, so that a network far below it was held back, whatever its curve looks like.

    ## How it is decided

    The accuracy (or explained variance) on the probe batch at the end, between that of the commonest class (or
    none) and that of a ridge regression, cross-validated on a sample of the training examples. A concern where the
    network made less than `part` of that way, by three standard errors of the accuracy, in 100 steps or 5 epochs at
    least; the way itself must be `way` or more.

    ## Thresholds

    `part` = 0.4, `way` = 0.15. Of the zoo's healthy programs and good twins, on three backends, none came less than
    `part` of the way but one that is cut short by design. Rates: docs/calibration.md.

    ## Known limits

    It says that something is wrong and not what: causes stand above it. Runs whose classes or examples are
    weighted are not asked, nor several outputs. A run that was cut short is below for want of steps (L004).

    ## What to do

    See first whether the network can learn at all: one batch, by heart.

    ## References

    Hastie, Tibshirani & Friedman, *The Elements of Statistical Learning*, section 3.4 (ridge regression).
    """

    code = "B002"
    title = "Far below a linear model"
    family = Family.OUTCOME
    needs = (("probe_accuracy", "probe_explained_variance"),)

    part: float = 0.4
    """Least part of the way from a constant prediction to a linear model."""
    way: float = 0.15
    """Least accuracy or explained variance that a linear model has beyond a constant prediction."""

    def assess(self, record: Record) -> Finding:
        """Accuracy where there is one, else explained variance."""
        if weighted(record):
            return self.unassessed(
                "Not assessed: classes or examples were weighted, and a linear model's are not."
            )
        name, words, linear, constant = self._simple(record)
        series = record.series.get(name)
        if series is None or not np.isfinite(linear + constant):
            return self.unassessed(
                f"Not assessed: the {words} of a linear model or of a constant prediction is not known."
            )
        if linear - constant < self.way:
            return self.unassessed(
                f"Not assessed: a linear model has {{linear}} {words} and a constant prediction {{linear__usual}}, "
                "too near to each other to tell how much was learned.",
                {"linear": Evidence(linear, "fraction", usual=constant, threshold=constant + self.way)},
            )
        count, stepwise = progress(record).count, "loss" in record.series
        if count < (100 if stepwise else 5):  # as L001: few steps are not held against a run
            word = "steps" if stepwise else "epochs"
            evidence = {"count": Evidence(count, word)}
            return self.unassessed(
                f"Not assessed: the record holds too few {word} to tell, {{count}}.", evidence
            )
        if not series.steps[-1] > 0:
            return self.unassessed("Not assessed: the probe batch was looked at before the first step alone.")
        reached = float(series.values[-1])
        line = constant + self.part * (linear - constant)
        if name == "probe_accuracy":
            examples = float(np.fmax(number(record, "watch", "probe_examples"), 1.0))
            line -= 3.0 * float(np.sqrt(line * (1.0 - line) / examples))
        evidence = {
            "reached": Evidence(reached, "fraction", usual=linear, threshold=line),
            "constant": Evidence(constant, "fraction"),
        }
        message = f"The {words} on the probe batch ended at {{reached}}, where a linear model has {{reached__usual}}"
        if not reached < line:
            return self.finding(Verdict.SATISFACTORY, f"{message}.", evidence, series=(name,))
        on_its_way = falling(record)
        return self.finding(
            Verdict.CONCERN,
            f"{message} and a constant prediction {{constant}}"
            + ("; the loss was still falling." if on_its_way else "."),
            evidence,
            series=(name,),
            remedies=(_LONGER, *_REMEDIES) if on_its_way else _REMEDIES,
        )

    def _simple(self, record: Record) -> tuple[str, str, float, float]:
        """Series, its name, what a linear model has of it and what a constant prediction."""
        if len(record.series.get("probe_accuracy", ())):
            counts = class_counts(record)
            commonest = float(max(counts) / sum(counts)) if counts is not None and sum(counts) > 0 else np.nan
            return "probe_accuracy", "accuracy", number(record, "data", "linear", "accuracy"), commonest
        explained = number(record, "data", "linear", "explained_variance")
        return "probe_explained_variance", "explained variance", explained, 0.0


_LONGER = Remedy(
    "Train for longer, or with a learning rate three times higher.",
    "What the linear model tells may only not have been learned yet.",
)
_REMEDIES = (
    Remedy(
        "See whether the network can learn one batch by heart: `thalweg check --overfit`.",
        "If it cannot, model, loss or targets are at fault; if it can, the steps or the data.",
        Safety.MANUAL,
    ),
    Remedy(
        "Standardise the inputs and train with Adam at its default rate.",
        "It learns what a linear model learns in most networks, and shows what the rest held back.",
        code="model.compile(keras.optimizers.Adam(1e-3), ...)",
    ),
)
