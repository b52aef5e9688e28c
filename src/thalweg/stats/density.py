"""How the eigenvalues of a symmetric operator are spread, from products, with a band around all at once."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from thalweg.stats.krylov import EPSILON, Krylov, Product, Vector, direction


@dataclass(frozen=True, slots=True, eq=False)
class Cumulative:
    """The share of the eigenvalues at or below each point (k,), between `low` and `high`."""

    share: Vector
    low: Vector
    high: Vector


@dataclass(frozen=True, slots=True, eq=False)
class _Rule:
    """Gauss's quadrature of one direction's spectral measure; `closed`: exact, its Krylov space having an end."""

    nodes: Vector
    sums: Vector
    closed: bool

    def between(self, points: Vector, margin: float) -> tuple[Vector, Vector]:
        """Bounds of the measure at or below each point.

        The measure at or below x, for x from the j-th node up to the next, lies between the weights' sums up to
        j - 1 and to j + 1 (Chebyshev, Markov & Stieltjes; Szego, *Orthogonal Polynomials*, sec. 3.41). Nodes are
        known to `margin`.
        """
        spare = 0 if self.closed else 1
        sums = np.concatenate([[0.0], self.sums, np.ones(1)])
        low = np.searchsorted(self.nodes, points - margin, side="right") - spare
        high = np.searchsorted(self.nodes, points + margin, side="right") + spare
        return sums[np.maximum(low, 0)], sums[np.minimum(high, len(sums) - 1)]


@dataclass(frozen=True, slots=True, eq=False)
class Density:
    """The spectral density as point masses: `nodes` (m,), ascending, and `weights` (m,) that add up to 1.

    From `probes` random directions in `size` dimensions. Empty, and its bounds NaN, where no product was finite.
    """

    nodes: Vector
    weights: Vector
    probes: int
    products: int
    size: int
    rounding: float
    _rules: tuple[_Rule, ...] = field(repr=False)

    @property
    def mean(self) -> float:
        """The mean eigenvalue: the trace over the size."""
        return float(self.nodes @ self.weights) if self.probes else float("nan")

    def sampling(self, confidence: float = 0.95) -> float:
        """How far, at most and anywhere, the directions' mean measure is from the spectrum, at this confidence.

        A random direction gives each eigenvector a weight z^2 / sum z^2, z normal. The cumulative sum of p such
        directions differs from the share of eigenvalues by sqrt(2 / ((n + 2) p)) times a Brownian bridge, whatever
        the spectrum, and the largest magnitude of a bridge has Kolmogorov's distribution.
        """
        from scipy.special import kolmogi

        if not self.probes:
            return float("nan")
        return float(kolmogi(1.0 - confidence) * np.sqrt(2.0 / ((self.size + 2.0) * self.probes)))

    def cumulative(self, points: ArrayLike, confidence: float = 0.95) -> Cumulative:
        """The share of the eigenvalues at or below these points; all bounds hold at once at this confidence."""
        at = np.asarray(points, dtype=np.float64).ravel()
        known = ~np.isnan(at)
        if not self.probes:
            nothing = np.full(len(at), np.nan)
            return Cumulative(nothing, nothing, nothing)
        with np.errstate(all="ignore"):
            margin = self.rounding
            bounds = [rule.between(at, margin) for rule in self._rules]
            low, high = (np.mean(side, axis=0) for side in zip(*bounds, strict=True))
            sums = np.concatenate([[0.0], np.cumsum(self.weights)])
            share = np.clip(sums[np.searchsorted(self.nodes, at + margin, side="right")], 0.0, 1.0)
            spare = self.sampling(confidence)
            return Cumulative(
                np.where(known, share, np.nan),
                np.where(known, np.clip(low - spare, 0.0, 1.0), np.nan),
                np.where(known, np.clip(high + spare, 0.0, 1.0), np.nan),
            )


def density(
    product: Product,
    size: int,
    *,
    probes: int = 4,
    steps: int = 32,
    seed: int = 0,
    precision: float = EPSILON,
) -> Density:
    """The spectral density of the symmetric operator (n, n) behind `product` by stochastic Lanczos quadrature.

    Ubaru, Chen & Saad, *SIAM J. Matrix Anal. Appl.* 38, 2017, sec. 3; for networks Ghorbani, Krishnan & Xiao, ICML
    2019. At most `probes` times `steps` products, `steps` + 1 vectors (n,) at a time. `precision` is the relative
    precision in which the products are computed. Never raises: a product that is not finite ends its probe.
    """
    rules, products, largest, asymmetry = [], 0, 0.0, 0.0
    random = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        for _ in range(max(probes, 0) if size > 0 and steps > 0 else 0):
            space, closed = Krylov(direction(size, random), min(steps, size)), False
            while space.count < space.capacity and not closed and space.extend(product):
                closed = space.beta <= EPSILON * float(np.abs(space.measured).max()) or space.count == size
            products += space.products
            if not space.count:
                continue
            unit = float(np.ldexp(1.0, space.scale or 0))
            values, _, rotation = space.ritz()
            largest = max(largest, float(np.abs(values).max()) * unit)
            asymmetry = max(asymmetry, space.asymmetry * unit)
            rules.append(_Rule(values * unit, np.cumsum(rotation[0] ** 2), closed))
    if not rules:
        return Density(np.empty(0), np.empty(0), 0, products, size, float("nan"), ())
    nodes = np.concatenate([rule.nodes for rule in rules])
    weights = np.concatenate([np.diff(rule.sums, prepend=0.0) for rule in rules]) / len(rules)
    order = np.argsort(nodes, kind="stable")
    rounding = asymmetry + 8.0 * max(precision, EPSILON) * largest
    return Density(nodes[order], weights[order], len(rules), products, size, rounding, tuple(rules))
