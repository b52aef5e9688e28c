"""The statistics of one optimizer step: `keras.ops` alone, on the device, inside the compiled step.

Every function takes lists of T float32 tensors, one per trainable parameter tensor, and returns scalars or
vectors of T. None of them keeps or changes anything. Each has a slow twin in float64 NumPy in the tests.
"""

from collections.abc import Sequence
from typing import Any

from keras import ops

Tensor = Any


def norms(tensors: Sequence[Tensor]) -> Tensor:
    """(T,) Euclidean norms, (sum_i x_i^2)^(1/2). Above 1.8e19 they overflow to infinity in float32."""
    return ops.sqrt(ops.stack([ops.sum(ops.square(tensor)) for tensor in tensors]))


def update_norms(before: Sequence[Tensor], after: Sequence[Tensor]) -> Tensor:
    """(T,) norms of the parameters' change over a step, |w' - w|.

    The difference of two float32 numbers within a factor of two of one another is exact (Sterbenz 1974), so
    that small updates of large parameters keep their digits.
    """
    return norms([new - old for old, new in zip(before, after, strict=True)])


def zero_fractions(tensors: Sequence[Tensor]) -> Tensor:
    """(T,) the share of entries that are exactly zero."""
    return ops.stack([ops.mean(ops.cast(ops.equal(tensor, 0.0), "float32")) for tensor in tensors])


def nonfinite_entries(tensors: Sequence[Tensor]) -> Tensor:
    """() the number of entries that are NaN or infinite."""
    counts = [ops.sum(ops.cast(ops.logical_not(ops.isfinite(tensor)), "float32")) for tensor in tensors]
    return sum(counts[1:], counts[0])


def inner_product(left: Sequence[Tensor], right: Sequence[Tensor]) -> Tensor:
    """() the inner product <a, b> over all entries of all tensors.

    With b the gradient of the step before and the two norms it gives the cosine between successive gradients,
    <a, b> / (|a| |b|): near 1 on a straight way down, negative where steps overshoot (Chee & Toulis 2018).
    """
    products = [ops.sum(a * b) for a, b in zip(left, right, strict=True)]
    return sum(products[1:], products[0])
