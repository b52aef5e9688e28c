"""A small classifier of handwritten digits, in plain Keras: nothing in it knows of Thalweg.

The digits are scikit-learn's (1,797 scans of 8x8 pixels), resampled to the 28x28 that every tutorial uses.
"""

import keras
import numpy as np
from scipy.ndimage import zoom
from sklearn.datasets import load_digits

images, labels = load_digits(return_X_y=True)
images = zoom(images.reshape(-1, 8, 8) / 16.0, (1, 3.5, 3.5), order=1).reshape(-1, 784).astype("float32")
order = np.random.default_rng(0).permutation(len(images))
train, validation = order[:1437], order[1437:]

keras.utils.set_random_seed(0)
model = keras.Sequential(
    [
        keras.Input((784,)),
        keras.layers.Dense(10, activation="relu"),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(
    optimizer=keras.optimizers.SGD(learning_rate=0.01),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
)
model.fit(
    images[train],
    labels[train],
    validation_data=(images[validation], labels[validation]),
    epochs=20,
)
