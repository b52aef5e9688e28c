"""How many directions a cloud of points uses."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROWS = _COLUMNS = 512


def effective_rank(points: NDArray[Any]) -> float:
    """The participation ratio of `points` (n, d), over the smaller of n and d: 1 where all directions are alike.

    The squared sum of the covariance's eigenvalues over the sum of their squares. 0 where nothing varies, NaN
    where it cannot be told. Of more than 512 rows or columns so many, spread evenly, are looked at.
    """
    few = points[:: -(-len(points) // _ROWS) or 1, :: -(-points.shape[1] // _COLUMNS) or 1].astype(np.float64)
    if not few.size or not np.isfinite(few).all():
        return float("nan")
    size = float(np.max(np.abs(few)))
    if size == 0.0:
        return 0.0
    with np.errstate(all="ignore"):
        few = few / size  # so that no square is lost or infinite
        few -= np.mean(few, axis=0)
        gram = few.T @ few if few.shape[0] >= few.shape[1] else few @ few.T
        total, squares = float(np.trace(gram)), float(np.sum(gram * gram))
    # What varies by less than single precision rounds does not vary.
    if total <= 1e-13 * few.size or squares == 0.0:
        return 0.0
    return float(min(total * total / squares / min(few.shape), 1.0))
