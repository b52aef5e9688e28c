"""What was measured of a model at the weights that its training ended with: numbers and arrays, no judgement."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

Progress = Callable[[str, float], None]
"""Told what is being measured, and the share of the whole that is done."""


@dataclass(frozen=True, slots=True, eq=False)
class Gradients:
    """Pairs of independent mini-batch gradients at the same weights.

    `products` (k,) are the inner products of the two gradients of each pair, `squares` (2 k,) the squared norms, both
    (loss/parameter)^2; `batch_size` examples made each gradient. `whole` is the squared norm of the gradient over all
    examples that were looked at, NaN where it was not taken; `rounding` the mean squared norm of what moving the
    weights by the precision of their type changes of that gradient, NaN where the examples differ by far more.
    """

    products: Vector
    squares: Vector
    batch_size: int
    whole: float = np.nan
    rounding: float = np.nan


@dataclass(frozen=True, slots=True, eq=False)
class Ritz:
    """An estimate of an eigenvalue and its residual: an eigenvalue lies within `residual` of `value`."""

    value: float
    residual: float


@dataclass(frozen=True, slots=True, eq=False)
class Curvature:
    """The spectrum of the Hessian, loss/parameter^2, or of a preconditioned one.

    `smallest` and `largest` are Ritz values of a Lanczos process of so many `products`. `missed` is the chance that
    the process saw nothing of an eigenvalue below `smallest - tolerance` (or above `largest + tolerance`).
    `nodes` and `weights` (m,) are the spectral density, `band` (m,) the half width of its cumulative distribution;
    `trace` has a standard error. `gauss_newton`: the Hessian could not be had, this is the Gauss-Newton matrix, which
    has no negative eigenvalues whatever the loss.
    """

    smallest: Ritz
    largest: Ritz
    products: int
    missed: float = np.nan
    tolerance: float = np.nan
    nodes: Vector = field(default_factory=lambda: np.empty(0))
    weights: Vector = field(default_factory=lambda: np.empty(0))
    band: Vector = field(default_factory=lambda: np.empty(0))
    trace: float = np.nan
    trace_error: float = np.nan
    gauss_newton: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class StepLimit:
    """The largest eigenvalue that the optimizer's step meets, and what it can bear.

    `sharpness` is of the Hessian, or of the Hessian preconditioned by the optimizer's own state; `limit` is the
    largest at which the step is stable, by `rule` (in words, such as `2 / learning rate`). `momentum` is that of the
    gradients; `clips`: the optimizer shortens gradients above a size, of which the limit knows nothing.
    """

    sharpness: Ritz
    limit: float
    rule: str
    learning_rate: float
    preconditioned: bool = False
    momentum: float = 0.0
    clips: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class BatchSharpness:
    """The curvature that steps on mini-batches meet: of each batch's own loss, along its own gradient.

    `curvatures` (k,), loss/parameter^2, are <g, H g> / |g|^2 with the gradient g and the Hessian H of one batch of
    `batch_size` examples, and `squares` (k,), (loss/parameter)^2, are |g|^2; the batches were drawn independently.
    """

    curvatures: Vector
    squares: Vector
    batch_size: int


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """The loss over the plane through the final weights that holds most of the path to them.

    `across` (m,) and `up` (n,) are distances from the final weights along the two directions, in the parameters'
    unit, `losses` (n, m) the objective there, over so many `examples`. `path` (k, 2) is where training was after
    `steps` (k,), seen on the plane; `shares` (2,) of the path's squared distances from its end lie along each
    direction.
    """

    across: Vector
    up: Vector
    losses: Vector
    path: Vector
    steps: Vector
    shares: Vector
    examples: int


@dataclass(frozen=True, slots=True, eq=False)
class Losses:
    """The loss of each example at the final weights, in inference mode: `training` (n,) and `validation` (m,)."""

    training: Vector
    validation: Vector


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """What every examination says of itself: at what it looked, how, and what it did not see; abstract.

    Of `total` training examples `examples` were looked at (`total` is None where it is not known), for at most
    `asked` products. `mode` says in words how a model was called. `missing` says why a part was not measured,
    `subject` holds the digests of what was looked at.
    """

    unseen: ClassVar[str]
    """Why a part was not measured of which nothing else is known, as a clause."""

    examples: int = 0
    total: int | None = None
    mode: str = ""
    asked: int = 0
    seed: int = 0
    missing: Mapping[str, str] = field(default_factory=dict)
    subject: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "missing", MappingProxyType(dict(self.missing)))
        object.__setattr__(self, "subject", MappingProxyType(dict(self.subject)))

    def why_not(self, part: str) -> str:
        """Why this part was not measured, as a clause."""
        return self.missing.get(part) or self.missing.get("model") or self.unseen

    @property
    def whole(self) -> bool:
        """Whether the examples that were looked at are all that was trained on."""
        return self.total is not None and self.examples >= self.total

    @property
    def which(self) -> str:
        """The examples in words."""
        if self.whole:
            return f"all {self.examples:,} training examples"
        of = f" of {self.total:,}" if self.total else ""
        return f"{self.examples:,}{of} training examples"


@dataclass(frozen=True, slots=True, eq=False)
class Examination(Looked):
    """All that was measured of one model on its examples; each part is None where it was not, `missing` says why.

    `parameters` are the trainable ones, `constrained` those of them that a constraint is put on. `products` passes
    over the examples were made, for gradients and Hessian products.
    """

    unseen = "the model was not looked at"

    parameters: int = 0
    constrained: int = 0
    products: int = 0
    gradients: Gradients | None = None
    curvature: Curvature | None = None
    step_limit: StepLimit | None = None
    batch_sharpness: BatchSharpness | None = None
    losses: Losses | None = None
    plane: Plane | None = None
