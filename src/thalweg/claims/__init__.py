"""What may be claimed about where the parameters ended up: one claim a file, one line each here."""

from thalweg.claims.nothing_lower import NothingLower
from thalweg.claims.same_valley import SameValley
from thalweg.claims.seeds_agree import SeedsAgree
from thalweg.question import Question, StudyQuestion

CLAIMS: tuple[Question, ...] = ()
"""Every claim about one run, in the order in which they are read."""

STUDY_CLAIMS: tuple[StudyQuestion, ...] = (SeedsAgree(), SameValley(), NothingLower())
"""Every claim about several runs of one training, in the order in which they are read."""

__all__ = ["CLAIMS", "STUDY_CLAIMS"]
