"""What kind of targets an array holds, and how well the best constant would do on them."""

import enum
from typing import Any

import numpy as np
from numpy.typing import NDArray


class TargetKind(enum.StrEnum):
    """What targets mean, as far as their values and the width of the output show it."""

    CLASSES = "classes"
    """Whole numbers from 0, one an example, for an output of several units."""
    ONE_HOT = "one-hot"
    """Rows of zeros with a single one."""
    MULTI_LABEL = "multi-label"
    """Rows of zeros and ones, any number of ones."""
    BINARY = "binary"
    """Zeros and ones, one an example, for an output of one unit."""
    CONTINUOUS = "continuous"
    """Anything else."""


def target_kind(targets: NDArray[Any], output_width: int | None) -> TargetKind:
    """The kind of `targets` (n, ...) for an output of `output_width` units (None where unknown).

    Judged by the values seen: class numbers that happen to be continuous targets cannot be told apart.
    """
    values = np.asarray(targets)
    if not values.size or values.dtype.kind not in "fiub" or not np.isfinite(values).all():
        return TargetKind.CONTINUOUS
    width = values.shape[-1] if values.ndim > 1 else 1
    zeros_and_ones = bool(((values == 0) | (values == 1)).all())
    if width > 1 and zeros_and_ones and output_width in (None, width):
        ones = np.count_nonzero(values, axis=-1)
        return TargetKind.ONE_HOT if (ones == 1).all() else TargetKind.MULTI_LABEL
    if output_width == 1:
        return TargetKind.BINARY if zeros_and_ones and width == 1 else TargetKind.CONTINUOUS
    whole = bool((values == np.floor(values)).all() and values.min() >= 0)
    one_each = values.ndim == 1 or width == 1 or values.shape[-1] != output_width
    # Without an output to go by, whole numbers in floating point are numbers, not classes.
    if whole and one_each and (output_width is not None or values.dtype.kind in "iub"):
        return TargetKind.CLASSES
    return TargetKind.CONTINUOUS


def constant_prediction_loss(loss: str, targets: NDArray[Any], kind: TargetKind) -> float | None:
    """The mean loss of the best constant prediction on `targets`; None for losses that it is not known for.

    Cross-entropies: the entropy of the class frequencies, in nats. Squared error: the variance. Absolute
    error: the mean absolute deviation from the median. Over several outputs, the mean of theirs.
    """
    values = np.asarray(targets, np.float64)
    if not values.size or not np.isfinite(values).all():
        return None
    if loss in ("categorical_crossentropy", "sparse_categorical_crossentropy"):
        if kind is TargetKind.CLASSES:
            counts = np.unique(values, return_counts=True)[1].astype(np.float64)
        elif kind is TargetKind.ONE_HOT:
            counts = values.reshape(-1, values.shape[-1]).sum(axis=0)
        else:
            return None
        return _entropy(counts / counts.sum())
    columns = values.reshape(len(values), -1)
    if loss == "binary_crossentropy":
        if kind not in (TargetKind.BINARY, TargetKind.MULTI_LABEL, TargetKind.ONE_HOT):
            return None
        shares = columns.mean(axis=0)
        return float(np.mean([_entropy(np.array([share, 1.0 - share])) for share in shares]))
    if loss in ("mean_squared_error", "mse"):
        return float(np.mean(np.var(columns, axis=0)))
    if loss in ("mean_absolute_error", "mae"):
        return float(np.mean(np.abs(columns - np.median(columns, axis=0))))
    return None


def _entropy(shares: NDArray[np.float64]) -> float:
    present = shares[shares > 0.0]
    return float(-np.sum(present * np.log(present)))
