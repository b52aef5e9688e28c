"""The picture of the loss around the path that training took."""

import numpy as np

from thalweg.examination import Plane
from thalweg.render.charts import spans_decades
from thalweg.render.picture import Picture, Table, table
from thalweg.render.thin import short
from thalweg.words import figure, noun, percent, plural

_MOST_CELLS, _MOST_POINTS = 10_000, 1_000


def landscape(plane: Plane, unit: str = "step") -> Picture | None:
    """The loss over the plane with the path on it; None where the arrays do not fit one another or are too large."""
    if not _fits(plane):
        return None
    across, up, losses, path = plane.across, plane.up, plane.losses, plane.path + 0.0  # no -0
    finite, log = np.isfinite(losses), spans_decades([losses.ravel()], always=False)
    first, last = int(plane.steps[0]), int(plane.steps[-1])
    axes = [
        f"{name} direction ({percent(float(share))} of the path)"
        for name, share in zip(("first", "second"), plane.shares, strict=True)
    ]
    return Picture(
        kind="plane",
        title="The loss around the path of the weights",
        unit="loss, logarithmic" if log else "loss",
        words=tuple(_words(plane, unit)),
        how=_HOW,
        tables={
            f"The path, {unit} by {unit}": Table(
                (unit, "along the first direction", "along the second"),
                tuple(
                    (f"{int(step):,}", figure(x), figure(y))
                    for step, (x, y) in zip(plane.steps, path.tolist(), strict=True)
                ),
            ),
            "The loss: a column for each place along the first direction, a row along the second": table(
                ("", *(figure(x) for x in across.tolist())),
                [(y, *row) for y, row in zip(up[::-1].tolist(), losses[::-1].tolist(), strict=True)],
            ),
        },
        drawn={
            "axes": axes,
            "log": log,
            "across": [short(x) for x in across.tolist()],
            "up": [short(y) for y in up.tolist()],
            "cells": [[int(c), int(r), short(losses[r, c])] for r, c in np.argwhere(finite)],
            "broken": [[int(c), int(r)] for r, c in np.argwhere(~finite)],
            "path": [[short(x), short(y)] for x, y in path.tolist()],
            "steps": [int(step) for step in plane.steps],
            "unit": unit,
            "ends": [f"{unit} {first:,}", f"{unit} {last:,}, final"],
        },
    )


_HOW = (
    "Both axes are distances from the final weights (the ring), in the parameters' unit; their scales may differ. "
    "The dots are where the weights were, seen from above: the path also runs off this plane, where the loss may be "
    "another."
)


def _fits(plane: Plane) -> bool:
    m, n, k = len(np.atleast_1d(plane.across)), len(np.atleast_1d(plane.up)), len(plane.path)
    shapes = (plane.losses.shape, plane.path.shape, plane.steps.shape, plane.shares.shape)
    if shapes != ((n, m), (k, 2), (k,), (2,)) or min(m, n) < 2 or k < 1:
        return False
    if plane.across.shape != (m,) or plane.up.shape != (n,) or m * n > _MOST_CELLS or k > _MOST_POINTS:
        return False
    known = np.concatenate([plane.across, plane.up, plane.path.ravel(), plane.steps, plane.shares])
    with np.errstate(over="ignore"):
        spans = np.array([np.diff(plane.across).min(), np.diff(plane.up).min()])
    return bool(np.isfinite(known).all() and (np.abs(known) < 1e15).all() and (spans > 0.0).all())


def _words(plane: Plane, unit: str) -> list[str]:
    held = percent(float(np.sum(plane.shares)))
    (x, y), ended, n = (plane.path[0] + 0.0).tolist(), (plane.path[-1] + 0.0).tolist(), len(plane.steps)
    said = [
        f"The loss over {plural(plane.examples, 'example')}, on the plane through the final weights in which {held} "
        f"of the path lies (of the squared distances of its {plural(n, 'point')} from its end)."
    ]
    finite = np.isfinite(plane.losses)
    if finite.any():
        low = np.unravel_index(np.nanargmin(np.where(finite, plane.losses, np.nan)), plane.losses.shape)
        end = (np.abs(plane.up).argmin(), np.abs(plane.across).argmin())
        said.append(
            f"It was lowest, {figure(float(plane.losses[low]))}, at ({figure(float(plane.across[low[1]]))}, "
            f"{figure(float(plane.up[low[0]]))}), and highest {figure(float(plane.losses[finite].max()))}; at the "
            f"point of the grid nearest to the final weights it was {figure(float(plane.losses[end]))}."
        )
    if lost := int((~finite).sum()):
        said.append(f"At {lost:,} {noun(lost, 'point')} of the grid (hatched) it was not finite.")
    said.append(
        f"The path began at ({figure(x)}, {figure(y)}) at {unit} {int(plane.steps[0]):,} and ended at "
        f"({figure(ended[0])}, {figure(ended[1])}) at {unit} {int(plane.steps[-1]):,}."
    )
    return said
