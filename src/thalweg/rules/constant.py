"""B001: no better than a constant prediction."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thalweg.finding import Evidence, Family, Finding, Remedy, Safety, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.head import class_counts
from thalweg.rules.layers import LARGE, largest_update
from thalweg.rules.objective import GAIN, Progress, number, progress
from thalweg.stats import spread, trend


@dataclass(frozen=True)
class NoBetterThanConstant(Rule):
    """No better than a constant prediction.

    ## What it asks

    Does the trained network do better than one that always answers the same: the class frequencies, the mean
    or the median of the targets?

    ## Why it matters

    A loss of 2.30 sounds like something until one knows that ten equally likely classes give it without
    looking at the input. And a small loss can be reached without looking as well, where output and loss do
    not fit each other.

    ## How it is decided

    Any of these:

    - the mean of the last quarter of the losses lies above `share` of the constant prediction's loss with
      99 % confidence (batch means, Student's t), after at least 100 steps or 5 epochs, and the outputs do
      not say otherwise: where they were measured, they explain under 5 % of the targets' variance and their
      accuracy is within three standard errors of the commonest class;
    - the training loss does better, and the validation loss does not: of seven or more validations all lie
      above `share` of the constant prediction's loss (sign test), they were not falling, and the validation
      accuracy, where it was logged, says nothing else. For classes only, whose loss has the same scale in any
      data;
    - the outputs on the probe batch do not vary at all: their standard deviation over the examples is under
      `spread` of its value at the beginning and of their mean. This counts whatever the loss is.

    ## Thresholds

    `share` = 0.99, `spread` = 1e-6. Healthy synthetic runs of seven shapes, 320 each: no alarm (0 to 1.2 %
    for each shape, `benchmarks/error_rates.py`).

    On real Keras programs: the zoo's tables in docs/calibration.md.

    ## Known limits

    A penalty on the weights is part of the recorded loss and not of the constant prediction's, which is why
    the outputs are asked as well. Targets whose noise hides all but 1 % of the signal look like no signal.
    The constant's loss is known for cross-entropies, squared and absolute error only, and on the training
    data: validation data with rarer or commoner classes have another.

    ## What to do

    Check that the targets belong to the inputs and the last activation to the loss; then the learning rate.
    Where the outputs varied at first and then no more, the loss rose, or the updates were huge, the learning
    rate comes first.

    ## References

    Cover & Thomas, *Elements of Information Theory*, chapter 2 (entropy as the least log loss of a constant).
    """

    code = "B001"
    title = "No better than a constant prediction"
    family = Family.OUTCOME
    needs = (("loss", "epoch_loss", "output_spread"),)

    share: float = 0.99
    """Share of the constant prediction's loss that the final loss must be under."""
    spread: float = 1e-6
    """Relative standard deviation of outputs that do not vary."""

    def assess(self, record: Record) -> Finding:
        """The outputs first, then the loss against the constant prediction's."""
        if (flat := self._flat(record)) is not None:
            return flat
        made = progress(record)
        if np.isnan(made.constant):
            return self.unassessed(
                "Not assessed: the loss of a constant prediction is not known for this run."
            )
        evidence = {
            "count": Evidence(made.count, "losses"),
            "loss": Evidence(made.final, "loss", usual=made.constant, threshold=self._line(made.constant)),
        }
        if np.isnan(made.low):
            reason = (
                "the last loss was not finite"
                if made.adequate is False and not np.isfinite(made.final)
                else "the record holds too few losses to tell, {count}"
            )
            return self.unassessed(f"Not assessed: {reason}.", evidence)
        learned = made.high < self._line(made.constant)
        stuck = made.low >= self._line(made.constant)
        if not stuck and (unlike := self._validation(record, made)) is not None:
            return unlike
        if learned:
            evidence["ended"] = Evidence(made.ended, "loss")
            return self.finding(
                Verdict.SATISFACTORY,
                "The loss ended at {ended}; a constant prediction has {loss__usual}.",
                evidence,
                series=("loss", "epoch_loss"),
            )
        enough = 100 if "loss" in record.series else 5
        if not stuck or made.count < enough:
            evidence["low"], evidence["high"] = Evidence(made.low, "loss"), Evidence(made.high, "loss")
            return self.unassessed(
                "Not assessed: after {count} losses the level lay between {low} and {high}, too near to "
                "the constant prediction's {loss__usual} to tell.",
                evidence,
            )
        if (better := self._better(record)) is not None:
            name, evidence["outputs"] = better
            return self.finding(
                Verdict.SATISFACTORY,
                f"The loss ended at {{loss}}, where a constant prediction has {{loss__usual}}; but the {name} on the "
                "probe batch was {outputs}, after {outputs__threshold} without looking at the input.",
                evidence,
            )
        series = tuple(
            n
            for n in ("loss", "epoch_loss", "predicted_classes", "probe_explained_variance")
            if n in record.series
        )
        template = "The loss ended at {loss}, no better than the {loss__usual} of a constant prediction."
        if len(record.series.get("predicted_classes", ())):
            evidence["classes"] = Evidence(float(record.series["predicted_classes"].values[-1]), "classes")
            template += " The effective number of predicted classes was {classes}."
        remedies = (_PAIRED, _RANGE, _LAST_LAYER, _SCALE)
        return self.finding(Verdict.CONCERN, template, evidence, series=series, remedies=remedies)

    def _line(self, constant: float) -> float:
        return constant - (1.0 - self.share) * abs(constant)

    def _flat(self, record: Record) -> Finding | None:
        """A concern where the outputs do not vary over the examples."""
        widths, means = record.series.get("output_spread"), record.series.get("output_mean")
        if widths is None or len(widths) < 2 or widths.steps[-1] == 0 or not np.isfinite(widths.values[-1]):
            return None
        last = float(widths.values[-1])
        centre = abs(float(means.values[-1])) if means is not None and len(means) else 0.0
        usual = spread(widths.values[:-1]).location
        size = max(centre, float(np.max(widths.values, where=np.isfinite(widths.values), initial=0.0)))
        limit = self.spread * size
        if not last <= limit:
            return None
        evidence = {
            "spread": Evidence(last, widths.unit, usual=usual, threshold=limit),
            "centre": Evidence(centre, widths.unit),
        }
        template = (
            "The outputs did not depend on the input: over the probe batch they varied by {spread} "
            "around {centre}."
        )
        made = progress(record)
        if np.isfinite(made.final):
            hides = made.final < self._line(made.constant)
            evidence["loss"] = Evidence(made.final, "loss", usual=made.constant if hides else None)
            template += (
                " The loss hides it: it ended at {loss}, where a constant prediction has {loss__usual}."
                if hides
                else " The loss ended at {loss}."
            )
        untrained = number(record, "initial_loss")
        # Outputs that once varied, a loss that rose, and huge updates: the steps drove the network there.
        rose = made.final > untrained + GAIN * abs(untrained)
        collapsed = widths.values[0] > limit or rose or largest_update(record) > LARGE
        return self.finding(
            Verdict.CONCERN,
            template,
            evidence,
            series=("output_spread", "output_mean"),
            step=int(widths.steps[-1]),
            remedies=(_RATE, _SCALE, _INITIAL, _LAST_LAYER) if collapsed else (_LAST_LAYER, _INITIAL, _SCALE),
        )

    def _validation(self, record: Record, made: Progress) -> Finding | None:
        """A concern where a classifier is better than a constant on its training data only."""
        validation, counts = record.series.get("validation_loss"), class_counts(record)
        # Seven values on one side of a line put their median there with 99 % confidence (sign test).
        if validation is None or len(validation) < 7 or counts is None:
            return None
        line, steps, values = self._line(made.constant), validation.steps, validation.values
        half = max(len(values) // 2, 5)
        falling = trend(steps[-half:], values[-half:]).p_falling < 0.05
        if not (np.all(np.isfinite(values)) and np.min(values) > line) or falling:
            return None
        accuracy = record.series.get("validation_accuracy")
        if accuracy is not None and len(accuracy):
            chance, error = _chance(counts, 256.0)
            if spread(accuracy.values[-5:]).location > chance + 3.0 * error:
                return None
        return self.finding(
            Verdict.CONCERN,
            "The validation loss ended at {validation}, never better than the {validation__usual} of a "
            "constant prediction; on the training data the loss ended at {loss}.",
            {
                "validation": Evidence(float(values[-1]), "loss", usual=made.constant, threshold=line),
                "loss": Evidence(made.final, "loss"),
            },
            series=("validation_loss", *(n for n in ("loss", "epoch_loss") if n in record.series)),
            remedies=(_PAIRED, _SAME_SOURCE, _SMALLER),
        )

    def _better(self, record: Record) -> tuple[str, Evidence] | None:
        """What shows that the outputs follow the input: its name and value, beside the value without."""
        variance = record.series.get("probe_explained_variance")
        if variance is not None and len(variance) and variance.values[-1] > 0.05:
            return "explained variance", Evidence(float(variance.values[-1]), "fraction", threshold=0.05)
        accuracy = record.series.get("probe_accuracy")
        counts = class_counts(record)
        if accuracy is None or not len(accuracy) or counts is None:
            return None
        examples = number(record, "watch", "probe_examples")
        chance, error = _chance(counts, examples if examples >= 1.0 else 256.0)
        last = float(accuracy.values[-1])
        if last > chance + 3.0 * error:
            return "accuracy", Evidence(last, "fraction", usual=chance, threshold=chance + 3.0 * error)
        return None


def _chance(counts: NDArray[np.float64], examples: float) -> tuple[float, float]:
    """The accuracy of always answering the commonest class, and its standard error over so many examples."""
    chance = float(np.max(counts) / np.sum(counts))
    return chance, float(np.sqrt(chance * (1.0 - chance) / examples))


_PAIRED = Remedy(
    "Check that the rows of inputs and targets still belong together after shuffling or splitting.",
    "Labels of other examples cannot be learned from these inputs.",
    Safety.MANUAL,
)
_LAST_LAYER = Remedy(
    "Fit the last layer to the loss: one unit with `sigmoid` for two classes, `softmax` over n units for n, "
    "none for regression.",
    "A softmax over one unit is always one, whatever the input.",
    Safety.MANUAL,
)
_RATE = Remedy(
    "Divide the learning rate by 10.",
    "After one step too long a network can answer the same everywhere, with no gradient to leave it.",
)
_RANGE = Remedy(
    "Try learning rates from 1e-5 to 1 on a few hundred steps each, and take a third of the largest that "
    "falls.",
    "At a rate too low nothing is learned in time, at one too high nothing at all.",
)
_SCALE = Remedy(
    "Scale the inputs to unit standard deviation.", "Saturated or dead first layers pass nothing on."
)
_INITIAL = Remedy(
    "Initialise at random (`he_normal` for ReLU, `glorot_uniform` else), and the biases with zeros.",
    "Weights that are all equal, and units that are all off, answer the same to every input.",
)
_SAME_SOURCE = Remedy(
    "Check that the validation data were prepared as the training data were: scale, classes, columns.",
    "A network cannot do well on inputs that mean something else.",
    Safety.MANUAL,
)
_SMALLER = Remedy(
    "Get more training data, or use a smaller network.",
    "What was learned was the training examples themselves.",
    Safety.MANUAL,
)
