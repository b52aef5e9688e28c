"""Every recorded statistic against a twin that computes it in float64 NumPy, by other means.

The twin starts each step from the float32 weights of a bare fit: an update of 1e-4 on a weight of 2.6 is
rounded by training itself to 1e-3 of its size, so that a twin on its own way would have another update to
measure. That its own way leads along the same weights is asserted beside it.
"""

from collections import defaultdict
from typing import Any

import numpy as np
import pytest
import twin
from laboratory import BACKEND, keras, layers

from thalweg import Watch

TOLERANCE = 1e-4


def data() -> tuple[np.ndarray, np.ndarray]:
    """310 rows; column 3 constant, 4 a duplicate of 1, 5 strongly correlated with 0."""
    random = np.random.default_rng(11)
    x = random.standard_normal((310, 6))
    x[:, 3], x[:, 4] = 2.5, x[:, 1]
    x[:, 5] = x[:, 0] + 0.01 * random.standard_normal(310)
    x = x.astype(np.float32)
    return x, (x[:, 0] + x[:, 1] > 0).astype(np.int32) + (x[:, 2] > 0.5)


def initial() -> twin.Arrays:
    """With one dead unit in the first layer and two saturated ones in the second."""
    random = np.random.default_rng(12)
    shapes = [(6, 8), (8,), (8, 7), (7,), (7, 3), (3,)]
    weights = [random.standard_normal(shape) * 0.5 for shape in shapes]
    weights[1][2], weights[3][[0, 4]] = -60.0, (2.6, -2.6)
    # Saturated, but not so far that float32 has no digits left for the slope 1 - tanh^2.
    weights[2][:, [0, 4]] *= 0.1
    return [w.astype(np.float32).astype(np.float64) for w in weights]


def network(optimizer: Any) -> Any:
    model = keras.Sequential(
        [
            layers.Input((6,)),
            layers.Dense(8, activation="relu", name="first"),
            layers.Dense(
                7, activation="tanh", name="second", kernel_regularizer=keras.regularizers.L2(twin.L2)
            ),
            layers.Dense(3, activation="softmax", name="third"),
        ]
    )
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.set_weights(initial())
    return model


def norm(arrays: twin.Arrays) -> float:
    return float(np.sqrt(sum(float(np.sum(a.astype(np.float64) ** 2)) for a in arrays)))


def accuracy(weights: twin.Arrays, x: np.ndarray, y: np.ndarray) -> float:
    return float(np.mean(np.argmax(twin.forward(weights, x)[2], axis=1) == y))


class Expected(dict[str, list[tuple[int, float]]]):
    """What a record of the twin's training holds: step and value by series."""

    def __missing__(self, name: str) -> list[tuple[int, float]]:
        return self.setdefault(name, [])

    def note(self, step: int, **values: float) -> None:
        for name, value in values.items():
            self[name].append((step, value))

    def probe(self, step: int, weights: twin.Arrays, x: np.ndarray, y: np.ndarray) -> None:
        relu, tanh, softmax = twin.forward(weights, x)
        classes = [np.mean(softmax.argmax(axis=1) == c) for c in range(3)]
        entropy = twin.cross_entropy(weights, x, y)
        self.note(
            step,
            probe_loss=entropy,
            probe_training_loss=entropy,  # no layer is another one in training
            recomputed_loss=entropy,
            penalty=twin.penalty(weights),
            probe_accuracy=accuracy(weights, x, y),
            balanced_accuracy=np.mean([accuracy(weights, x[y == c], y[y == c]) for c in range(3)]),
            predicted_classes=np.prod([p**-p for p in classes if p]),
            output_mean=softmax.mean(),
            output_spread=np.mean([np.std(column) for column in softmax.T]),
            output_minimum=softmax.min(),
            output_maximum=softmax.max(),
        )
        for name, layer in (("first", relu), ("second", tanh), ("third", softmax)):
            self[f"activation_mean/{name}"].append((step, layer.mean()))
            self[f"activation_spread/{name}"].append((step, layer.std()))
            directions = np.linalg.svd(layer - layer.mean(axis=0), compute_uv=False) ** 2
            participation = directions.sum() ** 2 / np.sum(directions**2)
            self[f"effective_rank/{name}"].append((step, participation / layer.shape[1]))
        self["dead_fraction/first"].append((step, np.mean([not unit.any() for unit in relu.T])))
        saturated = [np.mean(1.0 - unit**2) < 0.05 for unit in tanh.T]
        self["saturated_fraction/second"].append((step, np.mean(saturated)))


class Trajectory(keras.callbacks.Callback):
    """The weights after each step of a bare fit, (s, ...) for step s; the first are the initial ones."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = [initial()]

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.weights.append([np.array(w, np.float64) for w in self.model.get_weights()])


def expect(trajectory: list[twin.Arrays], rate: float, size: int, epochs: int) -> Expected:
    expected, weights, previous, step = Expected(), trajectory[0], None, 0
    x, y = data()
    x = x.astype(np.float64)
    expected.probe(0, weights, x[:256], y[:256])
    for _ in range(epochs):
        seen: dict[str, list[float]] = defaultdict(list)
        for start in range(0, len(x), size):
            step += 1
            batch, labels = x[start : start + size], y[start : start + size]
            gradient = twin.gradients(weights, batch, labels)
            loss = twin.cross_entropy(weights, batch, labels) + twin.penalty(weights)
            seen["loss"] += [loss] * len(batch)
            seen["accuracy"] += [accuracy(weights, batch, labels)] * len(batch)
            new = trajectory[step]
            changes = [b - a for a, b in zip(weights, new, strict=True)]
            expected.note(
                step, loss=loss, learning_rate=rate, gradient_norm=norm(gradient), nonfinite_gradients=0.0,
                update_norm=norm(changes), parameter_norm=norm(new),
            )  # fmt: skip
            for name, g, change, parameter in zip(twin.TENSORS, gradient, changes, new, strict=True):
                expected.note(
                    step,
                    **{
                        f"gradient_norm/{name}": norm([g]),
                        f"update_ratio/{name}": norm([change]) / norm([parameter]),
                        f"parameter_norm/{name}": norm([parameter]),
                        f"zero_gradient_fraction/{name}": np.mean(g == 0.0),
                    },
                )
            if previous is not None:
                inner = sum(np.vdot(a, b) for a, b in zip(gradient, previous, strict=True))
                expected.note(step, gradient_cosine=inner / norm(gradient) / norm(previous))
            weights, previous = new, gradient
        expected.note(
            step,
            epoch_loss=float(np.mean(seen["loss"])),
            epoch_accuracy=float(np.mean(seen["accuracy"])),
            validation_loss=twin.cross_entropy(weights, x[:90], y[:90]) + twin.penalty(weights),
            validation_accuracy=accuracy(weights, x[:90], y[:90]),
        )
        expected.probe(step, weights, x[:256], y[:256])
    return expected


CASES = {
    "momentum": (
        lambda: keras.optimizers.SGD(0.05, momentum=0.9), lambda: twin.momentum(0.05, 0.9), 0.05, 16,
    ),
    "adam": (lambda: keras.optimizers.Adam(0.01), lambda: twin.adam(0.01), 0.01, 16),
    "plain, first batch fills the probe batch": (
        lambda: keras.optimizers.SGD(0.1), lambda: twin.momentum(0.1, 0.0), 0.1, 310,
    ),
}  # fmt: skip


@pytest.fixture(scope="module", params=CASES)
def run(request, tmp_path_factory):
    optimizer, update, rate, size = CASES[request.param]
    epochs = 60 // -(-310 // size)
    x, y = data()
    watch = Watch(tmp_path_factory.mktemp("oracle") / "run", budget=None, quiet=True)
    bare = Trajectory()
    for callback in (bare, watch):
        keras.utils.set_random_seed(3)
        network(optimizer()).fit(
            x, y, batch_size=size, epochs=epochs, shuffle=False, verbose=0, callbacks=[callback],
            validation_data=(x[:90], y[:90]),
        )  # fmt: skip
    assert len(bare.weights) == 61
    follow(bare.weights, update(), size)
    return watch.record(), expect(bare.weights, rate, size, epochs), epochs


def follow(trajectory: list[twin.Arrays], update: Any, size: int) -> None:
    """The twin, on its own way in float64 from the same start, comes along the same trajectory."""
    x, y = data()
    weights = trajectory[0]
    for step, reached in enumerate(trajectory[1:]):
        start = step * size % (-(-310 // size) * size)
        batch = slice(start, start + size)
        weights = update(weights, twin.gradients(weights, x[batch].astype(np.float64), y[batch]))
        for own, theirs in zip(weights, reached, strict=True):
            assert norm([own - theirs]) < TOLERANCE * norm([theirs]), step


def test_every_series(run):
    record, expected, _ = run
    assert set(record.series) == set(expected)
    assert len(expected) == 57
    worst, compared = ("", 0.0), 0
    for name, points in expected.items():
        steps, values = (np.array(column, dtype=float) for column in zip(*points, strict=True))
        series = record.series[name]
        assert series.steps.tolist() == steps.tolist(), name
        # A cosine is measured against the unit vectors that it is the inner product of.
        scale = np.ones(len(values)) if name == "gradient_cosine" else np.abs(values)
        error = np.abs(series.values - values) / np.where(scale > 0.0, scale, 1.0)
        worst = max(worst, (name, float(error.max())), key=lambda pair: pair[1])
        compared += len(values)
        assert error.max() < TOLERANCE, (name, error.max(), int(steps[error.argmax()]))
    print(f"{BACKEND}: {compared} values, worst {worst}")
    per_step, per_epoch, at_probe = 6 + 4 * 6, 4, 11 + 3 * 3 + 2
    assert compared == 60 * per_step + 59 + per_epoch * run[2] + at_probe * (run[2] + 1)


def test_the_planted_units_are_there(run):
    """Without them two of the comparisons would hold for a measurement that always says nothing."""
    record, *_ = run
    assert record.series["dead_fraction/first"].values[-1] >= 1 / 8
    assert record.series["saturated_fraction/second"].values[-1] >= 1 / 7
    assert record.series["zero_gradient_fraction/first/bias"].values.min() >= 1 / 8 - 1e-6
    assert 1.0 < record.series["predicted_classes"].values[-1] <= 3.0


def test_facts(run):
    record, _, epochs = run
    info, weights = record.info, initial()
    x, y = data()
    size = 16 if epochs == 3 else 310
    first = x[:size].astype(np.float64), y[:size]
    initial_loss = twin.cross_entropy(weights, *first) + twin.penalty(weights)
    assert info["initial_loss"] == pytest.approx(initial_loss, rel=TOLERANCE)
    counts = np.array([np.sum(y == c) for c in range(3)])
    entropy = float(-np.sum(counts / 310 * np.log(counts / 310)))
    assert info["constant_prediction_loss"] == pytest.approx(entropy, rel=1e-12)
    assert info["data"]["examples"] == 310
    assert info["watch"]["probe_examples"] == 256
    assert info["watch"] | {"probe_examples": 256} == {
        "averages": "the run was too short",
        "budget": None, "stride": 1, "cost": None, "probe_examples": 256,
    }  # fmt: skip
    (inputs,), (targets,) = info["data"]["inputs"], info["data"]["targets"]
    wide = x.astype(np.float64)
    summary = {"minimum": wide.min(), "maximum": wide.max(), "mean": wide.mean(), "spread": wide.std()}
    for key, value in summary.items():
        assert inputs[key] == pytest.approx(value, rel=1e-12), key
    counted = {key: inputs[key] for key in inputs if "columns" in key or key == "nonfinite"}
    assert counted == {
        "nonfinite": 0, "columns": 6, "examined_columns": 6,
        "constant_columns": 1, "duplicate_columns": 1, "correlated_columns": 1,
    }  # fmt: skip
    assert (inputs["shape"], inputs["dtype"]) == ([6], "float32")
    assert (targets["kind"], targets["classes"]) == ("classes", 3)
    assert targets["class_counts"] == counts.tolist()


def test_facts_of_the_model(run):
    info = run[0].info
    assert info["model"]["parameters"] == info["model"]["trainable_parameters"] == 6 * 8 + 8 + 63 + 24
    assert info["model"]["class"] == "Sequential" and info["model"]["output_activation"] == "softmax"
    assert [(layer["name"], layer["activation"], layer["units"]) for layer in info["layers"]] == [
        ("first", "relu", 8), ("second", "tanh", 7), ("third", "softmax", 3),
    ]  # fmt: skip
    assert [tensor["name"] for tensor in info["tensors"]] == list(twin.TENSORS)
    assert [tensor["shape"] for tensor in info["tensors"]] == [[6, 8], [8], [8, 7], [7], [7, 3], [3]]
    assert not any(tensor.get("unconnected") for tensor in info["tensors"])
    assert info["backend"] == BACKEND and info["seed"] == 3 and info["precision"] == "float32"
    assert info["versions"].keys() >= {
        "thalweg",
        "python",
        "keras",
        "numpy",
        BACKEND.replace("tensorflow", "keras"),
    }
    assert info["optimizer"]["name"] in ("SGD", "Adam")
    assert info["loss"] == "sparse_categorical_crossentropy"
    assert info["fit"]["epochs"] == run[2] and info["fit"]["steps_per_epoch"] == 60 // run[2]


def test_units_and_events(run):
    record, _, epochs = run
    units = {
        "loss": "loss", "gradient_norm": "loss/parameter", "update_norm": "parameter", "learning_rate": "1",
        "gradient_cosine": "cosine", "nonfinite_gradients": "entries", "zero_gradient_fraction": "fraction",
        "update_ratio": "1", "dead_fraction": "fraction", "epoch_accuracy": "fraction",
        "validation_loss": "loss",
    }  # fmt: skip
    assert {s.quantity: s.unit for s in record.series.values()}.items() >= units.items()
    kinds = [event.kind for event in record.events]
    assert kinds == ["epoch"] * epochs + ["finished"]
    assert record.events[-1].detail["reason"] == "completed" and record.last_step == 60
