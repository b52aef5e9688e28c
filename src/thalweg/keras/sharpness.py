"""The largest eigenvalue of the Hessian while a model trains, beside what its optimizer's step can bear."""

from typing import Any

import keras
import numpy as np

from thalweg.errors import UnsupportedError
from thalweg.keras.allowance import Allowance
from thalweg.keras.autodiff import Products, products
from thalweg.keras.feed import Batch
from thalweg.keras.mode import in_training
from thalweg.keras.preconditioner import Preconditioner, preconditioner
from thalweg.keras.probe_batch import Measurement
from thalweg.stats.lanczos import extremes, preconditioned

_TOLERANCE = 0.02
"""Residual relative to the eigenvalue with which a look ends. The error of the value is about its square."""
_FIRST, _NEXT = 32, 16
"""Products of the first look, and of one that begins with the eigenvector found before, at most."""
_BASIS = 24
"""Vectors in a basis at most."""
_FEWEST = 7
"""Vectors without which nothing is looked at."""
_BYTES = 1 << 30
"""What the vectors may take on the host."""


class Sharpness:
    """Looks at a model on the same examples again and again, in a fraction of the run's time (None: always).

    The loss is that of a training step, on these examples, in the mode in which it is certified too (`mode`). Of an
    optimizer that divides its steps by a state of its own
    the Hessian is preconditioned by that state, as `preconditioner` has it. Each look begins with the eigenvector of
    the last one and a little of a random direction, so that another that overtakes it is found. No bit of the model
    moves.
    """

    def __init__(self, fraction: float | None) -> None:
        self._allowance = Allowance(fraction)
        self._products: Products | None = None
        self._variables: list[Any] = []
        self._step: int | None = None
        self._vector: np.ndarray[tuple[int], np.dtype[np.float64]] | None = None
        self._looks = 0

    def look(self, model: keras.Model, batch: Batch, step: int | None) -> list[Measurement]:
        """Name, unit and value of each quantity; none where another look would take more than its time.

        `step` is how many examples a training step takes, None where not known. NaN is the value of one whose
        products are not finite. Raises `UnsupportedError` where there is no second derivative, no limit is known, a
        step may have another objective, or the vectors do not fit into a gigabyte.
        """
        if not self._allowance.affords():
            return []
        with np.errstate(all="ignore"):  # the numbers of a sick training are recorded, not warned of
            # Not timed: where it raises, the look that compiles, and is not counted, is yet to come.
            bears = preconditioner(model.optimizer, model.trainable_variables)
            return self._allowance.timed(lambda: self._look(model, batch, step, bears))

    def _look(
        self, model: keras.Model, batch: Batch, step: int | None, bears: Preconditioner
    ) -> list[Measurement]:
        size = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
        basis = min(_BYTES // (8 * max(size, 1)) - 1, _BASIS)
        if basis + 1 < _FEWEST:
            raise UnsupportedError(f"the vectors of {size:,} parameters take more than a gigabyte")
        known = self._known(model, batch, step)
        if known.doubt is not None:
            raise UnsupportedError(known.doubt)
        multiply = known.hessian_vector
        found = extremes(
            multiply if bears.diagonal is None else preconditioned(multiply, bears.diagonal),
            known.size,
            products=_NEXT if self._looks else _FIRST,
            tolerance=_TOLERANCE,
            seed=self._looks,
            basis=basis,
            start=self._vector,
            both=False,
            precision=float(np.finfo(keras.config.floatx()).eps),
        )
        known.forget()
        self._vector, self._looks = found.largest.vector, self._looks + 1
        unit = "loss/parameter^2" if bears.diagonal is None else "1"
        values = {"": found.largest.value, "_residual": found.largest.residual, "_limit": bears.limit}
        return [(f"sharpness{end}", unit, value) for end, value in values.items()]

    def _known(self, model: keras.Model, batch: Batch, step: int | None) -> Products:
        """The products of this model, the same as long as the same weights are trained: they are compiled."""
        variables = list(model.trainable_variables)
        asked = [*map(id, variables)], step
        if self._products is None or asked != ([*map(id, self._variables)], self._step):
            self._products = products(model, batch, training=in_training(model), step=step)
            self._variables, self._step = variables, step
        return self._products
