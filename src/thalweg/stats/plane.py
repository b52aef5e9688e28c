"""The plane in which a path through many dimensions lies best."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True, eq=False)
class MainPlane:
    """Two orthonormal `directions` (2, p) through a path's end, and the path `seen` (k, 2) along them.

    `shares` (2,) of the squared distances of the path's points from its end lie along each direction.
    """

    directions: NDArray[np.float64]
    seen: NDArray[np.float64]
    shares: NDArray[np.float64]


def main_plane(points: ArrayLike) -> MainPlane | None:
    """The plane of a path of points (k, p), through its last one; None where they do not span a plane.

    The two main directions of the differences from the last point, not centred, so that the end lies in the plane
    (Li, Xu, Taylor, Studer & Goldstein, *NeurIPS* 2018, section 7.2). Found in the k dimensions of the path.
    """
    path = np.asarray(points, dtype=np.float64)
    if path.ndim != 2 or len(path) < 3 or path.shape[1] < 2 or not np.isfinite(path).all():
        return None
    with np.errstate(over="ignore"):
        differences = path - path[-1]
    scale = np.max(np.abs(differences))
    if not 0.0 < scale < np.inf:
        return None
    _, lengths, rows = np.linalg.svd(differences / scale, full_matrices=False)
    if not lengths[1] > 1e-6 * lengths[0]:
        return None
    # A direction has no sign of its own: training began to the left of its end, and below.
    directions = rows[:2]
    seen = differences @ directions.T
    signs = np.where(seen[0] > 0.0, -1.0, 1.0)
    shares = lengths[:2] ** 2 / np.sum(lengths**2)
    return MainPlane(directions * signs[:, None], seen * signs, shares)
