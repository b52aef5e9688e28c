"""The loss over the plane of the path that training took."""

from collections.abc import Callable

import numpy as np

from thalweg.errors import UnsupportedError
from thalweg.examination import Plane
from thalweg.keras.autodiff import Products
from thalweg.keras.trajectory import Trodden
from thalweg.stats.plane import main_plane

_CELLS = 21
"""Along each direction."""
_MARGIN = 0.15
"""Of the path's extent, beyond it on each side."""
_NARROWEST = 0.2
"""The shorter side of the plane, over the longer: a path along a line still wants something to its sides."""


def examine_plane(products: Products, trodden: Trodden, told: Callable[[float], None]) -> Plane:
    """The objective on a grid over the main plane of the path, through its end.

    Raises `UnsupportedError` where the path spans no plane, or is of other weights than the model's.
    """
    if trodden.points.shape[1] != products.size:
        raise UnsupportedError("the path that was kept is of other weights than this model's")
    found = main_plane(trodden.points)
    if found is None:
        raise UnsupportedError("the path of this run spans no plane")
    low, high = found.seen.min(axis=0), found.seen.max(axis=0)
    side = np.maximum(high - low, _NARROWEST * np.max(high - low))
    middle = (low + high) / 2.0
    across, up = (
        np.linspace(m - s * (0.5 + _MARGIN), m + s * (0.5 + _MARGIN), _CELLS)
        for m, s in zip(middle, side, strict=True)
    )
    losses = np.empty((_CELLS, _CELLS))
    for row, y in enumerate(up):
        for column, x in enumerate(across):
            losses[row, column] = products.value(products.point + np.array([x, y]) @ found.directions)
        told((row + 1) / _CELLS)
    return Plane(
        across, up, losses, found.seen, trodden.steps.astype(np.float64), found.shares, products.examples
    )
