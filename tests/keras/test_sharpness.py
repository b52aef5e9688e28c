"""The tracked curvature against the whole Hessian in NumPy, and what ends the tracking but never the training."""

import numpy as np
import pytest
import scipy.linalg
from custom import Model
from laboratory import BACKEND, X, Z, keras, layers, reasons, same, state

from thalweg import UsageError, Watch
from thalweg.keras import sharpness
from thalweg.keras.sharpness import Sharpness

CLASSES = (Z > 0.0).astype("float32")
WEIGHTS = {0: 1.0, 1: 3.0}


def network(*between, optimizer="sgd"):
    keras.utils.set_random_seed(3)
    hidden = layers.Dense(3, use_bias=not between)
    model = keras.Sequential(
        [keras.Input((6,)), hidden, *between, layers.Activation("tanh"), layers.Dense(1)]
    )
    model.compile(optimizer=optimizer, loss="mse")
    return model


def loss(flat, examples, normalised):
    """Of `network` in training mode, for weights that are flat in its order; `examples` carry weights."""
    x, y, weights = examples
    kernel, *between = np.split(flat[:-4], [18])
    z = x @ kernel.reshape(6, 3)
    if normalised:
        gamma, beta = between[0].reshape(2, 3)
        z = gamma * (z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + 1e-3) + beta
    else:
        z = z + between[0]
    output = np.tanh(z) @ flat[-4:-1] + flat[-1]
    return np.mean(weights * (output - y) ** 2)


def hessian(flat, examples, normalised):
    """By second differences, in double precision."""
    h, units = 1e-3, 1e-3 * np.eye(len(flat))

    def at(move):
        return loss(flat + move, examples, normalised)

    matrix = np.zeros((len(flat), len(flat)))
    for i, a in enumerate(units):
        for j, b in enumerate(units[: i + 1]):
            matrix[i, j] = matrix[j, i] = (at(a + b) - at(a - b) - at(b - a) + at(-a - b)) / (4.0 * h * h)
    return matrix


def flat_of(variables):
    return np.concatenate([keras.ops.convert_to_numpy(v.value).astype(float).ravel() for v in variables])


class Truth(keras.callbacks.Callback):
    """Weights, and what Adam divides by, at step 0 and at the ends of epochs."""

    def __init__(self):
        super().__init__()
        self.points, self.diagonals = [], []

    def on_train_begin(self, logs=None):
        self.points.append(flat_of(self.model.trainable_variables))

    def on_epoch_end(self, epoch, logs=None):
        optimizer = self.model.optimizer
        self.points.append(flat_of(self.model.trainable_variables))
        if isinstance(optimizer, keras.optimizers.Adam):
            made = int(keras.ops.convert_to_numpy(optimizer.iterations))
            root = np.sqrt(flat_of(optimizer._velocities)) + optimizer.epsilon
            self.diagonals.append((1.0 - 0.9**made) * root / np.sqrt(1.0 - 0.999**made))


def tracked(folder, model, *data, budget=None, **asked):
    truth, watch = Truth(), Watch(folder, budget=budget, curvature=True, keep=False, quiet=True)
    data = data or (X[:200], CLASSES[:200])
    model.fit(*data, **{"epochs": 3, "verbose": 0, "batch_size": 50, "callbacks": [truth, watch], **asked})
    return watch.record(), truth


@pytest.mark.parametrize("case", ["plain", "class weights", "normalised"])
def test_equals_the_largest_eigenvalue_of_the_hessian(tmp_path, case):
    normalised, weighted = case == "normalised", case == "class weights"
    between = [layers.BatchNormalization()] if normalised else []
    model = network(*between, optimizer=keras.optimizers.SGD(0.1, momentum=0.9))
    record, truth = tracked(tmp_path / "run", model, class_weight=WEIGHTS if weighted else None)
    found, residual, limit = (record.series[f"sharpness{end}"] for end in ("", "_residual", "_limit"))
    assert found.unit == limit.unit == "loss/parameter^2"
    assert found.steps.tolist() == limit.steps.tolist() == residual.steps.tolist() == [0, 4, 8, 12]
    assert limit.values == pytest.approx(38.0)
    y = CLASSES[:200, 0]
    examples = X[:200].astype(float), y, np.where(y == 1.0, 3.0, 1.0) if weighted else np.ones(200)
    for value, width, point in zip(found.values, residual.values, truth.points, strict=True):
        eigenvalues = np.linalg.eigvalsh(hessian(point, examples, normalised))
        assert value == pytest.approx(eigenvalues[-1], rel=2e-3)
        assert np.abs(eigenvalues - value).min() <= width <= 0.02 * value


def test_of_adam_it_is_preconditioned(tmp_path):
    model = network(optimizer=keras.optimizers.Adam(0.01))
    record, truth = tracked(tmp_path / "run", model)
    found = record.series["sharpness"]
    assert found.unit == record.series["sharpness_limit"].unit == "1"
    assert found.steps.tolist() == [4, 8, 12]  # it has no state before it has made a step
    assert record.series["sharpness_limit"].values == pytest.approx(3800.0)
    examples = X[:200].astype(float), CLASSES[:200, 0], np.ones(200)
    for value, point, diagonal in zip(found.values, truth.points[1:], truth.diagonals, strict=True):
        matrix = hessian(point, examples, False)
        true = scipy.linalg.eigh(matrix, np.diag(diagonal), eigvals_only=True)[-1]
        assert value == pytest.approx(true, rel=2e-3)


def test_of_a_pipeline_the_first_weights_are_seen_where_the_model_holds_them(tmp_path):
    def batches():
        while True:
            yield X[:256], CLASSES[:256]

    record, truth = tracked(tmp_path / "run", network(), batches(), steps_per_epoch=2, batch_size=None)
    steps = record.series["sharpness"].steps.tolist()
    assert steps == ([2, 4, 6] if BACKEND == "jax" else [0, 2, 4, 6])
    examples = X[:256].astype(float), CLASSES[:256, 0], np.ones(256)
    true = np.linalg.eigvalsh(hessian(truth.points[-1], examples, False))[-1]
    assert record.series["sharpness"].values[-1] == pytest.approx(true, rel=2e-3)


@pytest.mark.parametrize(("optimizer", "looks"), [("sgd", [0, 4]), ("adam", [4, 8])])
def test_a_budget_that_is_used_up_leaves_the_first_two_looks(tmp_path, optimizer, looks):
    record, _ = tracked(tmp_path / "run", network(optimizer=optimizer), budget=1e-9, epochs=5)
    assert record.series["sharpness"].steps.tolist() == looks
    assert not any("curvature" in reason for reason in reasons(record, "unwatched"))


def test_nothing_is_tracked_unless_wanted(tmp_path):
    watch = Watch(tmp_path / "run", budget=None, quiet=True)
    network().fit(X, CLASSES, verbose=0, callbacks=[watch])
    assert not any("sharpness" in name for name in watch.record().series)
    with pytest.raises(UsageError, match="no time for the curvature"):
        Watch(tmp_path / "other", budget=0, curvature=True)


def test_weights_that_are_not_finite_have_a_curvature_that_is_not(tmp_path):
    record, _ = tracked(tmp_path / "run", network(optimizer=keras.optimizers.SGD(1e30)), epochs=2)
    assert np.isfinite(record.series["sharpness"].values).tolist() == [True, False, False]
    assert len(record.series["loss"]) == 8


if BACKEND == "tensorflow":
    import tensorflow

    def once(x):
        kernel = tensorflow.zeros((1, 1, 1), x.dtype)
        dilated = tensorflow.nn.dilation2d(x[:, :, None, None], kernel, [1] * 4, "VALID", "NHWC", [1] * 4)
        return dilated[:, :, 0, 0]

elif BACKEND == "jax":
    import jax

    @jax.custom_vjp
    def once(x):
        return x**3

    def _slope(x, upstream):
        shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
        return (jax.pure_callback(lambda x, upstream: 3 * x**2 * upstream, shape, x, upstream),)

    once.defvjp(lambda x: (x**3, x), _slope)
else:
    import torch

    class _Cube(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            context.save_for_backward(x)
            return x**3

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(context, upstream):
            return 3 * context.saved_tensors[0] ** 2 * upstream

    once = _Cube.apply


class Once(layers.Layer):
    """What has one derivative and no second."""

    def call(self, inputs):
        return once(inputs)


def foreign():
    keras.utils.set_random_seed(3)
    inputs = keras.Input((6,))
    model = Model(inputs, layers.Dense(1)(inputs))
    model.compile(optimizer="sgd")
    return model


UNSUPPORTED = {
    "Model trains by a train_step of its own": foreign,
    "no stability limit is known for the optimizer Lion": lambda: network(optimizer="lion"),
    "the learning rate is a function": lambda: network(optimizer=keras.optimizers.SGD(lambda: 0.01)),
    "more than a gigabyte": network,
    "The loss cannot be differentiated twice": lambda: network(Once()),
}


@pytest.mark.parametrize("words", UNSUPPORTED)
def test_what_cannot_be_tracked_is_said_once_and_the_training_goes_on(tmp_path, monkeypatch, words):
    if "gigabyte" in words:
        monkeypatch.setattr(sharpness, "_BYTES", 7 * 8 * 24)
    build = UNSUPPORTED[words]
    bare, watched = build(), build()
    tries = []
    look = Sharpness.look
    monkeypatch.setattr(Sharpness, "look", lambda *given: tries.append(0) or look(*given))
    keras.utils.set_random_seed(5)
    bare.fit(X[:200], CLASSES[:200], batch_size=50, epochs=3, verbose=0)
    keras.utils.set_random_seed(5)
    record, _ = tracked(tmp_path / "run", watched)
    said = [reason for reason in reasons(record, "unwatched") if "curvature is not tracked" in reason]
    assert len(said) == 1 and words in said[0], reasons(record, "unwatched")
    assert len(tries) <= 2 and "sharpness" not in record.series
    assert len(record.series["loss"]) == 12
    same(state(bare), state(watched))


def test_a_bug_of_ours_ends_the_tracking_alone(tmp_path, monkeypatch):
    monkeypatch.delenv("THALWEG_RAISE")
    monkeypatch.setattr(sharpness, "extremes", lambda *_, **__: 1 / 0)
    record, _ = tracked(tmp_path / "run", network())
    (said,) = reasons(record, "unwatched")
    assert "ZeroDivisionError" in said and "a bug of Thalweg's" in said
    assert len(record.series["loss"]) == 12


def test_what_is_frozen_meanwhile_is_left_out_and_nothing_large_is_held():
    model, looks = network(), Sharpness(None)
    batch = X[:200], CLASSES[:200], None
    examples = X[:200].astype(float), CLASSES[:200, 0], np.ones(200)
    whole = hessian(flat_of(model.trainable_variables), examples, False)
    assert looks.look(model, batch, 50)[0][2] == pytest.approx(np.linalg.eigvalsh(whole)[-1], rel=2e-3)
    assert looks._products._alone is None
    model.layers[0].trainable = False
    part = np.linalg.eigvalsh(whole[-4:, -4:])[-1]
    assert looks.look(model, batch, 50)[0][2] == pytest.approx(part, rel=2e-3)
