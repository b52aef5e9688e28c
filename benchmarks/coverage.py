"""Error rates of every interval and sequential test behind the certificate, on data whose truth is known.

    python benchmarks/coverage.py            # about a quarter of an hour; prints docs/certify/coverage.md
    python benchmarks/coverage.py --quick    # a tenth of the replicates

The seeds here are not those with which any threshold was chosen.
"""

# ruff: noqa: B023 - a loop calls its functions before it goes on

import argparse
from collections.abc import Callable, Sequence

import numpy as np
from error_rates import ar1, interval, table
from numpy.typing import NDArray

from thalweg.stats.drift import drift
from thalweg.stats.mean import mean
from thalweg.stats.noise_scale import noise_scale
from thalweg.stats.sequence import anytime_mean
from thalweg.stats.trend import trend

SEED = 9_310_000
LOOKS = 395
Array = NDArray[np.float64]
Make = Callable[[np.random.Generator, int], Array]
INPUTS: dict[str, Make] = {
    "independent": lambda rng, n: rng.standard_normal(n),
    "AR 0.5": lambda rng, n: ar1(rng, 0.5, n),
    "AR 0.9": lambda rng, n: ar1(rng, 0.9, n),
    "AR 0.97 under noise of three times its size": lambda rng, n: (
        (ar1(rng, 0.97, n) + 3.0 * rng.standard_normal(n)) / np.sqrt(10.0)
    ),
}


MEANS = ("one look's error, knows autocorrelation", "confidence sequence", "its upper bound alone")
TRENDS = ("one look's error, knows autocorrelation", "`drift`", "nothing said at the last look")


def ever(looks: Sequence[int], wrong: Callable[[int], bool]) -> bool:
    return any(wrong(n) for n in looks)


def outside(bounds: tuple[float, float], truth: float = 0.0) -> bool:
    return not bounds[0] <= truth <= bounds[1]


def means(runs: int) -> None:
    rows = []
    for name, make in INPUTS.items():
        for every in (1, 10):
            looks = range(20, 20 + LOOKS * every, every)
            hits = np.zeros(4)
            for run in range(runs):
                x = make(np.random.default_rng([SEED, run]), looks[-1])
                total, square = np.cumsum(x), np.cumsum(x * x)
                n = np.array(looks)
                t = total[n - 1] / np.sqrt(n) / np.sqrt(square[n - 1] / n - (total[n - 1] / n) ** 2)
                hits += (
                    bool(np.any(np.abs(t) > 1.96)),
                    ever(
                        looks, lambda n: outside((mean(x[:n]).quantile(0.025), mean(x[:n]).quantile(0.975)))
                    ),
                    ever(looks, lambda n: outside(anytime_mean(x[:n]).interval())),
                    ever(looks, lambda n: anytime_mean(x[:n]).upper() < 0.0),
                )
            rows.append([name, f"{every}", *(interval(int(h), runs) for h in hits)])
    table(
        f"Mean: true value left out at any of {LOOKS} looks, from 20 values on, at 5 %, in %",
        ["values", "values from look to look", "naive", *MEANS],
        rows,
    )


def drifts(runs: int) -> None:
    rows = []
    for name, make in INPUTS.items():
        for every in (1, 10):
            looks = range(64, 64 + LOOKS * every, every)
            hits, silent = np.zeros(3), 0
            for run in range(runs):
                x = make(np.random.default_rng([SEED + 1, run]), looks[-1])

                def naive(n: int, x: Array = x) -> bool:
                    y, at = x[n // 2 : n], np.arange(n // 2, n)
                    slope, covariance = np.polyfit(at, y, 1, cov=True)
                    return bool(abs(slope[0]) > 1.96 * np.sqrt(covariance[0, 0]))

                def one(n: int, x: Array = x) -> bool:
                    line = trend(np.arange(n // 2, n), x[n // 2 : n])
                    return outside((line.quantile(0.025), line.quantile(0.975)))

                hits += (
                    ever(looks, naive),
                    ever(looks, one),
                    ever(looks, lambda n: outside(drift(np.arange(n), x[:n]).interval())),
                )
                silent += np.isnan(drift(np.arange(looks[-1]), x).error)
            rows.append(
                [name, f"{every}", *(interval(int(h), runs) for h in hits), f"{100 * silent / runs:.0f}"]
            )
    table(
        f"Trend of the tail: true change left out at any of {LOOKS} looks, from 64 values on, at 5 %, in %",
        ["values", "values from look to look", "naive", *TRENDS],
        rows,
    )


def equivalence(runs: int) -> None:
    """Whether "less than the tolerance" is said where it is exactly that, and when where it is nothing."""
    rows = []
    looks = range(20, 20 + LOOKS)
    for tolerance in (0.2, 0.4):
        naive = found = 0
        when = []
        for run in range(runs):
            x = np.random.default_rng([SEED + 2, run]).standard_normal(looks[-1])
            naive += ever(looks, lambda n: x[:n].mean() + 1.645 * x[:n].std() / np.sqrt(n) < 0.0)
            found += ever(looks, lambda n: anytime_mean(x[:n]).upper() < 0.0)
            when.append(next((n for n in looks if anytime_mean(x[:n]).upper() < tolerance), np.inf))
        rows.append(
            [f"{tolerance}", interval(naive, runs), interval(found, runs), f"{np.median(when):,.0f} values"]
        )
    table(
        '"The mean is below the tolerance", said at any look where the mean is the tolerance, in %, and when it is '
        "said where the mean is 0",
        ["tolerance, in sd of a value", "naive", "confidence sequence", "median, mean 0"],
        rows,
    )


def regression(rng: np.random.Generator, pairs: int, b: int, distance: float) -> tuple[Array, Array]:
    """Mini-batch gradients of 8 Gaussian inputs at `distance` from the true weights, noise 0.1."""
    x = rng.standard_normal((2 * pairs, b, 8))
    g = (x * (distance * x[..., :1] + 0.1 * rng.standard_normal((2 * pairs, b, 1)))).mean(axis=1)
    return np.sum(g[::2] * g[1::2], axis=1), np.sum(g * g, axis=1)


def noise_scales(runs: int) -> None:
    rows = []
    for distance in (1.0, 0.1, 0.03):
        truth = (9.0 * distance**2 + 0.08) / distance**2
        for b, pairs in ((8, 20), (8, 100), (32, 20), (32, 100)):
            rng = np.random.default_rng([SEED + 3, int(1000 * distance), b, pairs])
            found = [noise_scale(*regression(rng, pairs, b, distance), b) for _ in range(runs)]
            ends = [each.interval() for each in found]
            inside = sum(not outside(each, truth) for each in ends)
            finite = [each for each in ends if each[1] < np.inf]
            resolved = sum(not outside(each, truth) for each in finite)
            width = np.median([high / max(low, 1e-9) for low, high in finite]) if finite else np.nan
            row = [f"{truth:.4g}", f"{b}", f"{pairs}", interval(inside, runs)]
            row.append(f"{runs - len(finite)} of {runs}")
            row.append(interval(resolved, len(finite)) if finite else "-")
            rows.append([*row, f"{width:.2g}"])
    table(
        f"Gradient noise scale of linear regression: truth inside the 95 % interval, {runs} repeats, in %",
        [
            "truth",
            "batch",
            "pairs",
            "inside",
            "unresolved",
            "inside, of the resolved",
            "upper end over lower",
        ],
        rows,
    )


def gradients(runs: int) -> None:
    """The mean product of two gradients is no normal variable: skew, with heavy tails, few pairs."""
    rows = []
    looks = range(20, 20 + LOOKS)
    for distance in (0.0, 0.1, 1.0):
        for b in (4, 32):
            above = below = 0
            for run in range(runs):
                u, _ = regression(np.random.default_rng([SEED + 4, run, b]), looks[-1], b, distance)
                above += ever(looks, lambda n: anytime_mean(u[:n]).lower() > distance**2)
                below += ever(looks, lambda n: anytime_mean(u[:n]).upper() < distance**2)
            rows.append([f"{distance**2:.2g}", f"{b}", interval(above, runs), interval(below, runs)])
    table(
        f"Mean product of two gradients: wrong side of its bound at any of {LOOKS} looks, at 5 % each, in %",
        ["squared gradient norm", "batch", "lower bound above it", "upper bound below it"],
        rows,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    scale = 0.1 if parser.parse_args().quick else 1.0
    noise_scales(int(1000 * scale))
    gradients(int(200 * scale))
    equivalence(int(200 * scale))
    means(int(200 * scale))
    drifts(int(200 * scale))
