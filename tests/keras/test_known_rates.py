"""The best learning rate of a noisy quadratic has a closed form, and `compare` finds it."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import thalweg

pytestmark = [
    pytest.mark.seam,
    pytest.mark.skipif(keras.backend.backend() != "jax", reason="populations are compiled on JAX"),
]

CURVATURE = np.geomspace(0.05, 1.0, 8)
NOISE = 0.25  # variance of each entry of a gradient
RATES = np.geomspace(0.02, 1.0, 18)  # neighbours apart by a quarter
SEEDS = 24


class Noisy(layers.Layer):
    """The loss of weights w, begun at ones: half of c w^2, and in training e w too, with e drawn anew each step."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn = keras.random.SeedGenerator()

    def build(self, shape: tuple) -> None:
        self.w = self.add_weight(shape=CURVATURE.shape, initializer="ones")

    def call(self, x: object, training: bool = False) -> object:
        found = 0.5 * ops.sum(CURVATURE.astype("float32") * self.w**2)
        if training:
            found += ops.sum(NOISE**0.5 * keras.random.normal(CURVATURE.shape, seed=self.drawn) * self.w)
        return 0.0 * x + found


def build() -> keras.Model:
    model = keras.Sequential([layers.Input((1,)), Noisy()])
    model.compile("sgd", lambda y, found: ops.mean(found, axis=-1))
    return model


def closed_form(rate: float, steps: int) -> float:
    """The expected loss after so many steps of SGD (Schaul et al. 2013; Zhang et al. 2019, for one batch size)."""
    kept = (1.0 - rate * CURVATURE) ** 2
    spread = rate**2 * NOISE * (1.0 - kept**steps) / (1.0 - kept)
    return float(np.sum(0.5 * CURVATURE * (kept**steps + spread)))


def expected(rate: float, steps: int, momentum: float = 0.0) -> float:
    """The same by moments of weight and velocity, one step after the other: of momentum too."""
    loss = 0.0
    for c in CURVATURE:
        step = np.array([[1.0 - rate * c, momentum], [-rate * c, momentum]])
        moments = np.array([[1.0, 0.0], [0.0, 0.0]])
        for _ in range(steps):
            moments = step @ moments @ step.T + rate**2 * NOISE
        loss += 0.5 * c * moments[0, 0]
    return loss


@pytest.mark.parametrize("steps", [25, 200])
def test_the_rate_of_the_closed_form_is_found(steps: int) -> None:
    given = np.zeros((steps, 1)), np.zeros(steps)
    found = thalweg.compare(
        build, given, validation_data=(np.zeros((1, 1)), np.zeros(1)), learning_rates=list(RATES),
        optimizers=["sgd", keras.optimizers.SGD(momentum=0.5)], batch_sizes=[1], seeds=SEEDS, epochs=1,
    )  # fmt: skip
    errors = []
    for configuration, members in found.of().items():
        rate, momentum = configuration.learning_rate, 0.0 if configuration.optimizer == "sgd" else 0.5
        finals = [member.final("validation_loss") for member in members]
        truth = expected(rate, steps, momentum)
        assert momentum or truth == pytest.approx(closed_form(rate, steps), rel=1e-9)
        errors.append((np.mean(finals) - truth) / (np.std(finals, ddof=1) / np.sqrt(SEEDS)))
    # Losses of a seed share their noise, so that these are few numbers, each about standard normal.
    assert np.abs(errors).max() < 4.0 and np.median(np.abs(errors)) < 2.0, errors
    for row in found.sensitivities():
        momentum = 0.0 if row.kind[0] == "sgd" else 0.5
        truths = np.array([expected(rate, steps, momentum) for rate in RATES])
        place = int(np.argmin(np.abs(RATES - row.best)))
        assert abs(place - int(truths.argmin())) <= 1
        assert truths[place] < 1.05 * truths.min()


def test_the_longer_the_training_the_smaller_the_best_rate() -> None:
    """Of the closed form alone: else a grid that always answers alike would pass."""
    fine = np.geomspace(0.02, 1.0, 400)
    short, long = (fine[np.argmin([closed_form(rate, steps) for rate in fine])] for steps in (25, 200))
    assert short > 2.0 * long
