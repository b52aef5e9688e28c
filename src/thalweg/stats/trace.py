"""The trace of a symmetric operator that is known by its products, with an error."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thalweg.stats.krylov import EPSILON, Product
from thalweg.stats.student import quantile

Matrix = NDArray[np.float64]

_LARGEST = 1e140
"""Beyond it the sum of many squares overflows."""


@dataclass(frozen=True, slots=True)
class Trace:
    """An unbiased estimate of a trace and its standard error; NaN where there were too few products to tell.

    `degrees` are those of the error, infinite where every dimension was asked: then the error is none but `rounding`.
    """

    value: float
    error: float
    degrees: float
    rounding: float
    products: int

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Bounds that hold the trace at this confidence (Student's t)."""
        if self.error == 0.0:
            half = self.rounding
        else:
            half = quantile(self.degrees, 0.5 + 0.5 * confidence) * self.error + self.rounding
        return self.value - half, self.value + half


def trace(
    product: Product, size: int, *, products: int = 60, seed: int = 0, precision: float = EPSILON
) -> Trace:
    """The trace of the symmetric operator (n, n) behind `product`, n = `size`, from at most `products` products.

    Hutch++ (Meyer, Musco, Musco & Woodruff, SOSA 2021, algorithm 1): exact on the range of a random sketch, which
    takes up what is large, and Hutchinson's estimate on the rest. A third of the products each; a constant number of
    vectors (n,) for a constant number of products, four thirds of them.

    The probes are directions of one length in what the sketch left (Epperly, Tropp & Webber, *SIAM J. Matrix Anal.
    Appl.* 45, 2024, sec. 2.3). The variance of <g, A g> is the larger of two estimates: the probes' own, and the mean
    of 2 |A g - (<g, A g> / m) g|^2, m = |g|^2, unbiased too: both are 2 m / (m + 2) |A - (trace / m) I|^2 in
    Frobenius's norm. Alone, the first is too small too often where few eigenvalues dominate. Never raises; NaN where
    a product is not finite.
    """
    count = max(min(products, size), 0)
    if not count:
        return Trace(np.nan, np.nan, np.nan, np.nan, 0)
    random = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        if size <= products:
            return _result(_multiplied(product, np.eye(size)).diagonal(), np.empty(0), 0.0, count, precision)
        third = count // 3 if count >= 6 else 0
        sketch = _multiplied(product, random.standard_normal((third, size)))
        if not np.all(np.abs(sketch) < _LARGEST):
            return Trace(np.nan, np.nan, np.nan, np.nan, third)
        sketch = np.ldexp(sketch, -np.frexp(np.abs(sketch).max(initial=0.0))[1])
        basis = np.linalg.qr(sketch.T)[0].T
        inside = np.sum(basis * _multiplied(product, basis), axis=1)
        probes = random.standard_normal((count - 2 * third, size))
        probes -= (probes @ basis.T) @ basis
        rest = size - third
        probes *= np.sqrt(rest / np.sum(probes**2, axis=1))[:, None]
        images = _multiplied(product, probes)
        outside = np.sum(probes * images, axis=1)
        images -= (images @ basis.T) @ basis
        images -= (outside / rest)[:, None] * probes
        return _result(inside, outside, 2.0 * float(np.mean(np.sum(images**2, axis=1))), count, precision)


def _multiplied(product: Product, rows: Matrix) -> Matrix:
    """A v for each row (k, n)."""
    products = np.empty_like(rows)
    for row, into in zip(rows, products, strict=True):
        into[:] = np.asarray(product(row.copy()), dtype=np.float64).ravel()
    return products


def _result(inside: Matrix, outside: Matrix, variance: float, products: int, precision: float) -> Trace:
    """`inside` (k,) add up, `outside` (p,) are averaged; their variance is at least `variance`."""
    value, size = float(inside.sum()), float(np.abs(inside).sum())
    error, degrees = 0.0, np.inf
    if len(outside):
        value += float(outside.mean())
        size += float(np.abs(outside).mean())
        degrees = len(outside) - 1.0
        own = float(outside.var(ddof=1)) if degrees else np.nan
        error = float(np.sqrt(max(own, variance) / len(outside)))
    if not np.isfinite(value):
        return Trace(np.nan, np.nan, np.nan, np.nan, products)
    return Trace(value, error, degrees, 8.0 * max(precision, EPSILON) * size, products)
