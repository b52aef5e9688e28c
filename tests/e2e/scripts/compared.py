"""A small regression to be compared; how it goes wrong, or which loss it has, is its argument."""

import sys

import keras
import numpy as np

how = sys.argv[1] if len(sys.argv) > 1 else "well"
if how == "stop":
    raise RuntimeError("the script's own error")
keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
x = rng.normal(3.0, 2.0, size=(300, 5)).astype("float32")
y = ((x - 3.0) / 2.0) @ rng.normal(size=(5, 1)).astype("float32")
normalise = keras.layers.Normalization()
normalise.adapt(x)
model = keras.Sequential([keras.layers.Input((5,)), normalise, keras.layers.Dense(1)])
model.compile("adam", "mse")
if how != "never":
    model.fit(x, y, validation_split=0.2, batch_size=30, epochs=4, verbose=0)
print("after the fit")
