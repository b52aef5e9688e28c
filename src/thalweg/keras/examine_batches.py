"""The curvature that steps on mini-batches meet, each along its own gradient."""

from typing import TYPE_CHECKING

import numpy as np

from thalweg.errors import UnsupportedError
from thalweg.examination import BatchSharpness
from thalweg.stats.batches import FEWEST

if TYPE_CHECKING:
    from thalweg.keras.autodiff import Products

_MOST = 256
"""Batches at most: their mean is then known to a sixteenth of what one scatters."""


def batch_sharpness(products: "Products", batch_size: int, budget: int, seed: int) -> BatchSharpness:
    """Of batches of so many examples, each drawn without replacement, at the present weights.

    <g, H g> / |g|^2 with the gradient and the Hessian of the batch's own loss (Andreyev & Beneventano,
    arXiv:2412.20553, 2024). As many batches as `budget` passes over the examples pay for, 256 at most; a batch takes
    a gradient and a product. Raises `UnsupportedError` where they would be fewer than 20, where no batch of that size
    can be drawn, and where there is no second derivative.
    """
    n = products.examples
    if batch_size >= n:
        raise UnsupportedError(f"of {n:,} examples no batches of {batch_size:,} can be drawn")
    count = min(budget * n // (2 * batch_size), _MOST)
    if count < FEWEST:
        raise UnsupportedError(f"{FEWEST} batches of {batch_size:,} take more products than were allowed")
    random = np.random.default_rng(seed)
    curvatures, squares = np.empty(count), np.empty(count)
    with np.errstate(all="ignore"):
        for at in range(count):
            rows = np.sort(random.choice(n, batch_size, replace=False))
            gradient = products.gradient(rows=rows).astype(np.float64)
            # Of unit length: in single precision a product with a small gradient loses its digits.
            length = np.linalg.norm(gradient)
            along = gradient / length
            curvatures[at] = along @ products.hessian_vector(np.nan_to_num(along), rows=rows)
            squares[at] = length**2
    return BatchSharpness(curvatures, squares, batch_size)
