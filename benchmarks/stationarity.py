"""When do tests of stationarity fire, against the time when they should? The table of docs/certify/stationarity.md.

    python benchmarks/stationarity.py            # about a quarter of an hour on one core
    python benchmarks/stationarity.py --quick    # a tenth of the replicates

Noisy quadratics whose truth is known, and small networks against a long reference run. Ours is the function that the
claim calls, fed by the same averages that the watch keeps. The seeds are not those with which anything was chosen.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from frozen import looked
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import logsumexp, softmax, stdtrit
from sklearn.datasets import load_digits

from thalweg import Record, Series
from thalweg.certificate import Status
from thalweg.claims import NoiseBall
from thalweg.examination import Examination
from thalweg.stats.looks import A_DOUBLING, Look, Looks
from thalweg.stats.noise_ball import RUNNING, reached

Array = NDArray[np.float64]
SEED = 4_100_000
FIRST = 128
"""The first look of a run whose epochs are shorter than 64 steps, as the watch has it."""


@dataclass(frozen=True)
class Quadratic:
    """f(x) = sum lambda x^2 / 2 with gradient noise of variance s in each of d directions; rate 1, floor 1.

    The eigenvalues (times the rate) fill the decade above `slowest` evenly in the logarithm, and the start lies
    equally far away in all of their directions: its bias is `ratio` floors.
    """

    name: str
    d: int
    ratio: float
    slowest: float

    @property
    def eigenvalues(self) -> Array:
        return self.slowest * np.geomspace(1.0, 10.0, self.d)

    @property
    def noise(self) -> float:
        """The variance with which the stationary excess loss, sum s / (4 - 2 lambda), is 1."""
        return 1.0 / float(np.sum(1.0 / (4.0 - 2.0 * self.eigenvalues)))

    @property
    def start(self) -> Array:
        return np.full(self.d, np.sqrt(2.0 * self.ratio / np.sum(self.eigenvalues)))

    def until(self, level: float) -> int:
        """The step from which the bias is below `level` floors."""

        def above(t: float) -> float:
            shares = np.exp(2.0 * t * np.log1p(-self.eigenvalues))
            bias = self.ratio * np.average(shares, weights=self.eigenvalues)
            return float(np.log(bias + 1e-300) - np.log(level))

        return int(np.ceil(brentq(above, 0.0, 1e7)))


def slow(name: str, d: int, ratio: float, until: int) -> Quadratic:
    """Where gradients are far below their noise; the bias meets the floor after `until` steps."""
    found = brentq(lambda rate: Quadratic(name, d, ratio, rate).until(1.0) - until, 1e-6, 1e-2, xtol=1e-12)
    return Quadratic(name, d, ratio, float(found))


CASES = (
    Quadratic("A", 10, 1e6, 3e-3),  # a transient that drowns the noise
    slow("B", 10, 128.0, 24_700),
    slow("C", 10, 14.0, 9_700),
    slow("D", 200, 36.0, 13_600),
)


@dataclass(frozen=True)
class Course:
    """What the tests saw of r replicates over n steps, float32 (n, r): `loss` of the step, `product` of successive
    gradients, SASA+'s `val`.

    `distances` {step: (r,)} are squared, from the start; `looks` are each replicate's; `bias` (n,) is the truth.
    """

    loss: NDArray[np.float32]
    product: NDArray[np.float32]
    val: NDArray[np.float32]
    distances: dict[int, Array]
    looks: list[list[Look]]
    bias: Array


def run(case: Quadratic, momentum: float, steps: int, replicates: int, seed: int) -> Course:
    rng = np.random.default_rng(seed)
    lam, deviation = case.eigenvalues, np.sqrt(case.noise)
    # The same effective rate: the mean path and the floor hardly depend on the momentum.
    rate = 1.0 - momentum
    x = np.tile(case.start, (replicates, 1))
    v, before, start = np.zeros_like(x), np.zeros_like(x), x.copy()
    mean, pull = case.start.copy(), np.zeros(case.d)
    loss, product, val = (np.empty((steps, replicates), np.float32) for _ in range(3))
    bias = np.empty(steps)
    powers = {int(np.ceil(1.5**k)) for k in range(1, 60)}
    distances = {}
    kept = [Looks(FIRST, lambda point: float(0.5 * np.sum(lam * point[0] ** 2))) for _ in range(replicates)]
    looks: list[list[Look]] = [[] for _ in range(replicates)]
    for t in range(steps):
        noise = deviation * rng.standard_normal(x.shape)
        gradient = lam * x + noise
        loss[t] = 0.5 * (x * x) @ lam + np.einsum("ij,ij->i", noise, x)
        product[t] = np.einsum("ij,ij->i", gradient, before)
        v = momentum * v + gradient
        x = x - rate * v
        val[t] = np.einsum("ij,ij->i", x, v) + 0.5 * rate * np.einsum("ij,ij->i", v, v)
        before = gradient
        pull = momentum * pull + lam * mean
        mean = mean - rate * pull
        bias[t] = 0.5 * lam @ mean**2
        if t + 1 in powers:
            distances[t + 1] = np.sum((x - start) ** 2, axis=1)
        if t + 1 == kept[0].next:
            for replicate, look in enumerate(kept):
                if (found := look.add(t + 1, [x[replicate]])) is not None:
                    looks[replicate].append(found)
    return Course(loss, product, val, distances, looks, bias)


# Each test: the step at which it first fires on each replicate; `never` where it does not.

NEVER = np.iinfo(np.int64).max
Test = Callable[[Course], NDArray[np.int64]]


def first_true(fires: NDArray[np.bool_], steps: Array) -> NDArray[np.int64]:
    """(r,) the step of the first True along the first axis of (n, r)."""
    return np.where(fires.any(axis=0), np.asarray(steps)[fires.argmax(axis=0)], NEVER)


def pflug(burn: int) -> Test:
    """The running sum of the products of successive gradients is negative (Chee & Toulis 2018, Algorithm 1)."""

    def test(course: Course) -> NDArray[np.int64]:
        sums = np.cumsum(course.product[burn:], axis=0, dtype=np.float64)
        return first_true(sums < 0.0, np.arange(burn, len(course.product)) + 1)

    return test


def windows(count: int, share: float) -> Iterator[tuple[int, int]]:
    """First and last step of the leaky bucket that SASA+ keeps, at least 1,000 steps, every 100 steps."""
    for last in range(100, count + 1, 100):
        if last * share >= 1000:
            yield int(last * (1.0 - share)), last


def interval(values: Array, batches: bool) -> tuple[Array, Array]:
    """Mean (r,) of values (n, r) and half the width of its 95 % interval, from batch means or as if independent."""
    if batches:
        b = int(np.sqrt(len(values)))
        values = values[len(values) % b :].reshape(b, len(values) // b, -1).mean(axis=1)
    n = len(values)
    half = stdtrit(n - 1, 0.975) * values.std(axis=0, ddof=1) / np.sqrt(n)
    return values.mean(axis=0), half


def sasa_plus(share: float, batches: bool) -> Test:
    """Zero lies in the interval of the mean, and in those of both halves, whose means agree in sign (SASA+ 2020)."""

    def test(course: Course) -> NDArray[np.int64]:
        fires, steps = [], []
        for begin, end in windows(len(course.val), share):
            kept = course.val[begin:end].astype(np.float64)
            half = len(kept) // 2
            (m, h), (m1, h1), (m2, h2) = (
                interval(part, batches) for part in (kept, kept[:half], kept[half:])
            )
            fires.append((abs(m) < h) & (abs(m1) < h1) & (abs(m2) < h2) & (m1 * m2 > 0.0))
            steps.append(end)
        return first_true(np.array(fires), np.array(steps))

    return test


def slope(course: Course) -> NDArray[np.int64]:
    """The loss's least-squares slope is not significantly negative (one-sided 5 %, SASA+'s warm-up)."""
    fires, steps = [], []
    for begin, end in windows(len(course.loss), 0.125):
        y = course.loss[begin:end].astype(np.float64)
        t = np.arange(len(y)) - (len(y) - 1) / 2.0
        line = t @ y / (t @ t)
        rest = y - y.mean(axis=0) - np.outer(t, line)
        error = np.sqrt(np.sum(rest**2, axis=0) / (len(y) - 2) / (t @ t))
        fires.append(line / error > stdtrit(len(y) - 2, 0.05))
        steps.append(end)
    return first_true(np.array(fires), np.array(steps))


def pesme(k0: int) -> Test:
    """The distance from the start grows slower than the steps to the power 0.3 (Pesme et al. 2020, slope 0.6)."""

    def test(course: Course) -> NDArray[np.int64]:
        steps = [n for k in range(1, 60) if (n := int(np.ceil(1.5**k))) in course.distances]
        logs = np.log([course.distances[n] for n in steps])
        fires = np.diff(logs, axis=0) / np.log(1.5) < 0.6
        late = np.arange(2, len(steps) + 1) >= k0
        return first_true(fires & late[:, None], np.array(steps[1:]))

    return test


def plateau(epoch: int, patience: int = 10, delta: float = 1e-4) -> Test:
    """Keras's `ReduceLROnPlateau` on the mean loss of each epoch."""

    def test(course: Course) -> NDArray[np.int64]:
        count = len(course.loss) // epoch
        means = course.loss[: count * epoch].reshape(count, epoch, -1).mean(axis=1, dtype=np.float64)
        best, wait = np.full(means.shape[1], np.inf), np.zeros(means.shape[1], np.int64)
        fires = []
        for row in means:
            better = row < best - delta
            best, wait = np.where(better, row, best), np.where(better, 0, wait + 1)
            fires.append(wait >= patience)
        return first_true(np.array(fires), (np.arange(count) + 1) * epoch)

    return test


def ours(course: Course) -> NDArray[np.int64]:
    return np.array([fired(looks) for looks in course.looks])


def fired(looks: list[Look]) -> int:
    """The step at which the noise ball is first held to be reached."""
    holds = reached(*columns(looks))
    return looks[int(holds.argmax())].span if holds.any() else NEVER


def columns(looks: list[Look]) -> list[list[float]]:
    names = ("span", "early", "late", "iterates", "error")
    return [[float(getattr(look, name)) for look in looks] for name in names]


BIASES = (10.0, 3.0, 1.0, 0.3, 0.1, 0.0)
"""How far the run had still to go at a look, in floors: from here up to the one before."""


def refutations(case: Quadratic, course: Course) -> list[str]:
    """How often the claim is refuted at the looks, by how far the run had still to go."""
    refuted, asked = np.zeros(len(BIASES), int), np.zeros(len(BIASES), int)
    for looks in course.looks:
        for count in range(RUNNING, len(looks) + 1):
            status = NoiseBall().ask(recorded(looks[:count], case.ratio), Examination()).status
            left = course.bias[looks[count - 1].span - 1]
            place = next(k for k, least in enumerate(BIASES) if left >= least)
            asked[place] += 1
            refuted[place] += status is Status.REFUTED
    return [
        f"{100 * part / whole:.0f} % of {whole:,}" if whole else "-"
        for part, whole in zip(refuted, asked, strict=True)
    ]


def recorded(looks: list[Look], start: float) -> Record:
    """The record of a run under a constant rate with these looks."""
    rates = Series("learning_rate", "1", [1, looks[-1].span], [1.0, 1.0])
    return Record.of([*looked([(look.span, look) for look in looks]), rates], {"initial_loss": start})


TESTS: dict[str, Test] = {
    "Pflug, Chee-Toulis, burn-in 100": pflug(100),
    "Pflug, Chee-Toulis, burn-in 1,000": pflug(1000),
    "loss slope not significant": slope,
    "ReduceLROnPlateau, 10 epochs of 100 steps": plateau(100),
    "ReduceLROnPlateau, 10 epochs of 500 steps": plateau(500),
    "SASA+ as shipped (independent, last 1/8)": sasa_plus(0.125, False),
    "SASA+, batch means, last 1/8": sasa_plus(0.125, True),
    "SASA+, batch means, last 1/2": sasa_plus(0.5, True),
    "Pesme, from step 1.5^5": pesme(5),
    "Pesme, from step 1.5^15": pesme(15),
    "**P < E at three looks (ours)**": ours,
}


def table(title: str, head: list[str], rows: list[list[str]]) -> None:
    print(f"\n### {title}\n")
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)


def quadratics(momentum: float, replicates: int, seed: int) -> None:
    early: dict[str, list[str]] = {name: [] for name in TESTS}
    times: dict[str, list[str]] = {name: [] for name in TESTS}
    described, refuted = [], []
    for index, case in enumerate(CASES):
        steps = max(4 * case.until(0.1), 12_000)
        course = run(case, momentum, steps, replicates, seed + 10 * index)
        arrived = case.until(0.1)
        refuted.append([case.name, *refutations(case, course)])
        for name, test in TESTS.items():
            step = test(course)
            did = step < NEVER
            premature = course.bias[np.where(did, step, 1) - 1] > 1.0
            early[name].append(f"{100 * np.mean(premature & did):.0f} %")
            ratio = f"{np.median(step[did]) / arrived:.2g}" if did.any() else "-"
            times[name].append(ratio + ("" if did.all() else f" ({100 * np.mean(~did):.0f} % never)"))
        lam = case.eigenvalues
        pulls = lam**2 * case.start**2 / case.noise
        described.append(
            [case.name, f"{case.d}", f"{case.ratio:,.0f}", f"{lam[0]:.3g} to {lam[-1]:.3g}",
             f"{np.sqrt(np.mean(pulls)):.2g}", f"{case.until(1.0):,}", f"{arrived:,}", f"{steps:,}"]
        )  # fmt: skip
    if momentum == 0.0:
        head = ["case", "d", "bias at the start, floors", "rate x eigenvalues", "first gradient over its noise",
                "steps until bias = floor", "until bias = floor / 10", "steps run"]  # fmt: skip
        table("The quadratics", head, described)
    names = [case.name for case in CASES]
    word = f"momentum {momentum:g}, {replicates} replicates"
    table(
        f"Fired while the bias was above the floor ({word})",
        ["test", *names],
        [[k, *v] for k, v in early.items()],
    )
    title = f"Median time to fire over the time until bias = floor / 10 ({word})"
    table(title, ["test", *names], [[k, *v] for k, v in times.items()])
    spans = [f"{high:g} to {low:g}" for high, low in pairwise(BIASES)]
    head = ["case", f"bias over {BIASES[0]:g} floors", *spans]
    table(f"Looks at which ours says that the mean goes on to improve ({word})", head, refuted)


# Small networks: digits with a fifth of the labels drawn anew, and a run that is long enough for a reference.


@dataclass(frozen=True)
class Network:
    """A softmax regression (`hidden` 0), or one hidden layer of tanh; plain SGD at this rate."""

    name: str
    hidden: int
    rate: float
    batch: int
    steps: int

    def draw(self, rng: np.random.Generator) -> list[Array]:
        widths = [64, *([self.hidden] if self.hidden else []), 10]
        parts = []
        for a, b in pairwise(widths):
            parts += [rng.standard_normal((a, b)) / np.sqrt(a), np.zeros((1, b))]
        return parts

    def loss(self, weights: list[Array], x: Array, y: Array) -> float:
        scores = (np.tanh(x @ weights[0] + weights[1]) if self.hidden else x) @ weights[-2] + weights[-1]
        return float(np.mean(logsumexp(scores, axis=-1) - scores[np.arange(len(y)), y]))

    def step(self, weights: list[Array], x: Array, y: Array, rate: float) -> None:
        """One step in place; the weights of r runs (r, ., .), their batches (r, b, 64) and (r, b)."""
        h = np.tanh(x @ weights[0] + weights[1]) if self.hidden else x
        error = softmax(h @ weights[-2] + weights[-1], axis=-1)
        np.put_along_axis(error, y[..., None], np.take_along_axis(error, y[..., None], -1) - 1.0, -1)
        error /= y.shape[-1]
        if self.hidden:
            back = (error @ weights[2].swapaxes(-1, -2)) * (1.0 - h * h)
            weights[0] -= rate * (x.swapaxes(-1, -2) @ back)
            weights[1] -= rate * back.sum(axis=-2, keepdims=True)
        weights[-2] -= rate * (h.swapaxes(-1, -2) @ error)
        weights[-1] -= rate * error.sum(axis=-2, keepdims=True)


NETWORKS = (
    Network("softmax regression", 0, 0.5, 8, 100_000),
    Network("tanh, 32 hidden units", 32, 0.2, 8, 100_000),
)


@dataclass(frozen=True)
class Outcome:
    """Of one run: when it did `fire`, and the first look at which no more than E was left of the mean's way (`true`).

    At the look that fired, over its E: what the `doubling` that followed brought, what was `left` to the mean of the
    second half of the reference, and the `gain` of lowering the rate to a tenth.
    """

    fire: int
    true: int
    doubling: float
    left: float
    gain: float


def trained(network: Network, runs: int, seed: int) -> list[Outcome]:
    """The runs of one network, each with labels, order and weights of its own."""
    rng = np.random.default_rng(seed)
    x, clean = load_digits(return_X_y=True)
    x = x / 16.0
    labels = np.where(rng.random((runs, len(x))) < 0.2, rng.integers(0, 10, (runs, len(x))), clean)
    drawn = [network.draw(rng) for _ in range(runs)]
    weights = [np.stack(parts) for parts in zip(*drawn, strict=True)]
    probe = [rng.choice(len(x), 256, replace=False) for _ in range(runs)]

    def value(r: int) -> Callable[[Any], float]:
        return lambda point: network.loss(list(point), x[probe[r]], labels[r, probe[r]])

    kept = [Looks(2 * len(x) // network.batch, value(r)) for r in range(runs)]
    looks: list[list[Look]] = [[] for _ in range(runs)]
    branches: dict[int, list[Array]] = {}
    second = [np.zeros_like(part) for part in weights]
    for step in range(1, network.steps + 1):
        rows = rng.integers(0, len(x), (runs, network.batch))
        network.step(weights, x[rows], labels[np.arange(runs)[:, None], rows], network.rate)
        if 2 * step > network.steps:
            for total, part in zip(second, weights, strict=True):
                total += part
        if step == kept[0].next:
            for r in range(runs):
                if (found := kept[r].add(step, [part[r] for part in weights])) is not None:
                    looks[r].append(found)
                    if r not in branches and fired(looks[r]) < NEVER:
                        branches[r] = [part[r : r + 1].copy() for part in weights]
    found = []
    for r in range(runs):
        reference = value(r)([part[r] / (network.steps - network.steps // 2) for part in second])
        there = [look.span for look in looks[r] if look.late - reference <= look.cost]
        fire = fired(looks[r])
        doubling = left = gain = np.nan
        if fire < NEVER:
            number = next(i for i, look in enumerate(looks[r]) if look.span == fire)
            at, later = looks[r][number], looks[r][number + A_DOUBLING :][:1]
            doubling = later[0].progress / at.cost if later else np.nan
            left = (at.late - reference) / at.cost
            lower = branched(network, branches[r], x, labels[r], fire // 4, value(r), rng)
            gain = (at.iterates - lower) / at.cost
        found.append(Outcome(fire, min(there, default=NEVER), doubling, left, gain))
    return found


def branched(
    network: Network,
    weights: list[Array],
    x: Array,
    labels: NDArray[np.int64],
    steps: int,
    value: Callable[[Any], float],
    rng: np.random.Generator,
) -> float:
    """The mean loss over the second half of so many steps at a tenth of the rate."""
    values = []
    for step in range(steps):
        rows = rng.integers(0, len(x), (1, network.batch))
        network.step(weights, x[rows], labels[rows], network.rate / 10.0)
        if 2 * step >= steps and step % max(steps // 100, 1) == 0:
            values.append(value([part[0] for part in weights]))
    return float(np.mean(values))


def networks(runs: int, seed: int) -> None:
    rows = []
    for index, network in enumerate(NETWORKS):
        found = trained(network, runs, seed + index)
        did = [one for one in found if one.fire < NEVER]
        rows.append(
            [network.name, f"{network.rate:g}", f"{len(did)} of {runs}", spread([one.fire for one in did], ",.0f"),
             spread([one.true for one in did], ",.0f"), spread([one.gain for one in did], ".2f"),
             spread([one.doubling for one in did], ".2f"), spread([one.left for one in did], ".2f")]
        )  # fmt: skip
    head = [
        "network",
        "rate",
        "fired",
        "at step",
        "no more than E was left at step",
        "gain of a tenth of the rate, over E",
        "the next doubling brought, over E",
        "left to the reference, over E",
    ]
    table("Small networks: ours, median (smallest to largest)", head, rows)


def spread(values: list[float], form: str) -> str:
    if not values:
        return "-"
    low, middle, high = (format(float(f(values)), form) for f in (np.min, np.median, np.max))
    return f"{middle} ({low} to {high})"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    replicates = 10 if asked.quick else 100
    for momentum in (0.0, 0.9):
        quadratics(momentum, replicates, SEED + int(1000 * momentum))
    networks(3 if asked.quick else 10, SEED + 5000)


if __name__ == "__main__":
    main()
