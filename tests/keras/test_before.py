"""What is known before the first step: the arguments of fit, the sample, the order of the batches; `Check`."""

import numpy as np
import pytest
from laboratory import BACKEND, X, Y, classifier, fitted, keras, same, state

from thalweg.keras.arguments import FitArguments
from thalweg.keras.check import Check, Checked

layers = keras.layers


class Asked(keras.callbacks.Callback):
    """Reads the arguments of the `fit` that calls it."""

    def on_train_begin(self, logs=None):
        self.found = FitArguments.of(self.model)


def asked(model, *data, **arguments):
    callback = Asked()
    model.fit(*data, verbose=0, callbacks=[callback], **arguments)
    return callback.found


class Overriding(keras.Sequential):
    def fit(self, *args, **kwargs):
        return super().fit(*args, **kwargs)


def pipeline(batches=20, size=16):
    def draw():
        for start in range(batches):
            rows = np.arange(size * start, size * start + size) % len(X)
            yield X[rows], Y[rows]

    return draw()


def test_arrays_are_found_after_the_split_as_are_the_neighbours():
    found = asked(
        classifier(), X, Y, validation_split=0.2, batch_size=20, shuffle=False, class_weight={0: 2.0}
    )
    inputs, targets, weights = found.training
    assert inputs.shape == (240, 6) and targets.shape == (240,) and weights is None
    assert np.shares_memory(inputs, X)
    assert found.validation[0].shape == (60, 6)
    assert (found.batch_size, found.shuffle, found.class_weight, found.validated) == (20, False, True, True)
    assert found.class_weights == {"0": 2.0} and asked(classifier(), X, Y).class_weights is None
    assert {type(c).__name__ for c in found.callbacks} >= {"Asked", "History"}


def test_a_model_that_overrides_fit_is_looked_through():
    model = Overriding([layers.Input((6,)), layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert asked(model, X, Y).total == 300


def test_a_pipeline_has_no_arrays_and_a_validation_set_beside_it_has():
    found = asked(classifier(), pipeline(), steps_per_epoch=3, validation_data=(X, Y))
    assert found.training is None and found.sample() is None and found.shuffle is None
    assert found.validation[0] is X


def test_tensors_of_the_backend_are_arrays_too():
    tensors = [keras.ops.convert_to_tensor(array) for array in (X, Y)]
    assert asked(classifier(), *tensors).training[0].shape == (300, 6)


def test_validation_and_targets_are_looked_at_by_the_facts_that_rules_ask_for(tmp_path):
    beside = (X[200:], Y[200:])
    run = fitted(tmp_path, classifier(), X[:200], Y[:200], validation_data=beside).info["data"]
    assert run["validation"]["transfer"]["chance"] == pytest.approx(1 / len(np.unique(Y)))
    assert run["targets"][0]["small"]["zeros"] == np.count_nonzero(Y[:200] == 0)


def test_outside_of_fit_nothing_is_found():
    assert FitArguments.of(classifier()) == FitArguments()


def test_the_sample_is_spread_evenly_and_as_keras_feeds_it():
    wide = np.arange(5000, dtype="float64")[:, None]
    model = keras.Sequential([layers.Input((1,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    rows = asked(model, wide, wide).sample(1000)[0]
    assert rows.dtype == "float32" and len(rows) == 1000
    assert rows[0] == 0 and rows[-1] == 4999 and np.ptp(np.diff(rows[:, 0])) <= 1


def test_the_probe_batch_is_measured_before_the_first_step(tmp_path):
    record = fitted(tmp_path / "run", classifier(), X, Y)
    assert record.series["output_spread"].steps[0] == 0
    assert record.info["watch"]["probe_examples"] == 256
    assert record.info["data"]["total"] == 300
    assert record.info["losses"][0]["class"] == "SparseCategoricalCrossentropy"
    assert record.info["contract"]["pair_gap"] == pytest.approx(0.0, abs=1e-5)


def test_the_first_batch_of_a_pipeline_tells_how_the_loss_began(tmp_path):
    model = classifier(layers.Dense(8, activation="relu"), layers.Dropout(0.5))
    first = model.evaluate(X[:32], Y[:32], verbose=0)
    record = fitted(tmp_path / "run", model, pipeline(20, 32), steps_per_epoch=10, epochs=2)
    contract = record.info["contract"]
    assert contract["step"] == 0 and contract["recomputed_loss"] == pytest.approx(first, rel=1e-5)
    assert contract["training_loss"] > 0.0
    # The series are those of the probe batch, which was not full yet.
    assert record.info["watch"]["probe_examples"] == 256 and record.series["probe_loss"].steps[0] == 10


def test_where_it_is_too_small_the_record_says_at_which_weights_it_was_measured(tmp_path):
    record = fitted(tmp_path / "run", classifier(), pipeline(), steps_per_epoch=10, epochs=2)
    assert record.info["contract"]["step"] == 10


@pytest.mark.parametrize("shuffle", [True, False])
def test_whether_every_epoch_begins_with_the_same_batch(tmp_path, shuffle):
    keras.utils.set_random_seed(3)
    record = fitted(tmp_path / "run", classifier(), X, Y, epochs=3, shuffle=shuffle)
    # Keras on TensorFlow: seeded and from arrays, shuffled batches come in one order for ever.
    assert record.info["data"]["order"]["repeats"] is (not shuffle or BACKEND == "tensorflow")


def test_two_epochs_do_not_tell_whether_the_order_repeats(tmp_path):
    record = fitted(tmp_path / "run", classifier(), X, Y, epochs=2, shuffle=False)
    assert "repeats" not in record.info["data"]["order"]


def checked(model, *data, overfit=False, **arguments):
    check = Check("train", overfit)
    with pytest.raises(Checked):
        model.fit(*data, verbose=0, callbacks=[check], **arguments)
    return check.record


def test_a_check_knows_what_a_run_knows_and_trains_nothing(tmp_path):
    keras.utils.set_random_seed(3)
    model = classifier()
    before = state(model)
    record = checked(model, X, Y, validation_split=0.1, epochs=2)
    same(before, state(model))
    keras.utils.set_random_seed(3)
    run = fitted(tmp_path / "run", classifier(), X, Y, validation_split=0.1)
    for key in ("data", "contract", "losses", "optimizer"):
        assert record.info[key] == run.info[key], key
    assert "descent" in run.info["data"]["linear"]
    for series in (each for each in record.series.values() if not each.subject):
        assert series.steps.tolist() == [0]
        assert series.values[0] == run.series[series.name].values[0]


def test_a_check_draws_from_a_pipeline_what_it_needs():
    record = checked(classifier(), pipeline(), steps_per_epoch=20)
    assert record.info["data"]["examples"] == 320
    assert record.series["output_spread"].steps.tolist() == [0]


def test_a_pipeline_that_breaks_is_told(monkeypatch):
    def broken():
        for _ in range(5):  # Keras itself looks at the first two
            yield X[:16], Y[:16]
        raise OSError("no such file")

    monkeypatch.delenv("THALWEG_RAISE")
    record = checked(classifier(), broken(), steps_per_epoch=20)
    assert any("could not be sampled" in event.detail["reason"] for event in record.events)


@pytest.mark.parametrize(("rate", "falls"), [(0.5, True), (0.0, False)])
def test_a_batch_is_overfitted_on_request(rate, falls):
    model = classifier(layers.Dense(32, activation="relu"), optimizer=keras.optimizers.SGD(rate))
    found = checked(model, X, Y, overfit=True).info["overfit"]
    assert found["examples"] == 16
    assert (found["lowest"] < 0.5 * found["first"]) is falls


def test_facts_that_fail_are_left_out_and_told(tmp_path, monkeypatch):
    from thalweg.keras import before

    def fail(*_, **__):
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(before, "contract_facts", fail)
    monkeypatch.delenv("THALWEG_RAISE")
    record = fitted(tmp_path / "run", classifier(), X, Y)
    assert "contract" not in record.info and "data" in record.info
    assert len(record.series["loss"]) > 0
    told = [event.detail["reason"] for event in record.events if event.kind == "unwatched"]
    assert any("contract (ZeroDivisionError: planted)" in reason for reason in told)


@pytest.mark.parametrize("recurrent", [layers.SimpleRNN, layers.GRU, layers.LSTM])
def test_recurrent_layers_are_measured_and_watched(tmp_path, recurrent):
    model = keras.Sequential([layers.Input((6, 1)), recurrent(4), layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    record = fitted(tmp_path / "run", model, X[:64, :, None], Y[:64])
    assert len(record.series["loss"]) == 4
    assert not [event for event in record.events if event.kind == "unwatched"]
    assert 0 in record.series["probe_accuracy"].steps


def test_one_short_fit_of_many_does_not_wait_for_its_data_to_be_looked_at(tmp_path, monkeypatch):
    from thalweg.keras import examples

    monkeypatch.setattr(examples, "_for_looks", examples.Allowance(1e-6))
    model = classifier()
    runs = [fitted(tmp_path / str(n), model, X, Y, budget=0.03, epochs=1) for n in range(3)]
    # The first, which compiles, says nothing of the next; the second says what one costs.
    assert ["data" in run.info for run in runs] == [True, True, False]
    assert all(len(run.series["loss"]) == 10 for run in runs)
    told = [e.detail["reason"] for e in runs[2].events if e.kind == "unwatched"]
    assert told == ["the data were not looked at: this fit is one of many, and short"]
    assert "data" in fitted(tmp_path / "all", model, X, Y, budget=None, epochs=1).info
