"""P003: the learning rate is too high."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.objective import number, progress, rows
from thalweg.rules.shortfall import Shortfall, failure, learnable
from thalweg.rules.steps import HOT, OPPOSED, few, plain, rate, setting, steps
from thalweg.stats import Mean, spread


@dataclass(frozen=True)
class RateTooHigh(Rule):
    """Learning rate too high.

    ## What it asks

    Were the steps longer than the loss can bear, and did the run fail by it: diverge, oscillate, or sit where
    the first jump had thrown it?

    ## Why it matters

    It is the commonest single cause of a training that fails, and shows in many ways: a loss that explodes,
    units that are dead after a few steps, a plateau at the constant prediction that looks like missing
    signal.

    ## How it is decided

    Both of these:

    - *Long steps*: a kernel's change over its norm, the largest of the first 20 measured steps or the typical
      one, median over the kernels, was above `ratio`; or successive gradients pointed against each other
      (mean cosine under `cosine` with 99 % confidence, autocorrelation included), which is what jumping from
      one side of the valley to the other looks like.
    - *Failure*: the last loss was not finite, the run ended short of a linear model or of a constant
      prediction, or the loss diverged (`L002`) or oscillated (`L003`); or, after steps above `ratio`, it took `lost`
      of the epochs (two or more) to come under a constant prediction's loss, or the loss ended above `near` of it;
      or successive gradients had a mean cosine under `cycle` while the updates of the last third stayed above a tenth
      of those of the first: to and fro over the valley, for ever.

    Left to others: a negative rate (P007); batches of four examples or fewer (P008), unless the rate is
    extreme; steps made long by inputs or targets of root mean square above `scale`, or by kernels drawn
    `scale` times too large, as long as the rate is an ordinary one; targets that nothing foretells (D008). An
    extreme rate is `extreme` or more: of SGD, divided by one less its momentum; of an adaptive optimizer a
    thirtieth of it is enough.

    ## Thresholds

    `ratio` = 0.25, `cosine` = -0.25, `scale` = 10, `cycle` = -0.9, `near` = 0.95, `lost` = 0.25, `extreme` = 1. None
    is an alarm without a run that failed. Rates: docs/calibration.md.

    ## Known limits

    A rate somewhat too high, at which the run learns nearly as much as it could, is not a failure and not
    found. Without updates and gradients in the record (a foreign log) nothing tells a high rate from other
    causes.

    ## What to do

    Divide the rate by ten and look again; a range test finds the largest that is stable.

    ## References

    Cohen et al., *Gradient Descent on Neural Networks Typically Occurs at the Edge of Stability*, ICLR 2021.
    Smith, *Cyclical Learning Rates for Training Neural Networks*, WACV 2017.
    """

    code = "P003"
    title = "Learning rate too high"
    family = Family.OPTIMISATION
    needs = (("loss", "epoch_loss"), ("update_ratio", "gradient_cosine"))

    ratio: float = HOT
    """Least ratio of an update to its parameters."""
    cosine: float = OPPOSED
    """Largest mean cosine of successive gradients that jump from side to side."""
    scale: float = 10.0
    """Size of inputs, targets or initial kernels that makes long steps of an ordinary rate."""
    near: float = 0.95
    """Share of a constant prediction's loss above which nothing is shown to have been learned."""
    cycle: float = -0.9
    """Largest mean cosine of gradients that do nothing but go to and fro."""
    lost: float = 0.25
    """Share of the epochs until the loss came back under a constant prediction's."""
    extreme: float = 1.0
    """A rate of SGD that is too high in most data."""

    def assess(self, record: Record) -> Finding:
        """The length of the steps first, then the failure beside it."""
        went, typical = steps(record), rate(record)
        if typical < 0.0:
            return self.unassessed("Not assessed: the learning rate was negative (see P007).")
        if np.isnan(went.first) and np.isnan(went.cosine.value):
            return self.unassessed(
                "Not assessed: no update and no pair of successive gradients was measured."
            )
        length = max((x for x in (went.first, went.typical) if np.isfinite(x)), default=np.nan)
        evidence = {
            "rate": Evidence(typical, "1"),
            "ratio": Evidence(length, "1", usual=1e-3, threshold=self.ratio),
            "cosine": Evidence(went.cosine.value, "cosine", usual=0.0, threshold=self.cosine),
        }
        evidence = {name: entry for name, entry in evidence.items() if not np.isnan(entry.value)}
        long = length > self.ratio
        opposed = went.cosine.quantile(0.99) < self.cosine
        if not (long or opposed):
            template = "The largest of the first updates was {ratio} of its parameters"
            if "ratio" not in evidence:
                template = "Successive gradients had a mean cosine of {cosine}"
            return self.finding(Verdict.SATISFACTORY, f"{template}.", evidence)
        how = (
            "The first updates were up to {ratio} of their parameters"
            if long
            else ("Successive gradients pointed against each other (mean cosine {cosine})")
        )
        failed = failure(record) or (self._lost(record) if long else None) or self._cycle(record, went.cosine)
        if failed is None:
            return self.finding(Verdict.SATISFACTORY, f"{how}, and the run did not fail by it.", evidence)
        if (other := self._other(record, typical)) is not None:
            return self.unassessed(
                f"Not assessed: {how[0].lower()}{how[1:]} in a run that failed, but {other}.", evidence
            )
        at = " at a learning rate of {rate}" if "rate" in evidence else ""
        lower = typical / 10.0
        code = (
            f"learning_rate={lower:.1g}"
            if np.isfinite(lower) and setting(record, "learning_rate") > 0.0
            else ""
        )
        return self.finding(
            Verdict.CONCERN,
            f"{how}{at}, and {failed.words}.",
            {**evidence, **failed.evidence},
            series=(*failed.series, "learning_rate", "gradient_cosine"),
            remedies=(
                Remedy(
                    "Divide the learning rate by 10, and again until the loss falls smoothly.",
                    "Steps this long replace what the parameters held instead of improving it.",
                    code=code,
                ),
                Remedy(
                    "Warm the rate up over the first hundreds of steps.",
                    "The first steps are the longest, and those that kill units for good.",
                    code="learning_rate=keras.optimizers.schedules.CosineDecay("
                    "0.0, decay_steps, warmup_target=rate, warmup_steps=200)",
                ),
                Remedy(
                    "Clip the gradient.",
                    "It bounds the step that one batch can cause.",
                    code="global_clipnorm=1.0",
                ),
            ),
        )

    def _cycle(self, record: Record, cosine: Mean) -> Shortfall | None:
        """Steps that go to and fro over the valley, each as long as the one before, and never come to rest."""
        updates = record.series.get("update_norm")
        if updates is None or len(updates) < 12 or not cosine.quantile(0.99) < self.cycle:
            return None
        first, _, last = (spread(part).location for part in np.array_split(updates.values, 3))
        if not last > 0.1 * first > 0.0:
            return None
        found = {"last": Evidence(last, "parameter", usual=first, threshold=0.1 * first)}
        return Shortfall(
            "the last updates were {last} long, after {last__usual} at first", found, ("update_norm",)
        )

    def _lost(self, record: Record) -> Shortfall | None:
        """The first epochs, where it took many to come back under a constant prediction's loss."""
        logged, penalty = record.series.get("epoch_loss"), record.series.get("penalty")
        constant = number(record, "constant_prediction_loss")
        if logged is None or len(logged) < 4 or not np.isfinite(constant):
            return None
        made = progress(record)
        if made.adequate is None and self.near * constant < made.final:
            found = {"loss": Evidence(made.final, "loss", usual=constant, threshold=self.near * constant)}
            return Shortfall(
                "the loss ended at {loss}, where a constant prediction has {loss__usual}", found, ("loss",)
            )
        if penalty is not None and np.any(penalty.values > 0.1 * constant):
            return None
        above = logged.values >= constant
        lost = len(above) if np.all(above) else int(np.argmin(above))
        if lost == len(above) or lost < max(2.0, self.lost * len(above)):
            return None  # a loss that never came back may hold more than the error of the prediction
        epochs = Evidence(lost, "epochs", threshold=self.lost * len(above))
        level = Evidence(constant, "loss")
        words = "it took the loss {lost} epochs to come back under the {constant} of a constant prediction"
        return Shortfall(words, {"lost": epochs, "constant": level}, ("epoch_loss",))

    def _other(self, record: Record, typical: float) -> str | None:
        """What else makes long steps in this run, while its rate is not extreme; None where nothing does."""
        if not learnable(record):
            return "nothing foretold its targets from its inputs (see D008)"
        if not np.isfinite(typical):
            typical = 0.0
        sgd = plain(record)
        momentum = setting(record, "momentum")
        reach = typical / (1.0 - momentum) if sgd and 0.0 < momentum < 1.0 else typical
        if few(record) and typical < (self.extreme if sgd else self.extreme / 30.0):
            return "its batches were too small to blame the rate (see P008)"
        if reach >= (self.extreme if sgd else self.extreme / 30.0):
            return None
        if sgd is not False:
            for what in ("inputs", "targets"):
                if any(_size(row) > self.scale for row in rows(record, "data", what)):
                    return f"its {what} were large enough to make such steps at an ordinary rate"
        if any(_drawn(row) > self.scale for row in rows(record, "tensors")):
            return "its kernels were drawn large enough to make such a loss at an ordinary rate"
        return None


def _size(row: Mapping[str, Any]) -> float:
    """The root mean square of an input or of a continuous target; NaN where unknown."""
    if row.get("kind", "continuous") != "continuous":
        return np.nan
    return float(np.hypot(_real(row.get("mean")), _real(row.get("spread"))))


def _drawn(row: Mapping[str, Any]) -> float:
    """How much larger a kernel was drawn than one that keeps the variance of its inputs; NaN where unknown."""
    initial = row.get("initial")
    if not isinstance(initial, Mapping):
        return np.nan
    return _real(initial.get("spread")) * float(np.sqrt(np.fmax(_real(initial.get("fan_in")), 0.0)))


def _real(value: object) -> float:
    """A number as it is; NaN for anything else."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else np.nan
