"""Whether what happens at a place of an epoch comes back at that place in the next."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from thalweg.stats.robust import unit


@dataclass(frozen=True, slots=True)
class Recurrence:
    """Of `epochs` epochs of `places` steps; NaN where there was too little to tell.

    `share`: of the scatter within the epochs, how much comes back at the same place. `p_place`: the chance of
    so much where places do not matter (F test). `p_order`: the chance of neighbouring places being so alike,
    or so unlike, where the order of the places is drawn at random (Bartels' rank test, two-sided).
    """

    share: float
    p_place: float
    p_order: float
    epochs: int
    places: int


def recurrence(values: ArrayLike) -> Recurrence:
    """Recurrence in values (epochs, places), from each epoch of which its own quadratic is taken.

    The mean of a place over e epochs is held against what is left: F with p - 3 and (e - 1)(p - 3) degrees of
    freedom. Neighbouring places are compared by their mean ranks within the epochs, their quadratic taken off:
    sum (r_i - r_{i+1})^2 / sum r_i^2, normal about 2 with variance 4 / n in a random order, whatever the values
    are (Bartels, *J. Am. Stat. Assoc.* 77, 1982, after von Neumann).

    A random order that is repeated gives a small `p_place` (the same hard examples come back) and any
    `p_order`. Under three epochs or 16 places, or with a value that is not finite, nothing is said.
    """
    x = np.array(values, dtype=np.float64, ndmin=2)
    epochs, places = (x.shape[0], x.shape[1]) if x.ndim == 2 else (0, 0)
    unknown = Recurrence(np.nan, np.nan, np.nan, epochs, places)
    if epochs < 3 or places < 16 or not np.isfinite(x).all():
        return unknown
    x = x / unit(x.ravel())
    basis = np.linalg.qr(np.vander(np.linspace(-1.0, 1.0, places), 3))[0]
    rest = x - (x @ basis) @ basis.T
    # One wild place would bend a line through the values, and so be seen in its neighbours: ranks cannot.
    ranked = _ranks(x)
    ranked = ranked - (ranked @ basis) @ basis.T
    means = rest.mean(axis=0)
    between = epochs * float(means @ means)
    total = float(np.sum(rest**2))
    within = max(total - between, 0.0)
    # Rounding leaves something of a constant.
    if total <= 1e-24 * float(np.sum(x**2)):
        return unknown
    from scipy.special import fdtrc, ndtr

    free = places - 3
    ratio = between * (epochs - 1) / within if within > 0.0 else np.inf
    p_place = float(fdtrc(free, (epochs - 1) * free, ratio)) if np.isfinite(ratio) else 0.0
    order = ranked.mean(axis=0)
    likeness = float(np.sum(np.diff(order) ** 2) / max(order @ order, np.finfo(float).tiny))
    p_order = 2.0 * float(ndtr(-abs(likeness - 2.0) * np.sqrt(places / 4.0)))
    return Recurrence(between / total, p_place, p_order, epochs, places)


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks within the last axis; equal values have one rank, lest their order in the epoch show in it."""
    if values.ndim > 1:
        return np.stack([_ranks(row) for row in values])
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1.0) / 2.0)[place]
