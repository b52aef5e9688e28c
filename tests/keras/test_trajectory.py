"""The path of the weights: which points are kept, and the loss over the plane that holds them."""

import numpy as np
import pytest
from laboratory import BACKEND, X, Z, fitted, keras, layers

from thalweg.keras import trajectory
from thalweg.keras.autodiff import products
from thalweg.keras.examine_plane import examine_plane
from thalweg.keras.trajectory import Trodden, flat


def line_model(rate=0.05):
    model = keras.Sequential([layers.Input((6,)), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate), "mse")
    return model


class Points(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.points = []

    def on_epoch_end(self, epoch, logs=None):
        self.points.append(flat(self.model))


def test_every_epoch_is_kept_while_there_is_room(tmp_path):
    model, seen = line_model(), Points()
    before = flat(model)
    record = fitted(tmp_path / "run", model, X, Z, epochs=5, callbacks=[seen])
    found = Trodden.read(tmp_path / "run")
    assert record.info["kept"]["trajectory"] is True
    assert found.steps.tolist() == [0, 10, 20, 30, 40, 50]
    assert np.array_equal(found.points, np.stack([before, *seen.points]))


def test_a_long_run_is_thinned_evenly_and_ends_at_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(trajectory, "_MOST", 8)
    fitted(tmp_path / "run", line_model(), X[:32], Z[:32], epochs=21)
    assert Trodden.read(tmp_path / "run").steps.tolist() == [0, 4, 8, 12, 16, 20, 21]


def test_a_large_model_is_not_followed(tmp_path, monkeypatch):
    monkeypatch.setattr(trajectory, "_BYTES", 7 * 4 * 7)
    record = fitted(tmp_path / "run", line_model(), X, Z, epochs=5)
    assert record.info["kept"]["trajectory"] is False
    assert Trodden.read(tmp_path / "run") is None


class Thaw(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 3:
            self.model.layers[0].trainable = True


@pytest.mark.skipif(BACKEND != "tensorflow", reason="elsewhere Keras itself cannot unfreeze in mid-fit")
def test_a_layer_that_thaws_begins_a_new_path(tmp_path):
    model = keras.Sequential([layers.Input((6,)), layers.Dense(4), layers.Dense(1)])
    model.layers[0].trainable = False
    model.compile("sgd", "mse")
    fitted(tmp_path / "run", model, X, Z, epochs=7, callbacks=[Thaw()])
    assert Trodden.read(tmp_path / "run").points.shape == (4, 33)


def test_the_plane_shows_the_loss_of_its_points(tmp_path):
    model = line_model()
    fitted(tmp_path / "run", model, X, Z, epochs=6)
    trodden, told = Trodden.read(tmp_path / "run"), []
    plane = examine_plane(products(model, (X, Z, None)), trodden, told.append)
    # A quadratic bowl: every point of the grid against the closed form, and the path within the grid.
    design = np.hstack([X, np.ones((len(X), 1))]).astype(np.float64)
    directions = np.linalg.lstsq(
        plane.path[:-1], (trodden.points[:-1] - trodden.points[-1]).astype(float), rcond=None
    )[0]
    for row, column in [(0, 0), (10, 3), (20, 20), (5, 17)]:
        point = trodden.points[-1] + plane.across[column] * directions[0] + plane.up[row] * directions[1]
        expected = np.mean((design @ point - Z[:, 0]) ** 2)
        assert plane.losses[row, column] == pytest.approx(expected, rel=0.02)
    assert plane.across[0] < plane.path[:, 0].min() and plane.path[:, 0].max() < plane.across[-1]
    assert plane.shares.sum() > 0.99
    assert told[-1] == 1.0
