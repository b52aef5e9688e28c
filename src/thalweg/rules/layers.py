"""The parameter tensors of a record in the order of depth: shared by the rules about layers."""

import math

import numpy as np

from thalweg.record import Record, Series
from thalweg.rules.objective import rows
from thalweg.stats import finite, median

LARGE = 0.1
"""An update this large beside its parameters leaves little of what they held."""


def kernels(record: Record, quantity: str) -> dict[str, Series]:
    """A quantity's series by kernel, from the input on.

    Biases, gains, embeddings and recurrent kernels are left out: their norms have other laws.
    Depth is the order of `info["tensors"]`, or that of the record where there is no such list.
    """
    measured = {name: series for name, series in record.each(quantity).items() if len(series)}
    listed = [str(row.get("name")) for row in rows(record, "tensors")]
    order = [name for name in listed if name in measured] or list(measured)
    return {name: measured[name] for name in order if name.endswith("kernel") and "recurrent" not in name}


def largest_update(record: Record) -> float:
    """The largest update of a kernel over its norm, in the run; the median over the kernels that moved."""
    ratios = (series.values for series in kernels(record, "update_ratio").values())
    return median([np.max(finite(values), initial=0.0) for values in ratios if np.any(values != 0.0)])


def root_sizes(record: Record) -> dict[str, float]:
    """The square root of each tensor's size: it turns a Euclidean norm into a root mean square."""
    sizes = {}
    for row in rows(record, "tensors"):
        size = row.get("size")
        if isinstance(size, int | np.integer) and size > 0:
            sizes[str(row.get("name"))] = math.sqrt(float(size))
    return sizes


def depth_profile(record: Record) -> tuple[list[str], list[float]]:
    """The kernels from the input on and the median over the run of each one's root mean square gradient.

    Queries and keys of an attention are beside the way, not on it: what reaches them comes through the slope of a
    softmax, which is next to nothing while all keys are alike. Where a size is unknown the norms of all kernels are
    taken as they are.
    """
    series = {
        name: norms
        for name, norms in kernels(record, "gradient_norm").items()
        if layer_of(name).partition("#")[0] not in ("query", "key")
    }
    sizes = root_sizes(record)
    if not all(name in sizes for name in series):
        sizes = dict.fromkeys(series, 1.0)
    return list(series), [median(s.values) / sizes[name] for name, s in series.items()]


def layer_of(tensor: str) -> str:
    """The layer that a tensor `layer/variable` belongs to."""
    return tensor.rpartition("/")[0] or tensor
