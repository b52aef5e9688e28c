"""Which curves the page draws, in which order, and where the findings are marked on them.

Every series of the record is either on a chart, in the heat map of layers, or counted as left out.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from thalweg.finding import Diagnosis, Finding, Verdict
from thalweg.record import Record, Series
from thalweg.render.plain import label, plain, unit_words
from thalweg.render.thin import Curve, Gap, curve, grid, short
from thalweg.words import figure, percent, plural

_BUCKETS, _FEWEST = 1_000, 20
"""Pairs of points of one curve: at most about one for each pixel."""
_PER_CHART, _PER_PAGE = 4_000, 60_000
"""Pairs of points of all curves together: near two megabytes."""
_CELLS = 120_000
"""Cells of all heat maps together."""
_MOST_ROWS, _MOST_CHARTS = 400, 60
_LOGARITHMIC = ("gradient_norm", "update_norm")
_DECADES = 1.5
"""Positive values over more orders of magnitude than this are drawn on a logarithmic axis."""

_T = TypeVar("_T")
_FIRST = ("loss", "sharpness", "gradient_norm", "update_norm", "learning_rate", "gradient_cosine")
_MAPPED = ("gradient_norm", "update_ratio", "parameter_norm", "zero_gradient_fraction")
_PART = re.compile(r"(epoch|validation|probe)_(.+)")
_PART_WORDS = {"": "batch", "epoch": "epoch mean", "validation": "validation", "probe": "probe batch"}
_EDGE = {
    "sharpness": ("alone", "largest eigenvalue on the probe batch"),
    "sharpness_limit": ("limit", "what the step bears"),
}
"""Two series of one chart, where both are there: each with its kind and its name."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A finding at its step; `anchor` is where the page tells it."""

    code: str
    step: int
    anchor: str
    concern: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One curve of a chart. `kind` decides its colour: batch, epoch, validation, probe, limit, layer, or alone."""

    name: str
    kind: str
    last: str
    curve: Curve


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves over steps that share a unit. `series` are the names it shows; `folded` charts start closed."""

    anchor: str
    title: str
    unit: str
    log: bool
    limits: tuple[float, float] | None
    lines: tuple[Line, ...]
    references: tuple[tuple[str, float], ...]
    series: tuple[str, ...]
    marks: tuple[Mark, ...]
    folded: bool

    def payload(self) -> dict[str, object]:
        """The chart as the page's script reads it."""
        return {
            "anchor": self.anchor,
            "title": self.title,
            "unit": self.unit,
            "log": self.log,
            "limits": self.limits,
            "lines": [
                {"name": ln.name, "kind": ln.kind, "points": _points(ln.curve), "gaps": _spans(ln.curve.gaps)}
                for ln in self.lines
            ],
            "references": [[name, value] for name, value in self.references],
            "marks": [[m.code, m.step, m.anchor, m.concern] for m in self.marks],
        }


@dataclass(frozen=True, slots=True)
class HeatMap:
    """One quantity of every parameter tensor, layers from the first to the last, over stretches of steps."""

    quantity: str
    title: str
    unit: str
    log: bool
    rows: tuple[str, ...]
    cells: tuple[tuple[int, int, float], ...]
    broken: tuple[tuple[int, int], ...]
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Charts:
    """All that is drawn of a record. `note` says what was left out of the drawing, in sentences."""

    unit: str
    first: int
    last: int
    epochs: tuple[tuple[int, int], ...]
    charts: tuple[Chart, ...]
    maps: tuple[HeatMap, ...]
    bins: int
    note: str

    def shows(self, series: str) -> tuple[str, str] | None:
        """The anchor and the title of what shows this series."""
        for chart in self.charts:
            if series in chart.series:
                return chart.anchor, chart.title
        quantity, _, subject = series.partition("/")
        if subject and any(m.quantity == quantity for m in self.maps):
            return "layers", f"{label(quantity)} of the layers"
        return None

    def payload(self) -> dict[str, object]:
        """The charts as the page's script reads them."""
        return {
            "unit": self.unit,
            "first": self.first,
            "last": self.last,
            "epochs": self.epochs,
            "charts": [chart.payload() for chart in self.charts],
            "bins": self.bins,
            "maps": [
                {
                    "quantity": m.quantity,
                    "title": m.title,
                    "unit": m.unit,
                    "log": m.log,
                    "rows": m.rows,
                    "cells": m.cells,
                    "broken": m.broken,
                    "marks": [[k.code, k.step, k.anchor, k.concern] for k in m.marks],
                }
                for m in self.maps
            ],
        }


def charts(record: Record, diagnosis: Diagnosis) -> Charts:
    """What the page draws of a record, with the findings of its diagnosis marked."""
    drawn = {name: s for name, s in record.series.items() if len(s)}
    steps = [int(step) for s in drawn.values() for step in (s.steps[0], s.steps[-1])]
    first, last = min(steps, default=0), max(steps, default=0)
    placed = [(f, f"finding-{number}") for number, f in enumerate(diagnosis, start=1)]

    whole = _grouped(s for s in drawn.values() if not s.subject)
    layered: dict[str, list[tuple[str, str, Series]]] = defaultdict(list)
    mapped: dict[str, list[Series]] = {q: [] for q in _MAPPED}
    for s in drawn.values():
        if s.subject and s.quantity in mapped:
            mapped[s.quantity].append(s)
        elif s.subject:
            layered[s.quantity].append(("layer", plain(s.subject), s))
    groups = {**whole, **{f"{quantity}/": lines for quantity, lines in layered.items()}}
    charted = list(groups.items())[:_MOST_CHARTS]

    concerned = {name for f in diagnosis.concerns for name in f.series}
    budget = min(_PER_CHART, _PER_PAGE // max(len(charted), 1))
    drawings = tuple(
        _chart(f"chart-{number}", key, lines, budget, record.info, placed, concerned)
        for number, (key, lines) in enumerate(charted, start=1)
    )
    rows = _rows(record, mapped, concerned)
    bins = max(min(300, last - first + 1, _CELLS // max(len(rows) * len(mapped), 1)), 1)
    maps = tuple(_heat_map(q, s, rows, (first, last, bins), placed) for q, s in mapped.items() if s)

    tensors = len({s.subject for lines in mapped.values() for s in lines})
    notes = []
    if any(line.curve.thinned for chart in drawings for line in chart.lines):
        notes.append(
            f"Long curves are drawn with the smallest and the largest value in each of up to {_BUCKETS:,} "
            "stretches: every extreme is there, most values between them are not."
        )
    if len(groups) > len(charted):
        notes.append(f"Of {len(groups):,} quantities the first {len(charted)} are drawn.")
    if any(len(lines) > _MOST_ROWS for _, lines in charted):
        notes.append(f"Of more layers than {_MOST_ROWS}, that many are drawn.")
    if tensors > len(rows):
        notes.append(f"Of {tensors:,} parameter tensors {len(rows)} are in the map of layers.")
    unit = plain(record.info.get("step_unit") or "step")
    epochs = tuple((e.step, e.detail["epoch"]) for e in record.events if _is_epoch(e.kind, e.detail))
    return Charts(unit, first, last, epochs[-5_000:], drawings, maps, bins, " ".join(notes))


def _grouped(series: Iterable[Series]) -> dict[str, list[tuple[str, str, Series]]]:
    """Whole-model series by what they measure, as (kind, name, series)."""
    groups: dict[str, list[tuple[str, str, Series]]] = defaultdict(list)
    metrics = []
    series = list(series)
    edge = _EDGE if set(_EDGE) <= {s.name for s in series} else {}
    for s in series:
        if s.name in edge:
            groups["sharpness"].append((*edge[s.name], s))
            continue
        match = _PART.fullmatch(s.name)
        kind, quantity = match.groups() if match else ("", s.name)
        if kind in ("epoch", "validation"):
            metrics.append(quantity)
        groups[quantity].append((kind or "batch", _PART_WORDS[kind], s))
    order = [_FIRST[0], *metrics, *_FIRST[1:], *groups]
    return {quantity: groups[quantity] for quantity in dict.fromkeys(order) if quantity in groups}


def _chart(
    anchor: str,
    key: str,
    lines: list[tuple[str, str, Series]],
    budget: int,
    info: Mapping[str, object],
    placed: list[tuple[Finding, str]],
    concerned: set[str],
) -> Chart:
    quantity, layered = key.rstrip("/"), key.endswith("/")
    several = layered or len(lines) > 1
    lines = _kept(lines, [series.name in concerned for _, _, series in lines])
    buckets = max(min(_BUCKETS, budget // len(lines)), _FEWEST)
    names = tuple(s.name for _, _, s in lines)
    unit = lines[0][2].unit
    limits = {"fraction": (0.0, 1.0), "cosine": (-1.0, 1.0)}.get(unit)
    references = []
    constant = info.get("constant_prediction_loss")
    if quantity == "loss" and isinstance(constant, int | float) and np.isfinite(constant):
        references.append(("a constant prediction", float(constant)))
    log = limits is None and spans_decades([s.values for _, _, s in lines], quantity in _LOGARITHMIC)
    main = layered or quantity in _FIRST or any(kind in ("epoch", "validation") for kind, _, _ in lines)
    return Chart(
        anchor=anchor,
        title=label(quantity) + (" of the layers" if layered else ""),
        unit=unit_words(unit) if unit != "fraction" else "fraction",
        log=log,
        limits=limits,
        lines=tuple(
            Line(*((name, kind) if several else (label(quantity), "alone")), _last(s), curve(s, buckets))
            for kind, name, s in lines
        ),
        references=tuple(r for r in references if r[1] > 0 or not log),
        series=names,
        marks=_marks(placed, names),
        folded=not main and not concerned.intersection(names),
    )


def _rows(record: Record, mapped: Mapping[str, list[Series]], concerned: set[str]) -> list[str]:
    """The tensors of the heat map, first layer first; of too many, those that a concern names stay."""
    known = {s.subject for lines in mapped.values() for s in lines}
    listed = record.info.get("tensors")
    depth = (
        [t.get("name") for t in listed if isinstance(t, Mapping)] if isinstance(listed, list | tuple) else []
    )
    order = [t for t in dict.fromkeys([*depth, *sorted(known)]) if t in known]
    named = {name.partition("/")[2] for name in concerned}
    return _kept(order, [tensor in named for tensor in order])


def _kept(items: list[_T], wanted: list[bool]) -> list[_T]:
    """As many items as a chart can show, in their order: the wanted ones, then the first."""
    places = sorted(range(len(items)), key=lambda place: not wanted[place])[:_MOST_ROWS]
    return [items[place] for place in sorted(places)]


def _heat_map(
    quantity: str,
    series: list[Series],
    rows: list[str],
    extent: tuple[int, int, int],
    placed: list[tuple[Finding, str]],
) -> HeatMap:
    by_subject = {s.subject: s for s in series}
    present = [by_subject[tensor] for tensor in rows if tensor in by_subject]
    cells = grid(present, *extent)
    measured = np.argwhere(~np.isnan(cells.largest) & ~cells.broken)
    return HeatMap(
        quantity=quantity,
        title=label(quantity),
        unit=unit_words(series[0].unit) if series[0].unit != "fraction" else "fraction",
        log=series[0].unit != "fraction",
        rows=tuple(plain(s.subject) for s in present),
        cells=tuple((int(b), int(r), short(cells.largest[r, b])) for r, b in measured),
        broken=tuple((int(b), int(r)) for r, b in np.argwhere(cells.broken)),
        marks=_marks(placed, tuple(s.name for s in present)),
    )


def _marks(placed: list[tuple[Finding, str]], names: tuple[str, ...]) -> tuple[Mark, ...]:
    shown = set(names)
    return tuple(
        Mark(plain(f.code), f.step, anchor, f.verdict is Verdict.CONCERN)
        for f, anchor in placed
        if f.step is not None and shown.intersection(f.series)
    )


def spans_decades(values: list[np.ndarray[tuple[int], np.dtype[np.float64]]], always: bool) -> bool:
    """Whether a logarithmic axis serves: nothing but positive values, and far apart or `always`."""
    finite = np.concatenate([v[np.isfinite(v)] for v in values])
    if not len(finite) or finite.min() <= 0:
        return False
    return always or bool(np.log10(finite.max()) - np.log10(finite.min()) > _DECADES)


def _last(series: Series) -> str:
    value = float(series.values[-1])
    return percent(value) if series.unit == "fraction" and np.isfinite(value) else figure(value)


def _points(drawn: Curve) -> list[list[float | int | None]]:
    """Steps with values; a gap in the curve where the series was not finite."""
    points: list[list[float | int | None]] = [
        [int(s), short(v)] for s, v in zip(drawn.steps, drawn.values, strict=True)
    ]
    points += [[gap.first, None] for gap in drawn.gaps]
    return sorted(points, key=lambda point: point[0] or 0)


def _spans(gaps: tuple[Gap, ...]) -> list[list[object]]:
    return [[g.first, g.last, g.words] for g in gaps]


def _is_epoch(kind: str, detail: Mapping[str, object]) -> bool:
    return kind == "epoch" and isinstance(detail.get("epoch"), int)


def gaps_in_words(line: Line, unit: str) -> str:
    """Where a curve was not finite, in a sentence; empty where it always was."""
    gaps = line.curve.gaps
    if not gaps:
        return ""
    count = sum(g.count for g in gaps)
    words = " and ".join(sorted({g.words for g in gaps}))
    return (
        f"{line.name}: {plural(count, 'value')} not finite ({words}), "
        f"{unit} {gaps[0].first:,} to {gaps[-1].last:,}."
    )
