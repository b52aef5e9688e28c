"""The question: a rule is a total, pure function from a record to a finding."""

import abc
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict, fill
from thalweg.record import Record


@dataclass(frozen=True)
class Rule(abc.ABC):
    """One question about a run. Its class docstring is its manual page; its thresholds are its fields.

    A rule reads nothing but the record: not the disk, the clock or the screen. It answers every record,
    however odd, and raises on none.
    """

    code: ClassVar[str]
    """Permanent: a letter for the family and three digits."""
    title: ClassVar[str]
    """What is wrong when the rule is concerned, in a few words."""
    family: ClassVar[Family]
    """What it looks at; a cause further up explains a finding further down."""
    needs: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Groups of quantities; of each group at least one must have been measured."""
    live: ClassVar[bool] = False
    """Whether it is cheap, and its error rate holds, when asked again and again while the run goes on."""
    before: ClassVar[bool] = False
    """Whether it can be asked before the first step, from the facts in `info` alone."""

    @final
    def check(self, record: Record) -> Finding:
        """The finding of this rule on this record; unassessed, and why, where a needed series is missing."""
        present = {s.quantity for s in record.series.values() if len(s)}
        for group in self.needs:
            if not present.intersection(group):
                wanted = " or ".join(f"`{name}`" for name in group)
                return self.unassessed(f"Not assessed: the record holds no {wanted}.")
        return self.assess(record)

    @abc.abstractmethod
    def assess(self, record: Record) -> Finding:
        """The finding, given that one quantity of each group in `needs` is there."""

    @final
    def finding(
        self,
        verdict: Verdict,
        template: str,
        evidence: Mapping[str, Evidence] | None = None,
        *,
        series: tuple[str, ...] = (),
        step: int | None = None,
        layer: str | None = None,
        remedies: tuple[Remedy, ...] = (),
    ) -> Finding:
        """A finding of this rule whose message is the template filled from the evidence."""
        evidence = evidence or {}
        message = fill(template, evidence)
        return Finding(
            self.code, self.title, verdict, message, evidence, series, step, layer, remedies, self.family
        )

    @final
    def unassessed(self, reason: str, evidence: Mapping[str, Evidence] | None = None) -> Finding:
        """The answer that says why there is none."""
        return self.finding(Verdict.UNASSESSED, reason, evidence)

    @final
    @classmethod
    def manual(cls) -> str:
        """The manual page: the docstring's sections, unindented; its first line only repeats the title."""
        summary, _, sections = inspect.cleandoc(cls.__doc__ or "").partition("\n\n")
        return sections or summary
