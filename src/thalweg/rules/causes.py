"""Causes, not symptoms: which concern explains which others."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from thalweg.finding import Finding, Verdict

_FALLS = ("N001", "L001", "L002", "L003", "B001", "B002")
"""What a loss does that cannot fall."""
_STEPS = ("P001", "P003", "P004", "P006", "P008", "G001", "G003")
"""What steps look like whose gradients are out of scale."""

# A row's finding explains those named in it, wherever both are concerns. The most upstream stand first: data,
# output and loss, initialisation, architecture, optimisation, regularisation. A row explains none above it.
EXPLAINS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "D001": (*_FALLS, *_STEPS, "G002", "A001", "A002", "P002", "P007", "L004", "V001", "O004", "K005"),
        "D012": (
            *_FALLS,
            *_STEPS,
            "D003",
            "D008",
            "D009",
            "O001",
            "O007",
            "V001",
            "L004",
            "A001",
            "A002",
            "P002",
        ),
        "D011": (
            "D006",
            "A001",
            "P003",
            "L001",
            "L003",
            "V001",
            "B001",
            "B002",
            "R003",
            "P008",
            "K001",
            "G001",
            "D010",
            "O007",
            "L004",
        ),
        "D006": ("V001", "B001", "B002", "R003", "L004", "D009"),
        "D007": ("L004",),
        "W001": ("D008", "D009", "L001", "B001", "B002", "L004", "M003", "O007", "V001"),
        "W002": (*_FALLS, "D008", "P001", "P002", "P004", "L004"),
        "W003": ("L001", "B001", "B002", "L004", "V001"),
        "W004": ("L001", "B001", "B002", "L004", "V001"),
        "D008": ("A001", "V001", "B001", "B002", "L001", "L004", "D009", "P008"),
        "D003": (*_FALLS, *_STEPS, "O001", "O007", "L004", "A001", "A002", "P002", "R001", "I002", "M003"),
        "D002": (
            *_FALLS,
            *_STEPS,
            "O007",
            "L004",
            "A001",
            "A002",
            "G002",
            "P002",
            "I002",
            "M003",
            "V001",
        ),
        "D004": (*_FALLS, *_STEPS, "D005", "O007", "L004"),
        "D005": (*_FALLS, *_STEPS, "O007", "L004"),
        "D009": ("V001", "L001", "B001", "B002", "P008"),
        "O002": (
            *_FALLS,
            *_STEPS,
            "D010",
            "O001",
            "O003",
            "O004",
            "O006",
            "O007",
            "A001",
            "A002",
            "G002",
            "P002",
            "P007",
            "L004",
            "V001",
        ),
        "O001": (
            *_FALLS,
            *_STEPS,
            "V001",
            "D010",
            "O003",
            "O004",
            "O006",
            "O007",
            "A001",
            "A002",
            "P002",
            "G002",
            "L004",
        ),
        "O003": (*_FALLS, *_STEPS, "D010", "O004", "O007", "G002", "L004", "A001", "P007", "V001"),
        "O006": (*_FALLS, *_STEPS, "O004", "O007", "L004"),
        "O005": (*_FALLS, "V001", "L004", "P008"),
        "D010": ("B001", "B002", "L001", "O007"),
        "O008": (*_FALLS, *_STEPS, "O007", "A001", "A002", "V001"),
        "O004": ("B001", "B002", "V001"),
        "R003": (
            *_FALLS,
            "P001",
            "P003",
            "P004",
            "P008",
            "O007",
            "A001",
            "A002",
            "M001",
            "M003",
            "V001",
            "L004",
        ),
        "I001": (*_FALLS, "P001", "P002", "P004", "M003", "A001", "G002", "L004", "O007"),
        "I002": (*_FALLS, *_STEPS, "O007", "G002", "A001", "A002", "P002", "M003", "L004"),
        "M002": (*_FALLS, *_STEPS, "M003", "G002", "A002", "P002", "L004", "O007"),
        "M001": (*_FALLS, "L004", "M003", "O007"),
        "P007": (*_FALLS, "P003", "G001", "G003", "V001", "A001", "A002", "L004"),
        "R001": (*_FALLS, *_STEPS, "G002", "A001", "A002", "M003", "P002", "V001", "L004"),
        "R002": ("O007", "A001", "A002", "L001", "B001", "B002", "L004", "P001", "P008", "G002"),
        "O007": ("L004",),
        "P003": (
            *_FALLS,
            "P001",
            "P008",
            "G001",
            "G003",
            "A001",
            "A002",
            "M003",
            "P002",
            "G002",
            "V001",
            "L004",
        ),
        "P008": (*_FALLS, "P001", "G001", "G003", "V001", "L004"),
        "M003": ("L001", "B001", "B002", "L004", "G002", "A001", "A002", "P002"),
        "P009": (*_FALLS, "P001", "G002", "A002", "L004"),
        "G002": (*_FALLS, "P001", "P002", "P004", "L004", "A002"),
        "G003": (*_FALLS, "P001", "G001"),
        "G001": ("N001", "L001", "L002", "B001", "B002", "A001", "A002"),
        "A001": (*_FALLS, "P001", "P002", "P004", "L004"),
        "A002": (*_FALLS, "P001", "P002", "P004", "L004"),
        "P002": ("L001", "B001", "B002", "L004"),
        "P006": ("L001", "L004", "P001", "P004", "B001", "B002"),
        "K003": ("L004", "B002"),
        "K004": ("V001", "L004"),
        "K005": ("P005", "P004", "V001", "L004", "B002"),
        "K006": ("V001", "L004", "B002"),
        "K007": ("V001", "L004"),
        "K009": ("V001", "L004"),
        "P005": ("L001", "L004", "P001", "P004", "B001", "B002"),
        "K002": ("L001", "L004", "P004", "B001", "B002"),
        "P004": ("L001", "L004", "P001", "B001", "B002"),
        "L002": ("N001", "L001", "L003", "B001", "B002", "P001", "V001"),
        "L003": ("L001", "P001"),
        "P001": ("L001", "B001", "B002", "L004"),
        "K001": ("V001", "L001"),
        "V001": ("B001", "B002"),
        "N001": ("L001", "B001", "B002", "L004"),
        "L001": ("B001", "B002"),
        "L004": ("B002",),
        "B001": ("B002",),
    }
)


def causes(findings: Iterable[Finding]) -> dict[str, str]:
    """By code of each concern that another explains, the code of the concern that explains it.

    The explanation is the most upstream one, and is itself not explained: who mends it may see the others go.
    """
    codes = {f.code for f in findings if f.verdict is Verdict.CONCERN}
    because: dict[str, str] = {}
    for cause in (code for code in EXPLAINS if code in codes and code not in because):
        for effect in EXPLAINS[cause]:
            if effect in codes:
                because.setdefault(effect, cause)
    return because


def upstream(finding: Finding) -> int:
    """How far upstream a finding stands: the row of the table, the last where it has none."""
    order = list(EXPLAINS)
    return order.index(finding.code) if finding.code in order else len(order)
