"""K001: the same order in every epoch, and it showed."""

import re
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.objective import fact, number, progress
from thalweg.rules.overfitting import Overfitting
from thalweg.stats.recurrence import recurrence

_EPOCHS = 20


@dataclass(frozen=True)
class SameOrder(Rule):
    """The same order in every epoch, and it showed.

    ## What it asks

    Did the batches come in the same order in every epoch though shuffling was not switched off, and did the
    run suffer from it?

    ## Why it matters

    Where the order has a pattern, each step undoes what the step before learned, at the same places, for
    ever; what an epoch ends with weighs most. A shuffled order that only repeats does mostly no harm.

    ## How it is decided

    That the order repeats is seen in the batches, or known: with a global seed, Keras up to 3.15 on
    TensorFlow shuffles arrays alike in each epoch. That alone is satisfactory, and said. A concern where all
    of these hold:

    - the loss per step, each epoch's own quadratic taken off, comes back at the same places (F test under
      `significance`, over the last half of the epochs, 20 at most);
    - neighbouring places are more alike, or less, than in an order drawn at random (von Neumann's ratio of
      ranks, two-sided, under `significance`): hard batches come back in any order, a pattern does not;
    - the training made no adequate progress, or all of the last five validation losses, of classes, lie
      above the constant prediction's.

    Or: the loss compares the examples of a batch with one another (that of two was `gap` or more from the mean
    of theirs, see O005), and the validation loss turned (V001). The company that an example keeps is then part of
    the data, and was never another.

    ## Thresholds

    `significance` = 1e-6, `gap` = 0.01. Rates: docs/calibration.md.

    ## Known limits

    It takes three epochs of 16 steps that were all measured. Of a pipeline only the first batches of each
    epoch are compared.

    ## What to do

    Shuffle anew in every epoch.

    ## References

    Keras, `keras/src/trainers/data_adapters/array_data_adapter.py` (`get_tf_dataset`: a seeded
    `tf.random.shuffle` within `Dataset.map`). Bartels, *J. Am. Stat. Assoc.* 77, 1982.
    """

    code = "K001"
    title = "The same order in every epoch, and it showed"
    family = Family.CALLBACKS

    significance: float = 1e-6
    """Largest p-value of either test."""
    gap: float = 0.01
    """Least relative difference of the loss of two examples from the mean of theirs."""

    def assess(self, record: Record) -> Finding:
        """Whether the order repeats, and then whether it shows."""
        asked = fact(record, "fit", "shuffle")
        repeats = fact(record, "data", "order", "repeats")
        seeded = _known_to_repeat(record)
        if repeats is not True and not seeded and asked != "once":
            if repeats is False:
                return self.finding(Verdict.SATISFACTORY, "The batches came in another order in each epoch.")
            return self.unassessed("Not assessed: whether the order of the batches repeats is not known.")
        if asked in (False, "once"):
            return self.finding(
                Verdict.SATISFACTORY, "The batches came in the same order in every epoch, as was asked for."
            )
        evidence, said = {}, "The batches came in the same order in every epoch"
        if seeded:
            evidence["seed"] = Evidence(int(number(record, "seed")))
            said += ": on TensorFlow, Keras shuffles arrays with the global seed {seed} alike each time"
        if (rivals := self._rivals(record, said, evidence)) is not None:
            return rivals
        found = recurrence(_epochs(record))
        if not (found.p_place < self.significance and found.p_order < self.significance):
            known = np.isfinite(found.p_order)
            return self.finding(
                Verdict.SATISFACTORY,
                f"{said}. The loss showed no pattern in it." if known else f"{said}.",
                evidence,
            )
        evidence |= {
            "share": Evidence(found.share, "fraction"),
            "epochs": Evidence(found.epochs, "epochs"),
            "p": Evidence(max(found.p_place, found.p_order), "p", threshold=self.significance),
        }
        made = progress(record)
        if made.adequate is not False and not _worse_than_constant(record):
            return self.finding(
                Verdict.SATISFACTORY,
                f"{said}. Of the loss's scatter within {{epochs}} epochs, {{share}} came back at the same places, "
                "and the run got on all the same.",
                evidence,
            )
        return self.finding(
            Verdict.CONCERN,
            f"{said}. Of the loss's scatter within {{epochs}} epochs, {{share}} came back at the same places in a "
            "pattern (p = {p}), and the run made no adequate progress.",
            evidence,
            series=("loss",),
            remedies=(_SHUFFLE,),
        )

    def _rivals(self, record: Record, said: str, evidence: dict[str, Evidence]) -> Finding | None:
        """A loss that compares the examples of a batch, which were always the same, and overfitting."""
        apart, shapes = number(record, "contract", "pair_gap"), number(record, "contract", "aligned_gap")
        if not apart >= self.gap or shapes >= self.gap:
            return None
        turned = Overfitting().check(record)
        if turned.verdict is not Verdict.CONCERN:
            return None
        return self.finding(
            Verdict.CONCERN,
            f"{said}. The loss compares the examples of a batch (that of two was {{gap}} from the mean of theirs), "
            "and the validation loss turned, from {latest__usual} to {latest}.",
            {
                **evidence,
                "gap": Evidence(apart, "fraction", threshold=self.gap),
                "latest": turned.evidence["latest"],
            },
            series=turned.series,
            step=turned.step,
            remedies=(_SHUFFLE,),
        )


_SHUFFLE = Remedy(
    "Shuffle the examples anew in every epoch, over more than a batch.",
    "No example then meets the same others each time.",
    code="dataset.shuffle(len(x), reshuffle_each_iteration=True).batch(32)",
)


def _known_to_repeat(record: Record) -> bool:
    version = re.match(r"(\d+)\.(\d+)", str(fact(record, "versions", "keras")))
    return (
        fact(record, "backend") == "tensorflow"
        and np.isfinite(number(record, "seed"))
        and fact(record, "fit", "shuffle") is True
        and number(record, "data", "total") > 0
        and version is not None
        and (int(version[1]), int(version[2])) <= (3, 15)
    )


def _epochs(record: Record) -> NDArray[np.float64]:
    """The loss of the last half of the epochs, one a row; empty where they are not whole and of one length."""
    loss = record.series.get("loss")
    ends = [event.step for event in record.events if event.kind == "epoch"]
    if loss is None or len(ends) < 3:
        return np.empty((0, 0))
    bounds = [0, *ends][-min(max(len(ends) // 2, 3), _EPOCHS) - 1 :]
    pairs = list(pairwise(bounds))
    parts = [loss.between(start + 1, end).values for start, end in pairs]
    if len({end - start for start, end in pairs} | {len(part) for part in parts}) != 1:
        return np.empty((0, 0))
    return np.stack(parts)


def _worse_than_constant(record: Record) -> bool:
    validation, constant = record.series.get("validation_loss"), number(record, "constant_prediction_loss")
    if validation is None or len(validation) < 5 or "crossentropy" not in str(fact(record, "loss")):
        return False
    return bool(np.all(validation.values[-5:] > constant))
