"""Gradients, Hessian-vector and Gauss-Newton products against NumPy and finite differences, in float64."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from laboratory import BACKEND, keras, layers, ops, precision

from thalweg.errors import UnsupportedError, UsageError
from thalweg.keras.autodiff import Products, products

N, WIDTH, CLASSES = 24, 5, 3
RNG = np.random.default_rng(11)
X = RNG.normal(size=(N, WIDTH))
LABELS = RNG.integers(0, CLASSES, N)
NUMBERS = RNG.normal(size=(N, 2))
WEIGHTS = RNG.uniform(0.2, 2.0, N)
WORDS = RNG.integers(0, 6, (N, 4))


@pytest.fixture(autouse=True, scope="module")
def double():
    if BACKEND == "jax":  # it compiles more than it computes
        import jax

        jax.config.update("jax_disable_most_optimizations", True)
    with precision("float64"):
        yield
    if BACKEND == "jax":
        jax.config.update("jax_disable_most_optimizations", False)


def compiled(model: Any, loss: Any = "mse", **asked: Any) -> Any:
    model.compile("sgd", loss, **asked)
    return model


def sequential(*body: Any, shape: tuple[int, ...] = (WIDTH,), dtype: Any = None, **asked: Any) -> Any:
    keras.utils.set_random_seed(5)
    model = keras.Sequential([layers.Input(shape, dtype=dtype), *body])
    for variable in model.trainable_variables:  # biases of nought would hide what a bias does
        variable.assign(variable + 0.1 * np.random.default_rng(3).normal(size=variable.shape))
    return compiled(model, **asked)


def matrix(product: Callable[..., Any], size: int, **asked: Any) -> Any:
    return np.stack([product(row, **asked) for row in np.eye(size)], axis=1)


def agrees(found: Products, tolerance: float = 1e-6, h: float = 1e-5) -> None:
    """Gradient and Hessian-vector product are the slopes of the value and of the gradient; H is symmetric."""
    rng = np.random.default_rng(0)
    point, (u, v) = found.point, rng.normal(size=(2, found.size))
    u, v = u / np.linalg.norm(u), v / np.linalg.norm(v)
    slope = (found.value(point + h * v) - found.value(point - h * v)) / (2 * h)
    assert found.gradient() @ v == pytest.approx(slope, rel=tolerance, abs=tolerance)
    up, down = found.gradient(point + h * v), found.gradient(point - h * v)
    product = found.hessian_vector(v)
    scale, symmetry = max(np.linalg.norm(product), 1e-3), tolerance / 1e3
    assert np.linalg.norm(product - (up - down) / (2 * h)) < tolerance * scale
    assert np.linalg.norm(product) > 1e-4, "nothing was compared"
    assert u @ product == pytest.approx(v @ found.hessian_vector(u), rel=symmetry, abs=symmetry / 1e3)
    curved = found.gauss_newton_vector(v)
    assert u @ curved == pytest.approx(v @ found.gauss_newton_vector(u), rel=symmetry, abs=symmetry / 1e3)


# A network in NumPy: tanh, softmax, weighted cross-entropy, a penalty. Complex numbers pass through it.

HIDDEN, PENALTY = 4, 1 / 32  # which float32 knows exactly
SIZE = WIDTH * HIDDEN + HIDDEN + HIDDEN * CLASSES + CLASSES


def unpacked(flat: Any) -> tuple[Any, ...]:
    cuts = np.cumsum([WIDTH * HIDDEN, HIDDEN, HIDDEN * CLASSES])
    first, bias, second, last = np.split(flat, cuts)
    return first.reshape(WIDTH, HIDDEN), bias, second.reshape(HIDDEN, CLASSES), last


def logits(flat: Any) -> Any:
    first, bias, second, last = unpacked(flat)
    return np.tanh(X @ first + bias) @ second + last


def objective(flat: Any, weights: Any = WEIGHTS) -> Any:
    z = logits(flat)
    each = np.log(np.exp(z).sum(axis=1)) - z[np.arange(N), LABELS]
    return np.mean(weights * each) + PENALTY * np.sum(unpacked(flat)[0] ** 2)


def complex_slope(function: Callable[[Any], Any], point: Any) -> Any:
    """The derivatives by a complex step (Squire & Trapp, 1998): exact to rounding; the last axis is the point's."""
    step = 1e-30
    return np.stack(
        [np.imag(function(point + 1j * step * row)) / step for row in np.eye(len(point))], axis=-1
    )


def network(**asked: Any) -> Any:
    return sequential(
        layers.Dense(HIDDEN, activation="tanh", kernel_regularizer=keras.regularizers.L2(PENALTY)),
        layers.Dense(CLASSES, activation="softmax"),
        loss="sparse_categorical_crossentropy",
        **asked,
    )


@pytest.mark.parametrize("chunk", [None, 10])
def test_a_network_equals_its_twin_in_numpy(chunk):
    found = products(network(), (X, LABELS, WEIGHTS), chunk=chunk)
    assert (found.size, found.examples) == (SIZE, N)
    point, h = found.point, 1e-5
    assert found.value() == pytest.approx(objective(point), rel=1e-9)
    gradient = complex_slope(objective, point)
    np.testing.assert_allclose(found.gradient(), gradient, atol=1e-9)
    hessian = np.stack(
        [
            (complex_slope(objective, point + h * row) - complex_slope(objective, point - h * row)) / (2 * h)
            for row in np.eye(SIZE)
        ]
    )
    np.testing.assert_allclose(matrix(found.hessian_vector, SIZE), hessian, atol=1e-7)
    jacobian = complex_slope(logits, point)
    p = np.exp(logits(point)) / np.exp(logits(point)).sum(axis=1, keepdims=True)
    middle = (
        WEIGHTS[:, None, None]
        / N
        * (np.einsum("nc,cd->ncd", p, np.eye(CLASSES)) - p[:, :, None] * p[:, None])
    )
    gauss_newton = np.einsum("ncp,ncd,ndq->pq", jacobian, middle, jacobian)
    gauss_newton[np.arange(WIDTH * HIDDEN), np.arange(WIDTH * HIDDEN)] += 2 * PENALTY
    measured = matrix(found.gauss_newton_vector, SIZE)
    np.testing.assert_allclose(measured, gauss_newton, atol=1e-9)
    assert np.linalg.eigvalsh(measured).min() > -1e-9
    assert not np.allclose(gauss_newton, hessian, atol=1e-3)
    rows = np.array([3, 3, 20, 0, 9, 11, 12, 1, 2])
    z, labels = logits(point)[rows], LABELS[rows]
    each = np.log(np.exp(z).sum(axis=1)) - z[np.arange(9), labels]
    assert found.losses()[rows] == pytest.approx(WEIGHTS[rows] * each, rel=1e-8)
    some = products(found._objective.model, (X[rows], LABELS[rows], WEIGHTS[rows]))
    np.testing.assert_allclose(found.gradient(rows=rows), some.gradient(), atol=1e-12)
    v = np.cos(np.arange(SIZE))
    np.testing.assert_allclose(found.hessian_vector(v, rows=rows), some.hessian_vector(v), atol=1e-12)
    np.testing.assert_allclose(
        found.gauss_newton_vector(v, rows=rows), some.gauss_newton_vector(v), atol=1e-12
    )


def test_linear_regression():
    found = products(sequential(layers.Dense(2)), (X, NUMBERS, None))
    ones = np.column_stack([X, np.ones(N)])
    block = np.kron(ones.T @ ones / N, np.eye(2))  # the mean is over both outputs, which takes the two away
    hessian = matrix(found.hessian_vector, found.size)
    np.testing.assert_allclose(hessian, block, atol=1e-10)
    np.testing.assert_allclose(matrix(found.gauss_newton_vector, found.size), hessian, atol=1e-10)


@pytest.mark.parametrize("activation", ["sigmoid", None])
def test_logistic_regression(activation):
    loss = keras.losses.BinaryCrossentropy(from_logits=activation is None)
    found = products(sequential(layers.Dense(1, activation=activation), loss=loss), (X, LABELS > 0, None))
    ones = np.column_stack([X, np.ones(N)])
    p = 1 / (1 + np.exp(-ones @ found.point))
    closed = ones.T @ ((p * (1 - p))[:, None] * ones) / N
    np.testing.assert_allclose(matrix(found.hessian_vector, found.size), closed, atol=1e-9)
    np.testing.assert_allclose(matrix(found.gauss_newton_vector, found.size), closed, atol=1e-9)


@pytest.mark.parametrize("last", ["in the layer", "a layer of its own", "an activation layer"])
def test_softmax_regression(last):
    tail = {
        "in the layer": [layers.Dense(CLASSES, activation="softmax")],
        "a layer of its own": [layers.Dense(CLASSES), layers.Softmax()],
        "an activation layer": [layers.Dense(CLASSES), layers.Activation("softmax")],
    }[last]
    targets = np.eye(CLASSES)[LABELS]
    found = products(sequential(*tail, loss="categorical_crossentropy"), (X, targets, None))
    ones = np.column_stack([X, np.ones(N)])
    z = ones @ found.point.reshape(WIDTH + 1, CLASSES)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    middle = np.einsum("nc,cd->ncd", p, np.eye(CLASSES)) - p[:, :, None] * p[:, None]
    closed = np.einsum("ni,ncd,nj->icjd", ones, middle, ones).reshape(found.size, found.size) / N
    np.testing.assert_allclose(matrix(found.hessian_vector, found.size), closed, atol=1e-9)
    np.testing.assert_allclose(matrix(found.gauss_newton_vector, found.size), closed, atol=1e-9)


def test_a_softmax_with_another_loss_is_part_of_the_network():
    """J and L are taken at the probabilities: L of the squared error is 2 / (n c)."""
    targets = np.eye(CLASSES)[LABELS]
    found = products(sequential(layers.Dense(CLASSES, activation="softmax")), (X, targets, None))

    def probabilities(flat: Any) -> Any:
        z = X @ flat[: WIDTH * CLASSES].reshape(WIDTH, CLASSES) + flat[WIDTH * CLASSES :]
        return (np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)).ravel()

    jacobian = complex_slope(probabilities, found.point)
    expected = 2 / (N * CLASSES) * jacobian.T @ jacobian
    np.testing.assert_allclose(matrix(found.gauss_newton_vector, found.size), expected, atol=1e-9)


@pytest.mark.parametrize("reduction", ["sum", "mean", "mean_with_sample_weight"])
def test_reductions(reduction):
    loss = keras.losses.MeanSquaredError(reduction=reduction)
    model = sequential(layers.Dense(3, activation="tanh"), layers.Dense(2), loss=loss)
    batch = X, NUMBERS, WEIGHTS
    whole, chunks = products(model, batch), products(model, batch, chunk=6)
    squares = WEIGHTS * np.mean((model.predict(X, verbose=0) - NUMBERS) ** 2, axis=1)
    divisor = {"sum": 1, "mean": N, "mean_with_sample_weight": WEIGHTS.sum()}[reduction]
    rows = np.arange(2, 19)
    v = np.sin(np.arange(whole.size))
    for found in (whole, chunks):
        assert found.value() == pytest.approx(squares.sum() / divisor, rel=1e-6)
        mean = np.sum if reduction == "sum" else np.mean
        assert mean(found.losses()) == pytest.approx(found.value(), rel=1e-10)
        assert found.losses() / squares == pytest.approx(np.full(N, found.losses()[0] / squares[0]), rel=1e-5)
        for product in ("hessian_vector", "gauss_newton_vector"):
            expected = getattr(whole, product)(v, rows=rows)
            np.testing.assert_allclose(getattr(found, product)(v, rows=rows), expected, atol=1e-12)


def heads() -> tuple[Any, Any]:
    keras.utils.set_random_seed(2)
    left, right = layers.Input((WIDTH,), name="left"), layers.Input((2,), name="right")
    shared = layers.Dense(WIDTH, activation="tanh")
    joined = layers.Concatenate()([shared(shared(left)), right])
    outputs = {
        "kind": layers.Dense(CLASSES, activation="softmax", name="kind")(joined),
        "size": layers.Dense(2, name="size", kernel_regularizer="l2")(joined),
    }
    model = keras.Model({"left": left, "right": right}, outputs)
    losses = {
        "kind": "sparse_categorical_crossentropy",
        "size": keras.losses.MeanSquaredError(reduction="sum"),
    }
    model.compile("sgd", losses, loss_weights={"kind": 0.5, "size": 2.0})
    return model, ({"left": X, "right": NUMBERS}, {"kind": LABELS, "size": NUMBERS}, None)


def test_several_inputs_outputs_losses_and_a_shared_layer():
    model, batch = heads()
    whole, chunks = products(model, batch), products(model, batch, chunk=6)
    agrees(whole)
    agrees(chunks)
    outputs = model.predict(batch[0], verbose=0)
    kind = -np.log(outputs["kind"][np.arange(N), LABELS]).mean()
    size = np.mean((outputs["size"] - NUMBERS) ** 2, axis=1).sum()
    kernel = next(v for v in model.trainable_variables if v.path == "size/kernel")
    expected = 0.5 * kind + 2.0 * size + 0.01 * np.sum(ops.convert_to_numpy(kernel) ** 2)
    assert whole.value() == pytest.approx(expected, rel=1e-6)
    v = np.cos(np.arange(whole.size))
    for product in ("hessian_vector", "gauss_newton_vector"):
        np.testing.assert_allclose(getattr(chunks, product)(v), getattr(whole, product)(v), atol=1e-11)
    assert np.linalg.eigvalsh(matrix(whole.gauss_newton_vector, whole.size)).min() > -1e-9
    with pytest.raises(UnsupportedError, match="no value for each example"):
        whole.losses()


def test_a_recurrent_layer():
    model = sequential(layers.GRU(2), layers.Dense(2), shape=(4, WIDTH))
    agrees(products(model, (RNG.normal(size=(N, 4, WIDTH)), NUMBERS, None)))


def test_masked_words_through_a_recurrent_layer():
    """How much each chunk counts depends on how many of its words are masked."""
    words = np.where(np.arange(4) < RNG.integers(1, 5, (N, 1)), WORDS % 5 + 1, 0)
    model = sequential(
        layers.Embedding(6, 2, mask_zero=True),
        layers.LSTM(2, return_sequences=True),
        layers.Dense(CLASSES, activation="softmax"),
        shape=(4,),
        dtype="int32",
        loss="sparse_categorical_crossentropy",
    )
    batch = words, RNG.integers(0, CLASSES, (N, 4)), None
    whole, chunks = products(model, batch), products(model, batch, chunk=6)
    agrees(whole)
    assert whole.value() == pytest.approx(model.evaluate(*batch[:2], batch_size=N, verbose=0), rel=1e-6)
    v = np.cos(np.arange(whole.size))
    assert chunks.value() == pytest.approx(whole.value(), rel=1e-12)
    for product in ("hessian_vector", "gauss_newton_vector"):
        np.testing.assert_allclose(getattr(chunks, product)(v), getattr(whole, product)(v), atol=1e-11)
    assert chunks.losses() == pytest.approx(whole.losses(), rel=1e-12)
    assert whole.losses().mean() == pytest.approx(whole.value(), rel=1e-12)


def test_repeated_words_frozen_layers_and_a_weight_that_counts_for_nothing():
    class Unused(layers.Layer):
        def build(self, shape: Any) -> None:
            self.unused = self.add_weight(shape=(3,), name="unused")

        def call(self, inputs: Any) -> Any:
            return inputs

    frozen = layers.Dense(4, activation="tanh", trainable=False)
    body = [layers.Embedding(6, 3), layers.Flatten(), Unused(), frozen, layers.Dense(2)]
    model = sequential(*body, shape=(4,), dtype="int32")
    found = products(model, (WORDS, NUMBERS, None), chunk=8)
    assert found.size == 18 + 3 + 10
    agrees(found)
    assert (found.gradient()[18:21] == 0).all() and (found.hessian_vector(np.ones(31))[18:21] == 0).all()


def test_convolutions_and_pooling():
    images = RNG.normal(size=(N, 8, 8, 2))
    model = sequential(
        layers.Conv2D(3, 3, activation="tanh"),
        layers.MaxPooling2D(),
        layers.DepthwiseConv2D(2, activation="gelu"),
        layers.LayerNormalization(),
        layers.GlobalAveragePooling2D(),
        layers.Dense(2),
        shape=(8, 8, 2),
    )
    agrees(products(model, (images, NUMBERS, None), chunk=12))


def test_attention():
    inputs = layers.Input((4, WIDTH))
    keras.utils.set_random_seed(1)
    attended = layers.MultiHeadAttention(2, 2)(inputs, inputs)
    model = compiled(keras.Model(inputs, layers.Dense(2)(layers.Flatten()(attended))))
    # JAX itself attends in float32.
    tolerance, h = (1e-3, 1e-3) if BACKEND == "jax" else (1e-6, 1e-5)
    agrees(products(model, (RNG.normal(size=(N, 4, WIDTH)), NUMBERS, None)), tolerance, h)


@pytest.mark.parametrize("training", [False, True])
def test_batch_normalisation_and_dropout_in_both_modes(training):
    model = sequential(
        layers.Dense(4, activation="tanh"), layers.BatchNormalization(), layers.Dropout(0.3), layers.Dense(2)
    )
    found = products(model, (X, NUMBERS, None), training=training)
    agrees(found)
    assert found.value() == found.value()
    hidden = np.tanh(
        X @ ops.convert_to_numpy(model.layers[0].kernel) + ops.convert_to_numpy(model.layers[0].bias)
    )
    if training:  # without the dropout, in NumPy
        model.layers[2].rate = 0.0
        found = products(model, (X, NUMBERS, None), training=True)
        mean, variance = hidden.mean(axis=0), hidden.var(axis=0)
    else:
        mean, variance = np.zeros(4), np.ones(4)
    normal = (hidden - mean) / np.sqrt(variance + 1e-3)
    gamma, beta, kernel, bias = (ops.convert_to_numpy(v) for v in model.trainable_variables[2:])
    expected = np.mean(((normal * gamma + beta) @ kernel + bias - NUMBERS) ** 2)
    assert found.value() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("training", [False, True])
def test_nothing_moves(training):
    body = [
        layers.BatchNormalization(),
        layers.Dropout(0.5),
        layers.GRU(2, dropout=0.1),
        layers.Dense(2),
    ]
    model = sequential(*body, shape=(4, WIDTH), metrics=["mae"])
    images = RNG.normal(size=(N, 4, WIDTH))
    model.fit(images, NUMBERS, epochs=1, batch_size=8, verbose=0)
    policy = keras.DTypePolicy("mixed_float16")
    model.layers[-1].dtype_policy = policy

    def state() -> list[Any]:
        held = [*model.variables, *model.metrics_variables, *model.optimizer.variables]
        torch = [] if BACKEND != "torch" else [__import__("torch").get_rng_state().numpy()]
        return [
            *(ops.convert_to_numpy(variable.value) for variable in held),
            *(ops.convert_to_numpy(variable.value) for variable in model._compile_loss.variables),
            np.array(random.getstate()[1]), np.random.get_state()[1],
            ops.convert_to_numpy(keras.src.random.seed_generator.global_seed_generator().state.value),
            *torch,
        ]  # fmt: skip

    def attributes() -> list[Any]:
        kept = [dict(vars(layer)) for layer in model._flatten_layers()]
        return [
            {key: value for key, value in kept_of.items() if key in ("activation", "call", "_dtype_policy", "_losses",
             "_losses_override", "training", "_loss_ids")} for kept_of in kept
        ]  # fmt: skip

    state()  # Keras makes its seed generator at the first question for it
    before, held = state(), attributes()
    found = products(model, (images, NUMBERS, None), training=training, chunk=8)
    v = np.ones(found.size)
    found.value(), found.losses(), found.gradient(), found.hessian_vector(v), found.gauss_newton_vector(v)
    for one, other in zip(before, state(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert attributes() == held
    assert model.layers[-1].dtype_policy is policy


def test_what_layers_add_whether_a_mean_or_a_sum():
    class Adds(layers.Layer):
        def __init__(self, reduce: Callable[[Any], Any]) -> None:
            super().__init__()
            self.reduce = reduce

        def call(self, inputs: Any) -> Any:
            self.add_loss(0.1 * self.reduce(inputs))
            return inputs

    def model_of(reduce: Callable[[Any], Any]) -> Any:
        return sequential(layers.Dense(3, activation="tanh"), Adds(reduce), layers.Dense(2))

    batch = X, NUMBERS, None
    for reduce in (lambda a: ops.mean(a**2), lambda a: ops.sum(a**2)):
        model = model_of(reduce)
        whole, chunks = products(model, batch), products(model, batch, chunk=6)
        agrees(whole)
        agrees(chunks)
        assert chunks.value() == pytest.approx(whole.value(), rel=1e-12)
        assert whole.value() == pytest.approx(model.evaluate(*batch[:2], batch_size=N, verbose=0), rel=1e-6)
        assert whole.losses().mean() < whole.value()
    model = model_of(lambda a: ops.var(a))
    agrees(products(model, batch))
    with pytest.raises(UnsupportedError, match="neither a mean nor a sum"):
        products(model, batch, chunk=6).gradient()


def test_losses_that_are_functions():
    def one_number(true: Any, predicted: Any) -> Any:
        return ops.mean((true - predicted) ** 4)

    def whole_batch(true: Any, predicted: Any) -> Any:
        return ops.sqrt(ops.mean((true - predicted) ** 2))

    body = [layers.Dense(3, activation="tanh"), layers.Dense(2)]
    model = sequential(*body, loss=one_number)
    whole, chunks = (products(model, (X, NUMBERS, None), chunk=chunk) for chunk in (None, 8))
    agrees(chunks)
    np.testing.assert_allclose(chunks.gradient(), whole.gradient(), atol=1e-12)
    with pytest.raises(UnsupportedError, match="a function of the whole batch"):
        whole.losses()
    model.compile("sgd", whole_batch)
    agrees(products(model, (X, NUMBERS, None)))
    with pytest.raises(UnsupportedError, match="neither a mean nor a sum"):
        products(model, (X, NUMBERS, None), chunk=8).value()


def test_a_loss_that_the_model_computes_itself():
    class Own(keras.Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return ops.mean(ops.abs(y - y_pred) ** 3) + ops.mean(x**2) + sum(self.losses)

    inputs = layers.Input((WIDTH,))
    keras.utils.set_random_seed(1)
    model = Own(inputs, layers.Dense(2, kernel_regularizer="l2")(inputs))
    model.compile("sgd")
    whole, chunks = (products(model, (X, NUMBERS, None), chunk=chunk) for chunk in (None, 8))
    kernel, bias = (ops.convert_to_numpy(v) for v in model.trainable_variables)
    expected = np.mean(np.abs(X @ kernel + bias - NUMBERS) ** 3) + np.mean(X**2) + 0.01 * np.sum(kernel**2)
    for found in (whole, chunks):
        assert found.value() == pytest.approx(expected, rel=1e-9)
        h, v = 1e-5, np.cos(np.arange(found.size))
        slope = (found.gradient(found.point + h * v) - found.gradient(found.point - h * v)) / (2 * h)
        np.testing.assert_allclose(found.hessian_vector(v), slope, atol=1e-7)
        with pytest.raises(UnsupportedError, match="no Gauss-Newton matrix"):
            found.gauss_newton_vector(v)


def test_a_mixed_model_is_looked_at_in_the_precision_of_its_weights():
    with precision("float32"):
        body = [layers.Dense(6, activation="tanh", dtype=p) for p in ("mixed_float16", "mixed_bfloat16")]
        mixed = sequential(*body, layers.Dense(CLASSES, activation="softmax", dtype="mixed_float16"),
                           loss="sparse_categorical_crossentropy")  # fmt: skip
        body = [layers.Dense(6, activation="tanh"), layers.Dense(6, activation="tanh")]
        plain = sequential(*body, layers.Dense(CLASSES, activation="softmax"),
                           loss="sparse_categorical_crossentropy")  # fmt: skip
        plain.set_weights(mixed.get_weights())
        twins = [products(model, (X, LABELS, None)) for model in (mixed, plain)]
        v = np.cos(np.arange(twins[0].size))
        for product in ("hessian_vector", "gauss_newton_vector"):
            one, other = (getattr(twin, product)(v) for twin in twins)
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
        assert np.abs(one).max() > 1e-3
        kept = sequential(layers.Dense(2, dtype="bfloat16"))
        with pytest.raises(UnsupportedError, match="kept in bfloat16"):
            products(kept, (X, NUMBERS, None))


def test_it_follows_the_weights_and_counts_its_passes():
    model = network()
    found = products(model, (X, LABELS, None), chunk=N)
    v = np.cos(np.arange(found.size))
    first = found.hessian_vector(v)
    moved = found.point + 0.1 * v
    there = found.hessian_vector(v, moved)
    assert not np.allclose(first, there)
    np.testing.assert_array_equal(found.hessian_vector(v), first)
    cuts = np.split(moved, np.cumsum([w.size for w in model.get_weights()])[:-1])
    model.set_weights([cut.reshape(w.shape) for cut, w in zip(cuts, model.get_weights(), strict=True)])
    np.testing.assert_allclose(found.hessian_vector(v), there, atol=1e-13)
    assert found.made == 4
    found.gradient(rows=[1, 2])
    assert found.made == 5
    found.gradient(rows=np.arange(N - 2))
    assert found.made == 5


def test_a_gradient_and_products_at_one_point_leave_each_other_alone():
    model = network()
    found, v = products(model, (X, LABELS, None)), np.cos(np.arange(sum(w.size for w in model.get_weights())))
    for _ in range(2):
        gradient, bent = found.gradient(), found.hessian_vector(v)
        np.testing.assert_array_equal(found.gradient(), gradient)
        np.testing.assert_array_equal(found.hessian_vector(v), bent)
        fresh = products(model, (X, LABELS, None))
        np.testing.assert_array_equal(fresh.hessian_vector(v), bent)
        np.testing.assert_array_equal(fresh.gradient(), gradient)
        model.set_weights([1.1 * w for w in model.get_weights()])


def test_it_follows_the_running_averages():
    model = sequential(layers.BatchNormalization(), layers.Dense(2))
    found = products(model, (X, NUMBERS, None))
    v = np.cos(np.arange(found.size))
    first = found.hessian_vector(v)
    model.layers[0].moving_variance.assign(2.0 * np.ones(WIDTH))
    assert not np.allclose(found.hessian_vector(v), first)
    np.testing.assert_array_equal(
        found.hessian_vector(v), products(model, (X, NUMBERS, None)).hessian_vector(v)
    )


def test_a_function_without_a_second_derivative():
    class Odd(layers.Layer):
        def call(self, inputs: Any) -> Any:
            return odd(inputs)

    if BACKEND == "jax":
        import jax

        @jax.custom_vjp
        def odd(x):
            return x**3

        def back(x, given):
            shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
            return (jax.pure_callback(lambda x, g: 3 * x**2 * g, shape, x, given),)

        odd.defvjp(lambda x: (x**3, x), back)
    elif BACKEND == "torch":
        import torch

        class Cube(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x**3

            @staticmethod
            @torch.autograd.function.once_differentiable
            def backward(ctx, given):
                return 3 * ctx.saved_tensors[0] ** 2 * given

        odd = Cube.apply
    else:
        import tensorflow as tf

        def odd(x):
            shape = {"filters": tf.zeros((1, 1, 1), x.dtype), "data_format": "NHWC", "padding": "VALID"}
            dilated = tf.nn.dilation2d(x[:, :, None, None], strides=[1] * 4, dilations=[1] * 4, **shape)
            return dilated[:, :, 0, 0]

    model = sequential(layers.Dense(3), Odd(), layers.Dense(2))
    found = products(model, (X, NUMBERS, None))
    h, v = 1e-6, np.cos(np.arange(found.size))
    slope = (found.value(found.point + h * v) - found.value(found.point - h * v)) / (2 * h)
    assert found.gradient() @ v == pytest.approx(slope, rel=1e-6)
    with pytest.raises(UnsupportedError, match="cannot be differentiated twice") as raised:
        found.hessian_vector(v)
    assert "\n" not in str(raised.value)


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "not compiled": (lambda: keras.Sequential([layers.Input((WIDTH,)), layers.Dense(2)]), "without a loss"),
    "not built": (lambda: compiled(keras.Sequential([layers.Dense(2)])), "no weights yet"),
    "nothing to train": (lambda: sequential(layers.Dense(2, trainable=False)), "no trainable weights"),
    "a frame": (lambda: "model", "not a keras.Model"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    make, reason = REFUSED[name]
    with pytest.raises(UnsupportedError, match=reason):
        products(make(), (X, NUMBERS, None))


def test_a_training_step_of_its_own_is_refused():
    class Own(keras.Model):
        def train_step(self, *data):
            return super().train_step(*data)

    inputs = layers.Input((WIDTH,))
    with pytest.raises(UnsupportedError, match="a train_step of its own"):
        products(compiled(Own(inputs, layers.Dense(2)(inputs))), (X, NUMBERS, None))


@pytest.mark.skipif(BACKEND != "torch", reason="a layer of PyTorch")
def test_weights_that_keras_does_not_see_are_refused():
    import torch

    module = keras.layers.TorchModuleWrapper(torch.nn.Linear(WIDTH, 2, dtype=torch.float64))
    with pytest.raises(UnsupportedError, match="does not see its weights"):
        products(sequential(module), (X, NUMBERS, None))


def test_wrong_calls():
    model = network()
    with pytest.raises(UnsupportedError, match="5 and 24 examples"):
        products(model, (X, LABELS[:5], None))
    with pytest.raises(UnsupportedError, match="no targets"):
        products(model, (X, None, None))
    with pytest.raises(UsageError, match="chunk is 0"):
        products(model, (X, LABELS, None), chunk=0)
    found = products(model, (X, LABELS, None))
    with pytest.raises(UsageError, match=r"vector has the shape \(3,\): the model has 39 "):
        found.hessian_vector(np.ones(3))
    with pytest.raises(UsageError, match="rows go from 0 to 24"):
        found.gradient(rows=[0, N])
    with pytest.raises(UsageError, match="one example or more"):
        found.gradient(rows=[])
    with pytest.raises(UnsupportedError, match="cannot be computed on these examples"):
        products(model, (X[:, :2], LABELS, None)).value()


def test_weights_that_are_not_finite_make_products_that_are_not():
    found = products(network(), (X, LABELS, None))
    assert not np.isfinite(found.hessian_vector(np.ones(found.size), np.full(found.size, np.nan))).any()
