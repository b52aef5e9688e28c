"""Random directions in the space of weights, in the units of the weights themselves."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def filter_normalised(tensors: Sequence[Array], random: np.random.Generator) -> list[Array]:
    """A direction whose part in each filter has the filter's own norm: at radius r it moves each by r of its length.

    A filter is what makes one output unit: a slice along the last axis. Vectors (biases, scales) stand still
    (Li et al., *Visualizing the Loss Landscape of Neural Nets*, NeurIPS 2018, section 4). A network whose weights are
    multiplied from layer to layer without changing its function then has the same directions.
    """
    return [_direction(np.asarray(tensor, dtype=np.float64), random) for tensor in tensors]


def _direction(tensor: Array, random: np.random.Generator) -> Array:
    if tensor.ndim < 2 or not tensor.size:
        return np.zeros_like(tensor)
    drawn = random.standard_normal(tensor.shape)
    axes = tuple(range(tensor.ndim - 1))
    largest = np.max(np.abs(tensor), axis=axes, keepdims=True)
    largest = np.where(
        np.isfinite(largest) & (largest > 0.0), largest, 1.0
    )  # squares neither overflow nor vanish
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        length = np.sqrt(np.sum((tensor / largest) ** 2, axis=axes, keepdims=True))
        return np.asarray(drawn / np.sqrt(np.sum(drawn**2, axis=axes, keepdims=True)) * length * largest)
