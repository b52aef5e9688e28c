"""The spectrum of a model's Hessian and what its optimizer's step can bear, within a budget of products."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from thalweg.errors import UnsupportedError
from thalweg.examination import Curvature, Ritz, StepLimit
from thalweg.keras.preconditioner import preconditioner
from thalweg.stats import lanczos
from thalweg.stats.density import density
from thalweg.stats.trace import trace

if TYPE_CHECKING:
    from thalweg.keras.autodiff import Products

Vector = NDArray[np.float64]
Multiply = Callable[[Vector], Vector]

_MISSED = 0.01
"""Chance of an eigenvalue that was missed, for which the tolerance is given."""
_BYTES = 256_000_000
"""What a basis of the Lanczos process may take."""
_RESIDUAL = 1e-4
"""Relative to the largest magnitude: with less, the chance of what was missed is seldom settled either."""


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """What was measured; a part is None where it could not be had, and `missing` says why in a clause."""

    curvature: Curvature | None = None
    step_limit: StepLimit | None = None
    missing: dict[str, str] = field(default_factory=dict)


def examine_spectrum(products: "Products", model: Any, *, budget: int = 100, seed: int = 0) -> Spectrum:
    """Extremes, density and trace of the Hessian on the examples of `products`, and the step's limit.

    Makes at most `budget` products: two fifths for the extremes, a fifth for the largest of the preconditioned
    Hessian where the optimizer divides its steps, what is left for density and trace. Where the Hessian cannot be
    had, all is of the Gauss-Newton matrix. There is no limit where it is not known that a step has the objective of
    `products`, nor where its optimizer ended by putting averages in the place of the weights. Never raises
    `UnsupportedError`.
    """
    missing: dict[str, str] = {}
    if budget < 2:
        return _nothing("too few products were allowed")
    multiply, gauss_newton = _product(products, missing)
    if multiply is None:
        return _nothing(missing["hessian"])
    try:
        step = preconditioner(model.optimizer, model.trainable_variables)
        if getattr(model.optimizer, "inner_optimizer", model.optimizer).use_ema:
            raise UnsupportedError(
                "the optimizer put averages in the place of the weights that it had stepped to (use_ema)"
            )
        if products.doubt is not None:
            raise UnsupportedError(products.doubt)
    except UnsupportedError as error:
        step, missing["step_limit"] = None, str(error)
    precision, basis = _precision(), _basis(products.size)
    scaled = step is not None and step.diagonal is not None
    ends = lanczos.extremes(
        multiply,
        products.size,
        products=max(2 * (budget - 1) // 5, 1),
        tolerance=_RESIDUAL,
        seed=seed,
        basis=basis,
        precision=precision,
    )
    spent, limit = 1 + ends.products, None  # one was tried
    if step is not None:
        largest = ends.largest
        if step.diagonal is not None:
            found = lanczos.extremes(
                lanczos.preconditioned(multiply, step.diagonal),
                products.size,
                products=budget // 5,
                tolerance=_RESIDUAL,
                seed=seed + 1,
                basis=basis,
                both=False,
                precision=precision,
            )
            spent, largest = spent + found.products, found.largest
        limit = StepLimit(
            _of(largest), step.limit, step.rule, step.learning_rate, scaled, step.momentum, step.clips
        )
    curvature = _curvature(multiply, products.size, ends, max(budget - spent, 0), seed + 2, gauss_newton)
    return Spectrum(curvature, limit, missing)


def _nothing(reason: str) -> Spectrum:
    return Spectrum(missing=dict.fromkeys(("curvature", "step_limit"), reason))


def _curvature(
    multiply: Multiply, size: int, ends: lanczos.Extremes, rest: int, seed: int, gauss_newton: bool
) -> Curvature:
    """With the density and the trace that `rest` products give: three fifths of them and two."""
    probes = 1 if rest < 64 else 2
    steps = min(3 * rest // (5 * probes), _basis(size))
    spread = density(multiply, size, probes=probes, steps=steps, seed=seed, precision=_precision())
    total = trace(
        multiply,
        size,
        products=min(rest - spread.products, _basis(size)),
        seed=seed + 1,
        precision=_precision(),
    )
    band = spread.cumulative(spread.nodes)
    return Curvature(
        _of(ends.smallest),
        _of(ends.largest),
        ends.products,
        _MISSED,
        ends.smallest.value - ends.lower(_MISSED),
        spread.nodes,
        spread.weights,
        np.maximum(band.high - band.share, band.share - band.low),
        total.value,
        total.error,
        gauss_newton,
    )


def _product(products: "Products", missing: dict[str, str]) -> tuple[Multiply | None, bool]:
    """The Hessian's product, or the Gauss-Newton matrix's, and whether it is that; None where there is neither."""
    trial = np.zeros(products.size)
    for multiply, gauss_newton in ((products.hessian_vector, False), (products.gauss_newton_vector, True)):
        try:
            multiply(trial)
        except UnsupportedError as error:
            missing.setdefault("hessian", str(error).rstrip("."))
        else:
            return multiply, gauss_newton
    return None, False


def _of(pair: lanczos.Ritz) -> Ritz:
    return Ritz(pair.value, pair.residual)


def _precision() -> float:
    return float(np.finfo(keras.config.floatx()).eps)


def _basis(size: int) -> int:
    return int(np.clip(_BYTES // (8 * size), 12, 96))
