"""How a comparison of many trainings is shown: seconds for its table and its page, and the size of the page.

    python benchmarks/compare_size.py [--sizes 100 1000 10000]

The trainings are made up: 20 epochs each, losses that come down as those of real ones do, and at the highest
learning rates diverge. Times are medians of three, and begin with the members given, as they come from a study's
store; the table has a row for each configuration.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from thalweg.comparison import Comparison, Configuration, Member
from thalweg.record import Record, Series
from thalweg.render import ComparisonView, comparison_page, terminal

EPOCHS, STEPS, SEEDS, REPEATS = 20, 100, 5, 3
OPTIMIZERS = ("sgd", "momentum", "rmsprop", "adam")
SCHEDULES = ("constant", "cosine")


def members(count: int) -> tuple[Member, ...]:
    """So many trainings: four optimizers, two schedules, five seeds, and as many rates as it takes."""
    kinds = [(optimizer, schedule) for optimizer in OPTIMIZERS for schedule in SCHEDULES]
    rates = np.geomspace(1e-4, 10.0, max(-(-count // (len(kinds) * SEEDS)), 1)).tolist()
    made = [
        member(Configuration(optimizer, rate, schedule), seed, shift)
        for shift, (optimizer, schedule) in enumerate(kinds)
        for rate in rates
        for seed in range(SEEDS)
    ]
    return tuple(made[:count])


def member(configuration: Configuration, seed: int, shift: int = 0) -> Member:
    """One training: the nearer its rate is to the best of its kind, the lower its loss ends."""
    rng = np.random.default_rng([seed, shift, int(1e6 * configuration.learning_rate)])
    off = np.log10(configuration.learning_rate) + 1.5 - 0.1 * shift
    diverged = off > 1.5
    done = np.arange(1, EPOCHS + 1) / EPOCHS
    level = 0.3 + 0.01 * shift + 0.15 * off**2
    losses = (level + (2.3 - level) * np.exp(-6.0 * done)) * rng.lognormal(0.0, 0.02, EPOCHS)
    if diverged:
        losses = 2.3 * 10.0 ** np.arange(1, 5)
        losses[-1] = np.nan
    steps = STEPS * np.arange(1, len(losses) + 1)
    curves = {
        name: Series(name, "loss", steps, values)
        for name, values in (("epoch_loss", losses), ("validation_loss", 1.1 * losses))
    }
    return Member(configuration, seed, curves, diverged, False, False, lambda: Record.of(curves.values()))


def timed(action: Callable[[], str]) -> tuple[float, str]:
    """Seconds, and what came of it."""
    begun = time.perf_counter()
    found = action()
    return time.perf_counter() - begun, found


def page(given: tuple[Member, ...]) -> str:
    """The page."""
    return comparison_page(Comparison(given))


def table(given: tuple[Member, ...]) -> str:
    """The terminal's answer with a row for each configuration."""
    console = terminal()
    with console.capture() as capture:
        console.print(ComparisonView(Comparison(given), full=True))
    return capture.get()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1_000, 10_000])
    arguments = parser.parse_args()
    page(members(10)), table(members(10))  # what is loaded once is not of any size
    print("| trainings | configurations | table | page | size of the page |")
    print("|---|---|---|---|---|")
    for size in arguments.sizes:
        given = members(size)
        configurations = len({member.configuration for member in given})
        tables, pages = [], []
        for _ in range(REPEATS):
            tables.append(timed(lambda given=given: table(given))[0])
            seconds, source = timed(lambda given=given: page(given))
            pages.append(seconds)
        megabytes = len(source.encode()) / 1e6
        print(
            f"| {size:,} | {configurations:,} | {statistics.median(tables):.2f} s | "
            f"{statistics.median(pages):.2f} s | {megabytes:.2f} MB |"
        )


if __name__ == "__main__":
    main()
