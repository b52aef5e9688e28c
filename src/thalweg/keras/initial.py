"""What a weight holds, from a bounded sample of its entries."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

LARGE = 1 << 22
"""Of a tensor with more entries than this only some of the slices along its longest axis are fetched."""
_SAMPLE = 1 << 16
_COLUMNS = 4096


def fetch(variable: keras.Variable) -> NDArray[Any] | None:
    """The variable's values on the host, of a large one some; None where they are no floating-point numbers."""
    value, shape = variable.value, tuple(variable.shape)
    size = math.prod(shape)
    if size > LARGE and len(shape) > 1:
        axis = int(np.argmax(shape[:-1]))
        value = value[(slice(None),) * axis + (slice(None, None, -(-size // LARGE)),)]
    array = np.asarray(ops.convert_to_numpy(value))
    if array.dtype.kind not in "fiub":  # bfloat16 has no kind of its own
        array = array.astype(np.float32)
    return array if array.size and array.dtype.kind == "f" else None


def sample(array: NDArray[Any]) -> NDArray[Any]:
    """At most 65,536 entries, spread evenly."""
    flat = array.reshape(-1)
    return flat[:: _stride(flat.size, _SAMPLE)]


def initial_facts(layer: keras.Layer | None, variable: keras.Variable, array: NDArray[Any]) -> dict[str, Any]:
    """`mean`, `spread`, `minimum`, `maximum`, and of a kernel `fan_in`, `units`, `distinct_units`."""
    values = sample(array).astype(np.float64)
    if values.min() == values.max():  # or was it only the sample that is constant?
        values = np.asarray([array.min(), array.max()] if array.min() != array.max() else values, np.float64)
    finite = values[np.isfinite(values)]
    facts: dict[str, Any] = {}
    if len(finite):
        with np.errstate(over="ignore"):
            facts = {
                "mean": float(finite.mean()),
                "spread": float(finite.std()),
                "minimum": float(finite.min()),
                "maximum": float(finite.max()),
            }
    shape = tuple(variable.shape)
    if not str(variable.name).endswith("kernel") or len(shape) < 2:
        return facts
    axes = _unit_axes(layer, str(variable.name), len(shape))
    if axes is None:
        return facts
    units = math.prod(shape[axis] for axis in axes)
    if not units:
        return facts
    facts |= {"fan_in": math.prod(shape) // units, "units": units}
    rest = tuple(axis for axis in range(len(shape)) if axis not in axes)
    columns = array.transpose(*rest, *axes).reshape(-1, math.prod(array.shape[axis] for axis in axes))
    return {**facts, "distinct_units": _distinct(columns, units)}


def _distinct(columns: NDArray[Any], units: int) -> int:
    """How many of the units' columns (n, units) differ; a few are looked at first, as most differ in these."""
    few = columns[:, :: _stride(columns.shape[1], _COLUMNS)]
    for part in (few[:: _stride(few.size, _SAMPLE)], columns):
        # Zero has two signs.
        different = len({column.tobytes() for column in np.ascontiguousarray(part.T) + 0.0})
        if different == part.shape[1]:
            return units
    return different


def _unit_axes(layer: keras.Layer | None, variable: str, rank: int) -> tuple[int, ...] | None:
    """The axes of a kernel that count its units; None where the layer's convention is not known."""
    name = type(layer).__name__
    equation = getattr(layer, "equation", None)
    if isinstance(equation, str):
        left, _, result = equation.replace("...", "").partition("->")
        kernel = left.rpartition(",")[2].strip()
        axes = tuple(axis for axis, letter in enumerate(kernel) if letter in result)
        return axes if axes and len(kernel) == rank else None
    if variable == "depthwise_kernel" or name.startswith("Depthwise"):
        return (rank - 2, rank - 1)
    if name.startswith("Conv") and name.endswith("Transpose"):
        return (rank - 2,)
    return (rank - 1,)


def _stride(count: int, most: int) -> int:
    return max(1, -(-count // most))
