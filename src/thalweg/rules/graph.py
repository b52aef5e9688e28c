"""The layers of a record as a graph: shared by the rules about architecture and wiring."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from thalweg.record import Record
from thalweg.rules.objective import rows

DENSE = frozenset({"Dense", "Conv1D", "Conv2D", "Conv3D"})
"""Layers of a kernel each of whose columns is a unit of its own."""
AFFINE = DENSE | {
    *("EinsumDense", "DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D"),
    *("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"),
}
NOISE = frozenset(
    {
        *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"),
        *("GaussianNoise", "GaussianDropout", "AlphaDropout"),
    }
)
RESHAPING = frozenset(
    {
        *("Flatten", "Reshape", "Permute", "Identity", "Rescaling", "Normalization", "RepeatVector"),
        *(f"{kind}{n}D" for kind in ("ZeroPadding", "Cropping", "UpSampling") for n in (1, 2, 3)),
        *(f"{kind}{n}D" for kind in ("AveragePooling", "GlobalAveragePooling") for n in (1, 2, 3)),
    }
)
"""Layers without weights that treat all units alike, and are linear."""
ACTIVATIONS = frozenset({"Activation", "ReLU", "LeakyReLU", "ELU", "Softmax"})
NORMALISING = frozenset(
    {"BatchNormalization", "LayerNormalization", "GroupNormalization", "RMSNormalization"}
)


@dataclass(frozen=True, slots=True)
class Graph:
    """The layers whose inputs are known, by name in the order of depth, and who takes input from whom."""

    layers: Mapping[str, Mapping[str, Any]]
    inputs: Mapping[str, tuple[str, ...]]
    consumers: Mapping[str, tuple[str, ...]]

    def kind(self, name: str) -> str:
        """The class of a layer; empty where the name is no layer's (an operation)."""
        return str(self.layers.get(name, {}).get("class", ""))

    def activation(self, name: str) -> str | None:
        """The activation of a layer; None where it is linear or has none."""
        if self.kind(name) in ("ReLU", "LeakyReLU", "ELU", "Softmax"):
            return str(self.layers[name].get("activation") or self.kind(name).lower())
        value = self.layers.get(name, {}).get("activation")
        return None if value in (None, "linear") else str(value)

    def reached(self, name: str, passes: Callable[[str], bool]) -> set[str]:
        """The first layers downstream of one that are not passed through."""
        found: set[str] = set()
        open_, seen = list(self.consumers.get(name, ())), set[str]()
        while open_:
            at = open_.pop()
            if at in seen:
                continue
            seen.add(at)
            if passes(at):
                open_ += self.consumers.get(at, ())
            else:
                found.add(at)
        return found

    def downstream(self, name: str) -> set[str]:
        """All that is downstream of a layer."""
        found: set[str] = set()
        open_ = list(self.consumers.get(name, ()))
        while open_:
            at = open_.pop()
            if at not in found:
                found.add(at)
                open_ += self.consumers.get(at, ())
        return found


def graph(record: Record) -> Graph | None:
    """The graph of the record's layers; None where no layer's inputs are known, or an input is no layer."""
    layers = {
        str(row["name"]): row
        for row in rows(record, "layers")
        if "name" in row and isinstance(row.get("inputs"), list | tuple)
    }
    if not layers:
        return None
    inputs = {name: tuple(map(str, row["inputs"])) for name, row in layers.items()}
    consumers: dict[str, list[str]] = {}
    for name, sources in inputs.items():
        for source in sources:
            if source not in layers:
                return None
            consumers.setdefault(source, []).append(name)
    return Graph(layers, inputs, {name: tuple(found) for name, found in consumers.items()})


def initial(record: Record, tensor: str) -> Mapping[str, Any]:
    """The facts of a tensor's first values; empty where there are none."""
    for row in rows(record, "tensors"):
        if row.get("name") == tensor and isinstance(row.get("initial"), Mapping):
            found: Mapping[str, Any] = row["initial"]
            return found
    return {}


def figures(facts: Mapping[str, Any], *names: str) -> tuple[float, ...] | None:
    """Numbers among facts; None where one is missing or no finite number."""
    values = [facts.get(name) for name in names]
    if any(
        isinstance(v, bool) or not isinstance(v, int | float) or not abs(v) < float("inf") for v in values
    ):
        return None
    return tuple(float(v) for v in values if isinstance(v, int | float))
