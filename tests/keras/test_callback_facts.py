"""Facts of the callbacks: read before the run, and again when it ended; against what Keras then does."""

import math
import time
from functools import partial

import pytest
from laboratory import X, Y, Z, classifier, keras, layers

from thalweg import Watch
from thalweg.keras.callable_rate import rate_reads
from thalweg.keras.callback_facts import (
    callback_ends,
    callback_facts,
    metric_directions,
    metrics_expected,
)

EarlyStopping, ReduceLROnPlateau = keras.callbacks.EarlyStopping, keras.callbacks.ReduceLROnPlateau
ModelCheckpoint, BackupAndRestore = keras.callbacks.ModelCheckpoint, keras.callbacks.BackupAndRestore


class Looking(keras.callbacks.Callback):
    """Asks for the facts where the watch asks for them."""

    def __init__(self, *callbacks):
        super().__init__()
        self.callbacks = callbacks

    def on_train_begin(self, logs=None):
        self.facts = callback_facts(self.callbacks, self.model)
        self.expected = metrics_expected(self.model)
        self.directions = metric_directions(self.model)


def looked(*callbacks, model=None, **asked):
    look = Looking(*callbacks)
    model = model or classifier(metrics=["accuracy", "sparse_categorical_crossentropy"])
    asked = {"epochs": 1, "verbose": 0, "validation_data": (X[48:80], Y[48:80]), **asked}
    model.fit(X[:48], Y[:48], callbacks=[look, *callbacks], **asked)
    return look


def test_arguments_of_each_class(tmp_path):
    path = tmp_path / "best.keras"
    path.write_text("an older model")
    facts = looked(
        Watch(tmp_path / "run", quiet=True),
        EarlyStopping("val_accuracy", min_delta=0.01, patience=3, baseline=0.5, start_from_epoch=2),
        ReduceLROnPlateau(factor=0.5, patience=7, min_lr=1e-5),
        ModelCheckpoint(path, save_best_only=True, initial_value_threshold=0.25),
        ModelCheckpoint(tmp_path / "{epoch}.keras"),
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.LambdaCallback(),
    ).facts
    assert [row["class"] for row in facts] == [
        "EarlyStopping", "ReduceLROnPlateau", "ModelCheckpoint", "ModelCheckpoint", "TerminateOnNaN",
        "LambdaCallback",
    ]  # fmt: skip
    assert facts[0] == {
        "class": "EarlyStopping", "monitor": "val_accuracy", "mode": "auto", "min_delta": 0.01, "patience": 3,
        "baseline": 0.5, "restore_best_weights": False, "start_from_epoch": 2, "direction": "max",
    }  # fmt: skip
    assert facts[1]["direction"] == "min" and facts[1]["factor"] == 0.5 and facts[1]["min_lr"] == 1e-5
    assert facts[2]["exists"] is True and facts[2]["filepath"] == "best.keras" and facts[2]["best"] == 0.25
    assert "exists" not in facts[3] and facts[3]["best"] is None and facts[3]["filepath"] == "{epoch}.keras"
    assert facts[4:] == [{"class": "TerminateOnNaN"}, {"class": "LambdaCallback", "own": True}]


def test_a_subclass_is_only_named():
    class Patient(EarlyStopping):
        pass

    assert callback_facts([Patient()], classifier()) == [{"class": "Patient", "own": True}]


def test_a_callback_that_was_used_before():
    """Keras turns the sign of `min_delta`, and a checkpoint remembers its best."""
    stop = EarlyStopping("loss", min_delta=0.5, patience=9)
    looked(stop)
    assert stop.min_delta == -0.5
    assert callback_facts([stop], classifier())[0]["min_delta"] == 0.5


@pytest.mark.parametrize("monitor, mode, direction", [
    ("loss", "auto", "min"), ("val_loss", "auto", "min"), ("accuracy", "auto", "max"), ("mae", "auto", ""),
    ("sparse_categorical_crossentropy", "auto", "min"),
    ("val_mean_absolute_error", "auto", ""), ("nonsense", "min", "min"), ("loss", "max", "max"),
])  # fmt: skip
def test_direction_is_what_keras_will_find(monitor, mode, direction):
    stop = EarlyStopping(monitor, mode=mode, patience=9)
    if direction:
        look = looked(stop)
        assert stop.monitor_op is {"min": keras.ops.less, "max": keras.ops.greater}[direction]
    else:
        with pytest.raises(ValueError, match="isn't able to automatically determine"):
            looked(stop)
        look = Looking(stop)
        classifier(metrics=["accuracy", "sparse_categorical_crossentropy"]).fit(
            X[:48], Y[:48], verbose=0, callbacks=[look]
        )
    assert look.facts[0]["direction"] == direction


def two_outputs():
    inputs = layers.Input((6,))
    model = keras.Model(
        inputs, {"a": layers.Dense(1, name="a")(inputs), "b": layers.Dense(1, name="b")(inputs)}
    )
    model.compile("sgd", {"a": "mse", "b": "mse"}, metrics={"a": ["mae"]})
    return model


def test_which_way_a_metric_is_better():
    """Of Keras's own metrics of one output; a function of the user's has no direction that is known."""

    def mine(y, p):
        return keras.ops.mean(p)

    look = looked(model=classifier(metrics=["accuracy", "sparse_categorical_crossentropy", mine]))
    assert [(row["name"], row["direction"]) for row in look.directions] == [
        ("accuracy", "max"),
        ("sparse_categorical_crossentropy", "min"),
    ]
    assert look.directions[0]["class"].endswith("CategoricalAccuracy")
    assert looked(model=classifier()).directions == []
    assert metric_directions(two_outputs()) is None


def test_the_metrics_that_are_expected_are_those_that_come():
    for model, targets in (
        (
            classifier(metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(2, name="two")]),
            Y[:48],
        ),
        (classifier(weighted_metrics=["accuracy"]), Y[:48]),
        (classifier(), Y[:48]),
        (two_outputs(), {"a": Z[:48], "b": Z[:48]}),
    ):
        look = Looking()
        if isinstance(targets, dict):  # the names are those of a fit before
            model.fit(X[:48], targets, verbose=0)
        history = model.fit(X[:48], targets, verbose=0, callbacks=[look]).history
        assert sorted(look.expected) == sorted(history)


def test_a_model_with_a_step_of_its_own_promises_nothing():
    class Own(keras.Model):
        def train_step(self, *args, **kwargs):
            return super().train_step(*args, **kwargs)

    inputs = layers.Input((6,))
    model = Own(inputs, layers.Dense(3, activation="softmax")(inputs))
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    assert looked(model=model).expected is None


def test_metrics_that_depend_on_the_targets_are_not_told():
    model = two_outputs()
    assert metrics_expected(model) is None
    assert "direction" not in callback_facts([EarlyStopping("a_mae")], model)[0]
    assert callback_facts([EarlyStopping("a_mae", mode="min")], model)[0]["direction"] == "min"


def test_ends(tmp_path):
    rates = iter((1.0, 0.5, 0.6, 0.7, 0.8))
    judge = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(own=next(rates)))
    never, stop = EarlyStopping("nothing", mode="min"), EarlyStopping("own", mode="min", patience=2)
    plateau = ReduceLROnPlateau("own", mode="min", patience=9)
    callbacks = [Watch(tmp_path / "run", quiet=True), judge, never, stop, plateau]
    with pytest.warns(UserWarning, match="nothing"):
        classifier().fit(X[:48], Y[:48], epochs=5, verbose=0, callbacks=callbacks)
    ends = callback_ends(callbacks)
    assert ends[0] == {"class": "LambdaCallback"}
    assert ends[1]["best"] is None
    assert ends[2] == {"class": "EarlyStopping", "best": 0.5, "best_epoch": 2, "stopped_epoch": 4, "wait": 2}
    assert ends[3]["best"] == 0.5 and ends[3]["wait"] == 2


def test_a_backup_that_is_there(tmp_path):
    model = classifier()
    for backup in (tmp_path / "none", tmp_path / "broken"):
        (tmp_path / "broken").mkdir(exist_ok=True)
        (tmp_path / "broken" / "training_metadata.json").write_text("[]")
        row = callback_facts([BackupAndRestore(backup)], model)[0]
        assert row["exists"] is (backup.name == "broken") and "epoch" not in row

    class Crash(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.model.optimizer.iterations == 5:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        looked(BackupAndRestore(tmp_path / "b", save_freq=2), Crash(), model=model, epochs=3, batch_size=16)
    row = callback_facts([BackupAndRestore(tmp_path / "b")], model)[0]
    assert (row["exists"], row["epoch"], row["batch"]) == (True, 1, 0)


BASE = 0.1
STEP = keras.Variable(0.0)


class Decay:
    def __init__(self, source):
        self.calls, self.source = 0, source

    def __call__(self):
        self.calls += 1
        return 0.1 / self.calls

    def half(self):
        return self.__call__() / 2


def scaled(factor):
    return factor * math.exp(-time.time())


@pytest.mark.parametrize("rate, reads", [
    (0.1, None), (keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9), None),
    (lambda: 1e-3, "nothing"), (lambda: 10.0**-3, "nothing"),
    (lambda: BASE, "python"), (lambda: time.time() % 1, "python"), (partial(scaled, 0.1), "python"),
    (Decay(None), "python"), (Decay({"rates": [1.0]}).half, "python"), (lambda: scaled(BASE), "python"),
    (lambda: STEP * 0.1, "unknown"), (lambda: keras.ops.exp(-1.0), "unknown"), (Decay(STEP), "unknown"),
    (Decay([STEP]).half, "unknown"), (lambda: open, "nothing"),
])  # fmt: skip
def test_what_a_rate_reads(rate, reads):
    assert rate_reads(keras.optimizers.SGD(rate)) == reads


def test_what_an_enclosed_rate_reads():
    count, variable = 0, STEP

    def counted():
        nonlocal count
        count += 1
        return 0.1 / count

    assert rate_reads(keras.optimizers.SGD(counted)) == "python"
    assert rate_reads(keras.optimizers.SGD(lambda: variable)) == "unknown"
    assert count == 0
