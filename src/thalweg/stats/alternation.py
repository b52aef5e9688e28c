"""Up, down, up, down: a series that overshoots at every step."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from thalweg.stats.autocorrelation import lag_one
from thalweg.stats.robust import finite, spread, unit


@dataclass(frozen=True, slots=True)
class Alternation:
    """Lag-one `correlation` of `count` values about their line; NaN where unknown.

    `score` is the correlation in standard errors, `amplitude` is the robust standard deviation about the
    line.
    """

    correlation: float
    score: float
    amplitude: float
    count: int


def alternation(values: ArrayLike) -> Alternation:
    """Whether neighbours lie on opposite sides of the least-squares line through values (n,).

    Under independent noise sqrt(n) times the lag-one correlation is standard normal (Bartlett, 1946);
    -1 is a perfect period of two. Under eight values, or without scatter, nothing is said.
    """
    y = finite(values)
    n = len(y)
    if n < 8:
        return Alternation(np.nan, np.nan, np.nan, n)
    scale = unit(y)
    x = np.arange(n) - (n - 1) / 2.0
    y = y / scale - float(np.mean(y / scale))
    residuals = y - float(x @ y) / float(x @ x) * x
    if float(np.max(np.abs(residuals))) < 1e-14:
        return Alternation(np.nan, np.nan, 0.0, n)
    rho = lag_one(residuals)
    return Alternation(rho, rho * float(np.sqrt(n)), spread(residuals).scale * scale, n)
