"""The loss of a model on fixed examples, at any values of its variables."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops, tree
from keras.src.backend.common.masking import get_keras_mask, set_keras_mask
from numpy.typing import NDArray

from thalweg.errors import UnsupportedError
from thalweg.keras.feed import Batch, mapped
from thalweg.keras.put_back import in_mode, random_numbers_put_back

GROUPS = 20
"""Groups of examples whose mean losses are told apart: any compiled loss has these, whatever it averages over."""

_AT_ONCE = 256
"""Examples that pass through the model together, at most."""

Point = list[NDArray[Any]]
"""Values of a model's trainable and, behind them, its other variables, on the host."""


class Landscape:
    """The compiled loss of a model, with its penalties, as a function of its weights; the model keeps its own.

    The examples are split into `GROUPS` groups of equal size, fewer where there are fewer examples; what is left over
    is not looked at. Raises `UnsupportedError` where the model has no loss that can be called.
    """

    def __init__(self, model: keras.Model, examples: Batch) -> None:
        self.model = model
        if getattr(model, "_compile_loss", None) is None:
            raise UnsupportedError("the model has no compiled loss")
        count = len(tree.flatten(examples[0])[0])
        groups = min(GROUPS, count)
        self._size = count // max(groups, 1)
        self.examples = groups * self._size
        together = [n for n in range(1, groups + 1) if groups % n == 0 and n * self._size <= _AT_ONCE]
        rows = max(together, default=1) * self._size
        self._chunks: list[Any] = [
            mapped(lambda array, begin=begin: ops.convert_to_tensor(array[begin : begin + rows]), examples)
            for begin in range(0, self.examples, max(rows, 1))
        ]
        self._variables = [*model.trainable_variables, *model.non_trainable_variables]
        self._averages = _averages(model)
        self._lose, self._train = _compiled(self._losses), _compiled(self._pass)
        if self._chunks and not model._compile_loss.built:  # in a trace it could make no variables
            inputs, targets, _ = self._chunks[0]
            outputs = self._call(*self._tensors(point_of(model)), inputs, False)[0]
            model._compile_loss.build(targets, outputs)

    @property
    def normalises(self) -> bool:
        """Whether it holds running averages that belong to its weights (batch normalisation)."""
        return bool(self._averages)

    def losses(self, point: Point, anew: bool = False) -> NDArray[np.float64]:
        """The mean loss (g,) of each group at these values, in inference mode.

        `anew`: with running averages measured on the examples at these very weights (Izmailov et al., *Averaging
        Weights Leads to Wider Optima and Better Generalization*, UAI 2018, section 3.2): those of the point
        belong to the weights that it was made of.
        """
        if anew and self.normalises:
            point = self._with_averages(point)
        trainable, fixed = self._tensors(point)
        with in_mode(self.model, False), random_numbers_put_back():
            losses = [self._lose(trainable, fixed, *chunk) for chunk in self._chunks]
        flat = [np.asarray(ops.convert_to_numpy(each), np.float64).ravel() for each in losses]
        return np.concatenate(flat) if flat else np.empty(0)

    def _with_averages(self, point: Point) -> Point:
        """The point with the means and variances of batches of the examples, averaged, for its running averages."""
        emptied = [np.zeros_like(array) if i in self._averages else array for i, array in enumerate(point)]
        trainable, fixed = self._tensors(emptied)
        sums = {index: np.zeros(point[index].shape) for index in self._averages}
        with in_mode(self.model, True), random_numbers_put_back():
            for inputs, *_ in self._chunks:
                moved = self._train(trainable, fixed, inputs)
                for index in sums:
                    value = ops.convert_to_numpy(moved[index - len(trainable)])
                    # What a step has moved from zero: (1 - momentum) times the batch's.
                    sums[index] += np.asarray(value, np.float64) / (1.0 - self._averages[index])
        found = {
            index: (total / len(self._chunks)).astype(point[index].dtype) for index, total in sums.items()
        }
        return [found.get(i, array) for i, array in enumerate(point)]

    def _tensors(self, point: Point) -> tuple[list[Any], list[Any]]:
        values = [
            ops.convert_to_tensor(array, dtype=variable.dtype)
            for array, variable in zip(point, self._variables, strict=True)
        ]
        count = len(self.model.trainable_variables)
        return values[:count], values[count:]

    def _call(self, trainable: Any, fixed: Any, inputs: Any, training: bool) -> Any:
        arguments = {"training": training} if self.model._call_has_training_arg else {}
        return self.model.stateless_call(trainable, fixed, inputs, return_losses=True, **arguments)

    def _losses(self, trainable: Any, fixed: Any, inputs: Any, targets: Any, weights: Any) -> Any:
        """The loss of each group in a chunk, as one vector."""
        outputs, _, added = self._call(trainable, fixed, inputs, False)
        mapping = list(zip(self._variables, [*trainable, *fixed], strict=True))
        losses = []
        for begin in range(0, tree.flatten(inputs)[0].shape[0], self._size):
            rows = slice(begin, begin + self._size)
            group = [
                mapped(lambda tensor, rows=rows: _cut(tensor, rows), each)
                for each in (targets, outputs, weights)
            ]
            with keras.StatelessScope(state_mapping=mapping):
                losses.append(self.model._compile_loss(*group))
        return ops.stack(losses) + sum(ops.sum(ops.cast(each, losses[0].dtype)) for each in added)

    def _pass(self, trainable: Any, fixed: Any, inputs: Any) -> Any:
        return self._call(trainable, fixed, inputs, True)[1]


def point_of(model: keras.Model) -> Point:
    """The values that the model holds now."""
    return [
        np.copy(ops.convert_to_numpy(variable.value))
        for variable in (*model.trainable_variables, *model.non_trainable_variables)
    ]


def between(first: Point, second: Point, position: float) -> Point:
    """The point on the straight line from the first (0) to the second (1); of counters and seeds the first's."""
    if position in (0.0, 1.0):
        return second if position else first
    return [
        (np.float64(1.0 - position) * a + np.float64(position) * b).astype(a.dtype) if is_real(a) else a
        for a, b in zip(first, second, strict=True)
    ]


def is_real(array: NDArray[Any]) -> bool:
    """Whether the entries are floating-point numbers, of any precision."""
    return array.dtype.kind == "f" or array.dtype.name == "bfloat16"


def _cut(tensor: Any, rows: slice) -> Any:
    """Some rows of outputs, with those of what Keras notes on them: the mask, and on TensorFlow the logits."""
    cut = tensor[rows]
    if (mask := get_keras_mask(tensor)) is not None:
        set_keras_mask(cut, mask[rows])
    if (logits := getattr(tensor, "_keras_logits", None)) is not None:
        cut._keras_logits = logits[rows]
    return cut


def _averages(model: keras.Model) -> dict[int, float]:
    """Where in a point the running averages stand that training moves, each with its momentum."""
    places = {
        id(variable): index
        for index, variable in enumerate((*model.trainable_variables, *model.non_trainable_variables))
    }
    return {
        places[id(variable)]: float(layer.momentum)
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable and layer.momentum < 1.0
        for variable in (layer.moving_mean, layer.moving_variance)
    }


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """As one function of the backend, which is loaded; on PyTorch without a tape."""
    backend = keras.backend.backend()
    if backend == "torch":
        return sys.modules["torch"].no_grad()(function)  # type: ignore[no-any-return]
    wrap = sys.modules["jax"].jit if backend == "jax" else sys.modules["tensorflow"].function
    return wrap(function)  # type: ignore[no-any-return]


def same_shapes(points: Sequence[Point]) -> bool:
    """Whether a straight line can be drawn between all of them."""
    return len({tuple(array.shape for array in point) for point in points}) == 1
