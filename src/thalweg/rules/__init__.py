"""The rules: one question a file, one line each here, in the order in which they are read."""

from thalweg.rule import Rule
from thalweg.rules.absent_monitor import AbsentMonitor
from thalweg.rules.all_linear import AllLinear
from thalweg.rules.answer import answer, answer_before
from thalweg.rules.ascent import Ascent
from thalweg.rules.below_linear import FarBelowLinear
from thalweg.rules.bottleneck import Bottleneck
from thalweg.rules.broadcast import Broadcast
from thalweg.rules.clipped import AlwaysClipped
from thalweg.rules.collinear import Collinear
from thalweg.rules.constant import NoBetterThanConstant
from thalweg.rules.creep import RateTooLow
from thalweg.rules.dead import DeadUnits
from thalweg.rules.diverging import Diverging
from thalweg.rules.dropout import Dropout
from thalweg.rules.early_restore import EarlyRestore
from thalweg.rules.exploding import ExplodingGradients
from thalweg.rules.fixed_rate import FixedRate
from thalweg.rules.frozen import FrozenFresh
from thalweg.rules.frozen_rate import FrozenRate
from thalweg.rules.hidden_softmax import HiddenSoftmax
from thalweg.rules.idle_columns import IdleColumns
from thalweg.rules.imbalance import Imbalance
from thalweg.rules.initial_loss import InitialLoss
from thalweg.rules.initial_scale import InitialScale
from thalweg.rules.input_scale import InputScale
from thalweg.rules.labels import Labels
from thalweg.rules.leakage import Leakage
from thalweg.rules.logits import Logits
from thalweg.rules.lost_counters import LostCounters
from thalweg.rules.mismatch import Mismatch
from thalweg.rules.missing_code import MissingCode
from thalweg.rules.mixed_axes import MixedAxes
from thalweg.rules.modes import Modes
from thalweg.rules.noise import GradientNoise
from thalweg.rules.noisy_labels import NoisyLabels
from thalweg.rules.nonfinite import NonFinite
from thalweg.rules.nonfinite_data import NonFiniteData
from thalweg.rules.oscillating import Oscillating
from thalweg.rules.output_range import OutputRange
from thalweg.rules.overfitting import Overfitting
from thalweg.rules.overshoot import RateTooHigh
from thalweg.rules.overwritten import Overwritten
from thalweg.rules.penalty import Penalty
from thalweg.rules.poisoned_best import PoisonedBest
from thalweg.rules.predictions import ReportedLoss
from thalweg.rules.same_order import SameOrder
from thalweg.rules.saturated import SaturatedUnits
from thalweg.rules.schedule import ScheduleEnded
from thalweg.rules.schedule_free import ScheduleFree
from thalweg.rules.sorted_batches import SortedBatches
from thalweg.rules.spike import GradientSpike
from thalweg.rules.stalled import Stalled
from thalweg.rules.summed import SummedLoss
from thalweg.rules.symmetric import SymmetricUnits
from thalweg.rules.target_scale import TargetScale
from thalweg.rules.unfinished import Unfinished
from thalweg.rules.unfittable import Unfittable
from thalweg.rules.unheld import UnheldTensors
from thalweg.rules.unmet_baseline import UnmetBaseline
from thalweg.rules.unmoved import Unmoved
from thalweg.rules.unrelated_labels import UnrelatedLabels
from thalweg.rules.unused_input import UnusedInput
from thalweg.rules.update import UpdateSize
from thalweg.rules.validation_shift import ValidationShift
from thalweg.rules.vanishing import VanishingGradients
from thalweg.rules.warm_up import WarmUpUnended

RULES: tuple[Rule, ...] = (
    NonFiniteData(),
    InputScale(),
    TargetScale(),
    IdleColumns(),
    Collinear(),
    ValidationShift(),
    Leakage(),
    UnrelatedLabels(),
    NoisyLabels(),
    Imbalance(),
    SortedBatches(),
    MissingCode(),
    OutputRange(),
    Labels(),
    Logits(),
    ReportedLoss(),
    Broadcast(),
    Mismatch(),
    InitialLoss(),
    SummedLoss(),
    SymmetricUnits(),
    InitialScale(),
    AllLinear(),
    HiddenSoftmax(),
    Bottleneck(),
    SaturatedUnits(),
    Unfittable(),
    FrozenFresh(),
    UnheldTensors(),
    UnusedInput(),
    MixedAxes(),
    RateTooHigh(),
    RateTooLow(),
    ScheduleEnded(),
    AlwaysClipped(),
    Ascent(),
    GradientNoise(),
    WarmUpUnended(),
    SameOrder(),
    Penalty(),
    Dropout(),
    Modes(),
    FrozenRate(),
    FixedRate(),
    AbsentMonitor(),
    PoisonedBest(),
    EarlyRestore(),
    UnmetBaseline(),
    Overwritten(),
    LostCounters(),
    ScheduleFree(),
    NonFinite(),
    Diverging(),
    Stalled(),
    Oscillating(),
    NoBetterThanConstant(),
    FarBelowLinear(),
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
