"""Eigenvalue, limit and batch sharpness of the objective that a training step has, against NumPy and the training."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from laboratory import keras, layers, ops

import thalweg
from thalweg import Watch
from thalweg.keras.autodiff import products
from thalweg.keras.examine import examine
from thalweg.keras.kept import Subject
from thalweg.record import Record

pytestmark = pytest.mark.seam

RNG = np.random.default_rng(4)
N, D, B = 60, 3, 12
X = RNG.normal(size=(N, D)).astype("float32")
Y = (X @ RNG.normal(size=(D, 1)) + RNG.normal(size=(N, 1))).astype("float32")
W = RNG.uniform(0.5, 2.0, N).astype("float32")
XX = X.astype(float).T @ X
XWX = (X * W[:, None]).astype(float).T @ X
EYE = np.eye(D)
L2 = keras.regularizers.L2
MEAN, SUM = keras.losses.MeanSquaredError, lambda: keras.losses.MeanSquaredError(reduction="sum")


class Adds(layers.Layer):
    """Adds a term that is a sum over the batch, or one that is neither a sum nor a mean."""

    def __init__(self, reduced: Any) -> None:
        super().__init__()
        self.reduced = reduced

    def call(self, inputs):
        self.add_loss(self.reduced(inputs))
        return inputs


@dataclass
class Case:
    """A model of one matrix, and the Hessian of what a step of B examples minimises, in the mean."""

    hessian: Any
    loss: Any = MEAN
    weights: Any = None
    body: Any = ()
    dense: dict[str, Any] = field(default_factory=dict)
    compiled: dict[str, Any] = field(default_factory=dict)

    def model(self, rate: float = 0.01, **asked: Any) -> Any:
        keras.utils.set_random_seed(1)
        inputs = keras.Input((D,))
        outputs = layers.Dense(1, use_bias=False, **self.dense)(inputs)
        for layer in self.body:
            outputs = layer()(outputs)
        model = keras.Model(inputs, outputs)
        model.compile(keras.optimizers.SGD(rate, **asked), self.loss(), **self.compiled)
        return model

    def examined(self, batch_size: int | None = B, total: int = N, products: int = 200, **asked: Any) -> Any:
        record = Record.of([], {"fit": {"batch_size": batch_size}} if batch_size else {})
        model = self.model(**asked)
        model.optimizer.build(model.trainable_variables)
        return examine(Subject(model, (X, Y, self.weights), total=total), record, products=products)


CASES = {
    "mean": Case(2.0 * XX / N),
    "sum": Case(2.0 * XX * B / N, SUM),
    "sample weights": Case(2.0 * XWX / N, weights=W),
    "sum with sample weights": Case(2.0 * XWX * B / N, SUM, W),
    "a penalty counts once a step": Case(
        2.0 * XX * B / N + 0.6 * EYE, SUM, dense={"kernel_regularizer": L2(0.3)}
    ),
    "a mean with a penalty": Case(2.0 * XX / N + 0.6 * EYE, dense={"kernel_regularizer": L2(0.3)}),
    "an activity regularizer": Case(2.0 * XX / N + 0.4 * XX / N, dense={"activity_regularizer": L2(0.2)}),
    "a loss weight": Case(6.0 * XX / N, compiled={"loss_weights": [3.0]}),
    "what a layer adds up": Case(
        2.0 * XX / N + 0.4 * XX * B / N, body=(lambda: Adds(lambda z: 0.2 * ops.sum(z**2)),)
    ),
    "what a layer adds, a mean": Case(
        2.0 * XX / N + 0.4 * XX / N, body=(lambda: Adds(lambda z: 0.2 * ops.mean(z**2)),)
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_hessian_is_that_of_a_step(name):
    case = CASES[name]
    found = case.examined()
    assert "step_limit" not in found.missing
    ends = np.linalg.eigvalsh(case.hessian)
    assert found.step_limit.sharpness.value == pytest.approx(ends[-1], rel=1e-4)
    assert found.curvature.smallest.value == pytest.approx(ends[0], rel=1e-3)
    assert found.step_limit.limit == pytest.approx(200.0)
    assert found.gradients is not None and found.gradients.whole == pytest.approx(
        float(np.sum(products(case.model(), (X, Y, case.weights), step=B).gradient() ** 2)), rel=1e-3
    )


@pytest.mark.parametrize("name", ["sum", "a penalty counts once a step", "what a layer adds up"])
def test_a_batch_is_a_batch_of_the_training(name):
    """On the rows of a batch nothing is scaled; on chunks, and on other counts, it is."""
    case = CASES[name]
    model, rows = case.model(), np.arange(5, 5 + B)
    step = products(model, (X, Y, None), step=B)
    alone = products(model, (X[rows], Y[rows], None))
    assert step.gradient(rows=rows) == pytest.approx(alone.gradient(), rel=1e-5)
    chunks = products(model, (X, Y, None), step=B, chunk=7)
    v = np.array([1.0, -2.0, 0.5])
    assert step.doubt is chunks.doubt is None
    for found in (step, chunks):
        assert found.hessian_vector(v) == pytest.approx(case.hessian @ v, rel=1e-4)
        batches = [found.gradient(rows=rows) for rows in np.arange(N).reshape(-1, B)]
        assert found.gradient() == pytest.approx(np.mean(batches, axis=0), rel=1e-4)
    assert products(model, (X, Y, None)).doubt is not None


@pytest.mark.parametrize("total", [N, 4 * N])
def test_batch_sharpness_equals_numpy(total):
    case = CASES["sum"]
    found = case.examined(total=total)
    measured = found.batch_sharpness
    assert (
        measured.batch_size == B and len(measured.curvatures) == 95
    )  # 38 passes over 60, 12 at a time, twice
    kernel = np.asarray(ops.convert_to_numpy(case.model().layers[1].kernel), float)
    random = np.random.default_rng(found.seed)
    for curvature, square in zip(measured.curvatures[:10], measured.squares, strict=False):
        rows = np.sort(random.choice(N, B, replace=False))
        x, y = X[rows].astype(float), Y[rows]
        gradient = 2.0 * x.T @ (x @ kernel - y)
        assert square == pytest.approx(float(np.sum(gradient**2)), rel=1e-4)
        along = float(np.sum((x @ gradient) ** 2))
        assert curvature == pytest.approx(2.0 * along / float(np.sum(gradient**2)), rel=1e-4)


def test_gradients_that_are_accumulated_are_those_of_a_larger_batch():
    found = CASES["sum"].examined(gradient_accumulation_steps=2)
    assert found.batch_sharpness.batch_size == 2 * B
    assert found.step_limit.sharpness.value == pytest.approx(
        np.linalg.eigvalsh(CASES["sum"].hessian)[-1], rel=1e-4
    )
    mean, whole = found.batch_sharpness.curvatures.mean(), found.step_limit.sharpness.value
    assert 0.5 * whole < mean < 1.2 * whole  # twice that were the sum over both batches
    assert CASES["sum"].examined(gradient_accumulation_steps=5).batch_sharpness is None


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"batch_size": None}, "the batch size of the training is not known"),
        ({"batch_size": 100, "total": 600}, "of 60 examples no batches of 100 can be drawn"),
        ({"products": 12}, "20 batches of 12 take more products than were allowed"),
        ({"batch_size": N}, None),
    ],
)
def test_why_no_batches_were_looked_at(asked, reason):
    found = CASES["mean"].examined(**asked)
    assert found.batch_sharpness is None and found.step_limit is not None
    assert found.missing.get("batch_sharpness") == reason
    assert found.products <= found.asked


def test_a_whole_training_set_of_which_a_part_was_kept():
    """A step of 240 met four times the sum over the 60 that are left."""
    found = CASES["sum"].examined(batch_size=1000, total=4 * N)
    assert found.step_limit.sharpness.value == pytest.approx(np.linalg.eigvalsh(8.0 * XX)[-1], rel=1e-4)


def test_what_cannot_be_told_leaves_the_limit_open():
    found = CASES["sum"].examined(batch_size=None)
    assert found.step_limit is None and "how many these were is not known" in found.missing["step_limit"]
    odd = Case(None, body=(lambda: Adds(lambda z: ops.sum(z**2) ** 0.5),))
    found = odd.examined()
    assert found.step_limit is None and found.curvature is not None
    assert "neither a mean nor a sum" in found.missing["step_limit"]
    assert odd.examined(batch_size=N).step_limit is not None


@pytest.mark.parametrize("factor", [0.9, 1.1])
@pytest.mark.parametrize("name", ["sum", "a penalty counts once a step", "sample weights"])
def test_the_training_itself_is_stable_below_the_limit_and_not_above(tmp_path, name, factor):
    """Whole-batch gradient descent, watched and certified as a user does it."""
    case = CASES[name]
    scale = N if case.loss is SUM else 1.0
    hessian = 2.0 * (XX if case.weights is None else XWX) / N * scale
    hessian = hessian + (0.6 * EYE if case.dense else 0.0)
    rate = factor * 2.0 / np.linalg.eigvalsh(hessian)[-1]
    model = case.model(rate=rate)
    watch = Watch(tmp_path / "run", budget=None, curvature=True, quiet=True)
    model.fit(X, Y, sample_weight=case.weights, batch_size=N, epochs=60, verbose=0, callbacks=[watch])
    record = watch.record()
    loss = record.series["loss"].values
    assert (loss[-1] > 2.0 * loss[40]) == (factor > 1.0)
    (claim,) = (c for c in thalweg.certify(tmp_path / "run").claims if c.name == "step-size-stable")
    assert claim.evidence["ratio"].value == pytest.approx(factor, rel=1e-3)
    tracked = record.series["sharpness"].values / record.series["sharpness_limit"].values
    assert tracked[-1] == pytest.approx(factor, rel=2e-3)


def test_what_is_tracked_is_looked_at_in_the_mode_that_is_certified(tmp_path):
    """Dropout and batch normalisation, whose modes differ; all examples are in the probe batch."""
    keras.utils.set_random_seed(2)
    for between in ([layers.Dropout(0.5)], [layers.BatchNormalization()]):
        body = [layers.Dense(4, "tanh"), *between, layers.Dense(1)]
        model = keras.Sequential([keras.Input((D,)), *body])
        model.compile(keras.optimizers.SGD(1e-3), SUM())
        folder = tmp_path / type(between[0]).__name__
        watch = Watch(folder, budget=None, curvature=True, quiet=True)
        model.fit(X, Y, batch_size=N, epochs=3, verbose=0, callbacks=[watch])
        certificate = thalweg.certify(folder)
        (claim,) = (c for c in certificate.claims if c.name == "step-size-stable")
        tracked = watch.record().series["sharpness"].values[-1]
        assert claim.evidence["sharpness"].value == pytest.approx(tracked, rel=2e-3)
        mode = "without dropout, in inference mode" if "Dropout" in folder.name else "as in training"
        assert mode in claim.scope
