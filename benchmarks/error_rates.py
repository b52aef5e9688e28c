"""False-alarm rates of the statistics and of the rules on synthetic runs in which nothing is wrong.

    python benchmarks/error_rates.py            # about two minutes; prints the tables of docs/calibration.md
    python benchmarks/error_rates.py --quick    # a tenth of the replicates

The seeds here are not those with which any threshold was chosen.
"""

import argparse
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from thalweg import Event, Record, Rule, Series, Verdict
from thalweg.rules import RULES
from thalweg.stats import mean, rolling_bound, trend

SEED = 7_140_000
Array = NDArray[np.float64]
Curve = Callable[[int], Array]


def ar1(rng: np.random.Generator, phi: float, *shape: int) -> Array:
    """Stationary AR(1) series of unit variance along the last axis."""
    x = rng.standard_normal(shape)
    for i in range(1, shape[-1]):
        x[..., i] = phi * x[..., i - 1] + np.sqrt(1 - phi * phi) * x[..., i]
    return x


def interval(hits: int, trials: int) -> str:
    """A rate in per cent with its 95 % Wilson interval."""
    p, z = hits / trials, 1.96
    middle = (p + z * z / 2 / trials) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * np.sqrt(p * (1 - p) / trials + z * z / 4 / trials**2)
    return f"{100 * p:.2g} ({100 * max(middle - half, 0):.2g} to {100 * (middle + half):.2g})"


def table(title: str, head: list[str], rows: list[list[str]]) -> None:
    print(f"\n### {title}\n")
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)


def trends(scale: float) -> None:
    rows = []
    for n in (8, 20, 50, 200, 2000):
        row = [f"{n:,}"]
        for phi in (0.0, 0.5, 0.9, 0.97):
            runs = int((2000 if n <= 200 else 600) * scale)
            rng = np.random.default_rng([SEED, n, int(100 * phi)])
            hits = 0
            for y in ar1(rng, phi, runs, n):
                line = trend(np.arange(n), y)
                hits += (line.p_falling < 0.01) + (line.p_rising < 0.01)
            row.append(interval(hits, 2 * runs))
        rows.append(row)
    table(
        "Trend: rejections of a true null at 1 % (one-sided), in %",
        ["length", "AR 0", "AR 0.5", "AR 0.9", "AR 0.97"],
        rows,
    )


def means(scale: float) -> None:
    rows = []
    for n in (8, 20, 50, 200, 2000):
        row = [f"{n:,}"]
        for phi in (0.0, 0.5, 0.9, 0.97):
            runs = int((2000 if n <= 200 else 600) * scale)
            rng = np.random.default_rng([SEED + 1, n, int(100 * phi)])
            found = [mean(y) for y in ar1(rng, phi, runs, n)]
            rows_out = sum((m.quantile(0.99) < 0.0) + (m.quantile(0.01) > 0.0) for m in found)
            row.append(interval(rows_out, 2 * runs))
        rows.append(row)
    table(
        "Mean: true value outside the one-sided 99 % bound, in %",
        ["length", "AR 0", "AR 0.5", "AR 0.9", "AR 0.97"],
        rows,
    )


def noises(rng: np.random.Generator, n: int) -> Iterator[tuple[str, Array]]:
    """Log gradient norms of steady training, by the law of their noise."""
    yield "log-normal, sd 0.3", 0.3 * rng.standard_normal(n)
    yield "log-normal, sd 1.5", 1.5 * rng.standard_normal(n)
    yield "norm of 10 Student t3 entries", 0.5 * np.log(np.sum(rng.standard_t(3, (n, 10)) ** 2, axis=1))
    yield "Pareto, index 2", rng.exponential(0.5, n)
    yield "Laplace logs", 0.5 * rng.laplace(size=n)
    yield "log-normal, AR 0.9", 0.5 * ar1(rng, 0.9, n)


def spikes(scale: float) -> None:
    steps, runs = 100_000, max(1, int(10 * scale))
    counts: dict[str, list[int]] = {}
    rule = next(r for r in RULES if r.code == "G001")
    for run in range(runs):
        rng = np.random.default_rng([SEED + 2, run])
        for name, logs in noises(rng, steps):
            bound = rolling_bound(logs, 1e-6, floor=0.02)
            over = int(np.sum((logs > bound.upper) & (logs - bound.typical > np.log(5.0))))
            loss = 0.3 * np.exp(0.5 * (logs - logs.mean())) + 2.0 * np.exp(-np.arange(steps) / 2000)
            whole = {"loss": loss, "gradient_norm": np.exp(logs)}
            alarm = rule.check(record(whole)).verdict is Verdict.CONCERN
            tally = counts.setdefault(name, [0, 0])
            tally[0] += over
            tally[1] += alarm
    table(
        f"Gradient spike: {runs} runs of {steps:,} steps of steady noise, the loss rising with the gradient",
        ["noise of the norm", "steps over the bound, per 100,000", "runs with an alarm"],
        [[name, f"{over / runs:.2g}", f"{alarms} of {runs}"] for name, (over, alarms) in counts.items()],
    )


def record(whole: dict[str, Array], epochs: dict[str, Array] | None = None) -> Record:
    """A finished run of a ten-class classifier with these series per step, and these per epoch."""
    made = [Series(k, "1", np.arange(1, len(v) + 1), v) for k, v in whole.items()]
    length = len(next(iter(whole.values()))) if whole else 0
    for name, values in (epochs or {}).items():
        step = max(1, length // len(values))
        made.append(Series(name, "1", step * np.arange(1, len(values) + 1), values))
    facts = {"initial_loss": 2.3026, "constant_prediction_loss": 2.3026} if whole else {"step_unit": "epoch"}
    last = max(int(s.steps[-1]) for s in made)
    return Record.of(made, facts, [Event(last, "finished", {"reason": "completed"})])


def flat_validations(
    scale: float,
    code: str,
    seed: int,
    lengths: tuple[int, ...],
    noises: tuple[tuple[float, float], ...],
    fall: Curve,
    training: Curve | None = None,
) -> list[list[str]]:
    """The table's rows: alarms of a rule where validation falls and stays flat, under noise of (size, correlation).

    `fall` and `training` are curves over so many epochs; without `training` it falls as validation does.
    """
    rule = next(r for r in RULES if r.code == code)
    rows = []
    for n in lengths:
        row = [f"{n}"]
        for noise, phi in noises:
            runs = int(1000 * scale)
            rng = np.random.default_rng([seed, n, int(100 * noise), int(100 * phi)])
            hits = 0
            for wiggle in ar1(rng, phi, runs, n):
                validation = (0.5 + fall(n)) * np.exp(noise * wiggle)
                losses = validation if training is None else training(n)
                found = rule.check(record({}, {"epoch_loss": losses, "validation_loss": validation}))
                hits += found.verdict is Verdict.CONCERN
            row.append(interval(hits, runs))
        rows.append(row)
    return rows


def overfitting(scale: float) -> None:
    table(
        "V001 on a validation loss that falls and stays flat while training goes on falling: alarms in %",
        ["epochs", "noise 2 %", "5 %", "15 %", "5 %, AR 0.5", "5 %, AR 0.9"],
        flat_validations(
            scale,
            "V001",
            SEED + 3,
            (10, 20, 50, 200),
            ((0.02, 0.0), (0.05, 0.0), (0.15, 0.0), (0.05, 0.5), (0.05, 0.9)),
            lambda n: 1.5 * np.exp(-np.arange(n) / 3),
            lambda n: 2.0 * np.exp(-np.arange(n) / 8) + 0.05,
        ),
    )


def unfinished(scale: float) -> None:
    table(
        "L004 on a validation loss that falls in the first third and stays flat: alarms in %",
        ["epochs", "noise 2 %", "15 %", "5 %, AR 0.5", "5 %, AR 0.9", "15 %, AR 0.9"],
        flat_validations(
            scale,
            "L004",
            SEED + 6,
            (8, 12, 20, 50, 200),
            ((0.02, 0.0), (0.15, 0.0), (0.05, 0.5), (0.05, 0.9), (0.15, 0.9)),
            lambda n: 1.5 * np.exp(-np.arange(n) / (n / 16)),
        ),
    )


def cycle(n: int) -> Array:
    """A learning rate that warms up over 30 % of the run and then falls to zero."""
    t = np.arange(n) / n
    return np.where(t < 0.3, t / 0.3, (1 - t) / 0.7)


def shapes(rng: np.random.Generator, n: int, phi: float, noise: float) -> dict[str, Array]:
    """Losses of runs in which nothing is wrong."""
    t = np.arange(n) / n
    wiggle = np.exp(noise * ar1(rng, phi, n))
    catapult = 3.0 * np.exp(-(((t - 0.02) / 0.01) ** 2))
    return {
        "exponential to a floor": (0.3 + 2.0 * np.exp(-12 * t)) * wiggle,
        "to its floor in no time": (0.3 + 2.0 * np.exp(-200 * t)) * wiggle,
        "noisy labels, floor 2.0": (2.0 + 0.3 * np.exp(-12 * t)) * wiggle,
        "interpolation, loss to 1e-5": 2.3 * np.exp(-12 * t) * wiggle,
        "one cycle, noise with the rate": (0.2 + 2.1 * np.exp(-8 * t)) * wiggle
        + cycle(n) * 0.3 * rng.random(n),
        "catapult": (0.3 + 2.0 * np.exp(-12 * t) + catapult) * wiggle,
        "starts at its floor": 0.3 * wiggle,
    }


def rules_of_the_loss(scale: float) -> None:
    asked = [r for r in RULES if r.code in ("L001", "L002", "L003", "L004", "B001")]
    counts: dict[str, dict[str, int]] = {}
    trials = 0
    for n in (300, 3000):
        for phi in (0.0, 0.9):
            for noise in (0.05, 0.2):
                for run in range(max(1, int(40 * scale))):
                    rng = np.random.default_rng([SEED + 4, n, int(100 * phi), int(100 * noise), run])
                    trials += 1
                    for name, loss in shapes(rng, n, phi, noise).items():
                        tally = counts.setdefault(name, {r.code: 0 for r in asked})
                        whole = {"loss": loss}
                        if name.startswith("one cycle"):
                            whole["learning_rate"] = 1e-6 + cycle(n)
                        for rule in asked:
                            tally[rule.code] += rule.check(record(whole)).verdict is Verdict.CONCERN
    table(
        f"Rules of the loss on {trials} runs of each shape (300 and 3,000 steps, noise 5 and 20 %, "
        "AR 0 and 0.9): alarms in %",
        ["shape", *(r.code for r in asked)],
        [[name, *(interval(tally[r.code], trials) for r in asked)] for name, tally in counts.items()],
    )


def live(scale: float) -> None:
    asked: list[Rule] = [r for r in RULES if r.live]
    counts: dict[str, list[int]] = {}
    for run in range(max(1, int(20 * scale))):
        rng = np.random.default_rng([SEED + 5, run])
        for name, loss in shapes(rng, 10_000, 0.5, 0.2).items():
            gradient = np.exp(0.5 * rng.standard_normal(len(loss))) * loss
            whole = record({"loss": loss, "gradient_norm": gradient})
            tally = counts.setdefault(name, [0, 0, 0])
            raised = False
            for end in range(128, len(loss) + 1, 128):
                part = Record.of(
                    [s.between(max(1, end - 1999), end) for s in whole.series.values()], whole.info
                )
                tally[1] += 1
                raised |= any(rule.check(part).verdict is Verdict.CONCERN for rule in asked)
            tally[0] += 1
            tally[2] += raised
    table(
        "Live rules ("
        + ", ".join(r.code for r in asked)
        + "), asked every 128 steps of 10,000 (noise 20 %, AR 0.5)",
        ["shape", "runs", "looks", "runs with an alarm at any look, in %"],
        [
            [name, f"{runs}", f"{looks:,}", interval(hits, runs)]
            for name, (runs, looks, hits) in counts.items()
        ],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the replicates")
    factor = 0.1 if parser.parse_args().quick else 1.0
    for measure in (trends, means, spikes, overfitting, unfinished, rules_of_the_loss, live):
        measure(factor)
