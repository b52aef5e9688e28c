"""How good the learning rate of `thalweg lr-find` is, beside those of five published range tests.

    python benchmarks/lr_find.py --output lr_find.jsonl             train, or go on where that was broken off
    python benchmarks/lr_find.py --output lr_find.jsonl --table     the tables of docs/lr_find.md

Every task of `lr_find_tasks.JUDGED` (or of another of its sets), with SGD and with Adam, is trained with ten seeds at
each of 22 rates from 1e-5 to 100, the grid. From the start of each seed the range tests and `thalweg` (it, and
three others) suggest a rate, and the seed is trained at it for the whole budget. All trainings are members of
populations (JAX).

Within: the median of the ten validation losses at the suggested rates is at most 10 % or one standard error (of the
ten at the grid's best rate) above the median at the grid's best rate; a single training is held against the same
seed's at the grid's best rate. A rate that was not suggested, or diverged, is not within.

The range tests are written anew from their sources:
- Lightning: src/lightning/pytorch/tuner/lr_finder.py, Lightning-AI/pytorch-lightning 0012782.
- fastai `valley` (its default) and `minimum`: fastai/callback/schedule.py, fastai/fastai 0a049e8.
- torch-lr-finder: torch_lr_finder/lr_finder.py, davidtvs/pytorch-lr-finder 00abb90, called as its README does.
- keras_lr_finder: keras_lr_finder/lr_finder.py, surmenok/keras_lr_finder 4813b0a, called as its README does (with the
  task's batch size); `get_best_lr` takes the largest derivative there, and raises: the smallest is taken, as in its
  later version Intenzo21/keras_lr_finder 932a15b.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "jax")
sys.path.insert(0, str(Path(__file__).parent))
from lr_find_tasks import DEVELOPED, FRESH, JUDGED, Task

GRID = np.geomspace(1e-5, 100.0, 22)
SEEDS = range(10)
MANY = 4
"""Rates in one program, each with all seeds."""
RULES = ("Lightning", "fastai valley", "fastai minimum/10", "torch-lr-finder", "keras_lr_finder")
OURS = "thalweg"
SETS = {"judged": JUDGED, "fresh": FRESH, "developed": DEVELOPED}


def lightning_rates(steps: int = 100) -> np.ndarray:
    done = np.arange(steps) + 1.0
    done[0] = 0.0
    return 1e-8 * 1e8 ** (done / steps)


def lightning(rates: np.ndarray, losses: np.ndarray) -> float:
    average, best, shown = 0.0, 0.0, []
    for step, loss in enumerate(losses, 1):
        average = 0.98 * average + 0.02 * loss
        smooth = average / (1 - 0.98 ** (step + 1))
        shown.append(smooth)
        if step > 1 and smooth > 4.0 * best:
            break
        if smooth < best or step == 1:
            best = smooth
    y, x = np.array(shown, np.float32)[10:-1], np.array(rates[: len(shown)], np.float32)[10:-1]
    y, x = y[np.isfinite(y)], x[np.isfinite(y)]
    return float(x[np.argmin(np.gradient(y, x))]) if len(y) > 1 else np.nan


def fastai_rates(steps: int = 100) -> np.ndarray:
    return 1e-7 * 1e8 ** (np.arange(steps) / steps)


def _fastai(rates: np.ndarray, losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    value, best, shown = 0.0, np.inf, []
    for count, loss in enumerate(losses, 1):
        value = loss + 0.98 * (value - loss)
        shown.append(value / (1 - 0.98**count))
        best = min(best, shown[-1]) if shown[-1] < best else best
        if shown[-1] > 4.0 * best:
            break
    y, x = np.array(shown)[len(losses) // 10 : -5], rates[: len(shown)][len(losses) // 10 : -5]
    bad = np.flatnonzero(np.isnan(y))
    return (x[: bad[0]], y[: bad[0]]) if len(bad) else (x, y)


def valley(rates: np.ndarray, losses: np.ndarray) -> float:
    x, y = _fastai(rates, losses)
    if not len(y):
        return np.nan
    longest, start, end = [1] * len(y), 0, 0
    for i in range(1, len(y)):
        for j in range(i):
            if y[i] < y[j] and longest[i] < longest[j] + 1:
                longest[i] = longest[j] + 1
            if longest[end] < longest[i]:
                end = i
                start = end - longest[end]
    sections = (end - start) / 3
    return float(x[start + int(sections) + int(sections / 2)])


def minimum(rates: np.ndarray, losses: np.ndarray) -> float:
    x, y = _fastai(rates, losses)
    return float(x[y.argmin()] / 10) if len(y) else np.nan


def torch_rates(steps: int = 100) -> np.ndarray:
    return 1e-7 * 1e9 ** (np.arange(steps) / (steps - 1))


def torch_lr_finder(rates: np.ndarray, losses: np.ndarray) -> float:
    best, shown = losses[0], [losses[0]]
    for loss in losses[1:]:
        shown.append(0.05 * loss + 0.95 * shown[-1])
        if shown[-1] < best:
            best = shown[-1]
        if shown[-1] > 5.0 * best:
            break
    y = np.array(shown)[10:-5]
    return float(rates[10 + np.argmin(np.gradient(y))]) if len(y) > 1 else np.nan


def keras_rates(steps: int) -> np.ndarray:
    return 1e-4 * 1e4 ** (np.arange(steps) / steps)


def keras_lr_finder(rates: np.ndarray, losses: np.ndarray) -> float:
    best, shown = 1e9, []
    for batch, loss in enumerate(losses):
        shown.append(loss)
        if batch > 5 and (np.isnan(loss) or loss > 4.0 * best):
            break
        best = min(best, loss) if loss < best else best
    sma = 4
    slopes = [0.0] * sma + [(shown[i] - shown[i - sma]) / sma for i in range(sma, len(shown))]
    slopes = slopes[10:-5]
    return float(rates[10 : len(shown) - 5][int(np.argmin(slopes))]) if slopes else np.nan


def final(streams: Any, task: Task, rates: np.ndarray) -> np.ndarray:
    """The validation losses (S, K) of the seeds at these rates after the whole budget."""
    found = []
    for first in range(0, rates.shape[1], MANY):
        part = rates[:, first : first + MANY]
        filled = np.concatenate([part, np.repeat(part[:, -1:], MANY - part.shape[1], axis=1)], axis=1)
        streams.begin(SEEDS, MANY)
        streams.advance(np.broadcast_to(filled, (task.steps, *filled.shape)))
        found.append(streams.validate()[:, : part.shape[1]])
    return np.concatenate(found, axis=1)


def suggested(streams: Any, task: Task) -> dict[str, list[float]]:
    """What each range test says from the start of each seed."""
    passes = max(streams.pass_steps * 5, 30)
    tests: list[tuple[np.ndarray, dict[str, Callable]]] = [
        (lightning_rates(), {RULES[0]: lightning}),
        (fastai_rates(), {RULES[1]: valley, RULES[2]: minimum}),
        (torch_rates(), {RULES[3]: torch_lr_finder}),
        (keras_rates(passes), {RULES[4]: keras_lr_finder}),
    ]
    found: dict[str, list[float]] = {}
    for rates, rules in tests:
        streams.begin(SEEDS, 1)
        losses = streams.advance(np.tile(rates[:, None, None], (1, len(SEEDS), 1)))[:, :, 0]
        with np.errstate(all="ignore"):
            for name, rule in rules.items():
                found[name] = [rule(rates, losses[:, member]) for member in range(len(SEEDS))]
    return found


def case(name: str, task: Task, optimizer: str) -> dict[str, Any]:
    from thalweg.keras.optimizers import optimizer as optimizer_named
    from thalweg.keras.rate_finding import Search
    from thalweg.keras.streams import Streams

    begun = time.perf_counter()
    (x, y), (held_x, held_y) = task.data()
    streams = Streams(
        task.build, optimizer_named(optimizer)[1], (x, y, None), (held_x, held_y, None), task.batch
    )
    grid = final(streams, task, np.tile(GRID, (len(SEEDS), 1)))
    on_grid = time.perf_counter() - begun
    rates = suggested(streams, task)
    begun = time.perf_counter()
    ours = [
        Search(streams, task.steps, 0.25, (seed, 1000 + seed, 2000 + seed, 3000 + seed)).found()
        for seed in SEEDS
    ]
    seconds = (time.perf_counter() - begun) / len(SEEDS)
    rates[OURS] = [one.rate for one in ours]
    tried = np.array([rates[rule] for rule in rates], float).T
    losses = final(streams, task, np.where(np.isfinite(tried), tried, 1e-9))
    streams.close()
    return {
        "task": name,
        "optimizer": optimizer,
        "grid": grid.T.ravel().tolist(),
        "rates": rates,
        "losses": {rule: losses[:, i].tolist() for i, rule in enumerate(rates)},
        "intervals": [(one.low, one.high) for one in ours],
        "drifts": [one.drift for one in ours],
        "cost": float(np.mean([one.steps for one in ours])) / task.steps,
        "seconds": {"grid": on_grid, "one search": seconds},
    }


def judged(row: dict[str, Any]) -> tuple[float, float, dict[str, tuple[float, list[bool]]]]:
    """The grid's best rate and median; for each rule its median, what that may be, and which seeds are within."""
    grid = np.array(row["grid"], float).reshape(len(GRID), len(SEEDS))
    grid = np.where(np.isfinite(grid), grid, np.inf)
    middle = np.median(grid, axis=1)
    best = int(np.argmin(middle))
    error = grid[best].std(ddof=1) / np.sqrt(len(SEEDS))
    found = {}
    for rule, losses in row["losses"].items():
        y = np.where(np.isfinite(rates := np.array(row["rates"][rule], float)) & (rates > 0), losses, np.nan)
        y = np.where(np.isfinite(y.astype(float)), y, np.inf).astype(float)
        line = np.maximum(1.1 * grid[best], grid[best] + error)
        found[rule] = (
            float(np.median(y)),
            float(max(1.1 * middle[best], middle[best] + error)),
            list(y <= line),
        )
    return float(GRID[best]), float(middle[best]), found


def nearly(row: dict[str, Any]) -> np.ndarray:
    """The grid's rates whose median is at most 1 % above the lowest."""
    grid = np.array(row["grid"], float).reshape(len(GRID), len(SEEDS))
    middle = np.median(np.where(np.isfinite(grid), grid, np.inf), axis=1)
    return GRID[middle <= 1.01 * middle.min()]


def tables(rows: list[dict[str, Any]]) -> None:
    names = (*RULES, OURS)
    print(f"| task | | best rate | loss | {' | '.join(names)} |")
    print("|---|---|---|---|" + "---|" * len(names))
    within: dict[tuple[str, str], list[bool]] = {}
    single: dict[tuple[str, str], list[bool]] = {}
    for row in rows:
        best, loss, found = judged(row)
        cells = []
        for name in names:
            median, line, seeds = found[name]
            within.setdefault((row["optimizer"], name), []).append(median <= line)
            single.setdefault((row["optimizer"], name), []).extend(seeds)
            ratio = f"{median / loss:.2f}" if np.isfinite(median) else "diverged"
            rate = np.nanmedian(np.array(row["rates"][name], float))
            cells.append(
                f"{'**' if median <= line else ''}{rate:.2g}: {ratio}{'**' if median <= line else ''}"
            )
        print(f"| {row['task']} | {row['optimizer']} | {best:.2g} | {loss:.3g} | {' | '.join(cells)} |")
    print()
    print(f"| | {' | '.join(names)} |")
    print("|---|" + "---|" * len(names))
    for optimizer in ("sgd", "adam"):
        for what, table in (("medians within", within), ("single trainings within", single)):
            shares = [table[optimizer, name] for name in names]
            cells = [f"{sum(one)} of {len(one)} ({100 * np.mean(one):.0f} %)" for one in shares]
            print(f"| {optimizer}, {what} | {' | '.join(cells)} |")
    held = [low <= judged(row)[0] <= high for row in rows for low, high in row["intervals"]]
    alike = [
        bool(((low <= (r := nearly(row))) & (r <= high)).any())
        for row in rows
        for low, high in row["intervals"]
    ]
    for what, one in (("the grid's best rate", held), ("a rate at most 1 % worse", alike)):
        print(f"\nThe interval held {what} in {sum(one)} of {len(one)} ({100 * np.mean(one):.0f} %).")
    cost = [row["cost"] for row in rows]
    print(
        f"A search trained {np.mean(cost):.2g} times the steps of one training ({min(cost):.2g} to {max(cost):.2g})."
    )
    print(
        f"Seconds, all: {sum(row['seconds']['grid'] + 10 * row['seconds']['one search'] for row in rows):,.0f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--table", action="store_true", help="print what is there, train nothing")
    parser.add_argument("--tasks", choices=SETS, default="judged")
    options = parser.parse_args()
    rows = (
        [json.loads(line) for line in options.output.read_text().splitlines()]
        if options.output.exists()
        else []
    )
    if not options.table:
        there = {(row["task"], row["optimizer"]) for row in rows}
        for name, task in SETS[options.tasks].items():
            for optimizer in ("sgd", "adam"):
                if (name, optimizer) not in there:
                    rows.append(case(name, task, optimizer))
                    with options.output.open("a") as file:
                        file.write(json.dumps(rows[-1]) + "\n")
                    best, loss, found = judged(rows[-1])
                    print(
                        name,
                        optimizer,
                        best,
                        loss,
                        {k: round(v[0] / loss, 2) for k, v in found.items()},
                        rows[-1]["seconds"],
                        file=sys.stderr,
                        flush=True,
                    )
    tables(rows)


if __name__ == "__main__":
    main()
