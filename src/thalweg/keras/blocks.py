"""Rows of the tape as blocks of the journal: named, with units, and only what was measured."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.keras.tape import Rows
from thalweg.record import Series

Columns = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Block:
    """k quantities (name, unit) at n steps: `steps` (n,), `values` (n, k)."""

    columns: Columns
    steps: NDArray[np.int64]
    values: NDArray[Any]


@dataclass(frozen=True)
class Layout:
    """What stands on a tape: the tensors' names, and whether the learning rate means something.

    The optimizer makes one update of `accumulation` gradients.
    """

    tensors: Sequence[str]
    has_rate: bool
    accumulation: int = 1


def blocks(rows: Rows, layout: Layout, norm_before: float | None, made: int) -> list[Block]:
    """The blocks of a drain, before which `made` gradients were applied; the last had `norm_before`, where known."""
    found: list[Block] = []

    def add(columns: Sequence[tuple[str, str]], steps: NDArray[np.int64], *values: NDArray[Any]) -> None:
        if len(steps) and columns:
            found.append(Block(tuple(columns), steps, np.column_stack(values).astype(np.float32)))

    add([("loss", "loss")], rows.steps[rows.told], rows.loss[rows.told])
    if not len(rows.applied):
        return found
    applied = rows.steps[rows.applied]
    total = _total(rows.gradient_norms)
    if layout.has_rate:
        add([("learning_rate", "1")], applied, rows.learning_rate)
    add(
        [
            ("gradient_norm", "loss/parameter"),
            ("nonfinite_gradients", "entries"),
            *((f"gradient_norm/{name}", "loss/parameter") for name in layout.tensors),
        ],
        applied, total, rows.nonfinite_gradients, rows.gradient_norms,
    )  # fmt: skip
    steps = applied[rows.costly]
    add(
        [
            ("parameter_norm", "parameter"),
            *((f"parameter_norm/{name}", "parameter") for name in layout.tensors),
            *((f"zero_gradient_fraction/{name}", "fraction") for name in layout.tensors),
        ],
        steps, _total(rows.parameter_norms), rows.parameter_norms, rows.zero_fractions,
    )  # fmt: skip
    moved = (made + rows.costly + 1) % layout.accumulation == 0
    add(
        [("update_norm", "parameter"), *((f"update_ratio/{name}", "1") for name in layout.tensors)],
        steps[moved],
        _total(rows.update_norms)[moved],
        _ratio(rows.update_norms, rows.parameter_norms)[moved],
    )  # fmt: skip
    before = np.concatenate([[np.nan if norm_before is None else norm_before], total[:-1]])[rows.costly]
    known = rows.fresh & ((rows.costly > 0) | (norm_before is not None))
    with np.errstate(all="ignore"):
        cosine = rows.gradient_products / (total[rows.costly] * before)
    # The angle with a gradient of zero length does not exist: it was not measured.
    known &= (total[rows.costly] != 0.0) & (before != 0.0)
    add([("gradient_cosine", "cosine")], steps[known], cosine[known])
    return found


def series(parts: Iterable[Block]) -> list[Series]:
    """The series of some blocks in the order of their steps."""
    steps: dict[tuple[str, str], list[NDArray[np.int64]]] = {}
    values: dict[tuple[str, str], list[NDArray[Any]]] = {}
    for part in parts:
        for index, column in enumerate(part.columns):
            steps.setdefault(column, []).append(part.steps)
            values.setdefault(column, []).append(part.values[:, index])
    return [
        Series(name, unit, np.concatenate(steps[name, unit]), np.concatenate(values[name, unit]))
        for name, unit in steps
    ]


def _total(norms: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) the norm of the whole from the norms (n, T) of its parts."""
    return np.asarray(np.sqrt(np.sum(norms * norms, axis=1)))


def _ratio(changes: NDArray[np.float64], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """|change| / |parameter|; a parameter of zeros that stays one has a ratio of 0."""
    with np.errstate(all="ignore"):
        return np.where(changes == 0.0, 0.0, changes / sizes)
