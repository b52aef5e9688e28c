"""The step size is inside its stability limit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from thalweg.certificate import Claim, Status
from thalweg.examination import Examination, StepLimit
from thalweg.finding import Evidence
from thalweg.question import Question
from thalweg.record import Record
from thalweg.rules.steps import clipping
from thalweg.stats.drawn import drawn
from thalweg.stats.trend import trend


@dataclass(frozen=True)
class StepSize(Question):
    """Whether the largest curvature that the optimizer's step met at the end is one that the step can bear.

    The ratio is the largest eigenvalue of the Hessian, preconditioned by the optimizer's own state, over the limit
    of its recurrence (2 / lr for gradient descent). Full-batch training climbs to a ratio of 1 and hovers there
    while its loss goes on falling (Cohen et al., ICLR 2021): within `edge` of 1 is normal, and inside.

    A step on a mini-batch meets the curvature of its batch along its batch's gradient. Plain SGD climbs until the
    mean of that over the batches, their *batch sharpness*, is at 2 / lr, while the largest eigenvalue of all the data
    stays below (Andreyev & Beneventano, arXiv:2412.20553, 2024). Where it was measured it is held against the same
    limit, with the interval that holds the mean with `confidence`, and the larger of the two ratios counts. With
    momentum it is told, and held against nothing: what is known of it there depends on the batch.

    Refuted where a ratio is for certain above 1 + `edge` while the loss of the last quarter of the record rose
    (one-sided test with an error that knows autocorrelation, at `size`). Above the edge without that nothing is
    said: the step may have become as large only just now. Nor where gradients were clipped in that quarter, or may
    have been: a clipped step is shorter, and bears more. Below and at the edge it is as stable as one that is not.
    """

    name: ClassVar[str] = "step-size-stable"
    statement: ClassVar[str] = "The step size was inside its stability limit."
    part: ClassVar[str] = "step_limit"
    assumptions: ClassVar[tuple[str, ...]] = (
        "The loss is close to its quadratic model over one step.",
        "The steps saw the curvature of these examples, and without the noise that layers draw in training.",
    )

    edge: float = 0.2
    size: float = 0.01
    confidence: float = 0.99

    def answer(self, record: Record, examination: Examination) -> Claim:
        """The claim on the limit that was measured."""
        found = examination.step_limit
        assert found is not None
        of = "the preconditioned Hessian" if found.preconditioned else "the Hessian"
        mode = f", {examination.mode}" if examination.mode else ""
        scope = f"{examination.which}{mode}, at the final weights and learning rate, {of}"
        value, residual, limit = found.sharpness.value, found.sharpness.residual, found.limit
        if not (np.isfinite([value, residual]).all() and limit > 0.0):
            return self.open(
                "Not looked at: the largest eigenvalue or the limit was not finite.", scope=scope
            )
        with np.errstate(over="ignore", invalid="ignore"):
            ratio, width = (float(np.divide(part, limit)) for part in (value, residual))
        rising = self._rising(record)
        evidence = {
            "sharpness": Evidence(value),
            "residual": Evidence(residual),
            "limit": Evidence(limit),
            "rule": Evidence(found.rule),
            "learning_rate": Evidence(found.learning_rate),
            "ratio": Evidence(ratio, threshold=1.0 + self.edge),
            "p_rising": Evidence(rising, "", threshold=self.size),
        }
        begin = "The largest eigenvalue was {sharpness} ± {residual}, {ratio} times the limit of {limit} ({rule}, "
        begin += "at {learning_rate})"
        batches = self._of_batches(examination, found)
        evidence |= batches.evidence
        begin += f"{batches.words}: "
        known = [(ratio, width), *batches.held]
        low, high = max(one - off for one, off in known), max(one + off for one, off in known)
        if high <= 1.0 - self.edge:
            return self.claim(Status.ESTABLISHED, begin + "below the edge.", evidence, scope=scope)
        if high <= 1.0 + self.edge:
            who = "plain SGD" if batches.held else "full-batch training"
            where = f"at the edge of stability, where {who} usually stays."
            return self.claim(Status.ESTABLISHED, begin + where, evidence, scope=scope)
        if not low > 1.0 + self.edge:
            return self.open(begin + "too wide an interval to tell.", evidence, scope=scope)
        if rising > self.size or np.isnan(rising):
            where = "above the edge, but the loss was not seen to rise."
            return self.open(begin + where, evidence, scope=scope)
        clipped = _clipped(record) if found.clips else 0.0
        if clipped > 0.0:
            evidence |= {"clipped": Evidence(clipped, "fraction", threshold=0.0)}
            where = "above the edge, and the loss rose, but the limit is not that of gradients that are clipped, as "
            where += "{clipped} of the last ones were."
            return self.open(begin + where, evidence, scope=scope)
        if np.isnan(clipped):
            where = "above the edge, and the loss rose, but the limit is not that of gradients that are clipped, and "
            where += "whether they were is not known."
            return self.open(begin + where, evidence, scope=scope)
        where = "above the edge, and the loss rose (chance {p_rising} without a trend)."
        return self.claim(Status.REFUTED, begin + where, evidence, scope=scope)

    def _of_batches(self, examination: Examination, found: StepLimit) -> "_Batches":
        """What is known of the mini-batches, where the run had some."""
        measured = examination.batch_sharpness
        if measured is None:
            reason = examination.missing.get("batch_sharpness")
            told = {"unknown": Evidence(reason)} if reason else {}
            return _Batches("; its batches were not looked at ({unknown})" if reason else "", told)
        mean, whole = drawn(measured.curvatures), drawn(measured.curvatures, measured.squares)
        with np.errstate(all="ignore"):
            ratio, off = (
                float(np.divide(part, found.limit)) for part in (mean.value, mean.within(self.confidence))
            )
        evidence = {
            "batch_sharpness": Evidence(mean.value),
            "batch_error": Evidence(mean.error),
            "batches": Evidence(mean.count),
            "batch_size": Evidence(measured.batch_size, "examples"),
            "weighted_batch_sharpness": Evidence(whole.value),
        }
        if not np.isfinite([ratio, off]).all():
            return _Batches("; that of {batches} batches of {batch_size} was not finite", evidence)
        words = (
            "; batch sharpness was {batch_sharpness} ± {batch_error} (standard error, {batches} batches of "
        )
        words += "{batch_size})"
        if found.preconditioned or found.momentum:
            return _Batches(f"{words}, whose limit is known for SGD without momentum alone", evidence)
        evidence["batch_ratio"] = Evidence(ratio, threshold=1.0 + self.edge)
        return _Batches(f"{words}, {{batch_ratio}} times it", evidence, ((ratio, off),))

    def _rising(self, record: Record) -> float:
        """The chance of a loss that rose so over the last quarter, if it has no trend; NaN where it is not known."""
        if "loss" not in record.series or not len(record.series["loss"]):
            return float("nan")
        tail = record.series["loss"].between(record.last_step - record.last_step // 4, record.last_step)
        if not np.isfinite(tail.values).all():
            return 0.0  # it left every bound
        return trend(tail.steps, tail.values).p_rising


@dataclass(frozen=True)
class _Batches:
    """What is said of mini-batches; `held` are ratios to the limit that count, with half their intervals' width."""

    words: str
    evidence: Mapping[str, Evidence]
    held: tuple[tuple[float, float], ...] = ()


def _clipped(record: Record) -> float:
    """The share of the gradients of the record's last quarter that were clipped; NaN where it is not known."""
    found = clipping(record.tail(max(record.last_step // 4, 1)))
    return float("nan") if found is None else found.share
