"""What watching costs: plain `fit`, watched `fit` and Keras's TensorBoard callback, side by side.

    python benchmarks/overhead.py [--backends tensorflow jax torch] [--repeats 7]

Each backend has a process of its own. For each network the arms take turns, again and again. `ratio` is that of the
median epoch after the first (which compiles), from its beginning to its end: arm over plain of the same repeat, the
median and range over the repeats. `cpu ratio` is that of the processor's time of all threads, from the second
epoch to the end of `fit`, which other work on the machine disturbs less. `fixed s` is what a `fit` costs besides,
whatever its length: how many seconds longer the first epoch and all that is not an epoch took.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ARMS = ("plain", "watched", "tensorboard")
EPOCHS = 6
# Epochs of a fraction of a second: they follow one another closely where the machine's speed drifts.
EXAMPLES = {"jax": 30_000, "tensorflow": 10_000, "torch": 10_000}
CONVOLUTIONAL = 3_200


def measure(repeats: int, arms: list[str]) -> None:
    """All networks on the backend of this process."""
    import keras
    import numpy as np

    import thalweg

    rng = np.random.default_rng(0)
    layers = keras.layers

    def dense(*widths: int) -> keras.Model:
        hidden = [layers.Dense(width, activation="relu") for width in widths]
        return keras.Sequential([keras.Input((784,)), *hidden, layers.Dense(10, activation="softmax")])

    def convolutional() -> keras.Model:
        return keras.Sequential(
            [
                keras.Input((28, 28, 1)),
                layers.Conv2D(8, 3, activation="relu"),
                layers.MaxPooling2D(2),
                layers.Conv2D(16, 3, activation="relu"),
                layers.MaxPooling2D(2),
                layers.Flatten(),
                layers.Dense(10, activation="softmax"),
            ]
        )

    networks = {
        ("784-10-10", 32): lambda: dense(10),
        ("784-128-64-10", 32): lambda: dense(128, 64),
        ("784-128-64-10", 128): lambda: dense(128, 64),
        ("convolutional", 32): convolutional,
    }

    class Clock(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.times, self.processor = [], 0.0

        def on_epoch_begin(self, epoch, logs=None):
            self.began = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            self.times.append(time.perf_counter() - self.began)
            self.processor = self.processor or time.process_time()

    for (name, batch), build in networks.items():
        examples = CONVOLUTIONAL if name == "convolutional" else EXAMPLES[keras.backend.backend()]
        steps = -(-examples // batch)
        x = rng.random((examples, *build().input_shape[1:]), dtype=np.float32)
        y = rng.integers(0, 10, len(x))
        times: dict[str, list[float]] = {arm: [] for arm in arms}
        processor: dict[str, list[float]] = {arm: [] for arm in arms}
        fixed: dict[str, list[float]] = {arm: [] for arm in arms}
        strides = []
        for repeat in range(repeats):
            for arm in arms if repeat % 2 == 0 else reversed(arms):
                with tempfile.TemporaryDirectory() as folder:
                    keras.utils.set_random_seed(repeat)
                    model = build()
                    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
                    clock, extra = Clock(), []
                    if arm == "watched":
                        extra = [thalweg.Watch(Path(folder, "run"), quiet=True)]
                    elif arm == "tensorboard":
                        extra = [keras.callbacks.TensorBoard(folder, histogram_freq=1)]
                    began = time.perf_counter()
                    model.fit(x, y, batch_size=batch, epochs=EPOCHS, verbose=0, callbacks=[clock, *extra])
                    total = time.perf_counter() - began
                    processor[arm].append(time.process_time() - clock.processor)
                    times[arm].append(statistics.median(clock.times[1:]) / steps * 1e6)
                    fixed[arm].append(total - sum(clock.times[1:]))
                    if arm == "watched":
                        strides.append(extra[0].record().info["watch"].get("stride"))
        plain = times["plain"]
        cells = [
            f"{keras.backend.backend():10s}",
            f"{name:14s}",
            f"{batch:5d}",
            f"{statistics.median(plain):9.0f}",
        ]
        for arm in arms[1:]:
            ratios = sorted(t / p for t, p in zip(times[arm], plain, strict=True))
            busy = statistics.median(t / p for t, p in zip(processor[arm], processor["plain"], strict=True))
            longer = statistics.median(fixed[arm]) - statistics.median(fixed["plain"])
            cells.append(f"{statistics.median(ratios):7.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})")
            cells.append(f"{busy:7.3f}")
            cells.append(f"{longer:8.2f}")
        cells.append(f"{statistics.median(strides):6.0f}")
        print(" | ".join(cells), flush=True)


def start_up(repeats: int) -> None:
    """The time to a first answer, with a run of 2,000 steps to diagnose, and whether Keras was loaded."""
    import numpy as np

    from thalweg.store import Journal

    with tempfile.TemporaryDirectory() as folder:
        journal = Journal.create(Path(folder, "run"), {"name": "run"})
        steps = np.arange(1, 2001)
        noise = np.random.default_rng(0).normal(1.0, 0.1, (2000, 1))
        journal.append([("loss", "loss")], steps, noise + 2.0 * np.exp(-steps / 200.0)[:, None])
        journal.close()
        check = "; import sys; sys.exit('keras' in sys.modules)"
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "import thalweg": [sys.executable, "-c", "import thalweg" + check],
            "thalweg diagnose": [sys.executable, "-m", "thalweg", "diagnose", str(Path(folder, "run"))],
        }
        for name, command in commands.items():
            times = []
            for _ in range(repeats + 1):
                began = time.perf_counter()
                done = subprocess.run(command, capture_output=True, check=False)
                times.append(time.perf_counter() - began)
                assert name != "import thalweg" or done.returncode == 0, "Keras was loaded"
            low, *_, high = sorted(times[1:])
            print(f"{name:18s} {statistics.median(times[1:]):.2f} s ({low:.2f} to {high:.2f})", flush=True)


def main() -> None:
    """Each backend in a process of its own, then the start-up times."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backends", nargs="+", default=["tensorflow", "jax", "torch"])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=ARMS)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        measure(options.repeats, options.arms)
        return
    print(
        "backend    | network        | batch | plain us | "
        + " | ".join(f"{arm} ratio | cpu ratio | fixed s" for arm in options.arms[1:])
        + " | stride"
    )
    for backend in options.backends:
        # PyTorch's threads on few cores hinder one another; see the README's notes.
        environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
        if backend == "torch":
            environment["OMP_NUM_THREADS"] = "1"
        command = [
            sys.executable,
            __file__,
            "--here",
            "--repeats",
            str(options.repeats),
            "--arms",
            *options.arms,
        ]
        subprocess.run(command, env=environment, check=True, stderr=subprocess.DEVNULL)
    start_up(options.repeats)


if __name__ == "__main__":
    main()
