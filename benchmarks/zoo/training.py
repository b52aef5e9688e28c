"""Short ways to write the commonest programs of the zoo, and how good a trained network is."""

import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from benchmarks.zoo.program import Training
from benchmarks.zoo.samples import Sample


def network(*widths: int, activation: Any = "relu", end: Any = "softmax", **kwargs: Any) -> Any:
    """A perceptron: inputs, hidden units, outputs. `kwargs` are those of the hidden layers."""
    inputs, *hidden, outputs = widths
    body = [layers.Dense(width, activation=activation, **_fresh(kwargs)) for width in hidden]
    return keras.Sequential([keras.Input((inputs,)), *body, layers.Dense(outputs, activation=end)])


def _fresh(kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments with initializers of their own: one that is shared draws the same weights for every layer."""
    return {k: v.clone() if isinstance(v, keras.initializers.Initializer) else v for k, v in kwargs.items()}


def classifier(
    model: Any,
    data: Sample,
    optimizer: Any = "adam",
    loss: Any = "sparse_categorical_crossentropy",
    *,
    epochs: int = 12,
    threshold: float = 0.5,
    **fit: Any,
) -> Training:
    """A classification: the quality is the held-out accuracy."""
    model.compile(optimizer, loss, metrics=["accuracy"])
    return Training(model, arguments(data, epochs, **fit), lambda: accuracy(model, data, threshold))


def binary(model: Any, data: Sample, optimizer: Any = "adam", **kwargs: Any) -> Training:
    """A classification into two classes by one unit."""
    return classifier(model, data, optimizer, kwargs.pop("loss", "binary_crossentropy"), **kwargs)


def regression(
    model: Any, data: Sample, optimizer: Any = "adam", loss: Any = "mse", *, epochs: int = 20, **fit: Any
) -> Training:
    """A regression: the quality is the share of the held-out variance that is explained."""
    model.compile(optimizer, loss)
    return Training(model, arguments(data, epochs, **fit), lambda: explained(model, data))


def arguments(data: Sample, epochs: int, **more: Any) -> dict[str, Any]:
    """The arguments of `fit`."""
    return {"x": data.x, "y": data.y, "validation_data": (data.x_val, data.y_val), "epochs": epochs, **more}


def outputs(model: Any, x: Any) -> Any:
    """What the trained model answers, in float64."""
    return keras.ops.convert_to_numpy(model(x, training=False)).astype("float64")


def predicted(model: Any, x: Any, threshold: float = 0.5) -> Any:
    """The predicted classes."""
    answers = outputs(model, x)
    return (answers.ravel() > threshold) * 1 if answers.shape[-1] == 1 else answers.argmax(-1)


def accuracy(model: Any, data: Sample, threshold: float = 0.5) -> float:
    """Share of the held-out examples that are predicted rightly."""
    return float(np.mean(predicted(model, data.x_test, threshold) == data.y_test))


def recall(model: Any, data: Sample, threshold: float = 0.5) -> float:
    """Mean over the classes of the share predicted rightly."""
    hits = predicted(model, data.x_test, threshold) == data.y_test
    return float(np.mean([hits[data.y_test == kind].mean() for kind in np.unique(data.y_test)]))


def explained(model: Any, data: Sample) -> float:
    """Share of the held-out variance that is explained, -1 at worst."""
    error = np.mean((outputs(model, data.x_test).reshape(data.y_test.shape) - data.y_test) ** 2)
    return max(1.0 - float(error / np.var(data.y_test)), -1.0) if np.isfinite(error) else -1.0


def log_score(model: Any, data: Sample) -> float:
    """Mean log probability of the held-out classes; confident errors cost."""
    chances = outputs(model, data.x_test)
    chances = np.hstack([1 - chances, chances]) if chances.shape[-1] == 1 else chances
    chosen = np.take_along_axis(chances, np.asarray(data.y_test).reshape(-1, 1), 1)
    return float(np.mean(np.log(np.clip(chosen, 1e-7, 1.0))))


def replaced(training: Training, quality: Any) -> Training:
    """The same training, judged otherwise."""
    return Training(training.model, training.fit, quality)


def scratch() -> Path:
    """A new folder for what the program writes; the runner removes it."""
    return Path(tempfile.mkdtemp())


def paired(_, views):
    """A contrastive loss: two views of an example belong together, and to no other of the batch."""
    scores = ops.matmul(views[:, 0], ops.transpose(views[:, 1])) / 0.2
    return keras.losses.sparse_categorical_crossentropy(
        ops.arange(ops.shape(scores)[0]), scores, from_logits=True
    )


def contrastive(data: Sample, rng: Any, optimizer: Any, **fit: Any) -> Training:
    """Codes by which the second view of a digit is found again: the quality is how often it is, of the held-out."""
    views = data.inputs(lambda x: x[:, None] + rng.normal(0, 0.25, (len(x), 2, 64)).astype("float32"))
    body = [layers.Dense(32, activation="relu"), layers.Dense(16), layers.UnitNormalization()]
    model = keras.Sequential([keras.Input((2, 64)), *body])
    model.compile(optimizer, paired)

    def found() -> float:
        codes = outputs(model, views.x_test[:300])
        return float(np.mean((codes[:, 0] @ codes[:, 1].T).argmax(1) == np.arange(300)))

    return Training(model, arguments(views.targets(np.zeros_like), **fit), found)
