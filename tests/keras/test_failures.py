"""Steps that raise, callbacks that raise, people who interrupt, disks that fill up, and bugs of our own."""

from typing import Any

import numpy as np
import pytest
from laboratory import (
    BACKEND,
    X,
    Y,
    attributes,
    classifier,
    fitted,
    keras,
    layers,
    ops,
    reasons,
    same,
    state,
    trained,
)

from thalweg import RunFolderError, UsageError, Watch, read
from thalweg.keras import probes
from thalweg.store import Journal

SLOW = {"jit_compile": False} if BACKEND == "tensorflow" else {}


class Raising(keras.callbacks.Callback):
    """Raises at the end of the batch of this number."""

    def __init__(self, error: BaseException, batch: int) -> None:
        super().__init__()
        self.error, self.batch = error, batch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch == self.batch:
            raise self.error


def clean(model: Any) -> None:
    assert attributes(model) == attributes_of_a_bare_fit(model)


def attributes_of_a_bare_fit(model: Any) -> list[set[str]]:
    """Those it has, less what the seam interposes."""
    ours = {"train_step", "make_train_function", "apply", "stateless_apply", "update_state", "call"}
    return [names - ours for names in attributes(model)]


def test_another_callback_raises_and_the_next_fit_is_watched(tmp_path):
    model = classifier(**SLOW)
    watch = Watch(tmp_path / "run", budget=None, quiet=True)
    with pytest.raises(ZeroDivisionError):
        model.fit(
            X[:80],
            Y[:80],
            batch_size=8,
            verbose=0,
            callbacks=[watch, Raising(ZeroDivisionError("batch 4"), 4)],
        )
    record = fitted(tmp_path / "next", model, batch_size=8)
    assert record.series["gradient_norm"].steps.tolist() == list(range(1, 13))
    clean(model)
    died = watch.record()
    assert died.events[-1].kind == "finished" and died.events[-1].detail["reason"] == "exception"
    if BACKEND != "jax":  # there the state of the fit that died is gone with it
        assert len(died.series["loss"]) == 5


class Unfreezing(keras.callbacks.Callback):
    """What guides to gradual unfreezing do between epochs."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == 1:
            self.model.layers[0].trainable = True
            self.model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"], **SLOW)
            self.model.make_train_function(force=True)


@pytest.mark.skipif(BACKEND == "jax", reason="there Keras itself cannot unfreeze in mid-fit")
def test_another_callback_has_the_train_function_made_anew(tmp_path):
    def build() -> Any:
        model = classifier(layers.Dense(5, activation="relu"), optimizer="sgd", **SLOW)
        model.layers[0].trainable = False
        return model

    def fit(model: Any, callbacks: Any) -> None:
        model.fit(X, Y, batch_size=100, epochs=3, verbose=0, callbacks=[Unfreezing(), *callbacks])

    watch = Watch(tmp_path / "run", budget=None, quiet=True)
    bare, watched = trained(build, fit, None), trained(build, fit, watch)
    same(state(bare), state(watched))
    clean(watched)
    record = watch.record()
    assert len(record.series["loss"]) == 3 and len(record.series["epoch_loss"]) == 3
    assert reasons(record, "unwatched") == ["a callback had Keras make its train function anew"]
    assert record.events[-1].detail["reason"] == "completed"


def from_the_first_step(count: list[int]) -> Any:
    """Forgets what Keras's first trace and our look before the first step have counted."""
    return keras.callbacks.LambdaCallback(on_train_begin=lambda logs: count.clear())


@pytest.mark.parametrize(
    "error", [ValueError("a bad batch"), KeyboardInterrupt()], ids=["exception", "interrupted"]
)
def test_a_step_raises(error, tmp_path, request):
    count = []

    class Loss(keras.losses.Loss):
        def call(self, y_true: Any, y_pred: Any) -> Any:
            if y_pred.shape[0] == 8:  # a step's, not the probe batch
                count.append(1)
            if len(count) == 3:
                raise error
            return ops.mean(ops.square(y_pred), axis=-1)

    model = classifier(loss=Loss(), run_eagerly=True)
    watch = Watch(tmp_path / "run", budget=None, quiet=True)
    with pytest.raises(type(error)):
        model.fit(X[:80], Y[:80], batch_size=8, verbose=0, callbacks=[watch, from_the_first_step(count)])
    clean(model)
    record = watch.record()
    finished = record.events[-1]
    assert finished.kind == "finished" and finished.detail["reason"] == request.node.callspec.id
    assert type(error).__name__ in finished.detail["message"] and str(error) in finished.detail["message"]
    assert len(record.series["loss"]) == finished.step == 2


@pytest.mark.skipif(BACKEND != "jax", reason="only JAX gives its state away to a step")
def test_a_compiled_step_raises_after_its_state_was_given_away(tmp_path):
    import jax

    seen = []

    def look(value: Any) -> Any:
        seen.append(1)
        if len(seen) == 7:
            raise ValueError("on the device")
        return value

    class Fragile(layers.Layer):
        def call(self, inputs: Any) -> Any:
            shape = jax.ShapeDtypeStruct(inputs.shape, inputs.dtype)
            found = (
                jax.pure_callback(look, shape, jax.lax.stop_gradient(inputs)) if inputs.shape[0] else inputs
            )
            return inputs + 0.0 * jax.lax.stop_gradient(found)

    keras.utils.set_random_seed(1)
    model = keras.Sequential([layers.Input((6,), batch_size=8), layers.Dense(4), Fragile(), layers.Dense(1)])
    model.compile("sgd", "mse")
    watch = Watch(tmp_path / "run", budget=None, quiet=True)
    with pytest.raises(Exception, match="on the device"):
        model.fit(X[:80], X[:80, :1], batch_size=8, verbose=0, callbacks=[watch, from_the_first_step(seen)])
    clean(model)
    record = watch.record()
    finished = record.events[-1]
    assert finished.kind == "finished" and finished.detail["reason"] == "exception"
    lost = [reason for reason in reasons(record, "unwatched") if "lost with the one that failed" in reason]
    kept = record.series.get("loss", ())
    assert len(kept) + sum(int(reason.split()[0]) for reason in lost) >= 5, record.events


def test_the_disk_fails_and_training_goes_on(tmp_path, monkeypatch, capsys):
    append, full = Journal.append, []

    def failing(journal: Journal, columns: Any, steps: Any, values: Any) -> None:
        if len(steps) and steps[-1] >= 100:
            full.append(int(steps[-1]))
            raise RunFolderError("the disk is full")
        append(journal, columns, steps, values)

    monkeypatch.setattr(Journal, "append", failing)

    def build() -> Any:
        return classifier(optimizer="adam", **SLOW)

    def fit(model: Any, callbacks: Any) -> None:
        model.fit(X, Y, batch_size=4, epochs=2, verbose=0, callbacks=callbacks)

    watch = Watch(tmp_path / "run", budget=None, quiet=False)
    bare, watched = trained(build, fit, None), trained(build, fit, watch)
    same(state(bare), state(watched))
    assert attributes(bare) == attributes(watched)
    assert len(full) == 1
    assert (
        capsys.readouterr().err.count("nothing is recorded, training goes on unwatched: the disk is full")
        == 1
    )
    assert "loss" not in watch.record().series or watch.record().series["loss"].steps[-1] < 100


def test_a_bug_of_ours_ends_the_watching_alone(tmp_path, monkeypatch):
    monkeypatch.delenv("THALWEG_RAISE")

    def broken(*_: Any) -> Any:
        raise TypeError("planted")

    monkeypatch.setattr(probes, "norms", broken)

    def fit(model: Any, callbacks: Any) -> None:
        model.fit(X[:80], Y[:80], batch_size=8, epochs=2, verbose=0, callbacks=callbacks)

    watch = Watch(tmp_path / "run", quiet=True)
    bare = trained(lambda: classifier(**SLOW), fit, None)
    watched = trained(lambda: classifier(**SLOW), fit, watch)
    same(state(bare), state(watched))
    assert attributes(bare) == attributes(watched)
    record = watch.record()
    (reason,) = reasons(record, "unwatched")
    assert "TypeError: planted" in reason and "bug" in reason
    assert record.series["epoch_loss"].steps.tolist() == [10, 20]
    assert record.events[-1].detail["reason"] == "completed"


def test_a_folder_that_holds_a_run_is_refused_before_training(tmp_path):
    fitted(tmp_path / "run", classifier(**SLOW))
    with pytest.raises(RunFolderError, match="run"):
        Watch(tmp_path / "run")
    again = Watch(tmp_path / "run", overwrite=True, quiet=True)
    classifier(**SLOW).fit(X[:48], Y[:48], verbose=0, callbacks=[again])
    assert len(read(tmp_path / "run").series["epoch_loss"]) == 1
    with pytest.raises(UsageError, match=r"budget must be .* got 3"):
        Watch(budget=3)
    with pytest.raises(UsageError, match="Nothing has been watched"):
        Watch().record()


@pytest.mark.parametrize("budget", [None, 0])
def test_memory(budget, tmp_path, monkeypatch):
    """One buffer of the parameters' size, and none where the costly probes are left out."""
    tapes = []
    from thalweg.keras import steps

    def noted(*args: Any, **kwargs: Any) -> Any:
        tapes.append(tape := real(*args, **kwargs))
        return tape

    real = steps.Tape
    monkeypatch.setattr(steps, "Tape", noted)
    model = classifier(layers.Dense(50, activation="relu"), **SLOW)
    record = fitted(tmp_path / "run", model, budget=budget, batch_size=16)
    (tape,) = tapes
    buffers = tape.variables[0 if tape.eager else 1 :]
    shapes = [tuple(variable.shape) for variable in buffers]
    parameters = [tuple(variable.shape) for variable in model.trainable_variables]
    assert shapes == (parameters if budget is None else [])
    assert sum(np.prod(v.shape) for v in tape.variables[: -len(buffers) or None]) <= 1025 * 32
    costly = {"update_norm", "parameter_norm", "gradient_cosine", "update_ratio", "zero_gradient_fraction"}
    found = costly & {series.quantity for series in record.series.values()}
    assert found == (costly if budget is None else set())
    assert {"loss", "gradient_norm", "nonfinite_gradients"} <= set(record.series)


def test_live_rules_look_back_on_a_bounded_tail(tmp_path, monkeypatch):
    from thalweg.keras import live_rules, steps
    from thalweg.rules import RULES

    seen = []

    class Listening:
        def check(self, record: Any) -> Any:
            seen.append(len(record.series["loss"]))
            return RULES[0].check(record)

    monkeypatch.setattr(live_rules, "_LIVE", (Listening(),))
    monkeypatch.setattr(live_rules, "_TAIL", 40)
    monkeypatch.setattr(steps, "_ROWS", 16)
    monkeypatch.setattr(steps, "_FUNCTIONAL_ROWS", 16)
    record = fitted(tmp_path / "run", classifier(**SLOW), X, Y, batch_size=4)
    assert len(record.series["loss"]) == 150
    assert 40 <= max(seen) <= 40 + 16
