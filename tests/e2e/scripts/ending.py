"""Trains, and then ends in the way that it is told: `ending.py WAY`."""

import os
import sys

import keras
import small

way = sys.argv[1]


class Failing(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if way == "during" and batch == 12:
            raise ValueError("in the middle of fit")
        if way == "interrupt" and batch == 12:
            print("in fit", flush=True)


def train():
    epochs = 100_000 if way == "interrupt" else 5
    rate = 100.0 if way == "exit 7" else 0.05
    x, y = small.data()
    model = small.model(keras.optimizers.SGD(rate))
    model.fit(x, y, epochs=epochs, verbose=0, callbacks=[Failing()])


try:
    train()
except ValueError as error:
    raise RuntimeError("gave up") from error
if way == "after":
    raise RuntimeError("after fit")
if way == "exit 7":
    sys.exit(7)
if way == "exit text":
    sys.exit("the script's last words")
if way == "exit":
    sys.exit()
if way == "_exit":
    os._exit(5)
