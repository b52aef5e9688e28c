"""Is the first line of a certificate right? Runs whose truth is known, certified as a user would.

    KERAS_BACKEND=jax python benchmarks/heads.py [--seeds 100-119] [--only FAMILY]

Each family has a truth by construction, and it is checked: the training is continued twenty times as long (for the
frozen ones at the rate that they began with, for those at a saddle from a small displacement), and what that
gains, as a share of the run's first loss, stands in the table. Seeds below 100 are for choosing thresholds, those
from 100 on for the table.
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

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import keras
import numpy as np
from keras import initializers, layers, optimizers, regularizers
from scipy.stats import binomtest
from sklearn.datasets import load_digits

import thalweg
from thalweg.certificate import Outcome

DIGITS = load_digits()
PIXELS, CLASSES = (DIGITS.data / 16.0).astype("float32"), DIGITS.target


@dataclass
class Training:
    """A compiled model, its data and how long it is trained; `longer` is the same at another rate, for the truth."""

    model: keras.Model
    x: np.ndarray
    y: np.ndarray
    batch: int
    epochs: int
    longer: Callable[[keras.Model], object] | None = None


def rows(rng: np.random.Generator, count: int, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    chosen = rng.permutation(len(PIXELS))[:count]
    y = CLASSES[chosen].copy()
    wrong = rng.random(count) < noise
    y[wrong] = rng.integers(0, 10, wrong.sum())
    return PIXELS[chosen], y


def softmax_regression(penalty: float, optimizer: object) -> keras.Model:
    model = keras.Sequential(
        [
            layers.Input((64,)),
            layers.Dense(10, "softmax", kernel_regularizer=regularizers.L2(penalty) if penalty else None),
        ]
    )
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


def perceptron(optimizer: object, activation: str = "tanh", width: int = 32) -> keras.Model:
    model = keras.Sequential(
        [layers.Input((64,)), layers.Dense(width, activation), layers.Dense(10, "softmax")]
    )
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


def line(
    rng: np.random.Generator, optimizer: object, noise: float = 0.1
) -> tuple[keras.Model, np.ndarray, np.ndarray]:
    x = rng.standard_normal((400, 8)).astype("float32")
    y = (x @ rng.standard_normal((8, 1)) + noise * rng.standard_normal((400, 1))).astype("float32")
    model = keras.Sequential([layers.Input((8,)), layers.Dense(1)])
    model.compile(optimizer, "mse")
    return model, x, y


def converged_momentum(rng: np.random.Generator) -> Training:
    x, y = rows(rng, 500)
    return Training(softmax_regression(0.02, optimizers.SGD(0.5, momentum=0.9)), x, y, 500, 1500)


def converged_adam(rng: np.random.Generator) -> Training:
    x, y = rows(rng, 500)
    rate = optimizers.schedules.CosineDecay(0.02, 1500)
    return Training(softmax_regression(0.02, optimizers.Adam(rate)), x, y, 500, 1500)


def converged_line(rng: np.random.Generator) -> Training:
    model, x, y = line(rng, optimizers.SGD(0.1))
    return Training(model, x, y, 400, 600)


def ball_softmax(rng: np.random.Generator) -> Training:
    x, y = rows(rng, 1000, noise=0.2)
    return Training(softmax_regression(0.01, optimizers.SGD(0.2)), x, y, 20, 160)


def ball_line(rng: np.random.Generator) -> Training:
    model, x, y = line(rng, optimizers.SGD(0.05), noise=1.0)
    return Training(model, x, y, 8, 80)


def ball_adam(rng: np.random.Generator) -> Training:
    x, y = rows(rng, 1000, noise=0.2)
    return Training(softmax_regression(0.01, optimizers.Adam(0.02)), x, y, 20, 120)


def falling_perceptron(rng: np.random.Generator) -> Training:
    x, y = rows(rng, 1000)
    return Training(perceptron(optimizers.SGD(0.02)), x, y, 32, 20)


def falling_softmax(rng: np.random.Generator) -> Training:
    x, y = rows(rng, 1000)
    return Training(softmax_regression(0.0, optimizers.SGD(0.01)), x, y, 32, 30)


def falling_whole(rng: np.random.Generator) -> Training:
    x, y = rows(rng, 500)
    return Training(perceptron(optimizers.SGD(0.1)), x, y, 500, 120)


def falling_memorising(rng: np.random.Generator) -> Training:
    """It learns the false labels by heart, later and slowly: a plateau that is none."""
    x, y = rows(rng, 1000, noise=0.2)
    return Training(perceptron(optimizers.SGD(0.1)), x, y, 32, 40)


def saddle(rng: np.random.Generator, spread: float = 1e-7) -> Training:
    x = rng.standard_normal((300, 6)).astype("float32")
    y = (x @ rng.standard_normal((6, 2))).astype("float32")

    def start() -> initializers.Initializer:
        return initializers.RandomNormal(stddev=spread, seed=int(rng.integers(1 << 30)))

    model = keras.Sequential(
        [
            layers.Input((6,)),
            layers.Dense(5, use_bias=False, kernel_initializer=start()),
            layers.Dense(2, use_bias=False, kernel_initializer=start()),
        ]
    )
    model.compile(optimizers.SGD(0.01), "mse")

    def displace(model: keras.Model) -> None:
        model.set_weights(
            [w + 0.1 * rng.standard_normal(w.shape).astype(w.dtype) for w in model.get_weights()]
        )

    return Training(model, x, y, 300, 250, displace)


def saddle_deeper(rng: np.random.Generator) -> Training:
    return saddle(rng, 1e-10)


def frozen(
    rng: np.random.Generator, model: keras.Model, x: np.ndarray, y: np.ndarray, batch: int
) -> Training:
    def thaw(model: keras.Model) -> None:
        rate = float(model.optimizer.get_config()["learning_rate"]["config"]["initial_learning_rate"])
        model.compile(optimizers.SGD(rate), model.loss)

    return Training(model, x, y, batch, 60, thaw)


def frozen_exponential(rng: np.random.Generator) -> Training:
    x, y = rows(rng, 1000)
    rate = optimizers.schedules.ExponentialDecay(0.05, 31, 0.6)
    return frozen(rng, perceptron(optimizers.SGD(rate)), x, y, 32)


def frozen_polynomial(rng: np.random.Generator) -> Training:
    x, y = rows(rng, 1000)
    rate = optimizers.schedules.PolynomialDecay(0.02, 150, 1e-6)
    return frozen(rng, softmax_regression(0.0, optimizers.SGD(rate)), x, y, 32)


def diverged_line(rng: np.random.Generator) -> Training:
    model, x, y = line(rng, optimizers.SGD(1.5))
    return Training(model, x, y, 32, 10)


def diverged_perceptron(rng: np.random.Generator) -> Training:
    x = (1000.0 * rng.standard_normal((400, 8))).astype("float32")
    y = (x @ rng.standard_normal((8, 1))).astype("float32")
    model = keras.Sequential([layers.Input((8,)), layers.Dense(16, "relu"), layers.Dense(1)])
    model.compile(optimizers.SGD(0.01), "mse")
    return Training(model, x, y, 32, 10)


FAMILIES: dict[Outcome, tuple[Callable[[np.random.Generator], Training], ...]] = {
    Outcome.CONVERGED: (converged_momentum, converged_adam, converged_line),
    Outcome.NOISE_BALL: (ball_softmax, ball_line, ball_adam),
    Outcome.FALLING: (falling_perceptron, falling_softmax, falling_whole, falling_memorising),
    Outcome.SADDLE: (saddle, saddle_deeper),
    Outcome.FROZEN: (frozen_exponential, frozen_polynomial),
    Outcome.DIVERGED: (diverged_line, diverged_perceptron),
}
ENDED = (Outcome.CONVERGED, Outcome.NOISE_BALL)


def objective(training: Training) -> float:
    return float(training.model.evaluate(training.x, training.y, batch_size=4096, verbose=0))


def gained(training: Training, seed: int, first: float) -> float:
    """What twenty times the training gains on all examples, as a share of the first loss."""
    keras.utils.set_random_seed(seed)
    after = objective(training)
    if training.longer is not None:
        training.longer(training.model)
    epochs = 20 * training.epochs
    # The mean over the last half of the epochs: where there is noise, the last iterate is no better than another.
    history = training.model.fit(
        training.x, training.y, batch_size=training.batch, epochs=epochs, verbose=0
    ).history["loss"]
    return (after - float(np.mean(history[epochs // 2 :]))) / first


def certified(
    make: Callable[[np.random.Generator], Training], seed: int, longer: bool
) -> tuple[Outcome, str, float]:
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    training = make(np.random.default_rng(seed))
    first = objective(training) if longer else float("nan")
    with tempfile.TemporaryDirectory() as folder:
        watch = thalweg.Watch(Path(folder, "run"), quiet=True)
        training.model.fit(
            training.x,
            training.y,
            batch_size=training.batch,
            epochs=training.epochs,
            verbose=0,
            callbacks=[watch],
        )
        certificate = thalweg.certify(watch)
    return certificate.outcome, certificate.head, gained(training, seed, first) if longer else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", default="100-106", help="such as 100-106")
    parser.add_argument("--only", default="", help="families whose name holds this")
    parser.add_argument("--checked", type=int, default=1, help="seeds of each family whose truth is checked")
    options = parser.parse_args()
    low, _, high = options.seeds.partition("-")
    seeds = range(int(low), int(high or low) + 1)
    table: dict[str, Counter[Outcome]] = defaultdict(Counter)
    truths, gains = {}, defaultdict(list)
    for truth, makers in FAMILIES.items():
        for make in makers:
            if options.only not in make.__name__:
                continue
            truths[make.__name__] = truth
            for place, seed in enumerate(seeds):
                longer = place < options.checked and truth is not Outcome.DIVERGED
                outcome, head, gain = certified(make, seed, longer)
                table[make.__name__][outcome] += 1
                if longer:
                    gains[make.__name__].append(gain)
                print(f"{make.__name__} {seed}: {head}", file=sys.stderr, flush=True)
    report(table, truths, gains)


def report(table: dict, truths: dict, gains: dict) -> None:
    print(f"KERAS_BACKEND={keras.backend.backend()}\n")
    print("| run | truth | right | said otherwise | twenty times as long gained |")
    print("|---|---|---|---|---|")
    for name, said in table.items():
        other = ", ".join(
            f"{outcome.value}: {count}" for outcome, count in said.items() if outcome is not truths[name]
        )
        gain = ", ".join(f"{100 * g:.3g} %" for g in gains[name]) or "-"
        print(
            f"| {name} | {truths[name].value} | {said[truths[name]]} of {said.total()} | {other or '-'} | {gain} |"
        )
    right = sum(said[truths[name]] for name, said in table.items())
    total = sum(said.total() for said in table.values())
    not_ended = [name for name in table if truths[name] not in ENDED]
    wrong = sum(table[name][outcome] for name in not_ended for outcome in ENDED)
    runs = sum(table[name].total() for name in not_ended)
    print()
    for words, part, whole in (
        ("The head is right", right, total),
        ("Converged is said of a run that is not", wrong, runs),
    ):
        interval = binomtest(part, max(whole, 1)).proportion_ci(method="wilson")
        print(
            f"{words}: {part} of {whole}, {100 * part / max(whole, 1):.3g} % "
            f"({100 * interval.low:.2g} to {100 * interval.high:.3g})."
        )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
