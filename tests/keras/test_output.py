"""The activation that a model ends with, on real models; and where nobody can tell, nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from laboratory import X, keras, layers, ops

from thalweg.keras.output import output_facts


def dense(activation: str | None = None, units: int = 3, **more: Any) -> Any:
    return layers.Dense(units, activation=activation, **more)


def row(*parts: Any, shape: tuple[int, ...] = (6,)) -> Any:
    """The layers in a row, as a Sequential."""
    return keras.Sequential([layers.Input(shape), *parts])


def graph(*parts: Any) -> Any:
    """The layers and operations in a row, as a graph."""
    entry = tensor = layers.Input((6,))
    for part in parts:
        tensor = part(tensor)
    return keras.Model(entry, tensor)


def output(name: str, scores: str | None = None) -> dict[str, str]:
    return {"output_activation": name, **({} if scores is None else {"score_activation": scores})}


@pytest.mark.parametrize("build", [row, graph], ids=["sequential", "functional"])
@pytest.mark.parametrize(
    ("parts", "found"),
    [
        (lambda: [dense("relu"), dense("softmax")], output("softmax")),
        (lambda: [dense("relu"), dense()], output("linear")),
        (lambda: [dense("sigmoid"), layers.Reshape((3, 1)), layers.Dropout(0.5)], output("sigmoid")),
        (lambda: [dense("relu"), layers.Softmax()], output("softmax", "relu")),
        (lambda: [dense(), layers.Activation("softmax")], output("softmax", "linear")),
        (lambda: [dense("tanh"), layers.Flatten(), layers.Softmax()], output("softmax", "tanh")),
        (lambda: [dense("tanh"), layers.Activation("linear")], output("tanh")),
        (lambda: [dense("tanh"), layers.ReLU()], output("relu")),
        (lambda: [dense(), row(dense("relu"), shape=(3,))], output("relu")),
        (lambda: [row(dense("relu")), layers.Softmax()], output("softmax", "relu")),
        (lambda: [dense("softmax", dtype="float32")], output("softmax")),
        (lambda: [layers.Reshape((6, 1)), layers.LSTM(4)], output("tanh")),
        (lambda: [dense("relu"), layers.BatchNormalization()], {}),
        (lambda: [dense("relu"), layers.BatchNormalization(), layers.Softmax()], output("softmax")),
        (lambda: [dense("relu"), layers.LeakyReLU()], {}),
    ],
    ids=lambda value: "" if callable(value) else "-".join(value.values()) or "nothing",
)
def test_the_end(build: Callable[..., Any], parts: Callable[[], list[Any]], found: dict[str, str]) -> None:
    assert output_facts(build(*parts())) == found


def test_a_function_at_the_end() -> None:
    assert output_facts(graph(dense("relu"), ops.sigmoid)) == output("sigmoid")
    assert output_facts(graph(dense("relu"), ops.softmax)) == output("softmax", "relu")
    assert output_facts(graph(dense("relu"), lambda x: 2.0 * x)) == {}
    assert output_facts(graph(lambda x: 2.0 * x, layers.Softmax())) == output("softmax")


def test_a_last_layer_of_full_precision() -> None:
    """Beside layers of half precision."""
    half = dense("relu", dtype="mixed_float16")
    assert output_facts(graph(half, dense("softmax", dtype="float32"))) == output("softmax")


def test_a_softmax_that_is_used_twice() -> None:
    """What it was given where it made the output, and not before."""
    entry, softmax = layers.Input((6,)), layers.Softmax()
    first = softmax(dense("relu")(entry))
    assert output_facts(keras.Model(entry, softmax(dense("tanh")(first)))) == output("softmax", "tanh")


def test_a_softmax_of_two_inputs_has_no_single_score() -> None:
    entry, mask = layers.Input((6,)), layers.Input((3,), dtype="bool")
    model = keras.Model([entry, mask], layers.Softmax()(dense("relu")(entry), mask))
    assert output_facts(model) == output("softmax")


def test_several_outputs() -> None:
    entry = layers.Input((6,))
    assert output_facts(keras.Model(entry, [dense("relu")(entry), dense("relu")(entry)])) == {}


def test_models_that_are_no_graph() -> None:
    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.last = dense("softmax")

        def call(self, x: Any) -> Any:
            return self.last(x)

    own = Own()
    own(X[:2])
    assert output_facts(own) == {}
    assert output_facts(keras.Sequential([dense("softmax")])) == {}
    assert output_facts(graph(own)) == {}
    assert output_facts(graph(own, layers.Softmax())) == output("softmax")
