"""A regression that a small network learns within 400 steps, and one fault planted in it: `planted.py FAULT`.

`label`: the target of one row of the 250th batch times 1e4. `nan`: a NaN in one input row of the 16th batch.
`rate`: a learning rate 1000 times too high. `none`: the healthy twin.
"""

import sys

import keras
import numpy as np

fault = sys.argv[1]
keras.utils.set_random_seed(1)
random = np.random.default_rng(1)
x = random.normal(size=(12800, 6)).astype("float32")
y = (np.tanh(x @ random.normal(size=(6, 1))) + 0.3 * random.normal(size=(12800, 1))).astype("float32")
if fault == "label":
    y[32 * 249 + 11] *= 1e4
if fault == "nan":
    x[32 * 15 + 3, 2] = np.nan

model = keras.Sequential(
    [keras.Input((6,)), keras.layers.Dense(12, activation="tanh", name="hidden"), keras.layers.Dense(1)]
)
model.compile(keras.optimizers.SGD(100.0 if fault == "rate" else 0.1), "mse")
model.fit(x, y, batch_size=32, shuffle=False)
