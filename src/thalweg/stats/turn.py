"""Where a noisy series stopped falling and began to rise, and by how much."""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike

from thalweg.stats.autocorrelation import inflation
from thalweg.stats.robust import unit
from thalweg.stats.signs import p_falls
from thalweg.stats.trend import trend


@dataclass(frozen=True, slots=True)
class Turn:
    """The lowest stretch of a series against its last one; NaN where there was too little to tell.

    `index` is the place of the lowest value of the lowest stretch (-1 where unknown), `lowest` and `latest`
    the means of the two stretches, `error` the standard error of their difference, `p_rising` the chance of
    so steep a rise after the turn where there is none, `p_signs` that of so many rises from one value to the
    next (see `p_falls`).
    """

    index: int
    lowest: float
    latest: float
    error: float
    p_rising: float
    p_signs: float = np.nan

    @property
    def rise(self) -> float:
        """How far the last stretch lies above the lowest; zero where the lowest is the last."""
        return self.latest - self.lowest

    @property
    def score(self) -> float:
        """The rise in standard errors."""
        return self.rise / self.error if self.error > 0.0 else np.nan


_UNKNOWN = Turn(-1, np.nan, np.nan, np.nan, np.nan)


def turn(values: ArrayLike, fewest: int = 10) -> Turn:
    """The turn of values (n,) in equal steps, non-finite ones left out; unknown under `fewest` values.

    The lowest of all stretches of k = max(2, n // 6) values is set against the last half of what follows it
    (m values, k or more). With the noise s, error^2 = s^2 (1/k + 1/m) (1 + rho) / (1 - rho). s is taken from
    the lowest stretch on: the scatter about its line, or the second differences over sqrt 6, which a smooth
    curve does not enter, whichever is larger; rho is the residuals' lag-one autocorrelation.

    The lowest stretch was picked because it is low, so `score` is no t value: under pure noise its median is
    about one. Its error rates are measured in `benchmarks/error_rates.py`.
    """
    y = np.asarray(values, dtype=np.float64).ravel()
    places = np.flatnonzero(np.isfinite(y))
    y = y[places]
    n = len(y)
    if n < fewest:
        return _UNKNOWN
    scale = unit(y)
    y = y / scale
    k = max(2, n // 6)
    means = sliding_window_view(y, k).mean(axis=1)
    start = int(np.argmin(means[: n - 2 * k + 1]))
    index = start + int(np.argmin(y[start : start + k]))
    rest = y[index:]
    last = y[start + k :]
    last = last[-max(k, len(last) // 2) :]
    x = np.arange(len(rest)) - (len(rest) - 1) / 2.0
    residuals = rest - rest.mean() - float(x @ rest) / float(x @ x) * x
    scatter = float(residuals @ residuals) / (len(rest) - 2)
    rough = float(np.mean(np.diff(rest, 2) ** 2)) / 6.0
    variance = max(scatter, rough) * (1.0 / k + 1.0 / len(last)) * inflation(residuals, 2)
    return Turn(
        int(places[index]),
        float(means[start]) * scale,
        float(last.mean()) * scale,
        float(np.sqrt(variance)) * scale,
        # A rise speeds up after the turn and slows down at the end: an S, which a cubic follows. In few
        # values it follows noise that wanders as well.
        trend(x, rest, degree=3 if len(rest) >= 24 else 2).p_rising,
        p_falls(-rest),
    )
