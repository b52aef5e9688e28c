"""D005: columns that are nearly combinations of one another."""

from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.input_scale import InputScale
from thalweg.rules.objective import number, objective, rows
from thalweg.rules.samples import head_is_frozen, name_of, value
from thalweg.rules.shortfall import Shortfall, learnable, shortfall
from thalweg.stats import spread

_BASELINES = ("probe_accuracy", "probe_explained_variance")


@dataclass(frozen=True)
class Collinear(Rule):
    """Columns that are nearly combinations of one another.

    ## What it asks

    Are the inputs' columns so correlated that gradient descent crawls, and did the network end below what a linear
    model makes of the same inputs?

    ## Why it matters

    A condition number of 10,000 means that along one direction the loss is 10,000 times less curved than along
    another: the step size that the one bears takes 10,000 times as many steps along the other. A solver that
    inverts the matrix, as the linear model's does, does not see it.

    ## How it is decided

    All of these:

    - the condition number of the correlation matrix of the columns that vary is `condition` or more;
    - the run ended finite with less accuracy or explained variance on the probe batch than a ridge regression
      has, cross-validated;
    - a linear model would have ended there too, after as many steps of gradient descent on the same columns as
      the run was to make, at the longest step that the steepest direction bears: what the inputs say of the
      targets lies along the flat directions;
    - no more than a share of `late` of the whole fall of its loss came in the second half of the run: more
      time would not do.

    Where the inputs' scale is the matter (`D002`), it comes first and this
    is not said beside it. Targets that cannot be foretold are not judged (`D008`).

    ## Thresholds

    `condition` = 100, `late` = 0.4. Rates: docs/calibration.md. The first only says what the third is asked
    about: along a condition number of 100 a hundred steps lead.

    ## Known limits

    Not judged where the number of steps to come was not known. Known where the sample has four examples a column
    or more: 256 columns at most. One-hot columns that add up to one are perfectly collinear and harmless; the
    linear model's lead is what tells them apart.

    ## What to do

    Whiten the inputs, drop columns that repeat others, or take an optimizer that scales its steps.

    ## References

    LeCun, Kanter & Solla, *Eigenvalues of covariance matrices*, Phys. Rev. Lett. 66, 1991. Ali, Kolter &
    Tibshirani, *A Continuous-Time View of Early Stopping for Least Squares Regression*, AISTATS 2019.
    """

    code = "D005"
    title = "Columns that are nearly combinations of one another"
    family = Family.DATA
    before = True

    condition: float = 100.0
    """Condition number of the correlation matrix."""
    late: float = 0.4
    """Share of the loss's whole fall that came in the second half of the run."""

    def assess(self, record: Record) -> Finding:
        """The worst input's condition, beside the linear model."""
        known = [row for row in rows(record, "data", "inputs") if value(row, "condition_number") >= 1.0]
        if not known:
            return self.unassessed(
                "Not assessed: the record does not say how the inputs' columns are correlated."
            )
        worst = max(known, key=lambda row: value(row, "condition_number"))
        evidence = {
            "name": Evidence(name_of(worst, "input")),
            "condition": Evidence(value(worst, "condition_number"), "", usual=1.0, threshold=self.condition),
        }
        template = (
            "The correlation matrix of the columns of input `{name}` had a condition number of {condition}"
        )
        if value(worst, "condition_number") < self.condition:
            return self.finding(Verdict.SATISFACTORY, f"{template}.", evidence)
        short = shortfall(record)
        crawled = (
            short is not None
            and short.series[0] in _BASELINES
            and (_crawls(record, self.late) or _far_below(short))
        )
        if short is None or not crawled or not learnable(record):
            reason = "nothing shows that the training crawled below a linear model"
            return self.unassessed(f"Not assessed: {template[0].lower()}{template[1:]}; {reason}.", evidence)
        line, descent = short.evidence["reached"].threshold, number(record, "data", "linear", "descent")
        if line is None or not descent < line:
            reason = "gradient descent on these columns is not shown to be slow for these targets"
            return self.unassessed(f"Not assessed: {template[0].lower()}{template[1:]}; {reason}.", evidence)
        if InputScale().check(record).verdict is Verdict.CONCERN or head_is_frozen(record):
            return self.unassessed(
                f"Not assessed: {template[0].lower()}{template[1:]}; the inputs' scale comes before it.",
                evidence,
            )
        return self.finding(
            Verdict.CONCERN,
            f"{template}, where columns without correlation have {{condition__usual}}; {short.words}, and "
            "{descent} after as many steps of gradient descent.",
            {**evidence, **short.evidence, "descent": Evidence(descent, "fraction", threshold=line)},
            series=short.series,
            remedies=_REMEDIES,
        )


def _far_below(short: Shortfall) -> bool:
    """Whether a run did not come half as far as the baseline asks: more of the same would not bring it there."""
    reached = short.evidence["reached"]
    return reached.threshold is not None and float(reached.value) < 0.5 * reached.threshold


def _crawls(record: Record, late: float) -> bool:
    """Whether next to nothing of the loss's fall came in the second half."""
    losses = record.series.get("epoch_loss")  # less noisy than the losses of steps
    if losses is None or len(losses) < 8:
        losses = objective(record)
    if losses is None or not np.isfinite(losses.values).all():
        return False
    n = len(losses)
    tenth = max(n // 10, 1)
    middle, end = spread(losses.values[n // 2 - tenth // 2 :][:tenth]), spread(losses.values[-tenth:])
    whole = float(losses.values[0]) - end.location
    return bool(middle.location - end.location <= late * whole)


_REMEDIES = (
    Remedy(
        "Whiten the inputs by their principal components, fitted to the training inputs.",
        "Every direction then has the same curvature, and one learning rate fits them all.",
        code="whiten = sklearn.decomposition.PCA(whiten=True).fit(x_train); x_train = whiten.transform(x_train)",
    ),
    Remedy(
        "Drop columns that others say already.",
        "They add a direction along which the loss hardly changes, and nothing else.",
        code="kept = np.abs(np.triu(np.corrcoef(x_train.T), 1)).max(axis=0) < 0.99; x_train = x_train[:, kept]",
    ),
    Remedy(
        "Train with Adam, and longer.",
        "It scales the steps of each weight by itself, which helps in part.",
        code="keras.optimizers.Adam(1e-3)",
    ),
)
