"""O007: the loss began far above a constant prediction's."""

import math
from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.head import BINARY, CATEGORICAL, REGRESSION, Head, head
from thalweg.rules.objective import late, number, objective
from thalweg.rules.shortfall import Shortfall, learnable, shortfall

_SCALE = Remedy(
    "Scale the inputs, and the targets of a regression, to mean 0 and standard deviation 1.",
    "Outputs of the size of the targets begin near the constant prediction.",
    code="keras.layers.Normalization()",
)
_PRIOR = Remedy(
    "Begin the last bias at the answer of the constant prediction: the mean of the targets, or the logarithm of "
    "the class frequencies.",
    "The first steps are then not spent on finding it.",
    code="bias_initializer=keras.initializers.Constant(y.mean())",
)
_SMALL = Remedy(
    "Initialise the last kernel smaller.",
    "Large scores are confident answers, and most of them wrong at first.",
    code='kernel_initializer="glorot_uniform"',
)


@dataclass(frozen=True)
class InitialLoss(Rule):
    """The loss began far above a constant prediction's.

    ## What it asks

    At the first weights, was the loss of the predictions near that of the best constant answer, and if it was
    not, did the run ever make up for it?

    ## Why it matters

    An untrained network knows nothing: its loss belongs near that of always answering the same. Ten times
    that is confidence without knowledge, from inputs, targets or weights out of scale, and the steps go into
    unlearning it.

    ## How it is decided

    The loss of the probe batch's predictions before the first step, without penalty, in inference or in
    training mode, whichever is less, against the constant prediction's on the same targets, or on all that were
    looked at where that is more. Where the data pass in batches smaller than the probe batch it is that of the
    first batch, of 32 examples at least. A concern needs both of these:

    - it is more than `times` that of the constant prediction, for a squared error more than the square of that:
      outputs whose distance from the targets is `times` the usual. A cross-entropy is held against that of an
      even guess where that is more, for without knowledge of how rare a class is a network begins there;
    - the run ended short of a finite loss, of the constant prediction or of a linear model (L001, B001), and
      nothing says that the targets cannot be learned (D008).

    A first loss below the constant prediction's is that of a network that was trained before.

    ## Thresholds

    `times` = 3. Rates: docs/calibration.md. Standardised columns through Glorot's weights have outputs of twice
    the targets' variance, and so three times the squared error. Many healthy regressions begin far off, raw
    targets under Adam among them, and learn: the first loss alone is never an alarm.

    ## Known limits

    Known for the losses whose constant prediction is known, and one output.

    ## What to do

    Scale what is out of scale; else begin the last bias at the constant answer.

    ## References

    Karpathy, *A Recipe for Training Neural Networks*, 2019 ("verify loss at init").
    """

    code = "O007"
    title = "Loss began far above a constant prediction's"
    family = Family.OUTPUT
    before = True

    times: float = 3.0
    """How many times a constant prediction's the first loss may be, or its root for a squared error."""

    def assess(self, record: Record) -> Finding:
        """The first loss, and what became of it."""
        first = number(record, "contract", "recomputed_loss")
        trained = record.series.get("probe_training_loss")
        if trained is not None and len(trained) and trained.steps[0] == 0:
            # Moving averages that have not seen a batch yet are no fault of the first weights.
            first = float(np.fmin(first, trained.values[0]))
        first = float(np.fmin(first, number(record, "contract", "training_loss")))
        constant = number(record, "contract", "constant_prediction_loss")
        if late(record) or np.isnan(first) or np.isnan(constant) or constant <= 0.0:
            return self.unassessed(
                "Not assessed: the first loss, or a constant prediction's, was not measured."
            )
        # A first batch of a few examples may have targets that are more alike than all of them.
        constant = float(np.fmax(constant, number(record, "constant_prediction_loss")))
        end = head(record)
        squared = end is not None and end.loss == "mean_squared_error"
        line = max(constant, _guess(end)) * self.times ** (2 if squared else 1)
        evidence = {"first": Evidence(first, "loss", usual=constant, threshold=line)}
        if first <= line:
            return self.finding(
                Verdict.SATISFACTORY,
                "Before the first step the loss was {first}, where a constant prediction has {first__usual}.",
                evidence,
                series=("probe_loss", "loss"),
            )
        if objective(record) is None:
            return self.unassessed(
                "Not assessed: before the first step the loss was {first}, far above the {first__usual} of a "
                "constant prediction; whether the run makes up for it, its losses have to tell.",
                evidence,
            )
        harm = shortfall(record)
        if harm is None:
            return self.finding(
                Verdict.SATISFACTORY,
                "Before the first step the loss was {first}, where a constant prediction has {first__usual}; "
                "nothing shows that the run did not make up for it.",
                evidence,
                series=("probe_loss", "loss"),
            )
        if not learnable(record):
            return self.unassessed(
                "Not assessed: the targets could not be foretold from the inputs (see D008)."
            )
        regression = end is not None and end.loss in REGRESSION
        return self.finding(
            Verdict.CONCERN,
            "Before the first step the loss was {first}, far above the {first__usual} of a constant prediction; "
            f"{harm.words}.",
            {**evidence, **harm.evidence},
            series=("probe_loss", *harm.series),
            step=0,
            remedies=(_SCALE, _PRIOR) if regression else (_SCALE, _SMALL),
        )


def _guess(end: Head | None) -> float:
    """The cross-entropy of an even guess; 0 for other losses."""
    if end is None or end.loss not in CATEGORICAL | BINARY:
        return 0.0
    return math.log(max(end.units or 2, 2)) if end.loss in CATEGORICAL else math.log(2.0)


def badly_begun(record: Record) -> Shortfall | None:
    """What a run fell short of whose first loss was far too high; None where it was not, or was made up for."""
    return shortfall(record) if InitialLoss().check(record).verdict is Verdict.CONCERN else None
