"""How often is `not-frozen` wrong? The tables of docs/certify/frozen.md.

    python benchmarks/frozen.py --simulated                 # two minutes on one core
    KERAS_BACKEND=jax python benchmarks/frozen.py --trained

Gradient descent with noise on quadratics, whose mean path is known exactly, under schedules as they are used; and
small Keras trainings, each continued at its largest rate and brought down again, for the truth. What a run would
still have gained is held against its whole fall: a tenth or more, and it was frozen; a hundredth or less, and it
was not. Nothing was chosen with these seeds.
"""

import argparse
import os
import sys
import tempfile
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import binomtest

from thalweg import Record, Series
from thalweg.certificate import Status
from thalweg.claims import NotFrozen
from thalweg.claims.averages import BAND
from thalweg.examination import Examination
from thalweg.stats.looks import Look, Looks

Array = NDArray[np.float64]
SEED = 5_200_000
STEPS, FIRST = 8_000, 128
FROZEN, ARRIVED = 0.1, 0.01
"""What is still to be gained, as a share of the fall, from which a run was frozen, and up to which it was not."""
SCHEDULES: dict[str, Callable[[Array], Array]] = {
    "constant": lambda s: np.ones_like(s),
    "cosine to 0": lambda s: 0.5 * (1.0 + np.cos(np.pi * s)),
    "linear to 0": lambda s: 1.0 - s,
    "warm-up, then cosine": lambda s: np.minimum(s / 0.05, 0.5 * (1.0 + np.cos(np.pi * s))),
    "one cycle": lambda s: np.where(
        s < 0.3, 0.04 + 0.96 * s / 0.3, 0.5 * (1.0 + np.cos(np.pi * (s - 0.3) / 0.7))
    ),
    "a tenth at 1/2 and 3/4": lambda s: np.where(s < 0.5, 1.0, np.where(s < 0.75, 0.1, 0.01)),
    "exponential to a thousandth": lambda s: 1e-3**s,
    "exponential to a millionth": lambda s: 1e-6**s,
    "inverse time, 1 / (1 + 100 s)": lambda s: 1.0 / (1.0 + 100.0 * s),
    "to nothing at 1/8": lambda s: np.where(s < 0.125, 1.0, 1e-5),
}
LEFT = (0.0005, 0.002, 0.01, 0.04, 0.1, 0.25, 0.6)
"""What the mean path has still to go at the end, as shares of the fall to there."""
NOISES = (0.0, 1e-3, 3e-2)
"""What noise adds to the loss at the largest rate in the stationary state, as a share of where the loss began."""


@dataclass(frozen=True)
class Quadratic:
    """f(x) = sum lambda x^2 / 2 over two decades of lambda, largest rate 1; every direction begins with a tenth."""

    lam: Array
    rates: Array

    @property
    def start(self) -> Array:
        return np.sqrt(2.0 / (len(self.lam) * self.lam))

    @property
    def left(self) -> float:
        """What the mean path has still to go at the end over what it fell."""
        with np.errstate(divide="ignore"):
            shares = np.exp(2.0 * np.sum(np.log(np.abs(1.0 - np.outer(self.rates, self.lam))), axis=0))
        return float(shares.mean() / (1.0 - shares.mean()))


def quadratic(rates: Array, left: float) -> Quadratic:
    """One whose mean path has so much left to go under these rates."""
    decades = np.geomspace(1.0, 1e-2, 10)
    scale = brentq(
        lambda log: Quadratic(np.exp(log) * decades, rates).left - left, np.log(1e-9), np.log(0.999)
    )
    return Quadratic(np.exp(scale) * decades, rates)


def simulated(case: Quadratic, noise: float, replicates: int, seed: int) -> list[Record]:
    """Records as the watch makes them: the sums begin anew where the rate has changed."""
    rng, lam = np.random.default_rng(seed), case.lam
    deviation = np.sqrt(noise / float(np.sum(1.0 / (4.0 - 2.0 * lam))))
    x = np.tile(case.start, (replicates, 1))
    losses = np.empty((len(case.rates), replicates))
    rows: list[list[tuple[int, Look]]] = [[] for _ in range(replicates)]

    def value(point: list[Array]) -> float:
        return float(0.5 * lam @ point[0] ** 2)

    def begun() -> list[Looks]:
        return [Looks(FIRST, value) for _ in range(replicates)]

    kept, origin, low, high = begun(), 0, case.rates[0], case.rates[0]
    for step, rate in enumerate(case.rates, 1):
        losses[step - 1] = 0.5 * (x * x) @ lam
        low, high = min(low, rate), max(high, rate)
        if high > BAND * low:
            kept, origin, low, high = begun(), step - 1, rate, rate
        x = x - rate * (lam * x + deviation * rng.standard_normal(x.shape))
        if step - origin == kept[0].next:
            for replicate, looks in enumerate(kept):
                if (found := looks.add(step - origin, [x[replicate]])) is not None:
                    rows[replicate].append((step, found))
    return [record(case.rates, found, loss) for found, loss in zip(rows, losses.T, strict=True)]


def record(rates: Array, rows: list[tuple[int, Look]], losses: Array) -> Record:
    at = np.arange(1, len(rates) + 1)
    series = [Series("learning_rate", "1", at, rates), Series("loss", "loss", at, losses), *looked(rows)]
    return Record.of(series, {"initial_loss": float(losses[0])})


def looked(rows: list[tuple[int, Look]]) -> list[Series]:
    """What the watch writes down of the looks at these steps."""
    steps = [step for step, _ in rows]
    fields = {
        "average_span": ("steps", "span"),
        "early_average_loss": ("loss", "early"),
        "average_loss": ("loss", "late"),
        "iterate_loss": ("loss", "iterates"),
        "iterate_loss_error": ("loss", "error"),
        "average_distance": ("parameter", "distance"),
    }
    return [
        Series(name, unit, steps, [getattr(look, key) for _, look in rows])
        for name, (unit, key) in fields.items()
    ]


def by_simulation(replicates: int, first: int) -> dict[str, dict[str, Counter[Status]]]:
    """Answers by schedule and truth."""
    said: dict[str, dict[str, Counter[Status]]] = defaultdict(lambda: defaultdict(Counter))
    places = (np.arange(STEPS) + 0.5) / STEPS
    for number, (name, schedule) in enumerate(SCHEDULES.items()):
        for left in LEFT:
            case = quadratic(schedule(places), left)
            for noise in NOISES:
                seed = first + 1000 * number + round(1e6 * left) + round(1e5 * noise)
                # Without noise all replicates are one.
                for found in simulated(case, noise, replicates if noise else 1, seed):
                    said[name][truth(left, name)][NotFrozen().ask(found, Examination()).status] += 1
        print(name, dict(said[name]), file=sys.stderr, flush=True)
    return said


def truth(left: float, name: str) -> str:
    if name == "constant" or left <= ARRIVED:
        return "not frozen"
    return "frozen" if left >= FROZEN else "between"


def by_training(seeds: range) -> dict[str, dict[str, Counter[Status]]]:
    """The same of Keras trainings; the truth of each is measured."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    import keras
    from keras import layers, optimizers
    from sklearn.datasets import load_digits

    import thalweg

    x, y = load_digits(return_X_y=True)
    x = (x / 16.0).astype("float32")

    class Rates(keras.callbacks.Callback):
        """The rate of each epoch, as a LearningRateScheduler sets it, but known in advance."""

        def __init__(self, rates: Array) -> None:
            super().__init__()
            self.rates = rates

        def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
            self.model.optimizer.learning_rate = float(self.rates[epoch])

    epochs = 40
    places = (np.arange(epochs) + 0.5) / epochs
    said: dict[str, dict[str, Counter[Status]]] = defaultdict(lambda: defaultdict(Counter))
    for name, peak in (("cosine to 0", 0.3), ("a tenth at 1/2 and 3/4", 0.3), ("exponential to a millionth", 0.02),
                       ("to nothing at 1/8", 0.01), ("constant", 0.02)):  # fmt: skip
        for seed in seeds:
            keras.utils.set_random_seed(seed)
            chosen = np.random.default_rng(seed).permutation(len(x))[:1000]
            given = x[chosen], y[chosen]
            penalty = keras.regularizers.L2(1e-3)
            model = keras.Sequential(
                [layers.Input((64,)), layers.Dense(10, "softmax", kernel_regularizer=penalty)]
            )
            model.compile(optimizers.SGD(peak), "sparse_categorical_crossentropy")
            first = model.evaluate(*given, verbose=0)
            rates = peak * SCHEDULES[name](places)
            with tempfile.TemporaryDirectory() as folder:
                watch = thalweg.Watch(Path(folder, "run"), budget=None, quiet=True, keep=False)
                asked = {"batch_size": 25, "verbose": 0}
                model.fit(*given, epochs=epochs, callbacks=[Rates(rates), watch], **asked)
                status = NotFrozen().ask(watch.record(), Examination()).status
            ended = model.evaluate(*given, verbose=0)
            again = peak * np.concatenate([np.ones(epochs), SCHEDULES["cosine to 0"](places)])
            model.fit(*given, epochs=2 * epochs, callbacks=[Rates(again)], **asked)
            left = (ended - model.evaluate(*given, verbose=0)) / (first - ended)
            said[name][truth(left, name)][status] += 1
            print(f"{name} {seed}: {100 * left:.3g} % left, {status}", file=sys.stderr, flush=True)
    return said


def report(said: dict[str, dict[str, Counter[Status]]]) -> None:
    print("| schedule | truth | runs | established (not frozen) | refuted (frozen) | left open |")
    print("|---|---|---|---|---|---|")
    totals: dict[str, Counter[Status]] = defaultdict(Counter)
    for name, by_truth in said.items():
        for kind, answers in by_truth.items():
            totals[kind] += answers
            print(line(name, kind, answers))
    for kind, answers in totals.items():
        print(line("all", kind, answers))
    print()
    for words, kind, status in (
        ("Called frozen though it was not", "not frozen", Status.REFUTED),
        ("Called not frozen though it was", "frozen", Status.ESTABLISHED),
    ):
        part, whole = totals[kind][status], max(totals[kind].total(), 1)
        interval = binomtest(part, whole).proportion_ci(method="wilson")
        print(
            f"{words}: {part} of {whole:,}, {100 * part / whole:.3g} % "
            f"({100 * interval.low:.2g} to {100 * interval.high:.3g})."
        )


def line(name: str, kind: str, answers: Counter[Status]) -> str:
    order = (Status.ESTABLISHED, Status.REFUTED, Status.NOT_ESTABLISHED)
    return (
        f"| {name} | {kind} | {answers.total()} | " + " | ".join(str(answers[each]) for each in order) + " |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--simulated", action="store_true")
    parser.add_argument("--trained", action="store_true")
    parser.add_argument("--replicates", type=int, default=10)
    parser.add_argument("--seed", type=int, default=SEED, help="of the simulations")
    parser.add_argument("--seeds", default="300-302", help="of the trainings, such as 300-302")
    asked = parser.parse_args()
    if asked.simulated:
        report(by_simulation(asked.replicates, asked.seed))
    if asked.trained:
        low, _, high = asked.seeds.partition("-")
        report(by_training(range(int(low), int(high or low) + 1)))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
