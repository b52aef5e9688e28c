"""A comparison on a local Ray of two workers, one of which is killed at its work; prints what came of it."""

import os
import signal
import subprocess
import sys
import threading
import time

import keras
import numpy as np
import ray

import thalweg

rng = np.random.default_rng(0)
x = rng.normal(size=(2_000, 20)).astype("float32")
y = (x @ rng.normal(size=(20, 3))).argmax(axis=1)


def build():
    model = keras.Sequential(
        [keras.layers.Input((20,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(3)]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


killed = []


def kill_one():
    while not killed:
        listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True).stdout
        for line in listed.splitlines():
            number, _, command = line.strip().partition(" ")
            if command.startswith("ray::_unpacked"):
                os.kill(int(number), signal.SIGKILL)
                killed.append(number)
                return
        time.sleep(0.2)


ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
threading.Thread(target=kill_one, daemon=True).start()
study = thalweg.compare(
    build,
    (x, y),
    optimizers=["sgd", "adam"],
    learning_rates=[0.001, 0.01],
    seeds=2,
    epochs=3,
    engine="ray",
    folder=sys.argv[1],
)
print(len(killed), len(study), {member.backend for member in study})
