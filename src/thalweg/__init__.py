"""Thalweg: are my network's parameters converging, why not, and what should I change?

`import thalweg` loads neither Keras nor a backend; `thalweg.Watch` does, when it is first used.
"""

from typing import TYPE_CHECKING, Any

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
    "Diagnosis",
    "Event",
    "Evidence",
    "Family",
    "Finding",
    "Record",
    "Remedy",
    "Rule",
    "RunFolderError",
    "Safety",
    "Series",
    "ThalwegError",
    "UnsupportedError",
    "UsageError",
    "Verdict",
    "Watch",
    "diagnose",
    "read",
    "report",
]


def __getattr__(name: str) -> Any:
    if name == "Watch":
        from thalweg.keras import Watch

        return Watch
    raise AttributeError(f"module 'thalweg' has no attribute {name!r}")
