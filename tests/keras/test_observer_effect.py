"""Watching changes no bit: weights, seeds, optimizer state are those of a bare fit, nothing stays behind."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from laboratory import (
    BACKEND,
    X,
    Y,
    attributes,
    classifier,
    keras,
    layers,
    random,
    reasons,
    same,
    state,
    trained,
)

from thalweg import Watch

optimizers = keras.optimizers


@pytest.fixture(autouse=True)
def compiled_as_for_users() -> Iterator[None]:
    """The other tests have XLA hurry."""
    if BACKEND != "jax":
        yield
        return
    import jax

    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", True)


@keras.saving.register_keras_serializable("laboratory")
class Noise(layers.Layer):
    """Draws random numbers in training and in inference, from a generator of its own."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.generator = keras.random.SeedGenerator(5)

    def call(self, inputs: Any) -> Any:
        return inputs + 0.1 * keras.random.normal(keras.ops.shape(inputs), seed=self.generator)


def dropout() -> tuple[Any, ...]:
    return layers.Dense(9, activation="relu"), layers.Dropout(0.4), layers.Dense(7, activation="tanh")


def normalised() -> tuple[Any, ...]:
    return layers.Dense(9), layers.BatchNormalization(), layers.ReLU(), layers.Dropout(0.2)


def noisy() -> tuple[Any, ...]:
    return Noise(), layers.Dense(8, activation="relu"), layers.Dropout(0.3)


def pictures() -> tuple[Any, ...]:
    return (
        layers.Reshape((3, 2, 1)), layers.Conv2D(4, 2, padding="same", activation="relu"),
        layers.BatchNormalization(), layers.MaxPooling2D((2, 1)), layers.Flatten(),
    )  # fmt: skip


def sequence() -> tuple[Any, ...]:
    return layers.Reshape((3, 2)), layers.LSTM(5, recurrent_dropout=0.2)


def schedule() -> Any:
    return optimizers.schedules.ExponentialDecay(0.02, 10, 0.8)


FULL: dict[str, Any] = {"budget": None}
CASES: dict[str, tuple[Any, Any, dict[str, Any], dict[str, Any]]] = {
    # hidden layers, optimizer, further arguments of compile and fit, arguments of Watch
    "sgd momentum": (dropout, lambda: optimizers.SGD(0.05, momentum=0.9), {}, FULL),
    "adam": (dropout, lambda: optimizers.Adam(0.01), {}, FULL),
    "adamw clipped": (dropout, lambda: optimizers.AdamW(0.01, global_clipnorm=0.3), {}, FULL),
    "rmsprop": (dropout, lambda: optimizers.RMSprop(0.01, momentum=0.5, centered=True), {}, FULL),
    "default budget, noise at inference": (
        noisy, lambda: optimizers.Adam(0.01, clipvalue=0.2), {"epochs": 6, "validation_split": 0.2}, {},
    ),
    "no budget": (dropout, lambda: optimizers.Adam(0.01), {}, {"budget": 0}),
    "normalised, scheduled, accumulating, averaging": (
        normalised,
        lambda: optimizers.SGD(
            schedule(), 0.9, gradient_accumulation_steps=3, use_ema=True, ema_overwrite_frequency=4
        ),
        {"class_weight": {0: 1.0, 1: 2.0, 2: 0.5}, "epochs": 5},
        {},
    ),
    "curvature": (normalised, lambda: optimizers.Adam(0.01), {}, {**FULL, "curvature": True}),
    "curvature, noise at inference": (
        noisy, lambda: optimizers.SGD(0.05, 0.9), {"class_weight": {0: 1.0, 1: 2.0, 2: 0.5}}, {"curvature": True},
    ),
    "convolution": (pictures, lambda: optimizers.Adam(0.01), {}, FULL),
    "recurrent": (sequence, lambda: optimizers.Adam(0.01), {"sample_weight": random.random(300)}, FULL),
    "mixed precision": (dropout, lambda: optimizers.Adam(0.01), {"policy": "mixed_float16"}, FULL),
}  # fmt: skip
if BACKEND == "tensorflow":  # PyTorch always is, and JAX takes the same way
    CASES["eager"] = (dropout, lambda: optimizers.Adam(0.01), {"run_eagerly": True, "batch_size": 60}, FULL)
if BACKEND != "torch":
    CASES["four steps a call"] = (dropout, lambda: optimizers.Adam(0.01), {"steps_per_execution": 4}, FULL)


@pytest.mark.parametrize("case", CASES)
def test_no_bit_changes(case, tmp_path):
    hidden, optimizer, further, watching = CASES[case]
    asked = {"batch_size": 12, "epochs": 2, "verbose": 0, **further}
    policy = asked.pop("policy", "float32")
    compiled = {key: asked.pop(key) for key in ("steps_per_execution", "run_eagerly") if key in asked}

    def build() -> Any:
        keras.mixed_precision.set_global_policy(policy)
        try:
            return classifier(*hidden(), optimizer=optimizer(), metrics=["accuracy"], **compiled)
        finally:
            keras.mixed_precision.set_global_policy("float32")

    def fit(model: Any, callbacks: Any) -> None:
        model.fit(X, Y, callbacks=callbacks, **asked)

    watch = Watch(tmp_path / "run", quiet=True, **watching)
    bare, watched = trained(build, fit, None), trained(build, fit, watch)
    same(state(bare), state(watched))
    assert type(bare.optimizer) is type(watched.optimizer)
    assert attributes(bare) == attributes(watched)
    record = watch.record()
    rows = 240 if "validation_split" in asked else 300
    assert (
        len(record.series["loss"])
        == len(record.series["gradient_norm"])
        == -(-rows // asked["batch_size"]) * asked["epochs"]
    )
    assert ("sharpness" in record.series) is watching.get("curvature", False)


@pytest.mark.parametrize("case", ["default budget, noise at inference", "convolution"])
def test_trained_on_without_it_the_model_stays_the_same(case, tmp_path):
    hidden, optimizer, *_ = CASES[case]

    def build() -> Any:
        return classifier(*hidden(), optimizer=optimizer())

    def fit(model: Any, callbacks: Any) -> None:
        model.fit(X[:80], Y[:80], batch_size=8, verbose=0, callbacks=callbacks)

    bare = trained(build, fit, None)
    watched = trained(build, fit, Watch(tmp_path / "run", quiet=True))
    # The watched model's own step has not been traced yet, and TensorFlow's XLA compiles the second trace of
    # a convolution to other roundings than its first (1e-8 apart).
    bare.make_train_function(force=True)
    for model in (bare, watched):
        keras.utils.set_random_seed(8)
        fit(model, [])
    same(state(bare), state(watched))


@pytest.mark.parametrize("size", [8, 32])  # of which the second is looked at before the first step
@pytest.mark.parametrize("source", ["tf.data", "generator", "PyDataset"])
def test_no_batch_is_drawn_twice_ahead_or_in_another_order(source, size, tmp_path):
    drawn: list[int] = []

    def batches() -> Any:
        order = np.random.default_rng(4)
        while True:
            rows = order.integers(0, 300, size)
            drawn.append(int(rows[0]))
            yield X[rows], Y[rows]

    class Rows(keras.utils.PyDataset):
        def __len__(self) -> int:
            return 96 // size

        def __getitem__(self, index: int) -> Any:
            rows = slice(index * size, (index + 1) * size)
            return X[rows], Y[rows]

    def data() -> tuple[Any, dict[str, Any]]:
        if source == "generator":
            return batches(), {"steps_per_epoch": 6}
        if source == "PyDataset":
            return Rows(), {}
        tensorflow = pytest.importorskip("tensorflow")
        dataset = tensorflow.data.Dataset.from_tensor_slices((X[:100], Y[:100]))
        return dataset.shuffle(100, seed=9).batch(size).prefetch(1), {}

    def fit(model: Any, callbacks: Any) -> None:
        found, asked = data()
        model.fit(found, epochs=3, callbacks=callbacks, verbose=0, **asked)

    def build() -> Any:
        return classifier(*dropout())

    bare = trained(build, fit, None)
    count = len(drawn)
    watched = trained(build, fit, Watch(tmp_path / "run", budget=None, quiet=True))
    same(state(bare), state(watched))
    # TensorFlow draws ahead in a thread of its own: how far is a matter of time, watched or not.
    common = min(count, len(drawn) - count) if BACKEND == "tensorflow" else count
    assert drawn[:common] == drawn[count : count + common]
    assert source != "generator" or common >= 6 * 3
    assert BACKEND == "tensorflow" or len(drawn) == 2 * count


def kept(model: Any) -> list[np.ndarray]:
    """What a file keeps of `state`: not the seed of a dropout, which Keras draws anew."""
    seeds = len(model.variables) - len(model.weights)
    return [*model.get_weights(), *state(model)[len(model.get_weights()) + seeds :]]


def test_a_model_saved_while_it_is_watched_is_the_bare_one(tmp_path):
    def fit(model: Any, callbacks: Any) -> None:
        path = tmp_path / ("watched" if callbacks else "bare")
        saving = keras.callbacks.ModelCheckpoint(f"{path}-{{epoch}}-{{batch}}.keras", save_freq=5)
        # The one that saves comes first and last: before and after what is watched is drained.
        model.fit(X[:80], Y[:80], batch_size=8, epochs=2, callbacks=[saving, *callbacks], verbose=0)
        model.save(f"{path}.keras")

    def build() -> Any:
        return classifier(*dropout(), optimizer=optimizers.Adam(0.01))

    trained(build, fit, None)
    watched = trained(build, fit, Watch(tmp_path / "run", budget=None, quiet=True))
    bare_files = sorted(tmp_path.glob("bare*.keras"))
    assert len(bare_files) >= 4
    for path in bare_files:
        left, right = (
            keras.saving.load_model(p) for p in (path, path.with_name(path.name.replace("bare", "watched")))
        )
        same(kept(left), kept(right))
        assert type(left.optimizer) is type(right.optimizer)
        assert isinstance(left.optimizer, optimizers.Adam)
    loaded = keras.saving.load_model(tmp_path / "watched.keras")
    same(kept(loaded), kept(watched))
    loaded.fit(X[:40], Y[:40], batch_size=8, verbose=0)
    alone = (
        f"import sys, keras; model = keras.saving.load_model({str(tmp_path / 'watched.keras')!r}); "
        "assert 'thalweg' not in sys.modules; print(type(model.optimizer).__name__)"
    )
    answer = subprocess.run([sys.executable, "-c", alone], capture_output=True, text=True, check=True)
    assert answer.stdout.strip().endswith("Adam")


def test_a_pace_that_changes_does_not_show(tmp_path, monkeypatch):
    """From every step through the pacer's blocks to two steps out of every 5."""
    from thalweg.keras import pacer

    monkeypatch.setattr(pacer.Pacer, "_conclude", conclude)
    monkeypatch.setattr(pacer, "_SECONDS", 0.0)  # however fast this machine is

    def fit(model: Any, callbacks: Any) -> None:
        model.fit(X, Y, batch_size=2, epochs=2, callbacks=callbacks, verbose=0)

    def build() -> Any:
        return classifier(*dropout(), optimizer=optimizers.Adam(0.01))

    watch = Watch(tmp_path / "run", quiet=True)
    bare, watched = trained(build, fit, None), trained(build, fit, watch)
    same(state(bare), state(watched))
    record = watch.record()
    (thinned,) = (event for event in record.events if event.kind == "thinned")
    assert thinned.detail["stride"] == 5 and 90 < thinned.step < 250
    after = range(thinned.step + 1, 301)
    measured = record.series["update_norm"].between(after[0], 300).steps.tolist()
    assert measured == [step for step in after if (step - 1) % 5 < 2]
    # The cosine is that of the second of two; the first may follow on the last timed block.
    known = record.series["gradient_cosine"].between(after[1], 300).steps.tolist()
    assert known == [step for step in measured if step > after[0] and (step - 1) % 5 == 1]
    assert len(record.series["loss"]) == 300


def conclude(pacer: Any, calls: int) -> None:
    pacer.cost, pacer.stride = 0.07, 5
    pacer._times, pacer._from, pacer._next = None, None, 10 * calls


@pytest.mark.skipif(BACKEND != "tensorflow", reason="elsewhere Keras raises, or trains what is trainable now")
@pytest.mark.parametrize("first", [True, False], ids=["frozen", "unfrozen"])
def test_what_became_trainable_after_compile_is_trained_as_without_a_watch(tmp_path, first):
    def build():
        model = classifier(keras.layers.Dense(8, trainable=first))
        model.fit(X[:64], Y[:64], verbose=0)
        model.layers[0].trainable = not first
        return model

    def fit(model, callbacks):
        model.fit(X[:64], Y[:64], epochs=2, verbose=0, callbacks=callbacks)

    watch = Watch(tmp_path / "run", budget=None, quiet=True)
    same(state(trained(build, fit, None)), state(trained(build, fit, watch)))
    assert "changed after `compile`" in reasons(watch.record(), "unwatched")[0]
