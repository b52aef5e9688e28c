"""P004: the learning rate is too low."""

from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Safety, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.objective import GAIN, number, objective, progress
from thalweg.rules.shortfall import Shortfall, learnable, shortfall
from thalweg.rules.steps import CLIPPED, clipping, decay, plain, rate, setting, steps, warming
from thalweg.stats import finite, spread


@dataclass(frozen=True)
class RateTooLow(Rule):
    """Learning rate too low.

    ## What it asks

    Did the run creep: steps tiny and all in one direction, far from anything it could have reached?

    ## Why it matters

    Nothing is wrong with such a run but its pace, and no number of epochs that anyone will wait for mends it.
    It looks like a network that cannot learn.

    ## How it is decided

    All of these:

    - *Tiny*: the typical update was under `typical` of its parameters, and the largest under `largest`;
    - *One direction*: the mean cosine of successive gradients was above `cosine` with 99 % confidence: the
      next step went on where the last had ended, and a longer one would have gone further. Noise about a
      minimum, or labels without signal, have none of that;
    - *Steady*: from the middle to the last third the loss fell at least half as much as from the first to the
      middle;
    - *Far*: the run ended short of a linear model or of a constant prediction, or no epoch's loss was 2 % under the
      first one's, or at the pace of the run `times` as many steps would not have brought the loss to half of a
      constant prediction's.

    Left to others: a schedule that came down (P005) or was still warming up (P009), a gradient that was clipped
    (P006), targets that nothing foretells (D008). Where the gradient was small itself (with SGD: under `gradient` of
    the parameters' norm), it is left to G002 if some layer's was not; else what scales the loss is asked about first.

    ## Thresholds

    `typical` = 3e-4, `largest` = 0.01, `cosine` = 0.1, `times` = 10, `gradient` = 0.01. Rates:
    docs/calibration.md.

    ## Known limits

    Successive gradients of small batches agree little even where a longer step would help; such a run is left
    to `L004` and `B001`.

    ## What to do

    Raise the rate by the factor that brings the typical update to about a thousandth of its parameters.

    ## References

    Smith, *Cyclical Learning Rates for Training Neural Networks*, WACV 2017. Karpathy, *CS231n*, "Ratio of
    weights:updates".
    """

    code = "P004"
    title = "Learning rate too low"
    family = Family.OPTIMISATION
    needs = (("loss", "epoch_loss"), ("update_ratio",), ("gradient_cosine",))

    typical: float = 3e-4
    """Largest typical ratio of an update to its parameters."""
    largest: float = 0.01
    """Largest ratio of any update to its parameters."""
    cosine: float = 0.1
    """Least mean cosine of successive gradients."""
    times: float = 10.0
    """Least number of times as many steps that the way left would take."""
    gradient: float = 0.01
    """Least ratio of a gradient to its parameters, at which the rate of SGD is to blame."""

    def assess(self, record: Record) -> Finding:
        """The size and direction of the steps, then how far the run came."""
        went, used = steps(record), rate(record)
        if np.isnan(went.typical) or np.isnan(went.cosine.error):
            return self.unassessed(
                "Not assessed: no kernel moved, or fewer than four pairs of successive gradients were "
                "measured."
            )
        evidence = {
            "ratio": Evidence(went.typical, "1", usual=1e-3, threshold=self.typical),
            "cosine": Evidence(went.cosine.value, "cosine", usual=0.0, threshold=self.cosine),
        }
        if np.isfinite(used):
            evidence["rate"] = Evidence(used, "1")
        tiny = went.typical < self.typical
        if tiny and decay(record) is not None:
            return self.unassessed(
                "Not assessed: the typical update was {ratio} of its parameters, but the learning rate had come down "
                "to a hundredth of its peak (see P005).",
                evidence,
            )
        if tiny and not went.largest < self.largest:
            evidence["largest"] = Evidence(went.largest, "1", threshold=self.largest)
            return self.finding(
                Verdict.SATISFACTORY,
                "The typical update was {ratio} of its parameters, but the largest was {largest}, where a rate that "
                "is too low makes none above {largest__threshold}.",
                evidence,
            )
        if not tiny or not went.cosine.quantile(0.01) > self.cosine:
            return self.finding(
                Verdict.SATISFACTORY,
                "The typical update was {ratio} of its parameters, and successive gradients had a mean "
                "cosine of {cosine}.",
                evidence,
            )
        if (other := self._other(record, went.typical, used)) is not None:
            return self.unassessed(
                f"Not assessed: the typical update was {{ratio}} of its parameters, but {other}.", evidence
            )
        steady, times = self._pace(record)
        short, made = shortfall(record, kernel=True) or _standing(record), progress(record)
        beyond = short is not None and short.linear
        if not beyond and ((short is None and made.fell is None) or not np.isfinite(made.constant)):
            return self.unassessed(
                "Not assessed: the typical update was {ratio} of its parameters, but whether the loss fell, or how "
                "far it had to, is not known.",
                evidence,
            )
        if not steady or (short is None and not times > self.times):
            return self.finding(
                Verdict.SATISFACTORY,
                "The typical update was {ratio} of its parameters, and the loss fell all the same.",
                evidence,
            )
        template = (
            "The typical update was {ratio} of its parameters, and successive gradients pointed the same way "
            "(mean cosine {cosine})"
        )
        if short is not None:
            evidence |= short.evidence
            template += f"; {short.words}."
        else:
            evidence["times"] = Evidence(times, "1", threshold=self.times)
            template += (
                "; at its pace half of a constant prediction's loss was {times} times as many steps away."
            )
        decades = round(float(np.log10(1e-3 / max(went.typical, 1e-12))))
        factor = float(10 ** max(decades, 1))
        higher = f"learning_rate={used * factor:.1g}" if setting(record, "learning_rate") > 0.0 else ""
        evidence["factor"] = Evidence(factor, "1")
        return self.finding(
            Verdict.CONCERN,
            template,
            evidence,
            series=("loss", "learning_rate", "gradient_cosine", *(short.series if short else ())),
            remedies=(
                *([_SCALE] if self._faint(record, went.typical, used) else []),
                Remedy(
                    f"Multiply the learning rate by {factor:,.0f}.",
                    "The typical update is then about a thousandth of its parameters.",
                    code=higher if np.isfinite(used) else "",
                ),
                Remedy(
                    "Use Adam at its default rate.",
                    "The length of its steps does not depend on the size of the gradient.",
                    code="optimizer=keras.optimizers.Adam(1e-3)",
                ),
            ),
        )

    def _other(self, record: Record, typical: float, used: float) -> str | None:
        """What else makes tiny steps in this run; None where nothing does."""
        if used < 0.0:
            return "the learning rate was negative (see P007)"
        if warming(record):
            return "the learning rate was still being raised (see P009)"
        clip = clipping(record)
        if clip is not None and clip.factor > CLIPPED and plain(record) is not False:
            return "its gradient was clipped (see P006)"
        if self._faint(record, typical, used) and self._largest(record) / used >= self.gradient:
            return "so was the gradient itself, in some layers and not in others (see G002)"
        return None if learnable(record) else "nothing foretold the targets from the inputs (see D008)"

    def _faint(self, record: Record, typical: float, used: float) -> bool:
        """Whether the gradient was small itself, and the rate of SGD is not to blame for the size of its steps."""
        return bool(plain(record) and used > 0.0 and typical / used < self.gradient)

    def _largest(self, record: Record) -> float:
        """The typical update of the kernel whose updates were the largest beside it."""
        each = [series for name, series in record.each("update_ratio").items() if not name.endswith("bias")]
        return max((spread(series.values).location for series in each if len(series)), default=np.nan)

    def _pace(self, record: Record) -> tuple[bool, float]:
        """Whether the loss did not slow down, and how many times the run's length the way left would take."""
        series, made = objective(record), progress(record)
        values = finite(series.values) if series is not None else np.array([])
        if len(values) < 6:
            return False, np.nan
        first, middle, last = (spread(part) for part in np.array_split(values, 3))
        # Three medians differ by chance by about this much.
        noise = 3.0 * 1.25 * middle.scale / np.sqrt(middle.count)
        fell, slowed = first.location - last.location, first.location - middle.location
        steady = (middle.location - last.location) >= 0.5 * slowed - noise
        # The middles of the outer thirds are two thirds of the run apart.
        left = max(last.location - 0.5 * made.constant, 0.0)
        if left > 0.0 and not fell > 0.0:
            return bool(steady), np.inf
        return bool(steady), float(left / (1.5 * fell)) if left > 0.0 else 0.0


def _standing(record: Record) -> Shortfall | None:
    """Epochs whose losses, each over all examples, lay no further than rounding under the first one's."""
    logged, constant = record.series.get("epoch_loss"), number(record, "constant_prediction_loss")
    if logged is None or len(logged) < 5 or not np.isfinite(logged.values).all():
        return None
    first, last = float(logged.values[0]), float(logged.values[-1])
    if np.min(logged.values) < first - GAIN * abs(first) or last < 0.5 * constant:
        return None
    found = {"last": Evidence(last, "loss", usual=first, threshold=first - GAIN * abs(first))}
    return Shortfall("the epochs' losses went from {last__usual} to {last}", found, ("epoch_loss",))


_SCALE = Remedy(
    "Look at what makes the loss so small a number: `loss_weights`, targets in large units, a mean over too much.",
    "The gradient is as small as the loss that it comes from, and with SGD so are the steps.",
    Safety.MANUAL,
)
