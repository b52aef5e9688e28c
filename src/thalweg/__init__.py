"""Thalweg: are my network's parameters converging, why not, and what should I change?

`import thalweg` loads neither Keras nor a backend; `thalweg.Watch`, `thalweg.compare` and `thalweg.lr_find` do,
when first used.
"""

from typing import TYPE_CHECKING, Any

from thalweg.certificate import Certificate, Claim, Outcome, Status
from thalweg.certification import certify, verify
from thalweg.certifying import Verification
from thalweg.comparison import Comparison, Configuration, Member
from thalweg.comparison_study import ComparisonStudy
from thalweg.diagnosis import diagnose, report
from thalweg.errors import RunFolderError, ThalwegError, UnsupportedError, UsageError
from thalweg.finding import Diagnosis, Evidence, Family, Finding, Remedy, Safety, Verdict
from thalweg.profiles import Profiles
from thalweg.rate_suggestion import RateSuggestion
from thalweg.record import Event, Record, Series
from thalweg.rule import Rule
from thalweg.rules import RULES
from thalweg.store import read

if TYPE_CHECKING:
    from thalweg.keras import Watch
    from thalweg.keras.comparing import compare
    from thalweg.keras.rate_finding import lr_find

__version__ = "0.1.0"

__all__ = [
    "RULES",
    "Certificate",
    "Claim",
    "Comparison",
    "ComparisonStudy",
    "Configuration",
    "Diagnosis",
    "Event",
    "Evidence",
    "Family",
    "Finding",
    "Member",
    "Outcome",
    "Profiles",
    "RateSuggestion",
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
    "compare",
    "diagnose",
    "lr_find",
    "read",
    "report",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name == "Watch":
        from thalweg.keras import Watch

        return Watch
    if name == "compare":
        from thalweg.keras.comparing import compare

        return compare
    if name == "lr_find":
        from thalweg.keras.rate_finding import lr_find

        return lr_find
    raise AttributeError(f"module 'thalweg' has no attribute {name!r}")
