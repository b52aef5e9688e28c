"""P001: updates too small or too large for their parameters."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.layers import LARGE, kernels, largest_update, layer_of
from thalweg.rules.objective import progress
from thalweg.stats import spread

_LARGER = (
    Remedy(
        "Raise the learning rate 10 times.",
        "Each step moved the parameters too little to matter within this run.",
    ),
    Remedy(
        "Check for a schedule that starts or ends near zero, and for a very small `clipnorm`.",
        "Both shrink the update whatever the rate.",
    ),
    Remedy("Scale inputs and targets to unit standard deviation.", "Tiny targets make tiny gradients."),
)
_SMALLER = (
    Remedy(
        "Divide the learning rate by 10.",
        "Parameters that change this much at every step forget what they learned.",
    ),
    Remedy(
        "Warm the learning rate up over the first hundreds of steps.",
        "An adaptive optimizer knows the scale of the gradient only after some steps.",
    ),
    Remedy("Clip the gradient: set `clipnorm=1.0`.", "It bounds the update of SGD directly."),
)


@dataclass(frozen=True)
class UpdateSize(Rule):
    """Updates too small or too large for their parameters.

    ## What it asks

    How large was one step beside the parameters that it changed, in a run that made no progress?

    ## Why it matters

    A ratio of 1e-6 needs a million steps to change anything; at one of 0.3 nothing learned survives. It is
    the most direct view of a learning rate that does not fit, and free of the loss's units.

    ## How it is decided

    The norm of each kernel's change over its norm, its median over the run, and the median over the kernels.
    A concern needs both of these:

    - that median is under `small` or above `large` (where it is under `small`, and the largest update of the
      run was above `large`, the first steps were too large and nothing moved after them);
    - the objective made no adequate progress (`L001`, `B001`).

    Kernels that never moved are left to P002. Where kernels were not measured, the whole model's update norm
    over its parameter norm.

    ## Thresholds

    `small` = 1e-5, `large` = 0.1; healthy runs mostly lie near 1e-3. A concern needs a run that was shown not
    to progress, and on 2,240 healthy synthetic runs neither `L001` nor `B001` was raised (0 to 0.17 %,
    `benchmarks/error_rates.py`); the ratio alone is never an alarm.

    On real Keras programs: the zoo's tables in docs/calibration.md.

    ## Known limits

    Layers before a normalisation are scale-free, and their ratio falls as their norm grows. The median hides
    one odd layer among many; see the heat map of the page.

    ## What to do

    Change the learning rate by the factor that brings the ratio to about 1e-3.

    ## References

    You et al., *Large Batch Training of Convolutional Networks* (LARS), 2017. Karpathy, *CS231n*, "Ratio of
    weights:updates".
    """

    code = "P001"
    title = "Updates out of scale"
    family = Family.OPTIMISATION
    needs = (("update_ratio", "update_norm"),)

    small: float = 1e-5
    """Ratio below which an update is too small."""
    large: float = LARGE
    """Ratio above which an update is too large."""

    def assess(self, record: Record) -> Finding:
        """The typical ratio of update to parameters, and the progress beside it."""
        measured = {name: s.values for name, s in kernels(record, "update_ratio").items()}
        moved = {name: values for name, values in measured.items() if np.any(values != 0.0)}
        if measured and not moved:
            return self.unassessed("Not assessed: no kernel moved (see P002).")
        names = tuple(f"update_ratio/{name}" for name in moved)
        if not moved:
            moved, names = self._whole(record), ("update_norm", "parameter_norm")
        ratios = {name: spread(values).location for name, values in moved.items()}
        typical = spread(list(ratios.values())).location
        if np.isnan(typical):
            return self.unassessed("Not assessed: no ratio of an update to its parameters was measured.")
        largest = largest_update(record)
        low = typical < self.small
        # A network that its first steps threw far away moves no more: that rate was too high, not too low.
        thrown = low and largest > self.large
        high = typical > self.large or thrown
        evidence = {
            "ratio": Evidence(typical, "1", usual=1e-3, threshold=self.large if high else self.small),
            "count": Evidence(len(ratios), "kernels"),
        }
        kernel = "in the one kernel" if len(ratios) == 1 else "over {count} kernels"
        over = kernel if names[0] != "update_norm" else "over the whole model"
        if not (low or high):
            return self.finding(
                Verdict.SATISFACTORY,
                f"The typical update was {{ratio}} of its parameters, {over}.",
                evidence,
                series=names,
            )
        made = progress(record)
        if made.adequate:
            return self.finding(
                Verdict.SATISFACTORY,
                f"The typical update was {{ratio}} of its parameters, {over}, and the loss fell all the "
                "same.",
                evidence,
                series=names,
            )
        if made.adequate is None:
            return self.unassessed(
                f"Not assessed: the typical update was {{ratio}} of its parameters, {over}, but whether "
                "the loss fell could not be told.",
                evidence,
            )
        worst = (max if high else min)(ratios, key=lambda name: ratios[name])
        evidence["loss"] = Evidence(made.final, "loss", usual=made.start)
        if thrown:
            evidence["largest"] = Evidence(largest, "1", usual=typical, threshold=self.large)
            return self.finding(
                Verdict.CONCERN,
                "The largest update was {largest} of its parameters, above {largest__threshold}, and the "
                "typical one {ratio}: what the first steps had thrown away moved no more. The loss went from "
                "{loss__usual} to {loss}.",
                evidence,
                series=names,
                remedies=_SMALLER,
            )
        return self.finding(
            Verdict.CONCERN,
            f"The typical update was {{ratio}} of its parameters, {over}, {'above' if high else 'below'} "
            "{ratio__threshold}, while the loss went from {loss__usual} to {loss}.",
            evidence,
            series=names,
            layer=layer_of(worst) if worst else None,
            remedies=_SMALLER if high else _LARGER,
        )

    def _whole(self, record: Record) -> dict[str, NDArray[np.float64]]:
        update, norm = record.series.get("update_norm"), record.series.get("parameter_norm")
        if update is None or norm is None:
            return {}
        _, left, right = np.intersect1d(update.steps, norm.steps, return_indices=True)
        with np.errstate(all="ignore"):
            return {"": update.values[left] / norm.values[right]}
