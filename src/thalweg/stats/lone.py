"""A value that stands apart from all the others, again and again."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Lone:
    """The least or the largest `value`, and the `count` of entries that are equal to it.

    `gap` is how far it is from the others, in units of their range, `share` the part of the variance between the two.
    """

    value: float
    count: int
    gap: float
    share: float


def lone(values: NDArray[np.float64]) -> Lone | None:
    """The extreme of finite values (n,) that stands farther apart; None of fewer than three different ones."""
    known = values[np.isfinite(values)]
    unique, counts = np.unique(known, return_counts=True)
    if len(unique) < 3:
        return None
    found = []
    with np.errstate(all="ignore"):
        for here, near, far in ((0, 1, -1), (-1, -2, 0)):
            others = known[known != unique[here]]
            part = counts[here] / len(known)
            between = part * (1.0 - part) * (unique[here] - others.mean()) ** 2
            gap = abs(unique[near] - unique[here]) / abs(unique[far] - unique[near])
            found.append(
                Lone(float(unique[here]), int(counts[here]), float(gap), float(between / np.var(known)))
            )
    return max(found, key=lambda each: each.gap)
