"""Derivatives by JAX: forward over reverse, linearised once at a point; and steps of many trainings at once."""

from collections.abc import Callable
from typing import Any

import jax
from numpy.typing import NDArray

from thalweg.keras.autodiff.derivatives import Derivatives, Part, host
from thalweg.keras.autodiff.objective import Heads, Objective


def derivatives(objective: Objective) -> Derivatives:
    """Of this objective."""
    return _JAX(objective)


def side_by_side(
    step: Callable[[Any, Any, Any], tuple[Any, Any]],
) -> Callable[[Any, Any, Any], tuple[Any, Any]]:
    """A compiled loop of `step(shared, state, given) -> (state, shown)` over s steps of W members.

    It is called as the step is, with every leaf of `state` (W, ...) and of `given` (s, W, ...), and returns `shown`
    as (s, W, ...). `shared` is one for all. The memory of `state` is given away.
    """
    members = jax.vmap(step, in_axes=(None, 0, 0))

    def loop(shared: Any, state: Any, given: Any) -> Any:
        return jax.lax.scan(lambda now, one: members(shared, now, one), state, given)

    compiled: Callable[..., Any] = jax.jit(loop, donate_argnums=1)
    return compiled


class _JAX(Derivatives):
    def __init__(self, objective: Objective) -> None:
        super().__init__(objective)
        split, join = objective.split, objective.join
        self._terms = jax.jit(lambda flat, fixed, batch, _: objective.terms(split(flat), fixed, batch))
        self._counts, self._losses = (
            jax.jit(lambda flat, fixed, batch, _, what=what: objective.each(split(flat), fixed, batch, what))
            for what in ("count", "loss")
        )
        slope = jax.grad(objective.value)
        self._gradient = jax.jit(lambda flat, *given: join(slope(split(flat), *given)))
        # A linear function is a tree of arrays: what it needs of the passes before is computed once.
        self._hessian = jax.jit(
            lambda flat, *given: jax.linearize(lambda values: slope(values, *given), split(flat))[1]
        )
        self._gauss_newton = jax.jit(self._factors)
        self._hessian_times = jax.jit(lambda hessian, vector: join(hessian(split(vector))))
        self._gauss_newton_times = jax.jit(self._multiplied)

    def terms(self, part: Part) -> NDArray[Any]:
        return host(jax.numpy.stack(self._called(self._terms, part)))

    def each(self, part: Part, what: str) -> list[NDArray[Any]]:
        found = self._called(self._counts if what == "count" else self._losses, part)
        return [host(one) for one in found]

    def gradient(self, part: Part) -> NDArray[Any]:
        return host(self._called(self._gradient, part))

    def hessian_vector(self, part: Part, vector: NDArray[Any]) -> NDArray[Any]:
        if "hessian" not in part.held:
            part.held["hessian"] = self._called(self._hessian, part)
        return host(self._hessian_times(part.held["hessian"], vector))

    def gauss_newton_vector(self, part: Part, vector: NDArray[Any]) -> NDArray[Any]:
        if "gauss_newton" not in part.held:
            part.held["gauss_newton"] = self._called(self._gauss_newton, part)
        return host(self._gauss_newton_times(part.held["gauss_newton"], vector))

    def _called(self, function: Callable[..., Any], part: Part) -> Any:
        with self.objective.undisturbed():
            return function(*part.tensors())

    def _factors(self, flat: Any, fixed: Any, batch: Any, shares: Any) -> tuple[Any, Any, Any, Any]:
        """J, J', L and P of the Gauss-Newton matrix, as linear functions."""
        objective, point = self.objective, self.objective.split(flat)
        seen: list[Heads] = []

        def network(values: list[Any]) -> tuple[list[Any], list[Any]]:
            seen.append(objective.network(values, fixed, batch))
            return seen[-1].values, seen[-1].masks

        def loss(values: list[Any]) -> Any:
            return objective.weighted(objective.losses(heads, values, batch), shares)

        def penalty(values: list[Any]) -> Any:
            return objective.penalty(values, shares)

        values, backward, masks = jax.vjp(network, point, has_aux=True)
        heads = seen[-1].at(point, fixed, masks)
        forward = jax.linearize(lambda given: network(given)[0], point)[1]
        return (
            forward,
            backward,
            jax.linearize(jax.grad(loss), values)[1],
            jax.linearize(jax.grad(penalty), point)[1],
        )

    def _multiplied(self, factors: tuple[Any, Any, Any, Any], vector: Any) -> Any:
        forward, backward, curvature, penalty = factors
        pieces = self.objective.split(vector)
        (through,) = backward(curvature(forward(pieces)))
        return self.objective.join(through) + self.objective.join(penalty(pieces))
