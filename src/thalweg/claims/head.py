"""The one sentence that the claims carry: where did the parameters end up?"""

from collections.abc import Iterable

from thalweg.certificate import Claim, Outcome, Status
from thalweg.finding import Finding, Verdict
from thalweg.record import Record
from thalweg.rules.diverging import Diverging
from thalweg.rules.nonfinite import NonFinite

# The truth table; the first row that matches gives the outcome. E: established, R: refuted, e: not refuted,
# blank: anything; F: refuted by a loss that fell; f: left open by one. D: N001 is concerned about the training, or
# L002.
#
# | D | not-frozen | no-trend | noise-ball | no-negative-curvature | gradient-zero | outcome                   |
# |---|------------|----------|------------|-----------------------|---------------|---------------------------|
# | x |            |          |            |                       |               | diverged                  |
# |   |     R      |          |            |                       |               | frozen by the schedule    |
# |   |            |    F     |            |                       |               | stopped while falling     |
# |   |            |    f     |     R      |                       |               | stopped while falling     |
# |   |            |    e     |     E      |                       |               | converged to a noise ball |
# |   |            |    E     |            |           R           |               | held at a saddle          |
# |   |            |    E     |            |                       |       E       | converged                 |
# |   |            |          |            |                       |               | cannot tell               |
#
# At a saddle the gradient is small, but not against its own noise, which is as small: that the loss does not
# move says that it is.

_DIVERGED = (NonFinite(), Diverging())


def head(record: Record, claims: Iterable[Claim]) -> tuple[Outcome, str]:
    """The outcome, and one sentence that says it with its reason and never more than the claims carry."""
    found = {claim.name: claim for claim in claims}

    def is_(name: str, status: Status) -> bool:
        return name in found and found[name].status is status

    broken = next((f for f in (rule.check(record) for rule in _DIVERGED) if _of_training(f)), None)
    if broken is not None:
        return Outcome.DIVERGED, _sentence(Outcome.DIVERGED, broken.message)
    trend = found.get("no-trend")
    for outcome, reasons in _ROWS:
        if outcome is Outcome.FALLING and trend is not None and not _fell(trend):
            continue
        if all(is_(name, status) is wanted for name, status, wanted in reasons):
            return outcome, _sentence(outcome, found[reasons[0][0]].message)
    return Outcome.UNKNOWN, _cannot_tell(found)


_Condition = tuple[str, Status, bool]
"""A claim's name, a status, and whether it must be that or must not."""
_ROWS: tuple[tuple[Outcome, tuple[_Condition, ...]], ...] = (
    (Outcome.FROZEN, (("not-frozen", Status.REFUTED, True),)),
    (Outcome.FALLING, (("no-trend", Status.REFUTED, True),)),
    (Outcome.FALLING, (("noise-ball", Status.REFUTED, True), ("no-trend", Status.NOT_ESTABLISHED, True))),
    (Outcome.NOISE_BALL, (("noise-ball", Status.ESTABLISHED, True), ("no-trend", Status.REFUTED, False))),
    (
        Outcome.SADDLE,
        (("no-negative-curvature", Status.REFUTED, True), ("no-trend", Status.ESTABLISHED, True)),
    ),
    (
        Outcome.CONVERGED,
        (("gradient-zero", Status.ESTABLISHED, True), ("no-trend", Status.ESTABLISHED, True)),
    ),
)


def study_head(claims: Iterable[Claim]) -> tuple[Outcome, str]:
    """The outcome of several runs, from what they claim of their losses, and what was found of their valleys."""
    found = {claim.name: claim for claim in claims}
    seeds, valley = found.get("seeds-agree"), found.get("same-valley")
    if seeds is None or seeds.status is Status.NOT_ESTABLISHED:
        return Outcome.UNKNOWN, _cannot_tell({} if seeds is None else {seeds.name: seeds})
    outcome = Outcome.AGREEING if seeds.status is Status.ESTABLISHED else Outcome.DISAGREEING
    sentence = _sentence(outcome, seeds.message)
    if valley is None or valley.status is Status.NOT_ESTABLISHED:
        return outcome, sentence
    where = "ended" if valley.status is Status.ESTABLISHED else "did not end"
    return outcome, f"{sentence.removesuffix('.')}; they {where} in one valley."


def _fell(trend: Claim) -> bool:
    change = trend.evidence["change"].value if "change" in trend.evidence else 0.0
    return not isinstance(change, str) and change < 0.0


def _of_training(finding: Finding) -> bool:
    return finding.verdict is Verdict.CONCERN and finding.series[:1] != ("validation_loss",)


def _cannot_tell(found: dict[str, Claim]) -> str:
    open_ = [claim for claim in found.values() if claim.status is Status.NOT_ESTABLISHED]
    return _sentence(Outcome.UNKNOWN, open_[0].message if open_ else "no claim was asked")


def _sentence(outcome: Outcome, message: str) -> str:
    """The outcome, a colon, and the first sentence of its reason."""
    clause = message.split(". ", 1)[0].removesuffix(".")
    words = outcome.value[:1].upper() + outcome.value[1:]
    return f"{words}: {clause[:1].lower()}{clause[1:]}."
