"""Gradients of batches: on a linear regression, whose every number NumPy computes as well."""

import keras
import numpy as np
import pytest

from thalweg import Record
from thalweg.certificate import Status
from thalweg.claims.gradient_zero import GradientZero
from thalweg.errors import UnsupportedError
from thalweg.examination import Examination
from thalweg.keras.autodiff import products
from thalweg.keras.examine_gradients import gradients
from thalweg.stats.noise_scale import noise_scale

pytestmark = pytest.mark.seam

N, D = 413, 4


def with_ones(x: np.ndarray) -> np.ndarray:
    return np.hstack([x, np.ones((len(x), 1))])


def regression(reduction: str = "sum_over_batch_size", weights: float | None = None) -> tuple:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((N, D)).astype("float32")
    y = (x @ np.ones(D, "float32") + 0.5 * rng.standard_normal(N)).astype("float32")[:, None]
    model = keras.Sequential([keras.Input((D,)), keras.layers.Dense(1)])
    best = (
        np.linalg.lstsq(with_ones(x), y, rcond=None)[0] if weights is None else np.full((D + 1, 1), weights)
    )
    model.layers[0].set_weights([best[:D], best[D]])
    model.compile("sgd", keras.losses.MeanSquaredError(reduction=reduction))
    return model, x, y


def each(model: keras.Model, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The gradient of every example, (n, d), in float64."""
    x = with_ones(x)
    return 2.0 * (x @ np.concatenate([w.reshape(-1, 1) for w in model.get_weights()]) - y) * x


@pytest.mark.parametrize(
    ("batch_size", "most", "size"), [(8, 1000, 8), (64, 1000, 10), (8, 20, 21), (1, 1000, 1)]
)
def test_products_squares_and_the_whole(batch_size: int, most: int, size: int) -> None:
    model, x, y = regression(weights=0.5)
    found = gradients(products(model, (x, y, None)), batch_size, most, seed=3)
    g = each(model, x, y)
    assert found.batch_size == size
    assert len(found.products) == N // size // 2 and len(found.squares) == 2 * len(found.products)
    assert found.whole == pytest.approx(float(np.sum(g.mean(axis=0) ** 2)), rel=1e-4)
    order = np.random.default_rng(3).permutation(N)
    means = [g[order[i * size : (i + 1) * size]].mean(axis=0) for i in range(len(found.squares))]
    assert found.squares == pytest.approx([m @ m for m in means], rel=1e-3)
    assert found.products == pytest.approx(
        [a @ b for a, b in zip(means[::2], means[1::2], strict=True)], rel=1e-3, abs=1e-3
    )


def test_the_trace_and_the_claim() -> None:
    model, x, y = regression()
    found = gradients(products(model, (x, y, None)), 8, 1000, seed=0)
    trace = float(np.trace(np.cov(each(model, x, y).T)))
    scale = noise_scale(found.products, found.squares, found.batch_size, N)
    assert scale.trace == pytest.approx(trace, abs=3 * scale.trace_error)
    ask = GradientZero().ask
    assert (
        ask(Record.of([]), Examination(parameters=D + 1, examples=N, total=N, gradients=found)).status
        is Status.ESTABLISHED
    )
    model, x, y = regression(weights=0.5)
    found = gradients(products(model, (x, y, None)), 8, 1000, seed=0)
    assert (
        ask(Record.of([]), Examination(parameters=D + 1, examples=N, total=N, gradients=found)).status
        is Status.REFUTED
    )


def test_batches_whose_examples_depend_on_one_another() -> None:
    """Batch normalisation in training mode: the whole is the mean over the batches that training would see."""
    keras.utils.set_random_seed(0)
    _, x, y = regression()
    body = [keras.layers.Dense(6), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((D,)), *body])
    model.compile("sgd", "mse")
    made = products(model, (x, y, None), training=True)
    found = gradients(made, 8, 1000, seed=1)
    order = np.random.default_rng(1).permutation(N)
    each = [made.gradient(rows=np.sort(part)) for part in np.split(order, range(8, 401, 8))]
    whole = np.average(each, axis=0, weights=[8] * 50 + [13])
    assert found.whole == pytest.approx(float(whole @ whole), rel=1e-3)
    assert abs(found.whole - float(np.sum(made.gradient() ** 2))) > 0.01 * found.whole


def test_the_same_seed_gives_the_same() -> None:
    made = products(regression()[0], (*regression()[1:], None))
    one, two, other = (gradients(made, 16, 100, seed) for seed in (1, 1, 2))
    assert np.array_equal(one.products, two.products)
    assert not np.array_equal(one.products, other.products)


def test_what_is_no_mean_is_refused() -> None:
    model, x, y = regression("sum", weights=0.5)
    with pytest.raises(UnsupportedError, match="a sum over examples"):
        gradients(products(model, (x, y, None)), 8, 1000, seed=0)
    with pytest.raises(UnsupportedError, match="cannot be made of 1"):
        gradients(products(model, (x[:1], y[:1], None)), 8, 1000, seed=0)
