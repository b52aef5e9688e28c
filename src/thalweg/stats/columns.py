"""Columns of a data matrix that carry no information, or the same information twice."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CORRELATED = 0.99
"""The least absolute Pearson correlation of two columns that are called strongly correlated."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Counts over the columns of a matrix.

    `constant`: one finite value throughout. `duplicate`: equal to a column before it, and not constant.
    `correlated`: strongly correlated with a column before it, and not a duplicate.
    """

    examined: int
    constant: int
    duplicate: int
    correlated: int


def columns(matrix: NDArray[Any], limit: int = 1000) -> Columns:
    """Counts over the first `limit` columns of `matrix` (n, d), those with non-finite entries left out."""
    values = np.asarray(matrix, np.float64)[:, :limit]
    if len(values) < 2:
        return Columns(values.shape[1], 0, 0, 0)
    finite = np.isfinite(values).all(axis=0)
    constant = finite & (values == values[0]).all(axis=0)
    varying = values[:, finite & ~constant]
    # Zero has two signs that are equal. `dict` keeps the first of equal columns, in the order of the matrix.
    first = {column.tobytes(): place for place, column in reversed(list(enumerate((varying + 0.0).T)))}
    distinct = varying[:, sorted(first.values())]
    duplicate = varying.shape[1] - distinct.shape[1]
    # Divided by the largest value first: squares of 1e300 would overflow.
    scaled = distinct / np.maximum(np.abs(distinct).max(axis=0), np.finfo(np.float64).tiny)
    centred = scaled - scaled.mean(axis=0)
    length = np.sqrt(np.sum(centred**2, axis=0))
    unit = centred[:, length > 0.0] / length[length > 0.0]
    correlation = np.abs(np.triu(unit.T @ unit, 1))
    correlated = int(np.count_nonzero((correlation >= CORRELATED).any(axis=0)))
    return Columns(values.shape[1], int(constant.sum()), int(duplicate), correlated)
