"""L004: the loss was still falling when training stopped."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record, Series
from thalweg.rule import Rule
from thalweg.rules.objective import GAIN, Progress, epochs, progress, unit
from thalweg.rules.tail import Tail


@dataclass(frozen=True)
class Unfinished(Rule):
    """The loss was still falling when training stopped.

    ## What it asks

    Did the run end before it had levelled off, so that more steps of the same kind would have gone on
    lowering the loss?

    ## Why it matters

    It is the cheapest improvement there is: nothing is wrong, there was only too little of it.

    ## How it is decided

    A straight line is fitted to the last third (eight values at least) of the validation loss (what falls in
    training alone is not worth more epochs). Where there are fewer than eight validations it is fitted to the
    training loss, and the validation loss must have fallen along: each of its last two values was the lowest
    so far. The standard error of the line knows the autocorrelation of its residuals (batch means, inflated
    by (1 + rho)/(1 - rho) with Kendall's correction). Still falling means both

    - one-sided p-value below `significance`, of the trend or, in a log of epochs, of so many falls from one
      value to the next under a random walk without drift (seven falls in a row have p = 1/128), and
    - a fitted fall over that third of `share` or more of the whole gain. It is counted from where the training
      loss began, a constant prediction's loss at most (where that is known), for most of a fall may come within the
      first epoch; for losses per step past their first tenth.

    A log of epochs also has to be falling at its end: half as many epochs at the pace of the last three (their
    median) would bring `share` of the gain.

    Levelled off is a claim of its own: the largest fall that the line allows with 95 % confidence is smaller
    than that share, or the line rises (one-sided p-value below `significance`; a rise of `share` of the level
    or more is called one; so is a fall that is that large beside the level and certain, but small beside the
    gain). Between these nothing is said, nor is it where the training loss never fell
    (`L001`) or the whole gain is under 2 % of where it began.

    Where the learning rate ended at a tenth of its peak or less, the schedule had come to its end: the fall
    of the last third is what annealing does, more epochs at that rate would not repeat it, and the question
    is left unassessed.

    A run of fewer than `epochs` epochs, or of fewer than 256 steps and eight epochs, is judged by its losses per
    step, and only where all is plain: the fall over the last third is `plain` of the gain or more (a straight
    line has a third of it there), the loss ended above half of a constant prediction's (of its start where that
    is not known), and each validation was below the one before. Three to seven epochs suffice where training and
    validation losses both fell from each to the next, in the last by three fifths of their mean fall or more, and
    the end was as far.

    ## Thresholds

    `significance` = 0.01, `share` = 0.05, `epochs` = 5, `plain` = 0.2. On losses per step that levelled off
    1.2 % (0.5 to 3.2 %), all of them under noise of autocorrelation 0.9; none on one-cycle schedules and
    interpolating runs (320 each). On validation losses of 8 to 200 epochs that levelled off 0 to 0.6 % up to
    autocorrelation 0.5, up to 3.2 % at 0.9 (1,000 runs each, `benchmarks/error_rates.py`).

    On real Keras programs: the zoo's tables in docs/calibration.md.

    ## Known limits

    Too few values (8 of a log of epochs, 96 steps) are not assessed. A slow fall hidden in noise is missed:
    the answer "levelled off" is about this record, not about the minimum.

    ## What to do

    Train longer; or raise the learning rate, if the fall was slow from the beginning.

    ## References

    Santer et al., *J. Geophys. Res.* 105, 2000, section 4 (trend with autocorrelated residuals). Moore &
    Wallis, *J. Am. Stat. Assoc.* 38, 1943 (signs of differences). Prechelt, *Early Stopping - But When?*,
    1998.
    """

    code = "L004"
    title = "Still falling when training stopped"
    family = Family.OPTIMISATION
    needs = (("loss", "epoch_loss", "validation_loss"),)

    significance: float = 0.01
    """One-sided p of the falling trend."""
    share: float = 0.05
    """Least fall over the last third, as a share of the whole gain."""
    epochs: int = 5
    """Fewest epochs."""
    plain: float = 0.2
    """Least such share in a run of fewer epochs."""

    def assess(self, record: Record) -> Finding:
        """The trend of the last third, beside the gain of the whole run."""
        known, series, made = epochs(record), self._series(record), progress(record)
        fewer = 0 < known < self.epochs
        few = self.unassessed(
            "Not assessed: it takes {epochs__threshold} epochs to tell, and there were {epochs}.",
            {"epochs": Evidence(known, "epochs", threshold=self.epochs)},
        )
        if fewer and series.name != "loss":
            return self._plainly(record, _far(made, series.values[-1])) or few
        finite = np.isfinite(series.values)
        count, fewest = int(np.sum(finite)), _fewest(series)
        if count < fewest or not finite[-1]:
            values = Evidence(count if finite[-1] else 0, "values", threshold=fewest)
            unassessed = self.unassessed(
                f"Not assessed: it takes {{values__threshold}} finite values of {_words(series)} up to the end, and "
                "there were {values}.",
                {"values": values},
            )
            return few if fewer else unassessed
        if made.fell is False:
            unassessed = self.unassessed(
                "Not assessed: the training loss never fell, so there is no fall to finish."
            )
            return few if fewer else unassessed
        # Short runs are judged on more than a third of them, and then have to have fallen further.
        brief = fewer or (series.name == "loss" and len(series) < _MANY)
        share, significance = (
            (self.plain, 0.1 * self.significance) if brief else (self.share, self.significance)
        )
        tail = Tail.of(record, series, share)
        far = _far(made, tail.end)
        falls = tail.p_falling < significance
        falling = falls and tail.fall >= tail.least > 0.0
        if fewer and not (falling and far):
            return self._plainly(record, far) or few
        if (over := self._over(record, tail, falls)) is not None:
            return over
        if not falling:
            most = Evidence(tail.most, series.unit, threshold=tail.least)
            unassessed = self.unassessed(
                f"Not assessed: from {unit(record)} {{start}} on {_words(series)} may have fallen by up to {{most}}, "
                "too much to say that it had levelled off, too little to be sure that it was still falling.",
                {"start": Evidence(tail.start, unit(record)), "most": most},
            )
            return self._plainly(record, far) or unassessed
        return self._excused(record, tail, brief, far) or self._unfinished(record, tail)

    def _over(self, record: Record, tail: Tail, falls: bool) -> Finding | None:
        """A loss that rose, that fell by little beside its gain, or that had levelled off."""
        series = tail.series
        start, level = Evidence(tail.start, unit(record)), Evidence(tail.level, series.unit)
        since = f"From {unit(record)} {{start}} on {_words(series)}"
        rises = tail.p_rising < self.significance
        if rises and -tail.fall >= self.share * abs(tail.end):
            words = f"{since} rose by {{rise}}, to {{level}}."
            found = {
                "rise": Evidence(-tail.fall, series.unit),
                "p-value": Evidence(tail.p_rising, threshold=self.significance),
            }
        elif falls and 0.0 < tail.fall < tail.least and tail.fall >= self.share * abs(tail.end):
            words = f"{since} fell by {{fall}}, {{share}} of all it had gained, to {{level}}."
            found = self._fallen(tail)
        elif rises or tail.most < tail.least or tail.most == 0.0:
            words = f"{since} had levelled off near {{level}}."
            found = {"largest_fall": Evidence(tail.most, series.unit, threshold=tail.least)}
        else:
            return None
        evidence = {"start": start, "level": level, **found}
        return self.finding(Verdict.SATISFACTORY, words, evidence, series=(series.name,))

    def _excused(self, record: Record, tail: Tail, brief: bool, far: bool) -> Finding | None:
        """Why a loss that was still falling is not held against the run."""
        series, name = tail.series, _words(tail.series)
        if series.name != "loss" and (slow := self._slowed(tail)) is not None:
            return self.unassessed(
                f"Not assessed: {name} was falling, but in the end by {{fall}} an epoch, where half as many epochs "
                "again are worth while at {fall__threshold}.",
                {"fall": slow},
            )
        if tail.gain < (least := GAIN * abs(tail.early)):
            return self.unassessed(
                f"Not assessed: {name} gained {{gain}} in all, too little to have an end.",
                {"gain": Evidence(tail.gain, series.unit, threshold=least)},
            )
        if (rates := _annealed(record)) is not None:
            return self.unassessed(
                f"Not assessed: {name} was still falling, but the learning rate had been lowered to {{rate}} "
                "from {rate__usual}, and such a fall ends with the schedule.",
                {"rate": rates},
            )
        if brief and not far:
            return self.unassessed(
                f"Not assessed: {name} was still falling, and had come so far, to {{level}}, that few steps do not "
                "tell.",
                {"level": Evidence(tail.level, series.unit)},
            )
        validation = _beside(record, series)
        if validation is not None and not _falls_along(validation.values, brief):
            return self.unassessed(
                f"Not assessed: {name} was still falling, the validation loss was not, and its "
                "{values} values are too few to say more.",
                {"values": Evidence(len(validation), "values", threshold=_fewest(validation))},
            )
        return None

    def _unfinished(self, record: Record, tail: Tail) -> Finding:
        evidence = {"start": Evidence(tail.start, unit(record)), **self._fallen(tail)}
        evidence["level"] = Evidence(tail.level, tail.series.unit)
        since = " since its first tenth" if tail.series.name == "loss" else ""
        template = (
            f"From {unit(record)} {{start}} to the end {_words(tail.series)} fell by {{fall}}, which is {{share}} of "
            f"all it had gained{since}, and stood at {{level}}."
        )
        shown = [tail.series.name, "learning_rate"]
        if (validation := _beside(record, tail.series)) is not None:
            evidence["validation"] = Evidence(float(validation.values[-1]), validation.unit)
            if len(validation) > 1:
                template += " The validation loss fell along, to {validation}."
            shown.insert(1, "validation_loss")
        return self.finding(
            Verdict.CONCERN, template, evidence, series=tuple(shown), step=tail.last, remedies=_LONGER
        )

    def _fallen(self, tail: Tail) -> dict[str, Evidence]:
        return {
            "fall": Evidence(tail.fall, tail.series.unit, threshold=tail.least),
            "share": Evidence(tail.fall / tail.gain, "fraction", threshold=tail.share),
            "p-value": Evidence(tail.p_falling, threshold=self.significance),
        }

    def _slowed(self, tail: Tail) -> Evidence | None:
        """The typical one of the last three falls, where half as many more of it are not `share` of the gain."""
        last = float(np.median(-np.diff(tail.values[-4:])))
        least = self.share * tail.gain / (0.5 * len(tail.values))
        return Evidence(last, "loss", threshold=least) if last < least else None

    def _plainly(self, record: Record, far: bool) -> Finding | None:
        """A few epochs each of which was better than the one before, in training and validation, and no less so."""
        logged, seen = (record.series.get(name) for name in ("epoch_loss", "validation_loss"))
        if logged is None or seen is None or not far or not 3 <= min(len(logged), len(seen)) < 8:
            return None
        for values in (logged.values, seen.values):
            falls = -np.diff(values)
            if not np.all(falls > 0.0) or falls[-1] < 0.6 * float(np.mean(falls)):
                return None
        if _annealed(record) is not None:
            return None
        last = float(-np.diff(seen.values)[-1])
        mean = float(-np.mean(np.diff(seen.values)))
        return self.finding(
            Verdict.CONCERN,
            "The losses of training and validation fell from each of {epochs} epochs to the next, the validation "
            "loss by {fall} in the last, where {fall__usual} was the mean, and stood at {level}.",
            {
                "epochs": Evidence(len(seen), "epochs"),
                "fall": Evidence(last, seen.unit, usual=mean, threshold=0.6 * mean),
                "level": Evidence(float(seen.values[-1]), seen.unit),
            },
            series=("validation_loss", "epoch_loss"),
            step=int(seen.steps[-1]),
            remedies=_LONGER,
        )

    def _series(self, record: Record) -> Series:
        """The loss to fit: validation where there is enough of it, else training."""
        found = [record.series[n] for n in ("validation_loss", "loss", "epoch_loss") if n in record.series]
        counts = {s.name: int(np.sum(np.isfinite(s.values))) for s in found}
        many = (s for s in found if counts[s.name] >= (_MANY if s.name == "loss" else _fewest(s)))
        enough = (s for s in found if counts[s.name] >= _fewest(s))
        return next(many, next(enough, next(s for s in found if len(s))))


_LONGER = (
    Remedy(
        "Train for half as many epochs again, or until the validation loss has stopped falling "
        "(`EarlyStopping`).",
        "The loss had not levelled off.",
    ),
    Remedy(
        "Try a learning rate three times higher.",
        "The same distance is then covered in fewer steps, if the loss stays stable.",
    ),
)

_MANY = 256
"""Losses of steps that tell a fall by themselves."""


def _far(made: Progress, end: float) -> bool:
    """Whether a loss is still above half of a constant prediction's, or of its start where that is not known."""
    return bool(end > 0.5 * (made.constant if np.isfinite(made.constant) else made.start))


def _words(series: Series) -> str:
    return f"the {'validation' if series.name == 'validation_loss' else 'training'} loss"


def _beside(record: Record, series: Series) -> Series | None:
    """The validation loss, where there is one and it is not the loss looked at."""
    validation = record.series.get("validation_loss")
    return validation if validation is not None and len(validation) and validation is not series else None


def _fewest(series: Series) -> int:
    return 96 if series.name == "loss" else 8


def _falls_along(values: NDArray[np.float64], brief: bool) -> bool:
    """Each of the last two values was the lowest so far: one chance in n (n - 1) where nothing falls.

    Where a run was too brief for that, no value was above the one before it.
    """
    if brief:
        return bool(np.all(np.diff(values) < 0.0))
    return len(values) > 2 and bool(values[-1] < values[-2] < np.min(values[:-2]))


def _annealed(record: Record) -> Evidence | None:
    """The last learning rate beside its peak, where it had come down to a tenth or less."""
    rate: Series | None = next(
        (
            record.series[n]
            for n in ("learning_rate", "epoch_learning_rate", "epoch_lr")
            if len(record.series.get(n, ()))
        ),
        None,
    )
    if rate is None:
        return None
    peak, last = float(np.max(rate.values)), float(rate.values[-1])
    return Evidence(last, "1", usual=peak, threshold=0.1 * peak) if last <= 0.1 * peak else None
