"""What the scripts beside this train: a linear problem with noise, learned in a second."""

import keras
import numpy as np


def data(rows: int = 640) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, 4)).astype("float32")
    y = (x @ np.array([[1.0], [-2.0], [0.5], [3.0]]) + 0.1 * random.normal(size=(rows, 1))).astype("float32")
    return x, y


def model(optimizer: object = "sgd") -> keras.Sequential:
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    network.compile(optimizer, "mse")
    return network
