"""No direction of negative curvature was found."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from thalweg.certificate import Claim, Status
from thalweg.examination import Examination
from thalweg.finding import Evidence
from thalweg.question import Question
from thalweg.record import Record
from thalweg.words import plural

_UNIT = "loss/parameter^2"


@dataclass(frozen=True)
class NegativeCurvature(Question):
    """Whether the loss bends downwards in any direction, from the extreme eigenvalues of its Hessian.

    Refuted where an eigenvalue is for certain (Ritz value plus residual, rounding allowed for) below
    `-share` times the largest magnitude seen: at the largest step that the steepest direction bears, 2 over its
    curvature, what is displaced along it then grows e-fold in 1 / (2 `share`) steps or fewer, 50 at the default.
    Less is left by rounding, by a finite number of examples and at the end of every training that oscillates across
    a steep valley.

    Under a constraint on the weights that is left open: the direction may be one that it does not let them go, as
    out of a sphere.

    Established where no eigenvalue is below that, but for a chance of at most `missed`, over the random start of the
    Lanczos process (van Dorsselaer, Hochstenbach & van der Vorst 2000). It is never a proof of a minimum: along
    directions without curvature the loss may still fall.
    """

    name: ClassVar[str] = "no-negative-curvature"
    statement: ClassVar[str] = "No direction of negative curvature was found."
    part: ClassVar[str] = "curvature"
    assumptions: ClassVar[tuple[str, ...]] = (
        "The loss is twice differentiable at these weights.",
        "Where the curvature is zero the loss may still fall: this is no proof of a minimum.",
    )

    share: float = 0.01
    missed: float = 0.01

    def answer(self, record: Record, examination: Examination) -> Claim:
        """The claim on the spectrum that was measured."""
        found = examination.curvature
        assert found is not None
        scope = f"{examination.which}, {plural(found.products, 'product')} with the Hessian"
        if found.gauss_newton:
            return self.open(
                "Not looked at: only the Gauss-Newton matrix could be had, which bends downwards nowhere.",
                scope=scope,
            )
        smallest, largest = found.smallest, found.largest
        norm = max(abs(smallest.value), abs(largest.value))
        if not np.isfinite([smallest.value, smallest.residual, norm]).all():
            return self.open("Not looked at: no product with the Hessian was finite.", scope=scope)
        if norm == 0.0 and smallest.residual == 0.0:
            nothing = {"products": Evidence(found.products, "products")}
            return self.claim(
                Status.ESTABLISHED,
                "Every product with the Hessian was zero ({products} in all): no bend of the loss was seen.",
                nothing,
                scope=scope,
            )
        allowed = self.share * norm
        lowest = smallest.value - max(found.tolerance, smallest.residual)
        evidence = {
            "smallest": Evidence(smallest.value, _UNIT, threshold=-allowed),
            "residual": Evidence(smallest.residual, _UNIT),
            "largest": Evidence(largest.value, _UNIT),
            "products": Evidence(found.products, "products"),
            "lowest": Evidence(lowest, _UNIT, threshold=-allowed),
            "missed": Evidence(found.missed, "fraction", threshold=self.missed),
        }
        surely = smallest.value + smallest.residual
        bends = surely < 0.0 and surely <= -allowed
        if bends and examination.constrained:
            evidence["constrained"] = Evidence(examination.constrained, "parameters")
            return self.open(
                "The smallest eigenvalue of the Hessian was {smallest} ± {residual}, below {smallest__threshold}. "
                "Parameters under a constraint: {constrained}; it may not let them go along its direction.",
                evidence,
                scope=scope,
            )
        if bends:
            evidence["steps"] = Evidence(float(0.5 * norm / -surely), "steps")
            return self.claim(
                Status.REFUTED,
                "The smallest eigenvalue of the Hessian was {smallest} ± {residual}, below {smallest__threshold}; "
                "the largest was {largest}. Along its direction the loss bends downwards: a displacement grows "
                "e-fold in {steps} steps at the largest step that is stable.",
                evidence,
                scope=scope,
            )
        if lowest >= -allowed and found.missed <= self.missed:
            return self.claim(
                Status.ESTABLISHED,
                "The smallest eigenvalue found was {smallest} ± {residual} in {products} products, the largest "
                "{largest}. The chance of having missed one below {lowest} is at most {missed}; one below "
                "{lowest__threshold} would count.",
                evidence,
                scope=scope,
            )
        return self.open(
            "The smallest eigenvalue found was {smallest} ± {residual} in {products} products, which leaves open "
            "eigenvalues down to {lowest}; one below {lowest__threshold} would count.",
            evidence,
            scope=scope,
        )
