"""The picture of the loss on the straight line from one solution to another."""

from collections.abc import Mapping

import numpy as np

from thalweg.examination import Vector
from thalweg.render.charts import spans_decades
from thalweg.render.picture import Picture, Table
from thalweg.render.plain import plain
from thalweg.render.thin import short
from thalweg.words import figure

_COLOURS = ("validation", "epoch", "probe", "batch")
_MOST = 1_000


def crossing(curves: Mapping[str, tuple[Vector, Vector]], ends: tuple[str, str]) -> Picture | None:
    """Curves by name, each of positions (k,) from 0 to 1 and losses (k,) there; `ends` are the two solutions' names.

    None where no curve has two finite positions.
    """
    first, second = (plain(end) for end in ends)
    drawn = {
        plain(name): found for name, curve in curves.items() if (found := _clean(*curve)) and len(found[0])
    }
    if not drawn or len(drawn) > len(_COLOURS):
        return None
    log = spans_decades([losses for _, losses in drawn.values()], always=False)
    colours = ("alone",) if len(drawn) == 1 else _COLOURS
    return Picture(
        kind="crossing",
        title=f"The loss from {first} to {second}",
        unit="loss, logarithmic" if log else "loss",
        words=tuple(_words(name, *curve) for name, curve in drawn.items()),
        how=f"Position 0 is {first}, 1 is {second}; between them the weights are mixed in that share.",
        tables={
            f"The loss, {name}": Table(
                ("position", "loss"),
                tuple(
                    (figure(t), figure(loss)) for t, loss in zip(*map(np.ndarray.tolist, curve), strict=True)
                ),
            )
            for name, curve in drawn.items()
        },
        drawn={
            "log": log,
            "ends": [first, second],
            "lines": [
                {
                    "name": name,
                    "colour": colour,
                    "points": [
                        [short(t), short(loss) if np.isfinite(loss) else None]
                        for t, loss in zip(*map(np.ndarray.tolist, curve), strict=True)
                    ],
                }
                for (name, curve), colour in zip(drawn.items(), colours, strict=False)
            ],
        },
        key=tuple(zip(colours, drawn, strict=False)) if len(drawn) > 1 else (),
    )


def _clean(positions: Vector, losses: Vector) -> tuple[Vector, Vector] | None:
    t, loss = np.asarray(positions, np.float64), np.asarray(losses, np.float64)
    if t.ndim != 1 or t.shape != loss.shape or not 2 <= len(t) <= _MOST:
        return None
    if not np.isfinite(t).all() or np.isfinite(loss).sum() < 2:
        return None
    order = np.argsort(t, kind="stable")
    return t[order], loss[order]


def _words(name: str, positions: Vector, losses: Vector) -> str:
    lost = int((~np.isfinite(losses)).sum())
    top = int(np.nanargmax(np.where(np.isfinite(losses), losses, np.nan)))
    beside = f"; at {lost:,} of {len(losses):,} positions it was not finite" if lost else ""
    return (
        f"{name[:1].upper()}{name[1:]}: {figure(float(losses[0]))} at the start, {figure(float(losses[-1]))} at the "
        f"end, highest {figure(float(losses[top]))} at position {figure(float(positions[top]))}{beside}."
    )
