"""Error rates of every interval and sequential test behind the certificate, on data whose truth is known.

    python benchmarks/coverage.py            # half an hour; prints the tables of docs/certify/coverage.md
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
from thalweg.stats.gap import gap
from thalweg.stats.noise_scale import noise_scale
from thalweg.stats.sequence import anytime_mean, independent_mean

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


def ever(looks: Sequence[int], wrong: Callable[[int], bool]) -> bool:
    return any(wrong(n) for n in looks)


def outside(bounds: tuple[float, float], truth: float = 0.0) -> bool:
    return not bounds[0] <= truth <= bounds[1]


def means(runs: int) -> None:
    rows = []
    for name, make in INPUTS.items():
        for every in (1, 10):
            looks = np.arange(20, 20 + LOOKS * every, every)
            hits = np.zeros(3)
            for run in range(runs):
                x = make(np.random.default_rng([SEED, run]), int(looks[-1]))
                level = np.cumsum(x)[looks - 1] / looks
                scatter = np.cumsum(x * x)[looks - 1] / looks - level**2
                found = [anytime_mean(x[:n]) for n in looks]
                hits += (
                    bool(np.any(np.abs(level) > 1.96 * np.sqrt(scatter / looks))),
                    any(outside(each.interval()) for each in found),
                    any(each.upper() < 0.0 for each in found),
                )
            rows.append([name, f"{every}", *(interval(int(h), runs) for h in hits)])
    table(
        f"Mean: true value left out at any of {LOOKS} looks, from 20 values on, at 5 %, in %",
        ["values", "values from look to look", "naive", "confidence sequence", "its upper bound alone"],
        rows,
    )


def drifts(runs: int) -> None:
    rows = []
    for name, make in INPUTS.items():
        for every in (1, 10):
            looks = range(64, 64 + LOOKS * every, every)
            hits, silent = np.zeros(2), 0
            for run in range(runs):
                x = make(np.random.default_rng([SEED + 1, run]), looks[-1])
                at = np.arange(looks[-1])
                hits += (
                    ever(looks, lambda n: not abs(slope(x[n // 2 : n])) < 1.96),
                    ever(looks, lambda n: outside(drift(at[:n], x[:n]).interval())),
                )
                silent += np.isnan(drift(at, x).error)
            shares = [interval(int(h), runs) for h in (*hits, silent)]
            rows.append([name, f"{every}", *shares])
    table(
        f"Trend of the tail: true change left out at any of {LOOKS} looks, from 64 values on, at 5 %, in %",
        ["values", "values from look to look", "naive", "`drift`", "nothing said at the last look"],
        rows,
    )


def epochs(rng: np.random.Generator, n: int, correlation: float) -> Array:
    """The same 16 losses in another order every epoch, over a wander a third of their size.

    The wander's correlation is from one epoch to the next.
    """
    losses = rng.standard_normal(16)
    drawn = np.concatenate([rng.permutation(losses) for _ in range(-(-n // 16))])[:n]
    return drawn + 0.3 * ar1(rng, correlation ** (1.0 / 16.0), n)


def drifts_of_epochs(runs: int) -> None:
    rows = []
    looks = range(64, 64 + 16 * 120, 16)
    for correlation in (0.0, 0.3, 0.5, 0.7, 0.9):
        hits, widths = np.zeros(2), []
        for run in range(runs):
            x = epochs(np.random.default_rng([SEED + 6, run]), looks[-1], correlation)
            at = np.arange(looks[-1])
            # Before the tail holds 20 epochs both are the same.
            late = [n for n in looks if drift(at[:n], x[:n], 16).length >= 16]
            hits += (
                ever(late, lambda n: outside(drift(at[:n], x[:n]).interval())),
                ever(late, lambda n: outside(drift(at[:n], x[:n], 16).interval())),
            )
            widths.append(drift(at, x).error / drift(at, x, 16).error)
        shares = [interval(int(h), runs) for h in hits]
        rows.append([f"{correlation}", *shares, f"{np.nanmedian(widths):.2g}"])
    table(
        "Trend of the tail, the same 16 losses in every epoch: true change left out at any look after an epoch, once "
        "the tail has 20, at 5 %, in %",
        [
            "correlation of the wander from epoch to epoch",
            "steps alone",
            "by epochs",
            "error, steps over epochs",
        ],
        rows,
    )


def slope(y: Array) -> float:
    """The textbook's t of a least-squares slope."""
    x = np.arange(len(y)) - (len(y) - 1) / 2.0
    b = x @ y / (x @ x)
    rest = y - y.mean() - b * x
    return float(b / np.sqrt(rest @ rest / (len(y) - 2) / (x @ x)))


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
            upper = [anytime_mean(x[:n]).upper() for n in looks]
            found += min(upper) < 0.0
            when.append(next((n for n, end in zip(looks, upper, strict=True) if end < tolerance), np.inf))
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
    for distance in (0.0, 1.0):
        for b in (1, 4, 8, 32):
            above = below = 0
            for run in range(runs):
                u, _ = regression(np.random.default_rng([SEED + 4, run, b]), looks[-1], b, distance)
                found = [independent_mean(u[:n]) for n in looks]
                above += any(each.lower() > distance**2 for each in found)
                below += any(each.upper() < distance**2 for each in found)
            rows.append([f"{distance**2:.2g}", f"{b}", interval(above, runs), interval(below, runs)])
    table(
        f"Mean product of two gradients: wrong side of its bound at any of {LOOKS} looks, at 5 % each, in %",
        ["squared gradient norm", "batch", "lower bound above it", "upper bound below it"],
        rows,
    )


def gaps(runs: int) -> None:
    shapes: dict[str, Callable[[np.random.Generator, int], Array]] = {
        "exponential": lambda rng, n: rng.exponential(1.0, n),
        "log-normal, sd 1.5": lambda rng, n: rng.lognormal(0.0, 1.5, n),
        "0.01, and one in ten exponential, mean 3": lambda rng, n: np.where(
            rng.random(n) < 0.1, rng.exponential(3.0, n), 0.01
        ),
    }
    rows = []
    for name, draw in shapes.items():
        for n in (30, 100, 400):
            found = []
            for run in range(runs):
                rng = np.random.default_rng([SEED + 5, run])
                found.append(gap(draw(rng, 4 * n), draw(rng, n)))
            held = sum(each.low <= 0.0 <= each.high for each in found)
            normal = sum(abs(each.value) <= 1.96 * np.hypot(*each.errors) for each in found)
            rows.append([name, f"{4 * n} and {n}", interval(held, runs), interval(normal, runs)])
    table(
        "Gap between the mean losses of two samples: truth inside the 95 % interval, in %",
        ["losses", "examples", "bootstrap", "1.96 standard errors"],
        rows,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    scale = 0.1 if parser.parse_args().quick else 1.0
    noise_scales(int(1000 * scale))
    means(int(200 * scale))
    drifts(int(100 * scale))
    drifts_of_epochs(int(100 * scale))
    gradients(int(1000 * scale))
    equivalence(int(100 * scale))
    gaps(int(200 * scale))
