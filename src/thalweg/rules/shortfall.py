"""The symptom beside which a cause counts: the run ended short of what something simple reaches."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Verdict
from thalweg.record import Record, Series
from thalweg.rules.diverging import Diverging
from thalweg.rules.head import ACCURACIES
from thalweg.rules.objective import number, objective, progress, rows, weighted
from thalweg.rules.oscillating import Oscillating
from thalweg.stats import Trend, trend


@dataclass(frozen=True, slots=True)
class Shortfall:
    """What a run did not reach: a clause for a message, and the evidence and series that it rests on.

    `linear`: it was a simple method (a linear model, a kernel ridge regression), which a run that was merely short
    does not reach either.
    """

    words: str
    evidence: Mapping[str, Evidence]
    series: tuple[str, ...]
    linear: bool = False


def shortfall(record: Record, *, kernel: bool = False) -> Shortfall | None:
    """Where a run ended short of a finite loss, a simple method or a constant prediction; None where none is shown.

    The simple method is a linear model; asked for, also a kernel ridge regression, which a small network that was
    well trained need not reach.

    A loss above that of a constant prediction is no shortfall where the outputs on the probe batch follow
    their targets: it then holds more than the error of the prediction (a penalty).
    """
    if objective(record) is None:
        return None  # what an untrained network makes of the probe batch is no end
    made = progress(record)
    if made.count and made.adequate is False and not np.isfinite(made.final):
        return Shortfall("the last loss was {loss}", {"loss": Evidence(made.final, "loss")}, ("loss",))
    if (simple := _below_linear(record) or (_below_kernel(record) if kernel else None)) is not None:
        return simple
    if made.adequate is not False or _follows(record):
        return None
    evidence = {"loss": Evidence(made.final, "loss", usual=made.start)}
    words = "the loss went from {loss__usual} to {loss}"
    if np.isfinite(made.constant) and made.constant < made.start:
        evidence["constant"] = Evidence(made.constant, "loss")
        words += ", where a constant prediction has {constant}"
    return Shortfall(words, evidence, ("loss",))


def unseen(record: Record) -> Shortfall | None:
    """Less accuracy on the validation examples than a linear model has on examples that it did not see."""
    if weighted(record):
        return None
    simple, examples = (
        number(record, "data", *path) for path in (("linear", "accuracy"), ("validation", "examples"))
    )
    sample = float(np.fmax(number(record, "data", "examples"), 1.0))
    name = next((name for name in map("validation_{}".format, ACCURACIES) if name in record.series), "")
    if not (name and 0.0 <= simple <= 1.0 and examples >= 1.0):
        return None
    error = np.sqrt(simple * (1.0 - simple) * (1.0 / examples + 1.0 / sample))
    line = simple - max(3.0 * float(error), 0.05)
    if not (reached := _last(record, name)) < line:
        return None
    found = Evidence(reached, "fraction", usual=simple, threshold=line)
    words = "the validation accuracy ended at {reached}, where a linear model has {reached__usual} on new examples"
    return Shortfall(words, {"reached": found}, (name,), linear=True)


def left_over(record: Record, enough: float) -> Shortfall | None:
    """What the run ended at on the probe batch, where that leaves something to learn."""
    for name, words in (("probe_accuracy", "accuracy"), ("probe_explained_variance", "explained variance")):
        reached = _last(record, name)
        if reached < enough and objective(record) is not None:
            found = {"reached": Evidence(reached, "fraction", threshold=enough)}
            return Shortfall(f"the {words} on the probe batch ended at {{reached}}", found, (name,))
    return None


def failure(record: Record) -> Shortfall | None:
    """How a run failed that stepped too far: it fell short, diverged (`L002`) or oscillated (`L003`).

    A loss that was still falling over the second half of the run, and under a constant prediction's, is on its way to
    a linear model.
    """
    short = shortfall(record)
    if short is not None and (not underway(record, short) or progress(record).adequate is False):
        return short
    for rule, words in ((Diverging(), "the loss diverged"), (Oscillating(), "the loss oscillated")):
        found = rule.check(record)
        if found.verdict is Verdict.CONCERN:
            level = found.evidence["level"]
            return Shortfall(f"{words}, at a level of {{level}}", {"level": level}, found.series[:1])
    return None


def learnable(record: Record) -> bool:
    """Whether nothing says that the targets cannot be foretold from the inputs (see D008)."""
    return not number(record, "data", "signal", "p") > 0.05


def underway(record: Record, short: Shortfall) -> bool:
    """Whether a run that is short of a linear model was on its way: its loss still fell over the second half."""
    return short.linear and falling(record)


def falling(record: Record) -> bool:
    """Whether the loss still fell over the second half of the run."""
    series = objective(record)
    return series is not None and second_half(series).p_falling < 0.01


def second_half(series: Series) -> Trend:
    """The trend of the second half of a series."""
    half = len(series) // 2
    return trend(series.steps[half:], series.values[half:])


def _below_linear(record: Record) -> Shortfall | None:
    """Less accuracy, or explained variance, than a linear model has on examples that it did not see."""
    if weighted(record):
        return None  # weighted examples are learned at the price of the others
    reached, simple = _last(record, "probe_accuracy"), number(record, "data", "linear", "accuracy")
    examples = float(np.fmax(number(record, "watch", "probe_examples"), 1.0))
    sample = float(np.fmax(number(record, "data", "examples"), 1.0))
    if 0.0 <= simple <= 1.0:
        error = np.sqrt(simple * (1.0 - simple) * (1.0 / examples + 1.0 / sample))
        # Three standard errors of the difference, and enough to matter.
        line = simple - max(3.0 * float(error), 0.02)
        if reached < line:
            found = Evidence(reached, "fraction", usual=simple, threshold=line)
            return Shortfall(
                "the accuracy on the probe batch ended at {reached}, where a linear model has "
                "{reached__usual}",
                {"reached": found},
                ("probe_accuracy",),
                linear=True,
            )
    reached = _last(record, "probe_explained_variance")
    simple = number(record, "data", "linear", "explained_variance")
    # Twice the unexplained variance of the linear model, and 5 % of the variance at least.
    line = simple - max(1.0 - simple, 0.05)
    if 0.0 < simple <= 1.0 and reached < line:
        found = Evidence(reached, "fraction", usual=simple, threshold=line)
        return Shortfall(
            "the explained variance on the probe batch ended at {reached}, where a linear model has "
            "{reached__usual}",
            {"reached": found},
            ("probe_explained_variance",),
            linear=True,
        )
    return None


def _below_kernel(record: Record) -> Shortfall | None:
    """Less accuracy, or explained variance, than a kernel ridge regression has on examples that it did not see."""
    if weighted(record):
        return None
    simple = number(record, "data", "signal", "score")
    for name, words in (("probe_accuracy", "accuracy"), ("probe_explained_variance", "explained variance")):
        reached = _last(record, name)
        if not (np.isfinite(reached) and 0.0 < simple <= 1.0):
            continue
        if name == "probe_accuracy":
            examples = float(np.fmax(number(record, "watch", "probe_examples"), 1.0))
            sample = min(float(np.fmax(number(record, "data", "examples"), 1.0)), 512.0)
            error = np.sqrt(simple * (1.0 - simple) * (1.0 / examples + 1.0 / sample))
            line = simple - max(3.0 * float(error), 0.05)
        else:
            line = simple - max(0.5 * (1.0 - simple), 0.05)
        if reached < line:
            found = Evidence(reached, "fraction", usual=simple, threshold=line)
            sentence = f"the {words} on the probe batch ended at {{reached}}, where a kernel method has "
            return Shortfall(sentence + "{reached__usual}", {"reached": found}, (name,), linear=True)
    return None


def _follows(record: Record) -> bool:
    """Whether the outputs on the probe batch followed their targets in the end."""
    if _last(record, "probe_explained_variance") > 0.05:
        return True
    for row in rows(record, "data", "targets"):
        counts = row.get("class_counts")
        if not isinstance(counts, list | tuple) or not all(isinstance(c, int | float) for c in counts):
            continue
        total = float(sum(counts))
        if 0.0 < total < np.inf and min(counts) >= 0:
            chance = max(counts) / total
            examples = number(record, "watch", "probe_examples")
            error = np.sqrt(chance * (1.0 - chance) / (examples if examples >= 1.0 else 256.0))
            return bool(_last(record, "probe_accuracy") > chance + 3.0 * float(error))
    return False


def _last(record: Record, name: str) -> float:
    series = record.series.get(name)
    return float(series.values[-1]) if series is not None and len(series) else np.nan
