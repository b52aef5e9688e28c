"""L003: the loss is oscillating."""

from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record, Series
from thalweg.rule import Rule
from thalweg.rules.objective import number, unit
from thalweg.stats import alternation, spread, trend


@dataclass(frozen=True)
class Oscillating(Rule):
    """The loss is oscillating.

    ## What it asks

    Did the loss go up and down from one step to the next, without getting anywhere?

    ## Why it matters

    Each step overshoots the valley and lands on its other side. A smaller step would go down.

    ## How it is decided

    Over the last half of the losses (at most 4,096), all of these:

    - neighbours lie on opposite sides of their line: lag-one autocorrelation at most `correlation`, and five
      standard errors below zero (noise between batches is uncorrelated, gradient descent beyond 2 over the
      curvature has -1);
    - the robust standard deviation about the line is `amplitude` of the level or more;
    - the loss is not falling (one-sided p-value of the trend above 0.01);
    - where it was measured, the median cosine of successive gradients is negative.

    Where an epoch has 2 to 30 steps the epoch losses are taken instead: batches in a fixed order alternate
    without any fault.

    ## Thresholds

    `correlation` = -0.4, `amplitude` = 0.1. Healthy synthetic runs of seven shapes, 320 each: no alarm (0 to
    1.2 % for each shape, `benchmarks/error_rates.py`).

    On real Keras programs: the zoo's tables in docs/calibration.md.

    ## Known limits

    Only a period near two steps (or two epochs) is found. Small oscillation at the edge of stability while
    the loss goes on falling is normal, and silent here.

    ## What to do

    Lower the learning rate or let it decay; then momentum, then batch size.

    ## References

    Cohen et al., *Gradient Descent on Neural Networks Typically Occurs at the Edge of Stability*, ICLR 2021.
    Bartlett, *J. R. Stat. Soc. B* 8, 1946.
    """

    code = "L003"
    title = "Loss oscillating"
    family = Family.OPTIMISATION
    needs = (("loss", "epoch_loss"),)

    correlation: float = -0.4
    """Largest lag-one autocorrelation."""
    amplitude: float = 0.1
    """Least standard deviation about the line, as a share of the level."""

    def assess(self, record: Record) -> Finding:
        """The alternation of the last half of the losses."""
        series = self._losses(record)
        values = series.values[np.isfinite(series.values)] if series is not None else np.array([])
        half = values[len(values) // 2 :][-4096:]
        if series is None or len(half) < 12 or not np.isfinite(series.values[-1]):
            return self.unassessed(
                "Not assessed: it takes {count__threshold} finite losses up to the end, and there were "
                "{count}.",
                {"count": Evidence(len(values), "losses", threshold=24)},
            )
        found = alternation(half)
        level = spread(half).location
        relative = found.amplitude / abs(level) if level else np.nan
        cosine = (
            spread(record.series["gradient_cosine"].values) if "gradient_cosine" in record.series else None
        )
        evidence = {
            "count": Evidence(len(half), "losses"),
            "correlation": Evidence(found.correlation, "1", usual=0.0, threshold=self.correlation),
            "amplitude": Evidence(relative, "fraction", threshold=self.amplitude),
            "level": Evidence(level, series.unit),
        }
        if np.isnan(found.correlation):
            del evidence["correlation"]
            return self.finding(Verdict.SATISFACTORY, "The last {count} losses lay on a line.", evidence)
        falling = trend(np.arange(len(half)), half).p_falling <= 0.01
        alternating = (
            found.correlation <= self.correlation and found.score <= -5.0 and relative >= self.amplitude
        )
        opposed = cosine is None or not cosine.count or cosine.location < 0.0
        if not alternating or falling or not opposed:
            template = "The last {count} losses did not swing from one to the next"
            if alternating:
                but = "were falling" if falling else "successive gradients did not oppose each other"
                template = f"The last {{count}} losses swung from one to the next, but {but}"
            template += " (lag-one autocorrelation {correlation}, spread {amplitude} of their level)."
            return self.finding(Verdict.SATISFACTORY, template, evidence, series=(series.name,))
        names = [series.name, "learning_rate"]
        template = (
            "Over the last {count} losses each lay on the other side of their line from the one before "
            "(lag-one autocorrelation {correlation}), {amplitude} of the level {level} away, and they "
            "were not falling."
        )
        if cosine is not None and cosine.count:
            evidence["cosine"] = Evidence(cosine.location, "cosine", threshold=0.0)
            names.insert(1, "gradient_cosine")
            template += " Successive gradients had a median cosine of {cosine}."
        step = int(series.steps[np.isfinite(series.values)][len(values) - len(half)])
        evidence["from"] = Evidence(step, unit(record))
        return self.finding(
            Verdict.CONCERN,
            template,
            evidence,
            series=tuple(names),
            step=step,
            remedies=(
                Remedy(
                    "Halve the learning rate, and again while it oscillates.",
                    "The step is longer than the valley is wide.",
                ),
                Remedy(
                    "Let the learning rate decay over the run (`CosineDecay`).",
                    "The end of a run needs shorter steps than its beginning.",
                ),
                Remedy("Lower the momentum to 0.9 or less.", "It carries the step across the valley."),
                Remedy("Use a larger batch.", "The noise of the gradient shrinks with the root of its size."),
            ),
        )

    def _losses(self, record: Record) -> Series | None:
        """The losses per step, or per epoch where a fixed order of few batches could alternate."""
        few = 2.0 <= number(record, "fit", "steps_per_epoch") <= 30.0
        for name in ("epoch_loss",) if few else ("loss", "epoch_loss"):
            if len(record.series.get(name, ())):
                return record.series[name]
        return None
