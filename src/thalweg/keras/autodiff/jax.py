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


def on_cpu() -> bool:
    """Whether programs run on the processor's cores."""
    return bool(jax.default_backend() == "cpu")


def device_memory() -> int | None:
    """The bytes that the device has for programs; None on a processor."""
    found = (jax.devices()[0].memory_stats() or {}).get("bytes_limit")
    return None if found is None else int(found)


class SideBySide:
    """A compiled loop of `step(shared, state, rows, rate) -> (state, shown)` over s steps of S groups of K members.

    It is called as the step is, with every leaf of `state` (S, K, ...), `rate` (s, S, K), and the `rows` that the
    members of a group have in common (s, S, ...), or `alike` those of all (s, ...); `shown` comes back as
    (s, S, K, ...). What members have in common is fetched once, and their products with it are one product. The
    memory of `state` is given away, unless they are `alike`.

    The loop is compiled with the steps in it, but for convolutions on a CPU, which XLA does many times slower within
    a loop (64 x 14 x 14 x 16 by 4 x 4 kernels: 8 to 70 times): a step alone is compiled then.
    """

    def __init__(self, step: Callable[..., tuple[Any, Any]], alike: bool = False) -> None:
        members = jax.vmap(step, in_axes=(None, 0, None, 0))
        groups = jax.vmap(members, in_axes=(None, 0, None if alike else 0, 0))

        def loop(shared: Any, state: Any, rows: Any, rate: Any) -> Any:
            return jax.lax.scan(lambda now, one: groups(shared, now, *one), state, (rows, rate))

        given_away = () if alike else 1
        self._loop = jax.jit(loop, donate_argnums=given_away)
        self._step = jax.jit(groups, donate_argnums=given_away)
        self._compiled: dict[Any, Any] = {}
        self._apart: bool | None = None

    def __call__(self, shared: Any, state: Any, rows: Any, rate: Any) -> Any:
        """The state and what was shown, as above."""
        made = self._made(shared, state, rows, rate)
        if not self._apart:
            return made(shared, state, rows, rate)
        each = []
        for one in range(len(rate)):
            state, shown = made(shared, state, rows[one], rate[one])
            each.append(shown)
        return state, jax.tree.map(lambda *values: jax.numpy.stack(values), *each)

    def memory(self, *given: Any) -> int:
        """What it takes to call it so, in bytes; it is compiled for that."""
        needs = self._made(*given).memory_analysis()
        return int(needs.argument_size_in_bytes + needs.output_size_in_bytes + needs.temp_size_in_bytes)

    def _made(self, shared: Any, state: Any, rows: Any, rate: Any) -> Any:
        one = slice(1) if self._apart else slice(None)
        shapes = tuple(value.shape for value in jax.tree.leaves((state, rows[one], rate[one])))
        if shapes not in self._compiled:
            traced = self._loop.trace(shared, state, rows, rate)
            if self._apart is None:
                self._apart = on_cpu() and "conv_general_dilated" in str(traced.jaxpr)
            if self._apart:
                traced = self._step.trace(shared, state, rows[0], rate[0])
            self._compiled[shapes] = traced.lower().compile()
        return self._compiled[shapes]


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
