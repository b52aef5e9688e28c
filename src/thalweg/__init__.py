"""Thalweg: are my network's parameters converging, why not, and what should I change?

`import thalweg` loads neither Keras nor a backend; `thalweg.Watch` does, when it is first used.
"""

from typing import TYPE_CHECKING, Any

from thalweg.certificate import Certificate, Claim, Outcome, Status
from thalweg.certification import certify, verify
from thalweg.certifying import Verification
from thalweg.diagnosis import diagnose, report
from thalweg.errors import RunFolderError, ThalwegError, UnsupportedError, UsageError
from thalweg.finding import Diagnosis, Evidence, Family, Finding, Remedy, Safety, Verdict
from thalweg.record import Event, Record, Series
from thalweg.rule import Rule
from thalweg.rules import RULES
from thalweg.store import read

if TYPE_CHECKING:
    from thalweg.keras import Watch

__version__ = "0.1.0"

__all__ = [
    "RULES",
    "Certificate",
    "Claim",
    "Diagnosis",
    "Event",
    "Evidence",
    "Family",
    "Finding",
    "Outcome",
    "Record",
    "Remedy",
    "Rule",
    "RunFolderError",
    "Safety",
    "Series",
    "Status",
    "ThalwegError",
    "UnsupportedError",
    "UsageError",
    "Verdict",
    "Verification",
    "Watch",
    "certify",
    "diagnose",
    "read",
    "report",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name == "Watch":
        from thalweg.keras import Watch

        return Watch
    raise AttributeError(f"module 'thalweg' has no attribute {name!r}")
