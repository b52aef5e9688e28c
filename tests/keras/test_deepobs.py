"""DeepOBS's quadratic_deep by its exact recipe comes out as its published baselines do."""

import keras
import numpy as np
import pytest

from thalweg.comparison import Comparison

if keras.backend.backend() != "jax":
    pytest.skip("populations are compiled on JAX", allow_module_level=True)
from benchmarks.deepobs import QUADRATIC, name_of, quadratic_parts, quadratics

pytestmark = pytest.mark.seam


def test_the_problem_is_the_published_one() -> None:
    hessian, train, test = quadratic_parts()

    def loss(theta: np.ndarray, points: np.ndarray) -> float:
        return float(np.mean(0.5 * np.einsum("ij,jk,ik->i", theta - points, hessian, theta - points)))

    # The baselines' first test loss, over whole batches of 128; the lowest training loss, and the test loss there.
    assert loss(np.ones(100), test[:896]) == pytest.approx(353.4467643, abs=2e-5)
    assert loss(train.mean(axis=0), train) == pytest.approx(84.76965, abs=1e-5)
    assert loss(train.mean(axis=0), test[:896]) == pytest.approx(87.0460, abs=1e-4)


def test_the_published_rates_give_the_published_losses_and_order() -> None:
    members = quadratics({name: [rate] for name, (rate, _) in QUADRATIC.items()}, 1, "fixed")
    first = members[0].record.series["validation_loss"].values[0]
    assert first == pytest.approx(105.2, abs=1.0), "of SGD after one epoch"
    finals = {name_of(member): member.final("validation_loss") for member in members}
    for name, (low, high) in {
        "SGD": (87.0, 87.9),
        "Momentum 0.99": (86.96, 87.13),
        "Adam": (87.01, 87.22),
    }.items():
        assert low < finals[name] < high, finals
    ranked = [
        name_of(next(m for m in members if m.configuration == s.configuration))
        for s in Comparison(tuple(members)).summaries()
    ]
    assert ranked == ["Momentum 0.99", "Adam", "SGD"]
