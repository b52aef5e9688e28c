"""What the record knows of the examples: shared by the rules about data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.record import Record
from thalweg.rules.graph import graph
from thalweg.rules.objective import rows

_SCALING = {
    "Normalization",
    "Rescaling",
    "Embedding",
    "TextVectorization",
    "StringLookup",
    "IntegerLookup",
    "Discretization",
    "CategoryEncoding",
    "Hashing",
    "Lambda",
}
"""Layers that take inputs as they come; of a `Lambda` nobody knows."""
_NORMALISING = {"BatchNormalization", "LayerNormalization", "GroupNormalization", "UnitNormalization"}
_PASSING = {"InputLayer", "Flatten", "Reshape", "Permute", "Dropout", "GaussianNoise", "Masking"}
_KEEPING = _PASSING | {
    *("Rescaling", "Resizing", "CenterCrop"),
    *(f"Random{kind}" for kind in ("Crop", "Flip", "Rotation", "Translation", "Zoom")),
}
"""Layers that keep the range of their input, or change it by numbers that are known."""


def value(row: Any, *path: str) -> float:
    """A number in a mapping, infinity included; NaN where it is missing or is none."""
    found: Any = row
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    if isinstance(found, bool) or not isinstance(found, int | float | np.number):
        return np.nan
    return float(found)


def name_of(row: Mapping[str, Any], default: str) -> str:
    """The name of an input or target."""
    name = row.get("name")
    return name if isinstance(name, str) else default


def class_shares(record: Record) -> NDArray[np.float64] | None:
    """How the examples of the sample divide among the classes, where there is one target and it is a class."""
    return _shares(rows(record, "data", "targets"))


def validation_shares(record: Record) -> NDArray[np.float64] | None:
    """The same of the validation examples."""
    return _shares(rows(record, "data", "validation", "targets"))


def _shares(targets: list[Mapping[str, Any]]) -> NDArray[np.float64] | None:
    counts = targets[0].get("class_counts") if len(targets) == 1 else None
    if not isinstance(counts, list | tuple) or len(counts) < 2:
        return None
    if not all(isinstance(c, int | float) and np.isfinite(c) and c >= 0 for c in counts):
        return None
    shares = np.asarray(counts, dtype=np.float64)
    total = float(shares.sum())
    return shares / total if 0.0 < total < np.inf else None


def last(record: Record, name: str) -> float:
    """The last value of a series; NaN where there is none."""
    series = record.series.get(name)
    return float(series.values[-1]) if series is not None and len(series) else np.nan


def shown(record: Record, *names: str) -> tuple[str, ...]:
    """Those of the series that the record has."""
    return tuple(name for name in names if len(record.series.get(name, ())))


def takes_any_scale(record: Record) -> str | None:
    """The class of the layer that brings inputs of any scale to one, at the head of the model; None without one."""
    classes = [str(row.get("class")) for row in _acting(record)]
    if (scaling := next((c for c in classes if c in _SCALING), None)) is not None:
        return scaling
    head = next((c for c in classes if c not in _PASSING), None)
    return head if head in _NORMALISING else None


def head_is_frozen(record: Record) -> bool:
    """Whether the first layer was not trained: inputs were prepared for weights that were learned elsewhere."""
    first = next((row for row in _acting(record) if row.get("class") not in _KEEPING), {})
    return first.get("trainable") is False


def idle_scaling(record: Record) -> str | None:
    """The name of a layer that is given the one input, is there to scale it, and changes nothing."""
    listed = rows(record, "layers")
    place = next((i for i, row in enumerate(listed) if row.get("class") not in _PASSING), len(listed))
    before, head = [row.get("name") for row in listed[:place]], listed[place] if place < len(listed) else {}
    if head.get("identity") is not True or len(rows(record, "data", "inputs")) != 1:
        return None
    # What is no layer, a logarithm, stands among the inputs too; where these are not known nobody can tell.
    fed = [row.get("inputs", [None]) for row in listed[: place + 1]]
    return name_of(head, "layer") if all(name in before for names in fed for name in names) else None


@dataclass(frozen=True, slots=True)
class Rescaled:
    """The layer that multiplies the model's input by `scale` and adds `offset`."""

    layer: str
    scale: float
    offset: float


def rescaled(record: Record) -> Rescaled | None:
    """What `Rescaling` layers do to the one input before the first weights; several under the name of the first.

    None where they do nothing, where it is not known by how much or in front of what, and where another layer takes
    inputs of any scale.
    """
    known = graph(record)
    entries = [] if known is None else [name for name, fed in known.inputs.items() if not fed]
    if known is None or len(entries) != 1 or len(rows(record, "data", "inputs")) != 1:
        return None
    at, passed, layer, scale, offset = entries[0], set[str](), "", 1.0, 0.0
    while (kind := known.kind(at)) in _KEEPING or known.layers[at].get("identity") is True:
        if kind == "Rescaling":
            factor, layer = value(known.layers[at], "scale"), layer or at
            scale, offset = scale * factor, offset * factor + value(known.layers[at], "offset")
        passed.add(at)
        after = known.consumers.get(at, ())
        if len(after) != 1 or known.inputs[after[0]] != (at,):
            return None
        at = after[0]
    others = any(known.kind(name) in _SCALING for name in known.layers if name not in passed)
    if not layer or others or known.kind(at) in _NORMALISING:
        return None
    return Rescaled(layer, scale, offset) if 0.0 < abs(scale) < np.inf and abs(offset) < np.inf else None


def _acting(record: Record) -> list[Mapping[str, Any]]:
    return [row for row in rows(record, "layers") if row.get("identity") is not True]
