"""Means of what was drawn independently."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from thalweg.stats.robust import unit
from thalweg.stats.student import quantile


@dataclass(frozen=True, slots=True)
class Drawn:
    """A mean of `count` draws and its standard error; NaN where unknown."""

    value: float
    error: float
    count: int

    def within(self, probability: float) -> float:
        """Half the width of the interval that holds the true mean with this probability (Student's t)."""
        return quantile(self.count - 1.0, 0.5 + 0.5 * probability) * self.error if self.count > 1 else np.nan


def drawn(values: ArrayLike, weights: ArrayLike | None = None) -> Drawn:
    """The mean of the finite values (n,), weighted where they have weights (n,) of 0 or more.

    With weights it is the ratio of two means, sum w x / sum w, with the error of its linearisation,
    n / (n - 1) sum w^2 (x - ratio)^2 / (sum w)^2 (Cochran, *Sampling Techniques*, 1977, sec. 2.11).
    """
    x = np.asarray(values, dtype=np.float64).ravel()
    w = np.ones(len(x)) if weights is None else np.asarray(weights, dtype=np.float64).ravel()
    x, w = x[: len(w)], w[: len(x)]
    known = np.isfinite(x) & np.isfinite(w) & (w >= 0.0)
    x, w = x[known], w[known]
    n = len(x)
    if not n or not w.any():
        return Drawn(np.nan, np.nan, n)
    scale, w = unit(x), w / unit(w)
    w, x = w / w.sum(), x / scale
    value = float(w @ x)
    error = float(np.sqrt(n / (n - 1) * np.sum((w * (x - value)) ** 2))) if n > 1 else np.nan
    return Drawn(value * scale, error * scale, n)
