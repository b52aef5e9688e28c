"""The rules: one question a file, one line each here, in the order in which they are read."""

from thalweg.rule import Rule
from thalweg.rules.answer import answer, answer_before
from thalweg.rules.constant import NoBetterThanConstant
from thalweg.rules.dead import DeadUnits
from thalweg.rules.diverging import Diverging
from thalweg.rules.exploding import ExplodingGradients
from thalweg.rules.nonfinite import NonFinite
from thalweg.rules.oscillating import Oscillating
from thalweg.rules.overfitting import Overfitting
from thalweg.rules.spike import GradientSpike
from thalweg.rules.stalled import Stalled
from thalweg.rules.unfinished import Unfinished
from thalweg.rules.unfittable import Unfittable
from thalweg.rules.unmoved import Unmoved
from thalweg.rules.update import UpdateSize
from thalweg.rules.vanishing import VanishingGradients

RULES: tuple[Rule, ...] = (
    Unfittable(),
    NonFinite(),
    Diverging(),
    Stalled(),
    Oscillating(),
    NoBetterThanConstant(),
    GradientSpike(),
    ExplodingGradients(),
    VanishingGradients(),
    UpdateSize(),
    Unmoved(),
    DeadUnits(),
    Overfitting(),
    Unfinished(),
)

__all__ = ["RULES", "answer", "answer_before"]
