"""P007: the steps climb."""

from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Safety, Verdict
from thalweg.record import Record, Series
from thalweg.rule import Rule
from thalweg.rules.head import last
from thalweg.rules.objective import fact, number, objective, rows, unit, weighted
from thalweg.rules.steps import UNUSED, Steps, rate, setting, steps, unused
from thalweg.stats import finite, p_falls, spread


@dataclass(frozen=True)
class Ascent(Rule):
    """Steps that climb.

    ## What it asks

    Did the steps go up the error instead of down: by a negative learning rate, a loss with its sign flipped,
    or an update that is added where it should be subtracted?

    ## Why it matters

    A sign is one character, raises no exception, and no other setting mends it. With the loss itself negated
    even the curve looks well: it falls for ever.

    ## How it is decided

    Any of these:

    - the learning rate, configured or measured, was negative: certain, and said before the first step;
    - the loss was below zero from the first, by `share` of what guessing costs or more (the entropy of the
      classes, the variance of the targets), grew `growth` times as negative, and meanwhile the outputs on the
      probe batch were no better than a guess: they explained none of the variance, or the accuracy was at
      most that of the commonest class;
    - a loss of the user's own fell, and the outputs left their targets: the explained variance on the probe batch
      ended below -`left`, and that far below the first;
    - a loss of the user's own fell, on examples and classes without weights, and a compiled metric of which more is
      better went the other way: over `epochs` epochs or more none was better than the first, and it ended by
      `opposed` of the way or more from what a guess has to the opposite of right. For a cosine or a correlation a
      guess has 0, for the area under the ROC curve 0.5, in training and in validation. An accuracy or an overlap
      (IoU) is held to the mean recall of the classes on the probe batch, where a guess has one over the number of
      classes, and the recall must be below it by three standard errors besides;
    - the loss rose from one sixteenth of the run to the next (sign test of their medians, p under
      `significance`, which one exception passes), to an end above its start by half, on small steps in one
      direction (no update above `ratio` of its parameters among the first 20, mean cosine of successive
      gradients above `cosine` with 99 % confidence), and the loss on the probe batch rose with it, or was not
      finite any more. Steps that are too long raise the loss by jumping to and fro, and have neither;
    - the loss ended as far above its start, by whatever way and on steps of any size, where that mean cosine was
      above `straight` with 99 % confidence: a step past the bottom of a valley turns the gradient round. Gradients
      that add up over the steps (PyTorch, without `zero_grad`) show so too.

    ## Thresholds

    `share` = 0.25, `left` = 1, `growth` = 3, `significance` = 0.001, `ratio` = 0.05, `cosine` = 0.3,
    `straight` = 0.8, `epochs` = 4, `opposed` = 0.5. Rates: docs/calibration.md.

    ## Known limits

    A critic (Wasserstein) and a log-likelihood have losses below zero by right: they begin near zero, or
    predict better as they fall. A negated error whose probe batch was not measured is not assessed. Beside a loss of
    the user's own, errors, precision, recall and F-scores are left aside: a quantile or a weighted class moves them
    for the worse by right. Nor is anything said of several outputs, of metrics of the user's own, or where the
    model writes its own logs. A loss that is meant to unlearn is accused.

    ## What to do

    Find the minus sign: in the loss, in the rate, in a training step of one's own.

    ## References

    Nikanjam et al., *Automatic Fault Detection for Deep Learning Programs Using Graph Transformations*, TOSEM
    2021.
    """

    code = "P007"
    title = "Steps that climb"
    family = Family.OPTIMISATION
    before = True

    share: float = 0.25
    """How far below zero the first loss lies, as a share of what guessing costs."""
    left: float = 1.0
    """Explained variance below zero, and below the first one, at which outputs left their targets."""
    growth: float = 3.0
    """How many times as negative the loss became."""
    significance: float = 0.001
    """One-sided p of so many rises."""
    ratio: float = 0.05
    """Largest of the first updates beside its parameters."""
    cosine: float = 0.3
    """Least mean cosine of successive gradients."""
    straight: float = 0.8
    """The same beside steps of any size: they lie within 37 degrees of each other."""
    epochs: int = 4
    """Fewest epochs of a metric that was at its best in the first."""
    opposed: float = 0.5
    """Share of the way from what a guess has to the opposite of right: it is nearer to the latter."""

    def assess(self, record: Record) -> Finding:
        """The sign of the rate, then that of the loss, then its direction."""
        used = rate(record)
        used = setting(record, "learning_rate") if np.isnan(used) else used
        if used < 0.0:
            return self.finding(
                Verdict.CONCERN,
                "The learning rate was {rate}: every step went up the gradient of the loss.",
                {"rate": Evidence(used, "1", threshold=0.0)},
                series=("learning_rate", "loss"),
                remedies=(
                    Remedy(
                        "Set a positive learning rate.",
                        "The optimizer subtracts the rate times the gradient already.",
                        code=f"learning_rate={-used:.3g}",
                    ),
                ),
            )
        series = objective(record)
        if series is None:
            if unused(record):
                return self.unassessed(UNUSED)
            if np.isnan(used):
                return self.unassessed("Not assessed: neither a learning rate nor a loss is known.")
            return self.finding(
                Verdict.SATISFACTORY, "The learning rate was positive, {rate}.", {"rate": Evidence(used, "1")}
            )
        return (
            self._opposed(record)
            or self._negated(record, series)
            or self._rising(record, series, steps(record))
        )

    def _opposed(self, record: Record) -> Finding | None:
        """A concern where a loss of the user's own fell, and a metric went the other way, beyond a guess."""
        losses, loss = rows(record, "losses"), record.series.get("epoch_loss")
        if [row.get("own") for row in losses] != [True] or weighted(record) or loss is None:
            return None
        if not loss.values[-1] < loss.values[0]:
            return None
        for row in rows(record, "metric_directions"):
            logged = record.series.get(f"epoch_{row.get('name')}")
            if row.get("direction") != "max" or logged is None or len(logged) < self.epochs:
                continue
            if not np.all(logged.values[1:] < logged.values[0]):
                continue
            evidence = {
                "loss": Evidence(str(losses[0].get("name"))),
                "metric": Evidence(str(row.get("name"))),
                "start": Evidence(float(loss.values[0]), loss.unit),
                "end": Evidence(float(loss.values[-1]), loss.unit),
                "first": Evidence(float(logged.values[0]), logged.unit),
                "last": Evidence(float(logged.values[-1]), logged.unit),
            }
            told = (
                "The loss `{loss}` fell from {start} to {end}, and the metric `{metric}` with it, from {first} to "
                "{last}"
            )
            kind, why = str(row.get("class")), "Keras minimises what the loss returns."
            if kind == "CosineSimilarity":
                why = "`keras.losses.cosine_similarity` is the negative of a cosine already, and Keras minimises it."
            if kind in _GUESSED:
                guess, worst = _GUESSED[kind]
                line = guess + self.opposed * (worst - guess)
                held = record.series.get(f"validation_{row.get('name')}", logged)
                if not (logged.values[-1] <= line and held.values[-1] <= line):
                    continue
                evidence["last"] = Evidence(
                    float(logged.values[-1]), logged.unit, usual=guess, threshold=line
                )
                told += ", where a guess has {last__usual}"
            elif any(word in kind for word in ("Accuracy", "IoU")):
                recall = self._opposed_recall(record)
                if recall is None:
                    continue
                evidence["recall"] = recall
                told += (
                    "; on the probe batch the mean recall of the classes ended at {recall}, where a guess has "
                    "{recall__usual}"
                )
            else:
                continue
            return self.finding(
                Verdict.CONCERN,
                f"{told}: the opposite of the targets was learned.",
                evidence,
                series=(loss.name, logged.name),
                remedies=(Remedy("Turn the sign of the loss.", why, Safety.MANUAL), _KERAS_LOSS),
            )
        return None

    def _opposed_recall(self, record: Record) -> Evidence | None:
        """The mean recall of the classes on the probe batch, where it is well below that of a guess."""
        recall, classes = last(record, "balanced_accuracy"), len(_counts(record))
        if classes < 2:
            return None
        guess = 1.0 / classes
        error = np.sqrt(guess * (1.0 - guess) / np.fmax(number(record, "watch", "probe_examples"), 1.0))
        line = min((1.0 - self.opposed) * guess, guess - 3.0 * float(error))
        return Evidence(recall, "fraction", usual=guess, threshold=line) if recall <= line else None

    def _worsened(self, record: Record) -> bool:
        """Whether the loss is the user's own, and the outputs left their targets by more than these vary."""
        explained = record.series.get("probe_explained_variance")
        own = any(row.get("own") is True for row in rows(record, "losses"))
        if not own or explained is None or len(explained) < 2:
            return False
        return bool(explained.values[-1] < min(-self.left, float(explained.values[0]) - self.left))

    def _negated(self, record: Record, series: Series) -> Finding | None:
        """A concern where a negated error fell; None where the loss is none."""
        values = finite(series.values)
        guess = _guess(record)
        if len(values) < 16 or not np.isfinite(guess):
            return None
        start, end = spread(values[:8]).location, spread(values[-8:]).location
        if not (start <= -self.share * guess and end <= self.growth * start) and not (
            end < start and self._worsened(record)
        ):
            return None
        evidence = {"start": Evidence(start, series.unit), "end": Evidence(end, series.unit)}
        # A probe that is no longer finite followed nothing in the end.
        explained, accuracy = (
            record.series.get(name) for name in ("probe_explained_variance", "probe_accuracy")
        )
        if accuracy is not None and len(accuracy):
            chance = _chance(record)
            if not accuracy.values[-1] <= chance + 3.0 * np.sqrt(chance * (1.0 - chance) / 256.0):
                return None
            evidence["probe"] = Evidence(float(accuracy.values[-1]), "fraction", usual=chance)
            said, name = "the accuracy on the probe batch ended at {probe}", accuracy.name
        elif explained is not None and len(explained):
            last = float(explained.values[-1])
            if last > 0.0:
                return None
            evidence["probe"] = Evidence(last, "fraction", usual=float(explained.values[0]), threshold=0.0)
            said, name = "the explained variance on the probe batch ended at {probe}", explained.name
        else:
            return self.unassessed(
                "Not assessed: the loss fell from {start} to {end}, below zero throughout, but what became "
                "of the predictions was not measured.",
                evidence,
            )
        return self.finding(
            Verdict.CONCERN,
            f"The loss fell from {{start}} to {{end}}, while {said}: what fell was no error, but the negative of "
            "one.",
            evidence,
            series=(series.name, name),
            remedies=(
                Remedy(
                    "Take the minus sign out of the loss.",
                    "Keras minimises what the loss returns.",
                    Safety.MANUAL,
                ),
                _KERAS_LOSS,
            ),
        )

    def _rising(self, record: Record, series: Series, went: Steps) -> Finding:
        """A concern where the loss rose on small steps in one direction."""
        values = finite(series.values)
        if len(values) < 16:
            return self.unassessed(
                "Not assessed: it takes {count__threshold} finite losses to see a direction, and there were "
                "{count}.",
                {"count": Evidence(len(values), "losses", threshold=16)},
            )
        start, end = spread(values[:8]).location, spread(values[-8:]).location
        levels = [spread(part).location for part in np.array_split(values, 16)]
        rises = p_falls(np.negative(levels)) < self.significance
        straight = went.cosine.quantile(0.01) > self.straight
        evidence = {
            "start": Evidence(start, series.unit),
            "end": Evidence(end, series.unit, usual=start, threshold=start + 0.5 * abs(start)),
        }
        if not ((rises or straight) and end > start + 0.5 * abs(start)):
            return self.finding(
                Verdict.SATISFACTORY,
                "The loss went from {start} to {end}, and did not rise all the way.",
                evidence,
                series=(series.name,),
            )
        probe = record.series.get("probe_loss")
        if np.isnan(went.first) or np.isnan(went.cosine.error) or probe is None or len(probe) < 2:
            return self.unassessed(
                "Not assessed: the loss rose from {start} to {end}, but the steps or the probe batch were "
                "not measured.",
                evidence,
            )
        small = went.first < self.ratio
        least = self.cosine if small and rises else self.straight
        evidence["ratio"] = Evidence(went.first, "1", usual=1e-3, threshold=self.ratio)
        evidence["cosine"] = Evidence(went.cosine.value, "cosine", threshold=least)
        own = fact(record, "model", "class") not in ("Sequential", "Functional", None)
        since = f", from the first {unit(record)} on" if rises else ""
        told = (
            f"The loss rose from {{start}} to {{end}}{since}, with first updates of at most {{ratio}} of their "
            "parameters and a mean cosine of successive gradients of {cosine}"
        )
        # A probe that is no longer finite did not fall.
        if not went.cosine.quantile(0.01) > least or probe.values[-1] <= probe.values[0]:
            return self.finding(Verdict.SATISFACTORY, f"{told}, which is no climb by small steps.", evidence)
        return self.finding(
            Verdict.CONCERN,
            f"{told}: {'each small step' if small and rises else 'steps in one direction'} went up.",
            evidence,
            series=(series.name, "gradient_cosine", "probe_loss"),
            remedies=(
                *([_ZERO_GRAD] if own and fact(record, "backend") == "torch" else []),
                Remedy(
                    "Check the sign of the update in the optimizer or training step of your own.",
                    "Steps down a gradient that keeps its direction lower the loss.",
                    Safety.MANUAL,
                ),
                Remedy(
                    "Use an optimizer of Keras's own.",
                    "It subtracts.",
                    code="optimizer=keras.optimizers.Adam(1e-3)",
                ),
            ),
        )


_GUESSED = {
    "CosineSimilarity": (0.0, -1.0),
    "PearsonCorrelation": (0.0, -1.0),
    "ConcordanceCorrelation": (0.0, -1.0),
    "AUC": (0.5, 0.0),
}
"""By class of metric what a guess has, and what the opposite of right."""
_KERAS_LOSS = Remedy(
    "Compile with the loss of the same name from `keras.losses`.",
    "Its sign is right, and a metric stays a metric.",
)
_ZERO_GRAD = Remedy(
    "In a `train_step` of your own, call `self.zero_grad()` before `loss.backward()`.",
    "PyTorch adds each gradient to those of the steps before, until they are cleared.",
    Safety.MANUAL,
)


def _counts(record: Record) -> list[float]:
    for row in rows(record, "data", "targets"):
        counts = row.get("class_counts")
        if not isinstance(counts, list | tuple) or not all(
            isinstance(c, int | float) and c >= 0 for c in counts
        ):
            continue
        if 0.0 < float(sum(counts)) < np.inf:
            return [float(c) for c in counts]
    return []


def _chance(record: Record) -> float:
    """The share of the commonest class; NaN where it is not known."""
    counts = _counts(record)
    return max(counts) / sum(counts) if counts else np.nan


def _guess(record: Record) -> float:
    """What guessing costs: the entropy of the classes, else the variance of the targets; NaN where unknown."""
    known = number(record, "constant_prediction_loss")
    if np.isfinite(known) and known > 0.0:
        return known
    if counts := _counts(record):
        shares = np.array([c for c in counts if c > 0.0]) / sum(counts)
        return float(-np.sum(shares * np.log(shares)))
    spreads = [row.get("spread") for row in rows(record, "data", "targets")]
    sizes = [float(s) for s in spreads if isinstance(s, int | float) and 0.0 < s < 1e150]
    return sizes[0] ** 2 if sizes else np.nan
