"""Whether a weight is still as its initializer drew it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from thalweg.stats.kolmogorov import kolmogorov

FEWEST = 256
"""Under so many entries a test tells a trained tensor from a fresh one too rarely."""
_FEWEST_UNMOVED = 32
"""Beside a bias that is still exactly zero, which no training leaves it."""
_FEWEST_UNBOUNDED = 4096
"""A normal distribution has no edge that a trained entry could lie beyond: its test needs more entries."""
_MOST = 8192
_P = 1e-4
"""The share of fresh tensors that are taken for trained, at most."""
_TRUNCATION = 0.87962566103423978
"""Standard deviation of a standard normal distribution cut at two; Keras divides by it."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """What an initializer draws from: its edges, standard deviation and distribution function."""

    low: float
    high: float
    deviation: float
    cumulative: Callable[[NDArray[np.float64]], NDArray[np.float64]]


def fresh(
    layer: keras.Layer | None, variable: str, values: NDArray[Any], shape: tuple[int, ...]
) -> bool | None:
    """Whether `values`, a sample of the layer's weight of this shape, are as its initializer draws them.

    None where that cannot be told: the weight is small, or not drawn from a uniform or normal distribution.
    A trained layer gives itself away by a bias that is no longer zero, by entries beyond the distribution's
    edge, by their spread, or by the shape of their distribution (Kolmogorov and Smirnov).
    """
    if layer is None or not variable.endswith(("kernel", "embeddings")):
        return None
    drawn = distribution(getattr(layer, f"{variable}_initializer", None), shape)
    flat = values.astype(np.float64).ravel()
    fewest = FEWEST if drawn is not None and math.isfinite(drawn.high) else _FEWEST_UNBOUNDED
    if _bias_unmoved(layer):
        fewest = _FEWEST_UNMOVED
    if drawn is None or flat.size < fewest:
        return None
    rounding = 4.0 * float(np.finfo(np.float32).eps) * max(abs(drawn.low), abs(drawn.high))
    beyond = (flat < drawn.low - rounding) | (flat > drawn.high + rounding) | ~np.isfinite(flat)
    # Of a normal distribution, whose tails are the heaviest of these, the spread has this standard error.
    error = drawn.deviation / math.sqrt(2.0 * flat.size)
    if _bias_moved(layer) or np.any(beyond) or abs(flat.std() - drawn.deviation) > 4.0 * error:
        return False
    return kolmogorov(drawn.cumulative(flat[:: -(-flat.size // _MOST)])).p > _P


def distribution(initializer: Any, shape: tuple[int, ...]) -> Distribution | None:
    """The edges and the distribution function of what an initializer draws; None of any other kind."""
    kinds = keras.initializers
    if isinstance(initializer, kinds.RandomUniform):
        return _uniform(float(initializer.minval), float(initializer.maxval))
    if isinstance(initializer, kinds.RandomNormal):
        return _normal(float(initializer.mean), float(initializer.stddev), math.inf)
    if isinstance(initializer, kinds.TruncatedNormal):
        return _normal(float(initializer.mean), float(initializer.stddev), 2.0)
    if not isinstance(initializer, kinds.VarianceScaling) or getattr(initializer, "input_axes", None):
        return None
    receptive = math.prod(shape[:-2])
    fan_in, fan_out = receptive * shape[-2], receptive * shape[-1]
    fan = {"fan_in": fan_in, "fan_out": fan_out}.get(initializer.mode, (fan_in + fan_out) / 2.0)
    deviation = math.sqrt(initializer.scale / max(1.0, fan))
    if initializer.distribution == "uniform":
        return _uniform(-math.sqrt(3.0) * deviation, math.sqrt(3.0) * deviation)
    if initializer.distribution == "untruncated_normal":
        return _normal(0.0, deviation, math.inf)
    return _normal(0.0, deviation / _TRUNCATION, 2.0)


def _uniform(low: float, high: float) -> Distribution | None:
    if not high > low:
        return None
    return Distribution(low, high, (high - low) / math.sqrt(12.0), lambda x: (x - low) / (high - low))


def _normal(mean: float, scale: float, cut: float) -> Distribution | None:
    """A normal distribution cut at so many standard deviations from its mean."""
    if not scale > 0.0:
        return None
    inside = math.erf(cut / math.sqrt(2.0))
    error = np.frompyfunc(math.erf, 1, 1)

    def cumulative(x: NDArray[np.float64]) -> NDArray[np.float64]:
        scaled = np.asarray(error((x - mean) / (scale * math.sqrt(2.0))), dtype=np.float64)
        return np.asarray(0.5 + 0.5 * scaled / inside)

    deviation = scale * (_TRUNCATION if math.isfinite(cut) else 1.0)
    return Distribution(mean - cut * scale, mean + cut * scale, deviation, cumulative)


def _bias_moved(layer: keras.Layer) -> bool:
    bias = _zero_at_first(layer)
    return bias is not None and bool(np.any(bias != 0.0))


def _bias_unmoved(layer: keras.Layer) -> bool:
    bias = _zero_at_first(layer)
    return bias is not None and bias.size >= 4 and not np.any(bias != 0.0)


def _zero_at_first(layer: keras.Layer) -> NDArray[Any] | None:
    """The bias of a layer whose bias began at zero."""
    bias = getattr(layer, "bias", None)
    if bias is None or not isinstance(getattr(layer, "bias_initializer", None), keras.initializers.Zeros):
        return None
    return np.asarray(keras.ops.convert_to_numpy(bias))
