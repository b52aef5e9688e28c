"""Several seeds: barriers between solutions before and after matching, restarts, and what so many seeds can tell.

    KERAS_BACKEND=torch python benchmarks/valleys.py    # some minutes; prints the tables of docs/certify/valleys.md

The seeds here are not those with which any threshold was chosen. Needs scikit-learn for its digits.
"""

import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
from error_rates import interval, table
from keras import layers
from sklearn.datasets import load_digits

from thalweg import Record
from thalweg.claims import STUDY_CLAIMS
from thalweg.keras.examine_study import examine_study
from thalweg.keras.landscape import point_of
from thalweg.keras.permutation import symmetry
from thalweg.stats.agreement import agreement
from thalweg.stats.barrier import barrier
from thalweg.stats.matching import Symmetry, permuted
from thalweg.study import Study
from thalweg.study_examination import StudyExamination

SEED = 9_410_000
TRAINED = 1200


def digits() -> tuple[np.ndarray, np.ndarray]:
    data = load_digits()
    order = np.random.default_rng(SEED).permutation(len(data.target))
    return (data.data[order] / 16.0).astype("float32"), data.target[order].astype("int32")


X, Y = digits()


def mlp(width: int) -> Callable[[], Any]:
    return lambda: [
        layers.Input((64,)),
        layers.Dense(width, activation="relu"),
        layers.Dense(width // 2, activation="relu"),
    ]


def cnn() -> list[Any]:
    return [
        layers.Input((64,)),
        layers.Reshape((8, 8, 1)),
        layers.Conv2D(16, 3, use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Conv2D(32, 3, activation="relu"),
        layers.Flatten(),
        layers.Dropout(0.2),
        layers.Dense(32, activation="relu"),
    ]


def linear() -> list[Any]:
    return [layers.Input((64,))]


def made(hidden: Callable[[], list[Any]], seed: int, epochs: int, rate: float) -> Any:
    keras.utils.set_random_seed(SEED + seed)
    model = keras.Sequential([*hidden(), layers.Dense(10, activation="softmax")])
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    model.fit(X[:TRAINED], Y[:TRAINED], epochs=epochs, verbose=0)
    return model


def shuffled(hidden: Callable[[], list[Any]], model: Any) -> Any:
    """A copy of the model with its hidden units in a random order."""
    copy = made(hidden, 99, 1, 0.001)
    groups = symmetry(model)
    assert isinstance(groups, Symmetry)
    random = np.random.default_rng(SEED)
    orders = [random.permutation(size) for size in groups.sizes]
    values = permuted(point_of(model), groups, orders)
    for variable, value in zip(
        (*copy.trainable_variables, *copy.non_trainable_variables), values, strict=True
    ):
        variable.assign(value)
    return copy


def examined(models: list[Any], steps: int) -> tuple[StudyExamination, list[str]]:
    """All that is measured, and the status of each claim."""
    found = examine_study(
        models,
        (X[:TRAINED], Y[:TRAINED], None),
        (X[TRAINED:], Y[TRAINED:], None),
        total=TRAINED,
        steps=steps,
        seed=SEED,
    )
    record = Record({"constant_prediction_loss": float(np.log(10.0))}, {})
    names = tuple(f"run {k}" for k in range(len(models)))
    study = Study(names, (record,) * len(models))
    return found, [str(question.ask(study, found).status) for question in STUDY_CLAIMS]


def heights(found: StudyExamination, matched: bool) -> str:
    """The barriers of all lines, in loss, with the standard error of the largest."""
    courses = [(line.positions, line.matched if matched else line.losses) for line in found.lines or ()]
    barriers = [barrier(at, losses) for at, losses in courses if losses is not None]
    if not barriers:
        return "-"
    low, high = (pick(barriers, key=lambda each: each.height) for pick in (min, max))
    return f"{low.height:.2g} to {high.height:.2g} ({high.error:.1g})"


def networks() -> None:
    lines, around = [], []
    for name, hidden, epochs, rate in [
        ("linear", linear, 30, 0.003),
        ("64-32", mlp(64), 30, 0.001),
        ("512-256", mlp(512), 30, 0.001),
        ("small CNN, batch norm, dropout", cnn, 15, 0.001),
        ("64-32, stopped early", mlp(64), 3, 0.001),
    ]:
        models = [made(hidden, seed, epochs, rate) for seed in range(3)]
        found, status = examined(models, 200)
        row = [name, *(f"{each.mean():.3g}" for each in found.losses.training)] if found.losses else [name]
        lines.append([*row, heights(found, False), heights(found, True), *status[:2]])
        made_again, basin = found.restarts, found.basin
        assert made_again is not None and basin is not None
        around.append(
            [
                name,
                " / ".join(f"{rise:.2g}" for rise in basin.rises.mean(axis=0)),
                f"{made_again.start.mean():.3g}",
                f"{made_again.lifted.mean():.3g}",
                f"{made_again.control.mean():.3g}",
                f"{made_again.ends.mean(axis=1).min():.3g} to {made_again.ends.mean(axis=1).max():.3g}",
                status[2],
            ]
        )
        if name in ("64-32", "small CNN, batch norm, dropout"):
            copied, status = examined([models[0], shuffled(hidden, models[0])], 2)
            row = [
                f"{name}: a permuted copy",
                *(f"{each.mean():.3g}" for each in copied.losses.training),
                "-",
            ]
            lines.append([*row, heights(copied, False), heights(copied, True), *status[:2]])
        print(name, "done", flush=True)
    table(
        "Lines between three seeds: rise above the chord, smallest and largest of the pairs (standard error)",
        ["network", "loss", "loss", "loss", "before matching", "after", "seeds-agree", "same-valley"],
        lines,
    )
    table(
        "Around the lowest: rise at filter-normalised radius 0.05 / 0.1 / 0.2 / 0.4 / 0.8, and 200 steps from 0.4",
        ["network", "rise", "start", "moved", "control after", "restarts after", "nothing-lower"],
        around,
    )


def seeds() -> None:
    """Losses of k runs on 20 groups: common to all, of the run, and of run and group with standard deviation 1."""
    rows = []
    repeats = 2000
    for count in (2, 3, 4, 5, 8, 12):
        random = np.random.default_rng([SEED, count])

        def runs(spread: float, count: int = count, random: np.random.Generator = random) -> np.ndarray:
            own = spread * random.standard_normal((count, 1))
            return np.asarray(2.0 * random.standard_normal(20) + own + random.standard_normal((count, 20)))

        equal = [agreement(runs(0.0)) for _ in range(repeats)]
        detectable = float(np.median([each.detectable for each in equal]))
        told = sum(agreement(runs(detectable)).lower > 0.0 for _ in range(repeats))
        rows.append(
            [
                str(count),
                interval(sum(each.lower > 0.0 for each in equal), repeats),
                f"{detectable * np.sqrt(20.0):.1f}",
                interval(told, repeats),
            ]
        )
    table(
        f"seeds-agree on {repeats:,} synthetic studies: wrong rejections of equality (stated 1 %) and power",
        [
            "seeds",
            "rejected when equal, %",
            "detectable spread, in errors of one loss",
            "detected, % (stated 80)",
        ],
        rows,
    )


if __name__ == "__main__":
    seeds()
    networks()
