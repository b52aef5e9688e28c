"""A classifier of two classes, and what may be wrong with it: `checked.py FAULT`.

`head`: a softmax over one unit. `none`: nothing. `stop`: the script fails before its fit. `idle`: it never fits.
"""

import sys

import keras
import numpy as np

fault = sys.argv[1]
random = np.random.default_rng(1)
x = random.normal(size=(600, 6)).astype("float32")
y = (x[:, 0] > x[:, 1]).astype("float32")
end = "softmax" if fault == "head" else "sigmoid"
model = keras.Sequential([keras.layers.Dense(8, activation="relu"), keras.layers.Dense(1, activation=end)])
model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
if fault == "stop":
    raise ValueError("planted")
if fault != "idle":
    print("before the fit")
    model.fit(x, y, epochs=1000, validation_split=0.2, callbacks=[keras.callbacks.EarlyStopping()])
    print("after the fit")
