"""A run's life in words: which stage held between which steps."""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from thalweg.finding import Finding, Stage, Verdict
from thalweg.record import Record, Series
from thalweg.rules.diverging import Diverging
from thalweg.rules.objective import objective
from thalweg.rules.overfitting import Overfitting
from thalweg.rules.unfinished import Unfinished
from thalweg.stats import finite, mean, p_falls, segments, spread, trend
from thalweg.stats.robust import unit

FALLING = "falling"
SLOW = "slow"
PLATEAU = "plateau"
NOISE_LIMITED = "noise-limited"
STOPPED_EARLY = "stopped early"
OVERFITTING = "overfitting"
DIVERGED = "diverged"
NOT_FINITE = "not finite"

PACE = 0.25
"""A fall at less than this share of the average pace of the run's whole gain is slow."""
LEAST = 0.02
"""A fall by less than this share of the whole gain is none."""
AGREEMENT = 0.1
"""On a plateau a mean cosine of successive gradients under this says that the steps follow noise."""


def stages(record: Record) -> tuple[Stage, ...]:
    """The stages of a run in order, from its first loss to its last, without gap or overlap.

    The loss is divided where its course changes (`thalweg.stats.segments`), on a logarithmic scale where it
    is positive throughout. A stretch is *falling* where its trend is down with 99 % confidence,
    autocorrelation included; *slow* where that is at under a quarter of the run's average pace; else a
    *plateau*, or *noise-limited*, where successive gradients have nothing in common any more. What a rule
    found has the last word: from the step on at which the loss diverged (L002) or the validation loss turned
    (V001); the last stretch *stopped early* where the loss was still falling (L004); *not finite* is the end
    of a loss that did not come back. Neighbours of one name are one stage: most runs have two to four.
    Without a loss there is none.
    """
    series = objective(record)
    if series is None:
        return ()
    known = np.flatnonzero(np.isfinite(series.values))
    if not len(known):
        return (Stage(NOT_FINITE, int(series.steps[0]), int(series.steps[-1])),)
    # The last finite loss ends what can be named; single ones that are not finite on the way are passed over.
    end = int(known[-1]) + 1
    named = _courses(record, series.between(int(series.steps[0]), int(series.steps[end - 1])))
    if (step := _from(Overfitting().check(record))) is not None:
        named = _overlaid(named, OVERFITTING, step)
    if named[-1][0] in (FALLING, SLOW) and Unfinished().check(record).verdict is Verdict.CONCERN:
        named = [*named[:-1], (STOPPED_EARLY, named[-1][1])]
    if (step := _from(Diverging().check(record))) is not None:
        named = _overlaid(named, DIVERGED, step)
    if end < len(series):
        named.append((NOT_FINITE, int(series.steps[end])))
    return _joined(named, int(series.steps[-1]))


def _courses(record: Record, series: Series) -> list[tuple[str, int]]:
    """The course of each stretch of the loss, and the step at which it begins."""
    # A unit of its own keeps the differences of what cannot be a logarithm finite.
    plain = series.values / unit(finite(series.values))
    scales = [plain]
    if float(np.min(finite(plain))) > 0.0:
        with np.errstate(all="ignore"):
            scales.append(np.log(plain))
    starts = [0, *segments(scales[-1]), len(plain)]
    gains = [_gain(values) for values in scales]
    courses = []
    for first, last in pairwise(starts):
        steps = series.steps[first:last]
        # What an early stretch gains shows on the plain scale, a late one's on the logarithmic.
        paces = [_pace(steps, values[first:last], gain) for values, gain in zip(scales, gains, strict=True)]
        pace = max(paces) * len(plain) / (last - first)
        name = FALLING if pace >= PACE else SLOW if pace > 0.0 else _still(record, steps)
        courses.append((name, int(steps[0])))
    return courses


def _gain(values: NDArray[np.float64]) -> float:
    """How far a series came down from its first level to its lowest."""
    levels = finite([spread(part).location for part in np.array_split(values, min(len(values), 64))])
    return float(levels[0] - np.min(levels))


def _pace(steps: NDArray[np.int64], values: NDArray[np.float64], gain: float) -> float:
    """The share of the gain that these values brought; 0 where they were not shown to fall, or hardly fell."""
    known = finite(values)
    line, whole = trend(steps, values), spread(known)
    if np.isnan(line.change):
        # Too few for a trend: the way from the first to the last is all there is.
        fall = float(known[0] - known[-1]) if len(known) > 1 else 0.0
    else:
        levels = [spread(part).location for part in np.array_split(known, 8)] if len(known) >= 16 else known
        sudden = float(levels[0] - levels[-1])
        fall = max(-line.change, 0.0)
        # A fall that was over before the stretch was is no trend, and no chance either.
        if sudden > max(0.5 * gain, 2.0 * whole.scale):
            fall = sudden
        elif not min(line.p_falling, p_falls(levels)) < 0.01:
            return 0.0
    return fall / gain if fall > LEAST * gain > 0.0 else 0.0


def _still(record: Record, steps: NDArray[np.int64]) -> str:
    """What holds the loss where it does not fall."""
    cosines = record.series.get("gradient_cosine")
    if cosines is None:
        return PLATEAU
    agreement = mean(cosines.between(int(steps[0]), int(steps[-1])).values)
    return NOISE_LIMITED if agreement.quantile(0.99) < AGREEMENT else PLATEAU


def _from(finding: Finding) -> int | None:
    """The step from which a concern holds; None where there is none."""
    return finding.step if finding.verdict is Verdict.CONCERN else None


def _overlaid(named: list[tuple[str, int]], name: str, step: int) -> list[tuple[str, int]]:
    """From a step on everything has one name."""
    return [*(stage for stage in named if stage[1] < step), (name, max(step, named[0][1]))]


def _joined(named: Iterable[tuple[str, int]], last: int) -> tuple[Stage, ...]:
    """Stages that end where the next begins, neighbours of one name as one."""
    found: list[Stage] = []
    for name, first in named:
        if found and found[-1].name == name:
            continue
        if found:
            found[-1] = Stage(found[-1].name, found[-1].first, first - 1)
        found.append(Stage(name, first, last))
    return tuple(found)
