"""D009: contradicting or noisy labels."""

from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Safety, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.objective import number
from thalweg.rules.samples import class_shares, last, shown, validation_shares
from thalweg.stats import spread


@dataclass(frozen=True)
class NoisyLabels(Rule):
    """Contradicting or noisy labels.

    ## What it asks

    Are there labels that the other examples speak against, and did the network learn them by heart, or do the
    validation labels show that they need not have been wrong?

    ## Why it matters

    A network learns what is common first and mistakes afterwards. From then on each wrong label that it gets
    right makes it worse on new examples.

    ## How it is decided

    An estimate of the share of wrong labels: a kernel method (ridge regression), cross-validated, is asked about
    every example; among the quarter that it is surest of, the share with another label. Labels that are wrong at
    random are wrong there as often as anywhere; examples between two classes, which are merely hard, are not in
    that quarter. Or: the share of equal inputs that have different labels, where one in twenty examples has an
    equal and one column is continuous.

    The share is `noise` or more, and one of:

    - contradicted outright: of examples whose inputs occur two or three times, `outright` or more have another
      label than their equal, more than independent answers to an open question would give;

    - learned by heart: the training accuracy ended above what it leaves (1 - share / 2), and the validation data
      confirm it: their accuracy fell from its best by `fall` (half of it, where it was never above 1 - share by more
      than `slack`) and three standard errors; or, where equal inputs
      contradict one another, it was at no time above 1 - share by more than `slack`;
    - wrong in training only: the validation accuracy ended above the training accuracy (as logged, and in
      inference mode) by `apart` and four standard errors, where nothing else makes training examples harder:
      they are arrays, as they lie (no pipeline that augments), a linear rule does not tell the inputs apart
      (area under the ROC curve under `alike`) and the classes are mixed alike (total variation within `mixed`). A
      network does no worse on examples that it was trained on, unless their labels are.

    Noisy labels alone are no concern: a network that stays at their level, in training and validation, has done
    what can be done.

    ## Thresholds

    `noise` = 0.1, `outright` = 0.25, `fall` = 0.1, `slack` = 0.05, `apart` = 0.15, `alike` = 0.65, `mixed` = 0.2.
    Rates: docs/calibration.md.

    ## Known limits

    Classes only. Labels that are wrong at random in training and validation alike, and were not learned by heart,
    look like classes that overlap, however many they are: in sound programs of the zoo up to 42 % of the surest
    examples had another label. Where the kernel method is at a loss (photographs, pairs that are compared), its
    errors count as noise; only what validation says tells the two apart. Labels that are as noisy in validation,
    learned by heart from the first epoch on, are left to `V001`. Labels wrong in a pattern (one class always called
    another) cannot be told from classes. Training labels that are known to be noisy (drawn from a search engine, or
    from another network) beside clean validation labels are named as well.

    ## What to do

    Look at the labels that the network got wrong for longest; stop before it learns them.

    ## References

    Northcutt, Jiang & Chuang, *Confident Learning*, J. Artif. Intell. Res. 70, 2021. Arpit et al., *A Closer
    Look at Memorization in Deep Networks*, ICML 2017.
    """

    code = "D009"
    title = "Contradicting or noisy labels"
    family = Family.DATA
    needs = (("loss", "epoch_loss"),)

    noise: float = 0.1
    """Least share of wrong labels."""
    outright: float = 0.25
    """Share of pairs of equal inputs with different labels that needs no further sign."""
    fall: float = 0.1
    """Fall of the validation accuracy from its best."""
    slack: float = 0.05
    """How far the validation accuracy may lie above what noise leaves."""
    apart: float = 0.15
    """How far the validation accuracy lies above that of training where training labels alone are wrong."""
    alike: float = 0.65
    """Area under the ROC curve under which validation inputs are like those of training."""
    mixed: float = 0.2
    """Total variation between the class frequencies of training and validation that are alike."""

    def assess(self, record: Record) -> Finding:
        """The share of wrong labels, and whether they were learned."""
        if class_shares(record) is None:
            return self.unassessed("Not assessed: the targets are no classes, one an example.")
        certain = self._twins(record)
        share, where = certain or self._surest(record)
        if not np.isfinite(share):
            return self.unassessed(
                "Not assessed: the record does not say how far the labels contradict one another."
            )
        evidence = {"share": Evidence(share, "fraction", threshold=self.noise)}
        if share < self.noise:
            return self.finding(Verdict.SATISFACTORY, f"{where}.", evidence)
        group = number(record, "data", "duplicates", "group")
        if certain is not None and share >= self.outright and group < 4.0:
            return self.finding(
                Verdict.CONCERN,
                f"{where}, in groups of {{group}} equal examples.",
                {
                    "share": Evidence(share, "fraction", threshold=self.outright),
                    "group": Evidence(group, "examples", threshold=4),
                },
                series=shown(record, "validation_accuracy", "epoch_accuracy", "epoch_loss", "loss"),
                remedies=(_AGREE, _RELABEL),
            )
        training, validation = _training_accuracy(record), record.series.get("validation_accuracy")
        if not np.isfinite(training) or validation is None or len(validation) < 3:
            return self.unassessed(
                f"Not assessed: {where[0].lower()}{where[1:]}; the record does not say what was learned of "
                "them.",
                evidence,
            )
        line = 1.0 - share / 2.0
        evidence["training"] = Evidence(training, "fraction", usual=1.0 - share, threshold=line)
        ended = spread(validation.values[-3:]).location
        best = float(np.max(validation.values, initial=0.0, where=np.isfinite(validation.values)))
        evidence["best"], evidence["ended"] = (
            Evidence(best, "fraction"),
            Evidence(ended, "fraction", usual=best),
        )
        if (wrong := self._wrong_in_training(record, ended)) is not None:
            return self.finding(
                Verdict.CONCERN,
                f"{where}. The training accuracy ended at {{training}} and the validation accuracy at {{above}}, "
                "on inputs and classes alike.",
                {**evidence, **wrong},
                series=shown(record, "validation_accuracy", "epoch_accuracy", "probe_accuracy"),
                remedies=(_RELABEL, _STOP, _SMOOTH),
            )
        count = number(record, "data", "validation", "examples")
        error = np.sqrt(best * (1.0 - min(best, 1.0)) / (count if count >= 1.0 else 200.0))
        fell = best - ended >= max(self.fall, 3.0 * float(error))
        low = best <= 1.0 - share + self.slack
        fell = fell or (low and best - ended >= max(0.5 * self.fall, 3.0 * float(error)))
        confirmed = fell or (certain is not None and low)
        if not (line < training <= 1.0 and confirmed and 0.0 < best <= 1.0):
            return self.finding(
                Verdict.SATISFACTORY,
                f"{where}; the training accuracy ended at {{training}} and the validation accuracy at "
                f"{{ended}}, which does "
                "not speak of labels learned by heart.",
                evidence,
            )
        return self.finding(
            Verdict.CONCERN,
            f"{where}. The training accuracy ended at {{training}}, above the {{training__usual}} that "
            "right labels allow, and the validation accuracy at {ended} after {best} at its best.",
            evidence,
            series=shown(record, "validation_accuracy", "epoch_accuracy", "probe_accuracy"),
            remedies=(_STOP, _RELABEL, _SMOOTH),
        )

    def _wrong_in_training(self, record: Record, ended: float) -> dict[str, Evidence] | None:
        """The two accuracies, where that of validation is far above and the examples do not differ otherwise."""
        known, seen = class_shares(record), validation_shares(record)
        if known is None or seen is None or len(known) != len(seen):
            return None
        shift, total = number(record, "data", "validation", "shift"), number(record, "data", "total")
        mixed = float(np.abs(known - seen).sum()) / 2.0
        if not (shift < self.alike and mixed <= self.mixed and total >= 1.0):
            return None
        training = float(np.fmax(last(record, "probe_accuracy"), last(record, "epoch_accuracy")))
        examples = number(record, "watch", "probe_examples"), number(record, "data", "validation", "examples")
        if not (min(examples) >= 1.0 and 0.0 <= training <= 1.0):
            return None
        error = np.sqrt(training * (1.0 - training) * sum(1.0 / n for n in examples))
        line = training + max(self.apart, 4.0 * float(error))
        if not line < ended <= 1.0:
            return None
        return {
            "training": Evidence(training, "fraction"),
            "above": Evidence(ended, "fraction", usual=training, threshold=line),
        }

    def _twins(self, record: Record) -> tuple[float, str] | None:
        """The share of wrong labels among equal inputs, which is no estimate, and how it was found."""
        twins, differ = (number(record, "data", "duplicates", key) for key in ("examples", "contradictions"))
        finest = number(record, "data", "duplicates", "finest")
        if not (twins >= 0.05 and differ >= self.noise and finest >= 0.5):
            return None
        return differ, "Of the examples whose inputs equal another's {share} had another label"

    def _surest(self, record: Record) -> tuple[float, str]:
        """The share of wrong labels where a kernel method knows best; it may be wrong itself."""
        # Where there is no signal at all the labels are not noisy but unrelated (D008).
        p, share = (number(record, "data", "signal", key) for key in ("p", "contradicted"))
        where = "Of the examples whose class a kernel method was surest of {share} had another label"
        return (share if p <= 0.05 else np.nan), where


def _training_accuracy(record: Record) -> float:
    """In inference mode on the probe batch, where it was measured; else as Keras logs it."""
    probe = last(record, "probe_accuracy")
    return probe if np.isfinite(probe) else last(record, "epoch_accuracy")


_AGREE = Remedy(
    "Give equal inputs one label: that of most of them, or leave out those that disagree.",
    "Of two answers to one question at least one is wrong, and the network is asked for both.",
    Safety.MANUAL,
    code="_, first, group = np.unique(x, axis=0, return_index=True, return_inverse=True)",
)
_STOP = Remedy(
    "Stop before the wrong labels are learned.",
    "What is common is learned first: the best validation is the one before them.",
    code='keras.callbacks.EarlyStopping("val_accuracy", patience=5, restore_best_weights=True)',
)
_RELABEL = Remedy(
    "Look at the examples with the largest loss after the first epochs, and put their labels right.",
    "Wrong labels are the last to be learned, so they are found at the top of that list.",
    Safety.MANUAL,
    code="wrong = np.argsort(-keras.losses.sparse_categorical_crossentropy(y, model.predict(x)))[:100]",
)
_SMOOTH = Remedy(
    "Ask less certainty of the network: smooth the labels.",
    "The loss of one wrong label is then bounded.",
    code="keras.losses.CategoricalCrossentropy(label_smoothing=0.1)",
)
