"""What may be claimed about where the parameters ended up: claims, and the one sentence that they carry."""

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from thalweg.finding import Evidence


class Status(enum.StrEnum):
    """The three answers to a claim. What could not be looked at is not established, and says why."""

    ESTABLISHED = "established"
    REFUTED = "refuted"
    NOT_ESTABLISHED = "not established"


class Outcome(enum.StrEnum):
    """Where the parameters ended up, as far as the claims carry it."""

    CONVERGED = "converged"
    NOISE_BALL = "converged to a noise ball"
    FALLING = "stopped while falling"
    SADDLE = "held at a saddle"
    FROZEN = "frozen by the schedule"
    DIVERGED = "diverged"
    AGREEING = "the seeds agree"
    """Of several runs of one training."""
    DISAGREEING = "the seeds disagree"
    """Of several runs of one training."""
    UNKNOWN = "cannot tell"


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement about where the parameters ended up, and how it stands.

    `message` is one or two sentences with every number from `evidence`. `assumptions` are what must be true for
    the status to mean what it says; `scope` says what was looked at: which steps, which examples.
    """

    name: str
    statement: str
    status: Status
    message: str
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    assumptions: tuple[str, ...] = ()
    scope: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "evidence", MappingProxyType(dict(self.evidence)))


@dataclass(frozen=True, slots=True)
class Certificate:
    """The claims about one run, and the sentence made from them.

    `subject` holds the SHA-256 digests of what was looked at (`record`, and where they were had `weights` and
    `examples`), `version` Thalweg's. It is not a promise about data that nobody looked at: each claim has its scope.
    """

    outcome: Outcome
    head: str
    claims: tuple[Claim, ...]
    subject: Mapping[str, str] = field(default_factory=dict)
    version: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "subject", MappingProxyType(dict(self.subject)))

    def __iter__(self) -> Iterator[Claim]:
        return iter(self.claims)

    def __len__(self) -> int:
        return len(self.claims)

    def __getitem__(self, name: str) -> Claim:
        """The claim of this name; raises `KeyError` where there is none."""
        for claim in self.claims:
            if claim.name == name:
                return claim
        raise KeyError(name)

    def of(self, status: Status) -> tuple[Claim, ...]:
        """The claims with this status."""
        return tuple(claim for claim in self.claims if claim.status is status)

    @property
    def exit_code(self) -> int:
        """0 converged (to a noise ball too) or agreeing, 1 not so, 3 cannot tell."""
        if self.outcome in (Outcome.CONVERGED, Outcome.NOISE_BALL, Outcome.AGREEING):
            return 0
        return 3 if self.outcome is Outcome.UNKNOWN else 1
