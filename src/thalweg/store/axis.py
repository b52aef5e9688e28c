"""Where the values of a foreign log stand: its own step, its epoch from 1, or the number of the row."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from thalweg.store.table import Entries, Table
from thalweg.words import noun, plural

_USABLE = 0.9
"""The share of the rows that must tell a whole number, for the column to count the steps."""
_MANY_ROWS = 10_000
"""Rows that nobody counts are epochs up to this number, and steps beyond."""
_LARGEST = 2.0**53
_DISORDER = (10, 0.1)
"""More steps back than this number, of less than this share of the way, are disorder and no trainings begun again."""


@dataclass(frozen=True, slots=True, eq=False)
class Axis:
    """How rows become steps. `by` is step, epoch, both (steps that begin anew in each epoch) or row.

    `restarts` are the rows at which the log went back, and `floors` the lowest step that it went back to there or
    later: what stands before such a row at such a step or beyond gave way.
    """

    unit: str
    by: str
    period: int = 0
    shift: int = 0
    restarts: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    floors: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    def place(self, entries: Entries) -> NDArray[np.float64]:
        """The step of each value; NaN where the log does not tell."""
        if self.by == "row":
            return np.asarray(entries.row + 1.0, np.float64)
        place = entries.step if self.by == "step" else entries.epoch
        if self.by == "both":
            place = place * self.period + entries.step
        told: NDArray[np.float64] = np.where(_whole(place), place + self.shift, np.nan)
        return told

    def stands(self, entries: Entries) -> NDArray[np.bool_]:
        """Whether each value has a step, and no later training took its place."""
        place = self.place(entries)
        stands = place < _floor(self.restarts, self.floors, entries.row)  # not so for NaN
        if len(self.restarts):  # its own as well: a log in several files has them one after the other
            told = np.isfinite(place)
            stands[told] &= place[told] < _floor(
                *_restarts(place[told], entries.row[told]), entries.row[told]
            )
        return stands

    def points(self, entries: Entries) -> Entries:
        """What stands, in the order of the steps, of several at one the last; `step` is the step here."""
        standing = entries[self.stands(entries)]
        standing = replace(standing, step=self.place(standing))
        standing = standing[np.argsort(standing.step, kind="stable")]
        return standing[np.append(np.diff(standing.step) > 0, True)[: len(standing)]]


def axis_of(main: Entries, table: Table, unit: str | None, mended: list[str]) -> Axis:
    """The axis of a log, judged by its most important column; `unit` is that of its steps, where the format says."""
    axis = _counted(main, table, unit, mended)
    place = axis.place(main)
    told = np.isfinite(place)
    if axis.unit == "epoch" and axis.by != "row" and np.min(place, initial=np.inf, where=told) == 0.0:
        axis = replace(axis, shift=1)
    if lost := len(place) - int(told.sum()):
        rows = f"{plural(lost, 'row')} {noun(lost, 'has', 'have')}"
        mended.append(f"{rows} no whole number for the {axis.unit} and {noun(lost, 'was', 'were')} left out")
    return _one_training(axis, main, mended)


def _counted(main: Entries, table: Table, unit: str | None, mended: list[str]) -> Axis:
    usable = {}
    for name, places, by in ((table.step, main.step, "step"), (table.epoch, main.epoch, "epoch")):
        told = places[_whole(places)]
        if name is None:
            continue
        if len(told) < _USABLE * len(places):
            if by == "epoch" and "step" in usable:
                continue  # the fraction of an epoch beside each step, as Hugging Face writes it
            mended.append(f"column {name!r} is not all whole numbers: the rows were counted instead")
        elif len(told) > 2 and np.all(told == told[0]):
            if by == "epoch":  # steps of a first epoch
                usable[by] = Axis("step", "row")
            else:
                mended.append(f"column {name!r} is {told[0]:,.0f} in every row and tells no step")
        else:
            usable[by] = Axis(unit or by, by)
    if "step" in usable:
        steps = main.step
        back, on = np.diff(steps) < 0, np.diff(main.epoch) > 0
        if "epoch" in usable and back.any() and np.sum(back & on) >= 0.5 * back.sum():
            mended.append(f"column {table.step!r} begins anew in each epoch: its steps were counted on")
            period = np.max(steps[_whole(steps)]) + float(np.min(steps[_whole(steps)]) == 0.0)
            return Axis("step", "both", period=int(min(period, _LARGEST)))
        return usable["step"]
    if "epoch" in usable:
        if len(main) > 2 and np.mean(np.diff(main.epoch) == 0) >= 0.5:
            mended.append(f"column {table.epoch!r} has several rows an epoch: the rows were counted as steps")
            return Axis("step", "row")
        return usable["epoch"]
    if unit is None and table.step is None and table.rows > _MANY_ROWS:
        mended.append(f"no column tells the step: the {table.rows:,} rows were counted as steps")
    few = table.rows <= _MANY_ROWS and (table.step is None or table.epoch is not None)
    return Axis(unit or ("epoch" if few else "step"), "row")


def _one_training(axis: Axis, main: Entries, mended: list[str]) -> Axis:
    """The axis with the places where the log went back."""
    told = np.isfinite(axis.place(main))
    place, rows = axis.place(main)[told], main.row[told]
    back = np.flatnonzero(np.diff(place) < 0) + 1
    if not len(back):
        return axis
    if len(place) > 2 and len(back) == len(place) - 1:
        mended.append(f"the log runs backwards, from {axis.unit} {place[0]:,.0f}: it was read from its end")
        return axis
    jump = np.median(place[back - 1] - place[back])
    if len(back) > _DISORDER[0] and jump < _DISORDER[1] * np.ptp(place):
        mended.append(f"the {axis.unit}s went back at {plural(len(back), 'row')}: they were put in order")
        return axis
    restarts, floors = _restarts(place, rows)
    axis = replace(axis, restarts=restarts, floors=floors)
    more = f", and {plural(len(back) - 1, 'more time')}" if len(back) > 1 else ""
    gone = plural(int(np.sum(~axis.stands(main)[told])), "earlier row")
    mended.append(
        f"the log went back to {axis.unit} {place[back[0]]:,.0f} at row {rows[back[0]] + 1:,}{more}: "
        f"{gone} from there on gave way"
    )
    return axis


def _restarts(
    place: NDArray[np.float64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The rows at which these steps go back, and the lowest step gone back to there or later."""
    back = np.flatnonzero(np.diff(place) < 0) + 1
    return rows[back], np.minimum.accumulate(place[back][::-1])[::-1]


def _floor(
    restarts: NDArray[np.int64], floors: NDArray[np.float64], rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The step at which, and beyond which, what stands at each of these rows gave way."""
    later: NDArray[np.float64] = np.append(floors, np.inf)[np.searchsorted(restarts, rows, side="right")]
    return later


def _whole(places: NDArray[np.float64]) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        whole: NDArray[np.bool_] = (places >= 0) & (places <= _LARGEST) & (np.floor(places) == places)
    return whole
