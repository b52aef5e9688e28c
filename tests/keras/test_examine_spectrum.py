"""Spectrum and step limit of a model, on a Hessian that is known."""

import keras
import numpy as np
import pytest
import scipy.linalg

from thalweg.errors import UnsupportedError
from thalweg.keras.examine_spectrum import examine_spectrum

pytestmark = pytest.mark.seam


class Known:
    """The products of a matrix; what `refused` names cannot be had."""

    doubt: str | None = None

    def __init__(self, matrix: np.ndarray, *refused: str) -> None:
        self.matrix, self.size, self.refused, self.made = matrix, len(matrix), refused, 0

    def hessian_vector(self, vector: np.ndarray) -> np.ndarray:
        return self._multiply("hessian", self.matrix, vector)

    def gauss_newton_vector(self, vector: np.ndarray) -> np.ndarray:
        return self._multiply("gauss_newton", self.matrix @ self.matrix, vector)

    def _multiply(self, name: str, matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
        if name in self.refused:
            raise UnsupportedError(f"The {name} cannot be had.")
        self.made += 1
        return matrix @ vector


SPECTRUM = np.r_[-0.5, np.zeros(40), np.linspace(0.0, 0.5, 83), 3.0, 8.0]


def known(*refused: str) -> Known:
    basis, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((126, 126)))
    return Known((basis * SPECTRUM) @ basis.T, *refused)


def trained(optimizer: keras.optimizers.Optimizer) -> keras.Model:
    """126 parameters after five steps."""
    model = keras.Sequential([keras.Input((13,)), keras.layers.Dense(9)])
    model.compile(optimizer=optimizer, loss="mse")
    optimizer.build(model.trainable_variables)
    random = np.random.default_rng(1)
    for _ in range(5):
        gradients = [random.standard_normal(v.shape).astype("float32") for v in model.trainable_variables]
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients], model.trainable_variables)
    return model


@pytest.mark.parametrize("budget", [2, 5, 20, 100, 1000])
def test_never_more_products_than_allowed(budget):
    products = known()
    found = examine_spectrum(products, trained(keras.optimizers.Adam(0.01)), budget=budget)
    assert 0 < products.made <= budget
    assert found.curvature is not None and found.step_limit is not None and not found.missing


def test_gradient_descent():
    found = examine_spectrum(known(), trained(keras.optimizers.SGD(0.1, momentum=0.9)), budget=100)
    ends = found.curvature
    assert (ends.smallest.value, ends.largest.value) == pytest.approx((-0.5, 8.0), rel=1e-5)
    assert abs(ends.smallest.value + 0.5) <= ends.smallest.residual < 0.02
    assert ends.missed == 0.01 and -0.6 < ends.smallest.value - ends.tolerance <= -0.5
    limit = found.step_limit
    assert limit.sharpness == ends.largest or limit.sharpness.value == ends.largest.value
    assert limit.limit == pytest.approx(38.0) and not limit.preconditioned
    assert limit.momentum == 0.9 and not limit.clips


def test_density_and_trace():
    found = examine_spectrum(known(), trained(keras.optimizers.SGD(0.1)), budget=200).curvature
    assert found.trace == pytest.approx(SPECTRUM.sum(), abs=4.0 * found.trace_error)
    assert 0.0 < found.trace_error < 5.0
    assert len(found.nodes) == len(found.weights) == len(found.band)
    share = np.searchsorted(SPECTRUM, found.nodes + 1e-6, side="right") / len(SPECTRUM)
    assert np.all(np.abs(np.cumsum(found.weights) - share) <= found.band + 1e-6)


def test_an_adaptive_optimizer_against_the_generalised_problem():
    model = trained(keras.optimizers.Adam(0.01, epsilon=0.1))
    squares = [keras.ops.convert_to_numpy(v).astype(float).ravel() for v in model.optimizer._velocities]
    root = np.sqrt(np.concatenate(squares)) + 0.1
    diagonal = (1.0 - 0.9**5) / np.sqrt(1.0 - 0.999**5) * root
    products = known()
    true = scipy.linalg.eigh(products.matrix, np.diag(diagonal), eigvals_only=True)[-1]
    limit = examine_spectrum(products, model, budget=100).step_limit
    assert limit.preconditioned and limit.limit == pytest.approx(3800.0)
    assert limit.sharpness.value == pytest.approx(true, rel=1e-5)
    assert abs(limit.sharpness.value - true) <= limit.sharpness.residual


def test_without_a_hessian_the_gauss_newton_matrix():
    found = examine_spectrum(known("hessian"), trained(keras.optimizers.SGD(0.1)))
    assert found.curvature.gauss_newton and found.curvature.largest.value == pytest.approx(64.0, rel=1e-4)
    assert found.missing == {"hessian": "The hessian cannot be had"}


def test_with_neither_nothing_but_why():
    found = examine_spectrum(known("hessian", "gauss_newton"), trained(keras.optimizers.SGD(0.1)))
    assert found.curvature is None and found.step_limit is None
    assert found.missing["curvature"] == found.missing["step_limit"] == "The hessian cannot be had"
    found = examine_spectrum(known(), trained(keras.optimizers.SGD(0.1)), budget=0)
    assert found.missing["curvature"] == found.missing["step_limit"] == "too few products were allowed"


def test_an_optimizer_that_is_not_known_leaves_the_curvature():
    found = examine_spectrum(known(), trained(keras.optimizers.Lion(0.1)))
    assert found.curvature is not None and found.step_limit is None
    assert found.missing == {"step_limit": "no stability limit is known for the optimizer Lion"}


@pytest.mark.parametrize(
    ("asked", "doubt", "words"),
    [
        ({"use_ema": True}, None, "averages in the place of the weights that it had stepped to"),
        ({"use_ema": True, "ema_overwrite_frequency": 2}, None, "ema_overwrite_frequency"),
        ({}, "its loss is another one", "its loss is another one"),
    ],
)
def test_steps_that_met_something_else_leave_the_limit_open(asked, doubt, words):
    products = known()
    products.doubt = doubt
    found = examine_spectrum(products, trained(keras.optimizers.SGD(0.1, **asked)))
    assert found.curvature is not None and found.step_limit is None
    assert words in found.missing["step_limit"]


def test_products_that_are_not_finite():
    found = examine_spectrum(Known(np.full((126, 126), np.nan)), trained(keras.optimizers.Adam(0.1)))
    assert np.isnan(found.curvature.smallest.value) and np.isnan(found.step_limit.sharpness.value)
