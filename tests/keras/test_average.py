"""Averages of the weights against NumPy's of what a plain callback saw; when they begin, anew, or not at all."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from laboratory import BACKEND, X, Y, classifier, fitted, keras, layers, ops, reasons

from thalweg.keras import average
from thalweg.keras.probe_batch import ProbeBatch
from thalweg.stats import mean

NAMES = {
    "average_span": "steps",
    "early_average_loss": "loss",
    "average_loss": "loss",
    "iterate_loss": "loss",
    "iterate_loss_error": "loss",
    "average_distance": "parameter",
}


class Weights(keras.callbacks.Callback):
    """The trainable weights after every step; and on JAX, where a batch's end has them only when asked, asks."""

    def __init__(self) -> None:
        super().__init__()
        self.after: dict[int, list[np.ndarray]] = {}

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if BACKEND == "jax":
            self.model.jax_state_sync()
        values = [np.array(ops.convert_to_numpy(v.value)) for v in self.model.trainable_variables]
        self.after[len(self.after) + 1] = values


def steps_of(a: int, b: int) -> list[int]:
    count = min(8, b - a)
    return [a + round((i + 1) * (b - a) / count) for i in range(count)]


def spanned(weights: Weights, bounds: list[int], first: int, last: int) -> list[np.ndarray]:
    """The mean over stretches of time of the means of eight weights in each, evenly spaced."""
    after, parts, lengths = weights.after, [], []
    inside = bounds[bounds.index(first) : bounds.index(last) + 1]
    for a, b in pairwise(inside):
        parts.append([np.mean([after[s][i] for s in steps_of(a, b)], axis=0) for i in range(len(after[1]))])
        lengths.append(b - a)
    return [np.average([p[i] for p in parts], axis=0, weights=lengths) for i in range(len(after[1]))]


def test_looks_equal_those_of_the_weights_that_a_callback_saw(tmp_path):
    keras.utils.set_random_seed(3)
    weights = Weights()
    model = classifier(layers.Dense(5, activation="tanh", kernel_regularizer=keras.regularizers.L2(0.01)))
    # 150 steps an epoch: two of them are 300, of which the sums leave out the first quarter.
    record = fitted(tmp_path / "run", model, X, Y, batch_size=2, epochs=3, callbacks=[weights])
    bounds = [round(75 * 2 ** (j / 4)) for j in range(11)]
    assert record.series["average_loss"].steps.tolist() == bounds[8:] == [300, 357, 424]
    assert {name: record.series[name].unit for name in NAMES} == NAMES
    assert record.series["average_span"].values.tolist() == bounds[8:]
    batch = X[np.unique(np.linspace(0, 299, 300).astype(int))][:256], Y[:256]

    def loss(values: list[np.ndarray]) -> float:
        for variable, value in zip(model.trainable_variables, values, strict=True):
            variable.assign(value)
        return float(model.evaluate(*batch, batch_size=256, verbose=0))

    for number, look in enumerate(bounds[8:], start=8):
        half, quarter = bounds[number - 4], bounds[number - 8]
        early, late = spanned(weights, bounds, quarter, half), spanned(weights, bounds, half, look)
        at = {name: float(record.series[name].between(look, look).values[0]) for name in NAMES}
        assert at["early_average_loss"] == pytest.approx(loss(early), rel=2e-6)
        assert at["average_loss"] == pytest.approx(loss(late), rel=2e-6)
        distance = np.sqrt(sum(np.sum((a - b) ** 2) for a, b in zip(early, late, strict=True)))
        assert at["average_distance"] == pytest.approx(distance, rel=1e-4)
        blocks = list(zip(bounds[number - 4 : number], bounds[number - 3 : number + 1], strict=True))
        values = [[loss(weights.after[s]) for s in steps_of(a, b)] for a, b in blocks]
        expected = np.average([np.mean(v) for v in values], weights=[b - a for a, b in blocks])
        assert at["iterate_loss"] == pytest.approx(expected, rel=2e-6)
        assert at["iterate_loss_error"] == pytest.approx(mean(np.concatenate(values)).error, rel=1e-2)


def test_batch_normalisation_is_estimated_on_the_probe_batch():
    model = classifier(
        layers.Dense(7), layers.BatchNormalization(), layers.ReLU(), layers.Dropout(0.5),
        layers.Dense(4), layers.BatchNormalization(trainable=False),
    )  # fmt: skip
    model.fit(X, Y, batch_size=30, epochs=2, verbose=0)
    before = [np.array(ops.convert_to_numpy(v.value)) for v in model.variables]
    called = ProbeBatch((X[:200], Y[:200], None)).called(model)
    found = ops.convert_to_numpy(called.predict_normalised(called.values(), X[:200]))
    plain = ops.convert_to_numpy(model(X[:200], training=False))
    assert np.abs(found - plain).max() > 1e-3
    for variable, value in zip(model.variables, before, strict=True):
        assert np.array_equal(ops.convert_to_numpy(variable.value), value)
    # By hand: the moving statistics become those of what the layer before it answers.
    normal = model.layers[1]
    given = ops.convert_to_numpy(model.layers[0](X[:200]))
    normal.moving_mean.assign(given.mean(axis=0))
    normal.moving_variance.assign(given.var(axis=0))
    assert ops.convert_to_numpy(model(X[:200], training=False)) == pytest.approx(found, abs=2e-6)


def rates(values: dict[int, float]) -> Any:
    return keras.callbacks.LearningRateScheduler(lambda epoch, rate: values.get(epoch, rate))


def test_sums_begin_anew_where_the_rate_changes(tmp_path):
    record = fitted(
        tmp_path / "run", classifier(), X[:64], Y[:64], batch_size=2, epochs=16, callbacks=[rates({6: 0.001})]
    )
    spans, steps = record.series["average_span"].values, record.series["average_span"].steps
    (anew,) = np.flatnonzero(np.diff(spans) < 0.0) + 1
    assert steps[:anew].tolist() == spans[:anew].tolist() == [128, 152, 181]
    begin = steps[anew:] - spans[anew:]
    # Noticed with the next drain: the look that was due after the change is not made.
    assert np.all(begin == begin[0]) and 192 < begin[0] <= 216
    assert spans[anew] == 128


def test_a_rate_that_creeps_begins_them_anew_outside_its_band(tmp_path):
    schedule = keras.optimizers.schedules.ExponentialDecay(0.01, 1000, 0.5)  # a fifth in 263 steps
    model = classifier(optimizer=keras.optimizers.SGD(schedule))
    record = fitted(tmp_path / "run", model, X[:64], Y[:64], batch_size=2, epochs=20)
    steps, spans = record.series["average_span"].steps, record.series["average_span"].values
    assert np.sum(np.diff(spans) < 0.0) >= 1 and np.all(spans < 300)
    used = record.series["learning_rate"]
    for step, span in zip(steps, spans, strict=True):
        seen = used.between(int(step - span) + 1, int(step)).values
        assert seen.max() <= average.BAND * seen.min() * (1 + 1e-6)


def test_none_are_kept_that_would_not_fit_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(average, "BYTES", 1000)
    record = fitted(tmp_path / "run", classifier(), X, Y, batch_size=2)
    assert "average_loss" not in record.series
    (reason,) = reasons(record, "unwatched")
    assert reason.startswith("no averages of the weights: they would take")
    assert len(record.series["loss"]) == 300


def test_a_bug_of_ours_ends_the_averages_alone(tmp_path, monkeypatch):
    monkeypatch.delenv("THALWEG_RAISE")

    def broken(*_: Any) -> Any:
        raise TypeError("planted")

    monkeypatch.setattr(average, "_on_host", broken)
    record = fitted(tmp_path / "run", classifier(), X, Y, batch_size=2)
    assert "TypeError: planted" in reasons(record, "unwatched")[0]
    assert len(record.series["loss"]) == 300 and record.events[-1].detail["reason"] == "completed"


@pytest.mark.parametrize("free", [0.0, 1e9])
def test_the_budget_decides_when_the_first_look_comes(free, tmp_path, monkeypatch):
    monkeypatch.setattr(average, "FREE", free)
    monkeypatch.setattr(average.Averages, "_time", lambda self, step, now: setattr(self, "_step_takes", 1e-9))
    record = fitted(tmp_path / "run", classifier(), X, Y, batch_size=2, budget=0.03, epochs=3)
    if free:
        assert record.series["average_span"].values[0] == 300
    else:
        assert "average_loss" not in record.series
        assert record.info["watch"]["averages"] == "the budget did not afford them"


def test_without_a_budget_there_are_none(tmp_path):
    record = fitted(tmp_path / "run", classifier(), X, Y, batch_size=2, budget=0, epochs=3)
    assert "average_loss" not in record.series
    assert record.info["watch"]["averages"] == "the budget is 0"
