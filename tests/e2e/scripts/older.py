"""What an older Keras accepted: a learning rate as a function of the epoch, a checkpoint without ending."""

import math
import sys

import keras
import numpy as np
import small

which = sys.argv[1]


def schedule(epoch):
    return 0.001 * math.exp(-epoch / 10)


keras.utils.set_random_seed(0)
x, y = small.data()
rate = 0.001 if which == "checkpoint" else schedule
model = small.model(keras.optimizers.Adam(learning_rate=rate))
callbacks = []
if which != "rate":
    options = {"monitor": "val_loss", "save_best_only": True}
    callbacks = [
        keras.callbacks.ModelCheckpoint("best", **options),
        keras.callbacks.ModelCheckpoint("weights-{epoch:02d}", save_weights_only=True, monitor="val_loss"),
    ]
model.fit(x, y, epochs=4, verbose=0, validation_data=(x, y), callbacks=callbacks)
if callbacks:
    ends = model.predict(x[:5], verbose=0)
    for path in ("best", "weights-04"):
        model.set_weights([np.zeros_like(w) for w in model.get_weights()])
        model.load_weights(path)
        print(path, np.array_equal(model.predict(x[:5], verbose=0), ends))
    print("loaded", np.array_equal(keras.models.load_model("best").predict(x[:5], verbose=0), ends))
