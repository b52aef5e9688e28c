"""Two fits: which of them is meant?"""

import keras
import numpy as np

x = np.random.default_rng(0).normal(size=(64, 2)).astype("float32")
model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
model.fit(x, x[:, :1], epochs=1, verbose=0)
print("after the first fit")
model.fit(x, 2.0 * x[:, :1], epochs=2, verbose=0)
print("after the second fit")
