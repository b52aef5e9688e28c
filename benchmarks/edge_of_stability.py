"""Trainings that end at the edge of stability: what Thalweg measures of them, and what it says.

    KERAS_BACKEND=jax python benchmarks/edge_of_stability.py    # docs/certify/edge-of-stability.md
    KERAS_BACKEND=jax python benchmarks/edge_of_stability.py --only Adam

The steps are Keras's own optimizers' in a compiled loop; every hundred of them the largest eigenvalue comes from
`thalweg.stats.lanczos`, warm-started, on products from `thalweg.keras.autodiff`. Of mini-batches every thousand
steps the batch sharpness <g, H g> / |g|^2 (Andreyev & Beneventano, 2024) of 256 batches is measured as `certify`
measures it, its mean over the batches and the ratio of the two means. Settings: Cohen et al., ICLR 2021.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import jax
import keras
import numpy as np
from keras import layers, optimizers
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from thalweg import Record, Series
from thalweg.claims.stability import StepSize
from thalweg.examination import Examination, Ritz, StepLimit
from thalweg.keras.autodiff import products
from thalweg.keras.examine_batches import batch_sharpness
from thalweg.keras.preconditioner import preconditioner
from thalweg.stats.drawn import drawn
from thalweg.stats.lanczos import extremes, preconditioned
from thalweg.stats.mean import mean

Array = NDArray[np.float32]
SEEDS = (811, 812)
EVERY = 100
"""Steps between two looks."""
BATCHES_EVERY = 1_000
"""Steps between two looks at mini-batches."""


@dataclass(frozen=True)
class Setting:
    name: str
    expected: str
    data: str
    optimizer: Callable[[], optimizers.Optimizer]
    steps: int
    batch: int | None = None


SETTINGS = (
    Setting(
        "Chebyshev-4, gradient descent 0.1", "1.00 (0.03)", "chebyshev", lambda: optimizers.SGD(0.1), 10_000
    ),
    Setting("digits, gradient descent 0.4", "1.01", "digits", lambda: optimizers.SGD(0.4), 6_000),
    Setting("digits, heavy ball 0.6, 0.9", "0.98 to 0.99", "digits", lambda: optimizers.SGD(0.6, 0.9), 6_000),
    Setting(
        "digits, Nesterov 0.2, 0.9", "1.01", "digits", lambda: optimizers.SGD(0.2, 0.9, nesterov=True), 6_000
    ),
    Setting("digits, Adam 0.003", "0.98 to 1.00", "digits", lambda: optimizers.Adam(0.003), 6_000),
    Setting(
        "digits, batches of 8, 0.6",
        "0.71; batch 0.95 to 1.01",
        "digits",
        lambda: optimizers.SGD(0.6),
        30_000,
        8,
    ),
    Setting(
        "control: digits, gradient descent 0.2", "below 0.91", "digits", lambda: optimizers.SGD(0.2), 6_000
    ),
)


def half_square(true: object, predicted: object) -> object:
    """Half the sum of squares of each example, as Cohen et al. have it."""
    return 0.5 * keras.ops.sum(keras.ops.square(true - predicted), axis=-1)


def chebyshev() -> tuple[Array, Array, keras.Model]:
    x = np.linspace(-1.0, 1.0, 20)
    y = np.cos(4.0 * np.arccos(x))
    return _single(x[:, None]), _single(y[:, None]), _network(1, (100,), 1)


def digits() -> tuple[Array, Array, keras.Model]:
    x, y = load_digits(return_X_y=True)
    x = x[:500] - x[:500].mean(axis=0)
    return _single(x / x.std()), np.eye(10, dtype="float32")[y[:500]], _network(64, (32, 32), 10)


def _single(array: NDArray[np.float64]) -> Array:
    return array.astype("float32")


def _network(inputs: int, hidden: tuple[int, ...], outputs: int) -> keras.Model:
    """Initialised as PyTorch does, which is how Cohen et al. began."""
    parts: list[layers.Layer] = []
    for fan_in, width in zip((inputs, *hidden), (*hidden, outputs), strict=True):
        draw = [keras.initializers.RandomUniform(-(fan_in**-0.5), fan_in**-0.5) for _ in range(2)]
        activation = "tanh" if len(parts) < len(hidden) else None
        parts.append(layers.Dense(width, activation, kernel_initializer=draw[0], bias_initializer=draw[1]))
    return keras.Sequential([keras.Input((inputs,)), *parts])


@dataclass(frozen=True)
class Course:
    """Of one training: at each look the steps made and the ratio to the limit; all losses.

    `batches` has of each look at mini-batches the steps made, the mean batch sharpness over the limit and the ratio
    of means over it.
    """

    steps: list[int]
    ratios: list[float]
    batches: list[tuple[int, float, float]]
    losses: NDArray[np.float64]
    products: int
    claim: str

    @property
    def after(self) -> slice:
        """The looks since the ratio first crossed 1, none where it never did; of mini-batches the last half."""
        if self.batches:
            return slice(len(self.steps) // 2, None)
        return slice(next((i for i, ratio in enumerate(self.ratios) if ratio >= 1.0), len(self.ratios)), None)

    def late_batches(self, which: int) -> str:
        """The mean of a batch ratio over the last half of the looks, with an error that knows autocorrelation."""
        found = mean([row[which] for row in self.batches[len(self.batches) // 2 :]])
        return f"{found.value:.3f} +- {found.error:.3f}" if found.count else "-"


def course(setting: Setting, seed: int) -> Course:
    keras.utils.set_random_seed(seed)
    x, y, model = {"chebyshev": chebyshev, "digits": digits}[setting.data]()
    optimizer = setting.optimizer()
    model.compile(optimizer=optimizer, loss=half_square)
    optimizer.build(model.trainable_variables)
    random = np.random.default_rng(seed)
    known, train = products(model, (x, y, None)), _loop(model, optimizer)
    steps, ratios, batches, losses, made, start = [], [], [], [], 0, None
    while len(losses) * EVERY < setting.steps:
        if setting.batch is None:
            rows = np.tile(np.arange(len(x)), (EVERY, 1))
        else:
            rows = np.array([random.choice(len(x), setting.batch, replace=False) for _ in range(EVERY)])
        losses.append(train(x, y, rows))
        step = preconditioner(optimizer, model.trainable_variables)
        product = known.hessian_vector
        multiply = product if step.diagonal is None else preconditioned(product, step.diagonal)
        found = extremes(
            multiply, known.size, products=20, tolerance=1e-3, both=False, start=start, precision=6e-8
        )
        start, made = found.largest.vector, made + found.products
        steps.append(len(losses) * EVERY)
        ratios.append(found.largest.value / step.limit)
        if setting.batch is not None and steps[-1] % BATCHES_EVERY == 0:
            measured = batch_sharpness(known, setting.batch, 10**6, seed + steps[-1])
            means = drawn(measured.curvatures), drawn(measured.curvatures, measured.squares)
            batches.append((steps[-1], *(each.value / step.limit for each in means)))
    whole = np.concatenate(losses)
    record = Record.of([Series("loss", "loss", np.arange(1, len(whole) + 1), whole)])
    sharpness = Ritz(found.largest.value, found.largest.residual)
    limit = StepLimit(sharpness, step.limit, step.rule, step.learning_rate, step.diagonal is not None)
    sharp = None if setting.batch is None else measured
    claim = StepSize().ask(
        record,
        Examination(
            parameters=known.size, examples=len(x), total=len(x), step_limit=limit, batch_sharpness=sharp
        ),
    )
    return Course(steps, ratios, batches, whole, made, str(claim.status))


def _loop(model: keras.Model, optimizer: optimizers.Optimizer) -> Callable[[Array, Array, Array], Array]:
    """So many steps on these rows at once, made by the optimizer itself; the losses before each."""

    def loss(trainable: list, fixed: list, x: Array, y: Array) -> object:
        outputs, _ = model.stateless_call(trainable, fixed, x)
        return keras.ops.mean(half_square(y, outputs))

    @jax.jit
    def scanned(state: tuple, x: Array, y: Array, rows: Array) -> tuple:
        def one(state: tuple, index: Array) -> tuple:
            trainable, fixed, held = state
            value, slopes = jax.value_and_grad(loss)(trainable, fixed, x[index], y[index])
            trainable, held = optimizer.stateless_apply(held, slopes, trainable)
            return (trainable, fixed, held), value

        return jax.lax.scan(one, state, rows)

    def train(x: Array, y: Array, rows: Array) -> Array:
        groups = (model.trainable_variables, model.non_trainable_variables, optimizer.variables)
        state = tuple([variable.value for variable in group] for group in groups)
        state, losses = scanned(state, x, y, rows)
        for group, values in zip(groups, state, strict=True):
            for variable, value in zip(group, values, strict=True):
                variable.assign(value)
        return np.asarray(losses, dtype=np.float64)

    return train


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="settings whose name holds this")
    parser.add_argument("--course", action="store_true", help="also print each look at mini-batches")
    asked = parser.parse_args()
    only = asked.only
    head = [
        "training",
        "expected",
        "ratio since it crossed",
        "0.5 to 99.5 % of the looks",
        "largest ratio",
        "crossed",
    ]
    head += [
        "batch sharpness's ratio",
        "ratio of means",
        "loss",
        "step size claimed stable",
        "products a look",
        "seconds",
    ]
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for setting in SETTINGS:
        if only not in setting.name:
            continue
        for seed in SEEDS:
            began = time.perf_counter()
            run = course(setting, seed)
            after = np.array(run.ratios[run.after])
            spread = "{:.3f} to {:.3f}".format(*np.quantile(after, [0.005, 0.995])) if len(after) else "-"
            cells = [
                setting.name,
                setting.expected,
                f"{after.mean():.3f}" if len(after) else "-",
                spread,
                f"{max(run.ratios):.3f}",
                "-" if run.batches else f"step {run.steps[run.after][0]:,}" if len(after) else "never",
                run.late_batches(1),
                run.late_batches(2),
                f"{run.losses[0]:.3g} to {run.losses[-100:].mean():.3g}",
                run.claim,
                f"{run.products / len(run.steps):.1f}",
                f"{time.perf_counter() - began:.0f}",
            ]
            print("| " + " | ".join(cells) + " |", flush=True)
            if asked.course:
                losses = run.losses.reshape(-1, EVERY).mean(axis=1)
                for at, ratio, weighted in run.batches:
                    print(
                        f"{setting.name}, {at:,}: {ratio:.3f}, {weighted:.3f}, {losses[at // EVERY - 1]:.3g}"
                    )


if __name__ == "__main__":
    main()
