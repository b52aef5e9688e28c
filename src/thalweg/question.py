"""The question behind a claim: a total, pure function from a record and an examination to a claim."""

import abc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

from thalweg.certificate import Claim, Status
from thalweg.examination import Examination
from thalweg.finding import Evidence, fill
from thalweg.record import Record
from thalweg.study import Study
from thalweg.study_examination import StudyExamination


@dataclass(frozen=True)
class Matter(abc.ABC):
    """One thing that may be claimed: its name, its words, and how claims on it are made.

    Its class docstring says how it is decided, with the source; its thresholds are its fields.
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


@dataclass(frozen=True)
class Question(Matter):
    """What may be claimed about where the parameters of one run ended up.

    It answers every record and examination, however odd or empty, and raises on none.
    """

    @final
    def ask(self, record: Record, examination: Examination) -> Claim:
        """The claim on this run; not established, and why, where the part that it needs was not measured."""
        if self.part and getattr(examination, self.part) is None:
            return self.open("Not looked at: {why}.", {"why": Evidence(examination.why_not(self.part))})
        return self.answer(record, examination)

    @abc.abstractmethod
    def answer(self, record: Record, examination: Examination) -> Claim:
        """The claim, given that the part it needs was measured."""


@dataclass(frozen=True)
class StudyQuestion(Matter):
    """What may be claimed about where the parameters of several runs of one training ended up.

    It answers every study and examination of it, however odd or empty, and raises on none.
    """

    fewest: ClassVar[int] = 2
    """Runs that it needs."""

    @final
    def ask(self, study: Study, examination: StudyExamination) -> Claim:
        """The claim on these runs; not established, and why, where they are too few, unlike, or not measured."""
        if len(study) < self.fewest:
            few = {"runs": Evidence(len(study), "runs", threshold=self.fewest)}
            return self.open(
                "Not looked at: this takes at least {runs__threshold} runs with different seeds.", few
            )
        if self.fewest > 1 and (differences := study.differences):
            return self.open("The runs are not of one training. {first}", {"first": Evidence(differences[0])})
        if self.part and getattr(examination, self.part) is None:
            return self.open("Not looked at: {why}.", {"why": Evidence(examination.why_not(self.part))})
        return self.answer(study, examination)

    @abc.abstractmethod
    def answer(self, study: Study, examination: StudyExamination) -> Claim:
        """The claim, given that the runs are enough and alike and the part it needs was measured."""
