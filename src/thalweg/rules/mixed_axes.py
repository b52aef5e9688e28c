"""W004: a reshape where a transposition was meant."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from operator import mul
from typing import Any

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.graph import ACTIVATIONS, NOISE, Graph, graph
from thalweg.rules.shortfall import shortfall

_ELEMENTWISE = ACTIVATIONS | NOISE | {"Identity", "Rescaling"}
"""What neither knows of axes nor moves anything along them."""
_ROWS = frozenset({"Reshape", "Flatten"})
"""What takes its input as one row of numbers."""


@dataclass(frozen=True)
class MixedAxes(Rule):
    """A reshape where a transposition was meant.

    ## What it asks

    Does a `Reshape` layer give its input the same axes in another order?

    ## Why it matters

    `Reshape` reads the values as one row and cuts it anew: from 6 channels of 64 samples it makes 64 rows of
    6 successive samples of one channel, or of two. What was a channel is none any more, and what a
    convolution or a recurrent layer looks for is spread over it. `Permute` exchanges axes. Nothing fails: the
    shapes are as wanted, and a network may still learn a part.

    ## How it is decided

    From the shapes of a `Reshape` layer, axes of size 1 left out: those of the output are those of the input in
    another order. That is a concern

    - where no cutting and merging of axes explains it, as with 6 and 64: the rows of the output straddle those of
      the input. A violated contract, whatever the training does, and said before the first step;
    - where such a thing does (16 samples of 4 channels are also 4 windows of 4 samples: patches, sub-pixels), only
      beside a run that fell short of a constant prediction, a linear model or a kernel method.

    Where what is around the layer takes values as one row as well (another `Reshape`, a `Flatten`, which do not care
    about axes), nothing is lost, and it is no concern.

    ## Thresholds

    None: shapes are compared exactly. Rates: docs/calibration.md.

    ## Known limits

    `keras.ops.reshape`, a reshape in the data's preparation, a layer that is called more than once, axes of unknown
    size and models whose graph is not known are not seen. Two axes of equal size cannot be told apart. Inputs whose
    values lie in the order of the output's axes, and were only declared otherwise, are accused.

    ## What to do

    Exchange the axes by `Permute`.

    ## References

    Keras, *Permute layer*; NumPy, *numpy.reshape* (the order in which values are read).
    """

    code = "W004"
    title = "A reshape where a transposition was meant"
    family = Family.WIRING
    before = True

    def assess(self, record: Record) -> Finding:
        """The first layer that straddles axes, else the first that might."""
        known = graph(record)
        if known is None:
            return self.unassessed("Not assessed: the record does not tell how the layers are connected.")
        shapes = {name: both for name in known.layers if (both := _shapes(known.layers[name])) is not None}
        found = [name for name, both in shapes.items() if _reorders(*both) and _matters(known, name)]
        if not found:
            return self.finding(
                Verdict.SATISFACTORY,
                "None of {count} `Reshape` layers of known shape put axes in another order.",
                {"count": Evidence(len(shapes), "layers")},
            )
        certain = [name for name in found if _straddles(*shapes[name])]
        name = (certain or found)[0]
        before, after = shapes[name]
        evidence = {
            "layer": Evidence(name),
            "before": Evidence(_words(before)),
            "after": Evidence(_words(after)),
        }
        template = "Layer `{layer}` read values of shape {before} as one row and cut them to {after}"
        if certain:
            return self._concern(
                template + ": the same axes in another order, each new row across the bounds of the old.",
                evidence,
                name,
                before,
                after,
            )
        if (short := shortfall(record, kernel=True)) is None:
            return self.unassessed(
                "Not assessed: layer `{layer}` cut values of shape {before} to {after}, windows or a transposition "
                "gone wrong; nothing shows that the training suffered.",
                evidence,
            )
        return self._concern(
            f"{template}, the same axes in another order; {short.words}.",
            {**evidence, **short.evidence},
            name,
            before,
            after,
            short.series,
        )

    def _concern(
        self,
        template: str,
        evidence: dict[str, Evidence],
        name: str,
        before: list[int],
        after: list[int],
        series: tuple[str, ...] = (),
    ) -> Finding:
        left, order = list(before), list[int]()
        for size in after:  # of axes of one size the first comes first
            order.append(left.index(size) + 1)
            left[order[-1] - 1] = 0
        return self.finding(
            Verdict.CONCERN,
            template,
            evidence,
            series=series,
            layer=name,
            remedies=(
                Remedy(
                    f"Exchange the axes by `Permute` in place of `{name}`.",
                    "`Reshape` keeps the order of the values, and so gives each of them another place.",
                    code=f"keras.layers.Permute({tuple(order)})",
                ),
            ),
        )


def _shapes(row: Any) -> tuple[list[int], list[int]] | None:
    """What a layer was given and what it gave, without the batch; None where a size is not known."""
    both = row.get("reshaped")
    if not isinstance(both, list | tuple) or len(both) != 2:
        return None
    if not all(isinstance(shape, list | tuple) and all(map(_size, shape)) for shape in both):
        return None
    return list(both[0]), list(both[1])


def _size(size: Any) -> bool:
    return isinstance(size, int) and not isinstance(size, bool) and 0 < size < 1 << 40


def _reorders(before: list[int], after: list[int]) -> bool:
    wide, other = ([size for size in shape if size > 1] for shape in (before, after))
    return sorted(before) == sorted(after) and wide != other


def _straddles(before: list[int], after: list[int]) -> bool:
    """Whether the bounds of the rows of one shape fall between those of the other, not on them."""
    bounds = sorted({1, *_bounds(before), *_bounds(after)})
    return any(large % small for small, large in pairwise(bounds))


def _bounds(shape: list[int]) -> Iterator[int]:
    return accumulate(reversed(shape), mul)


def _matters(known: Graph, name: str) -> bool:
    """Whether the axes before and behind a layer are those of something that knows axes."""
    open_, seen = list(known.inputs[name]), set[str]()
    while open_:
        at = open_.pop()
        if at in seen:
            continue
        seen.add(at)
        if known.kind(at) in _ROWS:
            return False
        if known.kind(at) in _ELEMENTWISE:
            open_ += known.inputs[at]
    behind = known.reached(name, lambda n: known.kind(n) in _ELEMENTWISE)
    return any(known.kind(n) not in _ROWS for n in behind)


def _words(shape: list[int]) -> str:
    return f"({', '.join(map(str, shape))})"
