"""D006: validation data of another kind than the training data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Safety, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.objective import fact, number, rows
from thalweg.rules.samples import class_shares, last, name_of, shown, validation_shares, value
from thalweg.rules.sorted_batches import SortedBatches

_Certain = tuple[str, dict[str, Evidence], tuple[Remedy, ...]]


@dataclass(frozen=True)
class ValidationShift(Rule):
    """Validation data of another kind than the training data.

    ## What it asks

    Were the validation inputs scaled, or drawn, otherwise than the training inputs, and are their classes
    classes that the training knows?

    ## Why it matters

    A validation loss on other data measures the difference of the data. Early stopping, checkpoints and
    schedules that listen to it then follow something that has nothing to do with the training.

    ## How it is decided

    Certain, before the first step:

    - the range of the inputs, between their 1 % and 99 % quantiles, and their standard deviation both differ by
      a factor of `factor` or more: pixels divided by 255 on one side only, or twice;
    - a share of `unseen` or more of the validation examples are of classes that no training target has: sorted
      examples split without shuffling;
    - what holds among the training examples does not hold among those of validation, whose inputs look the same
      (an area under `alike`): ridge regressions that learned the classes from one half of the training examples,
      in their order, lose `lost` of their mean recall beyond chance on the validation examples, and `errors`
      standard errors of it, held against the other half and against regressions that learned from one half of the
      validation examples alike. A vocabulary or an encoder fitted anew for the validation data does that.

    Any is withdrawn where the validation loss ended at 0.9 of a constant prediction's or less, and at no more than
    `worse` times the training loss.

    Otherwise beside the curves: a linear rule tells validation from training inputs with an area under the ROC
    curve of `area` or more on examples that it has not seen, or the standard deviations differ by a factor of
    3; and the validation loss was `worse` times the training loss or more at every epoch from the first on, at
    least 3, and never better than a constant prediction; or a linear rule tells them so, and the accuracy ended
    lower in validation by `gap` and four standard errors.

    The latter is not assessed where the sample of training examples does not stand for them all: a pipeline gave its
    first examples, and successive targets agree as they do in sorted data (see D011), or fewer classes came than
    validation has; or `copies` or more of them are copies of one another, which stand on both sides of the
    split that the linear rule is tried on. Copies that are all recognised lift the area by half of their share.

    ## Thresholds

    `factor` = 50, `unseen` = 0.1, `lost` = 0.75, `errors` = 5, `alike` = 0.7, `area` = 0.8, `gap` = 0.05,
    `worse` = 2, `copies` = 0.5. Rates: docs/calibration.md.

    Of 1,598 simulated pairs of samples of one relation (other class frequencies, wrong labels, copies, added
    noise; 40 validation examples and more) the third kind named none at `lost` = 0.6, of 1,396 whose relation turned
    by 45 or 90 degrees over the time 2, and of 2,092 whose groups had a relation partly of their own 11.

    ## Known limits

    Validation data that come as a pipeline are not looked at. The third kind is asked of one target that is a
    class, with five examples of two classes in every half; it does not see wrong validation targets, which no rule
    foretells. A split by time or by patient shifts the inputs on purpose; it is named only where the validation loss
    never was of use, or by the third kind, where the relation of inputs and classes is another.

    ## What to do

    Prepare both in one place: fit vocabulary, encoder and scaler on the training data, once.

    ## References

    Rabanser, Gunnemann & Lipton, *Failing Loudly: An Empirical Study of Methods for Detecting Dataset Shift*,
    NeurIPS 2019. Lopez-Paz & Oquab, *Revisiting Classifier Two-Sample Tests*, ICLR 2017.
    """

    code = "D006"
    title = "Validation data of another kind than the training data"
    family = Family.DATA
    before = True

    factor: float = 50.0
    """Ratio of ranges, and of standard deviations, that no sampling explains."""
    unseen: float = 0.1
    """Share of the validation examples whose class no training target has."""
    lost: float = 0.75
    """Share of a simple rule's mean recall beyond chance that validation takes."""
    errors: float = 5.0
    """The same in standard errors."""
    alike: float = 0.7
    """Area under the ROC curve under which the inputs are of one kind."""
    area: float = 0.8
    """Area under the ROC curve."""
    gap: float = 0.05
    """How far the validation accuracy lies below that of training."""
    worse: float = 2.0
    """Validation loss over training loss, at every epoch."""
    copies: float = 0.5
    """Share of the sample that equals another example of it."""

    def assess(self, record: Record) -> Finding:
        """What is certain from the data, then the curves."""
        training, validation = rows(record, "data", "inputs"), rows(record, "data", "validation", "inputs")
        pairs = [pair for pair in zip(training, validation, strict=False) if _spreads(pair) > 0.0]
        shift, new = (number(record, "data", "validation", key) for key in ("shift", "unseen_examples"))
        if not pairs and not np.isfinite(shift) and not np.isfinite(new):
            return self.unassessed(
                "Not assessed: the record does not say what the validation inputs were like."
            )
        if (certain := self._certain(pairs, new) or self._unheld(record, shift)) is not None:
            if self._well(record):
                return self.unassessed(
                    "Not assessed: the validation data differ from the training data, and the network did "
                    "well there."
                )
            template, evidence, remedies = certain
            series = shown(record, "validation_loss", "epoch_loss")
            return self.finding(Verdict.CONCERN, template, evidence, series=series, remedies=remedies)
        evidence = {}
        if pairs:
            ratio = max(map(_spreads, pairs))
            evidence["ratio"] = Evidence(ratio, "", usual=1.0, threshold=3.0)
        if np.isfinite(shift):
            evidence["shift"] = Evidence(shift, "", usual=0.5, threshold=self.area)
        moved = shift >= self.area
        if not moved and not (pairs and ratio >= 3.0):
            if not evidence:
                return self.finding(
                    Verdict.SATISFACTORY,
                    "Of the validation examples {new} were of classes that no training target has.",
                    {"new": Evidence(new, "fraction", threshold=self.unseen)},
                )
            words = (
                "A linear rule told validation from training inputs with an area under the ROC curve of "
                "{shift}, where {shift__usual} is chance."
                if "shift" in evidence
                else "Validation and training inputs had standard deviations within a factor of {ratio}."
            )
            return self.finding(Verdict.SATISFACTORY, words, evidence)
        if (reason := self._partial(record)) is not None:
            return self.unassessed(
                f"Not assessed: {reason}, and do not stand for all that validation is held against.", evidence
            )
        if (gap := self._told_apart(record, shift)) is not None:
            return self.finding(
                Verdict.CONCERN,
                "A linear rule told validation from training inputs with an area under the ROC curve of {shift}, "
                "where {shift__usual} is chance; the accuracy ended at {validation} in validation and at "
                "{validation__usual} in training.",
                {**evidence, "validation": gap},
                series=shown(record, "validation_accuracy", "epoch_accuracy", "validation_loss"),
                remedies=(_ONE_PLACE, _SHUFFLED),
            )
        if (apart := self._apart(record)) is None:
            return self.unassessed(
                "Not assessed: the validation inputs differ from the training inputs, and the losses do not "
                "show that it matters.",
                evidence,
            )
        differ = (
            "A linear rule told validation from training inputs with an area under the ROC curve of {shift}, "
            "where {shift__usual} is chance"
            if moved
            else "The standard deviations of validation and training inputs differed by a factor of {ratio}"
        )
        return self.finding(
            Verdict.CONCERN,
            f"{differ}; from the first epoch on the validation loss was {{apart}} times the training loss "
            "or more.",
            {**evidence, "apart": apart},
            series=("validation_loss", "epoch_loss"),
            remedies=(_ONE_PLACE, _SHUFFLED),
        )

    def _certain(
        self, pairs: list[tuple[Mapping[str, Any], Mapping[str, Any]]], new: float
    ) -> _Certain | None:
        for pair in pairs:
            ranges = _ratio(*(value(row, "high") - value(row, "low") for row in pair))
            if not min(ranges, _spreads(pair)) >= self.factor:
                continue
            first, second = (value(row, "spread") for row in pair)
            evidence = {
                "name": Evidence(name_of(pair[0], "input")),
                "validation": Evidence(second, "input", usual=first),
                "ratio": Evidence(_spreads(pair), "", usual=1.0, threshold=self.factor),
            }
            template = (
                "The validation inputs had a standard deviation of {validation} in input `{name}`, the "
                "training inputs one of {validation__usual}: a factor of {ratio}."
            )
            return template, evidence, (_ONE_PLACE,)
        if new >= self.unseen:
            evidence = {"new": Evidence(new, "fraction", usual=0.0, threshold=self.unseen)}
            template = "Of the validation examples {new} were of classes that no training target has."
            return template, evidence, (_SHUFFLED,)
        return None

    def _unheld(self, record: Record, shift: float) -> _Certain | None:
        """What holds among the training examples, and not among validation examples that look like them."""
        found = fact(record, "data", "validation", "transfer")
        within, across, own, error, chance = (
            value(found, key) for key in ("within", "across", "own", "error", "chance")
        )
        least = min(within, own)
        line = min(chance + (1.0 - self.lost) * (least - chance), least - self.errors * error)
        if not (across < line and shift < self.alike) or self._partial(record) is not None:
            return None
        evidence = {
            "within": Evidence(within, "fraction"),
            "across": Evidence(across, "fraction", usual=chance, threshold=line),
            "own": Evidence(own, "fraction"),
        }
        template = (
            "A rule learned from half of the training examples had a mean recall of {within} on the others and of "
            "{across} on the validation examples, where chance has {across__usual}; one learned from half of the "
            "validation examples had {own} on the others."
        )
        return template, evidence, (_ONCE,)

    def _partial(self, record: Record) -> str | None:
        """Why the sample of training examples is not like the whole of them; None where nothing says so."""
        if number(record, "data", "duplicates", "examples") >= self.copies:
            return "the training examples that were looked at are mostly copies of one another"
        fit = fact(record, "fit")
        if not isinstance(fit, Mapping) or fit.get("shuffle", True) is not None:
            return None  # arrays: the sample is spread over them
        if number(record, "data", "order", "neighbours") >= SortedBatches.neighbours:
            return (
                "the training examples that were looked at are the first of a pipeline that was not shuffled"
            )
        training, validation = class_shares(record), validation_shares(record)
        seen = max((value(row, "classes") for row in rows(record, "data", "targets")), default=np.nan)
        seen = seen if training is None else float(np.count_nonzero(training))
        if validation is not None and seen < np.count_nonzero(validation):
            return "the training examples that were looked at are of fewer classes than those of validation"
        return None

    def _well(self, record: Record) -> bool:
        """Whether the network in the end did on the validation data about as well as on its own."""
        ended, constant = last(record, "validation_loss"), number(record, "constant_prediction_loss")
        return ended <= self.worse * last(record, "epoch_loss") and not ended > 0.9 * constant

    def _told_apart(self, record: Record, shift: float) -> Evidence | None:
        """The validation accuracy, where it ended far below that of training on inputs that can be told apart."""
        ended, own = last(record, "validation_accuracy"), last(record, "epoch_accuracy")
        count = number(record, "data", "validation", "examples")
        if not (shift >= self.area and count >= 1.0 and 0.0 <= ended <= 1.0 and 0.0 <= own <= 1.0):
            return None
        line = own - max(self.gap, 4.0 * float(np.sqrt(own * (1.0 - own) / count)))
        return Evidence(ended, "fraction", usual=own, threshold=line) if ended < line else None

    def _apart(self, record: Record) -> Evidence | None:
        """The least ratio of validation to training loss over the epochs, where validation never was of use."""
        validation, training = record.series.get("validation_loss"), record.series.get("epoch_loss")
        if validation is None or training is None:
            return None
        _, first, second = np.intersect1d(validation.steps, training.steps, return_indices=True)
        above, below = validation.values[first], training.values[second]
        if len(above) < 3 or not np.isfinite(below).all() or not (below > 0.0).all() or np.isnan(above).any():
            return None
        constant = number(record, "constant_prediction_loss")
        with np.errstate(over="ignore"):
            least = float(np.min(above / below))
        if least < self.worse or not np.min(above) >= constant:
            return None
        return Evidence(least, "", usual=1.0, threshold=self.worse)


def _spreads(pair: tuple[Mapping[str, Any], Mapping[str, Any]]) -> float:
    return _ratio(*(value(row, "spread") for row in pair))


def _ratio(first: float, second: float) -> float:
    """The larger over the smaller of two sizes; NaN where one is not above zero."""
    if not (0.0 < first < np.inf and 0.0 < second < np.inf):
        return np.nan
    return max(first, second) / min(first, second)


_ONE_PLACE = Remedy(
    "Prepare training and validation inputs by one and the same function, or by layers inside the model.",
    "What is divided by 255 on one side only is another problem on the other.",
    code="normalization = keras.layers.Normalization(); normalization.adapt(x_train)",
)
_ONCE = Remedy(
    "Fit vocabulary, encoder and scaler on the training data once, and use them for all.",
    "Fitted anew, the same number stands for another word, category or class.",
    code="encoder.fit(x_train); x_train, x_val = encoder.transform(x_train), encoder.transform(x_val)",
)
_SHUFFLED = Remedy(
    "Shuffle the examples before they are split.",
    "Keras's `validation_split` takes the last examples as they lie; sorted data end with classes that come "
    "nowhere else.",
    Safety.SUGGESTED,
    code="order = np.random.default_rng(0).permutation(len(x)); x, y = x[order], y[order]",
)
