"""Many ways to call `fit`, each a run. Prints the weights that came out: the same, watched or not."""

import os

os.environ["KERAS_BACKEND"] = "jax"  # chosen by the script, before Keras is there

import keras
import numpy as np
import small


def show(what, model, history=None):
    weights = [np.asarray(w).tobytes().hex() for w in model.get_weights()]
    print(what, weights, sorted(history.history) if history else "", flush=True)


class Remembering(keras.callbacks.Callback):
    """Says which callbacks of the script's own it was called beside."""

    def __init__(self):
        super().__init__()
        self.epochs = 0

    def on_epoch_end(self, epoch, logs=None):
        self.epochs += 1


class Fitting(keras.Sequential):
    def fit(self, x, y):
        return super().fit(x, y, epochs=2, verbose=0)


keras.utils.set_random_seed(3)
x, y = small.data()

model, mine = small.model(), Remembering()
show("positional", model, model.fit(x, y, 32, 2, 0, [mine]))
model = small.model()
show("a single one", model, model.fit(x, y, epochs=2, verbose=0, callbacks=mine))
show("again", model, model.fit(x, y, epochs=3, verbose=0, initial_epoch=1))

model = small.model()
listed = keras.callbacks.CallbackList([mine], add_history=True, model=model, epochs=2, verbose=0, steps=20)
for _ in range(2):
    model.fit(x, y, epochs=2, verbose=0, callbacks=listed)
    show("a list of Keras's", model)
print("its callbacks", [type(callback).__name__ for callback in listed.callbacks])

model = Fitting([keras.Input((4,)), keras.layers.Dense(1)])
model.compile("adam", "mse")
show("a fit of its own", model, model.fit(x, y))

model = small.model()
for wrong in (lambda: model.fit(x, y, epoch=2), lambda: keras.Sequential([keras.layers.Dense(1)]).fit(x, y)):
    try:
        wrong()
    except Exception as error:
        print(type(error).__name__, error)

model = small.model()
watch = None
if os.environ.get("WATCH"):
    import thalweg

    watch = thalweg.Watch("own")
model.fit(x, y, epochs=2, verbose=0, callbacks=[watch] if watch else [])
show("with a watch of its own", model)
print("called", mine.epochs, "fit is", keras.Model.fit.__name__)
