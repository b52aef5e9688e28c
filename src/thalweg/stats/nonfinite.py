"""Examples that hold a NaN or an infinity, in one pass over arrays of any size."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CHUNK = 1_000_000
_ENTRIES = 400_000_000
"""Entries that are looked at; of larger arrays every k-th stretch."""


@dataclass(frozen=True, slots=True)
class NonFiniteExamples:
    """`count` of the `looked` examples hold a value that is not finite, the first of them at `first` (else -1)."""

    count: int
    first: int
    looked: int


def nonfinite_examples(array: NDArray[Any]) -> NonFiniteExamples:
    """The examples (n, ...) that are not finite. Whole numbers and text always are."""
    n = len(array)
    if array.dtype.kind not in "fc" or not array.size:
        return NonFiniteExamples(0, -1, n)
    length = max(_CHUNK // (array.size // n), 1)
    starts = range(0, n, length * -(-array.size // _ENTRIES))
    count, first, looked = 0, -1, 0
    for start in starts:
        part = array[start : start + length]
        looked += len(part)
        finite = np.isfinite(part)
        if finite.all():
            continue
        bad = np.flatnonzero(~finite.reshape(len(part), -1).all(axis=1))
        count += len(bad)
        first = first if first >= 0 else start + int(bad[0])
    return NonFiniteExamples(count, first, looked)
