"""Rates of convergence on a quadratic of known spectrum, read off the record, against those of the textbooks."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
from laboratory import fitted, keras, layers

from thalweg import Record

MU, L = 1.0, 100.0
KAPPA = L / MU
ROOT = math.sqrt(KAPPA)
SPECTRUM = np.array([MU, 5.0, 20.0, 60.0, L])
STEPS = 200
AFTER = 60
"""Steps after which only the slowest mode is left: of gradient descent's the next decays five times as fast."""


@dataclass(frozen=True)
class Tuning:
    """A method's step and momentum, and the rate at which the textbook has its error shrink in each step.

    `double`: the slowest mode has a double root r, and shrinks as t r^t.
    """

    rate: float
    learning_rate: float
    momentum: float = 0.0
    nesterov: bool = False
    double: bool = False


def radius(learning_rate: float, momentum: float, nesterov: bool) -> float:
    """The largest spectral radius of the recurrence of (w, v) along any eigenvector.

    From Keras's update: v' = m v - s g, and w' = w + v', by Nesterov's rule w' = w + m v' - s g; g is the
    eigenvalue times w.
    """
    m, found = momentum, []
    for eigenvalue in SPECTRUM:
        s = learning_rate * eigenvalue
        first = [1.0 - s - m * s, m * m] if nesterov else [1.0 - s, m]
        found.append(np.max(np.abs(np.linalg.eigvals([first, [-s, m]]))))
    return float(max(found))


# Polyak, USSR Comput. Math. Math. Phys. 4 (1964); Nesterov, Introductory Lectures on Convex Optimization (2004),
# section 2.2.1; all of them: Lessard, Recht & Packard, SIAM J. Optim. 26 (2016), table 1. Kappa is L / mu.
TEXTBOOK = {
    "gradient descent, 1 / L": Tuning(1.0 - 1.0 / KAPPA, 1.0 / L),
    "gradient descent, best": Tuning((KAPPA - 1.0) / (KAPPA + 1.0), 2.0 / (L + MU)),
    "gradient descent, near its limit": Tuning(0.985, 1.985 / L),  # |1 - 1.985| is above 1 - 0.01985
    "heavy ball, Polyak's": Tuning(
        (ROOT - 1.0) / (ROOT + 1.0),
        (2.0 / (math.sqrt(L) + math.sqrt(MU))) ** 2,
        ((ROOT - 1.0) / (ROOT + 1.0)) ** 2,
        double=True,
    ),
    "heavy ball, all modes swing": Tuning(math.sqrt(0.9), 1.0 / L, 0.9),  # the roots' product is the momentum
    "Nesterov, 1 / L": Tuning(
        1.0 - 1.0 / ROOT, 1.0 / L, (ROOT - 1.0) / (ROOT + 1.0), nesterov=True, double=True
    ),
    "Nesterov, best": Tuning(
        1.0 - 2.0 / math.sqrt(3.0 * KAPPA + 1.0),
        4.0 / (3.0 * L + MU),
        (math.sqrt(3.0 * KAPPA + 1.0) - 2.0) / (math.sqrt(3.0 * KAPPA + 1.0) + 2.0),
        nesterov=True,
        double=True,
    ),
}
COMPANION = {
    "heavy ball, slow mode creeps": Tuning(radius(1.0 / L, 0.5, False), 1.0 / L, 0.5),
    "Nesterov, slow mode creeps": Tuning(radius(1.0 / L, 0.5, True), 1.0 / L, 0.5, nesterov=True),
}
TUNINGS = TEXTBOOK | COMPANION


def trained(folder: object, tuning: Tuning) -> Record:
    """Linear regression whose loss is half the sum of the eigenvalues times the squared coordinates of w.

    Of targets 0, so that the minimum is at 0: there float32 rounds relative to what is left, however small.
    """
    rows = len(SPECTRUM)
    random = np.random.default_rng(4)
    left, right = (np.linalg.qr(random.standard_normal((rows, rows)))[0] for _ in range(2))
    x = (left * np.sqrt(rows * SPECTRUM / 2.0)) @ right.T  # 2 x'x / n has the spectrum
    model = keras.Sequential([layers.Input((rows,)), layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(tuning.learning_rate, tuning.momentum, tuning.nesterov), "mse")
    model.set_weights([(right @ np.ones((rows, 1))).astype("float32")])
    whole = np.tile(x, (STEPS, 1)), np.zeros((STEPS * rows, 1))
    return fitted(folder, model, *whole, epochs=1, batch_size=rows, shuffle=False)


def measured(record: Record, double: bool = False) -> float:
    """The factor by which the error, the root of the loss, shrinks in each step: the slope of its logarithm."""
    series = record.series["loss"].between(AFTER, STEPS)
    t = series.steps.astype(float)
    columns = [np.ones_like(t), t, *([np.log(t)] if double else [])]
    solution = np.linalg.lstsq(np.stack(columns, axis=1), 0.5 * np.log(series.values), rcond=None)[0]
    return float(np.exp(solution[1]))


@pytest.mark.parametrize("name", TUNINGS)
def test_the_record_sees_the_textbook_rate(name, tmp_path):
    tuning = TUNINGS[name]
    record = trained(tmp_path / "run", tuning)
    assert record.series["loss"].steps.tolist() == list(range(1, STEPS + 1))
    assert record.series["loss"].values[0] == pytest.approx(SPECTRUM.sum() / 2.0, rel=1e-5)
    assert measured(record, tuning.double) == pytest.approx(tuning.rate, rel=0.01)
    gap = 0.1 if tuning.double else 0.01  # of a rate of 0.99 a hundredth is the whole of it
    assert 1.0 - measured(record, tuning.double) == pytest.approx(1.0 - tuning.rate, rel=gap)


@pytest.mark.parametrize("name", TEXTBOOK)
def test_the_textbook_rate_is_the_radius_of_the_recurrence_that_keras_makes(name):
    tuning = TEXTBOOK[name]
    found = radius(tuning.learning_rate, tuning.momentum, tuning.nesterov)
    # A double root is known to the root of the rounding of its coefficients.
    assert found == pytest.approx(tuning.rate, rel=1e-6 if tuning.double else 1e-12)
