"""R001: the penalty on the weights dominates."""

from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.objective import number, objective, rows, weighted
from thalweg.rules.samples import last
from thalweg.rules.shortfall import Shortfall, learnable, left_over, second_half, shortfall
from thalweg.stats import spread

_TENTH = Remedy(
    "Divide the penalty by 100, and raise it only while the validation loss falls.",
    "The gradient went into shrinking weights instead of fitting targets.",
    code="kernel_regularizer=keras.regularizers.L2(1e-4)",
)
_DECAY = Remedy(
    "Divide `weight_decay` by 100, and raise it only while the validation loss falls.",
    "The weights shrank faster than the gradient made them grow.",
    code="weight_decay=1e-4",
)
_ACTIVITY = Remedy(
    "Divide the activity penalty by 100; it is a sum over the batch, and grows with it.",
    "It is cheapest for units to be silent.",
    code="activity_regularizer=keras.regularizers.L2(1e-4)",
)

_ADDED = Remedy(
    "Bring the term that layers add to the scale of the loss: both sums over the outputs, or both means over them.",
    "It was cheaper to make the term nothing than to fit the targets; a sum of it outweighs a mean of the errors.",
    code="self.add_loss(term / number_of_outputs)",
)

_Found = tuple[str, dict[str, Evidence], tuple[str, ...], Remedy]


@dataclass(frozen=True)
class Penalty(Rule):
    """A penalty dominates.

    ## What it asks

    Did weight decay, the regularisers of kernels or activities, or a term that layers add to the loss, keep the
    network from fitting its targets?

    ## Why it matters

    A penalty above the loss of the data turns the task around: the network minimises its weights, and fits on
    the side. The result looks like a network too small, or a learning rate too low.

    ## How it is decided

    A concern needs a run that ended short of a constant prediction or of a linear model (L001, B001) on
    targets of which nothing says that they cannot be learned (D008), together with one of these:

    - the sum of the kernels' penalties was above `ratio` of the loss of the predictions at every look at the
      probe batch in the second half of the run, two looks at least, and had not grown: what grows, grows
      because of its steps; or it was at the first look, and then the weights shrank until it was under the
      square of `shrunk` of that;
    - the optimizer's weight decay, times the learning rate and the number of steps, came to `decayed` or
      more, and the norm of the parameters ended under `shrunk` of what it was after the first step;
    - a layer's activities were penalised, and their root mean square ended under `shrunk` of what it was;
    - what layers add to the loss (`add_loss`) was at the first look above `ratio` of what the data still cost in the
      end, and ended under the square of `shrunk` of that: to make it nothing was worth more than any fit. Beside this
      one it is enough of a shortfall that the outputs explained less than `follows` of the variance of the targets.

    Beside such a cause it is enough of a shortfall that a regression that no longer fell explains less than a
    linear model by `errors` standard errors; or that the penalty ended above the loss of the data, accuracy or
    explained variance under `enough`, and the validation loss not above the training loss by more than a factor of
    `apart`: less of it costs no generalisation. Or that an accuracy fell over the second half of the run, in training
    and in validation, by `worse` or more, and the loss with it, each at a significance of `significance`: the fit
    then paid for the penalty. Runs with weighted examples are not asked this.

    ## Thresholds

    `ratio` = 1, `decayed` = 1, `shrunk` = 0.5, `enough` = 0.8, `apart` = 1.1, `errors` = 3, `worse` = 0.01,
    `significance` = 0.01, `follows` = 0.05. Rates: docs/calibration.md.

    ## Known limits

    What a training step of one's own adds to its loss is not known. A large network may carry a penalty above a small
    loss and generalise the better: without a shortfall it is no concern.

    ## What to do

    Less of it.

    ## References

    Krogh & Hertz, *A Simple Weight Decay Can Improve Generalization*, 1992. Loshchilov & Hutter, *Decoupled
    Weight Decay Regularization*, ICLR 2019.
    """

    code = "R001"
    title = "A penalty dominates"
    family = Family.REGULARISATION
    needs = (("loss", "epoch_loss"), ("penalty", "parameter_norm"))

    ratio: float = 1.0
    """Penalty over data loss."""
    decayed: float = 1.0
    """Total decay, as an exponent, that counts."""
    shrunk: float = 0.5
    """Share of their first norm that parameters or activities kept."""
    enough: float = 0.8
    """Accuracy or explained variance above which a penalty above the loss of the data is no harm."""
    apart: float = 1.1
    """Validation loss over training loss beyond which less penalty is not what is missing."""
    errors: float = 3.0
    """Standard errors by which a regression is behind a linear model."""
    worse: float = 0.01
    """Fall of an accuracy that is a harm, in training and in validation."""
    significance: float = 0.01
    """Of such a fall, each, and of the fall of the loss beside it."""
    follows: float = 0.05
    """Explained variance under which the outputs do not follow the targets."""

    def assess(self, record: Record) -> Finding:
        """The penalties against the data loss, the decay, the activities, added terms; each beside a shortfall."""
        found = self._penalty(record) or self._decay(record) or self._activity(record) or self._added(record)
        if found is None:
            return self.finding(
                Verdict.SATISFACTORY,
                "No penalty on the weights and no weight decay outweighed the loss of the data.",
            )
        template, evidence, series, remedy = found
        harm = (
            shortfall(record, kernel=True)
            or self._behind(record)
            or self._costly(record)
            or self._paid(record)
        )
        if harm is None and remedy is _ADDED:
            harm = self._unfollowing(record)
        if harm is None:
            return self.finding(
                Verdict.SATISFACTORY,
                f"{template}, and nothing shows that the fit fell short.",
                evidence,
                series=series,
            )
        if not learnable(record):
            return self.unassessed(
                "Not assessed: the targets could not be foretold from the inputs (see D008)."
            )
        return self.finding(
            Verdict.CONCERN,
            f"{template}; {harm.words}.",
            {**evidence, **harm.evidence},
            series=(*series, *harm.series),
            remedies=(remedy,),
        )

    def _penalty(self, record: Record) -> _Found | None:
        penalty, loss = record.series.get("penalty"), record.series.get("recomputed_loss")
        if penalty is None or loss is None:
            return None
        _, left, right = np.intersect1d(penalty.steps, loss.steps, return_indices=True)
        paid, fitted = penalty.values[left], loss.values[right]
        above = (paid / self.ratio > fitted) & (fitted > 0.0)
        if len(paid) < 2:
            return None
        evidence = {"penalty": Evidence(float(paid[-1]), "loss"), "data": Evidence(float(fitted[-1]), "loss")}
        series = ("penalty", "recomputed_loss")
        if np.all(above[len(paid) // 2 :]) and len(paid) > 2 and paid[-1] <= paid[0]:
            words = "The penalty on the weights ended at {penalty}, above the {data} that the data themselves cost"
        elif above[0] and paid[-1] < self.shrunk**2 * paid[0]:
            evidence["began"] = Evidence(float(paid[0]), "loss", usual=float(fitted[0]))
            words = (
                "The penalty on the weights began at {began}, where the data themselves cost {began__usual}, and "
                "shrank the weights until it was {penalty}"
            )
        else:
            return None
        return words, evidence, series, _TENTH

    def _decay(self, record: Record) -> _Found | None:
        decay = number(record, "optimizer", "weight_decay")
        rate, norm = record.series.get("learning_rate"), record.series.get("parameter_norm")
        if not decay > 0.0 or rate is None or norm is None or len(norm) < 2:
            return None
        total = decay * spread(rate.values).location * record.last_step
        first, final = float(norm.values[0]), float(norm.values[-1])
        if not (total >= self.decayed and final < self.shrunk * first):
            return None
        evidence = {
            "decay": Evidence(decay, "1"),
            "norm": Evidence(final, "parameter", usual=first, threshold=self.shrunk * first),
        }
        words = "Under a weight decay of {decay} the parameters shrank from a norm of {norm__usual} to {norm}"
        return words, evidence, ("parameter_norm",), _DECAY

    def _activity(self, record: Record) -> _Found | None:
        for row in rows(record, "layers"):
            name = str(row.get("name"))
            mean, scatter = (record.series.get(f"activation_{of}/{name}") for of in ("mean", "spread"))
            if row.get("activity_penalty") is not True or mean is None or scatter is None:
                continue
            if min(len(mean), len(scatter)) < 2:
                continue
            first, final = (float(np.hypot(mean.values[at], scatter.values[at])) for at in (0, -1))
            if final < self.shrunk * first:
                evidence = {
                    "layer": Evidence(name),
                    "size": Evidence(final, "activation", usual=first, threshold=self.shrunk * first),
                }
                words = (
                    "Under a penalty on its activities the outputs of `{layer}` shrank from a root mean square "
                    "of {size__usual} to {size}"
                )
                return words, evidence, (mean.name, scatter.name), _ACTIVITY
        return None

    def _added(self, record: Record) -> _Found | None:
        added, loss = record.series.get("added_loss"), record.series.get("recomputed_loss")
        if added is None or loss is None or len(added) < 2 or not len(loss):
            return None
        began, ended, fitted = float(added.values[0]), float(added.values[-1]), float(loss.values[-1])
        if not (began > self.ratio * fitted > 0.0 and abs(ended) < self.shrunk**2 * began):
            return None
        evidence = {
            "added": Evidence(ended, "loss", usual=began, threshold=self.shrunk**2 * began),
            "data": Evidence(fitted, "loss"),
        }
        words = (
            "What layers add to the loss went from {added__usual}, above the {data} that the data themselves cost in "
            "the end, to {added}"
        )
        return words, evidence, ("added_loss", "recomputed_loss"), _ADDED

    def _unfollowing(self, record: Record) -> Shortfall | None:
        """Outputs that explain nothing of their targets."""
        reached = last(record, "probe_explained_variance")
        if not reached < self.follows:
            return None
        found = Evidence(reached, "fraction", threshold=self.follows)
        words = "the outputs on the probe batch explained {reached} of the variance of their targets"
        return Shortfall(words, {"reached": found}, ("probe_explained_variance",))

    def _costly(self, record: Record) -> Shortfall | None:
        """A fit that is poor, in training as in validation, while the penalty costs more than the data."""
        penalty, loss = record.series.get("penalty"), record.series.get("recomputed_loss")
        if penalty is None or loss is None or not (len(penalty) and len(loss)):
            return None
        seen, trained = last(record, "validation_loss"), last(record, "epoch_loss")
        if not penalty.values[-1] > loss.values[-1] or seen > self.apart * trained:
            return None
        return left_over(record, self.enough)

    def _paid(self, record: Record) -> Shortfall | None:
        """An accuracy that fell in training and in validation while the loss, penalty and all, fell on."""
        loss = objective(record)
        if loss is None or weighted(record) or not second_half(loss).p_falling < self.significance:
            return None
        for name, trained in record.series.items():
            seen = record.series.get(name.replace("epoch_", "validation_", 1))
            if not name.startswith("epoch_") or "accuracy" not in name or seen is None:
                continue
            falls = [second_half(series) for series in (trained, seen)]
            if all(fall.p_falling < self.significance and -fall.change >= self.worse for fall in falls):
                evidence = {
                    key: Evidence(float(s.values[-1]), "fraction", usual=float(s.values[len(s) // 2]))
                    for key, s in (("trained", trained), ("seen", seen))
                }
                words = (
                    "while the loss fell over the second half of the run, the accuracy went from {trained__usual} to "
                    "{trained} in training and from {seen__usual} to {seen} in validation"
                )
                return Shortfall(words, evidence, (trained.name, seen.name))
        return None

    def _behind(self, record: Record) -> Shortfall | None:
        """A regression that levelled off behind a linear model, by less than other rules ask for."""
        reached, loss = record.series.get("probe_explained_variance"), record.series.get("loss")
        simple = number(record, "data", "linear", "explained_variance")
        probed, sampled = number(record, "watch", "probe_examples"), number(record, "data", "examples")
        if reached is None or loss is None or not 0.0 < simple <= 1.0 or not min(probed, sampled) >= 1.0:
            return None
        if second_half(loss).p_falling < 0.01:
            return None
        error = 2.0 * np.sqrt(simple * (1.0 / probed + 1.0 / sampled)) * (1.0 - simple)
        line = simple - max(self.errors * float(error), 0.05)
        if not reached.values[-1] < line:
            return None
        found = Evidence(float(reached.values[-1]), "fraction", usual=simple, threshold=line)
        words = (
            "the explained variance on the probe batch ended at {reached}, where a linear model has "
            "{reached__usual}"
        )
        return Shortfall(words, {"reached": found}, (reached.name,), linear=True)
