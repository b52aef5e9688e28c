"""The precision in which a model is looked at: that of its weights."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
from keras.src.backend.common import dtypes


@contextmanager
def whole_precision(model: keras.Model, dtype: str) -> Iterator[None]:
    """Within it the model computes in the precision that its weights, of this type, are kept in.

    Layers of a mixed policy compute in half precision otherwise; and on JAX and PyTorch Keras makes float32 of
    float64 wherever it looks for the common type of two tensors.
    """
    mixed = {
        layer: layer.dtype_policy
        for layer in model._flatten_layers(include_self=True)
        if layer.compute_dtype != layer.variable_dtype
    }
    lowered = dtypes.BIT64_TO_BIT32_DTYPE
    before = lowered["float64"]
    try:
        for layer, policy in mixed.items():
            vars(layer)["_dtype_policy"] = keras.DTypePolicy(policy.variable_dtype)
        if dtype == "float64":
            lowered["float64"] = "float64"
        yield
    finally:
        lowered["float64"] = before
        for layer, policy in mixed.items():
            vars(layer)["_dtype_policy"] = policy
