"""A training that takes long enough to be killed while a comparison of it is going on."""

import keras
import numpy as np

rng = np.random.default_rng(0)
x = rng.normal(size=(2_000, 20)).astype("float32")
y = (x @ rng.normal(size=(20, 3))).argmax(axis=1)

model = keras.Sequential([keras.layers.Input((20,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(3)])
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
model.fit(x, y, batch_size=16, epochs=10, validation_split=0.2)
