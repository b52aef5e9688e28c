"""All kinds of models, data and compilations: watched, or one sentence why not, and training goes on."""

from collections.abc import Iterator
from typing import Any

import custom
import numpy as np
import pytest
from laboratory import BACKEND, X, Y, Z, classifier, fitted, keras, layers, ops, reasons, same, state

from thalweg import Record, Verdict, Watch, diagnose
from thalweg.rules.steps import few

optimizers = keras.optimizers
SLOW = {"jit_compile": False} if BACKEND == "tensorflow" else {}  # XLA is tested by the oracle
PER_STEP = {"loss", "gradient_norm", "nonfinite_gradients", "update_norm", "parameter_norm"}
ONLY_APPLIED = {"learning_rate", "gradient_cosine", "update_ratio", "zero_gradient_fraction"}


def watched(record: Record, steps: int, epochs: int = 2) -> Record:
    """Assert that every step was measured and all of them are finite; the record."""
    assert not reasons(record, "unwatched")
    for name in PER_STEP:
        assert record.series[name].steps.tolist() == list(range(1, steps + 1)), name
        assert np.isfinite(record.series[name].values).all(), name
    tensors = [tensor["name"] for tensor in record.info["tensors"]]
    for quantity in ("gradient_norm", "update_ratio", "parameter_norm", "zero_gradient_fraction"):
        assert list(record.each(quantity)) == tensors
    assert [event.step for event in record.events if event.kind == "epoch"] == [
        steps * epoch // epochs for epoch in range(1, epochs + 1)
    ]
    assert record.events[-1].kind == "finished"
    return record


def compiled(model: Any, optimizer: Any = "sgd", loss: Any = "mse", **asked: Any) -> Any:
    model.compile(optimizer, loss, **{**SLOW, **asked})
    return model


def test_a_frame_without_outputs_and_with_an_optimizer_that_no_step_applies(tmp_path):
    model = custom.Frame()
    model.compile(optimizer="adam", **SLOW)
    record = fitted(tmp_path / "run", model, X[:256], Z[:256], batch_size=64)
    assert not reasons(record, "unwatched")
    assert set(record.series) == {"epoch_d_loss"}
    assert record.info["optimizer"] == {"applied": False}
    assert "contract" not in record.info or not record.info["contract"]
    by_code = {finding.code: finding.verdict for finding in diagnose(record).findings}
    assert by_code["N001"] is Verdict.SATISFACTORY
    assert by_code["W002"] is by_code["P007"] is Verdict.UNASSESSED


def test_an_optimizer_that_a_custom_step_applies_is_kept(tmp_path):
    inputs = layers.Input((6,))
    model = custom.Model(inputs, layers.Dense(1)(inputs))
    model.compile(optimizer="adam", **SLOW)
    record = fitted(tmp_path / "run", model, X[:48], Z[:48], batch_size=16)
    assert record.info["optimizer"]["name"] == "Adam" and "applied" not in record.info["optimizer"]


def test_a_custom_train_step(tmp_path):
    inputs = layers.Input((6,))
    model = custom.Model(inputs, layers.Dense(1)(layers.Dense(4, activation="relu")(inputs)))
    model.compile(optimizer="adam", **SLOW)
    record = watched(fitted(tmp_path / "run", model, X[:48], Z[:48], batch_size=16), 6)
    assert record.series["loss"].values[:3].mean() == pytest.approx(
        record.series["epoch_loss"].values[0], rel=1e-5
    )


@pytest.mark.skipif(BACKEND != "tensorflow", reason="its train step is written in TensorFlow")
def test_a_loss_that_nobody_told_keras_is_not_zero(tmp_path):
    """A train step that returns its loss and leaves Keras's tracker alone: the logs say 0."""
    import tensorflow

    class Untold(keras.Model):
        def train_step(self, data):
            x, y = data
            with tensorflow.GradientTape() as tape:
                loss = ops.mean((self(x, training=True) - y) ** 2)
            self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
            return {"loss": loss}

    inputs = layers.Input((6,))
    model = Untold(inputs, layers.Dense(1)(inputs))
    model.compile("sgd", "mse")
    record = fitted(tmp_path / "run", model, X, Z, epochs=6)
    assert "epoch_loss" not in record.series
    assert reasons(record, "unwatched") == ["the training step told Keras no loss, which logs 0 for it"]
    probe = record.series["probe_loss"].values
    assert 0.0 < probe[-1] < probe[0]
    assert next(f for f in diagnose(record) if f.code == "L001").verdict is Verdict.SATISFACTORY


def accumulating(every: int, optimizer: Any = None) -> Any:
    inputs = layers.Input((6,))
    model = custom.Accumulating(inputs, layers.Dense(1, name="line")(inputs))
    model.every = every
    model.compile(optimizer or optimizers.SGD(0.05), run_eagerly=True)
    model.set_weights([np.linspace(-0.5, 0.5, 6)[:, None], np.full(1, 0.1)])
    return model


class ByHand(keras.callbacks.Callback):
    """What a plain callback computes of a line's training, in float64, from its weights and its batches."""

    def __init__(self, every: int) -> None:
        super().__init__()
        self.every, self.step = every, 0
        self.sums: list[Any] = [0.0, 0.0]
        self.applied: list[list[Any]] = []
        self.expected: dict[str, list[tuple[int, float]]] = {}

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.before = [w.astype(np.float64) for w in self.model.get_weights()]

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.step += 1
        after = [w.astype(np.float64) for w in self.model.get_weights()]
        x, y = (part[16 * batch : 16 * batch + 16].astype(np.float64) for part in (X, Z))
        error = x @ self.before[0] + self.before[1] - y
        self.note("loss", np.mean(error**2))
        gradient = [2.0 * x.T @ error / len(x), 2.0 * error.mean(axis=0)]
        self.sums = [a + b for a, b in zip(self.sums, gradient, strict=True)]
        if self.step % self.every:
            assert all(np.array_equal(a, b) for a, b in zip(self.before, after, strict=True))
            return
        mean, self.sums = [part / self.every for part in self.sums], [0.0, 0.0]
        self.applied.append(mean)
        changes = [b - a for a, b in zip(self.before, after, strict=True)]
        self.note("learning_rate", 0.05)
        self.note("nonfinite_gradients", 0.0)
        self.note("gradient_norm", norm(*mean))
        self.note("update_norm", norm(*changes))
        self.note("parameter_norm", norm(*after))
        for name, g, change, parameter in zip(("kernel", "bias"), mean, changes, after, strict=True):
            self.note(f"gradient_norm/line/{name}", norm(g))
            self.note(f"update_ratio/line/{name}", norm(change) / norm(parameter))
            self.note(f"parameter_norm/line/{name}", norm(parameter))
            self.note(f"zero_gradient_fraction/line/{name}", 0.0)
        if len(self.applied) > 1:
            inner = sum(float(np.sum(a * b)) for a, b in zip(*self.applied[-2:], strict=True))
            self.note("gradient_cosine", inner / norm(*mean) / norm(*self.applied[-2]))

    def note(self, name: str, value: float) -> None:
        self.expected.setdefault(name, []).append((self.step, float(value)))


def norm(*arrays: Any) -> float:
    return float(np.linalg.norm(np.concatenate([array.ravel() for array in arrays])))


@pytest.mark.parametrize("every", [1, 4, 8, 30])
def test_gradients_added_up_by_hand_are_measured_where_they_are_applied(every, tmp_path):
    """Epochs of 6 steps: one ends before 8 gradients are together, and all before 30 are."""
    byhand, bare = ByHand(every), accumulating(every)
    bare.fit(X[:96], Z[:96], batch_size=16, epochs=4, shuffle=False, verbose=0, callbacks=[byhand])
    model = accumulating(every)
    record = fitted(tmp_path / "run", model, X[:96], Z[:96], batch_size=16, epochs=4, shuffle=False)
    same(state(bare), state(model))
    assert not reasons(record, "unwatched")
    names = {name for name in record.series if name.partition("/")[0] in PER_STEP | ONLY_APPLIED}
    assert names == set(byhand.expected) and (len(names) == 15) is (every < 30)
    for name, points in byhand.expected.items():
        steps, values = zip(*points, strict=True)
        assert record.series[name].steps.tolist() == list(steps), name
        assert record.series[name].values == pytest.approx(values, rel=1e-4), name
    assert record.info["initial_loss"] == record.series["loss"].values[0]
    assert (record.info["optimizer"] == {"applied": False}) is (every == 30)
    diagnose(record)


def test_an_optimizer_that_accumulates_gradients_added_up_by_hand(tmp_path):
    model = accumulating(3, optimizers.SGD(0.25, gradient_accumulation_steps=2))
    record = fitted(tmp_path / "run", model, X[:96], Z[:96], batch_size=16, epochs=3)
    assert record.series["gradient_norm"].steps.tolist() == [3, 6, 9, 12, 15, 18]
    assert record.series["update_norm"].steps.tolist() == [6, 12, 18]
    assert (record.series["update_norm"].values > 0.0).all()
    one, four = (
        Record.of(record.series.values(), {**record.info, "fit": {"batch_size": size}}) for size in (1, 0.5)
    )
    assert not few(one) and few(four), "an update is of six batches"


def test_thinned_probes_fall_on_steps_that_apply_the_optimizer(tmp_path, monkeypatch):
    """Two of every four calls would miss each fourth one for good."""
    from thalweg.keras import pacer

    def conclude(self: Any, calls: int) -> None:
        self.cost, self.stride = 0.07, 4
        self._times, self._from, self._next = None, None, 100 * calls

    monkeypatch.setattr(pacer.Pacer, "_conclude", conclude)
    monkeypatch.setattr(pacer, "_SECONDS", 0.0)
    monkeypatch.setattr(pacer, "_BLOCK", 2)
    bare, model = accumulating(4, optimizers.Adam(0.01)), accumulating(4, optimizers.Adam(0.01))
    asked: dict[str, Any] = {"batch_size": 4, "epochs": 11, "shuffle": False}
    bare.fit(X[:96], Z[:96], verbose=0, **asked)
    record = fitted(tmp_path / "run", model, X[:96], Z[:96], budget=0.03, **asked)
    same(state(bare), state(model))
    (thinned,) = (event for event in record.events if event.kind == "thinned")
    assert 0 < thinned.step < 160 and thinned.step % 4 == 0
    after = [step for step in range(4, 265, 4) if step > thinned.step]
    assert record.series["gradient_norm"].between(after[0], 264).steps.tolist() == after
    measured = [step for step in after if (step // 4 - 1) % 4 < 2]
    assert record.series["update_norm"].between(after[0], 264).steps.tolist() == measured
    cosines = record.series["gradient_cosine"].between(after[1], 264).steps.tolist()
    assert cosines == [step for step in measured if step >= after[1] and (step // 4 - 1) % 4 == 1]


@pytest.mark.skipif(BACKEND == "jax", reason="on JAX the optimizer is given all that is trainable")
def test_an_optimizer_given_other_parameters_at_other_steps_is_not_watched(tmp_path):
    class Turns(custom.Accumulating):
        every, order = 1, 1

        def train_step(self, data: Any) -> Any:
            self.order = -self.order
            return super().train_step(data)

        @property
        def trainable_variables(self) -> Any:
            return super().trainable_variables[:: self.order]

    inputs = layers.Input((6,))
    model = Turns(inputs, layers.Dense(1)(inputs))
    model.compile("sgd", run_eagerly=True)
    record = fitted(tmp_path / "run", model, X[:96], Z[:96], batch_size=16)
    (reason,) = reasons(record, "unwatched")
    assert "different parameters" in reason and "bug" not in reason


def test_a_custom_train_step_that_updates_twice_is_not_watched(tmp_path):
    inputs = layers.Input((6,))
    model = custom.Twice(inputs, layers.Dense(1)(inputs))
    model.compile(optimizer="adam", **SLOW)
    record = fitted(tmp_path / "run", model, X[:48], Z[:48], batch_size=16)
    (reason,) = reasons(record, "unwatched")
    assert "more than once" in reason and "bug" not in reason
    assert len(record.series["epoch_loss"]) == 2


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch branches in Python")
def test_an_optimizer_in_a_branch_of_the_step_is_not_watched_and_goes_on(tmp_path):
    """Gradients of several batches are applied so: what a branch makes cannot be read outside of it."""
    inputs = layers.Input((6,))
    made = [custom.Branching(inputs, layers.Dense(1)(inputs)) for _ in range(2)]
    for model in made:
        model.set_weights([np.full(w.shape, 0.1) for w in model.get_weights()])
        model.compile(optimizer="sgd")
    made[0].fit(X[:48], Z[:48], batch_size=16, epochs=2, shuffle=False, verbose=0)
    record = fitted(tmp_path / "run", made[1], X[:48], Z[:48], batch_size=16, shuffle=False)
    (reason,) = reasons(record, "unwatched")
    assert "in a branch" in reason and "bug" not in reason
    assert len(record.series["epoch_loss"]) == 2
    for one, other in zip(*(model.get_weights() for model in made), strict=True):
        assert np.array_equal(one, other) and np.all(np.isfinite(one)) and not np.all(one == 0.1)


class Subclassed(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.shared = layers.Dense(6, activation="tanh")
        self.unused = self.add_weight(shape=(3,), name="unused")
        self.last = layers.Dense(3, activation="softmax")

    def call(self, inputs: Any) -> Any:
        return self.last(self.shared(self.shared(inputs)))


def test_subclassed_unbuilt_shared_and_a_parameter_without_a_gradient(tmp_path):
    model = compiled(Subclassed(), loss="sparse_categorical_crossentropy")
    record = watched(fitted(tmp_path / "run", model, batch_size=16), 6)
    unused = [t for t in record.info["tensors"] if t["name"].endswith("/unused")]
    assert len(record.info["tensors"]) == 5 and len(unused) == 1
    assert unused[0].get("unconnected", False) is (BACKEND != "jax")  # JAX gives a gradient of zeros
    assert (record.series[f"gradient_norm/{unused[0]['name']}"].values == 0.0).all()
    assert not any(t.get("unconnected") for t in record.info["tensors"] if t not in unused)


def test_an_unbuilt_sequential(tmp_path):
    model = keras.Sequential([layers.Dense(5, activation="relu"), layers.Dense(3, activation="softmax")])
    record = watched(
        fitted(tmp_path / "run", compiled(model, loss="sparse_categorical_crossentropy"), batch_size=16), 6
    )
    assert record.info["model"]["trainable_parameters"] == 35 + 18


def test_frozen_nested_and_two_layers_of_one_name(tmp_path):
    inner = keras.Sequential([layers.Dense(4, activation="relu", name="same")], name="inner")
    frozen = layers.Dense(5, trainable=False, name="frozen")
    model = keras.Sequential(
        [layers.Input((6,)), frozen, inner, keras.Sequential([layers.Dense(3, name="same")], name="other")]
    )
    record = watched(fitted(tmp_path / "run", compiled(model), X[:48], np.zeros((48, 3)), batch_size=16), 6)
    names = [tensor["name"] for tensor in record.info["tensors"]]
    assert names == ["same/kernel", "same/bias", "same#2/kernel", "same#2/bias"]
    assert {"layer": "frozen", "trainable": False}.items() <= {
        "layer": "frozen", **next(part for part in record.info["layers"] if part["name"] == "frozen"),
    }.items()  # fmt: skip


def test_several_inputs_outputs_and_losses(tmp_path):
    left, right = layers.Input((6,), name="left"), layers.Input((1,), name="right")
    joined = layers.Concatenate()([layers.Dense(4, activation="relu")(left), right])
    heads = {
        "kind": layers.Dense(3, activation="softmax", name="kind")(joined),
        "size": layers.Dense(1, name="size")(joined),
    }
    losses = {"kind": "sparse_categorical_crossentropy", "size": "mse"}
    model = compiled(keras.Model({"left": left, "right": right}, heads), loss=losses)
    record = fitted(
        tmp_path / "run",
        model,
        {"left": X[:48], "right": Z[:48]},
        {"kind": Y[:48], "size": Z[:48]},
        batch_size=16,
    )
    watched(record, 6)
    assert {"probe_accuracy/kind", "output_mean/size", "probe_explained_variance/size"} <= set(record.series)
    assert {entry["name"] for entry in record.info["data"]["inputs"]} == {"left", "right"}
    assert [entry["kind"] for entry in record.info["data"]["targets"]] == ["classes", "continuous"]
    assert "constant_prediction_loss" not in record.info
    sums = record.series["epoch_kind_loss"].values + record.series["epoch_size_loss"].values
    assert sums == pytest.approx(record.series["epoch_loss"].values, rel=1e-5)


def test_the_gradient_of_an_embedding_adds_up_repeated_rows(tmp_path):
    words = np.array([[1, 1, 2], [1, 3, 3]] * 8)
    keras.utils.set_random_seed(1)
    body = [layers.Embedding(6, 2, name="embedding"), layers.Flatten()]
    model = keras.Sequential([layers.Input((3,)), *body, layers.Dense(1)])
    compiled(model, optimizers.SGD(0.25))
    before = model.get_weights()[0]
    target = np.linspace(-1, 1, 16)[:, None]
    record = watched(fitted(tmp_path / "run", model, words, target, batch_size=16, epochs=1), 1, 1)
    change = np.linalg.norm((before - model.get_weights()[0]).astype(np.float64))
    assert record.series["gradient_norm/embedding/embeddings"].values[0] == pytest.approx(
        change / 0.25, rel=1e-4
    )
    assert record.series["update_norm"].values[0] > change * 0.9999
    assert record.series["zero_gradient_fraction/embedding/embeddings"].values[0] == pytest.approx(0.5)


def test_accumulated_gradients(tmp_path):
    model = classifier(optimizer=optimizers.SGD(0.1, gradient_accumulation_steps=3), **SLOW)
    first = fitted(tmp_path / "run", model, X[:64], Y[:64], batch_size=8, epochs=1)
    assert first.series["update_norm"].steps.tolist() == [3, 6]
    assert first.series["parameter_norm"].steps.tolist() == list(range(1, 9))
    assert (first.series["update_norm"].values > 0).all()
    # The two gradients left over count for the next fit.
    second = fitted(tmp_path / "second", model, X[:64], Y[:64], batch_size=8, epochs=1)
    assert second.series["update_norm"].steps.tolist() == [1, 4, 7]
    assert (second.series["update_norm"].values > 0).all()


def test_clipping_is_not_seen_in_the_gradient(tmp_path):
    model = classifier(optimizer=optimizers.SGD(1.0, global_clipnorm=1e-3), **SLOW)
    record = watched(fitted(tmp_path / "run", model, batch_size=16), 6)
    assert record.series["gradient_norm"].values.min() > 0.01
    assert record.series["update_norm"].values == pytest.approx(1e-3, rel=1e-3)


def test_mixed_precision(tmp_path):
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = classifier(optimizer=optimizers.SGD(0.1), **SLOW)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert isinstance(model.optimizer, optimizers.LossScaleOptimizer)
    model.optimizer.initial_scale = 2.0**10  # Keras's own, 2^15, overflows where a start has a loss above 2
    x = X[:48].copy()
    record = fitted(tmp_path / "run", model, x, Y[:48], batch_size=16, shuffle=False)
    watched(record, 6)
    ratio = record.series["update_norm"].values / record.series["gradient_norm"].values
    assert ratio == pytest.approx(0.1, rel=1e-3)  # the scale of 2^10 is taken out of the gradient
    assert record.series["learning_rate"].values == pytest.approx(0.1)
    x[20] = np.nan
    record = fitted(tmp_path / "nan", model, x, Y[:48], batch_size=16, shuffle=False, epochs=1)
    assert record.series["nonfinite_gradients"].values[1] > 0
    assert record.series["update_norm"].values[1] == 0.0, "the optimizer skipped this step"
    assert record.series["update_norm"].values[2] > 0.0


def test_averages_and_class_weights(tmp_path):
    model = classifier(optimizer=optimizers.Adam(0.01, use_ema=True, ema_overwrite_frequency=2), **SLOW)
    record = fitted(tmp_path / "run", model, batch_size=16, class_weight={0: 1.0, 1: 3.0, 2: 1.0})
    watched(record, 6)
    assert record.info["fit"]["class_weights"] == {"0": 1.0, "1": 3.0, "2": 1.0}
    assert record.info["fit"]["class_weight"] and "constant_prediction_loss" not in record.info


def test_the_rate_of_a_schedule_is_the_one_used(tmp_path):
    decay = optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
    record = watched(
        fitted(tmp_path / "run", classifier(optimizer=optimizers.SGD(decay), **SLOW), batch_size=16), 6
    )
    assert record.series["learning_rate"].values == pytest.approx([0.1 * 0.5**k for k in range(6)], rel=1e-5)
    ratio = record.series["update_norm"].values / record.series["gradient_norm"].values
    assert ratio == pytest.approx(record.series["learning_rate"].values, rel=1e-3)


def test_a_callable_rate_is_not_called_once_more(tmp_path):
    calls: list[int] = []

    def rate() -> float:
        calls.append(1)
        return 0.1

    def count(folder: Any) -> int:
        calls.clear()
        model = classifier(optimizer=optimizers.SGD(rate), run_eagerly=BACKEND != "jax")
        callbacks = [] if folder is None else [Watch(folder, budget=None, quiet=True)]
        model.fit(X[:48], Y[:48], batch_size=16, verbose=0, callbacks=callbacks)
        return len(calls)

    assert count(None) == count(tmp_path / "run") > 0
    watch = Watch(tmp_path / "again", quiet=True)
    classifier(optimizer=optimizers.SGD(rate), **SLOW).fit(X[:48], Y[:48], verbose=0, callbacks=[watch])
    record = watch.record()
    assert "learning_rate" not in record.series and len(record.series["gradient_norm"]) == 2


@pytest.mark.parametrize("eagerly", [False] if BACKEND == "jax" else [False, True])
def test_sequences_and_pictures(eagerly, tmp_path):
    model = keras.Sequential(
        [
            layers.Input((4, 4, 3)),
            layers.Conv2D(5, 2, activation="relu", name="picture"),
            layers.Reshape((9, 5)),
            layers.LSTM(3, name="sequence"),
            layers.Dense(2, activation="sigmoid", name="last"),
        ]
    )
    x = np.random.default_rng(0).standard_normal((40, 4, 4, 3)).astype("float32")
    y = (np.random.default_rng(1).random((40, 2)) > 0.5).astype("float32")
    compiled(model, loss="binary_crossentropy", run_eagerly=eagerly)
    kernel = model.get_layer("picture")
    weights, bias = kernel.get_weights()
    kernel.set_weights([weights, bias - np.array([0, 0, 99.0, 0, 0])])  # one of the five channels is dead
    record = watched(fitted(tmp_path / "run", model, x, y, batch_size=20), 4)
    assert record.series["dead_fraction/picture"].values == pytest.approx(0.2)
    assert record.info["data"]["targets"][0]["kind"] == "multi-label"
    assert any(name.startswith("gradient_norm/lstm_cell") for name in record.series)
    assert "activation_mean/sequence" not in record.series


@pytest.mark.skipif(BACKEND == "torch", reason="steps_per_execution must be 1 on PyTorch")
def test_several_steps_a_call(tmp_path):
    record = fitted(
        tmp_path / "run", classifier(steps_per_execution=4, **SLOW), X[:96], Y[:96], batch_size=16, epochs=30
    )
    watched(record, 6 * 30, 30)


def test_the_last_batch_may_be_small_and_validation_be_split(tmp_path):
    record = fitted(
        tmp_path / "run", classifier(metrics=["accuracy"], **SLOW), X[:50], Y[:50], batch_size=16,
        validation_split=0.1,
    )  # fmt: skip
    watched(record, 6)
    assert {"validation_loss", "validation_accuracy", "epoch_accuracy"} <= set(record.series)
    assert record.info["data"]["examples"] == 45


@pytest.mark.parametrize("lengths", [(5, 5), (5, 7)], ids=["one shape", "padded batch by batch"])
def test_generators(lengths, tmp_path):
    def batches() -> Iterator[Any]:
        while True:
            for length in lengths:
                yield np.ones((4, length, 2), "float32"), np.zeros((4, 1), "float32")

    model = compiled(
        keras.Sequential([layers.Input((None, 2)), layers.GlobalAveragePooling1D(), layers.Dense(1)])
    )
    record = fitted(tmp_path / "run", model, batches(), steps_per_epoch=4)
    watched(record, 8)
    assert record.info["watch"]["probe_examples"] == (16 if lengths == (5, 5) else 4)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="on TensorFlow the step draws its batch itself")
@pytest.mark.parametrize("jit_compile", [True, False])
def test_the_call_that_finds_no_more_data_is_not_a_step(jit_compile, tmp_path):
    tensorflow = pytest.importorskip("tensorflow")
    data = tensorflow.data.Dataset.from_tensor_slices((X[:24], Y[:24])).batch(8).filter(lambda x, y: True)
    assert data.cardinality() < 0
    record = watched(fitted(tmp_path / "run", classifier(jit_compile=jit_compile), data, epochs=4), 12, 4)
    assert (record.series["loss"].values > 0).all()


def test_a_generator_that_fails_fails_as_it_would_without(tmp_path):
    def batches() -> Iterator[Any]:
        yield X[:8], Y[:8]
        yield X[:8], Y[:8]
        raise ZeroDivisionError("the third batch")

    raised = []
    watch = Watch(tmp_path / "run", quiet=True)
    for callbacks in ([], [watch]):
        with pytest.raises(Exception, match="the third batch") as caught:
            model = classifier(**SLOW)
            model.fit(batches(), steps_per_epoch=5, verbose=0, callbacks=callbacks)
        raised.append(caught.type)
    assert raised[0] is raised[1]
    if BACKEND == "torch":  # Keras draws the batch outside the step: it is the next fit that tells
        model.fit(X[:8], Y[:8], verbose=0)
        message = "training ended without notice"
    else:
        message = "the third batch"
    record = watch.record()
    assert record.events[-1].detail["reason"] == "exception"
    assert message in record.events[-1].detail["message"]
    assert len(record.series["loss"]) == 2


@pytest.mark.skipif(
    BACKEND != "tensorflow", reason="only TensorFlow has tensors of strings and ragged tensors"
)
def test_strings_and_ragged_tensors(tmp_path):
    tensorflow = pytest.importorskip("tensorflow")
    text = np.array([["a b"], ["b c"], ["c d"], ["a d"]] * 4)
    vectors = layers.TextVectorization(max_tokens=9, output_mode="multi_hot")
    vectors.adapt(text[:, 0])
    model = keras.Sequential([layers.Input((1,), dtype="string"), vectors, layers.Dense(1)])
    data = tensorflow.data.Dataset.from_tensor_slices((text, np.ones((16, 1), "float32"))).batch(4)
    record = watched(fitted(tmp_path / "run", compiled(model), data), 8)
    assert record.info["data"]["inputs"][0]["dtype"] == "object"
    ragged = tensorflow.ragged.constant([[1.0], [2.0, 3.0]] * 4, ragged_rank=1)
    data = tensorflow.data.Dataset.from_tensor_slices((ragged, np.ones((8, 1), "float32"))).batch(4)

    class Sums(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.last = layers.Dense(1)

        def call(self, inputs: Any) -> Any:
            return self.last(tensorflow.reduce_sum(inputs, axis=1, keepdims=True))

    model = Sums()
    model(ragged)
    record = fitted(tmp_path / "ragged", compiled(model, run_eagerly=True), data)
    assert reasons(record, "unwatched") == [
        "the input could not be sampled: it holds tensors that are not dense"
    ]
    assert len(record.series["gradient_norm"]) == 4 and "data" not in record.info


def test_without_trainable_weights(tmp_path):
    model = compiled(keras.Sequential([layers.Input((6,)), layers.Dense(1, trainable=False)]))
    record = fitted(tmp_path / "run", model, X[:48], Z[:48])
    assert "no trainable weights" in reasons(record, "unwatched")[0]
    assert len(record.series["epoch_loss"]) == 2 and "loss" not in record.series


@pytest.mark.skipif(BACKEND != "tensorflow", reason="tf.distribute is TensorFlow's")
@pytest.mark.parametrize("name", ["OneDeviceStrategy", "MirroredStrategy"])
def test_distributed_by_tensorflow(name, tmp_path):
    distribute = pytest.importorskip("tensorflow").distribute
    strategy = getattr(distribute, name)("/cpu:0" if name == "OneDeviceStrategy" else ["/cpu:0"])
    with strategy.scope():
        model = classifier(**SLOW)
    record = fitted(tmp_path / "run", model)
    assert name in reasons(record, "unwatched")[0]
    assert len(record.series["epoch_loss"]) == 2 and "gradient_norm" not in record.series


@pytest.mark.skipif(BACKEND != "jax", reason="keras.distribution is tried on JAX")
def test_distributed_by_keras(tmp_path):
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=["cpu:0"]))
    try:
        record = fitted(tmp_path / "run", classifier())
    finally:
        keras.distribution.set_distribution(None)
    assert "keras.distribution" in reasons(record, "unwatched")[0]
    assert len(record.series["epoch_loss"]) == 2


@pytest.mark.skipif(BACKEND != "torch", reason="torch.compile is PyTorch's")
def test_compiled_by_torch(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch, "compile", lambda function: function)  # needs a C++ compiler, and minutes
    record = fitted(tmp_path / "run", classifier(jit_compile=True))
    assert "torch.compile" in reasons(record, "unwatched")[0]
    assert len(record.series["epoch_loss"]) == 2


def test_two_watches_on_one_fit(tmp_path):
    other = Watch(tmp_path / "other", budget=None, quiet=True)
    model = classifier(**SLOW)
    record = fitted(tmp_path / "run", model, batch_size=16, callbacks=[other])
    watched(other.record(), 6)
    assert "another Watch" in reasons(record, "unwatched")[0]
    assert len(record.series["epoch_loss"]) == 2
    assert "train_step" not in vars(model) and "make_train_function" not in vars(model)


def test_two_fits_are_two_runs(tmp_path):
    watch = Watch(tmp_path / "run", budget=None, quiet=True)
    model = classifier(**SLOW)
    for _ in range(2):
        model.fit(X[:48], Y[:48], batch_size=16, epochs=2, verbose=0, callbacks=[watch])
        watched(watch.record(), 6)
    assert watch.folder == tmp_path / "run-2" and (tmp_path / "run").is_dir()


def test_stopped_early(tmp_path):
    stop = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=100.0)
    record = fitted(tmp_path / "run", classifier(**SLOW), batch_size=16, epochs=9, callbacks=[stop])
    assert record.events[-1].detail == {"reason": "stopped"}
    watched(record, 6)


def test_two_fits_of_several_optimizers_on_one_model(tmp_path):
    model = classifier(optimizer="adam", **SLOW)
    watched(fitted(tmp_path / "one", model, batch_size=16), 6)
    model.compile("rmsprop", "sparse_categorical_crossentropy", **SLOW)
    assert watched(fitted(tmp_path / "two", model, batch_size=16), 6).info["optimizer"]["name"] == "RMSprop"
    assert ops.convert_to_numpy(model.optimizer.iterations) == 6
