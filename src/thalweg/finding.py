"""What a rule answers: a verdict with its evidence, and what to do about it."""

import enum
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from thalweg.words import figure, percent


class Verdict(enum.StrEnum):
    """The three answers. There is no fourth, and no score: an average hides the one that matters."""

    SATISFACTORY = "satisfactory"
    CONCERN = "concern"
    UNASSESSED = "unassessed"


class Family(enum.StrEnum):
    """What a rule looks at, the most upstream first: what is wrong further up explains what is wrong below."""

    DATA = "data"
    OUTPUT = "output and loss"
    INITIALISATION = "initialisation"
    ARCHITECTURE = "architecture"
    WIRING = "wiring"
    OPTIMISATION = "optimisation"
    REGULARISATION = "regularisation"
    CALLBACKS = "callbacks"
    OUTCOME = "outcome"
    """How the run went, whatever the reason."""


class Safety(enum.StrEnum):
    """Who may carry a remedy out."""

    AUTOMATIC = "automatic"
    """Reversible, and cannot change what is learned."""
    SUGGESTED = "suggested"
    """Needs the user's word."""
    MANUAL = "manual"
    """Nothing a program can do."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One number (or name) that a finding rests on.

    `usual` is what the value is elsewhere in this run or in theory; `threshold` is what it was held against.
    Both have the value's unit.
    """

    value: float | int | str
    unit: str = ""
    usual: float | int | None = None
    threshold: float | int | None = None

    def __str__(self) -> str:
        return self.words(self.value)

    def words(self, value: float | int | str) -> str:
        """A value of this unit in words; the unit `fraction` reads as a percentage."""
        if self.unit == "fraction" and not isinstance(value, str):
            return percent(value)
        return figure(value)


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to change, in the imperative, and why; `safety` says who may do it.

    `code` is the line of the user's program as it should read, where the configuration tells; else empty.
    """

    action: str
    reason: str
    safety: Safety = Safety.SUGGESTED
    code: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule's answer about one record.

    `message` is one or two sentences, past tense, with every number taken from `evidence`; the fix stands in
    `remedies`, in order of promise. `series` names the series that show it and `step` where.
    """

    code: str
    title: str
    verdict: Verdict
    message: str
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    series: tuple[str, ...] = ()
    step: int | None = None
    layer: str | None = None
    remedies: tuple[Remedy, ...] = ()
    family: Family = Family.OUTCOME

    def __post_init__(self) -> None:
        object.__setattr__(self, "evidence", MappingProxyType(dict(self.evidence)))


class _Words(string.Formatter):
    def get_value(self, key: int | str, args: object, kwargs: Mapping[str, object]) -> object:
        if isinstance(key, int):
            raise TypeError("a message names its evidence: {name}, not {}")
        name, _, part = key.partition("__")
        evidence = kwargs[name]
        assert isinstance(evidence, Evidence)
        if not part:
            return str(evidence)
        value = getattr(evidence, part)
        if value is None:
            raise KeyError(key)
        return evidence.words(value)


def fill(template: str, evidence: Mapping[str, Evidence]) -> str:
    """A message from its template: `{norm}` is a value, `{norm__usual}` and `{norm__threshold}` its two companions.

    Numbers enter a message here and nowhere else, so that each stands in the evidence.

    Raises `KeyError` where the evidence has no such entry.
    """
    return _Words().vformat(template, (), evidence)


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of the run, from step `first` to step `last`, both included."""

    name: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The findings of all rules on one record: concerns first, then what was satisfactory, then unassessed.

    `answer` is one sentence: is it converging? `because` holds, by code of each concern that another explains,
    the code of the one that does; the others are the causes. `stages` is the run's life in words. `notes` are
    sentences about rules of other packages that could not be had.
    """

    answer: str
    findings: tuple[Finding, ...]
    because: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    stages: tuple[Stage, ...] = ()

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def of(self, verdict: Verdict) -> tuple[Finding, ...]:
        """The findings with this verdict."""
        return tuple(f for f in self.findings if f.verdict is verdict)

    @property
    def concerns(self) -> tuple[Finding, ...]:
        """The findings that need a person's attention."""
        return self.of(Verdict.CONCERN)

    @property
    def causes(self) -> tuple[Finding, ...]:
        """The concerns that no other concern explains, the most upstream first."""
        return tuple(f for f in self.concerns if f.code not in self.because)

    def explained_by(self, cause: Finding) -> tuple[Finding, ...]:
        """The concerns that this one explains."""
        return tuple(f for f in self.concerns if self.because.get(f.code) == cause.code)

    @property
    def first(self) -> Remedy | None:
        """What to change first: the best remedy of the most upstream cause; None where there is none."""
        return next((f.remedies[0] for f in self.causes if f.remedies), None)

    @property
    def exit_code(self) -> int:
        """0 satisfactory, 1 concern, 3 nothing could be assessed."""
        if self.concerns:
            return 1
        return 0 if self.of(Verdict.SATISFACTORY) else 3
