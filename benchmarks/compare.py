"""How fast a population trains: `thalweg.compare` beside `fit` one after another, and a loop written by hand in JAX.

    python benchmarks/compare.py [--repeats 3] [--members 64]

Each arm has a process of its own, and the arms take turns. Shown is the time of one step of one member, in
microseconds, its median over the repeats with their range: for `fit` from the second epoch on, for the populations
the second call of the same program. What is compiled or traced before is shown apart, in seconds.

The hand-written loop is `jit`, `scan` and `vmap` over plain functions, with Adam as Kingma & Ba (2015) have it and no
metric but the loss: what a population could be at most. Data: random pixels, and scikit-learn's digits.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np

EPOCHS = 3
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


def build(name: str) -> object:
    import keras

    width, hidden, _ = NETWORKS[name]
    between = [keras.layers.Dense(hidden, "relu") for _ in range(2 if hidden == 512 else 1)]
    model = keras.Sequential([keras.layers.Input((width,)), *between, keras.layers.Dense(10, "softmax")])
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
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


def by_population(name: str, members: int) -> tuple[float, float]:
    from thalweg.keras.population import Place, Population

    x, y = examples(name)
    model = build(name)
    model._symbolic_build(data_batch=(x[: BATCH[name]], y[: BATCH[name]]))
    model.optimizer.build(model.trainable_variables)
    population = Population(model, (x, y, None), None, BATCH[name])
    population.begin([Place.of(model)] * members)
    steps = -(-len(x) // BATCH[name])
    orders = np.stack([np.random.default_rng(k).permutation(len(x)) for k in range(members)])
    rates = np.tile(np.geomspace(1e-4, 1e-2, members), (steps, 1))
    return _timed(lambda: population.epoch(orders, rates), steps * members)


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
    seconds = []
    for _ in range(EPOCHS):
        begun = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - begun)
    again = min(seconds[1:])
    return again / member_steps, seconds[0] - again


ARMS = {
    "fit, TensorFlow": ("tensorflow", by_fit),
    "fit, JAX": ("jax", by_fit),
    "thalweg": ("jax", by_population),
    "by hand, JAX": ("jax", by_hand),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--members", type=int, default=64)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--arm", nargs=2, metavar=("ARM", "NETWORK"), help="one measurement, as JSON")
    options = parser.parse_args()
    if options.arm:
        arm, network = options.arm
        print(json.dumps(ARMS[arm][1](network, options.members)))
        return
    print("| network | batch | arm | us a step of a member | times slower than by hand | compiling, s |")
    print("|---|---|---|---|---|---|")
    for network in options.networks:
        members = options.members if network != "784-512-512-10" else 2
        found: dict[str, list[tuple[float, float]]] = {arm: [] for arm in ARMS}
        for _ in range(options.repeats):
            for arm, (backend, _) in ARMS.items():
                settings = {
                    **os.environ,
                    "KERAS_BACKEND": backend,
                    "CUDA_VISIBLE_DEVICES": "",
                    "TF_CPP_MIN_LOG_LEVEL": "3",
                }
                command = [sys.executable, __file__, "--arm", arm, network, "--members", str(members)]
                made = subprocess.run(command, env=settings, capture_output=True, text=True, check=True)
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
