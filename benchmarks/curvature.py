"""What a gradient, its products and the largest eigenvalue of a Hessian cost, beside PyHessian.

    python benchmarks/curvature.py [--backends torch jax tensorflow] [--repeats 15]

One network, 784-128-64-10 with ReLU, one batch of 128, the same weights everywhere: trained for a while on ten
overlapping clusters, so that the spectrum has its outliers. Each backend has a process of its own; PyHessian (which
must be installed) looks at the same network as a `torch.nn.Sequential`. `gradient`, `H v` and `G v` are medians,
each at a point that was not seen before; `again` is H v at the point of the last. The search for the eigenvalue
begins with the model at rest, from the gradient, whose time is counted, or from a random direction, and ends with a
residual |H v - lambda v| of at most the tolerance times lambda.
PyHessian stops by another rule: it is given the fewest iterations, to a quarter, that reach this residual, and a
second row is its own default. Times are of the processor, all threads, which other work on the machine disturbs less;
what is compiled is compiled before.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WIDTHS = (784, 128, 64, 10)
BATCH = 128
TOLERANCE = 1e-3
SEED = 20_011


def network(keras: Any) -> Any:
    hidden = [keras.layers.Dense(width, activation="relu") for width in WIDTHS[1:-1]]
    body = [keras.Input((WIDTHS[0],)), *hidden, keras.layers.Dense(WIDTHS[-1], activation="softmax")]
    model = keras.Sequential(body)
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), "sparse_categorical_crossentropy")
    return model


def examples(count: int = 2048) -> Any:
    import numpy as np

    rng = np.random.default_rng(SEED)
    labels = rng.integers(0, WIDTHS[-1], count)
    centres = rng.normal(size=(WIDTHS[-1], WIDTHS[0]))
    return (0.15 * centres[labels] + rng.normal(size=(count, WIDTHS[0]))).astype("float32"), labels


def train(weights: Path) -> None:
    """The weights that every other process looks at."""
    import keras
    import numpy as np

    keras.utils.set_random_seed(SEED)
    model = network(keras)
    model.fit(*examples(), batch_size=64, epochs=2, verbose=0)
    np.savez(weights, *model.get_weights())


def costs(functions: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Median processor time of each in milliseconds; they take turns."""
    spent: dict[str, list[float]] = {name: [] for name in functions}
    for repeat in range(repeats + 2):
        for name, function in functions.items():
            before = time.process_time()
            function()
            if repeat > 1:
                spent[name].append(time.process_time() - before)
    return {name: 1e3 * statistics.median(each) for name, each in spent.items()}


def ours(weights: Path, repeats: int) -> dict[str, Any]:
    import keras
    import numpy as np

    from thalweg.keras.autodiff import products
    from thalweg.stats.lanczos import extremes

    model = network(keras)
    with np.load(weights) as held:
        model.set_weights([held[name] for name in held.files])
    inputs, labels = examples()
    found = products(model, (inputs[:BATCH], labels[:BATCH], None))
    point, vector, reached = found.point, np.random.default_rng(1).normal(size=found.size), [0]

    def anew() -> Any:
        reached[0] += 1
        return there()

    def there() -> Any:
        return point + 1e-9 * reached[0] * vector

    def search(begin: Callable[[], Any]) -> tuple[float, Any]:
        found.gradient(anew())  # nothing is kept of the weights that the search is at
        before = time.process_time()
        largest = extremes(
            found.hessian_vector,
            found.size,
            products=200,
            tolerance=TOLERANCE,
            both=False,
            start=begin(),
            precision=float(np.finfo("float32").eps),
        )
        return time.process_time() - before, largest

    def row(start: str, begin: Callable[[], Any]) -> dict[str, Any]:
        _, pair = search(begin)
        vector, value = pair.largest.vector, pair.largest.value
        residual = np.linalg.norm(found.hessian_vector(vector) - value * vector) / value
        spent = 1e3 * statistics.median(search(begin)[0] for _ in range(repeats))
        return {
            "name": f"Thalweg, {keras.backend.backend()}, {start}", "eigenvalue": value,
            "residual": float(residual), "products": pair.products, "search": spent,
        }  # fmt: skip

    passes = {
        "gradient": lambda: found.gradient(anew()),
        "gauss_newton": lambda: found.gauss_newton_vector(vector, anew()),
        "hessian": lambda: found.hessian_vector(vector, anew()),
        "again": lambda: found.hessian_vector(vector, there()),
    }
    return {
        **costs(passes, repeats),
        "searches": [row("from the gradient", found.gradient), row("from anywhere", lambda: None)],
    }


def pyhessian(weights: Path, repeats: int) -> list[dict[str, Any]]:
    import numpy as np
    import torch
    from pyhessian import hessian

    layers: list[Any] = []
    with np.load(weights) as held:
        arrays = [torch.tensor(held[name]) for name in held.files]
    for kernel, bias in zip(arrays[::2], arrays[1::2], strict=True):
        layer = torch.nn.Linear(*kernel.shape)
        layer.weight.data, layer.bias.data = kernel.T.contiguous(), bias
        layers += [layer, torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    inputs, labels = (torch.tensor(array[:BATCH]) for array in examples())

    def search(iterations: int, tolerance: float) -> tuple[float, float, float]:
        torch.manual_seed(0)
        model.zero_grad(set_to_none=True)
        before = time.process_time()
        asked = hessian(model, torch.nn.CrossEntropyLoss(), data=(inputs, labels), cuda=False)
        _, vectors = asked.eigenvalues(maxIter=iterations, tol=tolerance)
        spent = time.process_time() - before
        vector = vectors[0]
        bent = torch.autograd.grad(asked.gradsH, asked.params, vector, retain_graph=True)
        value = float(sum((a * b).sum() for a, b in zip(bent, vector, strict=True)))
        left = sum(float(((a - value * b) ** 2).sum()) for a, b in zip(bent, vector, strict=True))
        return value, left**0.5 / value, spent

    def row(name: str, iterations: int, tolerance: float) -> dict[str, Any]:
        value, residual, _ = search(iterations, tolerance)
        spent = statistics.median(search(iterations, tolerance)[2] for _ in range(repeats))
        return {
            "name": name, "eigenvalue": value, "residual": residual,
            "products": iterations if tolerance == 0.0 else "", "search": 1e3 * spent,
        }  # fmt: skip

    enough = 1
    while search(enough, 0.0)[1] > TOLERANCE and enough < 4096:
        enough = max(enough + 1, enough * 5 // 4)
    return [row("PyHessian, same residual", enough, 0.0), row("PyHessian, as it comes", 100, 1e-3)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backends", nargs="+", default=["torch", "jax", "tensorflow"])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--part", choices=["train", "ours", "pyhessian"], help=argparse.SUPPRESS)
    parser.add_argument("--weights", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.part == "train":
        train(asked.weights)
        return
    if asked.part:
        print(json.dumps((ours if asked.part == "ours" else pyhessian)(asked.weights, asked.repeats)))
        return
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.npz"

        def part(name: str, backend: str) -> Any:
            environment = {**os.environ, "KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": ""}
            command = [sys.executable, __file__, "--part", name, "--weights", str(weights)]
            command += ["--repeats", str(asked.repeats)]
            told = subprocess.run(
                command, env=environment, check=True, stdout=subprocess.PIPE, text=True
            ).stdout
            return json.loads(told.splitlines()[-1]) if told else None

        part("train", asked.backends[0])
        rows = {f"Thalweg, {backend}": part("ours", backend) for backend in asked.backends}
        others = part("pyhessian", "torch")
    print("| | gradient, ms | H v, gradients | G v, gradients | H v again, gradients |")
    print("|---|---:|---:|---:|---:|")
    for name, row in rows.items():
        ratios = " | ".join(
            f"{row[key] / row['gradient']:.2f}" for key in ("hessian", "gauss_newton", "again")
        )
        print(f"| {name} | {row['gradient']:.2f} | {ratios} |")
    print("\n| | largest eigenvalue | relative residual | products | ms |")
    print("|---|---:|---:|---:|---:|")
    for found in [*(each for row in rows.values() for each in row["searches"]), *others]:
        cells = f"{found['eigenvalue']:.5g} | {found['residual']:.1e} | {found['products']} | {found['search']:.1f}"
        print(f"| {found['name']} | {cells} |")


if __name__ == "__main__":
    main()
