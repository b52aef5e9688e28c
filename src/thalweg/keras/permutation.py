"""Which hidden units of a model can be reordered without changing what it computes."""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import activations, layers

from thalweg.keras.graph import graph_of
from thalweg.stats.matching import Block, Symmetry

_ALIKE = {
    activations.linear,
    activations.relu,
    activations.relu6,
    activations.leaky_relu,
    activations.elu,
    activations.selu,
    activations.celu,
    activations.gelu,
    activations.silu,
    activations.mish,
    activations.tanh,
    activations.sigmoid,
    activations.softplus,
    activations.softsign,
    activations.exponential,
    activations.hard_sigmoid,
    activations.hard_silu,
    activations.hard_tanh,
    activations.log_sigmoid,
    activations.hard_shrink,
    activations.soft_shrink,
    activations.tanh_shrink,
    activations.squareplus,
    activations.softmax,
    activations.log_softmax,
}
"""Activations that do to reordered units what they do to the units, reordered."""

_PASSING = (
    layers.ReLU,
    layers.LeakyReLU,
    layers.ELU,
    layers.Dropout,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.AlphaDropout,
    layers.ActivityRegularization,
    layers.Rescaling,
    layers.Identity,
)
_SPATIAL = tuple(
    getattr(layers, f"{name}{rank}D")
    for name in (
        "MaxPooling",
        "AveragePooling",
        "GlobalMaxPooling",
        "GlobalAveragePooling",
        "SpatialDropout",
        "ZeroPadding",
        "Cropping",
        "UpSampling",
    )
    for rank in (1, 2, 3)
)
_CONVOLUTIONS = (layers.Conv1D, layers.Conv2D, layers.Conv3D)
_ELEMENTWISE = (layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum)

_Groups = tuple[int, ...]
"""The groups of units that stand on an axis, one after the other."""


class _NotPossibleError(Exception):
    """Its text says why, as a clause."""


def symmetry(model: keras.Model) -> Symmetry | str:
    """The groups of hidden units of a model, its tensors in the order of `trainable_` and `non_trainable_variables`.

    Where a layer is of a kind whose units are not known to be exchangeable, or is shared, the sentence that names it.
    """
    graph = graph_of(model)
    if graph is None:
        return "hidden units cannot be matched in a model that is no graph of layers"
    found = _Derivation()
    try:
        ends = found.walk(graph, [found.fixed(tensor.shape[-1]) for tensor in graph.inputs])
        for axis in ends:
            found.pin(axis)
        return found.symmetry(model)
    except _NotPossibleError as error:
        return str(error)


class _Derivation:
    """Groups of units, tied together where their outputs meet entry by entry."""

    def __init__(self) -> None:
        self._parents: list[int] = []
        self._sizes: list[int] = []
        self._pinned: list[bool] = []
        self._axes: dict[int, tuple[bool, tuple[tuple[int, _Groups], ...]]] = {}
        self._seen: set[int] = set()

    def new(self, size: int, pinned: bool = False) -> int:
        self._parents.append(len(self._parents))
        self._sizes.append(size)
        self._pinned.append(pinned)
        return len(self._parents) - 1

    def fixed(self, size: int | None) -> _Groups:
        """The axis of features that have their places: of inputs, or of outputs."""
        return (self.new(size or 0, pinned=True),)

    def pin(self, axis: Sequence[int]) -> None:
        for group in axis:
            self._pinned[self._root(group)] = True

    def tie(self, layer: Any, first: _Groups, other: _Groups) -> None:
        """The units of both axes can only be reordered together."""
        if [self._sizes[g] for g in first] != [self._sizes[g] for g in other]:
            raise _NotPossibleError(
                f"hidden units cannot be matched across {_named(layer)}: it adds unlike groups"
            )
        for a, b in zip(first, other, strict=True):
            kept, gone = sorted((self._root(a), self._root(b)))  # the first made: nearest to the inputs
            self._pinned[kept] |= self._pinned[gone]
            self._parents[gone] = kept

    def owns(self, *owned: tuple[Any, dict[int, _Groups]], compared: bool = True) -> None:
        """Note the axes of tensors that count units; None among the tensors is passed over."""
        for variable, axes in owned:
            if variable is not None:
                self._axes[id(variable)] = (compared, tuple(axes.items()))

    def walk(self, graph: Any, arriving: Sequence[_Groups]) -> list[_Groups]:
        """What stands on the last axis of the graph's outputs, given what stands on that of its inputs."""
        axes = {id(tensor): axis for tensor, axis in zip(graph.inputs, arriving, strict=True)}
        for depth in sorted(graph._nodes_by_depth, reverse=True):
            for node in graph._nodes_by_depth[depth]:
                if node.is_input:
                    continue
                layer, tensors = node.operation, node.arguments.keras_tensors
                if id(layer) in self._seen:
                    raise _NotPossibleError(
                        f"hidden units cannot be matched across {_named(layer)}: it is shared"
                    )
                self._seen.add(id(layer))
                given = [axes[id(tensor)] for tensor in tensors]
                inner = graph_of(layer)
                if inner is not None:
                    if len(given) != len(inner.inputs):
                        raise _NotPossibleError(_unknown(layer))
                    leaving: Sequence[_Groups] = self.walk(inner, given)
                else:
                    leaving = [self._through(node, given)] * len(node.outputs)
                axes |= {id(tensor): axis for tensor, axis in zip(node.outputs, leaving, strict=True)}
        return [axes[id(tensor)] for tensor in graph.outputs]

    def symmetry(self, model: keras.Model) -> Symmetry:
        """The groups that are left free, numbered, and where they stand in the model's tensors."""
        numbers: dict[int, int] = {}
        for group in range(len(self._parents)):
            if (root := self._root(group)) == group and not self._pinned[root] and self._sizes[root] > 1:
                numbers[root] = len(numbers)
        variables = [*model.trainable_variables, *model.non_trainable_variables]
        noted = [self._axes.get(id(variable), (True, ())) for variable in variables]
        tensors = tuple(
            tuple(
                (number, tuple(Block(numbers.get(self._root(g)), self._sizes[g]) for g in axis))
                for number, axis in axes
            )
            for _, axes in noted
        )
        return Symmetry(
            tuple(self._sizes[root] for root in numbers), tensors, tuple(told for told, _ in noted)
        )

    def _root(self, group: int) -> int:
        while self._parents[group] != group:
            group = self._parents[group]
        return group

    def _through(self, node: Any, given: Sequence[_Groups]) -> _Groups:
        """What stands on the last axis of a layer's output."""
        layer, tensors = node.operation, node.arguments.keras_tensors
        kind = type(layer)
        axis = given[0] if given else ()
        rank = len(tensors[0].shape) if tensors else 0
        if kind in _PASSING or (kind in _SPATIAL and _channels_last(layer)):
            return axis
        if kind is layers.Activation and layer.activation in _ALIKE:
            return axis
        if kind is layers.Softmax and layer.axis in (-1, rank - 1):
            return axis
        if kind is layers.Dense and layer.activation in _ALIKE and not _more(layer, 2):
            return self._made(layer, axis, layer.units, 0)
        if (
            kind in _CONVOLUTIONS
            and layer.activation in _ALIKE
            and layer.groups == 1
            and _channels_last(layer)
            and not _more(layer, 2)
        ):
            return self._made(layer, axis, layer.filters, len(layer.kernel.shape) - 2)
        if kind is layers.BatchNormalization and layer.axis in (-1, rank - 1):
            self.owns((layer.gamma, {0: axis}), (layer.beta, {0: axis}))
            self.owns((layer.moving_mean, {0: axis}), (layer.moving_variance, {0: axis}), compared=False)
            return axis
        if kind is layers.LayerNormalization and _last(layer.axis, rank):
            self.owns((layer.gamma, {0: axis}), (layer.beta, {0: axis}))
            return axis
        if kind is layers.Embedding and not _more(layer, 1):
            embedded = (self.new(layer.output_dim),)
            self.owns((layer._embeddings, {1: embedded}))
            return embedded
        if kind is layers.Flatten and _channels_last(layer) and None not in tensors[0].shape[1:]:
            return axis * int(math.prod(tensors[0].shape[1:-1]))
        if kind is layers.Concatenate and layer.axis in (-1, rank - 1):
            return tuple(group for each in given for group in each)
        if kind in _ELEMENTWISE or kind is layers.Concatenate or _adds(layer, tensors):
            for other in given[1:]:
                self.tie(layer, axis, other)
            return axis
        weightless = kind is layers.Normalization or not getattr(layer, "weights", ())
        if weightless and all(self._pinned[self._root(g)] for a in given for g in a):
            return self.fixed(node.outputs[0].shape[-1])  # nothing before it can be reordered
        raise _NotPossibleError(_unknown(layer))

    def _made(self, layer: Any, axis: _Groups, units: int, incoming: int) -> _Groups:
        """New units, whose kernel has what comes in on the axis `incoming`."""
        if sum(self._sizes[g] for g in axis) != layer.kernel.shape[incoming]:
            raise _NotPossibleError(_unknown(layer))
        made = (self.new(units),)
        self.owns((layer._kernel, {incoming: axis, incoming + 1: made}), (layer.bias, {0: made}))
        return made


def _channels_last(layer: Any) -> bool:
    return bool(getattr(layer, "data_format", "channels_last") == "channels_last")


def _last(axis: Any, rank: int) -> bool:
    axes = list(axis) if isinstance(axis, list | tuple) else [axis]
    return axes in ([-1], [rank - 1])


def _more(layer: Any, most: int) -> bool:
    """Whether the layer holds more tensors than its kind has: of a low-rank adaptation, of a quantisation."""
    return len(layer.weights) > most


def _adds(operation: Any, tensors: Sequence[Any]) -> bool:
    """Whether this is `x + y` of two tensors of one shape."""
    name = f"{type(operation).__module__}.{type(operation).__name__}"
    return name == "keras.src.ops.numpy.Add" and len(tensors) == 2 and tensors[0].shape == tensors[1].shape


def _named(layer: Any) -> str:
    return f"the layer {layer.name} ({type(layer).__name__})"


def _unknown(layer: Any) -> str:
    return f"hidden units cannot be matched in this architecture: {_named(layer)} has an order of its own"
