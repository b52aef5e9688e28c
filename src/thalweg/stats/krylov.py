"""A basis of what products with a symmetric operator reach from one vector, and the operator on that basis."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Product = Callable[[Vector], Vector]

EPSILON = float(np.finfo(np.float64).eps)
_LARGEST = 1e140
"""Beyond it the sum of many squares overflows."""
_SHORTER = 0.7
"""A vector that keeps this share of its length in a pass of Gram and Schmidt is orthogonal to rounding."""
_PIECE = 1 << 16
"""Columns that are turned into Ritz vectors at a time, so that turning needs no second basis."""


def direction(size: int, random: np.random.Generator) -> Vector:
    """A unit vector (n,) that points anywhere alike."""
    vector = random.standard_normal(size)
    return vector / np.sqrt(vector @ vector)


class Krylov:
    """Orthonormal vectors v_1, v_2, ... of a Krylov space, fully orthogonalised, at most `capacity` + 1 at a time.

    Lanczos's method with A v_j = sum_i h_ij v_i + beta v_(j+1) kept as measured, so that residuals are exact
    whether or not A is quite symmetric (Paige, *J. Inst. Math. Appl.* 18, 1976: without reorthogonalisation they
    are not). What the recurrence foretells is taken off first, so that one pass over the basis is mostly enough; as
    long as a pass shortens what is left by more than `_SHORTER`, another follows (Daniel, Gragg, Kaufman & Stewart,
    *Math. Comp.* 30, 1976), a second at most (Giraud, Langou & Rozloznik 2005). `restart` is Wu and Simon's (*SIAM J.
    Matrix Anal. Appl.* 22, 2000, eq. 10 to 12). Products are divided by a power of two near the first one's largest
    entry; `scale` is its exponent.
    """

    def __init__(self, start: Vector, capacity: int) -> None:
        self.vectors = np.empty((capacity + 1, len(start)))
        self.vectors[0] = start
        self.measured = np.zeros((capacity + 1, capacity))
        self.count = 0
        """How many vectors have been multiplied."""
        self.products = 0
        self.scale: int | None = None
        self.history: list[tuple[Vector, float] | Vector] = []
        """Of each product its coefficients (j,) and beta, of each restart its rotation (j, k)."""
        self._squares = 0.0
        self._pairs = 0

    @property
    def capacity(self) -> int:
        """How many vectors can be multiplied before a restart."""
        return self.measured.shape[1]

    @property
    def beta(self) -> float:
        """The length of what the last product had outside of the basis; 0 before the first."""
        return float(self.measured[self.count, self.count - 1]) if self.count else 0.0

    @property
    def asymmetry(self) -> float:
        """Length of the error in a product of a unit vector, from how far <u, A v> was from <A u, v>.

        It is that of an error without a preferred direction: its components along the basis are what is seen.
        """
        return float(np.sqrt(self.vectors.shape[1] * self._squares / max(self._pairs, 1)))

    def extend(self, product: Product) -> bool:
        """Multiply the last vector; False, and nothing kept, where the product was not finite (or above 1e140)."""
        j = self.count
        self.products += 1
        rest = np.asarray(product(self.vectors[j].copy()), dtype=np.float64).ravel()
        largest = _largest(rest)
        if not largest < _LARGEST:
            return False
        if self.scale is None and largest > 0.0:
            self.scale = int(np.frexp(largest)[1])
        rest = np.ldexp(rest, -(self.scale or 0))
        if not float(np.ldexp(largest, -(self.scale or 0))) < _LARGEST:
            return False
        known, coefficients = self.vectors[: j + 1], np.zeros(j + 1)
        foretold = np.append(self.measured[j, :j], known[j] @ rest)
        first = int(np.argmax(foretold != 0.0))  # all before it are 0: after a restart none, else all but two
        rest -= foretold[first:] @ known[first:]
        coefficients += foretold
        beta = float(np.sqrt(rest @ rest))
        for _ in range(2):
            before, found = beta, known @ rest
            rest -= found @ known
            coefficients += found
            beta = float(np.sqrt(rest @ rest))
            if beta > _SHORTER * before:
                break
        difference = coefficients[:j] - self.measured[j, :j]
        self._squares += float(difference @ difference)
        self._pairs += j
        self.measured[: j + 1, j] = coefficients
        self.measured[j + 1, j] = beta
        np.divide(rest, beta or 1.0, out=self.vectors[j + 1])
        self.history.append((coefficients, beta))
        self.count += 1
        return True

    def ritz(self) -> tuple[Vector, Vector, Vector]:
        """Ritz values (k,), ascending, their residuals' lengths (k,) and their vectors in the basis (k, k)."""
        k = self.count
        inner = self.measured[:k, :k]
        values, rotation = np.linalg.eigh(inner)  # reads the lower triangle
        inside = inner @ rotation - rotation * values
        outside = self.beta * rotation[-1]
        return values, np.sqrt(np.sum(inside**2, axis=0) + outside**2), rotation

    def lift(self, rotated: Vector) -> Vector:
        """The vectors (m, n) of these coordinates (m, k) in the basis."""
        vector: Vector = rotated @ self.vectors[: self.count]
        return vector

    def restart(self, rotation: Vector) -> None:
        """Keep these combinations (j, k) of the basis, orthonormal, and the vector that comes next."""
        j, k = rotation.shape
        for first in range(0, self.vectors.shape[1], _PIECE):
            piece = slice(first, first + _PIECE)
            self.vectors[:k, piece] = rotation.T @ self.vectors[:j, piece]
        self.vectors[k] = self.vectors[j]
        inner, coupling = rotation.T @ self.measured[:j, :j] @ rotation, self.beta * rotation[-1]
        self.measured[:] = 0.0
        self.measured[:k, :k], self.measured[k, :k] = inner, coupling
        self.history.append(rotation)
        self.count = k


def _largest(vector: Vector) -> float:
    """The largest magnitude; NaN where one is."""
    return max(float(vector.max()), -float(vector.min()))
