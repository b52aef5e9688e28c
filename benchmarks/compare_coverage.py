"""What `thalweg.compare` says of seeds, on synthetic studies whose truth is known: no network is trained.

    python benchmarks/compare_coverage.py [--studies 1000] [--seed 0]

A final loss is drawn from one of five distributions: normal; lognormal; heavy (Student's t with two degrees, no
variance); valleys, where a tenth, or three tenths, of the seeds end 30 % higher; mixed takes them in turn. Losses of
one seed under different configurations correlate by 0.5 through a normal copula, as pairs do that share weights and
batches; a training diverges by a coin of its own. Counted is

1. how often the interval of a median holds the distribution's own, in brackets what it claims;
2. the same of steps to a target that a share of the seeds never reaches, beside what leaving those out would give;
3. how often any configuration is said to be worse than the best though all have one median, 5 % at most by what is
   claimed; and, where one is lower by 0.1, how often that one is said to be worse, and how many of the others are;
4. how often all intervals of the paired differences hold the true mean difference, and the true median.

Parts 3 and 4 are computed here for all studies at once; of the first ten of each cell `Comparison` is asked too, and
must say the same.
"""

import argparse
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from thalweg import Record, Series
from thalweg.comparison import Comparison, Configuration, Member, Summary
from thalweg.stats.median_interval import median_interval

SEEDS = (3, 5, 10)
CONFIGURATIONS = (2, 5, 20)
SHARED = 0.5
"""Correlation through the seed."""
LARGE = 200_000
CHECKED = 10

Array = NDArray[np.float64]


def _valleys(share: float) -> Callable[[Array, Array], Array]:
    return lambda z, other: np.where(norm.cdf(other) < share, 1.3, 1.0) + 0.02 * z


DRAWS: dict[str, Callable[[Array, Array], Array]] = {
    "normal": lambda z, _: 1.0 + 0.05 * z,
    "lognormal": lambda z, _: np.exp(0.5 * z),
    "heavy": lambda z, _: 1.0 + 0.05 * t.ppf(norm.cdf(z), 2),
    "valleys, 1 in 10": _valleys(0.1),
    "valleys, 3 in 10": _valleys(0.3),
}


def normals(rng: np.random.Generator, *shape: int) -> Array:
    """(..., configurations, seeds), correlated within a seed."""
    shared, own = rng.standard_normal((*shape[:-2], 1, shape[-1])), rng.standard_normal(shape)
    return np.sqrt(SHARED) * shared + np.sqrt(1.0 - SHARED) * own


def losses(rng: np.random.Generator, kinds: list[str], *shape: int, diverging: float = 0.0) -> Array:
    """(..., configurations, seeds) for a shape (..., seeds), infinite where a training diverged."""
    full = (*shape[:-1], len(kinds), shape[-1])
    z, other, coin = (normals(rng, *full) for _ in range(3))
    drawn = [DRAWS[kind](z[..., i, :], other[..., i, :]) for i, kind in enumerate(kinds)]
    return np.where(norm.cdf(coin) < diverging, np.inf, np.stack(drawn, axis=-2))


@cache
def true_median(kind: str) -> float:
    """Of one configuration's losses."""
    return float(np.median(losses(np.random.default_rng(9), [kind], LARGE)))


def bounds(finals: Array) -> tuple[NDArray[np.intp], Array, Array]:
    """Which is the best of (studies, configurations, seeds), and between what the others' mean differences lie."""
    studies, count, seeds = finals.shape
    best = np.argmin(np.median(finals, axis=2), axis=1)
    gaps = finals - finals[np.arange(studies), best][:, None]
    reach = t.ppf(1.0 - 0.05 / (count * (count - 1)), seeds - 1) * gaps.std(axis=2, ddof=1) / np.sqrt(seeds)
    low, high = gaps.mean(axis=2) - reach, gaps.mean(axis=2) + reach
    for study in range(min(CHECKED, studies)):
        first, *others = summaries(finals[study])
        assert first.configuration.learning_rate == 1.0 + best[study]
        for summary in others:
            place = study, int(summary.configuration.learning_rate) - 1
            assert summary.above is not None and summary.apart == (low[place] > 0.0)
            np.testing.assert_allclose(
                [summary.above.lower, summary.above.upper], [low[place], high[place]], 1e-6, 1e-9
            )
    low[np.arange(studies), best], high[np.arange(studies), best] = -np.inf, np.inf
    return best, low, high


def summaries(finals: Array) -> list[Summary]:
    """What `Comparison` says; the rate of a configuration is its number from 1."""

    def no_record() -> Record:
        raise AssertionError("no rule is asked")

    def member(number: int, seed: int, final: float) -> Member:
        curve = Series("epoch_loss", "loss", [1], [final])
        bad = not np.isfinite(final)
        return Member(
            Configuration("sgd", 1.0 + number), seed, {"epoch_loss": curve}, bad, False, False, no_record
        )

    rows = [member(i, j, finals[i, j]) for i in range(len(finals)) for j in range(finals.shape[1])]
    return Comparison(tuple(rows)).summaries()


def medians(rng: np.random.Generator, studies: int) -> None:
    head("losses", "diverged", *(f"{n} seeds" for n in SEEDS))
    for kind in DRAWS:
        for diverging in (0.0, 0.2, 0.4, 0.6):
            many = losses(np.random.default_rng(9), [kind], LARGE, diverging=diverging)
            truth = float(np.sort(many.ravel())[LARGE // 2])
            cells = []
            for seeds in SEEDS:
                found = [
                    median_interval(losses(rng, [kind], seeds, diverging=diverging)) for _ in range(studies)
                ]
                held = np.mean([one.low <= truth <= one.high for one in found])
                cells.append(f"{100 * held:.1f} ({100 * found[0].confidence:.1f})")
            row(kind, f"{100 * diverging:.0f} %", *cells)


def steps(rng: np.random.Generator, studies: int) -> None:
    head("never there", *(f"{n} seeds" for n in SEEDS), *(f"{n} seeds, left out" for n in SEEDS))
    for never in (0.0, 0.2, 0.4, 0.6):
        truth = float(np.exp(5.0 + 0.5 * norm.ppf(0.5 / (1.0 - never)))) if never < 0.5 else np.inf
        cells, without = [], []
        for seeds in SEEDS:
            times = np.exp(5.0 + 0.5 * rng.standard_normal((studies, seeds)))
            times[rng.random((studies, seeds)) < never] = np.nan
            found = [median_interval(row) for row in times]
            known = [median_interval(row[np.isfinite(row)]) for row in times]
            held, left = (np.mean([m.low <= truth <= m.high for m in ms]) for ms in (found, known))
            cells.append(f"{100 * held:.1f} ({100 * found[0].confidence:.1f})")
            without.append(f"{100 * left:.1f}")
        row(f"{100 * never:.0f} %", *cells, *without)


def kinds_of(name: str, configurations: int) -> list[str]:
    """All of one kind, or in turn."""
    return [list(DRAWS)[i % len(DRAWS)] if name == "mixed" else name for i in range(configurations)]


def apart(rng: np.random.Generator, studies: int) -> None:
    better = (f"{n}, one better: it said worse, others said worse" for n in CONFIGURATIONS)
    head("losses", "seeds", *(f"{n} equal" for n in CONFIGURATIONS), *better)
    for name in (*DRAWS, "mixed"):
        for seeds in SEEDS:
            equal, one_better = [], []
            for configurations in CONFIGURATIONS:
                kinds = kinds_of(name, configurations)
                centre = np.array([true_median(kind) for kind in kinds])[:, None]
                drawn = losses(rng, kinds, studies, seeds) - centre + 1.0
                equal.append(f"{100 * np.mean(np.any(bounds(drawn)[1] > 0.0, axis=1)):.1f}")
                drawn[:, 0] -= 0.1
                worse = bounds(drawn)[1] > 0.0
                one_better.append(f"{100 * np.mean(worse[:, 0]):.1f}, {100 * np.mean(worse[:, 1:]):.0f}")
            row(name, str(seeds), *equal, *one_better)


def differences(rng: np.random.Generator, studies: int) -> None:
    head("losses", "seeds", *(f"{n}: mean, median" for n in CONFIGURATIONS))
    for name in (*DRAWS, "mixed"):
        for seeds in SEEDS:
            cells = []
            for configurations in CONFIGURATIONS:
                kinds = kinds_of(name, configurations)
                lower = np.where(np.arange(configurations) == 0, 50.0, 0.0)[:, None]  # always the best
                many = losses(np.random.default_rng(9), kinds, LARGE) - lower
                gaps = many - many[0]
                _, low, high = bounds(losses(rng, kinds, studies, seeds) - lower)
                truths = gaps.mean(axis=1), np.median(gaps, axis=1)
                held = [np.mean(np.all((low <= truth) & (truth <= high), axis=1)) for truth in truths]
                cells.append(", ".join(f"{100 * share:.1f}" for share in held))
            row(name, str(seeds), *cells)


def head(*cells: str) -> None:
    print()
    row(*cells)
    row(*("---" for _ in cells))


def row(*cells: str) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--studies", type=int, default=4_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=["medians", "steps", "apart", "differences"])
    options = parser.parse_args()
    for part in (medians, steps, apart, differences):
        if options.only in (None, part.__name__):
            part(np.random.default_rng(options.seed), options.studies)


if __name__ == "__main__":
    main()
