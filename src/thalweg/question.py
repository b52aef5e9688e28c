"""The question behind a claim: a total, pure function from a record and an examination to a claim."""

import abc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

from thalweg.certificate import Claim, Status
from thalweg.examination import Examination
from thalweg.finding import Evidence, fill
from thalweg.record import Record


@dataclass(frozen=True)
class Question(abc.ABC):
    """One thing that may be claimed about where the parameters ended up.

    Its class docstring says how it is decided, with the source; its thresholds are its fields. It answers every
    record and examination, however odd or empty, and raises on none.
    """

    name: ClassVar[str]
    """Permanent, such as `no-trend`."""
    statement: ClassVar[str]
    """What is claimed, in the present tense."""
    part: ClassVar[str] = ""
    """The part of the examination that it needs; empty where the record alone answers it."""
    assumptions: ClassVar[tuple[str, ...]] = ()
    """What must be true for the answer to mean what it says."""

    @final
    def ask(self, record: Record, examination: Examination) -> Claim:
        """The claim on this run; not established, and why, where the part that it needs was not measured."""
        if self.part and getattr(examination, self.part) is None:
            return self.open(f"Not looked at: {examination.why_not(self.part)}.")
        return self.answer(record, examination)

    @abc.abstractmethod
    def answer(self, record: Record, examination: Examination) -> Claim:
        """The claim, given that the part it needs was measured."""

    @final
    def claim(
        self,
        status: Status,
        template: str,
        evidence: Mapping[str, Evidence] | None = None,
        *,
        scope: str = "",
        assumptions: tuple[str, ...] = (),
    ) -> Claim:
        """A claim whose message is the template filled from the evidence; `assumptions` beside the class's own."""
        evidence = evidence or {}
        message = fill(template, evidence)
        return Claim(
            self.name, self.statement, status, message, evidence, (*self.assumptions, *assumptions), scope
        )

    @final
    def open(self, reason: str, evidence: Mapping[str, Evidence] | None = None, *, scope: str = "") -> Claim:
        """The answer that says why there is none."""
        return self.claim(Status.NOT_ESTABLISHED, reason, evidence, scope=scope)
