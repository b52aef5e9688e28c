"""A suggested learning rate on the terminal: how sure it is, and what the script's own is against it."""

from dataclasses import dataclass

import numpy as np
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from thalweg.rate_suggestion import RateSuggestion
from thalweg.render.lines import Lines
from thalweg.stats.optimal_rate import HELD
from thalweg.words import duration, figure, percent, plural

_WORDS = {"validation_loss": "validation loss", "loss": "training loss"}


@dataclass(frozen=True, slots=True)
class RateSuggestionView:
    """The suggestion in a few lines."""

    suggestion: RateSuggestion

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        page, found = Lines(console, options), self.suggestion
        yield from page.lines(
            Text(
                f"Learning rate for {found.optimizer}: {figure(found.rate)}, "
                f"the best one being between {figure(found.low)} and {figure(found.high)} ({percent(HELD)} sure).",
                style="bold",
            )
        )
        yield from page.lines(Text(_own(found)))
        yield from page.lines(Text(_stable(found)))
        yield from page.lines(Text(f"To use it: learning_rate={figure(found.rate)}"))
        yield Text()
        yield from page.lines(Text(_told(found), style="dim"))


def _own(found: RateSuggestion) -> str:
    own, ratio = figure(found.own), found.own / found.rate
    if found.own_within:
        return f"The script's own, {own}, lies within: nothing speaks against it."
    far = f"{figure(ratio)} times" if ratio > 1.0 else f"1/{figure(1.0 / ratio)} of"
    return f"The script's own, {own}, is {far} that, and lies {'above' if ratio > 1.0 else 'below'} these."


def _stable(found: RateSuggestion) -> str:
    tried = np.concatenate([found.scanned, found.rates])
    above = np.sort(tried[tried > found.stable])
    beyond = (
        f"; at {figure(above[0])} the loss rose or was not finite" if len(above) else ", the highest tried"
    )
    return f"Largest stable rate: {figure(found.stable)}{beyond}."


def _told(found: RateSuggestion) -> str:
    trained = len(found.rates) * found.seeds
    ends = f"{figure(found.scanned[0])} to {figure(found.scanned[-1])}"
    return (
        f"Told from the {_WORDS[found.score]} of {plural(trained, 'training')} ({plural(found.seeds, 'seed')}) of "
        f"{found.horizon:,} steps, {percent(found.horizon / found.budget)} of the {found.budget:,} it is for, after "
        f"{plural(len(found.scanned), 'rate')} from {ends} were scanned. It took {found.steps:,} steps, "
        f"{figure(found.steps / found.budget)} times those of one training, and {duration(found.seconds)}."
    )
