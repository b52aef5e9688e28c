"""The tape: rows on the device, one of which each training step writes."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from thalweg.keras import probes
from thalweg.keras.probes import Tensor

_HEAD = 5  # the step's number, what it showed, loss, learning rate, entries that are not finite
_COSTLY_HEAD = 2  # measured or not, inner product with the previous gradient
_TOLD, _APPLIED = 1, 2  # what a step showed: its loss, its optimizer
_WRAP = 2**23  # the step after this one has the number 1: float32 counts no further than 2^24


@dataclass(frozen=True)
class Rows:
    """What a drain brings, for n steps and T trainable tensors, float64.

    `steps` (n,) count from 1; `loss` (n,) stands where it was `told` (n,). `applied` (u,) are the indices of the
    rows whose step applied the optimizer: where gradients are added up by hand, not all do. Of these are
    `learning_rate` and `nonfinite_gradients` (u,), and `gradient_norms` (u, T). `costly` (m,) are the indices,
    among those, of the ones where the costly probes were measured, with `gradient_products` (m,), `update_norms`,
    `parameter_norms` and `zero_fractions` (m, T); `fresh` (m,) says where the product is with the gradient that
    was applied just before, not with an older one. `lost` steps came and went between two drains.
    """

    steps: NDArray[np.int64]
    told: NDArray[np.bool_]
    loss: NDArray[np.float64]
    applied: NDArray[np.int64]
    learning_rate: NDArray[np.float64]
    nonfinite_gradients: NDArray[np.float64]
    gradient_norms: NDArray[np.float64]
    costly: NDArray[np.int64]
    gradient_products: NDArray[np.float64]
    fresh: NDArray[np.bool_]
    update_norms: NDArray[np.float64]
    parameter_norms: NDArray[np.float64]
    zero_fractions: NDArray[np.float64]
    lost: int


@dataclass
class _Step:
    """One step on its way through `before_update`, `after_update` and `write`, as tensors of its trace."""

    gradients: Sequence[Tensor]
    product: Tensor | None
    before: Sequence[Tensor]
    learning_rate: Tensor | None
    after: Sequence[Tensor] = ()


class Tape:
    """The rows of the last steps, each with the number of its step, and at most one gradient-sized buffer.

    The buffer keeps the gradient of the step before, for the cosine; where steps run eagerly it lends itself
    as the copy of the parameters during the update. Without `costly` there is none, and no costly column.

    All of it are `keras.Variable`s; a backend whose steps are functions passes their values through
    (`functional`: `values` holds them between steps). Steps that run `eager`ly hand their rows to the host's list,
    and only they may wait with the variables until a step applies the optimizer; `updates` counts those that did.

    `measuring` says whether the step that runs, or is traced, has the costly probes in it. It is decided on
    the host: a branch inside the compiled step would copy gradients and parameters for it at every step.
    """

    def __init__(self, rows: int, *, costly: bool, eager: bool, functional: bool) -> None:
        self.rows = rows
        self.costly = costly
        self.tensors = self.updates = 0
        self.built = False
        self.has_loss = self.has_update = self.has_rate = False
        self.values: list[Tensor] = []
        self.eager = eager
        self.functional = functional
        self.measuring = costly
        self._pushed: deque[Tensor] = deque(maxlen=rows)
        self._written = self._drained = 0
        self._measured_last = False
        self._step: _Step | None = None

    def build(self, shapes: Sequence[Sequence[int]]) -> None:
        """Make the variables for trainable tensors of these shapes."""
        self.tensors, self.built = len(shapes), True
        # Where rows are written in place, one more holds the last number.
        self._table = _variable((0 if self.eager else self.rows + self.functional, self._width), "float32")
        self._previous = [_variable(shape, "float32") for shape in shapes] if self.costly else []
        # An accelerator would wait at a branch until the host had read which way to go.
        self._branches = "cpu" in str(getattr(self._table.value, "device", "")).lower()
        if self.functional:
            self.values = [variable.value for variable in (self._table, *self._previous)]

    @property
    def _width(self) -> int:
        return _HEAD + self.tensors + (_COSTLY_HEAD + 3 * self.tensors if self.costly else 0)

    @property
    def variables(self) -> list[keras.Variable]:
        """What a step of the kind that runs or is traced needs of the tape: a light one not the buffer."""
        return [*([] if self.eager else [self._table]), *(self._previous if self.measuring else [])]

    # Inside the compiled step.

    def before_update(
        self,
        gradients: Sequence[Tensor | None],
        parameters: Sequence[Tensor],
        learning_rate: Tensor | None,
        scale: Tensor | None,
    ) -> None:
        """Look at the step before the optimizer moves the parameters; `gradients` are still times `scale`."""
        if not self.built:
            self.build([parameter.shape for parameter in parameters])
        # A parameter that the loss does not depend on has no gradient tensor: its gradient is zero.
        plain = [
            ops.zeros(parameter.shape, "float32") if gradient is None else _unscaled(gradient, scale)
            for gradient, parameter in zip(gradients, parameters, strict=True)
        ]
        product, before = None, list(parameters)
        if self.measuring:
            product = probes.inner_product(plain, [_tensor(buffer) for buffer in self._previous])
            if self.eager:
                for buffer, parameter in zip(self._previous, parameters, strict=True):
                    buffer.assign(parameter)
                before = [_tensor(buffer) for buffer in self._previous]
            elif not self.functional:
                before = [ops.copy(parameter) for parameter in parameters]
        self._step = _Step(plain, product, before, learning_rate)

    def after_update(self, parameters: Sequence[Tensor]) -> None:
        """Look at the parameters that the optimizer left."""
        assert self._step is not None
        self._step.after = list(parameters)

    def write(self, loss: Tensor | None) -> None:
        """Write the row of this step: no more than a head where it applied no optimizer."""
        step, self._step = self._step, None
        if not self.built and not self.eager:
            self.build([])
        zero = ops.zeros((), "float32")
        shown = _TOLD * (loss is not None) + _APPLIED * (step is not None)
        head = [ops.full((), float(shown), "float32"), zero, zero, zero]
        body = [] if self.eager else [ops.zeros((self._width - _HEAD,), "float32")]
        if loss is not None:
            self.has_loss = True
            head[1] = _scalar(ops.stop_gradient(loss))
        if step is not None:
            self.updates += 1
            self.has_update, self.has_rate = True, step.learning_rate is not None
            if step.learning_rate is not None:
                head[2] = _scalar(step.learning_rate)
            norms, head[3] = self._gradient_part(step.gradients)
            body = [norms, *([self._costly_part(step)] if self.costly else [])]
            if self.measuring:
                for buffer, gradient in zip(self._previous, step.gradients, strict=True):
                    buffer.assign(gradient)
        if self.eager:
            self._written += 1
            self._pushed.append(ops.concatenate([ops.stack([zero, *head]), *body]))
        else:
            self._push(head, body)

    def _push(self, head: Sequence[Tensor], body: Sequence[Tensor]) -> None:
        # The number travels with its row, in one write: TensorFlow runs at once whatever does not wait for the step's
        # data, also where there are none any more, and a count of its own would go on without its row.
        number = ops.mod(self._last_number(), _WRAP) + 1.0
        row = ops.expand_dims(ops.concatenate([ops.stack([number, *head]), *body]), 0)
        table = _tensor(self._table)
        if self.functional:  # in place: the table has been given away to the step
            place = ops.cast(ops.mod(number, self.rows), "int32")
            table = ops.slice_update(table, (place, 0), row)
            table = ops.slice_update(table, (self.rows, 0), row[:, :1])
        else:  # by moving the others along, not at an index: an index leaves the device
            table = ops.concatenate([row, table[:-1]])
        self._table.assign(table)

    def _last_number(self) -> Tensor:
        return _tensor(self._table)[self.rows if self.functional else 0, 0]

    def _gradient_part(self, gradients: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """(T,) norms and () count of entries that are not finite."""
        if not self._branches:
            return probes.norms(gradients), probes.nonfinite_entries(gradients)
        if self.functional:
            norms = _norms_apart(gradients, ops.less(self._last_number(), 0.0))
        else:
            norms = probes.norms(gradients)
        # Entries that are not finite make a norm that is not: nothing to count where all norms are.
        none, finite = ops.zeros((), "float32"), ops.all(ops.isfinite(norms))
        if self.eager:
            return norms, none if finite else probes.nonfinite_entries(gradients)
        return norms, ops.cond(finite, lambda: none, lambda: probes.nonfinite_entries(gradients))

    def _costly_part(self, step: _Step) -> Tensor:
        if step.product is None:
            return ops.zeros((_COSTLY_HEAD + 3 * self.tensors,), "float32")
        before, after = [_float(value) for value in step.before], [_float(value) for value in step.after]
        return ops.concatenate(
            [
                ops.stack([ops.ones((), "float32"), step.product]),
                probes.update_norms(before, after),
                probes.norms(after),
                probes.zero_fractions(step.gradients),
            ]
        )

    # On the host.

    def read(self) -> Rows | None:
        """The rows written since the last call; None where there is nothing to read."""
        if not self.built and not self._pushed:
            return None
        if self.functional and self.values[0].is_deleted():
            return None  # given away to a step that died with it
        table = self._numbered_rows()
        ahead = (table[:, 0] - self._drained) % _WRAP  # rows of steps drained before lie far ahead
        new = np.flatnonzero((table[:, 0] > 0.0) & (ahead > 0.0) & (ahead <= _WRAP / 2))
        if not len(new):
            return None
        new = new[np.argsort(ahead[new])]
        steps, table = self._drained + ahead[new].astype(np.int64), table[new]
        lost, self._drained = int(steps[0]) - self._drained - 1, int(steps[-1])
        shown, loss = table[:, 1].astype(np.int64), table[:, 2]
        applied = np.flatnonzero(shown & _APPLIED)
        head, norms, rest = np.split(table[applied], [_HEAD, _HEAD + self.tensors], axis=1)
        if not self.costly:
            rest = np.zeros((len(applied), _COSTLY_HEAD + 3 * self.tensors))
        measured = rest[:, 0] != 0.0
        # The buffer holds the gradient of the last step that measured: the one applied just before, or an older one.
        before = np.concatenate([[self._measured_last and not lost], measured])
        self._measured_last = bool(before[-1])
        costly = np.flatnonzero(measured)
        updates, parameters, zeros = np.split(rest[costly, _COSTLY_HEAD:], 3, axis=1)
        return Rows(
            steps, (shown & _TOLD) != 0, loss, applied, head[:, 3], head[:, 4], norms,
            costly, rest[costly, 1], before[costly], updates, parameters, zeros, lost,
        )  # fmt: skip

    def _numbered_rows(self) -> NDArray[np.float64]:
        """(n, width) the rows as they stand, in any order, those never written with the number 0."""
        if not self.eager:
            table = self.values[0] if self.functional else self._table
            return np.asarray(ops.convert_to_numpy(table), np.float64)[: self.rows]
        if not self._pushed:
            return np.zeros((0, self._width))
        table = np.zeros((len(self._pushed), self._width))
        lengths = np.array([len(row) for row in self._pushed])
        for length in np.unique(lengths):
            places = np.flatnonzero(lengths == length)
            rows = ops.stack([self._pushed[place] for place in places])
            table[places, :length] = ops.convert_to_numpy(rows)
        table[:, 0] = np.arange(self._written - len(table), self._written) % _WRAP + 1
        self._pushed.clear()
        return table


def _variable(shape: Sequence[int], dtype: str) -> keras.Variable:
    return keras.Variable("zeros", shape=shape, dtype=dtype, trainable=False)


def _tensor(value: Any) -> Tensor:
    return ops.convert_to_tensor(value)


def _float(tensor: Tensor) -> Tensor:
    return ops.cast(_tensor(tensor), "float32")


def _scalar(tensor: Tensor) -> Tensor:
    return ops.reshape(_float(tensor), ())


def _norms_apart(gradients: Sequence[Tensor], never: Tensor) -> Tensor:
    """(T,) norms, in a branch that is taken unless `never`, which never is.

    XLA would find that Adam squares its gradients too, share the squares, and write them all to memory for that.
    """
    nothing = ops.zeros((len(gradients),), "float32")
    return ops.switch(ops.cast(never, "int32"), [lambda: probes.norms(gradients), lambda: nothing])


def _unscaled(gradient: Tensor, scale: Tensor | None) -> Tensor:
    if hasattr(
        gradient, "dense_shape"
    ):  # an embedding's, sparse: a sum is dense, with repeated rows added up
        gradient = ops.add(gradient, ops.zeros(gradient.shape, gradient.dtype))
    dense = _float(gradient)
    return dense if scale is None else dense / _float(scale)
