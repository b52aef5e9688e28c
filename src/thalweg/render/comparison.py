"""A comparison on the terminal: what was best, what cannot be told from it, and how each kind bears its rate."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from thalweg.comparison import Comparison, Configuration, Sensitivity, Summary
from thalweg.render.lines import Lines
from thalweg.stats.median_interval import Median
from thalweg.words import figure, percent, plural

_WORDS = {"validation_loss": "validation loss", "epoch_loss": "training loss"}


@dataclass(frozen=True, slots=True)
class ComparisonView:
    """The best, what cannot be told from it, and a row for each kind; `full` adds one for each configuration."""

    comparison: Comparison
    full: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        page, given = Lines(console, options), self.comparison
        names = _Names.of(given)
        summaries, score = given.summaries(), _WORDS[given.score]
        best = summaries[0]
        yield from page.lines(Text(self._best(best, score, names), style="bold"))
        if len(summaries) > 1:
            yield from page.lines(Text(_alike(summaries, names)))
        died = sum(s.diverged for s in summaries)
        counts = f"{plural(len(given), 'training')} of {plural(len(summaries), 'configuration')}"
        yield from page.lines(Text(f"{counts}; {died:,} diverged", style="dim"))
        yield Text()
        yield from _table(page, self._kinds(summaries, names))
        if self.full:
            yield Text()
            yield from _table(page, self._all(summaries, names))
        yield Text()
        yield from page.lines(Text(self._legend(best), style="dim"))

    def _best(self, best: Summary, score: str, names: "_Names") -> str:
        level = _of(best, self.comparison)
        if not np.isfinite(level.value):
            return "None of these trainings ended with a finite loss in half of its seeds."
        return f"Lowest {score}: {names.whole(best.configuration)}, {_interval(level)}."

    def _kinds(self, summaries: Sequence[Summary], names: "_Names") -> list[tuple[str, ...]]:
        found = {s.configuration: s for s in summaries}
        score = _WORDS[self.comparison.score]
        rows: list[tuple[str, ...]] = [
            ("", "BEST RATE", "GOOD RATES", score.upper(), "STEPS TO TARGET", "DIVERGED AT")
        ]
        for one in self.comparison.sensitivities():
            best = found[Configuration(one.kind[0], one.best, *one.kind[1:])]
            rows.append(
                (
                    names.kind(best.configuration),
                    figure(one.best),
                    _good(one),
                    _interval(_of(best, self.comparison)),
                    _steps(best.steps),
                    _where_diverged(one),
                )
            )
        return rows

    def _all(self, summaries: Sequence[Summary], names: "_Names") -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = [
            ("", "RATE", "VALIDATION LOSS", "TRAINING LOSS", "STEPS TO TARGET", "SEEDS THAT")
        ]
        for s in summaries:
            rows.append(
                (
                    names.kind(s.configuration),
                    figure(s.configuration.learning_rate),
                    _interval(s.validation),
                    _interval(s.training),
                    _steps(s.steps),
                    _fates(s),
                )
            )
        return rows

    def _legend(self, best: Summary) -> str:
        level, aim = _of(best, self.comparison), self.comparison.aim()
        chosen = "as asked for" if self.comparison.target is not None else "5 % above the lowest"
        target = f"target: {figure(aim)}, {chosen}" if np.isfinite(aim) else "target: none, for all diverged"
        return (
            f"Medians of {plural(best.seeds, 'seed')}, in brackets where the true median lies with "
            f"{percent(level.confidence)} confidence; {target}; good rates: at most "
            f"{percent(self.comparison.good - 1.0)} above the best of their kind."
        )


def _of(summary: Summary, comparison: Comparison) -> Median:
    return summary.validation if comparison.score == "validation_loss" else summary.training


def _alike(summaries: Sequence[Summary], names: "_Names") -> str:
    best, *others = summaries
    alike = [s for s in others if not s.apart]
    if not alike:
        return "All others are worse, by more than an accident of the seeds (95 % confidence together)."
    named = [names.whole(s.configuration) for s in alike[:3]]
    more = f" and {len(alike) - 3:,} more" if len(alike) > 3 else ""
    count = plural(best.seeds, "seed")
    return f"{count} cannot tell it from {', '.join(named)}{more} (95 % confidence together)."


@dataclass(frozen=True, slots=True)
class _Names:
    """What configurations are called: the optimizer, and what else differs among them."""

    varied: tuple[bool, ...]

    @classmethod
    def of(cls, comparison: Comparison) -> "_Names":
        kinds = {member.configuration.kind for member in comparison}
        return cls(tuple(len(set(part)) > 1 for part in zip(*kinds, strict=True)))

    def kind(self, configuration: Configuration) -> str:
        optimizer, schedule, initializer, size = configuration.kind
        others = zip((schedule, initializer, f"batch {size}"), self.varied[1:], strict=True)
        return ", ".join([optimizer, *(name for name, varies in others if varies)])

    def whole(self, configuration: Configuration) -> str:
        return f"{self.kind(configuration)} at {figure(configuration.learning_rate)}"


def _interval(found: Median) -> str:
    if np.isnan(found.value):
        return "-"
    if not np.isfinite(found.value):
        return "diverged"
    high = figure(found.high) if np.isfinite(found.high) else "diverged"
    return (
        f"{figure(found.value)} ({figure(found.low)} to {high})" if found.count > 1 else figure(found.value)
    )


def _steps(found: Median) -> str:
    if not np.isfinite(found.low):
        return "never"
    value = f"{found.value:,.0f}" if np.isfinite(found.value) else "never in half"
    high = f"{found.high:,.0f}" if np.isfinite(found.high) else "never"
    return f"{value} ({found.low:,.0f} to {high})" if found.count > 1 else value


def _good(one: Sensitivity) -> str:
    if one.good[0] == one.good[1]:
        return f"{figure(one.good[0])} alone"
    return f"{figure(one.good[0])} to {figure(one.good[1])} ({one.decades:.1f} decades)"


def _where_diverged(one: Sensitivity) -> str:
    rates = one.rates[one.diverged >= 0.5]
    return f"{figure(float(rates.min()))} and above" if len(rates) else "-"


def _fates(summary: Summary) -> str:
    counts = {
        "diverged": summary.diverged,
        "oscillated": summary.oscillated,
        "never fell": summary.stuck,
    }
    said = [f"{what}: {count}" for what, count in counts.items() if count]
    return ", ".join(said) or "-"


def _table(page: Lines, rows: Sequence[tuple[str, ...]]) -> Iterable[Text]:
    widths = [max(cell_len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for number, row in enumerate(rows):
        cells = [cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)]
        yield from page.lines(Text("  ".join(cells).rstrip(), style="bold" if number == 0 else ""))
