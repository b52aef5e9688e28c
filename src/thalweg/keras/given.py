"""What a caller gives to train with: checked, and in the form in which it is used."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from thalweg.errors import UsageError
from thalweg.keras.arguments import arrays_of
from thalweg.keras.feed import Batch, mapped
from thalweg.keras.kept import weighted


def arrays(data: Sequence[Any], name: str, class_weight: Mapping[int, float] | None = None) -> Batch:
    """Inputs, targets and sample weights, which those of the classes are multiplied into.

    Raises `UsageError` for what are no arrays of equal length.
    """
    parts = tuple(data) if isinstance(data, list | tuple) else ()
    if not 2 <= len(parts) <= 3:
        raise UsageError(f"{name} is to be (inputs, targets) or (inputs, targets, sample weights) of arrays.")
    found = arrays_of((*parts, None)[:3])
    if found is None:
        raise UsageError(f"{name} must be arrays of equal length that fit into memory.")
    batch: Batch = mapped(_single, found)
    if class_weight:
        weights = weighted(batch, {str(key): float(value) for key, value in class_weight.items()})
        batch = (*batch[:2], weights.astype(keras.config.floatx()))
    return batch


def _single(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(keras.config.floatx()) if array.dtype.kind == "f" else array


def positive(count: Any, what: str) -> int:
    """A whole number above 0; raises `UsageError` for anything else."""
    if not (isinstance(count, int | np.integer) and count > 0):
        raise UsageError(f"The {what} must be a whole number above 0: got {count!r}.")
    return int(count)
