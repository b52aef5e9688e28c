"""Losses whose every number is known: Rosenbrock's function, a mean of lines, a quadratic form on a sphere."""

from typing import Any

import numpy as np
from laboratory import keras, layers, ops


@keras.saving.register_keras_serializable("known")
class Valley(layers.Layer):
    """Its output is Rosenbrock's function of its two weights (Comput. J. 3, 1960), whatever comes in."""

    def build(self, shape: Any) -> None:
        self.point = self.add_weight(shape=(2,), name="point")

    def call(self, inputs: Any) -> Any:
        a, b = self.point[0], self.point[1]
        return 0.0 * inputs + (1.0 - a) ** 2 + 100.0 * (b - a**2) ** 2


def gradient(a: float, b: float) -> np.ndarray:
    return np.array([-2.0 * (1.0 - a) - 400.0 * a * (b - a**2), 200.0 * (b - a**2)])


def hessian(a: float, b: float) -> np.ndarray:
    return np.array([[1200.0 * a**2 - 400.0 * b + 2.0, -400.0 * a], [-400.0 * a, 200.0]])


@keras.saving.register_keras_serializable("known")
def output(_: Any, predicted: Any) -> Any:
    """The loss is what the model puts out."""
    return ops.mean(predicted)


def rosenbrock(optimizer: Any, point: tuple[float, float] = (-1.2, 1.0)) -> Any:
    model = keras.Sequential([layers.Input((1,)), Valley()])
    model.compile(optimizer, output)
    model.set_weights([np.array(point)])
    return model


def line(optimizer: Any, start: float = 0.0) -> Any:
    """One weight in [-1, 1], whose loss is the mean of the weight times each example."""
    bound = keras.constraints.MaxNorm(1.0, axis=0)
    model = keras.Sequential([layers.Input((1,)), layers.Dense(1, use_bias=False, kernel_constraint=bound)])
    model.compile(optimizer, output)
    model.set_weights([np.array([[start]])])
    return model


@keras.saving.register_keras_serializable("known")
def less_its_square(_: Any, predicted: Any) -> Any:
    return -ops.mean(predicted**2)


def sphere(optimizer: Any, start: list[float]) -> Any:
    """Weights of unit length, whose loss is minus the mean square of their products with the examples."""
    bound = keras.constraints.UnitNorm(axis=0)
    model = keras.Sequential(
        [layers.Input((len(start),)), layers.Dense(1, use_bias=False, kernel_constraint=bound)]
    )
    model.compile(optimizer, less_its_square)
    model.set_weights([np.array(start)[:, None]])
    return model
