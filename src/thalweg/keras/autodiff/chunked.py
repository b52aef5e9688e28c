"""Products over many examples, a chunk at a time, each chunk with its exact share of the whole."""

from collections.abc import Callable, Iterator
from functools import cached_property
from importlib import import_module
from typing import Any

import keras
import numpy as np
from keras import tree
from numpy.typing import ArrayLike, NDArray

from thalweg.errors import UnsupportedError, UsageError
from thalweg.keras.autodiff.derivatives import Derivatives, Part
from thalweg.keras.autodiff.objective import Objective
from thalweg.keras.autodiff.products import Products
from thalweg.keras.autodiff.refusal import said, why_not, why_underivable
from thalweg.keras.autodiff.shares import Shares, every_example, only_means, shares
from thalweg.keras.feed import Batch, mapped

ROWS = 1024
"""Examples in a chunk, at most, where none is asked for."""
ELEMENTS = 1 << 20
"""Elements of the inputs in such a chunk, at most."""


def products(
    model: keras.Model,
    batch: Batch,
    *,
    training: bool = False,
    chunk: int | None = None,
    step: int | None = None,
) -> Products:
    """The derivatives of the model's objective on the examples of `batch` (inputs, targets, sample weights).

    `training` looks at it in training mode: batch normalisation takes the statistics of each chunk, and what
    is random draws the same numbers at each call and for each chunk. `chunk` is how many examples pass through
    the model at once. `step` is how many examples a training step took: a term that is their sum is made as large
    as it is in such a step, however many are looked at. Raises `UnsupportedError` where the model's objective cannot
    be differentiated.
    """
    if chunk is not None and chunk < 1:
        raise UsageError(f"chunk is {chunk}: give the number of examples to take at once, 1 or more.")
    if (reason := why_not(model, batch, training)) is not None:
        raise UnsupportedError(reason)
    derivatives = import_module(f"thalweg.keras.autodiff.{keras.backend.backend()}").derivatives
    batch = mapped(_cast, batch)
    try:
        inference = derivatives(Objective(model, batch, training=False))
        asked = derivatives(Objective(model, batch, training=True)) if training else inference
    except Exception as error:  # the model was not called on such examples yet
        raise UnsupportedError(f"The loss cannot be computed on these examples ({said(error)}).") from error
    return Chunked(asked, inference, batch, chunk, step)


def _cast(array: NDArray[Any]) -> NDArray[Any]:
    """As Keras hands it to a model: floating-point numbers in its default precision."""
    array = np.asarray(array)
    return array.astype(keras.config.floatx()) if np.issubdtype(array.dtype, np.floating) else array


class Chunked(Products):
    """Adds up what a backend makes of each chunk; the examples stay on the host, all but one chunk of them."""

    def __init__(
        self,
        derivatives: Derivatives,
        inference: Derivatives,
        batch: Batch,
        chunk: int | None,
        step: int | None = None,
    ) -> None:
        self._derivatives, self._inference, self._batch, self._step = derivatives, inference, batch, step
        self._objective = derivatives.objective
        leaves = [leaf for leaf in tree.flatten(batch[0]) if leaf is not None]
        self.size, self.examples = sum(self._objective.sizes), len(leaves[0])
        elements = max(1, sum(leaf[0].size for leaf in leaves))
        self._chunk = chunk or max(1, min(ROWS, ELEMENTS // elements))
        self._touched = 0
        self._alone: tuple[NDArray[Any], Part] | None = None

    @property
    def made(self) -> int:
        """Gradients and products made so far, in passes over all examples, rounded up."""
        return -(-self._touched // self.examples)

    @property
    def doubt(self) -> str | None:
        """Why a training step may have had another objective than this, as a clause; None where it is the same."""
        if self._step == self.examples:
            return None
        sums, reason = self._sums
        if self._step is None and sums.any():
            return "the loss is a sum over the examples of a step, and how many these were is not known"
        return reason

    def forget(self) -> None:
        """Let go of what is kept for the next product at the same weights."""
        self._alone = None

    @property
    def point(self) -> NDArray[Any]:
        """The present weights, (p,)."""
        return self._derivatives.weights().astype(np.float64)

    def value(self, point: ArrayLike | None = None) -> float:
        """The objective."""
        return float(sum(self._tried(self._derivatives.value, part) for part in self._parts(point)))

    def losses(self, point: ArrayLike | None = None) -> NDArray[Any]:
        """The compiled loss of each example, (n,); see `Products.losses`."""
        kinds = self._objective.reductions
        whole = self._parts(point, shared=False)
        found = every_example(self._derivatives, whole, "loss")
        known = [each for each in found if each is not None]
        if None in kinds or len(set(kinds)) != 1 or len(known) != len(found):
            raise UnsupportedError(
                "The compiled loss has no value for each example: it is a function of the whole batch, or the "
                "losses of several outputs are reduced in different ways."
            )
        if kinds[0] == "mean":
            totals = self._shares.counts[: len(known)].sum(axis=1)
            known = [self.examples * each / total for each, total in zip(known, totals, strict=True)]
        total: NDArray[Any] = np.sum(known, axis=0)
        return total

    def gradient(self, point: ArrayLike | None = None, rows: ArrayLike | None = None) -> NDArray[Any]:
        """Its gradient, (p,)."""
        return self._summed(self._derivatives.gradient, point, rows)

    def hessian_vector(
        self, vector: ArrayLike, point: ArrayLike | None = None, rows: ArrayLike | None = None
    ) -> NDArray[Any]:
        """H v, (p,)."""
        return self._summed(self._derivatives.hessian_vector, point, rows, self._flat(vector, "vector"))

    def gauss_newton_vector(
        self, vector: ArrayLike, point: ArrayLike | None = None, rows: ArrayLike | None = None
    ) -> NDArray[Any]:
        """G v, (p,); see `Products.gauss_newton_vector`."""
        if self._objective.own:
            raise UnsupportedError(
                f"{type(self._objective.model).__name__} has a compute_loss of its own, in which the loss of the "
                "outputs cannot be told from the rest: there is no Gauss-Newton matrix."
            )
        return self._summed(self._derivatives.gauss_newton_vector, point, rows, self._flat(vector, "vector"))

    def _summed(
        self,
        function: Callable[..., NDArray[Any]],
        point: ArrayLike | None,
        rows: ArrayLike | None,
        *vector: NDArray[Any],
    ) -> NDArray[Any]:
        total: NDArray[Any] | None = None
        for part in self._parts(point, rows):
            found: NDArray[Any] = self._tried(function, part, *vector)
            total = found if total is None else total + found
            self._touched += part.examples
        return np.zeros(self.size) if total is None else total

    def _tried(self, function: Callable[..., Any], part: Part, *vector: NDArray[Any]) -> Any:
        try:
            return function(part, *vector)
        except Exception as error:  # whatever a backend says of what it cannot do
            reason = why_underivable(self._derivatives, part, bool(vector), error)
            raise UnsupportedError(reason) from error

    def _parts(
        self, point: ArrayLike | None, rows: ArrayLike | None = None, shared: bool = True
    ) -> Iterator[Part]:
        """The chunks of the examples, or of those in `rows`; one that is all of them is kept for the next call."""
        at = self._derivatives.weights() if point is None else self._flat(point, "point")
        fixed = [_held(each) for each in self._objective.model.non_trainable_variables]
        index = np.arange(self.examples) if rows is None else self._index(rows)
        scale = self._scale(len(index)) if shared else None
        if len(index) <= self._chunk:
            if self._alone is None or not _same(self._alone, index, at, fixed, scale):
                self._alone = index, Part(at, fixed, self._taken(index), scale)
            yield self._alone[1]
            return
        for start in range(0, len(index), self._chunk):
            chunk = index[start : start + self._chunk]
            share = self._shares.of(chunk, index) if shared else None
            yield Part(
                at, fixed, self._taken(chunk), share if scale is None or share is None else share * scale
            )

    def _scale(self, count: int) -> NDArray[Any] | None:
        """What each term over so many examples is to be multiplied with, (terms,), to be as it is in a step."""
        if self._step is None or self._step == count:
            return None
        sums, _ = self._sums
        return np.where(sums, self._step / count, 1.0) if sums.any() else None

    @cached_property
    def _sums(self) -> tuple[NDArray[Any], str | None]:
        """Which terms are sums over the examples; where that cannot be told, none, and why in a clause."""
        if only_means(self._objective):
            return np.zeros(1, bool), None
        try:
            return self._shares.sums, None
        except UnsupportedError as error:
            return np.zeros(
                1, bool
            ), f"whether its loss grows with the batch cannot be told ({str(error).rstrip('.')})"

    @cached_property
    def _shares(self) -> Shares:
        some = np.arange(min(self.examples, max(3, self._chunk)))
        third = max(1, len(some) // 3)
        trial = [self._taken(rows) for rows in (some, some[:third], some[third:])]
        (at, fixed), *_ = ((part.point, part.fixed) for part in self._parts(None, [0], shared=False))
        parts = [Part(at, fixed, batch, None) for batch in trial]
        return shares(self._inference, self._parts(None, shared=False), parts, self.examples)

    def _index(self, rows: ArrayLike) -> NDArray[Any]:
        index = np.asarray(rows)
        if index.ndim != 1 or not len(index) or not np.issubdtype(index.dtype, np.integer):
            raise UsageError(f"rows is {rows!r}: give the numbers of one example or more.")
        if index.min() < 0 or index.max() >= self.examples:
            raise UsageError(
                f"rows go from {index.min()} to {index.max()}: there are examples 0 to {self.examples - 1}."
            )
        return index

    def _taken(self, index: NDArray[Any]) -> Batch:
        taken: Batch = mapped(lambda array: array[index], self._batch)
        return taken

    def _flat(self, values: ArrayLike, name: str) -> NDArray[Any]:
        flat = np.array(values, dtype=self._objective.dtype)
        if flat.shape != (self.size,):
            raise UsageError(
                f"The {name} has the shape {flat.shape}: the model has {self.size:,} trainable parameters."
            )
        return flat


def _held(variable: keras.Variable) -> NDArray[Any]:
    """A copy of its value on the host."""
    return np.array(keras.ops.convert_to_numpy(variable.value))


def _same(
    held: tuple[NDArray[Any], Part],
    index: NDArray[Any],
    at: NDArray[Any],
    fixed: list[NDArray[Any]],
    scale: NDArray[Any] | None,
) -> bool:
    rows, part = held
    return (
        (part.shares is None) == (scale is None)  # of the same rows it is otherwise the same
        and np.array_equal(rows, index)
        and np.array_equal(part.point, at)
        and all(np.array_equal(ours, theirs) for ours, theirs in zip(part.fixed, fixed, strict=True))
    )
