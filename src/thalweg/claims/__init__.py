"""What may be claimed about where the parameters ended up: one claim a file, one line each here."""

from thalweg.claims.curvature import NegativeCurvature
from thalweg.claims.frozen import NotFrozen
from thalweg.claims.gradient_zero import GradientZero
from thalweg.claims.no_trend import NoTrend
from thalweg.claims.noise_ball import NoiseBall
from thalweg.claims.nothing_lower import NothingLower
from thalweg.claims.same_valley import SameValley
from thalweg.claims.seeds_agree import SeedsAgree
from thalweg.claims.stability import StepSize
from thalweg.claims.validation import ValidationAgrees
from thalweg.question import Question, StudyQuestion

CLAIMS: tuple[Question, ...] = (
    NoTrend(),
    NoiseBall(),
    NotFrozen(),
    GradientZero(),
    NegativeCurvature(),
    StepSize(),
    ValidationAgrees(),
)
"""Every claim about one run, in the order in which they are read."""

STUDY_CLAIMS: tuple[StudyQuestion, ...] = (SeedsAgree(), SameValley(), NothingLower())
"""Every claim about several runs of one training, in the order in which they are read."""

__all__ = ["CLAIMS", "STUDY_CLAIMS"]
