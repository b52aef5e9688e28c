"""How much a correlated series is worth: lag-one autocorrelation and batch means."""

import numpy as np
from numpy.typing import NDArray

HIGHEST = 0.97
"""A series more correlated than this is a random walk to any test of its length."""


def lag_one(residuals: NDArray[np.float64]) -> float:
    """Sum r_t r_{t+1} / sum r_t^2 of residuals (n,) that have mean zero; 0 where they are all zero."""
    total = float(residuals @ residuals)
    return float(residuals[:-1] @ residuals[1:]) / total if total > 0.0 else 0.0


def residuals(x: NDArray[np.float64], y: NDArray[np.float64], degree: int) -> NDArray[np.float64]:
    """What a polynomial of this degree in x leaves of y (n,), n above the degree and x not constant."""
    basis = np.linalg.qr(np.vander((x - x.mean()) / np.ptp(x), degree + 1))[0]
    rest: NDArray[np.float64] = y - basis @ (basis.T @ y)
    # A perfect fit leaves rounding near 1e-16, which carries no information about scatter.
    rest[np.abs(rest) < 1e-14 * max(1.0, float(np.max(np.abs(y))))] = 0.0
    return rest


def inflation(residuals: NDArray[np.float64], fitted: int) -> float:
    """The factor (1 + rho) / (1 - rho) by which correlation widens the variance of a fitted quantity.

    `residuals` (n,) of a least-squares fit of `fitted` parameters. The lag-one autocorrelation of residuals
    is biased by about -(fitted + (2 + fitted) rho) / n (Kendall, *Biometrika* 41, 1954, for fitted = 1); that
    is put back. Negative correlation, which would narrow the error, is not believed.
    """
    n = len(residuals)
    rho = (n * lag_one(residuals) + fitted) / (n - 2 - fitted) if n > fitted + 3 else 0.0
    rho = min(max(rho, 0.0), HIGHEST)
    return (1.0 + rho) / (1.0 - rho)


def batch_means(values: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """Means of at most `most` consecutive batches of equal length, of values (n,).

    The first n mod length values are left out.
    Batches longer than the correlation are nearly independent, and nearly normal whatever the values were.
    """
    length = -(-len(values) // most) if len(values) else 1
    used = len(values) // length * length
    means: NDArray[np.float64] = values[len(values) - used :].reshape(-1, length).mean(axis=1)
    return means
