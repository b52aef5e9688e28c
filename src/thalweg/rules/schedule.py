"""P005: the learning-rate schedule ended too early."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.compounding import Compounding, compounding
from thalweg.rules.objective import GAIN, number, objective, progress, rows, unit
from thalweg.rules.shortfall import learnable, shortfall
from thalweg.rules.steps import Decay, decay, optimizer, rates, steps
from thalweg.stats import finite, mean, spread


@dataclass(frozen=True)
class ScheduleEnded(Rule):
    """Learning rate decayed to nothing too early.

    ## What it asks

    Did the schedule take the learning rate away while the loss was still falling, and leave most of the run
    without one?

    ## Why it matters

    The rest of the run costs what the beginning did and changes nothing. The usual cause is a schedule
    counted in epochs where Keras counts optimizer steps.

    ## How it is decided

    Before the first step, from the configuration: a Keras schedule without warm restarts whose rate is at
    `nothing` of its start or less for `idle` of the steps that were asked for, where no `EarlyStopping` would
    end the run before that.

    In a run: the rate came down to a hundredth of its peak and stayed there, and the rates of all steps add up to
    as many steps at the peak as are `spent` of the run (a cosine over the run spends 0.5, an exponential decay
    by 10,000 spends 0.11). And one of two. The run was cut off far from done:

    - the loss was still falling: over the second half of that sum it fell by `share` of its whole fall or
      more, by four standard errors; or the successive gradients after it agreed (mean cosine above `cosine`
      with 99 % confidence), which at a minimum they do not;
    - the run ended far from done: short of a linear model or of a constant prediction, or above half of a
      constant prediction's loss (of its start where that is not known).

    Or it was cut off on its way, and for `wasted` of its steps the rate was at `nothing` of its peak or less:
    while the rate was yet a `quarter` of its peak or more, the loss fell from the second quarter of that sum to
    the last by `level` of itself, by four standard errors, and by 2 % of where it began; and it was still
    on its way: the validation loss fell by `level` in the last epoch, or, where that is not known, the last
    quarter brought half of what the one before it had or more.

    Or it multiplied up: `rate * 0.9**epoch` of the current rate, where the first one was meant. The factor from epoch
    to epoch then is 0.9, 0.81, 0.729 and on, or 1/(1 + d), 1/(1 + 2 d) and on for a decay by time: four factors or
    more that lie a whole number of one step apart, in their logarithms or their inverses, to a thousandth of it. No
    schedule of Keras has that shape, and neither has a Gaussian. For `lost` of the run or more the rate was at a
    hundredth of its peak or less, whatever the loss did; a milder factor has hurt nobody.

    That the loss had levelled off is said where it had while the rate was above a tenth of its peak: from the second
    third of those steps to the last it fell by less than `level` of its whole fall and of itself, with two standard
    errors. A loss that levels off with the rate tells nothing of how far it had to go: where that was not far, it had
    come far, else nothing is said.

    ## Thresholds

    `nothing` = 1e-3, `idle` = 0.8, `spent` = 0.2, `share` = 0.2, `cosine` = 0.15, `wasted` = 0.5,
    `quarter` = 0.25, `level` = 0.1, `lost` = 0.2. Of 679 schedules of Keras and of one's own (cosine, restarts,
    exponential, polynomial, inverse time, steps, Gaussian, warm-ups; 8 to 300 epochs) none multiplies up. Rates:
    docs/calibration.md.

    ## Known limits

    Schedules of one's own are seen only once they have run. A factor that multiplies up within an epoch is seen by
    what it does to the loss alone. Where the first steps were long enough to wreck
    the network the rate that came before the decay is blamed (P003).

    ## What to do

    Count the schedule in optimizer steps, over the whole run.

    ## References

    Loshchilov & Hutter, *SGDR: Stochastic Gradient Descent with Warm Restarts*, ICLR 2017 (cosine to the
    end).
    """

    code = "P005"
    title = "Learning rate decayed too early"
    family = Family.OPTIMISATION
    before = True

    nothing: float = 1e-3
    """Share of the starting rate that is as good as none."""
    idle: float = 0.8
    """Least share of the steps asked for that would have no rate."""
    spent: float = 0.2
    """Largest sum of the rates, as a share of the peak throughout."""
    share: float = 0.2
    """Least fall over the second half of that sum, as a share of the whole fall."""
    cosine: float = 0.15
    """Least mean cosine of successive gradients once the rate was gone."""
    wasted: float = 0.5
    """Least share of the run that had as good as no rate, where the loss had come far."""
    quarter: float = 0.25
    """Share of its peak at which the rate still moved the network as before, and did not settle it."""
    level: float = 0.1
    """Least fall of the loss on the way, as a share of what it was."""
    lost: float = 0.2
    """Least share of the run at a hundredth of the peak or less, where the factor multiplied up."""

    def assess(self, record: Record) -> Finding:
        """The rate that was measured, else the schedule that was configured."""
        if objective(record) is None:
            return self._planned(record)
        found = decay(record)
        if found is None:
            if not len(record.series.get("learning_rate", ())):
                return self.unassessed("Not assessed: the record holds no learning rate over the run.")
            return self.finding(
                Verdict.SATISFACTORY,
                "The learning rate did not come down to a hundredth of its peak for good.",
            )
        word = unit(record)
        count = len(found.path)
        evidence = {
            "step": Evidence(found.step, word),
            "last": Evidence(found.last, "1", usual=found.peak),
            "steps": Evidence(count, f"{word}s"),
            "spent": Evidence(
                found.spent * count, f"{word}s", usual=0.5 * count, threshold=self.spent * count
            ),
        }
        if (compound := compounding(record)) is not None and (gone := self._lost(record, found)) is not None:
            return self._multiplied(record, found, compound, evidence | {"lost": gone})
        adds = f"the rates of all {{steps}} {word}s add up to {{spent}} {word}s at the peak"
        came = f"The learning rate had come down from {{last__usual}} to a hundredth of it by {word} {{step}}"
        if found.spent > self.spent:
            return self.finding(
                Verdict.SATISFACTORY,
                f"{came}, and {adds}.",
                evidence,
                series=("learning_rate",),
            )
        if steps(record).hot:
            return self.unassessed(
                f"Not assessed: {came[0].lower()}{came[1:]}, but the steps before it were too long (see "
                "P003).",
                evidence,
            )
        if (cut := self._cut_off(record, found)) is not None:
            return self.finding(
                Verdict.CONCERN,
                f"{came}, and {adds}; while the rate was a quarter of its peak or more the loss fell from "
                "{fell__usual} to {fell}, and for {wasted} of the run there was as good as none.",
                {**evidence, **cut},
                series=("learning_rate", "loss"),
                step=found.step,
                remedies=_remedies(record),
            )
        falling = self._falling(record, found)
        short = shortfall(record, kernel=True) if learnable(record) else None
        short = short if short is not None and short.linear else None  # else the loss itself tells
        far = short is not None or self._far(record)
        if short is None and (falling is None or far is None):
            return self.unassessed(
                f"Not assessed: {came[0].lower()}{came[1:]}, but how the loss fell until then could not be "
                "told.",
                evidence,
            )
        if short is None and not (falling and far):
            level = not falling and self._levelled(record, found)
            if far and not level:
                return self.unassessed(
                    f"Not assessed: {came[0].lower()}{came[1:]}, and the loss levelled off as the rate went: how far "
                    "it had to fall does not show.",
                    evidence,
                )
            return self.finding(
                Verdict.SATISFACTORY,
                f"{came}, and the loss had {'levelled off' if level else 'come far'} by then.",
                evidence,
                series=("learning_rate",),
            )
        made = progress(record)
        evidence["loss"] = Evidence(made.final, "loss", usual=made.start)
        return self.finding(
            Verdict.CONCERN,
            f"{came}, and {adds}; the loss went from {{loss__usual}} to {{loss}}"
            + (", and had not levelled off before." if falling else "."),
            evidence,
            series=("learning_rate", "loss"),
            step=found.step,
            remedies=_remedies(record),
        )

    def _lost(self, record: Record, found: Decay) -> Evidence | None:
        """The share of the run after the rate had come down, where that is much."""
        series = rates(record)
        share = float(np.mean(series.steps >= found.step)) if series is not None else 0.0
        return Evidence(share, "fraction", threshold=self.lost) if share >= self.lost else None

    def _multiplied(
        self, record: Record, found: Decay, compound: Compounding, evidence: dict[str, Evidence]
    ) -> Finding:
        factor = Evidence(compound.last, "1", usual=compound.first)
        return self.finding(
            Verdict.CONCERN,
            "The learning rate came down from {last__usual} to {last}, for the factor by which an epoch lowered it "
            "itself fell, from {factor__usual} to {factor}: from "
            f"{unit(record)} {{step}} on, for {{lost}} of the run, a hundredth of the rate was left or less.",
            {**evidence, "factor": factor},
            series=("learning_rate", "loss"),
            step=found.step,
            remedies=(
                Remedy(
                    "Let the rate decay from the initial rate, not from the current one.",
                    "A factor that depends on the epoch multiplies up where the current rate is what it lowers.",
                    code=compound.code,
                ),
                _CONSTANT,
            ),
        )

    def _levelled(self, record: Record, found: Decay) -> bool:
        """Whether the loss had levelled off while the rate was above a tenth of its peak."""
        series, scaled = objective(record), np.diff(found.path, prepend=0.0)
        if series is None or len(series) != len(found.path):
            return False
        rated = scaled > 0.1 * np.max(scaled)
        middle, end = (spread(part) for part in np.array_split(series.values[rated], 3)[1:])
        whole = (
            spread(series.values[:3]).location - spread(series.values[series.steps >= found.step]).location
        )
        error = 1.25 * float(np.hypot(middle.scale / np.sqrt(middle.count), end.scale / np.sqrt(end.count)))
        least = self.level * min(whole, middle.location)
        return bool(middle.location - end.location + 2.0 * error < least)

    def _falling(self, record: Record, found: Decay) -> bool | None:
        """Whether the loss still fell over the second half of the sum of the rates; None where it cannot be told."""
        series = objective(record)
        if series is None or len(series) != len(found.path):
            return None
        middle = (found.path > 0.25) & (found.path <= 0.5)
        first = spread(series.values[:3])
        between, after = spread(series.values[middle]), spread(series.values[series.steps >= found.step])
        whole, late = first.location - after.location, between.location - after.location
        cosines = record.series.get("gradient_cosine")
        # Parameters that stand still show by their gradients whether there was further to go.
        if cosines is not None:
            agreement = mean(cosines.between(found.step, int(series.steps[-1])).values)
            if agreement.quantile(0.01) > self.cosine:
                return True
        if min(between.count, after.count) < 2:
            return None
        # With two or three values a median absolute deviation is chance; what follows has many.
        scale = max(between.scale, after.scale)
        error = 1.25 * scale * np.sqrt(1.0 / between.count + 1.0 / after.count)
        return bool(late >= self.share * whole and late > 4.0 * error)

    def _cut_off(self, record: Record, found: Decay) -> dict[str, Evidence] | None:
        """How the loss fell while there was a rate, where most of the run had none; None where it levelled off."""
        series, scaled = objective(record), np.diff(found.path, prepend=0.0)
        scaled = scaled / np.max(scaled)
        wasted = float(np.mean(scaled <= self.nothing))
        if series is None or len(series) != len(found.path) or wasted < self.wasted:
            return None
        rated = scaled >= self.quarter
        # What the loss does as the rate itself comes down is the noise that settles: it is left out.
        before, between, after = (
            (found.path > low) & (found.path <= low + 0.25) & rated for low in (0.25, 0.5, 0.75)
        )
        was, middle, then = (spread(series.values[kept]) for kept in (before, between, after))
        if min(was.count, middle.count, then.count) < 3:
            return None
        error = 1.25 * float(np.hypot(was.scale / np.sqrt(was.count), then.scale / np.sqrt(then.count)))
        line = was.location - max(self.level * was.location, GAIN * spread(series.values[:3]).location)
        if not then.location < min(line, was.location - 4.0 * error):
            return None
        validation, end = record.series.get("validation_loss"), int(series.steps[rated][-1])
        held = finite(validation.values[validation.steps <= end]) if validation is not None else finite([])
        if len(held) >= 2:
            going = held[-1] <= (1.0 - self.level) * held[-2]
        else:  # Of a fall that halves from quarter to quarter as much was to come as the last one brought.
            going = middle.location - then.location >= 0.5 * (was.location - middle.location)
        if not going:
            return None
        return {
            "fell": Evidence(then.location, "loss", usual=was.location, threshold=line),
            "wasted": Evidence(wasted, "fraction", threshold=self.wasted),
        }

    def _far(self, record: Record) -> bool | None:
        made = progress(record)
        if not np.isfinite(made.final):
            return None
        return bool(made.low > 0.5 * (made.constant if np.isfinite(made.constant) else made.start))

    def _planned(self, record: Record) -> Finding:
        """The schedule of the configuration over the steps that were asked for."""
        asked = number(record, "fit", "epochs") * number(record, "fit", "steps_per_epoch")
        schedule = optimizer(record).get("learning_rate")
        end = _end(schedule, self.nothing) if isinstance(schedule, Mapping) else np.nan
        if not (asked > 0.0 and np.isfinite(end)):
            return self.unassessed(
                "Not assessed: there is no schedule whose end is known, or no number of steps."
            )
        evidence = {
            "end": Evidence(int(min(end, 1e15)), "steps"),
            "asked": Evidence(int(asked), "steps"),
            "idle": Evidence(max(0.0, 1.0 - end / asked), "fraction", threshold=self.idle),
        }
        names = [str(row.get("class")) for row in rows(record, "callbacks")]
        if 1.0 - end / asked < self.idle or "EarlyStopping" in names:
            return self.finding(
                Verdict.SATISFACTORY,
                "The schedule took {end} of the {asked} steps asked for to come down to nothing.",
                evidence,
            )
        return self.finding(
            Verdict.CONCERN,
            "The schedule came down to nothing after {end} of the {asked} steps asked for, which left {idle} "
            "of the run without a learning rate.",
            evidence,
            series=("learning_rate",),
            remedies=_remedies(record),
        )


_CONSTANT = Remedy(
    "Use a constant learning rate first.", "It shows what the loss can reach, and where to let it decay."
)
_SCHEDULE = Remedy(
    "Let the schedule end with the run.",
    "Keras counts schedules in optimizer steps, not in epochs.",
    code="keras.optimizers.schedules.CosineDecay(rate, decay_steps=epochs * steps_per_epoch)",
)
_CALLBACKS = {
    "ReduceLROnPlateau": Remedy(
        "Give `ReduceLROnPlateau` a smaller `min_delta`, more `patience` and a `min_lr`.",
        "It counts epochs that gained less than `min_delta`, and took these for a plateau.",
    ),
    "LearningRateScheduler": Remedy(
        "Let the function of `LearningRateScheduler` come down over the whole run.",
        "Its second argument is the rate of the epoch before, so a factor on it multiplies up.",
    ),
}


def _remedies(record: Record) -> tuple[Remedy, ...]:
    """What to do, by who brought the rate down."""
    told = isinstance(optimizer(record).get("learning_rate"), Mapping)
    names = [] if told else [str(row.get("class")) for row in rows(record, "callbacks")]
    first = next((_CALLBACKS[name] for name in names if name in _CALLBACKS), _SCHEDULE)
    return first, _CONSTANT


def _end(schedule: Mapping[str, object], nothing: float) -> float:
    """The step from which a Keras schedule's rate is at `nothing` of its start for good; NaN where not known."""
    name, config = str(schedule.get("class_name")), schedule.get("config")
    if not isinstance(config, Mapping):
        return np.nan

    def value(key: str, default: float = np.nan) -> float:
        found = config.get(key, default)
        usable = isinstance(found, int | float) and not isinstance(found, bool)
        return float(found) if usable and np.isfinite(float(found)) else default

    start, length = value("initial_learning_rate"), value("decay_steps")
    if name == "ExponentialDecay":
        each = value("decay_rate")
        return length * float(np.log(nothing) / np.log(each)) if length > 0.0 and 0.0 < each < 1.0 else np.nan
    if name == "CosineDecay":
        target, warm = config.get("warmup_target"), value("warmup_steps", 0.0)
        if target is not None and not value("warmup_target") > 0.0:
            return np.nan
        return length + warm if value("alpha", 0.0) <= nothing and length > 0.0 else np.inf
    if name == "PolynomialDecay":
        ends = value("end_learning_rate", 1e-4) <= nothing * start and length > 0.0
        return np.nan if config.get("cycle") or not start > 0.0 else length if ends else np.inf
    if name == "PiecewiseConstantDecay":
        bounds, values = config.get("boundaries"), config.get("values")
        if not isinstance(bounds, list) or not isinstance(values, list) or len(values) != len(bounds) + 1:
            return np.nan
        if not all(isinstance(x, int | float) and np.isfinite(x) for x in (*bounds, *values)):
            return np.nan
        small = finite(values) <= nothing * max(values)
        left = int(np.sum(np.cumprod(small[::-1])))
        return float(bounds[-left]) if 0 < left <= len(bounds) else np.inf
    return np.nan
