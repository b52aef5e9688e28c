"""Two test problems of DeepOBS by their exact recipes: `thalweg.compare` beside the published baselines.

    python benchmarks/deepobs.py quadratic --seeds 10
    python benchmarks/deepobs.py quadratic --grid 1
    python benchmarks/deepobs.py vae --seeds 1 --epochs 7

Schneider, Balles & Hennig, *DeepOBS: a deep learning optimizer benchmark suite*, ICLR 2019. The recipes are those of
the package's version 1.1 on TensorFlow; the published figures are those of the runs that it brings with it, of
ten seeds each. Keras runs on JAX. MNIST is that of ../shared/data, or of THALWEG_SHARED.

What is not the same: a seed here draws other weights and another order than there.
"""

import argparse
import os
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from keras import layers, ops

import thalweg
from thalweg.comparison import Comparison, Member

PATTERNS = {
    "SGD": "sgd",
    "Momentum 0.99": keras.optimizers.SGD(momentum=0.99),
    "Adam": keras.optimizers.Adam(epsilon=1e-8),
}
GRID = np.geomspace(1e-5, 1e2, 36)
# The rate that was best of the grid, and the test losses at it, mean and standard deviation.
QUADRATIC = {
    "SGD": (1.5848931925e-2, "87.40 ± 0.16"),
    "Momentum 0.99": (2.5118864315e-3, "87.045 ± 0.024"),
    "Adam": (3.9810717055e-2, "87.112 ± 0.023"),
}
RESHUFFLED = {"SGD": "87.5", "Momentum 0.99": "88.8 ± 1.1", "Adam": "87.25"}
VAE = {"Momentum 0.99": (2.5118864315e-5, "52.93 ± 0.02"), "Adam": (1.5848931925e-4, "27.83 ± 0.09")}
VAE_EPOCHS = {"Momentum 0.99": (53.532, 52.974), "Adam": (37.804, 33.572)}
"""Test losses of the published seed 42 after one and two epochs."""


@cache
def quadratic_parts() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The Hessian (100, 100) and 1,000 points to train on and to test, as numpy's generators 42 and 43 make them.

    Ninety eigenvalues lie in (0, 1) and ten in (30, 60); the rotation is drawn by Diaconis & Shahshahani's
    subgroup algorithm (1987), dimension after dimension, each a reflection of the one before.
    """
    draw = np.random.RandomState(42)
    eigenvalues = np.concatenate([draw.uniform(0.0, 1.0, 90), draw.uniform(30.0, 60.0, 10)])
    angle = 2.0 * np.pi * draw.uniform()
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    for size in range(3, 101):
        point = draw.normal(size=size)
        mirror = np.eye(size)[0] - point / np.linalg.norm(point)
        mirror /= np.linalg.norm(mirror)
        grown = np.eye(size)
        grown[1:, 1:] = rotation
        rotation = grown - 2.0 * np.outer(mirror, mirror @ grown)
    train, test = (np.random.RandomState(seed).normal(0.0, 0.6, (1_000, 100)) for seed in (42, 43))
    return rotation.T * eigenvalues @ rotation, train.astype("float32"), test.astype("float32")


class Quadratic(layers.Layer):
    """Half of (theta - x) H (theta - x) for points x (n, 100), theta beginning at ones."""

    def build(self, shape: tuple) -> None:
        self.hessian = quadratic_parts()[0].astype("float32")
        self.theta = self.add_weight(shape=(shape[-1],), initializer="ones", name="theta")

    def call(self, x: object) -> object:
        apart = self.theta - x
        return 0.5 * ops.sum(apart * ops.matmul(apart, self.hessian), axis=1, keepdims=True)


def value(_: object, found: object) -> object:
    """The loss is what the model returns."""
    return ops.mean(found, axis=-1)


def quadratics(rates: dict[str, list[float]], seeds: int, order: str) -> list[Member]:
    """quadratic_deep: 100 epochs in batches of 128, tested on the first 896 points.

    In the published order each seed draws 896 of the points, whole batches, and goes through them alike in every
    epoch; reshuffled as Keras does, it takes all 1,000, the last 104 as a smaller batch.
    """
    _, train, test = quadratic_parts()

    def build() -> keras.Model:
        model = keras.Sequential([layers.Input((100,)), Quadratic()])
        model.compile("sgd", value)
        return model

    def members(points: np.ndarray, chosen: list[int], shuffle: bool | str) -> Iterator[Member]:
        for name, tried in rates.items():
            yield from thalweg.compare(
                build,
                (points, np.zeros(len(points))),
                validation_data=(test[:896], np.zeros(896)),
                optimizers=[PATTERNS[name]],
                learning_rates=tried,
                batch_sizes=[128],
                seeds=chosen,
                epochs=100,
                shuffle=shuffle,
            )

    if order == "reshuffled":
        return list(members(train, list(range(seeds)), True))
    drawn = (np.random.default_rng([seed, 0]).permutation(1_000)[:896] for seed in range(seeds))
    return [member for seed, rows in enumerate(drawn) for member in members(train[rows], [seed], False)]


class Latent(layers.Layer):
    """A draw from the normal distributions of mean and halved log-variance; their divergence is a loss."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self.random = keras.random.SeedGenerator()

    def call(self, parts: tuple) -> object:
        mean, spread = parts[0], 0.5 * parts[1]
        apart = 1.0 + 2.0 * spread - ops.square(mean) - ops.exp(2.0 * spread)
        self.add_loss(ops.mean(-0.5 * ops.sum(apart, axis=1)))
        return mean + ops.exp(spread) * keras.random.normal(ops.shape(mean), seed=self.random)


def vae() -> keras.Model:
    """mnist_vae: the squared error of 784 pixels, summed, and the divergence of eight latent numbers."""

    def leaky(x: object) -> object:
        return layers.LeakyReLU(0.3)(x)

    x = inputs = layers.Input((28, 28, 1))
    for stride in (2, 2, 1):
        x = layers.Dropout(0.2)(leaky(layers.Conv2D(64, 4, stride, padding="same")(x)))
    x = layers.Flatten()(x)
    x = Latent()((layers.Dense(8)(x), layers.Dense(8)(x)))
    x = layers.Reshape((7, 7, 1))(leaky(layers.Dense(49)(leaky(layers.Dense(24)(x)))))
    for stride in (2, 1):
        x = layers.Dropout(0.2)(layers.Conv2DTranspose(64, 4, stride, "same", activation="relu")(x))
    x = layers.Conv2DTranspose(64, 4, 1, "same", activation="relu")(x)
    model = keras.Model(inputs, layers.Dense(784, "sigmoid")(layers.Flatten()(x)))
    model.compile("sgd", "mean_squared_error", loss_weights=[784.0])
    return model


def digits() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Whole batches of 64, as the recipe has them: 59,968 to train on and 9,984 to test."""
    root = Path(os.environ.get("THALWEG_SHARED") or Path(__file__).parents[2] / "shared")
    with np.load(root / "data" / "mnist.npz") as data:
        both = (data["x_train"][:59_968], data["x_test"][:9_984])
        train, test = ((x / np.float32(255.0)).astype("float32")[..., None] for x in both)
    return (train, train.reshape(-1, 784)), (test, test.reshape(-1, 784))


def vaes(name: str, seeds: int, epochs: int) -> Iterator[Member]:
    """mnist_vae at the published rate of one optimizer."""
    train, test = digits()
    rate = VAE[name][0]
    for seed in range(seeds):
        yield from thalweg.compare(
            vae, train, validation_data=test, optimizers=[PATTERNS[name]], learning_rates=[rate],
            batch_sizes=[64], seeds=[seed], epochs=epochs, shuffle="once",
        )  # fmt: skip


def name_of(member: Member) -> str:
    label = member.configuration.optimizer
    return "Adam" if label.startswith("adam") else "Momentum 0.99" if "momentum" in label else "SGD"


def tuned(seeds: int) -> None:
    """The three optimizers at the published rates, in both orders."""
    print("| order | optimizer | rate | published | measured, mean | median, 95 % | epochs to 87.703 |")
    print("|---|---|---|---|---|---|---|")
    for order in ("fixed", "reshuffled"):
        members = quadratics({name: [rate] for name, (rate, _) in QUADRATIC.items()}, seeds, order)
        for summary in Comparison(tuple(members), target=87.703).summaries():
            own = [m for m in members if m.configuration == summary.configuration]
            finals = [m.final("validation_loss") for m in own]
            name, middle, steps = name_of(own[0]), summary.validation, summary.steps
            published = QUADRATIC[name][1] if order == "fixed" else RESHUFFLED[name]
            an_epoch = 7 if order == "fixed" else 8
            print(
                f"| {order} | {name} | {QUADRATIC[name][0]:.4g} | {published} | {np.mean(finals):.5g} ± "
                f"{np.std(finals, ddof=1):.2g} | {middle.value:.5g} ({middle.low:.5g} to {middle.high:.5g}) | "
                f"{steps.value / an_epoch:.3g} ({steps.low / an_epoch:.3g} to {steps.high / an_epoch:.3g}) |",
                flush=True,
            )


def grid(seeds: int) -> None:
    """All 36 rates in the published order: which is best, and what is said of the ranking."""
    members = quadratics({name: list(GRID) for name in PATTERNS}, seeds, "fixed")
    comparison = Comparison(tuple(members))
    print(
        f"| optimizer | best of 36 rates | published | median at it, {seeds} seeds | good rates | diverged at |"
    )
    print("|---|---|---|---|---|---|")
    for found in comparison.sensitivities():
        name = name_of(next(m for m in members if m.configuration.kind == found.kind))
        ends = found.rates[found.diverged > 0.5]
        diverged = f"{ends.min():.3g} and above" if len(ends) else "none"
        print(
            f"| {name} | {found.best:.4g} | {QUADRATIC[name][0]:.4g} | {np.min(found.losses):.5g} | "
            f"{found.good[0]:.3g} to {found.good[1]:.3g} | {diverged} |",
            flush=True,
        )
    for place, summary in enumerate(comparison.summaries()[:12], 1):
        name = name_of(next(m for m in members if m.configuration == summary.configuration))
        above = "" if summary.above is None else f", {summary.above.difference:.3g} above the first"
        apart = "; told from it" if summary.apart else ""
        print(
            f"{place}. {name} {summary.configuration.learning_rate:.4g}: {summary.validation.value:.5g}{above}{apart}"
        )


def stationary(seeds: int, epochs: int) -> None:
    """mnist_vae by Momentum and Adam: where they end, and what is said of it."""
    (_, train), (_, test) = digits()
    constant = np.mean(np.sum((test - train.mean(axis=0, dtype=np.float64)) ** 2, axis=1))
    print(f"The mean image of those trained on has a test loss of {constant:.4g}.")
    print("| optimizer | seed | epochs | published then (seed 42), at the end | measured | said | minutes |")
    print("|---|---|---|---|---|---|---|")
    for name in VAE:
        begun = time.process_time()
        for member in vaes(name, seeds, epochs):
            minutes, begun = (time.process_time() - begun) / 60.0, time.process_time()
            then = f"{VAE_EPOCHS[name][epochs - 1]:.5g}" if epochs <= len(VAE_EPOCHS[name]) else "-"
            found = thalweg.diagnose(member.record)
            print(
                f"| {name} | {member.seed} | {epochs} | {then}, {VAE[name][1]} | "
                f"{member.final('validation_loss'):.5g} | {found.answer} {found.stages[-1].name} | {minutes:.2g} |",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("problem", choices=["quadratic", "vae"])
    parser.add_argument("--seeds", type=int, default=10, help="of vae at least 8 minutes an epoch each")
    parser.add_argument("--grid", type=int, metavar="SEEDS", help="all 36 rates, with so many seeds")
    parser.add_argument("--epochs", type=int, default=1)
    options = parser.parse_args()
    if options.problem == "vae":
        stationary(options.seeds, options.epochs)
    elif options.grid:
        grid(options.grid)
    else:
        tuned(options.seeds)


if __name__ == "__main__":
    main()
