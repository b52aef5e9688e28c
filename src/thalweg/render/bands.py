"""The picture of several curves: medians in their bands over steps or rates, or shares over steps or ratios."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from thalweg.render.charts import spans_decades
from thalweg.render.picture import Picture, Table
from thalweg.render.plain import plain
from thalweg.render.thin import short
from thalweg.words import figure, percent

Array = NDArray[np.float64]
MOST = 12
"""Curves of one picture: one tells no more of them apart."""
WORDS = 4
"""Curves that its sentences name: the tables have them all."""
_POINTS = 120
"""Of one curve."""
_COLOURS = 8
_FAR = 20.0
"""Values so many times further from the lowest than half of all are cut off where the axis cannot be logarithmic."""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Values (k,) at places (k,) between `low` and `high` (k,), infinite where they diverged.

    `bars` are ranges of places and `crosses` places with a share, both drawn in a strip above the curves.
    """

    name: str
    places: Array
    values: Array
    low: Array
    high: Array
    bars: tuple[tuple[float, float], ...] = ()
    crosses: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Axes:
    """What lies across and upward. `base` is that of a logarithmic axis across, 0 of a linear one.

    A `step` picture is of shares, which hold until the next place; their intervals are in its tables alone, for of
    few seeds they lie over one another.
    """

    across: str
    upward: str
    base: int = 0
    step: bool = False


def bands(
    title: str, curves: Sequence[Curve], axes: Axes, *, words: Sequence[str] = (), how: str = ""
) -> Picture | None:
    """At most twelve curves, the first over the others; None where none has a finite value."""
    drawn = [_thinned(curve) for curve in curves[:MOST]]
    known = [v[np.isfinite(v)] for curve in drawn for v in (curve.values, curve.low, curve.high)]
    finite = np.concatenate([np.zeros(0), *known])
    if not len(finite):
        return None
    said = list(words)
    places = np.concatenate([curve.places for curve in drawn])
    log = not axes.step and spans_decades([finite], always=False)
    low, high = (0.0, 1.0) if axes.step else (float(finite.min()), float(finite.max()))
    if not log and not axes.step and high > (line := low + _FAR * (float(np.median(finite)) - low)) > low:
        high = line
        said.append(f"Values above {figure(high)} lie beyond the picture.")
    if len(curves) > len(drawn):
        said.append(f"Of {len(curves):,} kinds of training the {len(drawn):,} best are drawn.")
    if any(len(curve.places) > _POINTS for curve in curves[:MOST]):
        said.append(f"Of each curve at most {_POINTS:,} points are drawn, its lowest and highest among them.")
    names = [plain(curve.name) for curve in drawn]
    return Picture(
        kind="bands",
        title=title,
        unit=f"{axes.upward}, logarithmic" if log else axes.upward,
        words=tuple(said),
        how=how,
        tables={name: _table(curve, axes) for name, curve in zip(names, drawn, strict=True)},
        drawn={
            "across": axes.across,
            "base": axes.base,
            "step": axes.step,
            "log": log,
            "unit": "fraction" if axes.step else "",
            "x": [short(v) for v in _ends(places, axes)],
            "y": [short(low), short(high)],
            "strip": any(curve.bars or curve.crosses for curve in drawn),
            "lines": [
                {
                    "name": name,
                    **_look(index),
                    "points": [
                        [_number(v) for v in point[: 2 if axes.step else 4]] for point in _points(curve)
                    ],
                    "bars": [[short(a), short(b)] for a, b in curve.bars],
                    "crosses": [[short(x), short(share)] for x, share in curve.crosses],
                }
                for index, (name, curve) in enumerate(zip(names, drawn, strict=True))
            ],
        },
        key=tuple(
            (f"{look['colour']} dashed" if look["dashed"] else str(look["colour"]), name)
            for name, look in ((name, _look(index)) for index, name in enumerate(names))
        ),
    )


def _look(index: int) -> Mapping[str, object]:
    return {"colour": f"kind-{index % _COLOURS}", "dashed": index >= _COLOURS}


def _ends(places: Array, axes: Axes) -> tuple[float, float]:
    """A little room on both sides of rates, none beside steps and shares; what is linear begins at 0."""
    low, high = float(places.min()), float(places.max())
    if not axes.base:
        return min(low, 0.0), high
    room = 1.0 if axes.step else max((high / low) ** 0.03, 1.05)
    return low / room, high * room


def _points(curve: Curve) -> list[tuple[float, ...]]:
    parts = (curve.places, curve.values, curve.low, curve.high)
    return list(zip(*(part.tolist() for part in parts), strict=True))


def _number(value: float) -> float | None:
    return short(value) if np.isfinite(value) else None


def _thinned(curve: Curve) -> Curve:
    count = len(curve.places)
    if count <= _POINTS:
        return curve
    finite = np.where(np.isfinite(curve.values), curve.values, np.nan)
    ends = [] if np.isnan(finite).all() else [int(np.nanargmin(finite)), int(np.nanargmax(finite))]
    kept = np.unique([*np.linspace(0, count - 1, _POINTS - 2).round().astype(int), *ends])
    parts = {part: getattr(curve, part)[kept] for part in ("places", "values", "low", "high")}
    return replace(curve, **parts)


def _table(curve: Curve, axes: Axes) -> Table:
    words = percent if axes.step else _loss
    place = figure if axes.base else (lambda value: f"{value:,.0f}")
    return Table(
        (axes.across, axes.upward, "from", "to"),
        tuple((place(x), *(words(v) for v in values)) for x, *values in _points(curve)),
    )


def _loss(value: float) -> str:
    return figure(value) if np.isfinite(value) else "diverged"
