"""Hessians in closed form: Rosenbrock's function, and a two-layer linear network at its saddles and minima."""

from collections.abc import Iterator

import known
import numpy as np
import pytest
from laboratory import keras, layers, precision

from thalweg import Record
from thalweg.certificate import Status
from thalweg.claims.curvature import NegativeCurvature
from thalweg.examination import Examination
from thalweg.keras.autodiff import products
from thalweg.keras.examine_spectrum import examine_spectrum

N, WIDTH, HIDDEN, OUTPUTS = 40, 4, 3, 2
RNG = np.random.default_rng(6)
X = RNG.standard_normal((N, WIDTH))
Y = X @ RNG.standard_normal((WIDTH, OUTPUTS)) + 0.3 * RNG.standard_normal((N, OUTPUTS))


@pytest.fixture(params=["float64", "float32"])
def near(request) -> Iterator[float]:
    """Within it all is of one precision; the relative error that is allowed."""
    with precision(request.param):
        yield {"float64": 1e-6, "float32": 1e-5}[request.param]


def status(model, batch) -> tuple[Status, float, float]:
    """What is claimed of the curvature at the model's weights, and its two ends."""
    made = products(model, batch)
    found = examine_spectrum(made, model, budget=200).curvature
    examination = Examination(parameters=made.size, examples=made.examples, total=N, curvature=found)
    claim = NegativeCurvature().ask(Record.of([]), examination)
    return claim.status, found.smallest.value, found.largest.value


@pytest.mark.parametrize("point", [(-1.2, 1.0), (0.3, 0.09), (0.5, 1.5), (1.0, 1.0)])
def test_rosenbrock(point, near):
    model = known.rosenbrock("sgd", point)
    batch = np.zeros((3, 1)), np.zeros((3, 1)), None
    made, closed = products(model, batch), known.hessian(*point)
    scale = np.abs(closed).max()
    for row in np.eye(2):
        np.testing.assert_allclose(made.hessian_vector(row), closed @ row, rtol=near, atol=near * scale)
    np.testing.assert_allclose(made.gradient(), known.gradient(*point), rtol=near, atol=near)
    claimed, smallest, largest = status(model, batch)
    low, high = np.linalg.eigvalsh(closed)
    assert largest == pytest.approx(high, rel=near)
    assert smallest == pytest.approx(low, rel=near, abs=0.0 if near < 1e-5 else near * high)
    assert claimed is (Status.REFUTED if low < -0.01 * high else Status.ESTABLISHED)


def linear_network(first, second):
    body = [layers.Dense(HIDDEN, use_bias=False), layers.Dense(OUTPUTS, use_bias=False)]
    model = keras.Sequential([layers.Input((WIDTH,)), *body])
    model.compile("sgd", "mse")
    model.set_weights([first, second])
    return model, (X, Y, None)


def of_rank(rank: int) -> tuple[np.ndarray, np.ndarray]:
    """The critical point whose product is the best of this rank.

    The least-squares solution behind the projection on the first principal directions of what it predicts (Baldi &
    Hornik, Neural Networks 2, 1989, fact 4): the minimum where the rank is full, else a saddle.
    """
    best = np.linalg.lstsq(X, Y, rcond=None)[0]
    directions = np.linalg.svd(X @ best)[2][:rank]
    first, second = np.zeros((WIDTH, HIDDEN)), np.zeros((HIDDEN, OUTPUTS))
    first[:, :rank], second[:rank] = best @ directions.T, directions
    return first, second


def spectrum(first, second) -> np.ndarray:
    """Eigenvalues of the Hessian of |X A B - Y|^2 / n k, by the derivatives of A B: J'J and the residual's part."""
    a, b, scale = first.shape[1], second.shape[1], 2.0 / (N * OUTPUTS)
    # Rows of A B, raveled: d(A B) = dA B + A dB.
    jacobian = np.hstack([np.kron(np.eye(WIDTH), second.T), np.kron(first, np.eye(b))])
    gauss_newton = scale * jacobian.T @ np.kron(X.T @ X, np.eye(b)) @ jacobian
    slope = scale * X.T @ (X @ first @ second - Y)
    cross = np.kron(slope, np.eye(a)).reshape(WIDTH, a, b, a).transpose(0, 1, 3, 2).reshape(WIDTH * a, a * b)
    zeros = np.zeros((WIDTH * a,) * 2), np.zeros((a * b,) * 2)
    return np.linalg.eigvalsh(gauss_newton + np.block([[zeros[0], cross], [cross.T, zeros[1]]]))


def test_a_linear_network_at_zero_is_at_a_saddle(near):
    """There its Hessian has the singular values of 2 X'Y / n k, and their negatives, once for each hidden unit."""
    model, batch = linear_network(np.zeros((WIDTH, HIDDEN)), np.zeros((HIDDEN, OUTPUTS)))
    made = products(model, batch)
    assert not made.gradient().any()
    values = np.linalg.svd(2.0 / (N * OUTPUTS) * X.T @ Y, compute_uv=False)
    closed = np.sort(np.r_[np.repeat(np.r_[values, -values], HIDDEN), np.zeros(made.size - 4 * HIDDEN)])
    hessian = np.stack([made.hessian_vector(row) for row in np.eye(made.size)])
    np.testing.assert_allclose(np.linalg.eigvalsh(hessian), closed, atol=near * values[0])
    assert status(model, batch) == (
        Status.REFUTED,
        pytest.approx(-values[0], rel=near),
        pytest.approx(values[0], rel=near),
    )


@pytest.mark.parametrize(("rank", "claimed"), [(1, Status.REFUTED), (2, Status.ESTABLISHED)])
def test_a_linear_network_at_its_other_critical_points(rank, claimed, near):
    first, second = of_rank(rank)
    model, batch = linear_network(first, second)
    made, closed = products(model, batch), spectrum(first, second)
    hessian = np.stack([made.hessian_vector(row) for row in np.eye(made.size)])
    np.testing.assert_allclose(np.linalg.eigvalsh(hessian), closed, atol=near * closed[-1])
    np.testing.assert_allclose(made.gradient(), np.zeros(made.size), atol=near * closed[-1])
    found, smallest, largest = status(model, batch)
    assert found is claimed
    assert largest == pytest.approx(closed[-1], rel=near)
    assert smallest == pytest.approx(closed[0], rel=near, abs=near * closed[-1])
    if (
        rank == OUTPUTS
    ):  # a minimum: as many directions bend upwards as the product has entries, and none downwards
        assert np.sum(closed > 1e-9) == WIDTH * OUTPUTS and closed[0] > -1e-9
