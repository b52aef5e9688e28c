"""What a diagnosis costs: `thalweg diagnose` on a long run, and the checks before the first step.

    python benchmarks/diagnose.py [--repeats 5] [--steps 100000] [--tensors 50]

The run is written with the journal's own writer, as a watch at full detail does: blocks of 256 steps, every quantity
of docs/record.md, at every step or thinned. `seconds` is from the start of the process to its end, `processor` how
long it computed (which other work on the machine disturbs less), `MB` its largest memory in use: medians over the
repeats. `import` is `thalweg --version`, what no run adds to. The aim: under 2 seconds and 500 MB for 100,000 steps
and 50 tensors.

The checks are those of `thalweg check` and of every run, on 100,000 rows of 784 columns with 20,000 more for
validation, float32, in a process of its own: the first time, with what the backend compiles for them, and again.
The aim: under 1 second.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from thalweg.record import Event
from thalweg.store import Journal

BLOCK = 256
EPOCHS = 100
WHOLE = {
    "loss": "loss",
    "learning_rate": "1",
    "gradient_norm": "loss/parameter",
    "nonfinite_gradients": "entries",
    "update_norm": "parameter",
    "parameter_norm": "parameter",
    "gradient_cosine": "cosine",
}
OF_A_TENSOR = {
    "gradient_norm": "loss/parameter",
    "update_ratio": "1",
    "parameter_norm": "parameter",
    "zero_gradient_fraction": "fraction",
}
OF_AN_EPOCH = {"epoch_loss": "loss", "validation_loss": "loss", "probe_loss": "loss"}


def write_run(folder: Path, steps: int, tensors: int, stride: int) -> None:
    """A healthy run of so many steps; quantities marked costly in docs/record.md at two of `stride` steps."""
    names = [f"dense_{n // 2}/{'bias' if n % 2 else 'kernel'}" for n in range(tensors)]
    info = {
        "name": folder.name,
        "source": "thalweg",
        "step_unit": "step",
        "tensors": [
            {"name": name, "layer": name.split("/")[0], "shape": [64, 64], "size": 4096} for name in names
        ],
        "fit": {"epochs": EPOCHS, "steps_per_epoch": steps // EPOCHS, "batch_size": 32, "validation": True},
        "constant_prediction_loss": 2.3,
    }
    cheap = [
        (name, unit) for name, unit in WHOLE.items() if name in {*WHOLE} - {"update_norm", "parameter_norm"}
    ]
    cheap += [(f"gradient_norm/{name}", "loss/parameter") for name in names]
    costly = [(name, WHOLE[name]) for name in ("update_norm", "parameter_norm")]
    costly += [
        (f"{q}/{name}", unit) for q, unit in OF_A_TENSOR.items() if q != "gradient_norm" for name in names
    ]
    rng = np.random.default_rng(0)
    journal = Journal.create(folder, info)
    every = steps // EPOCHS
    for first in range(1, steps + 1, BLOCK):
        place = np.arange(first, min(first + BLOCK, steps + 1))
        noise = np.exp(0.1 * rng.standard_normal((len(place), len(cheap)))).astype(np.float32)
        noise[:, 0] *= 0.3 + 2.0 * np.exp(-place / (steps / 10))
        noise[:, 1], noise[:, 3], noise[:, 4] = 1e-3, 0.0, 0.1 * rng.standard_normal(len(place))
        journal.append(cheap, place, noise)
        some = place[place % stride < 2]
        rare = 1e-3 * np.exp(0.1 * rng.standard_normal((len(some), len(costly)))).astype(np.float32)
        journal.append(costly, some, rare)
        for end in place[place % every == 0]:
            losses = (
                0.3 + 2.0 * np.exp(-end / (steps / 10)) + 0.01 * rng.standard_normal((1, len(OF_AN_EPOCH)))
            )
            journal.append([*OF_AN_EPOCH.items()], np.array([end]), losses)
            journal.event(Event(int(end), "epoch", {"epoch": int(end // every)}))
    journal.event(Event(steps, "finished", {"reason": "completed"}))
    journal.close()


def cost(*arguments: str) -> tuple[float, float, float]:
    """Seconds, seconds of the processor and MB of one `thalweg` with these arguments."""
    began = time.perf_counter()
    devnull = os.open(os.devnull, os.O_WRONLY)
    process = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "thalweg", *arguments],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, devnull, 1)],
    )
    _, status, usage = os.wait4(process, 0)
    os.close(devnull)
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        sys.exit(f"thalweg {' '.join(arguments)} ended with {os.waitstatus_to_exitcode(status)}")
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit


def check() -> None:
    """Print how long the checks before the first step took, in seconds: the first time, then again."""
    import keras

    from thalweg.diagnosis import diagnose_before
    from thalweg.keras.check import Check, Checked

    class Clocked(keras.callbacks.Callback):
        def on_train_begin(self, logs: object = None) -> None:
            self.began = time.perf_counter()

    rng = np.random.default_rng(0)
    x = rng.random((120_000, 784), np.float32)
    y = rng.integers(0, 10, 120_000)
    widths = [keras.layers.Dense(128, activation="relu"), keras.layers.Dense(10, activation="softmax")]
    model = keras.Sequential([keras.Input((784,)), *widths])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    for _ in range(2):
        clocked, checking = Clocked(), Check("benchmark")
        try:
            model.fit(
                x[:100_000], y[:100_000], validation_data=(x[100_000:], y[100_000:]),
                verbose=0, callbacks=[clocked, checking],
            )  # fmt: skip
        except Checked:
            diagnose_before(checking.record)
            print(time.perf_counter() - clocked.began)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--tensors", type=int, default=50)
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.check:
        check()
        return
    print(f"| {options.steps:,} steps, {options.tensors} tensors | seconds | range | processor | MB |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        runs = {"every step": 1, "thinned, 2 steps of 16": 16}
        for stride in runs.values():
            write_run(Path(folder) / str(stride), options.steps, options.tensors, stride)
        commands = {"import": ["--version"]}
        commands |= {
            f"diagnose, {name}": ["diagnose", str(Path(folder) / str(n))] for name, n in runs.items()
        }
        for name, command in commands.items():
            cost(*command)  # once for the disk's cache
            seconds, processor, memory = zip(*(cost(*command) for _ in range(options.repeats)), strict=True)
            middle, busy, most = map(statistics.median, (seconds, processor, memory))
            spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
            print(f"| {name} | {middle:.2f} | {spread} | {busy:.2f} | {most:,.0f} |")
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    print(f"\n| checks before the first step, {backend} | seconds | range |\n|---|---|---|")
    times = [
        subprocess.run(
            [sys.executable, __file__, "--check"], check=True, capture_output=True, text=True
        ).stdout
        for _ in range(options.repeats)
    ]
    for place, name in enumerate(("first", "again")):
        seconds = [float(lines.split()[place]) for lines in times]
        print(f"| {name} | {statistics.median(seconds):.2f} | {min(seconds):.2f} to {max(seconds):.2f} |")


if __name__ == "__main__":
    main()
