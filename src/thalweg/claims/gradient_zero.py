"""The gradient is zero against its own noise."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from thalweg.certificate import Claim, Status
from thalweg.examination import Examination, Gradients
from thalweg.finding import Evidence
from thalweg.question import Question
from thalweg.record import Record
from thalweg.stats.batches import FEWEST
from thalweg.stats.noise_scale import NoiseScale, noise_scale
from thalweg.stats.sequence import AnytimeMean, independent_mean

_SQUARE = "(loss/parameter)^2"


@dataclass(frozen=True)
class GradientZero(Question):
    """Whether the gradient of the training loss is smaller than what other examples would have made it.

    The tolerance is set by consequence: |G|^2 below tr(Sigma) / N, the variance of the gradient over data sets of the
    same N examples drawn anew. It says the same that the noise scale tr(Sigma) / |G|^2 (McCandlish et al., 2018) is
    above N. Below, more descent would follow these examples and not what they were drawn from (as in Mahsereci et
    al., arXiv:1703.09580, 2017).

    Where all training examples were looked at, G is theirs and has no error; what is estimated is tr(Sigma), from
    pairs of disjoint batches. Established where |G|^2 is at most the lower end of tr(Sigma) / N, refuted
    where it is above the upper one. Where only some were, no batch comes twice, and U = <g_A, g_B> has mean |G|^2 -
    tr(Sigma) / N exactly: established where a bound of its mean from above is at most zero, refuted where one
    from below is above it. All bounds hold at every look, at `alpha` each, for batches of 8 and more; of four
    examples it is 7 % and of one 12 %, because products of few are skew (docs/certify/coverage.md). Where neither
    holds nothing is said: a noisy gradient is not a small one.

    Where examples drawn anew would change the gradient by less than the rounding of the weights does, as of a loss
    that does not depend on them, it is the rounding that it is held against: below that it may be the gradient of
    rounding alone.

    It is the gradient of the loss alone. Where a constraint holds weights at its bound it need not vanish: a
    refutation says how many weights are under one.
    """

    name: ClassVar[str] = "gradient-zero"
    statement: ClassVar[str] = "The gradient was zero against its own noise."
    part: ClassVar[str] = "gradients"
    assumptions: ClassVar[tuple[str, ...]] = (
        "The loss is a mean over examples, which were drawn independently of one another.",
    )

    alpha: float = 0.05

    def answer(self, record: Record, examination: Examination) -> Claim:
        """The squared gradient against what redrawing the examples would give."""
        found = examination.gradients
        assert found is not None
        scope = f"{examination.which}, at the final weights, in batches of {found.batch_size:,}"
        values = np.concatenate([found.products, found.squares])
        if not len(found.products) or not np.isfinite(values).all():
            return self.open("Not looked at: there were no finite gradients.", scope=scope)
        pairs = Evidence(len(found.products), "pairs", threshold=FEWEST)
        if len(found.products) < FEWEST:
            return self.open(
                "It takes {pairs__threshold} pairs of batches to tell; there were {pairs}.",
                {"pairs": pairs},
                scope=scope,
            )
        scale = noise_scale(found.products, found.squares, found.batch_size, examination.examples or None)
        with np.errstate(over="ignore", invalid="ignore"):
            return self._judged(found, scale, examination, scope)

    def _judged(self, found: Gradients, scale: NoiseScale, examination: Examination, scope: str) -> Claim:
        n, noise = examination.examples, self._noise(found)
        if n and np.isfinite(found.whole) and noise.upper(self.alpha) / n <= found.rounding:
            return self._rounded(found, examination, scope)
        if n and np.isfinite(found.whole) and examination.whole:
            return self._all(found, scale, noise, examination, scope)
        return self._some(found, scale, examination, scope)

    def _rounded(self, found: Gradients, examination: Examination, scope: str) -> Claim:
        evidence = {"square": Evidence(found.whole, _SQUARE, threshold=found.rounding)}
        message = (
            "The squared norm of the gradient was {square}, where rounding the weights makes it {square__threshold}, "
            "and examples drawn anew no more."
        )
        if found.whole <= found.rounding:
            return self.claim(Status.ESTABLISHED, message, evidence, scope=scope)
        return self._refuted(message, evidence, examination, scope)

    def _refuted(
        self, message: str, evidence: dict[str, Evidence], examination: Examination, scope: str
    ) -> Claim:
        if examination.constrained:
            evidence["constrained"] = Evidence(examination.constrained, "parameters")
            message += (
                " Parameters under a constraint: {constrained}; "
                "where it holds them, the gradient need not vanish."
            )
        return self.claim(Status.REFUTED, message, evidence, scope=scope)

    def _all(
        self,
        found: Gradients,
        scale: NoiseScale,
        noise: AnytimeMean,
        examination: Examination,
        scope: str,
    ) -> Claim:
        total = examination.examples
        low, high = (max(end, 0.0) / total for end in (noise.lower(self.alpha), noise.upper(self.alpha)))
        evidence = {
            "square": Evidence(found.whole, _SQUARE, usual=scale.trace / total, threshold=low),
            "low": Evidence(low, _SQUARE),
            "high": Evidence(high, _SQUARE),
            "noise_scale": Evidence(_ratio(scale.trace, found.whole), "examples", threshold=total),
            "trace": Evidence(scale.trace, _SQUARE),
            "pairs": Evidence(len(found.products), "pairs"),
            "confidence": Evidence(1.0 - self.alpha, "fraction"),
        }
        message = (
            "The squared norm of the gradient was {square}, where {noise_scale__threshold} examples drawn anew would "
            "make it {square__usual} ({low} to {high}, {confidence} confidence each): a noise scale of {noise_scale} "
            "examples."
        )
        if found.whole <= low:
            return self.claim(Status.ESTABLISHED, message, evidence, scope=scope)
        if found.whole > high:
            return self._refuted(message, evidence, examination, scope)
        return self.open(message, evidence, scope=scope)

    def _some(self, found: Gradients, scale: NoiseScale, examination: Examination, scope: str) -> Claim:
        total = examination.total
        excess = independent_mean(found.products, len(found.products))
        low, high = excess.lower(self.alpha), excess.upper(self.alpha)
        ends = scale.interval(1.0 - self.alpha)
        evidence = {
            "excess": Evidence(float(np.mean(found.products)), _SQUARE, threshold=0.0),
            "low": Evidence(low, _SQUARE, threshold=0.0),
            "high": Evidence(high, _SQUARE, threshold=0.0),
            "noise_scale": Evidence(
                scale.value if np.isfinite(scale.value) else "unresolved", "examples", threshold=total
            ),
            "noise_scale_low": Evidence(ends[0], "examples"),
            "noise_scale_high": Evidence(ends[1], "examples"),
            "trace": Evidence(scale.trace, _SQUARE),
            "pairs": Evidence(len(found.products), "pairs"),
            "confidence": Evidence(1.0 - self.alpha, "fraction"),
        }
        of = "" if total is None else " of {noise_scale__threshold} examples"
        message = (
            f"The squared norm of the gradient{of} lay above what drawing them anew would make it by {{excess}} "
            "({low} to {high}, {confidence} confidence each); noise scale: {noise_scale}."
        )
        if high <= 0.0:
            return self.claim(Status.ESTABLISHED, message, evidence, scope=scope)
        if low > 0.0:
            return self._refuted(message, evidence, examination, scope)
        return self.open(message, evidence, scope=scope)

    def _noise(self, found: Gradients) -> AnytimeMean:
        norms = found.squares[: 2 * len(found.products)].reshape(-1, 2).mean(axis=1)
        scatter = found.batch_size * (norms - found.products)
        return independent_mean(scatter, len(scatter))


def _ratio(over: float, under: float) -> float:
    return over / under if under > 0.0 else np.inf
