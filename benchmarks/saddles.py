"""Saddles and minima whose truth is known: the smallest eigenvalue beside the largest, and the claim made of it.

KERAS_BACKEND=jax python benchmarks/saddles.py    # two minutes; the second table of docs/certify/edge-of-stability.md
"""

from collections.abc import Iterator

import keras
import numpy as np
from edge_of_stability import digits, half_square
from keras import initializers, layers, optimizers, regularizers
from numpy.typing import NDArray

from thalweg import Record
from thalweg.claims.curvature import NegativeCurvature
from thalweg.examination import Examination
from thalweg.keras.autodiff import products
from thalweg.keras.examine_spectrum import examine_spectrum

Array = NDArray[np.float32]
Case = tuple[str, keras.Model, Array, Array]
SEED = 813


def network(hidden: tuple[int, ...], activation: str, **options: object) -> keras.Model:
    inside = [layers.Dense(width, activation, **options) for width in hidden]
    return keras.Sequential([keras.Input((64,)), *inside, layers.Dense(10, "softmax", **options)])


def trained(
    model: keras.Model, optimizer: optimizers.Optimizer, x: Array, y: Array, epochs: int, batch: int
) -> keras.Model:
    keras.utils.set_random_seed(SEED)
    model.compile(optimizer, half_square if y.ndim > 1 else "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=epochs, batch_size=batch, verbose=0)
    return model


def minima() -> Iterator[Case]:
    x, y, model = digits()
    yield (
        "digits, tanh, gradient descent, 1,500 steps",
        trained(model, optimizers.SGD(0.2), x, y, 1500, 500),
        x,
        y,
    )
    labels = y.argmax(axis=1)
    for penalty, epochs in ((0.0, 60), (1e-3, 300)):
        model = network((32, 32), "relu", kernel_regularizer=regularizers.L2(penalty))
        named = f"digits, ReLU, L2 {penalty:g}, Adam, {epochs} epochs in batches of 32"
        yield named, trained(model, optimizers.Adam(1e-3), x, labels, epochs, 32), x, labels
        yield (
            "the same, then 1,500 full-batch steps",
            trained(model, optimizers.Adam(1e-3), x, labels, 1500, 500),
            x,
            labels,
        )


def saddles() -> Iterator[Case]:
    x, y, _ = digits()
    labels = y.argmax(axis=1)
    for name, value, steps in (
        ("all weights at zero, biases trained", 0.0, 300),
        ("hidden units all alike", 0.01, 3000),
    ):
        model = network((16,), "tanh", kernel_initializer=initializers.Constant(value))
        yield (
            f"digits, {name} (a saddle)",
            trained(model, optimizers.SGD(0.1), x, labels, steps, 500),
            x,
            labels,
        )


def linear() -> Iterator[Case]:
    """Two layers, three modes of strength 4, 1 and 0.3: each mode that is not learned is a way down."""
    white = np.linalg.qr(np.random.default_rng(SEED).standard_normal((200, 3)))[0] * np.sqrt(200.0)
    x, strengths = white.astype("float32"), np.array([4.0, 1.0, 0.3])
    for learned in (3, 2, 1, 0):
        model = keras.Sequential([keras.Input((3,)), *(layers.Dense(3, use_bias=False) for _ in range(2))])
        model.compile(optimizers.SGD(0.01), half_square)
        weights = np.diag(np.sqrt(strengths) * (np.arange(3) < learned))
        model.set_weights([weights, weights])
        kind = "all" if learned == 3 else f"{learned} (a saddle)"
        yield f"two-layer linear, modes learned: {kind}", model, x, (x * strengths).astype("float32")


def main() -> None:
    print("| where | smallest / largest | its residual | claim `no-negative-curvature` |\n|---|---|---|---|")
    for cases in (minima, linear, saddles):
        keras.utils.set_random_seed(SEED)
        for name, model, x, y in cases():
            known = products(model, (x, y, None))
            found = examine_spectrum(known, model, budget=100).curvature
            examination = Examination(known.size, len(x), len(x), curvature=found)
            claim = NegativeCurvature().ask(Record.of([]), examination)
            ratio, residual = (
                each / found.largest.value for each in (found.smallest.value, found.smallest.residual)
            )
            print(f"| {name} | {ratio:.2g} | {residual:.1g} | {claim.status} |", flush=True)


if __name__ == "__main__":
    main()
