"""R003: training and inference part."""

from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Safety, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.objective import number, rows
from thalweg.rules.shortfall import shortfall


@dataclass(frozen=True)
class Modes(Rule):
    """Training and inference part.

    ## What it asks

    Are the predictions as good in inference as the same network makes them, on the same examples, in training?

    ## Why it matters

    Batch normalisation takes its statistics from the batch in training, and from moving averages in
    inference. Where the averages lag behind or were made of tiny batches, the network that learned is not the
    one that answers: the training loss is small and the validation loss that of chance.

    ## How it is decided

    The loss of the probe batch at the last looks, in both modes. A concern needs all of these, at the last two
    looks (the last, where there was one):

    - in inference it is above `ratio` times that in training mode;
    - in inference it is no better than a constant prediction's, or, where that is not known, than before the
      first step; or the predictions, which are those of inference, are worse than a linear model's;
    - in training mode it is under `share` of that.

    Or the averages are known to lag: the share of what they began with that batch normalisation still holds, its
    momentum to the power of the steps of the run, is above `stale`; then `lag` times the loss in training mode at
    the last look is enough, in a network that has learned by the last line. Where the share is above `trace`, it
    takes `ratio` at the last two looks, and a loss in inference of `material` of a constant prediction's or more.

    Dropout and noise make the loss larger in training, not in inference, and explain none of it.

    ## Thresholds

    `ratio` = 2, `share` = 0.5, `stale` = 0.75 (at Keras's momentum of 0.99 a run of 28 steps), `lag` = 1.5,
    `trace` = 0.1 (229 steps), `material` = 0.25, `few` = 4. Rates: docs/calibration.md.

    ## Known limits

    Training mode is measured with the statistics of the whole probe batch, up to 256 examples: what tiny
    batches do to them shows in inference alone.

    ## What to do

    Let the averages follow: a lower momentum, larger batches, or a normalisation without averages.

    ## References

    Ioffe & Szegedy, *Batch Normalization*, ICML 2015. Ioffe, *Batch Renormalization*, NeurIPS 2017.
    """

    code = "R003"
    title = "Training and inference part"
    family = Family.REGULARISATION
    needs = (("probe_training_loss",), ("probe_loss",))

    ratio: float = 2.0
    """Loss in inference over loss in training mode."""
    few: float = 4.0
    """Examples of a batch whose statistics are noise."""
    share: float = 0.5
    """Share of the constant prediction's loss under which the network has learned."""
    stale: float = 0.75
    """Share of their first values that averages hold which did not follow."""
    lag: float = 1.5
    """Loss in inference over loss in training mode that such averages account for."""
    trace: float = 0.1
    """Share of their first values that averages hold which may account for more."""
    material: float = 0.25
    """Least loss in inference, over a constant prediction's, that such averages are blamed for."""

    def assess(self, record: Record) -> Finding:
        """The two losses at the last looks."""
        one, other = record.series["probe_loss"], record.series["probe_training_loss"]
        steps, left, right = np.intersect1d(one.steps, other.steps, return_indices=True)
        known = steps > 0
        inference, training = one.values[left][known][-2:], other.values[right][known][-2:]
        if not len(inference) or not np.all(np.isfinite([inference, training])):
            return self.unassessed(
                "Not assessed: the probe batch was not measured in both modes after a step."
            )
        evidence = {"inference": Evidence(float(inference[-1]), "loss", usual=float(training[-1]))}
        series = ("probe_loss", "probe_training_loss")
        chance = number(record, "constant_prediction_loss")
        words = "a constant prediction has {chance}"
        if np.isnan(chance) and one.steps[0] == 0:
            chance, words = float(one.values[0]), "it was {chance} before the first step"
        normalised = [row for row in rows(record, "layers") if "BatchNormalization" in str(row.get("class"))]
        momenta = [row["momentum"] for row in normalised if isinstance(row.get("momentum"), int | float)]
        held = min(max(momenta, default=0.0), 1.0) ** record.last_step
        lags = held > self.stale
        if lags:  # no accident of one look: it is what the averages do
            inference, training = inference[-1:], training[-1:]
        size = number(record, "fit", "batch_size")
        if normalised and 1.0 <= size <= self.few and (harm := shortfall(record, kernel=True)) is not None:
            evidence["size"] = Evidence(int(size), "examples", threshold=self.few)
            return self.finding(
                Verdict.CONCERN,
                f"The layer `{{layer}}` normalised over batches of {{size}} example{'' if size == 1.0 else 's'}; "
                f"{harm.words}.",
                {**evidence, "layer": Evidence(str(normalised[0].get("name"))), **harm.evidence},
                series=(*series, *harm.series),
                layer=str(normalised[0].get("name")),
                remedies=(_NORMALISED[1], _NORMALISED[2]),
            )
        parted = inference / (self.lag if lags else self.ratio) > np.maximum(training, 0.0)
        if not np.all(parted):
            return self.finding(
                Verdict.SATISFACTORY,
                f"{_ENDED}.",
                evidence,
                series=series,
            )
        if not np.isfinite(chance):
            return self.unassessed(
                "Not assessed: the loss ended at {inference} in inference and at {inference__usual} in training "
                "mode, but what a constant prediction has is not known.",
                evidence,
            )
        evidence["chance"] = Evidence(chance, "loss", threshold=self.share * chance)
        learned = bool(chance > 0.0 and np.all(training < self.share * chance))
        harm = None if not learned or np.all(inference >= chance) else shortfall(record)
        behind = lags or (held > self.trace and bool(np.all(inference >= self.material * chance)))
        if not learned or (harm is None and not behind and not np.all(inference >= chance)):
            return self.finding(
                Verdict.SATISFACTORY,
                f"{_ENDED}; {words}.",
                evidence,
                series=series,
            )
        template = f"{_ENDED}; {words if harm is None else harm.words}."
        evidence |= {} if harm is None else harm.evidence
        if momenta:
            evidence["taken"] = Evidence(1.0 - float(max(momenta)), "1", usual=0.01)
            evidence["steps"] = Evidence(record.last_step, "steps")
            evidence["held"] = Evidence(held, "fraction", threshold=self.stale if lags else self.trace)
            template += (
                " The moving averages took over {taken} of each of {steps} batches, and still held {held} of what "
                "they began with."
            )
        return self.finding(
            Verdict.CONCERN,
            template,
            evidence,
            series=series,
            step=int(steps[-1]),
            layer=str(normalised[0].get("name")) if normalised else None,
            remedies=_normalised(size) if normalised else (_OTHER,),
        )


_ENDED = (
    "On the probe batch the loss ended at {inference} in inference and at {inference__usual} in training mode"
)
_LARGE = 16
"""Examples of a batch whose statistics are near those of the data."""
_NORMALISED = (
    Remedy(
        "Lower the momentum of batch normalisation.",
        "The averages follow the last 1/(1 - momentum) steps; before that they hold what they began with.",
        code="keras.layers.BatchNormalization(momentum=0.9)",
    ),
    Remedy(
        f"Train with batches of {_LARGE} examples or more.",
        "The statistics of a few examples are not those of the data.",
        code="model.fit(x, y, batch_size=32)",
    ),
    Remedy(
        "Or normalise without averages.",
        "Layer and group normalisation do the same in training and inference.",
        code="keras.layers.LayerNormalization()",
    ),
)


def _normalised(size: float) -> tuple[Remedy, ...]:
    """What helps, without larger batches where they are large."""
    return _NORMALISED if not size >= _LARGE else (_NORMALISED[0], _NORMALISED[2])


_OTHER = Remedy(
    "Look for a layer that answers otherwise with `training=False`.",
    "On the same examples and weights nothing else differs.",
    Safety.MANUAL,
)
