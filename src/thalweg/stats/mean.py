"""A mean with an error that knows autocorrelation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from thalweg.stats.autocorrelation import batch_means, inflation, residuals
from thalweg.stats.robust import finite, unit
from thalweg.stats.student import quantile


@dataclass(frozen=True, slots=True)
class Mean:
    """Mean of `count` values, its standard error and the error's degrees of freedom; NaN where unknown."""

    value: float
    error: float
    degrees: float
    count: int

    def quantile(self, probability: float) -> float:
        """The bound below which the true mean lies with this probability (Student's t)."""
        return self.value + quantile(self.degrees, probability) * self.error


def mean(values: ArrayLike, batches: int = 32) -> Mean:
    """Mean of the finite values (n,), with an error from at most `batches` batch means.

    error^2 = s^2 / b * (1 + rho) / (1 - rho) over b batch means whose variance about their line is s^2 (a
    steady drift moves the mean and is no noise) and with bias-corrected lag-one autocorrelation rho; degrees
    of freedom b (1 - rho) / (1 + rho) - 2, at least 1 (Law & Kelton, *Oper. Res.* 32, 1984, for batch means;
    Bartlett, *J. R. Stat. Soc.* 98, 1935, for the factor). Under four values the error is NaN.
    """
    x = finite(values)
    n = len(x)
    if not n:
        return Mean(np.nan, np.nan, np.nan, 0)
    scale = unit(x)
    x = x / scale
    value = float(x.mean())
    if n < 4:
        return Mean(value * scale, np.nan, np.nan, n)
    groups = batch_means(x, batches)
    rest = residuals(np.arange(len(groups), dtype=np.float64), groups, 1)
    factor = inflation(rest, 2)
    variance = float(rest @ rest) / (len(groups) - 2) / len(groups) * factor
    degrees = max(len(groups) / factor - 2.0, 1.0)
    return Mean(value * scale, float(np.sqrt(variance)) * scale, degrees, n)
