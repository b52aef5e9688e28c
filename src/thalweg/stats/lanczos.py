"""The extreme eigenvalues of a symmetric operator that is known by its products, and what may have been missed."""

import enum
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from thalweg.stats.krylov import EPSILON, Krylov, Product, Vector, direction

# SciPy's eigsh (ARPACK) and lobpcg are not used: neither stops at a number of products, gives back what it has when a
# product is NaN, or keeps the recurrence that `missed_above` needs; eigsh returns no residuals and raises where it
# has not converged, lobpcg warns.

_RANDOM_PART = 0.01
"""Of a start that was given: what is added of a random direction, so that nothing is out of reach."""
_UNSEEN = 3
"""Products before the first look at the residuals: of a start that was given the random part has to grow first."""
_FEWEST = 6
"""Vectors in a basis: below, a restart has nothing to keep."""


class Ending(enum.Enum):
    """Why the search ended."""

    CONVERGED = "The residuals were within the tolerance."
    BUDGET = "The products allowed were used up."
    NONFINITE = "A product was not finite."
    EMPTY = "No product was allowed, or the operator has no dimension."


@dataclass(frozen=True, slots=True, eq=False)
class Ritz:
    """An approximate eigenvalue: `value` ± `residual` holds an eigenvalue for certain.

    For a symmetric operator and a unit `vector` (n,), |A v - value v| <= residual (Weyl). `residual` is measured and
    allows for rounding and for how far the products were seen to be from symmetric. NaN where nothing is known.
    """

    value: float
    residual: float
    vector: Vector

    @property
    def low(self) -> float:
        """No eigenvalue need be below this."""
        return self.value - self.residual

    @property
    def high(self) -> float:
        """No eigenvalue need be above this."""
        return self.value + self.residual


@dataclass(frozen=True, slots=True, eq=False)
class Extremes:
    """The outermost Ritz pairs after so many `products`.

    The true smallest eigenvalue is at most `smallest.high`, the true largest at least `largest.low`, for certain. How
    far beyond they may be is known with a probability only: `lower` and `upper`. `rounding` is the length of a
    product's error, from its precision and from how far from symmetric the products were; every bound allows for it.
    """

    smallest: Ritz
    largest: Ritz
    products: int
    ending: Ending
    size: int
    rounding: float
    _history: tuple[tuple[Vector, float] | Vector, ...] = field(repr=False)
    _unit: float = field(repr=False)
    _random: float = field(repr=False)

    @property
    def converged(self) -> bool:
        """Whether both residuals (or, if only the largest was asked for, its) were within the tolerance."""
        return self.ending is Ending.CONVERGED

    @property
    def norm(self) -> float:
        """The largest magnitude seen."""
        return max(abs(self.smallest.value), abs(self.largest.value))

    def missed_above(self, value: float) -> float:
        """Chance, over random starts, to have seen no more than this if an eigenvalue is at `value` or above it.

        `value` lies above the largest Ritz value (else the answer is 1). An eigenvector u at lambda has a part
        <u, v_j> = <u, v_1> phi_j(lambda) of each basis vector, where phi follows the recurrence of the basis, through
        restarts too, and the parts' squares add up to at most 1; so |<u, v_1>| <= 1 / |phi(lambda)|, and of a random
        unit vector the square of a component is Beta(1/2, (n - 1)/2) (van Dorsselaer, Hochstenbach & van der Vorst,
        *SIAM J. Matrix Anal. Appl.* 22, 2000, sec. 3). That is never weaker, and for a separated eigenvalue far
        stronger, than the bound before the fact of Kuczynski and Wozniakowski (*SIAM J. Matrix Anal. Appl.* 13, 1992,
        theorem 4.2).
        """
        return self._missed(value) if value > self.largest.value else self._unknown(value)

    def missed_below(self, value: float) -> float:
        """The same for an eigenvalue at `value` or below it."""
        return self._missed(value) if value < self.smallest.value else self._unknown(value)

    def upper(self, failure: float = 0.01) -> float:
        """No eigenvalue is above this, but for a share of `failure` of the random starts; NaN where unknown."""
        return self._beyond(self.largest, 1.0, failure)

    def lower(self, failure: float = 0.01) -> float:
        """No eigenvalue is below this, but for a share of `failure` of the random starts; NaN where unknown."""
        return self._beyond(self.smallest, -1.0, failure)

    def _unknown(self, value: float) -> float:
        return float("nan") if np.isnan(value) or np.isnan(self.norm) else 1.0

    def _missed(self, value: float) -> float:
        from scipy.special import betainc

        if self.size == 1:
            return 0.0
        with np.errstate(over="ignore", under="ignore"):
            part = np.exp(-0.5 * self._growth(value / self._unit)) / self._random
            return float(betainc(0.5, 0.5 * (self.size - 1), min(part * part, 1.0)))

    def _growth(self, value: float) -> float:
        """The logarithm of the sum of phi_j(value)^2, at its largest."""
        floor = max(self.rounding / self._unit, EPSILON * EPSILON)
        phi, logarithm, most = np.ones(1), 0.0, 0.0
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            for entry in self._history:
                if isinstance(entry, tuple):
                    coefficients, beta = entry
                    following = (value * phi[-1] - coefficients @ phi) / max(beta, floor)
                    phi = np.append(phi, following)
                else:
                    phi = np.append(phi[:-1] @ entry, phi[-1])
                largest = float(np.abs(phi).max())
                if not np.isfinite(largest):
                    return np.inf
                phi, logarithm = phi / (largest or 1.0), logarithm + float(np.log(largest or 1.0))
                most = max(most, 2.0 * logarithm + float(np.log(phi @ phi)))
        return most

    def _beyond(self, ritz: Ritz, sign: float, failure: float) -> float:
        if np.isnan(ritz.value) or not failure > 0.0:
            return float("nan")
        near, width = 0.0, max(ritz.residual, np.finfo(np.float64).tiny)
        with np.errstate(over="ignore"):
            while self._missed(ritz.value + sign * width) > failure:
                near, width = width, 2.0 * width
                if not np.isfinite(ritz.value + sign * width):
                    return sign * np.inf
        for _ in range(30):
            middle = 0.5 * (near + width)
            if self._missed(ritz.value + sign * middle) > failure:
                near = middle
            else:
                width = middle
        return ritz.value + sign * (width + self.rounding)


def extremes(
    product: Product,
    size: int,
    *,
    products: int = 100,
    tolerance: float = 1e-6,
    seed: int = 0,
    basis: int = 48,
    start: NDArray[np.float64] | None = None,
    both: bool = True,
    precision: float = EPSILON,
) -> Extremes:
    """The smallest and largest eigenvalue of the symmetric operator (n, n) behind `product`, n = `size`.

    At most `products` products; ends as soon as the residuals are within `tolerance` of the largest magnitude seen
    (of the largest eigenvalue alone, unless `both`). Holds `basis` + 1 vectors (n,) and restarts with the outer Ritz
    vectors when they are full. `start` (n,) is where to begin, for instance an eigenvector found before; a random
    direction of `seed` otherwise. `precision` is the relative precision in which the products are computed.

    Never raises: a product that is not finite, nearly or not at all symmetric, or zero, is answered.
    """
    if size < 1 or products < 1:
        nothing = Ritz(float("nan"), float("nan"), np.full(max(size, 0), np.nan))
        return Extremes(nothing, nothing, 0, Ending.EMPTY, size, float("nan"), (), 1.0, 1.0)
    with np.errstate(all="ignore"):
        first, random = _first(size, seed, start)
        space = Krylov(first, min(max(basis, _FEWEST), size))
        ending = _search(space, product, products, max(tolerance, 0.0), both)
        return _result(space, ending, random, precision)


def preconditioned(product: Product, diagonal: NDArray[np.float64]) -> Product:
    """Products with P^(-1/2) A P^(-1/2), with the eigenvalues of P^(-1) A; `diagonal` (n,) > 0 is that of P."""
    with np.errstate(all="ignore"):
        root = 1.0 / np.sqrt(np.asarray(diagonal, dtype=np.float64))

    def multiplied(vector: Vector) -> Vector:
        return root * np.asarray(product(root * vector), dtype=np.float64).ravel()

    return multiplied


def _first(size: int, seed: int, start: NDArray[np.float64] | None) -> tuple[Vector, float]:
    """The first vector, and how much of it at least is random."""
    random = direction(size, np.random.default_rng(seed))
    if start is None:
        return random, 1.0
    given = np.asarray(start, dtype=np.float64).ravel()
    given = np.ldexp(given, -np.frexp(np.abs(given).max(initial=0.0))[1])
    length = float(np.sqrt(given @ given))
    if len(given) != size or not (np.isfinite(length) and length > 0.0):
        return random, 1.0
    mixed = given / length + _RANDOM_PART * random
    return mixed / np.sqrt(mixed @ mixed), _RANDOM_PART / (1.0 + _RANDOM_PART)


def _search(space: Krylov, product: Product, products: int, tolerance: float, both: bool) -> Ending:
    size = space.vectors.shape[1]
    while space.extend(product):
        full = space.count == space.capacity
        if space.beta <= EPSILON * float(np.abs(space.measured).max()) or space.count == size:
            return (
                Ending.CONVERGED
            )  # the space is closed: nothing that a random start touches is outside of it
        if space.products > _UNSEEN or space.products == products:
            values, residuals, rotation = space.ritz()
            if _within(values, residuals, tolerance, both):
                return Ending.CONVERGED
        if space.products == products:
            return Ending.BUDGET
        if full:
            space.restart(rotation[:, _kept(space.capacity, both)])
    return Ending.NONFINITE


def _within(values: Vector, residuals: Vector, tolerance: float, both: bool) -> bool:
    allowed = tolerance * float(np.abs(values[[0, -1]]).max())
    return bool(residuals[-1] <= allowed and (residuals[0] <= allowed or not both))


def _kept(capacity: int, both: bool) -> list[int]:
    """Which of the ascending Ritz vectors outlive a restart: half of them, from the ends that are asked for."""
    half = capacity // 2
    below = half // 2 if both else 1
    return [*range(below), *range(capacity - (half - below), capacity)]


def _result(space: Krylov, ending: Ending, random: float, precision: float) -> Extremes:
    size, unit = space.vectors.shape[1], float(np.ldexp(1.0, space.scale or 0))
    if not space.count:
        nothing = Ritz(float("nan"), float("nan"), np.full(size, np.nan))
        return Extremes(nothing, nothing, space.products, ending, size, float("nan"), (), 1.0, 1.0)
    values, residuals, rotation = space.ritz()
    relative = 8.0 * max(precision, EPSILON) + 4.0 * EPSILON * space.products
    rounding = space.asymmetry + relative * float(np.abs(values).max())
    vectors = space.lift(rotation[:, [0, -1]].T)

    def pair(index: int) -> Ritz:
        return Ritz(float(values[index]) * unit, float(residuals[index] + rounding) * unit, vectors[index])

    return Extremes(
        pair(0),
        pair(-1),
        space.products,
        ending,
        size,
        rounding * unit,
        tuple(space.history),
        unit,
        random,
    )
