"""The same network with its hidden units in another order, and the order that is nearest to another network's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.stats.robust import unit

Array = NDArray[np.float64]
Order = NDArray[np.int64]

_SWEEPS = 100


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of a tensor's axis: the units of one group in their order; `group` None, and the order is fixed."""

    group: int | None
    size: int


Axis = tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Symmetry:
    """The reorderings of hidden units that leave a network's function as it is.

    `sizes` are the units of each group that may be reordered among themselves. `tensors` holds for each tensor its
    axes that count hidden units, by number; a unit reordered in one of them is reordered in all. `compared` says
    of each tensor whether it tells units apart: running averages are carried along and not compared.
    """

    sizes: tuple[int, ...]
    tensors: tuple[tuple[tuple[int, Axis], ...], ...]
    compared: tuple[bool, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Matching:
    """An order of each group's units: unit i of the first network goes with unit `orders[group][i]` of the second.

    `moved` of `units` are not where they were. `product` is the inner product of the two networks after it.
    """

    orders: tuple[Order, ...]
    units: int
    moved: int
    product: float


def permuted(
    tensors: Sequence[NDArray[Any]], symmetry: Symmetry, orders: Sequence[Order]
) -> list[NDArray[Any]]:
    """The tensors with the units of each group taken in its order."""
    return [_permuted(tensor, axes, orders) for tensor, axes in zip(tensors, symmetry.tensors, strict=True)]


def match(first: Sequence[Array], second: Sequence[Array], symmetry: Symmetry, seed: int = 0) -> Matching:
    """The order of the second network's units in which its weights have the largest inner product with the first's.

    Group after group, in random order, is given its best order while the others stand still, until none changes
    (Ainsworth, Hayase & Srinivasa, *Git Re-Basin*, ICLR 2023, Algorithm 1). That is a local optimum: a better order
    may exist. It is begun twice, and the better end kept: from the orders as they are, and from those that each group
    has by the tensors that lead to groups before it alone, which finds a permuted copy exactly. An entry that is not
    finite counts as zero.
    """
    ours, theirs = _scaled(first), _scaled(second)
    ends = [
        _climbed(ours, theirs, symmetry, orders, np.random.default_rng(seed))
        for orders in (_as_they_are(symmetry), _one_by_one(ours, theirs, symmetry))
    ]
    products = [_product(ours, permuted(theirs, symmetry, orders), symmetry) for orders in ends]
    orders, product = ends[int(np.argmax(products))], max(products)
    moved = sum(int(np.sum(order != np.arange(len(order)))) for order in orders)
    return Matching(tuple(orders), sum(symmetry.sizes), moved, product)


def _as_they_are(symmetry: Symmetry) -> list[Order]:
    return [np.arange(size) for size in symmetry.sizes]


def _one_by_one(first: Sequence[Array], second: Sequence[Array], symmetry: Symmetry) -> list[Order]:
    """The best order of each group by what it shares with the groups before it and with what is fixed."""
    orders = _as_they_are(symmetry)
    for group in range(len(orders)):
        orders[group] = _best(_similarity(first, second, symmetry, orders, group, known=group))
    return orders


def _climbed(
    first: Sequence[Array],
    second: Sequence[Array],
    symmetry: Symmetry,
    orders: list[Order],
    random: np.random.Generator,
) -> list[Order]:
    for _ in range(_SWEEPS):
        changed = False
        for group in random.permutation(len(orders)).tolist():
            alike = _similarity(first, second, symmetry, orders, group)
            best, units = _best(alike), np.arange(len(alike))
            gain = float(alike[units, best].sum() - alike[units, orders[group]].sum())
            if gain > 1e-12 * max(float(np.abs(alike[units, best]).sum()), np.finfo(float).tiny):
                orders[group], changed = best, True
        if not changed:
            break
    return orders


def _best(alike: Array) -> Order:
    from scipy.optimize import (
        linear_sum_assignment,
    )  # a fifth of a second, which `import thalweg` cannot spare

    return np.asarray(linear_sum_assignment(alike, maximize=True)[1], dtype=np.int64)


def _product(first: Sequence[Array], second: Sequence[Array], symmetry: Symmetry) -> float:
    parts = zip(first, second, symmetry.compared, strict=True)
    return sum(float(np.sum(a * b)) for a, b, compared in parts if compared)


def _permuted(
    tensor: NDArray[Any], axes: Sequence[tuple[int, Axis]], orders: Sequence[Order]
) -> NDArray[Any]:
    for number, axis in axes:
        taken, start = [], 0
        for block in axis:
            order = np.arange(block.size) if block.group is None else orders[block.group]
            taken.append(start + order)
            start += block.size
        tensor = np.take(tensor, np.concatenate(taken), axis=number)
    return tensor


def _similarity(
    first: Sequence[Array],
    second: Sequence[Array],
    symmetry: Symmetry,
    orders: Sequence[Order],
    group: int,
    known: int | None = None,
) -> Array:
    """Inner products (n, n) of each unit of the first network with each of the second, the other groups in order.

    `known`: only over tensors whose other axes hold nothing but groups with lower numbers.
    """
    alike = np.zeros((symmetry.sizes[group],) * 2)
    for ours, theirs, axes, compared in zip(first, second, symmetry.tensors, symmetry.compared, strict=True):
        for number, axis in axes if compared else ():
            starts = np.cumsum([0, *(block.size for block in axis)])
            mine = [
                slice(start, start + block.size)
                for start, block in zip(starts, axis, strict=False)
                if block.group == group
            ]
            others = [each for each in axes if each[0] != number]
            groups = {block.group for _, other in others for block in other}
            if not mine or (known is not None and any(each >= known for each in groups if each is not None)):
                continue
            a = np.moveaxis(ours, number, 0)
            b = np.moveaxis(np.asarray(_permuted(theirs, others, orders)), number, 0)
            for rows in mine:
                alike += a[rows].reshape(len(alike), -1) @ b[rows].reshape(len(alike), -1).T
    return alike


def _scaled(tensors: Sequence[Array]) -> list[Array]:
    """Finite entries below one, so that no product overflows; one scale for all, for they are added up."""
    clean = [np.nan_to_num(np.asarray(t, np.float64), nan=0.0, posinf=0.0, neginf=0.0) for t in tensors]
    scale = max((unit(t) for t in clean if t.size and np.any(t)), default=1.0)
    return [t / scale for t in clean]
