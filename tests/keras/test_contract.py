"""What the loss makes of outputs and targets, on real models; and that looking leaves no trace."""

from typing import Any

import numpy as np
import pytest
from laboratory import BACKEND, X, Y, Z, attributes, classifier, keras, layers, ops, same, state

from thalweg.keras.contract import contract_facts, loss_facts
from thalweg.keras.probe_batch import ProbeBatch

losses = keras.losses


class Squared(losses.Loss):
    """Brings no shapes together."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return ops.square(y_true - y_pred)


class Contrast(losses.Loss):
    """Compares examples on purpose, whatever the shape of the targets."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        left, right = ops.reshape(y_true, (-1,)), ops.reshape(y_pred, (-1,))
        return ops.mean(ops.abs(left[:, None] - left[None, :] - right[:, None] + right[None, :]))


def one_sided(y_true: Any, y_pred: Any) -> Any:
    """A squared error that flattens the answers and leaves the targets a column, or the other way round."""
    flat = ops.reshape(y_pred, (-1,)) if len(y_true.shape) == 2 else ops.reshape(y_pred, (-1, 1))
    return ops.mean(ops.square(y_true - flat))


def both_sides(y_true: Any, y_pred: Any) -> Any:
    return ops.mean(ops.square(ops.reshape(y_true, (-1,)) - ops.reshape(y_pred, (-1,))))


def regressor(loss: Any, *hidden: Any) -> Any:
    model = keras.Sequential([layers.Input((6,)), *hidden, layers.Dense(1)])
    model.compile("sgd", loss)
    return model


def contract(model: Any, targets: Any) -> dict[str, Any]:
    return contract_facts(model, (X, targets, None))


def test_a_classifier() -> None:
    facts = contract(classifier(), Y)
    assert facts["example_axis"] == {"outputs": [3], "targets": []}
    assert facts["row_sum_minimum"] == pytest.approx(1.0, abs=1e-5) == facts["row_sum_maximum"]
    assert 0.0 <= facts["output_minimum"] < facts["output_maximum"] <= 1.0
    assert facts["pair_gap"] < 1e-5 and facts["double_ratio"] == pytest.approx(1.0)
    assert facts["reported_loss"] == pytest.approx(facts["recomputed_loss"], rel=1e-4)
    shares = np.bincount(Y[:256]) / 256
    assert facts["constant_prediction_loss"] == pytest.approx(-np.sum(shares * np.log(shares)))
    assert "aligned_gap" not in facts


def test_the_loss_of_the_answers() -> None:
    """A softmax over one unit: TensorFlow reports the loss of the number before it."""
    model = keras.Sequential([layers.Input((6,)), layers.Dense(1, activation="softmax")])
    model.compile("sgd", "binary_crossentropy")
    target = (X[:, 0] > 0).astype("float32")
    facts = contract(model, target)
    recomputed = float(np.mean(1.0 - target[:256])) * -np.log(keras.config.epsilon())
    assert facts["recomputed_loss"] == pytest.approx(recomputed, rel=0.02)
    hidden = facts["reported_loss"] == pytest.approx(facts["recomputed_loss"], rel=0.01)
    assert hidden is (BACKEND != "tensorflow")


def test_shapes_that_broadcast() -> None:
    flat = Z[:, 0]
    facts = contract(regressor(Squared()), flat)
    assert facts["pair_gap"] > 0.3 and facts["aligned_gap"] > 0.3
    assert contract(regressor(Squared()), Z)["pair_gap"] < 1e-5
    raw = contract(regressor(Squared()), 500.0 + 3.0 * flat)
    assert raw["pair_gap"] > 0.3 and raw["aligned_gap"] > 0.3
    keras_own = contract(regressor("mse"), flat)
    assert keras_own["pair_gap"] < 1e-5 and keras_own["aligned_gap"] < 1e-5
    compares = contract(regressor(Contrast()), flat)
    assert compares["pair_gap"] > 0.01 and compares["aligned_gap"] < 1e-5


@pytest.mark.parametrize("targets", [Z, Z[:, 0]], ids=["column", "flat"])
def test_perfect_answers(targets: np.ndarray) -> None:
    """What a loss says that reshapes one side only, to whatever shape Keras brings the targets before."""
    facts = contract(regressor(one_sided), targets)
    assert facts["perfect_gap"] > 0.1 and facts["pair_gap"] > 0.01
    for fine in ("mse", both_sides, Contrast(), losses.Huber()):
        assert abs(contract(regressor(fine), targets)["perfect_gap"]) < 1e-3, fine
    wide = keras.Sequential([layers.Input((6,)), layers.Dense(2)])
    wide.compile("sgd", "mse")
    assert abs(contract(wide, np.concatenate([Z, -Z], axis=1))["perfect_gap"]) < 1e-3
    assert "perfect_gap" not in contract(classifier(), Y)


def test_perfect_answers_to_a_loss_that_is_least_elsewhere() -> None:
    """The loss that perfect answers have alone is taken off."""
    far = contract(regressor(lambda y, p: ops.square(y - p) + 40.0), Z)
    assert abs(far["perfect_gap"]) < 1e-3


def test_sums() -> None:
    assert contract(regressor(losses.MeanSquaredError(reduction="sum")), Z)["double_ratio"] == pytest.approx(
        2.0
    )
    summed = contract(regressor(lambda y, p: ops.sum(ops.abs(y - p))), Z)
    assert summed["double_ratio"] == pytest.approx(2.0) and summed["pair_gap"] < 1e-5
    assert "constant_prediction_loss" not in contract(regressor(losses.MeanSquaredError(reduction="sum")), Z)


def test_a_loss_that_cannot_be_called() -> None:
    def broken(y_true: Any, y_pred: Any) -> Any:
        raise RuntimeError

    facts = contract(regressor(broken), Z)
    assert "reported_loss" not in facts and "pair_gap" not in facts
    assert facts["output_minimum"] < facts["output_maximum"]


def test_names_of_losses() -> None:
    (told,) = loss_facts(
        classifier(loss=losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=2))
    )
    assert (
        told["name"] == "sparse_categorical_crossentropy" and told["class"] == "SparseCategoricalCrossentropy"
    )
    assert told["from_logits"] is True and told["ignore_class"] == 2 and told["own"] is False
    (named,) = loss_facts(classifier())
    assert named["from_logits"] is False and named["class"] == told["class"]
    (function,) = loss_facts(regressor(losses.mean_squared_error))
    assert function["name"] == "mean_squared_error" and function["own"] is False
    (short,) = loss_facts(regressor("mse"))
    assert short["class"] == "MeanSquaredError" and short["from_logits"] is None
    (smooth,) = loss_facts(regressor(losses.BinaryCrossentropy(label_smoothing=0.1, reduction="sum")))
    assert smooth["label_smoothing"] == 0.1 and smooth["reduction"] == "sum"
    (own,) = loss_facts(regressor(Squared()))
    assert own["own"] is True and own["class"] == "Squared" and own["from_logits"] is None
    (anonymous,) = loss_facts(regressor(lambda y, p: ops.abs(y - p)))
    assert anonymous["own"] is True


def weighted(weights: Any, outputs: int = 1) -> Any:
    entry = layers.Input((6,))
    model = keras.Model(entry, [layers.Dense(1, name=f"out{i}")(entry) for i in range(outputs)])
    model.compile("sgd", ["mse"] * outputs, loss_weights=weights)
    return model


def test_the_weight_of_a_single_loss() -> None:
    (told,) = loss_facts(weighted([1e-3]))
    assert told["weighted"] is True and told["weight"] == 1e-3
    assert "weight" not in loss_facts(weighted(None))[0]
    assert not any("weight" in told for told in loss_facts(weighted([1e-3, 2.0], outputs=2)))
    facts = contract(weighted([1e-3]), Z)
    assert facts["constant_prediction_loss"] == pytest.approx(1e-3 * float(np.var(Z[:256])))
    assert facts["reported_loss"] == pytest.approx(facts["recomputed_loss"], rel=1e-4)


def test_several_outputs() -> None:
    entry = layers.Input((6,))
    model = keras.Model(entry, {"a": layers.Dense(1, name="a")(entry), "b": layers.Dense(1, name="b")(entry)})
    model.compile("sgd", {"b": "mae", "a": "mse"})
    assert sorted(str(loss["name"]) for loss in loss_facts(model)) == [
        "mean_absolute_error",
        "mean_squared_error",
    ]
    facts = contract_facts(model, (X, {"a": Z, "b": Z}, None))
    assert "pair_gap" not in facts and facts.get("reported_loss") == pytest.approx(
        facts.get("recomputed_loss")
    )


def test_masks_count() -> None:
    """The mask of a sequence stays with the outputs that Keras cannot look behind."""
    tokens = np.random.default_rng(0).integers(0, 3, (64, 5))
    model = keras.Sequential(
        [
            layers.Input((5,)),
            layers.Embedding(3, 4, mask_zero=True),
            layers.LSTM(4, return_sequences=True),
            layers.Dense(2),
        ]
    )
    model.compile("sgd", "mse")
    facts = contract_facts(model, (tokens, np.ones((64, 5, 2), "float32"), None))
    assert facts["reported_loss"] == pytest.approx(facts["recomputed_loss"], rel=1e-5)


def test_both_modes_on_the_probe_batch() -> None:
    """Dropout costs in training, moving averages in inference; the penalty is the twin's."""
    keras.utils.set_random_seed(3)
    hidden = layers.Dense(32, activation="relu", kernel_regularizer=keras.regularizers.L2(0.1))
    model = classifier(hidden, layers.BatchNormalization(), layers.Dropout(0.5))
    measured = {name: value for name, _, value in ProbeBatch((X, Y, None)).measure(model)}
    outputs = ops.convert_to_numpy(model(X[:256], training=False))
    picked = -np.mean(np.log(outputs[np.arange(256), Y[:256]]))
    assert measured["probe_loss"] == pytest.approx(picked, rel=1e-4)
    assert measured["recomputed_loss"] == pytest.approx(picked, rel=1e-4)
    assert abs(measured["probe_training_loss"] / measured["probe_loss"] - 1.0) > 0.01
    kernel = ops.convert_to_numpy(hidden.kernel)
    assert measured["penalty"] == pytest.approx(0.1 * float(np.sum(kernel**2)), rel=1e-4)
    recalls = [np.mean(outputs[Y[:256] == label].argmax(1) == label) for label in range(3)]
    assert measured["balanced_accuracy"] == pytest.approx(np.mean(recalls))
    assert measured["output_maximum"] == pytest.approx(outputs.max())
    assert 0.0 < measured[f"effective_rank/{hidden.name}"] <= 1.0
    plain = {name: value for name, _, value in ProbeBatch((X, Y, None)).measure(classifier())}
    assert plain["probe_training_loss"] == plain["probe_loss"] and plain["penalty"] == 0.0


class Adding(layers.Layer):
    """Adds two terms to the loss: 3, and the mean of its inputs' squares."""

    def call(self, inputs: Any) -> Any:
        self.add_loss(ops.convert_to_tensor(3.0))
        self.add_loss(ops.mean(ops.square(inputs)))
        return inputs


def test_what_layers_add_to_the_loss() -> None:
    """Beside a penalty on the weights, which is no part of it; twice alike, and nothing where no layer adds."""
    penalised = layers.Dense(8, kernel_regularizer="l2")
    model = classifier(Adding(), penalised, layers.Dense(4, bias_regularizer="l2"))
    squares = float(np.mean(np.square(X[:256])))
    probe = ProbeBatch((X, Y, None))
    for _ in range(2):
        measured = {name: value for name, _, value in probe.measure(model)}
        assert measured["added_loss"] == pytest.approx(3.0 + squares, rel=1e-5)
        model.fit(X, Y, verbose=0)
    assert "added_loss" not in {
        name for name, _, _ in ProbeBatch((X, Y, None)).measure(classifier(penalised))
    }


def test_looking_leaves_no_trace() -> None:
    model = classifier(Adding(), layers.Dense(9), layers.BatchNormalization(), layers.Dropout(0.4))
    model.fit(X[:24], Y[:24], verbose=0)
    before, names = state(model), attributes(model)
    contract(model, Y)
    ProbeBatch((X, Y, None)).measure(model)
    same(before, state(model))
    assert names == attributes(model)


@pytest.mark.parametrize(("end", "units"), [(None, 1), ("sigmoid", 1), ("softmax", 3)])
def test_whether_a_model_is_affine_behind_its_last_activation(end: str | None, units: int) -> None:
    def gap(activation: str | None) -> float:
        body = [
            layers.Input((6,)),
            layers.Dense(8, activation=activation),
            layers.Dense(units, activation=end),
        ]
        model = keras.Sequential(body)
        model.compile("sgd", "mse")
        return contract(model, np.tile(Z, (1, units)))["affine_gap"]

    assert gap(None) < 1e-4
    assert gap("relu") > 0.1 and gap("tanh") > 0.01


def test_a_model_that_is_not_built_has_no_contract() -> None:
    """A frame around other models, with a training step of its own, is never called itself."""
    frame = keras.Model()
    assert contract_facts(frame, (X, Z, None)) == {}
    assert ProbeBatch((X, Z, None)).measure(frame) == []
    frame.built = True  # and has no `call`
    assert contract_facts(frame, (X, Z, None)) == {}
    assert ProbeBatch((X, Z, None)).measure(frame) == []
