"""What a comparison says, in words: the same on the terminal, on the page and in a notebook."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thalweg.comparison import Comparison, Configuration, Sensitivity, Summary
from thalweg.render.plain import plain
from thalweg.stats.median_interval import Median
from thalweg.words import duration, figure, percent, plural

LOSSES = {"validation_loss": "validation loss", "epoch_loss": "training loss"}


@dataclass(frozen=True, slots=True)
class Names:
    """What configurations are called: the optimizer, and what else differs among them."""

    varied: tuple[bool, ...]

    @classmethod
    def of(cls, comparison: Comparison) -> "Names":
        """The names for these configurations."""
        kinds = [one.kind for one in comparison.sensitivities()]
        return cls(tuple(len(set(part)) > 1 for part in zip(*kinds, strict=True)))

    def kind(self, configuration: Configuration) -> str:
        """Without its learning rate: `adam`, or `adam (cosine, batch 32)`."""
        optimizer, schedule, initializer, size = configuration.kind
        others = zip((schedule, initializer, f"batch {size}"), self.varied[1:], strict=True)
        further = ", ".join(plain(name) for name, varies in others if varies)
        return f"{plain(optimizer)} ({further})" if further else plain(optimizer)

    def whole(self, configuration: Configuration) -> str:
        """With its learning rate."""
        return f"{self.kind(configuration)} at {figure(configuration.learning_rate)}"


def best(comparison: Comparison, names: Names) -> str:
    """Which configuration ended lowest, in a sentence."""
    first = comparison.summaries()[0]
    level = comparison.level(first)
    if not np.isfinite(level.value):
        return "Half of the seeds or more diverged in every configuration: none is the best."
    return f"Lowest {LOSSES[comparison.score]}: {names.whole(first.configuration)}, {interval(level)}."


def alike(comparison: Comparison, names: Names) -> str:
    """What the seeds cannot tell from the best, in a sentence; empty where there is nothing else, or no best."""
    first, *others = comparison.summaries()
    if not others or not np.isfinite(comparison.level(first).value):
        return ""
    same = [s for s in others if not s.apart]
    if not same:
        return "All others are worse, by more than an accident of the seeds (95 % confidence together)."
    if first.seeds == 1:
        return "One seed cannot tell it from any other: give more, with --seeds."
    named = [names.whole(s.configuration) for s in same[:3]]
    more = f" and {len(same) - 3:,} more" if len(same) > 3 else ""
    return (
        f"{plural(first.seeds, 'seed')} cannot tell it from {', '.join(named)}{more} "
        "(95 % confidence together)."
    )


def unreached(comparison: Comparison) -> str:
    """That a target that was asked for was never reached, and how near anything came; empty where one was."""
    if comparison.target is None or any(summary.reached for summary in comparison.summaries()):
        return ""
    losses = [m.curves[comparison.score].values for m in comparison if comparison.score in m.curves]
    finite = np.concatenate([values[np.isfinite(values)] for values in losses])
    if not len(finite):
        return f"No training reached the target of {figure(comparison.target)}."
    lowest = f"the lowest {LOSSES[comparison.score]} of any epoch was {figure(float(finite.min()))}"
    return f"No training reached the target of {figure(comparison.target)}: {lowest}."


def counts(comparison: Comparison) -> str:
    """How many trainings there were, and what became of them."""
    summaries = comparison.summaries()
    return (
        f"{plural(len(comparison), 'training')} of {plural(len(summaries), 'configuration')}; "
        f"{sum(s.diverged for s in summaries):,} diverged"
    )


def legend(comparison: Comparison) -> str:
    """What the figures are: intervals, target and good rates."""
    aim, least = comparison.aim(), min(comparison.level(s).confidence for s in comparison.summaries())
    often = f"{'' if len(set(seeds_of(comparison))) == 1 else 'at least '}{percent(least)} confidence"
    about = f"Medians of {seeds(comparison)}, in brackets where the true median lies with {often}"
    about = about if max(seeds_of(comparison)) > 1 else "Of one seed"
    margin = percent(comparison.good - 1.0)
    chosen = "as asked for" if comparison.target is not None else f"{margin} above the lowest"
    target = f"target: {figure(aim)}, {chosen}" if np.isfinite(aim) else "target: none, for all diverged"
    return f"{about}; {target}; good rates: at most {margin} above the best of their kind."


def seeds_of(comparison: Comparison) -> list[int]:
    """How many seeds each configuration has: not all the same where a study was broken off."""
    return [summary.seeds for summary in comparison.summaries()]


def seeds(comparison: Comparison) -> str:
    """`5 seeds`, or `3 to 5 seeds`."""
    least, most = min(seeds_of(comparison)), max(seeds_of(comparison))
    return plural(most, "seed") if least == most else f"{least:,} to {plural(most, 'seed')}"


def interval(found: Median) -> str:
    """A median of losses with its interval: `0.11 (0.104 to 0.123)`."""
    if not found.count or np.isnan(found.value):
        return "-"
    if not np.isfinite(found.value):
        return "diverged in half" if np.isfinite(found.low) else "diverged"
    high = figure(found.high) if np.isfinite(found.high) else "diverged"
    value = figure(found.value)
    return f"{value} ({figure(found.low)} to {high})" if found.count > 1 else value


def steps(summary: Summary) -> str:
    """The steps to the target with their interval, or how many seeds got there where half of them did not."""
    found = summary.steps
    if not summary.reached:
        return "never"
    if not np.isfinite(found.value):
        return f"{summary.reached:,} of {plural(summary.seeds, 'seed')}"
    high = f"{found.high:,.0f}" if np.isfinite(found.high) else "never"
    return f"{found.value:,.0f} ({found.low:,.0f} to {high})" if found.count > 1 else f"{found.value:,.0f}"


def time(summary: Summary) -> str:
    """The time to the target with its interval."""
    found = summary.seconds
    if not np.isfinite(found.value):
        return "never" if not summary.reached else "-"
    high = duration(found.high) if np.isfinite(found.high) else "never"
    value = duration(found.value)
    return f"{value} ({duration(found.low)} to {high})" if found.count > 1 else value


def timed(comparison: Comparison) -> bool:
    """Whether it is known of every training how long it took."""
    return all(summary.seconds.count for summary in comparison.summaries())


def above(summary: Summary) -> str:
    """By how much a configuration's loss lay above that of the best, with its interval."""
    if summary.above is None:
        return "the best"
    if np.isnan(summary.above.lower):
        return "-"
    return (
        f"{figure(summary.above.difference)} ({figure(summary.above.lower)} to {figure(summary.above.upper)})"
    )


def good_rates(one: Sensitivity) -> str:
    """The range of good rates, and how wide it is."""
    if not np.isfinite(one.losses.min()):
        return "none"
    if len(one.rates) == 1:
        return "-"
    if one.good[0] == one.good[1]:
        return f"{figure(one.good[0])} alone"
    return f"{figure(one.good[0])} to {figure(one.good[1])} ({one.decades:.1f} decades)"


def best_rate(one: Sensitivity) -> str:
    """The rate with the lowest median loss, and whether a better one may lie beyond those that were tried."""
    if not np.isfinite(one.losses.min()):
        return "none"
    ends = {float(one.rates[0]): ", the lowest tried", float(one.rates[-1]): ", the highest tried"}
    return figure(one.best) + (ends.get(one.best, "") if len(one.rates) > 1 else "")


def where_diverged(one: Sensitivity) -> str:
    """The rates at which half of the seeds or more diverged."""
    dead = one.diverged >= 0.5
    if not dead.any():
        return "-"
    if dead.all():
        return "all rates"
    first = int(np.argmax(dead))
    if dead[first:].all() and first + 1 < len(dead):
        return f"{figure(float(one.rates[first]))} and above"
    return _listed(one.rates[dead])


def _listed(rates: NDArray[np.float64]) -> str:
    named = ", ".join(figure(rate) for rate in rates[:4].tolist())
    return named + (f" and {len(rates) - 4:,} more" if len(rates) > 4 else "")


def fates(summaries: Iterable[Summary]) -> str:
    """How many of these trainings diverged, oscillated or never fell; one may be in more than one count."""
    found = list(summaries)
    sums = {
        "diverged": sum(s.diverged for s in found),
        "oscillated": sum(s.oscillated for s in found),
        "never fell": sum(s.stuck for s in found),
    }
    return ", ".join(f"{count:,} {what}" for what, count in sums.items() if count) or "-"


def kinds(comparison: Comparison, names: Names) -> list[tuple[str, ...]]:
    """A row for each kind of training, at its best rate; the first names the columns."""
    loss = LOSSES[comparison.score]
    when = ("time to target",) if (clocked := timed(comparison)) else ()
    rows: list[tuple[str, ...]] = [
        ("", "best rate", "good rates", loss, "steps to target", *when, "diverged at")
    ]
    for one in comparison.sensitivities():
        rows.append(
            (
                names.kind(one.summary.configuration),
                best_rate(one),
                good_rates(one),
                interval(comparison.level(one.summary)),
                steps(one.summary),
                *((time(one.summary),) if clocked else ()),
                where_diverged(one),
            )
        )
    return rows


def configurations(
    comparison: Comparison, names: Names, summaries: Sequence[Summary]
) -> list[tuple[str, ...]]:
    """A row for each of these configurations; the first names the columns."""
    validated = comparison.score == "validation_loss"
    losses = ("validation loss", "training loss") if validated else ("training loss",)
    several = len(comparison.summaries()) > 1
    beyond = ("above the best",) if several else ()
    when = ("time to target",) if (clocked := timed(comparison)) else ()
    rows: list[tuple[str, ...]] = [("", "rate", *losses, *beyond, "steps to target", *when, "seeds that")]
    for s in summaries:
        levels = (s.validation, s.training) if validated else (s.training,)
        rows.append(
            (
                names.kind(s.configuration),
                figure(s.configuration.learning_rate),
                *(interval(level) for level in levels),
                *((above(s),) if several else ()),
                steps(s),
                *((time(s),) if clocked else ()),
                fates([s]),
            )
        )
    return rows
