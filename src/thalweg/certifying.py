"""From a record and an examination to a certificate, and whether one comes out the same again."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from thalweg.certificate import Certificate, Claim
from thalweg.claims import CLAIMS, STUDY_CLAIMS
from thalweg.claims.head import head, study_head
from thalweg.examination import Examination
from thalweg.finding import Evidence
from thalweg.question import Matter, Question, StudyQuestion
from thalweg.record import Record
from thalweg.study import Study
from thalweg.study_examination import StudyExamination
from thalweg.words import figure

_TOLERANCE = 1e-2
"""Two measurements that differ relatively by less than this, by rounding and the order of sums, are one."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What came out otherwise, in sentences without a full stop; nothing where the certificate holds.

    `measured` says whether the model was measured anew, or only the claims made anew from what was stored.
    """

    certificate: Certificate
    differences: tuple[str, ...]
    measured: bool

    @property
    def holds(self) -> bool:
        """Whether all came out the same."""
        return not self.differences


def certificate_of(
    record: Record, examination: Examination, claims: Iterable[Question] = CLAIMS, *, version: str = ""
) -> Certificate:
    """The claims about a run, and the sentence that they carry: a pure function of what is known of it."""
    asked = tuple(_tried(question, partial(question.ask, record, examination)) for question in claims)
    outcome, sentence = head(record, asked)
    subject = {"record": record.digest(), **examination.subject}
    return Certificate(outcome, sentence, asked, subject, version)


def study_certificate_of(
    study: Study,
    examination: StudyExamination,
    claims: Iterable[StudyQuestion] = STUDY_CLAIMS,
    *,
    version: str = "",
) -> Certificate:
    """The claims about several runs of one training, and the sentence that they carry."""
    asked = tuple(_tried(question, partial(question.ask, study, examination)) for question in claims)
    outcome, sentence = study_head(asked)
    return Certificate(outcome, sentence, asked, {**study.digests, **examination.subject}, version)


def differences(stored: Certificate, made: Certificate) -> tuple[str, ...]:
    """In which sentences two certificates of one run differ, beyond the rounding of a measurement."""
    found = [
        f"the {name} is another: its digest was {digest[:12]}, now it is {made.subject[name][:12]}"
        for name, digest in stored.subject.items()
        if name in made.subject and made.subject[name] != digest
    ]
    found += [
        f"the {name} that it is of are not kept; what was given by hand is to be given again (thalweg.verify)"
        for name in stored.subject
        if name not in made.subject
    ]
    if made.outcome is not stored.outcome:
        found.append(f"the outcome was {stored.outcome.value!r}, now it is {made.outcome.value!r}")
    now = {claim.name: claim for claim in made}
    for claim in stored:
        if claim.name not in now:
            found.append(f"{claim.name} was {claim.status.value}, now it is not asked")
            continue
        found += _changes(claim, now[claim.name])
    return tuple(found)


def retold(stored: Certificate, made: Certificate) -> tuple[str, ...]:
    """Where the same claims were told in other words: of the same measurements every word must come out the same."""
    found = [] if stored.head == made.head else [f"the head was {stored.head!r}, it should be {made.head!r}"]
    now = {claim.name: claim for claim in made}
    for claim in stored:
        again = now.get(claim.name)
        if again is not None and claim.status is again.status and _words(claim) != _words(again):
            found.append(f"{claim.name} was told in other words than its evidence gives")
    return tuple(found)


def _words(claim: Claim) -> tuple[object, ...]:
    return claim.statement, claim.message, claim.assumptions, claim.scope


def _changes(before: Claim, now: Claim) -> list[str]:
    if before.status is not now.status:
        return [f"{before.name} was {before.status.value}, now it is {now.status.value}"]
    return [
        f"{before.name}: {name.replace('_', ' ')} was {evidence}, now it is {now.evidence.get(name, 'missing')}"
        for name, evidence in before.evidence.items()
        if not _same(evidence, now.evidence.get(name))
    ]


def _same(before: Evidence, now: Evidence | None) -> bool:
    if now is None:
        return False
    a, b = before.value, now.value
    if isinstance(a, str) or isinstance(b, str):
        return str(a) == str(b)
    return figure(a) == figure(b) or abs(a - b) <= _TOLERANCE * max(abs(a), abs(b))


def _tried(question: Matter, ask: Callable[[], Claim]) -> Claim:
    try:
        return ask()
    except Exception as error:  # a bug of ours costs this claim, not the others
        if os.environ.get("THALWEG_RAISE"):
            raise
        return question.open(
            f"Not looked at: this question failed ({type(error).__name__}), which is a bug of Thalweg's."
        )
