"""The step size is inside its stability limit."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from thalweg.certificate import Claim, Status
from thalweg.examination import Examination
from thalweg.finding import Evidence
from thalweg.question import Question
from thalweg.record import Record
from thalweg.stats.trend import trend


@dataclass(frozen=True)
class StepSize(Question):
    """Whether the largest curvature that the optimizer's step met at the end is one that the step can bear.

    The ratio is the largest eigenvalue of the Hessian, preconditioned by the optimizer's own state, over the limit
    of its recurrence (2 / lr for gradient descent). Full-batch training climbs to a ratio of 1 and hovers there
    while its loss goes on falling (Cohen et al., ICLR 2021): within `edge` of 1 is normal, and inside.

    Refuted where the ratio is for certain above 1 + `edge` while the loss of the last quarter of the record rose
    (one-sided test with an error that knows autocorrelation, at `size`). Above the edge without that nothing is
    said: the step may have become as large only just now. Mini-batches see more curvature than the whole data; a
    ratio below 1 says nothing of them.
    """

    name: ClassVar[str] = "step-size-stable"
    statement: ClassVar[str] = "The step size was inside its stability limit."
    part: ClassVar[str] = "step_limit"
    assumptions: ClassVar[tuple[str, ...]] = (
        "The loss is close to its quadratic model over one step.",
        "The steps saw the curvature of these examples; a small batch sees more.",
    )

    edge: float = 0.2
    size: float = 0.01

    def answer(self, record: Record, examination: Examination) -> Claim:
        """The claim on the limit that was measured."""
        found = examination.step_limit
        assert found is not None
        of = "the preconditioned Hessian" if found.preconditioned else "the Hessian"
        scope = f"{examination.which}, at the final weights and learning rate, {of}"
        value, residual, limit = found.sharpness.value, found.sharpness.residual, found.limit
        if not (np.isfinite([value, residual]).all() and limit > 0.0):
            return self.open(
                "Not looked at: the largest eigenvalue or the limit was not finite.", scope=scope
            )
        with np.errstate(over="ignore", invalid="ignore"):
            ratio, width = np.divide(value, limit), np.divide(residual, limit)
        rising = self._rising(record)
        evidence = {
            "sharpness": Evidence(value),
            "residual": Evidence(residual),
            "limit": Evidence(limit),
            "rule": Evidence(found.rule),
            "learning_rate": Evidence(found.learning_rate),
            "ratio": Evidence(float(ratio), threshold=1.0 + self.edge),
            "p_rising": Evidence(rising, "", threshold=self.size),
        }
        begin = "The largest eigenvalue was {sharpness} ± {residual}, {ratio} times the limit of {limit} ({rule}, "
        begin += "at {learning_rate}): "
        if ratio + width <= 1.0 - self.edge:
            return self.claim(Status.ESTABLISHED, begin + "below the edge.", evidence, scope=scope)
        if ratio - width <= 1.0 + self.edge < ratio + width:
            return self.open(begin + "too wide an interval to tell.", evidence, scope=scope)
        if ratio + width <= 1.0 + self.edge:
            where = "at the edge of stability, where full-batch training usually stays."
            return self.claim(Status.ESTABLISHED, begin + where, evidence, scope=scope)
        if rising <= self.size:
            where = "above the edge, and the loss rose (chance {p_rising} without a trend)."
            return self.claim(Status.REFUTED, begin + where, evidence, scope=scope)
        where = "above the edge, but the loss was not seen to rise."
        return self.open(begin + where, evidence, scope=scope)

    def _rising(self, record: Record) -> float:
        """The chance of a loss that rose so over the last quarter, if it has no trend; NaN where it is not known."""
        if "loss" not in record.series or not len(record.series["loss"]):
            return float("nan")
        tail = record.series["loss"].between(record.last_step - record.last_step // 4, record.last_step)
        if not np.isfinite(tail.values).all():
            return 0.0  # it left every bound
        return trend(tail.steps, tail.values).p_rising
