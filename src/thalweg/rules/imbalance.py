"""D010: class imbalance ignored."""

from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.objective import epochs, fact, number
from thalweg.rules.samples import class_shares, last

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

    - the commonest class of the sample has `ratio` times the examples of the rarest one that has ten or more;
    - neither class weights nor sample weights were given, and no metric that tells the classes apart (AUC,
      precision, recall) was compiled;
    - after 3 epochs or more the mean recall over the classes was, on the probe batch, no more than a tenth of
      the way from chance (1 / classes) to 1;
    - the inputs tell the classes: a kernel ridge regression in which all classes weigh the same,
      cross-validated, has a mean recall at least half of the way from chance to 1.

    Without the last, answering the commonest class may be the best there is.

    ## Thresholds

    `ratio` = 4, `ignored` = 0.1, `told` = 0.5. Rates: docs/calibration.md.

    ## Known limits

    A network whose probabilities rank the examples well but never pass one half is named as well: a lower
    threshold on them is then the remedy.

    ## What to do

    Weigh the classes, or lower the threshold.

    ## References

    Buda, Maki & Mazurowski, *A systematic study of the class imbalance problem in convolutional neural
    networks*, Neural Networks 106, 2018.
    """

    code = "D010"
    title = "Class imbalance ignored"
    family = Family.DATA
    needs = (("balanced_accuracy", "predicted_classes"),)

    ratio: float = 4.0
    """Examples of the commonest class over those of the rarest."""
    ignored: float = 0.1
    """How far from chance to 1 the mean recall of a network lies that ignores them."""
    told: float = 0.5
    """How far from chance to 1 that of a simple method lies which shows that they can be told."""

    def assess(self, record: Record) -> Finding:
        """The shares of the classes, what was done about them, and what came of it."""
        shares, examples = class_shares(record), number(record, "data", "examples")
        if shares is None or not examples >= 1.0:
            return self.unassessed("Not assessed: the targets are no classes whose examples were counted.")
        counted = shares[shares * examples >= 10.0]
        if len(counted) < 2:
            return self.unassessed("Not assessed: the sample has ten examples of one class only.")
        common, rare = float(np.max(counted)), float(np.min(counted))
        evidence = {
            "common": Evidence(common, "fraction", usual=1.0 / len(shares), threshold=self.ratio * rare),
            "rare": Evidence(rare, "fraction"),
        }
        template = "The commonest class had {common} of the examples and the rarest {rare}"
        if common < self.ratio * rare:
            return self.finding(Verdict.SATISFACTORY, f"{template}.", evidence)
        if fact(record, "fit", "class_weight") is True or fact(record, "data", "weighted") is True:
            return self.finding(Verdict.SATISFACTORY, f"{template}, and they were weighted.", evidence)
        chance = 1.0 / np.count_nonzero(shares)
        recall = last(record, "balanced_accuracy")
        if not np.isfinite(recall) and last(record, "predicted_classes") <= 1.001:
            recall = chance  # the same answer for all
        if not 0.0 <= recall <= 1.0:
            return self.unassessed(
                "Not assessed: the record does not say how well the rarer classes were told."
            )
        line = chance + self.ignored * (1.0 - chance)
        evidence["recall"] = Evidence(recall, "fraction", usual=chance, threshold=line)
        template += "; the mean recall over the classes ended at {recall}"
        if recall > line:
            return self.finding(
                Verdict.SATISFACTORY, f"{template}, where chance has {{recall__usual}}.", evidence
            )
        least = chance + self.told * (1.0 - chance)
        told = number(record, "data", "signal", "balanced")
        metrics = str(fact(record, "metrics")).lower() + str(fact(record, "metrics_expected")).lower()
        reason = (
            "the inputs are not shown to tell the classes"
            if not told >= least
            else "the run was too short"
            if epochs(record) < 3
            else "a metric was compiled that sees it"
            if any(word in metrics for word in _KNOWING)
            else None
        )
        if reason is not None:
            return self.unassessed(f"Not assessed: {template[0].lower()}{template[1:]}; {reason}.", evidence)
        evidence["told"] = Evidence(told, "fraction", usual=chance, threshold=least)
        names = ("balanced_accuracy", "predicted_classes")
        return self.finding(
            Verdict.CONCERN,
            f"{template}, as by chance ({{recall__usual}}), where a simple method that weighs the classes "
            f"has {{told}}.",
            evidence,
            series=tuple(name for name in names if name in record.series),
            remedies=_REMEDIES,
        )


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
