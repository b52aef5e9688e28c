"""A run keeps its model and a sample of its examples, and gives both back; or says why it cannot."""

import numpy as np
import pytest
from laboratory import X, Y, Z, classifier, fitted, keras, layers

from thalweg import UnsupportedError, Watch
from thalweg.keras import kept


def taken(record, folder):
    return kept.subject(folder, record.info["kept"])


def test_the_model_comes_back_with_its_optimizer(tmp_path):
    model = classifier(layers.Dense(8), layers.BatchNormalization(), layers.Dropout(0.2), optimizer="adam")
    record = fitted(tmp_path / "run", model, X, Y, validation_data=(X[:50], Y[:50]))
    found = taken(record, tmp_path / "run")
    assert np.array_equal(found.model.predict(X, verbose=0), model.predict(X, verbose=0))
    weights = zip(model.get_weights(), found.model.get_weights(), strict=True)
    assert all(np.array_equal(*pair) for pair in weights)
    slots = zip(model.optimizer.variables, found.model.optimizer.variables, strict=True)
    assert all(np.array_equal(*map(keras.ops.convert_to_numpy, pair)) for pair in slots)
    assert (found.total, len(found.training[0]), len(found.validation[0])) == (300, 300, 50)
    assert np.array_equal(found.training[1], Y)
    assert found.digests["weights"] == record.info["kept"]["model"]["weights"]
    assert found.digests["examples"] == record.info["kept"]["examples"]["digest"]


def test_a_layer_that_was_adapted_comes_back(tmp_path):
    normalise = layers.Normalization()
    normalise.adapt(100.0 + 20.0 * X)
    record = fitted(tmp_path / "run", model := classifier(normalise), 100.0 + 20.0 * X, Y)
    found = taken(record, tmp_path / "run")
    given = 100.0 + 20.0 * X
    assert np.allclose(found.model.predict(given, verbose=0), model.predict(given, verbose=0), atol=1e-6)
    assert not np.allclose(found.model.layers[0](given), given)


@keras.saving.register_keras_serializable("tests")
class Scaled(layers.Layer):
    """Multiplies by a number that is not in its configuration."""

    factor = 1.0

    def call(self, inputs):
        return self.factor * inputs


def test_a_model_that_answers_otherwise_than_the_trained_one_is_not_taken_for_it(tmp_path):
    scaled = Scaled()
    scaled.factor = 3.0
    record = fitted(tmp_path / "run", model := classifier(scaled), X, Y)
    with pytest.raises(UnsupportedError, match="answers otherwise than the trained one did"):
        taken(record, tmp_path / "run")
    assert kept.subject(tmp_path / "run", record.info["kept"], model).model is model
    plain = fitted(tmp_path / "plain", classifier(Scaled()), X, Y)
    assert taken(plain, tmp_path / "plain").total == 300


def test_a_model_that_draws_in_inference_too_is_known_by_its_weights(tmp_path):
    class Drawn(layers.Dropout):
        def call(self, inputs, training=None):
            return super().call(inputs, training=True)

    keras.saving.register_keras_serializable("tests")(Drawn)
    record = fitted(tmp_path / "run", classifier(Drawn(0.5)), X, Y)
    assert taken(record, tmp_path / "run").total == 300


def test_structures_come_back(tmp_path):
    a, b = layers.Input((6,), name="a"), layers.Input((1,), name="b")
    joined = layers.Concatenate()([a, b])
    model = keras.Model(
        {"a": a, "b": b}, [layers.Dense(1, name="u")(joined), layers.Dense(1, name="v")(joined)]
    )
    model.compile("sgd", ["mse", "mae"])
    weights = np.linspace(1.0, 2.0, 300)
    record = fitted(tmp_path / "run", model, {"a": X, "b": Z}, [Z, -Z], sample_weight=[weights, weights])
    found = taken(record, tmp_path / "run")
    assert set(found.training[0]) == {"a", "b"}
    assert np.array_equal(found.training[1][1], -Z)
    assert np.allclose(found.training[2][0], weights)


def test_large_data_are_sampled_evenly(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "_EXAMPLE_BYTES", 100 * (6 * 4 + Y.itemsize))
    record = fitted(tmp_path / "run", classifier(), X, Y)
    found = taken(record, tmp_path / "run")
    assert (len(found.training[0]), found.total) == (100, 300)
    assert np.array_equal(found.training[0][[0, -1]], X[[0, -1]])


def test_class_weights_become_sample_weights(tmp_path):
    record = fitted(tmp_path / "run", classifier(), X, Y, class_weight={0: 1.0, 1: 3.0, 2: 0.5})
    assert np.array_equal(taken(record, tmp_path / "run").training[2], np.array([1.0, 3.0, 0.5])[Y])


def test_a_pipeline_keeps_what_passed(tmp_path):
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 5

        def __getitem__(self, index):
            return X[index * 60 : index * 60 + 60], Y[index * 60 : index * 60 + 60]

    watch = Watch(tmp_path / "run", budget=None, quiet=True)
    classifier().fit(Batches(), epochs=2, verbose=0, shuffle=False, callbacks=[watch])
    found = taken(watch.record(), tmp_path / "run")
    assert found.total == 300
    assert np.array_equal(found.training[0][:60], X[:60])


class Own(layers.Layer):
    def call(self, inputs):
        return inputs * 2.0


def test_a_layer_of_ones_own_is_named(tmp_path):
    record = fitted(tmp_path / "run", classifier(Own()))
    with pytest.raises(UnsupportedError, match=r"cannot be rebuilt .*Own.*model=model"):
        taken(record, tmp_path / "run")


def test_code_in_a_configuration_is_not_run(tmp_path):
    record = fitted(tmp_path / "run", classifier(layers.Lambda(lambda inputs: inputs)))
    with pytest.raises(UnsupportedError, match="ambda"):
        taken(record, tmp_path / "run")


@pytest.mark.parametrize("name", ["model", "examples"])
def test_what_is_gone_is_said(tmp_path, name):
    record = fitted(tmp_path / "run", classifier())
    (tmp_path / "run" / f"{name}.npz").unlink()
    with pytest.raises(UnsupportedError, match=rf"gone: there is no {name}.npz"):
        taken(record, tmp_path / "run")


def test_a_damaged_file_is_said(tmp_path):
    record = fitted(tmp_path / "run", classifier())
    (tmp_path / "run" / "examples.npz").write_bytes(b"PK\x03\x04 no more")
    with pytest.raises(UnsupportedError, match="cannot be read"):
        taken(record, tmp_path / "run")


def test_what_is_too_large_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "_MODEL_BYTES", 100)
    record = fitted(tmp_path / "run", classifier())
    assert not (tmp_path / "run" / "model.npz").exists()
    with pytest.raises(UnsupportedError, match="above 0 MB none is kept"):
        taken(record, tmp_path / "run")


def test_nothing_is_kept_unless_wanted(tmp_path):
    watch = Watch(tmp_path / "run", keep=False, quiet=True)
    classifier().fit(X, Y, verbose=0, callbacks=[watch])
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["journal.sqlite"]
    assert "kept" not in watch.record().info
