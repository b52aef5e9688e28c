"""L002: the loss is diverging."""

from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.objective import number, objective, unit
from thalweg.stats import spread, trend


@dataclass(frozen=True)
class Diverging(Rule):
    """The loss is diverging.

    ## What it asks

    Is the loss, and has it been for a while, well above where it started, or has it lost most of what it had
    gained?

    ## Why it matters

    Above its initial value the network is worse than untrained. It hardly ever comes back, and never to where
    it would have been: Adam's second moments and saturated units remember.

    ## How it is decided

    Over the last w losses the *lower quartile* lies, where w is a tenth of the run between 64 and 256 steps
    (always 256 while the run goes on), or between 2 and 10 epochs,

    - above the starting loss, and a constant prediction's, by `excess` of it; or
    - above the lowest level reached (the lowest median of any w losses before) by `lost` of the fall from
      start to that level, and by four robust standard deviations of the losses there.

    Or, when the run is over: the epoch of the lowest training loss lay in its first half, the median epoch after it
    had lost `worse` of the gain, and none of the later ones came back to it.

    While the run goes on, and always in the second case, the loss must also not be falling over these w
    losses (one-sided p-value of its trend above 0.01, its last quarter within 10 % of the highest): a
    catapult or a warm-up that comes down again is no divergence.

    ## Thresholds

    `excess` = 0.5, `lost` = 0.5, `worse` = 0.1. Healthy synthetic runs of seven shapes, a catapult of 200 steps among
    them: no alarm on 320 finished runs of each (0 to 1.2 %), and none on 140 runs that were asked every 128 steps,
    10,920 looks (`benchmarks/error_rates.py`).

    On real Keras programs: the zoo's tables in docs/calibration.md.

    ## Known limits

    A sharp warm restart of the learning rate may lose half of the gain for more than w steps, and a
    curriculum that grows harder looks the same as a divergence. A loss that is not finite at the end is left
    to N001.

    ## What to do

    Lower the learning rate and start again from before the rise.

    ## References

    Lewkowycz et al., *The large learning rate phase of deep learning: the catapult mechanism*, 2020. Cohen et
    al., *Gradient Descent on Neural Networks Typically Occurs at the Edge of Stability*, ICLR 2021.
    """

    code = "L002"
    title = "Loss diverging"
    family = Family.OPTIMISATION
    needs = (("loss", "epoch_loss"),)
    live = True

    excess: float = 0.5
    """Rise above the starting loss, as a share of it."""
    lost: float = 0.5
    """Share of the gain that was lost again."""
    worse: float = 0.1
    """The same of the epochs' losses, each over all examples, since the best one in the first half of a run."""

    def assess(self, record: Record) -> Finding:
        """Where the last losses lie between the start, the lowest level and beyond."""
        series = objective(record)
        assert series is not None
        stepwise = series.name == "loss"
        word = unit(record)
        if not np.isfinite(series.values[-1]):
            return self.unassessed("Not assessed: the last loss was not finite.")
        known = np.isfinite(series.values)
        values, steps = series.values[known], series.steps[known]
        over = any(event.kind == "finished" for event in record.events) or not stepwise
        n, least = len(values), (64 if over else 320) if stepwise else 3
        if n < least:
            return self.unassessed(
                "Not assessed: it takes {count__threshold} losses, and the record holds {count}.",
                {"count": Evidence(n, "losses", threshold=least)},
            )
        w = min(max(n // 10, 2), 10)
        if stepwise:
            w = min(max(n // 10, 64), n // 2, 256) if over else 256
        recent = values[-w:]
        level, floor = spread(recent).location, float(np.quantile(recent, 0.25))
        start = number(record, "initial_loss")
        if not np.isfinite(start) and int(steps[0]) <= 1:
            start = spread(values[:8]).location if stepwise else float(values[0])
        constant = number(record, "constant_prediction_loss")
        if constant > start:
            start = constant  # the first batch may be an easy one
        blocks = [spread(values[i : i + w]) for i in range(0, n - w, w)]
        best = min(range(len(blocks)), key=lambda i: blocks[i].location)
        lowest = blocks[best]
        quarters = [spread(part).location for part in np.array_split(recent, 4) if len(part)]
        falling = trend(np.arange(w), recent).p_falling <= 0.01 or quarters[-1] < 0.9 * max(quarters)
        limit = start + self.excess * abs(start)
        evidence = {"level": Evidence(level, series.unit, usual=start, threshold=limit)}
        if floor > limit and start != 0.0 and (over or not falling):
            evidence["ratio"] = Evidence(level / start, "1", threshold=1.0 + self.excess)
            template = "The loss stood at {level} over the last losses"
            template += (
                ", {ratio} times the initial {level__usual}."
                if start > 0.0
                else ", initially {level__usual}."
            )
            return self._concern(template, evidence, series.name, steps, values, limit, word)
        gain = start - lowest.location
        limit = lowest.location + max(self.lost * gain, 4.0 * lowest.scale)
        if gain > 0.0 and floor > limit and not falling:
            evidence = {
                "level": Evidence(level, series.unit, usual=lowest.location, threshold=limit),
                "start": Evidence(start, series.unit),
                "lost": Evidence((level - lowest.location) / gain, "fraction", threshold=self.lost),
            }
            template = (
                "The loss rose from {level__usual} back to {level} and lost {lost} of what it had "
                "gained since {start}."
            )
            return self._concern(template, evidence, series.name, steps, values, limit, word)
        if over and (worse := self._worse(record)) is not None:
            return worse
        if not np.isfinite(start):
            start = lowest.location
        return self.finding(
            Verdict.SATISFACTORY,
            "Over the last {window} of {count} losses the level was {level}, after {level__usual} at first.",
            {
                "window": Evidence(w, "losses"),
                "count": Evidence(n, "losses"),
                "level": Evidence(level, series.unit, usual=start),
            },
        )

    def _worse(self, record: Record) -> Finding | None:
        """A training loss that left its best epoch in the first half of the run behind, and stayed away."""
        series = record.series.get("epoch_loss")
        if series is None or len(series) < 8 or not np.isfinite(series.values).all():
            return None
        values = series.values
        best = int(np.argmin(values))
        lowest = float(values[best])
        limit = lowest + self.worse * (float(values[0]) - lowest)
        after = values[best + 1 :]
        if len(after) < len(values) // 2 or not float(np.median(after)) > limit > lowest:
            return None
        # The least of the later epochs is further from the best one than they are from each other; and the fall
        # to that one was no such noise.
        scatter = spread(after).scale
        if not np.min(after[len(after) // 2 :]) - lowest > scatter or not (
            values[0] - lowest > 4.0 * scatter and lowest < 0.5 * values[0]
        ):
            return None
        evidence = {
            "level": Evidence(float(np.median(after)), series.unit, usual=lowest, threshold=limit),
            "best": Evidence(best + 1, "epoch"),
        }
        template = "The training loss was lowest, {level__usual}, in epoch {best}, and {level} after it."
        return self._concern(template, evidence, series.name, series.steps, values, limit, unit(record))

    def _concern(
        self,
        template: str,
        evidence: dict[str, Evidence],
        name: str,
        steps: object,
        values: object,
        limit: float,
        word: str,
    ) -> Finding:
        at, loss = np.asarray(steps), np.asarray(values)
        below = np.flatnonzero(loss <= limit)
        step = int(at[below[-1] + 1]) if len(below) and below[-1] + 1 < len(at) else int(at[0])
        evidence["step"] = Evidence(step, word)
        return self.finding(
            Verdict.CONCERN,
            template + f" It was last below {{level__threshold}} just before {word} {{step}}.",
            evidence,
            series=(name, "gradient_norm", "learning_rate"),
            step=step,
            remedies=(
                Remedy(
                    "Divide the learning rate by 10.",
                    "A step beyond 2 over the curvature makes the loss grow, not fall.",
                ),
                Remedy(
                    "Start again from a checkpoint before the rise.",
                    "The optimizer's moments and saturated units keep the memory of it.",
                ),
                Remedy(
                    "Clip the gradient: set `clipnorm=1.0`.", "It bounds the step that one batch can cause."
                ),
                Remedy(
                    "Scale inputs and targets to unit standard deviation.",
                    "The largest stable learning rate shrinks with the square of the inputs' scale.",
                ),
            ),
        )
