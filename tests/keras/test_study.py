"""Several trained models: lines between them, hidden units in another order, restarts; nothing is left behind."""

from typing import Any

import numpy as np
import pytest
from laboratory import X, Y, classifier, keras, layers, ops, same, state

from thalweg import Record
from thalweg.certificate import Status
from thalweg.claims import STUDY_CLAIMS
from thalweg.keras.examine_study import examine_study
from thalweg.keras.landscape import Landscape, point_of
from thalweg.keras.permutation import symmetry
from thalweg.stats.barrier import barrier
from thalweg.stats.matching import Symmetry, match, permuted
from thalweg.study import Study

SAMPLE = (X[:200], Y[:200], None)


def trained(seed: int, *hidden: Any, epochs: int = 3, **compiled: Any) -> Any:
    keras.utils.set_random_seed(seed)
    optimizer = keras.optimizers.Adam(0.01)
    model = classifier(*[layer() for layer in hidden], **{"optimizer": optimizer, **compiled})
    model.fit(X[:200], Y[:200], epochs=epochs, verbose=0)
    return model


def stirred(model: Any) -> Any:
    """Every weight, scale and running average another number: an order that is not carried along would show."""
    rng = np.random.default_rng(1)
    for variable in (*model.trainable_variables, *model.non_trainable_variables):
        if "float" in str(variable.dtype):
            low = 0.5 if "variance" in variable.name or "gamma" in variable.name else -1.0
            variable.assign(rng.uniform(low, 1.5, variable.shape))
    return model


def dense() -> Any:
    return keras.Sequential(
        [
            layers.Input((6,)),
            layers.Dense(8, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.2),
            layers.Dense(5),
            layers.LayerNormalization(),
            layers.Activation("tanh"),
            layers.Dense(3, activation="softmax"),
        ]
    )


def pictures() -> Any:
    return keras.Sequential(
        [
            layers.Input((8, 8, 2)),
            layers.Rescaling(0.5),
            layers.Conv2D(4, 3, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Conv2D(6, 2, activation="relu"),
            layers.Flatten(),
            layers.Dense(7, activation="gelu"),
            layers.Dense(3),
        ]
    )


def residual() -> Any:
    inputs = layers.Input((6, 6, 3))
    hidden = layers.Conv2D(8, 3, padding="same")(inputs)
    hidden = layers.Add()([hidden, layers.Conv2D(8, 3, padding="same", activation="relu")(hidden)])
    hidden = layers.Concatenate()([hidden, layers.Conv2D(4, 1)(hidden)])
    hidden = layers.GlobalAveragePooling2D()(layers.Conv2D(5, 1)(hidden))
    hidden = hidden + layers.Dense(5)(hidden)
    return keras.Model(inputs, layers.Dense(2)(hidden))


def tokens() -> Any:
    inputs = layers.Input((6,), dtype="int32")
    hidden = layers.Flatten()(layers.Conv1D(5, 2)(layers.Embedding(9, 4)(inputs)))
    return keras.Model(inputs, layers.Dense(3)(hidden))


def nested() -> Any:
    inner = keras.Sequential([layers.Input((6,)), layers.Dense(4, activation="relu")])
    inputs = layers.Input((6,))
    hidden = layers.Concatenate()([inner(layers.Normalization()(inputs)), inputs])
    return keras.Model(inputs, layers.Dense(3)(hidden))


@pytest.mark.parametrize(
    ("build", "sizes", "moved"),
    [
        (dense, (8, 5), 11),
        (pictures, (4, 6, 7), 10),
        (residual, (8, 4, 5), 11),
        (tokens, (4, 5), 4),
        (nested, (4,), 3),
    ],
)
def test_reordered_hidden_units_compute_the_same_and_are_found_again(build, sizes, moved):
    model = stirred(build())
    groups = symmetry(model)
    assert isinstance(groups, Symmetry) and groups.sizes == sizes
    rng = np.random.default_rng(2)
    shape = (4, *model.input_shape[1:])
    x = rng.integers(0, 9, shape) if build is tokens else rng.standard_normal(shape).astype("float32")
    point, before = point_of(model), ops.convert_to_numpy(model(x))
    # No unit stays: what is not carried along is another function.
    copy = permuted(point, groups, [np.roll(np.arange(size), 1) for size in sizes])
    assert sum(not np.array_equal(a, b) for a, b in zip(point, copy, strict=True)) == moved
    for variable, value in zip(
        (*model.trainable_variables, *model.non_trainable_variables), copy, strict=True
    ):
        variable.assign(value)
    np.testing.assert_allclose(ops.convert_to_numpy(model(x)), before, rtol=1e-4, atol=1e-5)
    found = match(point, copy, groups)
    assert found.moved == sum(sizes)
    for a, b in zip(permuted(copy, groups, found.orders), point, strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_cannot_be_matched_is_named():
    shared = layers.Dense(6, name="twice")
    inputs = layers.Input((6,))
    halves = layers.Concatenate()([layers.Dense(2)(inputs), layers.Dense(2)(inputs)])

    class Own(layers.Dense):
        pass

    assert "is shared" in symmetry(keras.Model(inputs, layers.Dense(2)(shared(shared(inputs)))))
    unlike = layers.Add(name="sum")([halves, layers.Dense(4)(inputs)])
    assert "sum (Add)" in symmetry(keras.Model(inputs, layers.Dense(2)(unlike)))
    for layer, shape in [
        (layers.LSTM(4, name="memory"), (5, 3)),
        (Own(4, name="own"), (3,)),
        (layers.Dense(4, activation="glu", name="gate"), (3,)),
    ]:
        model = keras.Sequential([layers.Input(shape), layer, layers.Dense(2)])
        assert f"{layer.name} ({type(layer).__name__})" in symmetry(model)
    between = keras.Sequential([layers.Input((4,)), layers.Dense(6), layers.Reshape((2, 3)), layers.Dense(1)])
    assert "(Reshape)" in symmetry(between)


def test_losses_are_what_keras_says_they_are():
    """With a penalty, sample weights and two outputs."""
    inputs = layers.Input((6,))
    hidden = layers.Dense(5, activation="tanh", kernel_regularizer="l2")(inputs)
    model = keras.Model(inputs, [layers.Dense(3)(hidden), layers.Dense(1)(hidden)])
    model.compile("sgd", ["mse", "mae"], loss_weights=[1.0, 0.5])
    rng = np.random.default_rng(3)
    targets = [rng.standard_normal((40, 3)).astype("float32"), rng.standard_normal((40, 1)).astype("float32")]
    found = Landscape(model, (X[:40], targets, None)).losses(point_of(model))
    assert len(found) == 20
    expected = model.evaluate(X[:40], targets, batch_size=40, verbose=0)[0]
    assert found.mean() == pytest.approx(expected, rel=1e-5)
    first = model.evaluate(X[:2], [target[:2] for target in targets], verbose=0)[0]
    assert found[0] == pytest.approx(first, rel=1e-5)


def test_running_averages_are_measured_anew():
    """Against the batch means and variances of the examples, by hand."""
    model = classifier(layers.Dense(5), layers.BatchNormalization())
    landscape = Landscape(model, SAMPLE)
    point = point_of(model)
    spoiled = [
        a + 20.0 if v.name == "moving_mean" else a for a, v in zip(point, landscape._variables, strict=True)
    ]
    assert landscape.losses(spoiled).mean() > 2.0 * landscape.losses(point).mean()
    np.testing.assert_allclose(
        landscape.losses(spoiled, anew=True), landscape.losses(point, anew=True), rtol=1e-4
    )
    anew = landscape._with_averages(spoiled)
    activations = X[:200].astype("float64") @ point[0] + point[1]
    for variable, value in zip(landscape._variables, anew, strict=True):
        if variable.name == "moving_mean":
            np.testing.assert_allclose(value, activations.mean(axis=0), rtol=1e-3, atol=1e-5)
        if variable.name == "moving_variance":
            np.testing.assert_allclose(value, activations.var(axis=0), rtol=1e-3)


def test_a_study_is_measured_and_nothing_is_left_behind():
    hidden = (
        lambda: layers.Dense(12, activation="relu"),
        layers.BatchNormalization,
        lambda: layers.Dropout(0.1),
    )
    models = [trained(seed, *hidden, epochs=20) for seed in range(2)]
    before = [state(model) for model in models]
    asked: dict[str, Any] = {"total": 200, "steps": 12}
    found = examine_study(models, SAMPLE, (X[200:], Y[200:], None), **asked)
    again = examine_study(models, SAMPLE, (X[200:], Y[200:], None), **asked)
    for model, values in zip(models, before, strict=True):
        same(state(model), values)
    assert not found.missing and found.whole and found.evaluations == 2 + 22 + 26 + 44
    for k, model in enumerate(models):
        assert found.losses.training[k].mean() == pytest.approx(
            model.evaluate(X[:200], Y[:200], batch_size=200, verbose=0), rel=1e-4
        )
        assert found.losses.validation[k].mean() == pytest.approx(
            model.evaluate(X[200:], Y[200:], batch_size=100, verbose=0), rel=1e-4
        )
    assert [(line.first, line.second) for line in found.lines] == [(0, 1)]
    for line in found.lines:
        assert line.matched_distance < line.distance
    assert found.restarts.run == found.basin.run == int(np.argmin(found.losses.training.mean(axis=1)))
    assert (found.restarts.lifted > found.restarts.start.mean()).all()
    assert (found.restarts.ends.mean(axis=1) < found.restarts.lifted).all()
    assert (found.basin.rises[:, -1] > found.basin.rises[:, 0]).all()
    for part in ("losses", "basin", "restarts"):
        mine, other = getattr(found, part), getattr(again, part)
        for name in mine.__slots__:
            np.testing.assert_array_equal(getattr(mine, name), getattr(other, name))
    np.testing.assert_array_equal(found.lines[0].matched, again.lines[0].matched)
    record = Record({"constant_prediction_loss": 1.1}, {})
    for question in STUDY_CLAIMS:
        assert question.ask(Study(("a", "b"), (record,) * 2), found).evidence


def test_a_permuted_copy_lies_in_the_same_valley_once_matched():
    model = trained(0, lambda: layers.Dense(12, activation="relu"), layers.BatchNormalization, epochs=20)
    copy = classifier(layers.Dense(12, activation="relu"), layers.BatchNormalization(), optimizer="adam")
    groups = symmetry(model)
    assert isinstance(groups, Symmetry)
    order = np.random.default_rng(4).permutation(12)
    for variable, value in zip(
        (*copy.trainable_variables, *copy.non_trainable_variables),
        permuted(point_of(model), groups, [order]),
        strict=True,
    ):
        variable.assign(value)
    found = examine_study([model, copy], SAMPLE, total=200, steps=2)
    (line,) = found.lines
    assert line.matched_distance == 0.0 and line.moved == int(np.sum(order != np.arange(12)))
    assert abs(barrier(line.positions, line.matched).height) < 1e-5
    assert barrier(line.positions, line.losses).lower > 0.1
    record = Record({"constant_prediction_loss": 1.1}, {})
    claim = STUDY_CLAIMS[1].ask(Study(("a", "b"), (record,) * 2), found)
    assert claim.status is Status.ESTABLISHED
    assert claim.evidence["valley"].value == "the same by permutation"


def test_what_the_budget_leaves_open_and_what_cannot_be_measured_is_said(monkeypatch):
    models = [classifier(layers.Dense(4), optimizer="adam") for _ in range(3)]
    found = examine_study(models, SAMPLE, evaluations=30, steps=2)
    assert found.losses is not None and len(found.lines) == 1 and found.restarts is None
    assert "44 passes" in found.missing["restarts"] and found.evaluations <= 30
    assert examine_study(models[:1], (X[:199], Y[:199], None), total=199, evaluations=1).whole
    wider = classifier(layers.Dense(5))
    assert "shapes" in examine_study([models[0], wider], SAMPLE).missing["model"]
    bare = keras.Sequential([layers.Input((6,)), layers.Dense(3)])
    assert "no compiled loss" in examine_study([bare], SAMPLE).missing["model"]
    monkeypatch.delenv("THALWEG_RAISE")
    failed = examine_study(models, (X[:200, :5], Y[:200], None))
    assert failed.losses is None and "it failed" in failed.missing["losses"] + failed.missing.get("model", "")


def test_a_linear_model_has_no_barrier_and_no_hidden_units():
    models = []
    for seed in range(2):
        keras.utils.set_random_seed(seed)
        model = keras.Sequential([layers.Input((6,)), layers.Dense(3, activation="softmax")])
        model.compile("adam", "sparse_categorical_crossentropy")
        models.append(model)
    found = examine_study(models, SAMPLE, steps=2)
    assert "no hidden units" in found.missing["matching"]
    (line,) = found.lines
    assert line.matched is None and -1.0 < barrier(line.positions, line.losses).height <= 1e-6
