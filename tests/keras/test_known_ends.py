"""Trainings whose end is known: Rosenbrock's valley, and the lines on which Adam settles at the wrong end."""

import known
import numpy as np
import pytest
from laboratory import fitted, keras

import thalweg
from thalweg.certificate import Certificate, Outcome, Status

SGD, Adam = keras.optimizers.SGD, keras.optimizers.Adam
GOOD = (Outcome.CONVERGED, Outcome.NOISE_BALL)


def in_the_valley(folder, optimizer, steps: int) -> tuple[np.ndarray, Certificate]:
    """Where so many steps led, and the certificate; every one of the examples has the same loss."""
    model, x = known.rosenbrock(optimizer), np.zeros((steps, 1))
    fitted(folder, model, x, x, epochs=1, batch_size=1, shuffle=False)
    return model.get_weights()[0].astype(float), thalweg.certify(folder, model=model)


@pytest.mark.parametrize(
    ("optimizer", "steps"),
    [(lambda: SGD(1e-3), 400), (lambda: Adam(0.01), 200), (lambda: SGD(1e-3, 0.9), 1000)],
    ids=["falling", "at its beginning", "near its end"],
)
def test_who_stops_in_the_valley_has_not_converged(tmp_path, optimizer, steps):
    point, found = in_the_valley(tmp_path / "run", optimizer(), steps)
    assert np.linalg.norm(known.gradient(*point)) > 1e-3 and np.linalg.norm(point - 1.0) > 1e-2
    assert found.outcome not in GOOD
    zero = found["gradient-zero"]
    assert zero.status is Status.REFUTED
    assert zero.evidence["square"].value == pytest.approx(np.sum(known.gradient(*point) ** 2), rel=1e-2)
    assert "examples drawn anew no more" in zero.message


def test_who_comes_to_the_bottom_has_converged(tmp_path):
    """The loss has no noise: what is left of the gradient is held against the rounding of the weights."""
    point, found = in_the_valley(tmp_path / "run", SGD(1e-3, 0.9), 4000)
    np.testing.assert_allclose(point, 1.0, atol=1e-5)
    assert found.outcome is Outcome.CONVERGED
    zero = found["gradient-zero"].evidence["square"]
    # Each weight is moved by 2^-23 of itself; the signs are independent.
    expected = np.sum((known.hessian(*point) * 2.0**-23 * point) ** 2)
    assert expected / 4.0 < zero.threshold < 4.0 * expected
    assert zero.value <= zero.threshold
    assert found["no-negative-curvature"].status is Status.ESTABLISHED
    smallest = found["no-negative-curvature"].evidence["smallest"].value
    assert smallest == pytest.approx(np.linalg.eigvalsh(known.hessian(1.0, 1.0))[0], rel=1e-2)


# Reddi, Kale & Kumar, On the Convergence of Adam and Beyond, ICLR 2018, theorem 1: f_t(x) = C x at every third step,
# else -x, on [-1, 1]. Their mean has the slope (C - 2) / 3 and its minimum at -1; without a first moment, and with
# beta_2 = 1 / (1 + C^2), Adam forgets C before it has made good for it, and goes to +1. AMSGrad does not.
C, TRIPLES, EPOCHS, RATE = 3.0, 80, 8, 0.01


@pytest.mark.parametrize(("amsgrad", "end"), [(False, 1.0), (True, -1.0)], ids=["Adam", "AMSGrad"])
def test_the_wrong_end_is_not_called_converged(tmp_path, amsgrad, end):
    model = known.line(Adam(RATE, beta_1=0.0, beta_2=1.0 / (1.0 + C**2), amsgrad=amsgrad))
    x = np.tile([[C], [-1.0], [-1.0]], (TRIPLES, 1))
    nothing = np.zeros_like(x)
    fitted(tmp_path / "run", model, x, nothing, epochs=EPOCHS, batch_size=1, shuffle=False)
    # Of the three steps those of AMSGrad are a rate long at most, and two lead back by a third of it.
    assert float(model.get_weights()[0][0, 0]) == pytest.approx(end, abs=RATE)

    found = thalweg.certify(tmp_path / "run", model=model)
    assert found.outcome not in GOOD
    zero = found["gradient-zero"]
    assert zero.status is Status.REFUTED
    assert zero.evidence["square"].value == pytest.approx(((C - 2.0) / 3.0) ** 2, rel=1e-4)
    # The variance of C, -1, -1 over their number.
    assert zero.evidence["square"].usual == pytest.approx(2.0 * (C + 1.0) ** 2 / 9.0 / len(x), rel=0.25)
    assert "Parameters under a constraint: 1;" in zero.message
    curvature = found["no-negative-curvature"]
    assert (
        curvature.message
        == "Every product with the Hessian was zero (1 in all): no bend of the loss was seen."
    )

    three = thalweg.certify(tmp_path / "run", model=model, data=(x[:3], nothing[:3]))
    assert three.outcome not in GOOD
    assert three["gradient-zero"].message == "It takes 20 pairs of batches to tell; there were 1."


def test_a_sphere_is_no_saddle(tmp_path):
    """Of unit length the first principal direction has the least loss; off the sphere it bends downwards."""
    random = np.random.default_rng(8)
    x = random.standard_normal((200, 3)) * [2.0, 1.0, 0.5]
    model = known.sphere(SGD(0.2), [0.6, 0.0, 0.8])
    fitted(tmp_path / "run", model, x, np.zeros((200, 1)), epochs=80, batch_size=200)
    values, directions = np.linalg.eigh(x.T @ x / 200)
    assert abs(model.get_weights()[0][:, 0] @ directions[:, -1]) == pytest.approx(1.0, abs=1e-5)

    found = thalweg.certify(tmp_path / "run", model=model)
    assert found["no-trend"].status is Status.ESTABLISHED and found.outcome is Outcome.UNKNOWN
    curvature = found["no-negative-curvature"]
    assert curvature.status is Status.NOT_ESTABLISHED
    assert curvature.evidence["smallest"].value == pytest.approx(-2.0 * values[-1], rel=1e-4)
    assert "Parameters under a constraint: 3;" in curvature.message
