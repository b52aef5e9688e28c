"""Trainings of one problem under several configurations, each with several seeds; and what they show."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from thalweg.errors import UsageError
from thalweg.finding import Verdict
from thalweg.record import Record, Series
from thalweg.rule import Rule
from thalweg.rules.diverging import Diverging
from thalweg.rules.nonfinite import NonFinite
from thalweg.rules.oscillating import Oscillating
from thalweg.rules.stalled import Stalled
from thalweg.stats.median_interval import Median, median_band, median_interval
from thalweg.stats.paired import Paired, paired
from thalweg.stats.proportion import proportion_interval

_DIVERGED: tuple[Rule, ...] = (NonFinite(), Diverging())
_OSCILLATED: tuple[Rule, ...] = (Oscillating(),)
_STUCK: tuple[Rule, ...] = (Stalled(),)


@dataclass(frozen=True, slots=True, order=True)
class Configuration:
    """One way to train: all that is compared, without the seed."""

    optimizer: str
    learning_rate: float
    schedule: str = "constant"
    initializer: str = "as built"
    batch_size: int = 32

    @property
    def kind(self) -> tuple[str, str, str, int]:
        """What configurations share that differ in their learning rates alone."""
        return self.optimizer, self.schedule, self.initializer, self.batch_size


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One training: its configuration, its seed, and what it came to.

    `curves` are the losses and metrics of its epochs, by the names that they have in a record. It `diverged` where
    N001 or L002 is concerned, or where it was given up for that its loss had grown; it `oscillated` where L003 is, it
    is `stuck` where L001 is. `load` brings the whole record, of which every rule can be asked. `folder` is where
    `thalweg.certify` finds it. `backend` trained it, in so many `seconds`: of a program of several its share.
    """

    configuration: Configuration
    seed: int
    curves: Mapping[str, Series]
    diverged: bool
    oscillated: bool
    stuck: bool
    load: Callable[[], Record]
    folder: Path | None = None
    backend: str = ""
    seconds: float = np.nan

    @classmethod
    def of(
        cls,
        configuration: Configuration,
        seed: int,
        record: Record,
        backend: str = "",
        seconds: float = np.nan,
    ) -> "Member":
        """The training that this record is of; the rules are asked of it."""
        events = record.events
        given_up = bool(events) and events[-1].detail.get("reason") == "stopped"
        return cls(
            configuration,
            seed,
            {name: series for name, series in record.series.items() if _of_epochs(name)},
            diverged=given_up or _shows(record, _DIVERGED),
            oscillated=_shows(record, _OSCILLATED),
            stuck=_shows(record, _STUCK),
            load=_Loaded(record),
            backend=backend,
            seconds=seconds,
        )

    @property
    def record(self) -> Record:
        """All that is known of it; raises `RunFolderError` where it is on disk and cannot be read."""
        return self.load()

    def final(self, name: str) -> float:
        """The last value of a curve; infinite where it is not finite, NaN where there is none."""
        series = self.curves.get(name)
        if series is None or not len(series):
            return np.nan
        return float(series.values[-1]) if np.isfinite(series.values[-1]) else np.inf

    def reached(self, name: str, target: float) -> float:
        """The first step at which a curve was at most the target; NaN where it never was."""
        series = self.curves.get(name)
        if series is None or not (below := np.flatnonzero(series.values <= target)).size:
            return np.nan
        return float(series.steps[below[0]])


@dataclass(frozen=True, slots=True, eq=False)
class _Loaded:
    """A record at hand: unlike a lambda it can be sent to another process."""

    record: Record

    def __call__(self) -> Record:
        return self.record


def _of_epochs(name: str) -> bool:
    return name.startswith(("epoch_", "validation_")) and "/" not in name


def _shows(record: Record, rules: tuple[Rule, ...]) -> bool:
    return any(rule.check(record).verdict is Verdict.CONCERN for rule in rules)


@dataclass(frozen=True, slots=True)
class Summary:
    """What the seeds of one configuration came to.

    `training` and `validation` are the final losses, infinite where a seed diverged; `steps` the steps to the target,
    infinite where a seed never reached it, as `reached` of them did, and `seconds` the time to it, of a program that
    trained several its share; of none where that is not known. A seed may have `diverged`, `oscillated` and be
    `stuck` at once; `well` of them are none of these. `above` is by how much the loss lay above that
    of the best configuration, seed by seed, with a 95 % interval that holds for all configurations together; None of
    the best itself.
    """

    configuration: Configuration
    seeds: int
    diverged: int
    oscillated: int
    stuck: int
    well: int
    reached: int
    training: Median
    validation: Median
    steps: Median
    seconds: Median
    above: Paired | None = None

    @property
    def apart(self) -> bool:
        """Whether the seeds tell this configuration from the best one."""
        return self.above is not None and (self.above.lower > 0.0 or self.diverged == self.seeds)


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """How one kind of training bears its learning rate: medians of the final loss (n,) at rates (n,).

    `low` and `high` (n,) are their intervals, `diverged` (n,) the share of seeds that did. `best` is the rate with
    the lowest median, and `summary` what the seeds came to there; `good` the lowest and highest rate, without a worse
    one between them and the best, whose median is at most `Comparison.good` times that.
    """

    kind: tuple[str, str, str, int]
    summary: Summary
    rates: NDArray[np.float64]
    losses: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    diverged: NDArray[np.float64]
    best: float
    good: tuple[float, float]

    @property
    def decades(self) -> float:
        """The width of the range of good rates, in powers of ten; 0 where only the best was good."""
        return float(np.log10(self.good[1] / self.good[0]))


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """A curve of one configuration at `steps` (k,): its median over seeds (k,), between `low` and `high` (k,).

    A seed that diverged, or ended before, counts as infinite from then on. Each step has its own interval; the band
    holds no curve as a whole.
    """

    steps: NDArray[np.int64]
    median: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    confidence: float


@dataclass(frozen=True, slots=True, eq=False)
class Arrivals:
    """When the seeds of one configuration reached the target: from step `steps[i]` on a `share[i]` had, (k,) each.

    From step 0, at which none had, to the last that was trained. The share is of all seeds, those that diverged too,
    and so stays below 1 where one never came (the cumulative incidence, with divergence as a competing end). `low`
    and `high` (k,) are Clopper and Pearson's 95 % interval of the probability that a seed has arrived by then.
    """

    steps: NDArray[np.float64]
    share: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Members, each configuration with the same seeds.

    What is compared is the validation loss of the last epoch, the training loss where nothing was validated; that of
    a training that diverged is infinite. The `target` is a value of it, by default `good` times the lowest median of
    all. Raises `UsageError` without members.
    """

    members: tuple[Member, ...]
    target: float | None = None
    good: float = 1.05

    def __post_init__(self) -> None:
        if not self.members:
            raise UsageError("A comparison needs a training: there is none.")

    def __iter__(self) -> Iterator[Member]:
        return iter(self.members)

    def __len__(self) -> int:
        return len(self.members)

    @cached_property
    def score(self) -> str:
        """The series that is compared."""
        validated = all("validation_loss" in member.curves for member in self.members)
        return "validation_loss" if validated else "epoch_loss"

    @cached_property
    def _groups(self) -> dict[Configuration, tuple[Member, ...]]:
        found: dict[Configuration, list[Member]] = {}
        for member in self.members:
            found.setdefault(member.configuration, []).append(member)
        return {c: tuple(sorted(found[c], key=lambda member: member.seed)) for c in sorted(found)}

    def of(self) -> dict[Configuration, tuple[Member, ...]]:
        """The members of each configuration, by their seeds."""
        return dict(self._groups)

    def aim(self) -> float:
        """The target: as asked for, else `good` times the lowest median loss; NaN where all diverged."""
        return self._aim

    @cached_property
    def _aim(self) -> float:
        if self.target is not None:
            return self.target
        lowest = min(median_interval(_finals(m, self.score)).value for m in self._groups.values())
        return _line(lowest, self.good) if np.isfinite(lowest) else np.nan

    def summaries(self) -> list[Summary]:
        """One for each configuration, the lowest median loss first."""
        return list(self._summaries)

    @cached_property
    def _summaries(self) -> list[Summary]:
        found = []
        for configuration, members in self._groups.items():
            steps = [m.reached(self.score, self._aim) for m in members]
            found.append(
                Summary(
                    configuration,
                    seeds=len(members),
                    diverged=sum(m.diverged for m in members),
                    oscillated=sum(m.oscillated for m in members),
                    stuck=sum(m.stuck for m in members),
                    well=sum(not (m.diverged or m.oscillated or m.stuck) for m in members),
                    reached=int(np.isfinite(steps).sum()),
                    training=median_interval(_finals(members, "epoch_loss")),
                    validation=median_interval(_finals(members, "validation_loss")),
                    steps=median_interval(steps),
                    seconds=median_interval(_times(members, self.score, steps)),
                )
            )
        found.sort(key=lambda s: (self._level(s), s.configuration))
        return self._ranked(found)

    def sensitivities(self) -> list[Sensitivity]:
        """One for each kind of training, the lowest median loss first."""
        return list(self._sensitivities)

    @cached_property
    def _sensitivities(self) -> list[Sensitivity]:
        found = []
        by_kind = sorted(self._summaries, key=lambda s: (s.configuration.kind, s.configuration.learning_rate))
        for kind, group in itertools.groupby(by_kind, key=lambda s: s.configuration.kind):
            rows = list(group)
            rates = np.array([s.configuration.learning_rate for s in rows])
            losses = np.array([self._level(s) for s in rows])
            best = int(np.argmin(losses))
            line = _line(float(losses[best]), self.good)
            low = high = best
            while low > 0 and losses[low - 1] <= line:
                low -= 1
            while high + 1 < len(rows) and losses[high + 1] <= line:
                high += 1
            found.append(
                Sensitivity(
                    kind,
                    rows[best],
                    rates,
                    losses,
                    low=np.array([self.level(s).low for s in rows]),
                    high=np.array([self.level(s).high for s in rows]),
                    diverged=np.array([s.diverged / s.seeds for s in rows]),
                    best=float(rates[best]),
                    good=(float(rates[low]), float(rates[high])),
                )
            )
        return sorted(found, key=lambda s: float(np.min(s.losses)))

    def level(self, summary: Summary) -> Median:
        """Of the losses of a summary the one that is compared."""
        return summary.validation if self.score == "validation_loss" else summary.training

    def course(self, configuration: Configuration, name: str) -> Course:
        """A curve of a configuration over its seeds: `epoch_loss`, `validation_loss` or another of `Member.curves`.

        Empty where no seed has it. Raises `KeyError` for a configuration that was not trained.
        """
        curves = [m.curves[name] for m in self._groups[configuration] if name in m.curves]
        steps = np.unique(np.concatenate([np.zeros(0, np.int64), *(curve.steps for curve in curves)]))
        values = np.full((len(curves), len(steps)), np.inf)
        for row, curve in zip(values, curves, strict=True):
            row[np.searchsorted(steps, curve.steps)] = curve.values
        band = median_band(np.where(np.isfinite(values), values, np.inf))
        return Course(steps, band.value, band.low, band.high, band.confidence)

    def arrivals(self, configuration: Configuration) -> Arrivals:
        """When its seeds reached the target. Raises `KeyError` for a configuration that was not trained."""
        members = self._groups[configuration]
        reached = np.array([m.reached(self.score, self._aim) for m in members])
        curves = [m.curves[self.score] for m in members if len(m.curves.get(self.score, ()))]
        came = reached[np.isfinite(reached)]
        steps = np.unique([0.0, *came, *(float(curve.steps[-1]) for curve in curves)])
        arrived = np.searchsorted(np.sort(came), steps, side="right")
        bounds = np.array([proportion_interval(int(count), len(members)) for count in arrived])
        return Arrivals(steps, arrived / len(members), low=bounds[:, 0], high=bounds[:, 1])

    def _level(self, summary: Summary) -> float:
        value = self.level(summary).value
        return value if np.isfinite(value) else np.inf

    def _ranked(self, found: list[Summary]) -> list[Summary]:
        """The summaries with how far each lay above the first, seed by seed."""
        finals = {
            c: {m.seed: value for m in members for value in _finals([m], self.score)}
            for c, members in self._groups.items()
        }
        best = finals[found[0].configuration]
        # Any of them could have come first, and be compared with any other: of every pair, both bounds hold.
        miss = 0.05 / max(len(found) * (len(found) - 1), 1)
        ranked = found[:1]
        for summary in found[1:]:
            other = finals[summary.configuration]
            seeds = sorted(best.keys() & other.keys())
            above = paired([other[seed] for seed in seeds], [best[seed] for seed in seeds], miss)
            ranked.append(replace(summary, above=above))
        return ranked


def _finals(members: Iterable[Member], name: str) -> list[float]:
    """The last values of a curve; a training that diverged is infinitely bad, whatever its last number was."""
    return [np.inf if m.diverged else m.final(name) for m in members if name in m.curves]


def _times(members: Sequence[Member], name: str, reached: Sequence[float]) -> list[float]:
    """The seconds to these steps, which are NaN of those that never came; empty where a training's are not known."""
    if not all(np.isfinite(m.seconds) and len(m.curves.get(name, ())) for m in members):
        return []
    return [
        m.seconds * step / float(m.curves[name].steps[-1]) for m, step in zip(members, reached, strict=True)
    ]


def _line(lowest: float, good: float) -> float:
    """What is `good` times a loss, on its worse side also where it is negative."""
    return lowest + (good - 1.0) * abs(lowest)
