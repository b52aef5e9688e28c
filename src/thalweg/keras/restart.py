"""Training again from the weights of a run, and from near them."""

import sys
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops, tree
from numpy.typing import NDArray

from thalweg.keras.feed import Batch, mapped
from thalweg.keras.landscape import Landscape, Point, point_of
from thalweg.keras.put_back import random_numbers_put_back, variables_put_back
from thalweg.stats.filters import filter_normalised
from thalweg.study_examination import Basin, Restarts

LOOKS = 10
"""Times that the loss is measured in each course, after its start."""


def perturbed(point: Point, model: keras.Model, radius: float, seed: Sequence[int]) -> Point:
    """The point moved by `radius` along a random filter-normalised direction of the trainable variables."""
    count = len(model.trainable_variables)
    direction = filter_normalised(
        [np.asarray(a, np.float64) for a in point[:count]], np.random.default_rng(seed)
    )
    moved = [
        (np.asarray(a, np.float64) + radius * d).astype(a.dtype)
        for a, d in zip(point[:count], direction, strict=True)
    ]
    return [*moved, *point[count:]]


def basin_of(
    landscape: Landscape, model: keras.Model, run: int, radii: Sequence[float], directions: int, seed: int
) -> Basin:
    """The rise of the loss around the model's weights, running averages measured anew at every point."""
    here = point_of(model)
    level = landscape.losses(here, anew=True).mean()
    rises = [
        [
            landscape.losses(perturbed(here, model, radius, (seed, 1, k)), anew=True).mean() - level
            for radius in radii
        ]
        for k in range(directions)
    ]
    return Basin(run, np.array(radii, np.float64), np.array(rises, np.float64))


def restarts_of(
    landscape: Landscape,
    model: keras.Model,
    examples: Batch,
    run: int,
    radius: float,
    count: int,
    steps: int,
    batch_size: int,
    seed: int,
) -> Restarts:
    """Train a control and `count` perturbed copies on the examples, and put the model back.

    All begin with the optimizer as the run left it, see the same batches and draw the same dropout masks. Running
    averages are those that training moves, as in the run.
    """
    here = point_of(model)
    looks = np.unique(np.linspace(0, steps, LOOKS + 1).astype(np.int64))
    last = looks > 0.75 * steps
    courses = []
    for k in range(count + 1):
        begin = perturbed(here, model, radius, (seed, 2, k)) if k else here
        with variables_put_back(model), random_numbers_put_back():
            courses.append(_course(landscape, model, examples, begin, looks, batch_size, seed))
    by_group = np.array(courses)  # (1 + count, looks, groups)
    ends = by_group[:, last].mean(axis=1)
    return Restarts(
        run,
        radius,
        steps,
        batch_size,
        _rate(model),
        by_group[0, 0],
        by_group[1:, 0].mean(axis=1),
        ends[0],
        ends[1:],
        looks,
        by_group.mean(axis=2),
    )


def _course(
    landscape: Landscape,
    model: keras.Model,
    examples: Batch,
    begin: Point,
    looks: NDArray[np.int64],
    batch_size: int,
    seed: int,
) -> list[NDArray[np.float64]]:
    """The losses (g,) at each look of a training that starts at a point."""
    for variable, value in zip(
        (*model.trainable_variables, *model.non_trainable_variables), begin, strict=True
    ):
        variable.assign(value)
    _seed(model, seed)
    random = np.random.default_rng((seed, 3))
    total = len(tree.flatten(examples[0])[0])
    size = min(batch_size, total)
    order = np.empty(0, np.int64)
    losses = [landscape.losses(point_of(model))]
    for step in range(1, int(looks[-1]) + 1):
        if len(order) < size:
            order = random.permutation(total)
        rows, order = order[:size], order[size:]
        inputs, targets, weights = mapped(lambda array, rows=rows: array[rows], examples)
        model.train_on_batch(inputs, targets, sample_weight=weights)
        if step in looks:
            losses.append(landscape.losses(point_of(model)))
    return losses


def _seed(model: keras.Model, seed: int) -> None:
    """The random numbers of a training start where they start at any other time."""
    for variable in model.non_trainable_variables:
        if "seed_generator_state" in str(variable.name):
            variable.assign(np.array([seed, 0], dtype=str(variable.dtype)))
    if keras.backend.backend() == "torch":  # where dropout draws from PyTorch's generator
        sys.modules["torch"].manual_seed(seed)


def _rate(model: keras.Model) -> float:
    try:
        return float(ops.convert_to_numpy(model.optimizer.learning_rate))
    except Exception:  # an optimizer of its own kind
        return float("nan")
