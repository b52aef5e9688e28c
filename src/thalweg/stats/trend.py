"""A straight line with an error that knows autocorrelation: never a bare slope."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from thalweg.stats.autocorrelation import batch_means, inflation, residuals
from thalweg.stats.robust import unit
from thalweg.stats.student import distribution, quantile


@dataclass(frozen=True, slots=True)
class Trend:
    """Least-squares line over `count` values; NaN where there was too little to tell.

    `slope` is per step, `change` the fitted change from the first value to the last, `error` the standard
    error of `change`, `degrees` its degrees of freedom.
    """

    slope: float
    change: float
    error: float
    degrees: float
    count: int

    @property
    def t(self) -> float:
        """`change` over its error; infinite for a line without any scatter, NaN for a constant."""
        if self.error == 0.0:
            return float(np.sign(self.change)) * np.inf if self.change else np.nan
        return self.change / self.error

    def quantile(self, probability: float) -> float:
        """The bound below which the true change lies with this probability (Student's t)."""
        return self.change + quantile(self.degrees, probability) * self.error

    @property
    def p_falling(self) -> float:
        """The chance of a slope as negative as this where there is none (one-sided)."""
        return distribution(self.degrees, self.t)

    @property
    def p_rising(self) -> float:
        """The chance of a slope as positive as this where there is none (one-sided)."""
        return distribution(self.degrees, -self.t)


_UNKNOWN = Trend(np.nan, np.nan, np.nan, np.nan, 0)


def trend(steps: ArrayLike, values: ArrayLike, batches: int = 32, degree: int = 2) -> Trend:
    """The least-squares line through values (n,) at steps (n,), non-finite pairs left out.

    The line is fitted to at most `batches` batch means. Its scatter is what a polynomial of `degree` leaves
    (a lower one, under four batch means for each power): curvature is no noise. The variance of the slope is
    widened by (1 + rho) / (1 - rho) with the residuals' bias-corrected lag-one
    autocorrelation rho, and the degrees of freedom are b (1 - rho) / (1 + rho) less the number of
    coefficients, at least 1 (Santer et al., *J. Geophys. Res.* 105, 2000, eq. 4 to 6, with Kendall's bias put
    back). Under five values nothing is said.
    """
    x, y = np.asarray(steps, dtype=np.float64).ravel(), np.asarray(values, dtype=np.float64).ravel()
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    count = len(y)
    if count < 5:
        return _UNKNOWN
    scale, width = unit(y), unit(x)
    x, y = x / width, y / scale
    first, last = float(x[0]), float(x[-1])
    x, y = batch_means(x, batches), batch_means(y, batches)
    x, y = x - x.mean(), y - y.mean()
    square = float(x @ x)
    if square == 0.0:
        return _UNKNOWN
    slope = float(x @ y) / square
    # A fall that slows down is still a fall: scatter is what a curve leaves, given enough values.
    degree = max(1, min(degree, len(y) // 4))
    rest = residuals(x, y, degree)
    factor = inflation(rest, degree + 1)
    degrees = max(len(y) / factor - degree - 1.0, 1.0)
    error = float(np.sqrt(float(rest @ rest) / (len(y) - degree - 1) * factor / square))
    span = last - first
    with np.errstate(over="ignore", under="ignore"):
        return Trend(
            float(np.float64(slope) * scale / width),
            slope * span * scale,
            error * abs(span) * scale,
            degrees,
            count,
        )
