"""Numbers next to zero among others: what a percentage error divides by."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SMALL = 1e-3
_EPSILON = 1e-7
"""The least that Keras divides by."""
_ENTRIES = 1_000_000


@dataclass(frozen=True, slots=True)
class Small:
    """Of the `looked` entries `count` are next to zero: `zeros` are zero, the others under a thousandth of the median
    size of what is not.

    `share` is their part of a percentage error whose absolute error is the same at every entry.
    """

    looked: int
    count: int
    zeros: int
    share: float


def small(values: NDArray[np.number]) -> Small | None:
    """The entries next to zero; of more than a million every k-th. None where all are zero, or none is finite."""
    every = -(-values.size // _ENTRIES) or 1
    sizes = np.abs(values.reshape(-1)[::every].astype(np.float64))
    sizes = sizes[np.isfinite(sizes)]
    if not np.any(sizes > 0.0):
        return None
    near = sizes < _SMALL * np.median(sizes[sizes > 0.0])
    parts = 1.0 / np.maximum(sizes, _EPSILON)
    share = float(parts[near].sum() / parts.sum())
    return Small(len(sizes), int(near.sum()), int(np.count_nonzero(sizes == 0.0)), share)
