"""D011: sorted examples, not shuffled."""

from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.objective import epochs, fact, number
from thalweg.rules.samples import class_shares, last, shown
from thalweg.rules.shortfall import Shortfall, learnable, shortfall


@dataclass(frozen=True)
class SortedBatches(Rule):
    """Sorted examples, not shuffled.

    ## What it asks

    Do the examples come in the order of their targets, and do most batches hold one class only?

    ## Why it matters

    A batch of one class teaches to answer that class always, and the next one to forget it. The training loss
    falls within every class and says nothing; the last class of the epoch is what is left.

    ## How it is decided

    The examples are not shuffled (`shuffle=False`, or a pipeline, whose first batches are looked at as they
    pass), and one of:

    - classes: a share of `one_class` or more of the batches hold one class, and `excess` more than random order
      would give; batches of 8 or more, at least 4. This is a concern before the first step, and withdrawn where
      the network in the end told the classes on the probe batch as well as a linear model does, and forgot none.
      Where `most` of the batches or more hold one class it takes an accuracy of `enough` as well: a linear model is
      no measure of what mixed batches would have taught;
    - numbers: successive targets correlate by `neighbours` or more, and the run fell short of a constant
      prediction or a linear model, or forgot.

    A network forgot if, in the third epoch or later, the loss of the batches as they passed (each before its own
    update) was lower than that of the probe batch, which is spread over the data, after the last of them: by the
    factor `forgotten`, and by `share` of the constant prediction's loss. In shuffled training the mean of an
    epoch is above what its end has, for the network improves on the way. Of inference and training mode the
    lower loss counts.

    ## Thresholds

    `one_class` = 0.25, `excess` = 0.2, `most` = 0.5, `enough` = 0.95, `neighbours` = 0.9,
    `forgotten` = 1.5, `share` = 0.1. Rates: docs/calibration.md.

    ## Known limits

    Time series are trained in their order for good reasons: numbers count only beside a run that fell short or
    forgot. Of a pipeline the first 1,024 examples are seen, and nothing is said of forgetting: where those are
    all of one class, it is taken for sorted if the model has several outputs and a categorical cross-entropy.

    ## What to do

    Shuffle.

    ## References

    Bengio, *Practical Recommendations for Gradient-Based Training of Deep Architectures*, 2012, section 3.
    """

    code = "D011"
    title = "Sorted examples, not shuffled"
    family = Family.DATA
    before = True

    one_class: float = 0.25
    """Share of the batches."""
    excess: float = 0.2
    """Share of the batches beyond what random order gives."""
    most: float = 0.5
    """Share of the batches that a linear model's accuracy does not excuse."""
    enough: float = 0.95
    """Accuracy on the probe batch that leaves little to learn."""
    neighbours: float = 0.9
    """Correlation of successive targets."""
    forgotten: float = 1.5
    """Loss on the probe batch over that of the last epoch's batches as they passed."""
    share: float = 0.1
    """How far the one lies above the other, as a share of the constant prediction's loss."""

    def assess(self, record: Record) -> Finding:
        """Shuffled or not; then classes or numbers."""
        single, alike = (number(record, "data", "order", key) for key in ("one_class", "neighbours"))
        if not np.isfinite(single) and not np.isfinite(alike):
            return self.unassessed("Not assessed: the record does not say in which order the targets lie.")
        shuffle = fact(record, "fit", "shuffle")
        if shuffle not in (False, None, "batch"):
            how = "once" if shuffle == "once" else "in every epoch"
            return self.finding(Verdict.SATISFACTORY, f"The examples were shuffled {how}.")
        evidence = {}
        if np.isfinite(alike):
            evidence["alike"] = Evidence(alike, "", usual=0.0, threshold=self.neighbours)
        if np.isfinite(single):
            return self._classes(record, single, alike, evidence)
        if alike < self.neighbours:
            return self.finding(Verdict.SATISFACTORY, "Successive targets correlated by {alike}.", evidence)
        short = self._forgot(record) or shortfall(record, kernel=True)
        if short is None or not learnable(record):
            return self.unassessed(
                "Not assessed: successive targets correlated by {alike}, and nothing shows that the "
                "training suffered.",
                evidence,
            )
        return self.finding(
            Verdict.CONCERN,
            "The examples were not shuffled, and successive targets correlated by {alike}, where "
            "{alike__usual} is "
            f"usual; {short.words}.",
            {**evidence, **short.evidence},
            series=short.series,
            remedies=_remedies(shuffle),
        )

    def _classes(self, record: Record, single: float, alike: float, evidence: dict[str, Evidence]) -> Finding:
        shares, size = class_shares(record), number(record, "fit", "batch_size")
        batches = number(record, "data", "order", "batches")
        outputs = fact(record, "model", "output_shape")
        several = isinstance(outputs, list | tuple) and bool(outputs) and outputs[-1] != 1
        several = several and "categorical_crossentropy" in str(
            fact(record, "loss")
        )  # else targets may be dummies
        if shares is None and not (np.isnan(alike) and several):
            return self.unassessed("Not assessed: the targets were all of one class.")
        if not (size >= 8.0 and batches >= 4.0):
            return self.unassessed("Not assessed: the batches were too small or too few to tell their order.")
        usual = 0.0 if shares is None else round(float(np.sum(shares**size)), 4)
        line = max(self.one_class, usual + self.excess)
        evidence["single"] = Evidence(single, "fraction", usual=usual, threshold=line)
        template = (
            "Of the batches {single} held examples of one class only, where random order has {single__usual}"
        )
        if single < line:
            return self.finding(Verdict.SATISFACTORY, f"{template}.", evidence)
        reached, simple = last(record, "probe_accuracy"), number(record, "data", "linear", "accuracy")
        simple = float(np.fmax(simple, number(record, "data", "signal", "score")))
        forgot = self._forgot(record)
        if forgot is not None:
            return self.finding(
                Verdict.CONCERN,
                f"{template}, and they were not shuffled; {forgot.words}.",
                {**evidence, **forgot.evidence},
                series=forgot.series,
                remedies=_remedies(fact(record, "fit", "shuffle")),
            )
        needed = float(np.fmax(simple, self.enough)) if single >= self.most or np.isnan(simple) else simple
        if shares is not None and np.isfinite(reached):
            needed = max(needed, float(np.max(shares)) + 0.1)
            known = simple if np.isfinite(simple) else None
            evidence["reached"] = Evidence(reached, "fraction", usual=known, threshold=needed)
        if "reached" in evidence and reached >= needed:
            return self.finding(
                Verdict.SATISFACTORY,
                f"{template}; the accuracy on the probe batch ended at {{reached}} all the same.",
                evidence,
            )
        return self.finding(
            Verdict.CONCERN,
            f"{template}, and they were not shuffled"
            + ("; the accuracy on the probe batch ended at {reached}." if "reached" in evidence else "."),
            evidence,
            series=shown(record, "loss", "probe_accuracy", "epoch_loss"),
            remedies=_remedies(fact(record, "fit", "shuffle")),
        )

    def _forgot(self, record: Record) -> Shortfall | None:
        """What the last epoch's loss hides: that of all the examples, once the last of them had passed."""
        passed, constant = last(record, "epoch_loss"), number(record, "constant_prediction_loss")
        after = float(np.fmin(last(record, "probe_loss"), last(record, "probe_training_loss")))
        line = max(self.forgotten * passed, passed + self.share * constant)
        # Of a pipeline the probe batch is the beginning, which may be harder than the rest.
        spread_out = fact(record, "fit", "shuffle") is not None
        if not (spread_out and epochs(record) >= 3 and passed > 0.0 and after > line):
            return None
        return Shortfall(
            "the loss of the last epoch's batches was {after__usual} as they passed, and {after} on the probe "
            "batch after them",
            {"after": Evidence(after, "loss", usual=passed, threshold=line)},
            shown(record, "epoch_loss", "probe_loss"),
        )


def _remedies(shuffle: object) -> tuple[Remedy, ...]:
    array = Remedy(
        "Shuffle: leave `shuffle` at its default.",
        "A batch must look like the data for its gradient to point where theirs does.",
        code="model.fit(x, y, shuffle=True)",
    )
    pipeline = Remedy(
        "Shuffle the examples in the pipeline, before they are batched, with a buffer that holds several "
        "classes.",
        "Shuffled batches of sorted examples still hold one class each.",
        code="dataset = dataset.shuffle(len(x), reshuffle_each_iteration=True).batch(32)",
    )
    once = Remedy(
        "Or shuffle once, inputs and targets by one permutation.",
        "It also mends a `validation_split` that takes the last examples.",
        code="order = np.random.default_rng(0).permutation(len(x)); x, y = x[order], y[order]",
    )
    return (pipeline, once) if shuffle is None else (array, once)
