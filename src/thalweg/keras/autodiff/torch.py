"""Derivatives by PyTorch: reverse over reverse; the graph of the first pass is kept for what follows at its point."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from keras.src.backend.torch.core import get_device
from numpy.typing import NDArray
from torch.nn.attention import SDPBackend, sdpa_kernel

from thalweg.keras.autodiff.derivatives import Derivatives, Part, host
from thalweg.keras.autodiff.objective import Objective


def derivatives(objective: Objective) -> Derivatives:
    """Of this objective."""
    return _Torch(objective)


class _Torch(Derivatives):
    def __init__(self, objective: Objective) -> None:
        super().__init__(objective)
        self._unchecked = True
        self._like = [(tuple(variable.shape), variable.value.dtype) for variable in objective.variables]

    def terms(self, part: Part) -> NDArray[Any]:
        flat, fixed, batch, _ = part.tensors()
        with self._undisturbed(), torch.no_grad():
            return host(torch.stack(self.objective.terms(self._split(flat), fixed, batch)))

    def each(self, part: Part, what: str) -> list[NDArray[Any]]:
        flat, fixed, batch, _ = part.tensors()
        with self._undisturbed(), torch.no_grad():
            found = self.objective.each(self._split(flat), fixed, batch, what)
            return [host(one) for one in found]

    def gradient(self, part: Part) -> NDArray[Any]:
        with torch.enable_grad():
            leaves, value = self._value(part)
            return self._joined(_slope(value, leaves, retain_graph=True))

    def hessian_vector(self, part: Part, vector: NDArray[Any]) -> NDArray[Any]:
        with torch.enable_grad():
            if "slope" not in part.held:
                leaves, value = self._value(part)
                part.held["slope"] = leaves, self._checked(_slope(value, leaves, create_graph=True))
            leaves, slope = part.held["slope"]
            pieces = self._split(self._tensor(vector))
            return self._joined(_slope(slope, leaves, pieces, retain_graph=True))

    def gauss_newton_vector(self, part: Part, vector: NDArray[Any]) -> NDArray[Any]:
        with torch.enable_grad():
            if "gauss_newton" not in part.held:
                part.held["gauss_newton"] = self._factors(part)
            leaves, heads, backward, seeds, outputs, curvature, penalty = part.held["gauss_newton"]
            pieces = self._split(self._tensor(vector))
            # What goes backward is linear in the seeds: its derivative in them is what goes forward.
            forward = _slope(backward, seeds, pieces, retain_graph=True)
            bent = _slope(curvature, outputs, forward, retain_graph=True)
            through = _slope(heads, leaves, bent, retain_graph=True)
            beside = _slope(penalty, leaves, pieces, retain_graph=True)
            return self._joined([one + other for one, other in zip(through, beside, strict=True)])

    @contextmanager
    def _undisturbed(self) -> Iterator[None]:
        # The other ways to attend have no second derivative.
        with self.objective.undisturbed(), sdpa_kernel(SDPBackend.MATH):
            yield

    # Keras's operations take as long as a small network's: these three are called for each product.

    def _tensor(self, vector: NDArray[Any]) -> Any:
        return torch.from_numpy(vector).to(get_device())

    def _split(self, flat: Any) -> list[Any]:
        pieces = zip(flat.split(self.objective.sizes), self._like, strict=True)
        return [piece.view(shape).to(dtype) for piece, (shape, dtype) in pieces]

    def _joined(self, values: list[Any]) -> NDArray[Any]:
        found: NDArray[Any] = torch.cat([value.reshape(-1).double() for value in values]).cpu().numpy()
        return found

    def _leaves(self, flat: Any) -> list[Any]:
        return [piece.detach().clone().requires_grad_() for piece in self._split(flat)]

    def _value(self, part: Part) -> tuple[list[Any], Any]:
        if "value" not in part.held:
            flat, fixed, batch, shares = part.tensors()
            leaves = self._leaves(flat)
            with self._undisturbed():
                part.held["value"] = leaves, self.objective.value(leaves, fixed, batch, shares)
        held: tuple[list[Any], Any] = part.held["value"]
        return held

    def _checked(self, slopes: list[Any]) -> list[Any]:
        """The slopes, once no function is found among what made them that can be differentiated only once.

        PyTorch leaves a node that raises where it is passed, but a derivative in chosen leaves goes round it.
        """
        nodes = [slope.grad_fn for slope in slopes] if self._unchecked else []
        seen: set[Any] = set()
        while nodes:
            node = nodes.pop()
            if node is None or node in seen:
                continue
            if node.name() == "torch::autograd::Error":
                raise RuntimeError("a function of the model is marked once_differentiable")
            seen.add(node)
            nodes.extend(following for following, _ in node.next_functions)
        self._unchecked = False
        return slopes

    def _factors(self, part: Part) -> tuple[list[Any], ...]:
        flat, fixed, batch, shares = part.tensors()
        objective, leaves = self.objective, self._leaves(flat)
        with self._undisturbed():
            heads = objective.network(leaves, fixed, batch)
            outputs = [value.detach().requires_grad_() for value in heads.values]
            loss = objective.weighted(objective.losses(heads, outputs, batch), shares)
        seeds = [torch.zeros_like(value).requires_grad_() for value in heads.values]
        backward = self._checked(_slope(heads.values, leaves, seeds, create_graph=True))
        curvature = _slope(loss, outputs, create_graph=True)
        penalty = _slope(objective.penalty(leaves, shares), leaves, create_graph=True)
        return leaves, heads.values, backward, seeds, outputs, curvature, penalty


def _slope(values: Any, leaves: list[Any], seeds: list[Any] | None = None, **asked: bool) -> list[Any]:
    """The derivatives in the leaves of the values, weighted by the seeds; noughts where nothing depends."""
    values = values if isinstance(values, list) else [values]
    seeds = [None] * len(values) if seeds is None else seeds
    pairs = [pair for pair in zip(values, seeds, strict=True) if pair[0].requires_grad]
    if not pairs:
        return [torch.zeros_like(leaf) for leaf in leaves]
    outputs, weights = zip(*pairs, strict=True)
    found = torch.autograd.grad(outputs, leaves, weights, allow_unused=True, materialize_grads=True, **asked)
    return list(found)
