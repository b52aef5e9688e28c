"""P009: a warm-up that had not ended when training did."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record, Series
from thalweg.rule import Rule
from thalweg.rules.layers import kernels
from thalweg.rules.objective import GAIN, objective, progress
from thalweg.rules.shortfall import learnable, second_half, shortfall
from thalweg.rules.steps import CLIPPED, clipping, optimizer, plain, rates, steps, warming
from thalweg.stats import finite, median


@dataclass(frozen=True)
class WarmUpUnended(Rule):
    """Warm-up had not ended when training did.

    ## What it asks

    Was the learning rate still on its way up at the end of the run, and its steps too small to have got anywhere?

    ## Why it matters

    The whole run then trained at a part of the rate that was meant, and looks like a network that cannot learn or
    wants many more epochs. A warm-up of 4,000 or 40,000 steps, taken over from a paper, is longer than many a run.

    ## How it is decided

    All of these:

    - *Rising*: the rate never fell, ended at three times its first value or more, and was higher at the end than at
      three quarters of the run;
    - *Tiny*: the updates of the last tenth of the run were typically under `typical` of their parameters, and none
      of the run was above `largest`: the rate did not get to where it moves the network;
    - *Short*: the run ended short of a linear model, or the loss was shown not to have fallen, or not below a
      constant prediction's; or it was still falling over the second half (one-sided p below 0.01, by 2 % of where it
      began or more) and ended above half of a constant prediction's.

    A rate that rises to the end on purpose, as in a range test, ends with updates that are large. Left to others: a
    gradient that was clipped (P006) or, with SGD, small itself (G002), and targets that nothing foretells (D008).

    ## Thresholds

    `typical` = 3e-4, `largest` = 0.01, `gradient` = 0.01. A concern needs a run that fell short, or that had not come
    half of its way. Rates: docs/calibration.md.

    ## Known limits

    A warm-up of half a run whose steps were of use is not held against it.

    ## What to do

    Let the warm-up end within the first tenth of the run, counted in optimizer steps.

    ## References

    Vaswani et al., *Attention Is All You Need*, 2017, section 5.3 (4,000 of 100,000 steps). Goyal et al., *Accurate,
    Large Minibatch SGD*, 2017 (5 of 90 epochs).
    """

    code = "P009"
    title = "Warm-up had not ended when training did"
    family = Family.OPTIMISATION
    needs = (("loss", "epoch_loss"), ("learning_rate",), ("update_ratio",))

    typical: float = 3e-4
    """Largest typical ratio of an update to its parameters in the last tenth of the run."""
    largest: float = 0.01
    """Largest ratio of any update to its parameters."""
    gradient: float = 0.01
    """Least ratio of a gradient to its parameters, at which the rate of SGD is to blame."""

    def assess(self, record: Record) -> Finding:
        """The rate's way up, the size of the last steps, then how far the run came."""
        series = rates(record)
        if series is None or not warming(record):
            return self._ended(series)
        went, last = steps(record), _last(record)
        if np.isnan(last):
            return self.unassessed("Not assessed: no kernel moved, or the steps were not measured.")
        end = int(series.steps[-1])
        evidence = {
            "rate": Evidence(float(series.values[-1]), "1", usual=float(series.values[0])),
            "step": Evidence(int(series.steps[np.argmax(series.values)]), "step"),
            "steps": Evidence(end, "steps"),
            "ratio": Evidence(last, "1", usual=1e-3, threshold=self.typical),
        }
        rose = "the learning rate was being raised up to step {step} of {steps}, from {rate__usual} to {rate}"
        tail = "the typical update of the last tenth was {ratio} of its parameters"
        if not (last < self.typical and went.largest < self.largest):
            evidence["largest"] = Evidence(went.largest, "1", threshold=self.largest)
            return self.finding(
                Verdict.SATISFACTORY,
                f"T{rose[1:]}; {tail}, and the largest of the run {{largest}}.",
                evidence,
            )
        if (other := self._other(record, last, float(series.values[-1]))) is not None:
            return self.unassessed(f"Not assessed: {rose}, but {other}.", evidence)
        harm = self._harm(record)
        if harm is None:
            return self.finding(
                Verdict.SATISFACTORY, f"T{rose[1:]}; {tail}, and no harm of it was shown.", evidence
            )
        words, found, shown = harm
        planned = _planned(record)
        if planned is not None:
            evidence["planned"] = Evidence(planned[1], "steps")
            rose += f" (`{planned[0]}` was {{planned}})"
        tenth = max(end // 10, 1)
        evidence["tenth"] = Evidence(tenth, "steps")
        return self.finding(
            Verdict.CONCERN,
            f"T{rose[1:]}; {tail}, and {words}.",
            {**evidence, **found},
            series=("learning_rate", *shown),
            step=end,
            remedies=(
                Remedy(
                    f"Let the warm-up end after a tenth of the run, {tenth:,} of its {end:,} steps.",
                    "Schedules are counted in optimizer steps, and this one was made for a longer run.",
                    code=f"{planned[0] if planned is not None else 'warmup_steps'}={tenth}",
                ),
                Remedy(
                    "Leave the warm-up out.",
                    "A constant rate, of 1e-3 with Adam, shows what the network can reach.",
                ),
            ),
        )

    def _ended(self, series: Series | None) -> Finding:
        values = finite(series.values if series is not None else [])
        if not len(values):
            return self.unassessed("Not assessed: no learning rate that is a number was measured.")
        return self.finding(
            Verdict.SATISFACTORY,
            "The learning rate was not on its way up at the end: it was {rate}, with a peak of {rate__usual}.",
            {"rate": Evidence(float(values[-1]), "1", usual=float(np.max(values)))},
        )

    def _other(self, record: Record, last: float, rate: float) -> str | None:
        """What else makes tiny steps in this run; None where nothing does."""
        clip, proportional = clipping(record), plain(record)
        if clip is not None and clip.factor > CLIPPED and proportional is not False:
            return "its gradient was clipped (see P006)"
        if proportional and last / rate < self.gradient:
            return "the gradient was small itself (see G002)"
        return None if learnable(record) else "nothing foretold the targets from the inputs (see D008)"

    def _harm(self, record: Record) -> tuple[str, Mapping[str, Evidence], tuple[str, ...]] | None:
        """What the run did not reach, or that it was on its way and not half there; None where neither is shown."""
        if (short := shortfall(record)) is not None:
            return short.words, short.evidence, short.series
        series, made = objective(record), progress(record)
        if series is None or not made.low > 0.5 * made.constant:
            return None
        line = second_half(series)
        least = GAIN * abs(made.start)
        if not (line.p_falling < 0.01 and -line.change >= least):
            return None
        evidence = {
            "fall": Evidence(-line.change, "loss", threshold=least),
            "loss": Evidence(made.final, "loss", usual=made.start),
            "constant": Evidence(made.constant, "loss"),
        }
        words = (
            "the loss was still falling, by {fall} over the second half of the run, to {loss}, where a constant "
            "prediction has {constant}"
        )
        return words, evidence, (series.name,)


def _last(record: Record) -> float:
    """The typical update of the last tenth of the run; NaN where no kernel moved."""
    found = [series.values for series in kernels(record, "update_ratio").values()]
    found = [values for values in found if np.any(finite(values) != 0.0)]
    return median([median(values[-max(len(values) // 10, 1) :]) for values in found])


def _planned(record: Record) -> tuple[str, int] | None:
    """The name and number of the steps of warm-up that the schedule was given; None where it tells none."""
    schedule = optimizer(record).get("learning_rate")
    config = schedule.get("config") if isinstance(schedule, Mapping) else None
    for name, value in (config if isinstance(config, Mapping) else {}).items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if isinstance(name, str) and "warm" in name and "step" in name and number and 1 <= value < 1e15:
            return name, int(value)
    return None
