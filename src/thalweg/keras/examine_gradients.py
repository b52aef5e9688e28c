"""Gradients of mini-batches at one point, for the gradient against its own noise."""

from typing import TYPE_CHECKING

import keras
import numpy as np

from thalweg.errors import UnsupportedError
from thalweg.examination import Gradients
from thalweg.stats.batches import FEWEST
from thalweg.stats.noise_scale import noise_scale

if TYPE_CHECKING:
    from thalweg.keras.autodiff import Products

PASSES = 2
"""Over the examples: their gradients in batches, and all at once."""
_QUIET = 1e-4
"""Noise below this share of the squared gradient's tells nothing: the rounding of the weights may be more."""
_ROUNDED = 4
"""Ways in which the weights are rounded: of a few weights alone one way may leave the gradient as it was."""
_APART = 0.1
"""Farther from the whole gradient, in units of its norm and noise, the batches' mean needs another explanation."""


def gradients(
    products: "Products", batch_size: int, most: int, seed: int, budget: int = PASSES + _ROUNDED
) -> Gradients:
    """The gradients of disjoint batches of the examples, at the present weights, in pairs.

    One partition of all examples in random order: no example comes twice, so that the pairs are as independent as
    the examples are. The batches are those of the training; smaller where that makes 20 pairs of them; larger where
    there would be more than `most`, for it is the examples that tell, and not how many at a time. The whole
    gradient is the mean of them all, those left over included; a second pass takes it at once, as a check. The
    two may differ where the examples of a batch depend on one another, as under batch normalisation in training
    mode: there it is the batches that training sees. Nothing may be random in `products`: a dropout mask that all
    batches share would pass for a gradient.

    Within `budget` passes over the examples: two, and four more for the rounding, which is looked at where the
    examples hardly differ.

    Raises `UnsupportedError` where there are too few examples or passes, and where the objective is no mean over
    the examples.
    """
    if budget < PASSES:
        raise UnsupportedError("too few products were allowed")
    n = products.examples
    size = max(min(batch_size, n // (2 * FEWEST)), -(-n // max(most, 2)), 1)
    pairs = n // size // 2
    if not pairs:
        raise UnsupportedError(f"two batches of examples cannot be made of {n}")
    order = np.random.default_rng(seed).permutation(n)

    def gradient(start: int, stop: int) -> np.ndarray:
        return products.gradient(rows=np.sort(order[start:stop])).astype(np.float64)

    inner, squares, total = np.empty(pairs), np.empty(2 * pairs), np.zeros(products.size)
    for at in range(pairs):
        one, other = (gradient(start, start + size) for start in (2 * at * size, (2 * at + 1) * size))
        inner[at], squares[2 * at], squares[2 * at + 1] = one @ other, one @ one, other @ other
        total += size * (one + other)
    if (used := 2 * pairs * size) < n:
        total += (n - used) * gradient(used, n)
    mean = total / n
    square = float(mean @ mean)
    rest = mean - products.gradient()
    noise = noise_scale(inner, squares, size, n).trace / n
    if float(rest @ rest) > _APART**2 * (square + max(noise, 0.0)) and not _mean(products):
        raise UnsupportedError("the objective is a sum over examples, and a batch of them has another one")
    quiet = noise <= _QUIET * square and budget >= PASSES + _ROUNDED
    return Gradients(inner, squares, size, square, _rounding(products, mean, seed) if quiet else np.nan)


def _rounding(products: "Products", gradient: np.ndarray, seed: int) -> float:
    """The mean square of the gradient's change where each weight moves by the precision of its type, up or down."""
    rng, point = np.random.default_rng(seed), products.point
    step = float(np.finfo(keras.config.floatx()).eps) * point
    moved = [
        products.gradient(point + step * rng.choice([-1.0, 1.0], len(point))) - gradient
        for _ in range(_ROUNDED)
    ]
    return float(np.mean([change @ change for change in moved]))


def _mean(products: "Products") -> bool:
    """Whether the loss is reduced by a mean. By a sum, the objective, penalties included, is no less than that."""
    return products.value() < 0.5 * float(np.sum(products.losses()))
