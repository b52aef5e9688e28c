"""The gradient against its own noise, from pairs of independent mini-batch gradients at the same weights."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from thalweg.stats.robust import unit
from thalweg.stats.student import quantile


@dataclass(frozen=True, slots=True)
class NoiseScale:
    """How large the gradient is and how much one example's scatters about it; NaN where unknown.

    `square` is |G|^2 and `trace` that of the gradients' covariance, tr(Sigma), both (loss/parameter)^2; their
    standard errors and the correlation of the two estimates come from `pairs` pairs. An unbiased `square` may be
    negative.
    """

    square: float
    square_error: float
    trace: float
    trace_error: float
    correlation: float
    pairs: int

    @property
    def value(self) -> float:
        """tr(Sigma) / |G|^2, in examples: the batch at which noise and gradient are alike; NaN where unresolved."""
        return self.trace / self.square if np.isfinite(self.interval()[1]) else np.nan

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Holds the noise scale with this confidence; unbounded above where it is unresolved.

        The values B for which `trace - B square` does not differ from zero (Fieller, *J. R. Stat. Soc. B* 16, 1954,
        with Student's t). They end somewhere only where the interval of |G|^2 lies above zero; else from a lower end
        on every scale is possible, or any at all.
        """
        t2 = quantile(self.pairs - 1.0, 0.5 + confidence / 2.0) ** 2 if self.pairs > 1 else np.nan
        scales = (
            unit(np.array([self.trace, self.trace_error])),
            unit(np.array([self.square, self.square_error])),
        )
        x, dx = self.trace / scales[0], self.trace_error / scales[0]
        u, du = self.square / scales[1], self.square_error / scales[1]
        a, b, c = u * u - t2 * du * du, x * u - t2 * self.correlation * dx * du, x * x - t2 * dx * dx
        root = b * b - a * c
        if not (np.isfinite(root) and x > 0.0):
            return 0.0, np.inf
        ratio = scales[0] / scales[1]
        root = float(np.sqrt(max(root, 0.0)))
        if u > 0.0 and a > 0.0:
            return max(b - root, 0.0) / a * ratio, (b + root) / a * ratio
        # From here on to infinity and beyond: |G|^2 may be zero.
        return (c / (b + root) * ratio if c > 0.0 and b + root > 0.0 else 0.0), np.inf


_UNKNOWN = NoiseScale(np.nan, np.nan, np.nan, np.nan, np.nan, 0)


def noise_scale(
    products: ArrayLike, squares: ArrayLike, batch_size: int, total: int | None = None
) -> NoiseScale:
    """The noise scale of k pairs of gradients, from their inner products (k,) and squared norms (2 k,).

    Each gradient is the mean over `batch_size` examples of its own, those of a pair drawn without replacement
    from `total` examples (None: from endlessly many). With U the inner product and X = b |g_A - g_B|^2 / 2, X
    has mean tr(Sigma) and U + X / total has mean |G|^2, exactly: without replacement the two batches' noises
    are against one another by tr(Sigma) / total. Both are averaged before they are divided (McCandlish et al.,
    arXiv:1812.06162, 2018, appendix A.1): a mean of ratios is biased without bound. Pairs with a value that is not
    finite are left out; under three nothing is said.
    """
    u = np.asarray(products, dtype=np.float64).ravel()
    norms = np.asarray(squares, dtype=np.float64).ravel()[: 2 * len(u)]
    u, norms = u[: len(norms) // 2], norms[: len(norms) // 2 * 2].reshape(-1, 2)
    known = np.isfinite(u) & np.isfinite(norms).all(axis=1)
    u, norms = u[known], norms[known]
    k = len(u)
    if k < 3 or not batch_size > 0:
        return _UNKNOWN
    scale = unit(np.append(u, norms))
    u, norms = u / scale, norms / scale
    x = norms.mean(axis=1) - u
    v = u + (x * (batch_size / total) if total else 0.0)
    dx, dv = x - x.mean(), v - v.mean()
    xx, vv = float(dx @ dx), float(dv @ dv)
    return NoiseScale(
        float(v.mean()) * scale,
        float(np.sqrt(vv / (k - 1) / k)) * scale,
        float(x.mean()) * scale * batch_size,
        float(np.sqrt(xx / (k - 1) / k)) * scale * batch_size,
        float(dx @ dv) / float(np.sqrt(xx * vv)) if xx * vv > 0.0 else 0.0,
        k,
    )
