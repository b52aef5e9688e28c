"""Rows that occur more than once: found by a few of their columns, confirmed by all of them."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Sequence[NDArray[Any]]
"""Arrays with the same first axis: one input each of the same examples."""

_KEY_COLUMNS = 8
_LOOKED = 256
"""Columns among which those of the key are chosen."""
_CANDIDATES = 32
"""Rows with the same key that are compared, a row; beyond, a count is a lower bound."""
_ROWS = 200_000
"""Rows of the table that are looked at, spread evenly; beyond, a count is a lower bound."""


@np.errstate(over="ignore", invalid="ignore")
def occurrences(rows: Arrays, table: Arrays) -> NDArray[np.int64]:
    """How often each row (m,) is among the rows of the table, equal entry by entry; NaN equals nothing.

    The key of a row is made of the eight columns with the most values in `rows`; every hit is confirmed on all.
    """
    m, n = len(rows[0]), len(table[0])
    found = np.zeros(m, np.int64)
    if not m or not n:
        return found
    chosen = _key_columns(rows)
    if not chosen:
        return found
    step = -(-n // _ROWS)
    looked = [_flat(array)[::step] for array in table]
    table_keys = _keys(looked, chosen)
    keys = _keys([_flat(array) for array in rows], chosen)
    order = np.argsort(table_keys, kind="stable")
    left = np.searchsorted(table_keys, keys, "left", sorter=order)
    right = np.searchsorted(table_keys, keys, "right", sorter=order)
    flat = [_flat(array) for array in rows]
    for i in np.flatnonzero(right > left):
        candidates = order[left[i] : min(right[i], left[i] + _CANDIDATES)]
        equal = np.ones(len(candidates), np.bool_)
        for row, array in zip(flat, looked, strict=True):
            equal &= (_comparable(array[candidates]) == _comparable(row[i])).all(axis=1)
        found[i] = int(equal.sum())
    return found


def repeated(rows: Arrays) -> list[list[int]]:
    """The groups of two or more rows that are equal in all arrays, byte by byte, as their places."""
    flat = [np.ascontiguousarray(_flat(array)) for array in rows]
    keys = [b"".join(array[i].tobytes() for array in flat) for i in range(len(flat[0]))]
    counts = Counter(keys)
    groups: dict[bytes, list[int]] = {}
    for i, key in enumerate(keys):
        if counts[key] > 1:
            groups.setdefault(key, []).append(i)
    return list(groups.values())


def finest(rows: Arrays, copies: int = 0) -> float:
    """The largest share of different values in one column: near one where a column is continuous.

    Of the rows `copies` repeat others, and bring no values of their own.
    """
    n = len(rows[0]) - copies
    shares = [
        len(np.unique(column)) / n
        for array in rows
        for column in _flat(array)[:, _spread_evenly(_flat(array).shape[1], _LOOKED)].T
    ]
    return max(shares, default=0.0)


def near(rows: Arrays) -> float:
    """The share of the different rows that equal another in all columns but the one with the most values.

    Where rows agree by accident, many more of them nearly agree; copies have no such neighbours.
    """
    copies = {i for group in repeated(rows) for i in group[1:]}
    kept = np.array([i for i in range(len(rows[0])) if i not in copies], np.int64)
    flat = [_flat(array)[kept] for array in rows]
    columns = _key_columns(flat)
    if len(kept) < 2 or not columns:
        return 0.0
    place, column = columns[0]
    others = [np.delete(array, column, axis=1) if i == place else array for i, array in enumerate(flat)]
    if not sum(array.shape[1] for array in others):
        return 1.0
    return sum(map(len, repeated(others))) / len(kept)


def _key_columns(rows: Arrays) -> list[tuple[int, int]]:
    counted = [
        (len(np.unique(array[:, column])), place, int(column))
        for place, array in enumerate(map(_flat, rows))
        for column in _spread_evenly(array.shape[1], _LOOKED)
    ]
    return [(place, column) for _, place, column in sorted(counted, reverse=True)[:_KEY_COLUMNS]]


def _keys(arrays: Arrays, columns: list[tuple[int, int]]) -> NDArray[np.uint64]:
    keys = np.zeros(len(arrays[0]), np.uint64)
    for place, column in columns:
        # Zero has two signs that are equal.
        bits = (arrays[place][:, column].astype(np.float32) + np.float32(0.0)).view(np.uint32)
        keys = (keys ^ bits.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        keys ^= keys >> np.uint64(29)
    return keys


def _comparable(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def _flat(array: NDArray[Any]) -> NDArray[Any]:
    return array.reshape(len(array), -1)


def _spread_evenly(count: int, limit: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, count - 1, min(count, limit)).astype(np.int64)) if count else np.arange(0)
