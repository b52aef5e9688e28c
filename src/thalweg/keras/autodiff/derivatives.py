"""What a backend does: derivatives of the objective on one chunk of examples."""

import abc
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from keras import ops, tree
from numpy.typing import NDArray

from thalweg.keras.autodiff.objective import Objective
from thalweg.keras.feed import Batch, mapped
from thalweg.keras.stateless import as_numpy


@dataclass(eq=False)
class Part:
    """A chunk of the examples and the values of the variables at which it is looked at.

    `point` is (p,) in the weights' precision, `fixed` holds the other variables' values and `shares` (terms,) the
    weight of each term of the objective, None for ones. A backend keeps in `held` what it made of them for the
    products that follow; it lives as long as the part does.
    """

    point: NDArray[Any]
    fixed: list[NDArray[Any]]
    batch: Batch
    shares: NDArray[Any] | None
    held: dict[str, Any] = field(default_factory=dict)

    @property
    def examples(self) -> int:
        """How many there are in the chunk."""
        return next(len(leaf) for leaf in tree.flatten(self.batch[0]) if leaf is not None)

    def tensors(self) -> tuple[Any, list[Any], Any, Any]:
        """Point, fixed variables, batch and shares on the device."""
        if "tensors" not in self.held:
            given = (self.point, self.fixed, self.batch, self.shares)
            self.held["tensors"] = mapped(ops.convert_to_tensor, given)
        tensors: tuple[Any, list[Any], Any, Any] = self.held["tensors"]
        return tensors


class Derivatives(abc.ABC):
    """Of one objective, by one backend; it compiles at the first call for a shape of chunk."""

    def __init__(self, objective: Objective) -> None:
        self.objective = objective

    def weights(self) -> NDArray[Any]:
        """A copy of the present ones, (p,), in their precision, on the host."""
        held = [np.ravel(ops.convert_to_numpy(variable.value)) for variable in self.objective.variables]
        return np.concatenate(held, dtype=self.objective.dtype, casting="unsafe")

    @abc.abstractmethod
    def terms(self, part: Part) -> NDArray[Any]:
        """The terms of the objective, not weighted by their shares."""

    @abc.abstractmethod
    def each(self, part: Part, what: str) -> list[NDArray[Any]]:
        """`Objective.each`: (m,) for each compiled loss, () where it has none."""

    @abc.abstractmethod
    def gradient(self, part: Part) -> NDArray[Any]:
        """Of the objective, (p,)."""

    @abc.abstractmethod
    def hessian_vector(self, part: Part, vector: NDArray[Any]) -> NDArray[Any]:
        """(p,) for a vector (p,) in the weights' precision."""

    @abc.abstractmethod
    def gauss_newton_vector(self, part: Part, vector: NDArray[Any]) -> NDArray[Any]:
        """(p,) for a vector (p,) in the weights' precision."""

    def value(self, part: Part) -> float:
        """The objective."""
        terms = self.terms(part)
        return float(terms.sum() if part.shares is None else terms @ part.shares)


def host(tensor: Any) -> NDArray[Any]:
    """The tensor in float64 on the host."""
    return as_numpy(tensor).astype(np.float64)
