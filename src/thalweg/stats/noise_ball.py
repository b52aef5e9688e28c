"""Whether the noise ball of a step size is reached: progress of the averages held against what noise costs."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

RUNNING = 3
"""Looks that must agree: they share three quarters of their windows, and one alone is fooled ten times as often."""
ERRORS = 3.0
"""The cost of noise must stand so many of its standard errors above zero, else there is no noise ball."""

ROUNDING = 1e-6
"""A loss in single precision is known to so much of itself: less costs no noise."""


def reached(
    span: ArrayLike, early: ArrayLike, late: ArrayLike, iterates: ArrayLike, error: ArrayLike
) -> NDArray[np.bool_]:
    """At which looks (n,) the noise ball is reached; see `Look` for the five quantities (n,).

    It is where P < E and E > 3 se(E) at this look and the two before it, with P = early - late the progress of the
    mean point and E = iterates - late the cost of noise; looks on both sides of a new beginning (a `span` that does
    not grow) never count together, nor what is within the rounding of the loss. What is not finite is not reached.
    """
    given = [np.asarray(values, dtype=np.float64).ravel() for values in (span, early, late, iterates, error)]
    count = min(map(len, given))
    t, before, after, points, scatter = (values[:count] for values in given)
    found = np.zeros(count, dtype=np.bool_)
    agreed = 0
    with np.errstate(all="ignore"):
        progress, cost = before - after, points - after
        noisy = cost > np.maximum(ERRORS * scatter, ROUNDING * np.abs(after))
        holds = noisy & (progress < cost) & np.isfinite(cost) & np.isfinite(progress)
        for i in range(count):
            anew = i > 0 and not t[i] > t[i - 1]
            agreed = (0 if anew else agreed) + 1 if holds[i] else 0
            found[i] = agreed >= RUNNING
    return found
