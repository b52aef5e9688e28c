"""How fast a population trains: `thalweg.compare` beside `fit` one after another, the searches of other tools, and a
loop written by hand in JAX.

    python benchmarks/compare.py [--repeats 3] [--members 64]

Each arm has a process of its own, and the arms take turns. Shown is the time of one step of one member, in
microseconds, its median over the repeats with their range: for `fit` from the second epoch on, for the populations
from the second call of the same program on. What is compiled or traced before is shown apart, in seconds.

Thalweg's members are eight seeds of eight learning rates, in one program, and shared among as many processes as there
are cores, as it does where much is left to train.

The hand-written loop is `jit`, `scan` and `vmap` over plain functions, with Adam as Kingma & Ba (2015) have it and no
metric but the loss: what a population could be at most. Data: random pixels, and scikit-learn's digits.

KerasTuner's random search, Optuna and Ray Tune (two workers) call the same `fit` (`pip install '.[benchmarks]'`; what
is not installed is left out). Of them the time of a step is the wall time of the whole search over all steps of its
members, without what each member took before its second epoch beyond an epoch: that is shown as compiling.
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

EPOCHS = 3
TIMED = 6.0
"""Seconds for which a population is timed."""
NETWORKS = {"784-10-10": (784, 10, 6_400), "64-64-10": (64, 64, 1_437), "784-512-512-10": (784, 512, 1_280)}
BATCH = {"784-10-10": 32, "64-64-10": 32, "784-512-512-10": 128}


def examples(name: str) -> tuple[np.ndarray, np.ndarray]:
    width, _, count = NETWORKS[name]
    if width == 64:
        from sklearn.datasets import load_digits

        digits = load_digits()
        return (digits.data[:count] / 16).astype("float32"), digits.target[:count]
    rng = np.random.default_rng(0)
    return rng.random((count, width), dtype=np.float32), rng.integers(0, 10, count)


def build(name: str, rate: float = 1e-3) -> object:
    import keras

    width, hidden, _ = NETWORKS[name]
    between = [keras.layers.Dense(hidden, "relu") for _ in range(2 if hidden == 512 else 1)]
    model = keras.Sequential([keras.layers.Input((width,)), *between, keras.layers.Dense(10, "softmax")])
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def by_fit(name: str, members: int) -> tuple[float, float]:
    """Seconds a step, and to compile: a few members stand for all, for one is trained after another."""
    import keras

    x, y = examples(name)
    marks: list[float] = []
    clock = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: marks.append(time.perf_counter()))
    steps = -(-len(x) // BATCH[name])
    each, first = [], []
    for _ in range(min(members, 3)):
        marks.clear()
        model, begun = build(name), time.perf_counter()
        model.fit(x, y, batch_size=BATCH[name], epochs=EPOCHS, verbose=0, callbacks=[clock])
        each.append((marks[-1] - marks[0]) / (EPOCHS - 1) / steps)
        first.append(marks[0] - begun - each[-1] * steps)
    return statistics.median(each), statistics.median(first)


SEARCHED = 6
"""Members of a search by another tool: one is trained after another, or two at a time."""


def _watched() -> tuple[object, list[list[float]]]:
    """A callback, and the times that it notes: of each training its begin and the ends of its epochs."""
    import keras

    marks: list[list[float]] = []
    return keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: marks.append([time.perf_counter()]),
        on_epoch_end=lambda epoch, logs: marks[-1].append(time.perf_counter()),
    ), marks


def _of_search(seconds: float, marks: list[list[float]], name: str, workers: int = 1) -> tuple[float, float]:
    """Seconds a step of a search that took so many seconds, and to compile a member."""
    steps = -(-NETWORKS[name][2] // BATCH[name])
    first = [found[1] - found[0] - (found[-1] - found[1]) / (EPOCHS - 1) for found in marks]
    return (seconds - sum(first) / workers) / (len(marks) * EPOCHS * steps), statistics.median(first)


def by_keras_tuner(name: str, members: int) -> tuple[float, float]:
    import keras_tuner

    x, y = examples(name)
    clock, marks = _watched()

    def model(choice: keras_tuner.HyperParameters) -> object:
        return build(name, choice.Float("learning_rate", 1e-4, 1e-2, sampling="log"))

    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        tuner = keras_tuner.RandomSearch(
            model, objective="loss", max_trials=min(members, SEARCHED), seed=0, directory=folder
        )
        tuner.search(x, y, batch_size=BATCH[name], epochs=EPOCHS, verbose=0, callbacks=[clock])
        return _of_search(time.perf_counter() - begun, marks, name)


def by_optuna(name: str, members: int) -> tuple[float, float]:
    import optuna

    x, y = examples(name)
    clock, marks = _watched()

    def objective(trial: optuna.Trial) -> float:
        model = build(name, trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True))
        log = model.fit(x, y, batch_size=BATCH[name], epochs=EPOCHS, verbose=0, callbacks=[clock])
        return log.history["loss"][-1]

    begun = time.perf_counter()
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(objective, n_trials=min(members, SEARCHED))
    return _of_search(time.perf_counter() - begun, marks, name)


def by_ray_tune(name: str, members: int) -> tuple[float, float]:
    import ray
    from ray import tune

    workers = 2

    def trial(choice: dict[str, float]) -> None:
        begun = time.perf_counter()
        x, y = examples(name)
        clock, marks = _watched()
        model = build(name, choice["learning_rate"])
        log = model.fit(x, y, batch_size=BATCH[name], epochs=EPOCHS, verbose=0, callbacks=[clock])
        # A trial has a process of its own, which loads Keras first.
        tune.report({"loss": log.history["loss"][-1], "marks": [begun, *marks[0][1:]]})

    with tempfile.TemporaryDirectory() as folder:
        ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level="error")
        begun = time.perf_counter()
        found = tune.Tuner(
            tune.with_resources(trial, {"cpu": 1}),
            param_space={"learning_rate": tune.loguniform(1e-4, 1e-2)},
            tune_config=tune.TuneConfig(num_samples=min(members, SEARCHED), metric="loss", mode="min"),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        ).fit()
        seconds = time.perf_counter() - begun
        marks = [result.metrics["marks"] for result in found]
        ray.shutdown()
    return _of_search(seconds, marks, name, workers)


def by_population(name: str, members: int) -> tuple[float, float]:
    from thalweg.keras.population import Place, Population

    x, y = examples(name)
    model = build(name)
    model._symbolic_build(data_batch=(x[: BATCH[name]], y[: BATCH[name]]))
    model.optimizer.build(model.trainable_variables)
    population = Population(model, (x, y, None), None, BATCH[name])
    members = 1 if name == "784-512-512-10" else members  # as many as compare has in a program of it
    seeds = max(members // 8, 1)  # of eight learning rates each
    rates = members // seeds
    population.begin([[Place.of(model)] * rates] * seeds)
    steps = -(-len(x) // BATCH[name])
    orders = np.stack([np.random.default_rng(k).permutation(len(x)) for k in range(seeds)])
    table = np.tile(np.geomspace(1e-4, 1e-2, rates), (steps, seeds, 1))
    return _timed(lambda: population.epoch(orders, table), steps * members)


def by_processes(name: str, members: int) -> tuple[float, float]:
    """The same members in as many processes as there are cores, each with one thread, at the same time."""
    from thalweg.keras.workers import cores, environment

    count = min(cores(), members)
    command = [sys.executable, __file__, "--arm", "thalweg", name, "--members", str(members // count)]
    settings = {**os.environ, **environment("jax")}
    made = [subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    found = [json.loads(one.communicate()[0].splitlines()[-1]) for one in made]
    return max(step for step, _ in found) / count, max(first for _, first in found)


def by_hand(name: str, members: int) -> tuple[float, float]:
    import jax
    import jax.numpy as jnp

    x, y = examples(name)
    size, steps = BATCH[name], len(x) // BATCH[name]
    width, hidden, _ = NETWORKS[name]
    widths = [width, *[hidden] * (2 if hidden == 512 else 1), 10]
    keys = jax.random.split(jax.random.key(0), members)

    def first(key: jax.Array) -> list:
        parts = jax.random.split(key, len(widths) - 1)
        return [
            (jax.random.normal(k, (a, b)) / jnp.sqrt(a), jnp.zeros(b))
            for k, a, b in zip(parts, widths, widths[1:], strict=False)
        ]

    def loss(weights: list, batch: jax.Array, labels: jax.Array) -> jax.Array:
        for w, b in weights[:-1]:
            batch = jax.nn.relu(batch @ w + b)
        w, b = weights[-1]
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(batch @ w + b), labels[:, None], 1))

    def step(state: tuple, given: tuple, data: tuple) -> tuple:
        weights, m, v, count = state
        rows, rate = given
        value, slope = jax.value_and_grad(loss)(weights, data[0][rows], data[1][rows])
        count = count + 1
        m = jax.tree.map(lambda a, g: 0.9 * a + 0.1 * g, m, slope)
        v = jax.tree.map(lambda a, g: 0.999 * a + 0.001 * g * g, v, slope)
        scale = rate * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        weights = jax.tree.map(lambda w, a, b: w - scale * a / (jnp.sqrt(b) + 1e-7), weights, m, v)
        return (weights, m, v, count), value

    @jax.jit
    def epoch(state: tuple, orders: jax.Array, rates: jax.Array, data: tuple) -> tuple:
        many = jax.vmap(step, in_axes=(0, 0, None))
        return jax.lax.scan(lambda now, rows: many(now, (rows, rates), data), state, orders)

    weights = jax.vmap(first)(keys)
    zeros = jax.tree.map(jnp.zeros_like, weights)
    state = (weights, zeros, zeros, jnp.zeros(members))
    data, rates = (jnp.asarray(x), jnp.asarray(y)), jnp.geomspace(1e-4, 1e-2, members)
    orders = np.stack([np.random.default_rng(k).permutation(len(x))[: steps * size] for k in range(members)])
    orders = jnp.asarray(np.swapaxes(orders.reshape(members, steps, size), 0, 1))
    return _timed(lambda: jax.block_until_ready(epoch(state, orders, rates, data)), steps * members)


def _timed(action: object, member_steps: int) -> tuple[float, float]:
    """Over some seconds, so that processes that are begun together are measured beside one another."""
    seconds: list[float] = []
    while len(seconds) < EPOCHS or sum(seconds[1:]) < TIMED:
        begun = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - begun)
    again = statistics.median(seconds[1:])
    return again / member_steps, seconds[0] - again


ARMS = {
    "fit, TensorFlow": ("tensorflow", by_fit),
    "fit, JAX": ("jax", by_fit),
    "KerasTuner, TensorFlow": ("tensorflow", by_keras_tuner),
    "Optuna, TensorFlow": ("tensorflow", by_optuna),
    "Ray Tune, TensorFlow": ("tensorflow", by_ray_tune),
    "Ray Tune, JAX": ("jax", by_ray_tune),
    "thalweg": ("jax", by_population),
    "thalweg, all cores": ("jax", by_processes),
    "by hand, JAX": ("jax", by_hand),
}
NEEDED = {"KerasTuner": "keras_tuner", "Optuna": "optuna", "Ray Tune": "ray"}
"""The packages of the arms that are left out where they are not installed."""


def installed(arm: str) -> bool:
    package = NEEDED.get(arm.partition(",")[0])
    return package is None or importlib.util.find_spec(package) is not None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--members", type=int, default=64)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=ARMS)
    parser.add_argument("--arm", nargs=2, metavar=("ARM", "NETWORK"), help="one measurement, as JSON")
    options = parser.parse_args()
    if options.arm:
        arm, network = options.arm
        print(json.dumps(ARMS[arm][1](network, options.members)))
        return
    arms = [arm for arm in ARMS if arm in {*options.arms, "by hand, JAX"} and installed(arm)]
    for arm in set(options.arms) - {*arms}:
        print(f"{arm} is left out: its package is not installed (`pip install '.[benchmarks]'`).\n")
    print("| network | batch | arm | us a step of a member | times slower than by hand | compiling, s |")
    print("|---|---|---|---|---|---|")
    for network in options.networks:
        members = options.members if network != "784-512-512-10" else 2
        found: dict[str, list[tuple[float, float]]] = {arm: [] for arm in arms}
        for _ in range(options.repeats):
            for arm in arms:
                settings = {
                    **os.environ,
                    "KERAS_BACKEND": ARMS[arm][0],
                    "CUDA_VISIBLE_DEVICES": "",
                    "TF_CPP_MIN_LOG_LEVEL": "3",
                }
                command = [sys.executable, __file__, "--arm", arm, network, "--members", str(members)]
                made = subprocess.run(command, env=settings, capture_output=True, text=True)
                if made.returncode:
                    sys.exit(f"{arm} failed:\n{made.stderr}")
                found[arm].append(tuple(json.loads(made.stdout.splitlines()[-1])))
        limit = statistics.median(step for step, _ in found["by hand, JAX"])
        for arm, rows in found.items():
            each = [1e6 * step for step, _ in rows]
            middle = statistics.median(each)
            print(
                f"| {network}, {members} members | {BATCH[network]} | {arm} | {middle:.3g} ({min(each):.3g} to "
                f"{max(each):.3g}) | {middle / 1e6 / limit:.3g} | {statistics.median(c for _, c in rows):.2g} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
