"""How far the loss rises above the chord on the straight line between two solutions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from thalweg.stats.paired import paired


@dataclass(frozen=True, slots=True)
class Barrier:
    """The largest rise of the loss above the chord, `height`, at `position` (0 to 1), and bounds of the true one.

    The rise between two of the positions that were looked at may be larger. A convex loss has none above zero.
    Infinite where the loss is not finite on the line; NaN where it is not at an end or nothing lies between.
    """

    height: float
    position: float
    error: float
    lower: float
    upper: float


_UNKNOWN = Barrier(np.nan, np.nan, np.nan, np.nan, np.nan)


def barrier(positions: ArrayLike, losses: ArrayLike, miss: float = 0.01) -> Barrier:
    """max over a of L(a) - ((1 - a) L(0) + a L(1)), from losses (p, n) at increasing positions (p,) from 0 to 1.

    Frankle et al., *Linear Mode Connectivity and the Lottery Ticket Hypothesis*, ICML 2020, with the chord in place
    of the mean of the ends. The columns are groups of examples: the excess has an error over them, at every position
    of its own; each bound misses with probability `miss`, divided by the number of positions, as it is the largest
    of so many that is taken.
    """
    a, values = np.asarray(positions, dtype=np.float64).ravel(), np.asarray(losses, dtype=np.float64)
    if values.ndim != 2 or len(a) != len(values) or len(a) < 3 or not np.isfinite(a).all():
        return _UNKNOWN
    if not np.isfinite(values[[0, -1]]).all() or not values.shape[1]:
        return _UNKNOWN
    inside = range(1, len(a) - 1)
    for index in inside:
        if not np.isfinite(values[index]).all():
            return Barrier(np.inf, float(a[index]), np.nan, np.inf, np.inf)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        chord = [(1.0 - a[i]) * values[0] + a[i] * values[-1] for i in inside]
        rises = [float(np.mean(values[i] - under)) for i, under in zip(inside, chord, strict=True)]
    found = [paired(values[i], under, miss / len(inside)) for i, under in zip(inside, chord, strict=True)]
    highest = int(np.argmax(rises))
    return Barrier(
        rises[highest],
        float(a[1 + highest]),
        found[highest].error,
        float(np.max([each.lower for each in found])),
        float(np.max([each.upper for each in found])),
    )
