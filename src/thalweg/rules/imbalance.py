"""D010: class imbalance ignored."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.objective import epochs, fact, number, objective, rows, weighted
from thalweg.rules.samples import class_shares, last, validation_shares, value

_KNOWING = ("auc", "precision", "recall", "f1", "f_1", "fbeta", "balanced", "true_pos", "false_", "true_neg")
"""Metrics of people who know that accuracy hides the rarer classes."""


@dataclass(frozen=True)
class Imbalance(Rule):
    """Class imbalance ignored.

    ## What it asks

    Do some classes have many times the examples of others, and did the network leave out the rarer ones though
    the inputs tell them?

    ## Why it matters

    Where 95 of 100 examples are of one class, answering that class always has 95 % accuracy and is worth nothing.

    ## How it is decided

    All of these:

    - the commonest class of the sample has `ratio` times the examples of others, which have ten together or more;
    - neither class weights nor sample weights were given, and no metric that tells the classes apart (AUC,
      precision, recall) was compiled;
    - after 3 epochs or more the mean recall over the classes was, on the probe batch, no more than a tenth of
      the way from what the other classes alone give (one of two: a half) to 1;
    - the inputs tell the classes: a kernel ridge regression in which all classes weigh the same,
      cross-validated, has a mean recall at least `told` of that way; or the validation examples are of the rare
      classes in `met` or more, and three times as often as those of training.

    Without the last, answering the commonest class may be the best there is.

    Or, before the first step: the class weights given grow as the classes do. The commonest class weighs `favoured`
    times the rarest or more, and the weights of all classes are to one another as their numbers of examples in
    the sample are, within three standard errors: inverse frequencies that were exchanged. This is withdrawn
    where the mean recall ended at that of the simple method, or above it.

    ## Thresholds

    `ratio` = 4, `ignored` = 0.1, `told` = 0.3, `met` = 0.3, `favoured` = 2. Rates: docs/calibration.md.

    ## Known limits

    A network whose probabilities rank the examples well but never pass one half is named as well: a lower
    threshold on them is then the remedy. Where false alarms are dear the common class may weigh more on
    purpose; weights that follow its frequency by chance are named as well.

    ## What to do

    Weigh the classes, or lower the threshold.

    ## References

    Buda, Maki & Mazurowski, *A systematic study of the class imbalance problem in convolutional neural
    networks*, Neural Networks 106, 2018.
    """

    code = "D010"
    title = "Class imbalance ignored"
    family = Family.DATA
    before = True

    ratio: float = 4.0
    """Examples of the commonest class over those of the rarest."""
    ignored: float = 0.1
    """How far from chance to 1 the mean recall of a network lies that ignores them."""
    met: float = 0.3
    """Share of the validation examples in the rare classes which shows that they matter, and three times theirs."""
    told: float = 0.3
    """How far from chance to 1 that of a simple method lies which shows that they can be told."""
    favoured: float = 2.0
    """Weight of the commonest class over that of the rarest."""

    def assess(self, record: Record) -> Finding:
        """The shares of the classes, what was done about them, and what came of it."""
        shares, examples = class_shares(record), number(record, "data", "examples")
        if shares is None or not examples >= 1.0:
            return self.unassessed("Not assessed: the targets are no classes whose examples were counted.")
        common = float(np.max(shares))
        rarer = (shares > 0.0) & (shares * self.ratio <= common)
        counted = shares[rarer] if np.any(rarer) else shares[shares > 0.0]
        if not float(counted.sum()) * examples >= 10.0 or np.count_nonzero(shares) < 2:
            return self.unassessed(
                "Not assessed: the sample has fewer than ten examples of the rarer classes."
            )
        rare = float(counted.mean() if np.any(rarer) else counted.min())
        evidence = {
            "common": Evidence(common, "fraction", usual=1.0 / len(shares), threshold=self.ratio * rare),
            "rare": Evidence(rare, "fraction"),
        }
        template = "The commonest class had {common} of the examples and the rarest {rare}"
        if len(counted) > 1 and np.any(rarer):
            evidence["rarer"] = Evidence(len(counted), "classes")
            template = (
                "The commonest class had {common} of the examples and each of {rarer} had {rare} on average"
            )
        weight = self._exchanged(record, shares, examples)
        recall, told = last(record, "balanced_accuracy"), number(record, "data", "signal", "balanced")
        if np.isfinite(weight) and not recall >= told:
            least = float(shares[shares > 0.0].min())
            return self.finding(
                Verdict.CONCERN,
                "The commonest class had {common} of the examples and {weight} times the weight of the rarest, which "
                "had {rare}: the weights grew with the number of examples.",
                {
                    "common": Evidence(common, "fraction", usual=1.0 / len(shares)),
                    "rare": Evidence(least, "fraction"),
                    "weight": Evidence(weight, "", usual=least / common, threshold=self.favoured),
                },
                series=("balanced_accuracy",) if "balanced_accuracy" in record.series else (),
                remedies=_REMEDIES[:1],
            )
        if not np.any(rarer):
            return self.finding(Verdict.SATISFACTORY, f"{template}.", evidence)
        if weighted(record):
            return self.finding(Verdict.SATISFACTORY, f"{template}, and they were weighted.", evidence)
        chance = 1.0 / np.count_nonzero(shares)
        if not np.isfinite(recall) and last(record, "predicted_classes") <= 1.001:
            recall = chance  # the same answer for all
        if not 0.0 <= recall <= 1.0:
            return self.unassessed(
                f"Not assessed: {template[0].lower()}{template[1:]}; how well the rarer ones were told is not known.",
                evidence,
            )
        # What a network has that tells the classes which are not rare, and no others.
        base = max(chance, 1.0 - len(counted) / np.count_nonzero(shares))
        objective_ = objective(record)
        if objective_ is not None and not np.isfinite(objective_.values[-1]):
            return self.unassessed(
                "Not assessed: the last loss was not finite, and weights that are not tell no class."
            )
        line = base + self.ignored * (1.0 - base)
        evidence["recall"] = Evidence(recall, "fraction", usual=base, threshold=line)
        template += "; the mean recall over the classes ended at {recall}"
        if recall > line:
            return self.finding(
                Verdict.SATISFACTORY,
                f"{template}, where the commoner classes alone give {{recall__usual}}.",
                evidence,
            )
        least = base + self.told * (1.0 - base)
        metrics = str(fact(record, "metrics")).lower() + str(fact(record, "metrics_expected")).lower()
        reason = (
            "the inputs are not shown to tell the classes"
            if not told >= least and not self._met(record, rarer)
            else "the run was too short"
            if epochs(record) < 3
            else "a metric was compiled that sees it"
            if any(word in metrics for word in _KNOWING)
            else None
        )
        if reason is not None:
            return self.unassessed(f"Not assessed: {template[0].lower()}{template[1:]}; {reason}.", evidence)
        names = ("balanced_accuracy", "predicted_classes")
        if told >= least:
            evidence["told"] = Evidence(told, "fraction", usual=chance, threshold=least)
            words = "where a simple method that weighs the classes has {told}"
        else:
            seen = validation_shares(record)
            assert seen is not None
            evidence["met"] = Evidence(
                float(seen[rarer].sum()), "fraction", usual=float(shares[rarer].sum()), threshold=self.met
            )
            words = "and of the validation examples {met} are of the rarer classes"
        return self.finding(
            Verdict.CONCERN,
            f"{template}, as without them ({{recall__usual}}), {words}.",
            evidence,
            series=tuple(name for name in names if name in record.series),
            remedies=_REMEDIES,
        )

    def _exchanged(self, record: Record, shares: NDArray[np.float64], examples: float) -> float:
        """The commonest class's weight over the rarest's, where all weights follow the frequencies; else NaN."""
        weights, target = fact(record, "fit", "class_weights"), rows(record, "data", "targets")[0]
        if not isinstance(weights, Mapping) or not np.all(shares > 0.0):
            return np.nan
        # The counts are of the classes that came, in their order: these must be the numbers the weights go by.
        if target.get("kind") != "one-hot" and not (
            value(target, "minimum") == 0.0 and value(target, "maximum") == len(shares) - 1.0
        ):
            return np.nan
        given = np.array([value(weights, str(c)) if str(c) in weights else 1.0 for c in range(len(shares))])
        if not np.all(given > 0.0) or not np.all(np.isfinite(given)):
            return np.nan
        common, rare = int(np.argmax(shares)), int(np.argmin(shares))
        # A count's logarithm has the variance of one over the count, and so has that of the class it is held to.
        error = np.sqrt((1.0 / shares + 1.0 / shares[common]) / examples)
        apart = np.abs(np.log(given / given[common]) - np.log(shares / shares[common]))
        ratio = float(given[common] / given[rare])
        return ratio if ratio >= self.favoured and np.all(apart <= 3.0 * error) else np.nan

    def _met(self, record: Record, rarer: NDArray[np.bool_]) -> bool:
        """Whether the classes that are rare in training are common in validation."""
        shares, seen = class_shares(record), validation_shares(record)
        if shares is None or seen is None or len(seen) != len(shares):
            return False
        return float(seen[rarer].sum()) >= max(self.met, 3.0 * float(shares[rarer].sum()))


_REMEDIES = (
    Remedy(
        "Weigh the classes by the inverse of how common they are.",
        "A mistake about a rare class then costs as much as one about the common one.",
        code="model.fit(x, y, class_weight={c: len(y) / (len(set(y)) * (y == c).sum()) for c in set(y)})",
    ),
    Remedy(
        "Lower the threshold of the rare class on the predicted probabilities.",
        "A probability of a fifth is a strong sign of a class that one example in a hundred has.",
        code="predicted = model.predict(x) > (y_train == 1).mean()",
    ),
    Remedy(
        "Compile a metric that sees it.",
        "Accuracy does not.",
        code='metrics=[keras.metrics.AUC(name="auc"), keras.metrics.Recall(name="recall")]',
    ),
)
