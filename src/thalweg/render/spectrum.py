"""The picture of a spectrum: which eigenvalues the loss's curvature has, and what the optimizer's step bears."""

import math

import numpy as np

from thalweg.examination import Curvature, Ritz, StepLimit, Vector
from thalweg.render.picture import Picture, around, table
from thalweg.render.plain import plain
from thalweg.render.symmetric import Symmetric
from thalweg.render.thin import short
from thalweg.words import figure, percent

_UNIT = "loss/parameter^2"
_MOST = 2_000
_BEYOND = 3
"""Decades: a limit further than this from every eigenvalue is said, not drawn."""


def spectrum(found: Curvature, limit: StepLimit | None, parameters: int) -> Picture | None:
    """Point masses over the eigenvalue, and the share of all at or below it; None where no density was measured."""
    density = _density(found)
    if density is None:
        return None
    nodes, weights, band = density
    ends = [(name, r) for name, r in (("smallest", found.smallest), ("largest", found.largest)) if _finite(r)]
    axis = Symmetric.of([*nodes.tolist(), *(r.value for _, r in ends)])
    shares = np.clip(np.cumsum(weights), 0.0, 1.0)
    places = [axis.place(value) for value in nodes.tolist()]
    marks = [
        {
            "name": f"{name} {figure(r.value)}",
            "at": axis.place(r.value),
            "from": axis.place(r.value - _residual(r)),
            "to": axis.place(r.value + _residual(r)),
            "kind": "eigenvalue",
        }
        for name, r in ends
    ]
    everywhere = [*places, *(float(m[side]) for m in marks for side in ("from", "to"))]  # type: ignore[arg-type]
    low, high = min(math.floor(min(everywhere)), -1), max(math.ceil(max(everywhere)), 1)
    borne = limit is not None and not limit.preconditioned and 0.0 < limit.limit < math.inf
    if borne and limit is not None and (at := axis.place(limit.limit)) <= high + _BEYOND:
        marks.append(
            {"name": f"limit {figure(limit.limit)}", "at": at, "from": at, "to": at, "kind": "limit"}
        )
        high = max(high, math.ceil(at))
    least = min(float(weights[weights > 0].min()), 1.0 / max(parameters, 1))
    floor = math.floor(max(math.log10(least), -math.log10(max(parameters, 1)) - 2.0) - 0.3)
    matrix = "Gauss-Newton matrix" if found.gauss_newton else "Hessian"
    return Picture(
        kind="spectrum",
        title=f"Eigenvalues of the {matrix}",
        unit=_UNIT,
        words=tuple(_words(found, limit, nodes, shares, band, matrix)),
        how="Upper panel: each stem stands for the eigenvalues around it, its height is their share of all"
        f"{f', logarithmic; one of {parameters:,} is the dashed line' if parameters else ', logarithmic'}. "
        "Lower panel: the share of all at or below each value, with its 95 % band. The axis is logarithmic on "
        f"both sides and linear between -{figure(10.0**axis.exponent)} and {figure(10.0**axis.exponent)}.",
        tables={
            "The eigenvalues as point masses": table(
                ("eigenvalue", "share of all", "at or below", "off by at most"),
                list(zip(nodes.tolist(), weights.tolist(), shares.tolist(), band.tolist(), strict=True)),
            )
        },
        drawn={
            "exponent": axis.exponent,
            "low": low,
            "high": high,
            "floor": floor,
            "one": math.log10(1.0 / parameters) if parameters else None,
            "stems": [
                [short(place), short(math.log10(weight)), short(value), short(weight)]
                for place, weight, value in zip(places, weights.tolist(), nodes.tolist(), strict=True)
                if weight > 10.0**floor
            ],
            "shares": [
                [short(place), short(share), short(max(share - off, 0.0)), short(min(share + off, 1.0))]
                for place, share, off in zip(
                    places, shares.tolist(), np.nan_to_num(band).tolist(), strict=True
                )
            ],
            "marks": [{k: short(v) if isinstance(v, float) else v for k, v in m.items()} for m in marks],
        },
    )


def _density(found: Curvature) -> tuple[Vector, Vector, Vector] | None:
    """Nodes in ascending order with their weights and bands, where they can be drawn."""
    nodes, weights = found.nodes, found.weights
    band = found.band if found.band.shape == nodes.shape else np.full(nodes.shape, np.nan)
    if nodes.ndim != 1 or weights.shape != nodes.shape or len(nodes) > _MOST:
        return None
    kept = np.isfinite(nodes) & (weights >= 0.0) & (weights <= 1.0)
    if not (weights[kept] > 0.0).any():
        return None
    order = np.argsort(nodes[kept], kind="stable")
    return nodes[kept][order], weights[kept][order], np.clip(band[kept][order], 0.0, 1.0)


def _words(
    found: Curvature, limit: StepLimit | None, nodes: Vector, shares: Vector, band: Vector, matrix: str
) -> list[str]:
    half = float(nodes[min(int(np.searchsorted(shares, 0.5)), len(nodes) - 1)])
    said = [
        f"The smallest eigenvalue found was {around(found.smallest.value, found.smallest.residual)}, the largest "
        f"{around(found.largest.value, found.largest.residual)}; half of all were at or below {figure(half)}."
    ]
    if np.isfinite(band).any():
        said.append(
            f"Shares of the eigenvalues are known to within {percent(float(np.nanmax(band)))} of all."
        )
    if math.isfinite(found.trace):
        said.append(f"Their sum was {around(found.trace, found.trace_error)} (standard error).")
    if limit is None:
        return said
    rule = f"{figure(limit.limit)} ({plain(limit.rule)}, at a rate of {figure(limit.learning_rate)})"
    if limit.preconditioned:
        value = around(limit.sharpness.value, limit.sharpness.residual)
        said.append(
            f"The optimizer rescales the {matrix} before it steps: the largest eigenvalue of what it steps on was "
            f"{value}, its limit {rule}. That is another scale than this picture's."
        )
    else:
        said.append(f"The optimizer's step is stable up to {rule}.")
    return said


def _finite(pair: Ritz) -> bool:
    return math.isfinite(pair.value)


def _residual(pair: Ritz) -> float:
    """Half the width of its interval; drawn without one where that is not known."""
    return pair.residual if math.isfinite(pair.value + pair.residual) and pair.residual > 0 else 0.0
