"""D003: targets of a scale that hurts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.objective import GAIN, fact, progress, rows
from thalweg.rules.samples import last, name_of, value
from thalweg.rules.shortfall import Shortfall, failure, learnable


@dataclass(frozen=True)
class TargetScale(Rule):
    """Targets of a scale that hurts.

    ## What it asks

    In a regression, are the targets far from numbers around one, and did the outputs fail to reach them?

    ## Why it matters

    A new network answers numbers around zero. Targets of 200,000 make the first gradients 200,000 times too
    large for the learning rate, or, under an optimizer that takes steps of one size (Adam), millions of steps away;
    targets of 0.001 drown in the noise of its first answers.

    ## How it is decided

    A symptom: the root mean square of the targets is `large` or more, or all of them are under `small`. And
    beside it one of:

    - the run fell short: its loss was not finite at the end, no better than a constant prediction's, the
      network explained less of the variance on the probe batch than a linear model, or the loss diverged or
      oscillated;
    - the outputs ended with a mean farther from that of the targets than their standard deviation, and than a
      quarter of that mean;
    - of several outputs, another one ended no better than a constant prediction, its loss under that of the wild one
      by a factor of `drowned` or more (losses that are weighted are left out).

    Losses of class probabilities and targets that cannot be foretold (`D008`) are not judged.

    ## Thresholds

    `large` = 10, `small` = 0.02, `drowned` = 100 (the squared error of targets of `large`, beside a loss of one).
    Rates: docs/calibration.md.

    ## Known limits

    A model that scales its outputs itself is judged by where they ended, as any other.

    ## What to do

    Standardise the targets, and scale the predictions back.

    ## References

    LeCun, Bottou, Orr & Mueller, *Efficient BackProp*, 1998, section 4.5.
    """

    code = "D003"
    title = "Targets of a scale that hurts"
    family = Family.DATA
    before = True

    large: float = 10.0
    """Root mean square."""
    small: float = 0.02
    """Largest absolute value."""
    drowned: float = 100.0
    """Loss of the wild output, in units of another's, beside which the other's gradient is nothing."""

    def assess(self, record: Record) -> Finding:
        """The targets' scale, and where the outputs ended."""
        targets = [row for row in rows(record, "data", "targets") if np.isfinite(value(row, "spread"))]
        if not targets:
            return self.unassessed("Not assessed: the record does not say how the targets are scaled.")
        if all(row.get("kind") != "continuous" for row in targets):
            return self.unassessed("Not assessed: the targets are classes.")
        numbers = [
            row
            for i, row in enumerate(targets)
            if row.get("kind") == "continuous" and "crossentropy" not in _loss(record, targets, i)
        ]
        if not numbers:
            return self.unassessed("Not assessed: the loss takes the targets as probabilities.")
        row = next((row for row in numbers if self._wild(row)), None)
        shown = numbers[0] if row is None else row
        evidence = {
            "name": Evidence(name_of(shown, "target")),
            "mean": Evidence(value(shown, "mean"), "target", usual=0.0),
            "spread": Evidence(value(shown, "spread"), "target", usual=1.0, threshold=self.large),
        }
        template = "Target `{name}` had mean {mean} and standard deviation {spread}"
        if row is None:
            return self.finding(Verdict.SATISFACTORY, f"{template}.", evidence)
        drowned = self._drowned(record, targets, targets.index(row))
        missed = _missed(record, row, _outputs(record, targets)[targets.index(row)]) or drowned
        if missed is None or not learnable(record):
            if progress(record).adequate and missed is None:
                return self.finding(
                    Verdict.SATISFACTORY, f"{template}, and the outputs reached them.", evidence
                )
            return self.unassessed(
                "Not assessed: target `{name}` had mean {mean} and standard deviation {spread}; nothing "
                "shows that the training suffered.",
                evidence,
            )
        words = missed.words
        if drowned is not None and drowned is not missed:
            words += f", and {drowned.words}"
        return self.finding(
            Verdict.CONCERN,
            f"{template}, where {{mean__usual}} and {{spread__usual}} are usual; {words}.",
            {**evidence, **missed.evidence, **(drowned.evidence if drowned else {})},
            series=(*missed.series, *(drowned.series if drowned and drowned is not missed else ())),
            remedies=(*_REMEDIES, _WEIGH) if drowned else _REMEDIES,
        )

    def _drowned(self, record: Record, targets: Sequence[Mapping[str, Any]], wild: int) -> Shortfall | None:
        """Another output that the loss of the wild one left no better than a constant prediction."""
        names = _logged(record, targets)
        if any(row.get("weighted") is not False for row in rows(record, "losses")):
            return None
        ended = [last(record, f"epoch_{name}_loss") for name in names]
        for i, row in enumerate(targets):
            constant = _constant(row, _loss(record, targets, i))
            if i != wild and ended[i] >= (1.0 - GAIN) * constant and ended[wild] >= self.drowned * ended[i]:
                return Shortfall(
                    "the loss of output `{output}` ended at {high} and that of `{other}` at {other_loss}, where a "
                    "constant prediction has {other_loss__usual}",
                    {
                        "output": Evidence(names[wild]),
                        "high": Evidence(ended[wild], "loss", threshold=self.drowned * ended[i]),
                        "other": Evidence(names[i]),
                        "other_loss": Evidence(ended[i], "loss", usual=constant),
                    },
                    (f"epoch_{names[wild]}_loss", f"epoch_{names[i]}_loss"),
                )
        return None

    def _wild(self, row: Mapping[str, Any]) -> bool:
        size = float(np.hypot(value(row, "mean"), value(row, "spread")))
        largest = max(abs(value(row, "minimum")), abs(value(row, "maximum")))
        return size >= self.large or 0.0 < largest <= self.small


def _outputs(record: Record, targets: Sequence[Mapping[str, Any]]) -> list[str]:
    """The name of each target's output; empty where it is the only one, or not known."""
    known = list(record.each("output_mean"))
    names = [name_of(row, "") for row in targets]
    if len(targets) == 1 or len(known) != len(targets):
        return [""] * len(targets)
    return names if set(names) == set(known) else known


def _logged(record: Record, targets: Sequence[Mapping[str, Any]]) -> list[str]:
    """The name under which each output's loss is logged: the key of its target, or that of its layer."""
    pairs = zip(targets, _outputs(record, targets), strict=True)
    names = [(name_of(row, ""), output) for row, output in pairs]
    return [key if f"epoch_{key}_loss" in record.series else output for key, output in names]


def _loss(record: Record, targets: Sequence[Mapping[str, Any]], i: int) -> str:
    """The name of the loss that a target has; of all of them where that is not known."""
    asked, compiled = fact(record, "loss"), rows(record, "losses")
    name = name_of(targets[i], "")
    if isinstance(asked, Mapping) and name in asked:
        return str(asked[name])
    return str(compiled[i].get("name")) if len(compiled) == len(targets) else str(asked)


def _constant(row: Mapping[str, Any], loss: str) -> float:
    """The loss of the best constant prediction of a target; NaN where it is not known."""
    if "mse" in loss or "squared_error" in loss:
        return value(row, "spread") ** 2
    if "crossentropy" not in loss:
        return np.nan
    counts, share = row.get("class_counts"), value(row, "mean")
    if (
        counts is None
        and row.get("whole") is True
        and (value(row, "minimum"), value(row, "maximum")) == (0, 1)
    ):
        counts = [share, 1.0 - share]
    if not isinstance(counts, list | tuple) or not all(isinstance(c, int | float) and c >= 0 for c in counts):
        return np.nan
    shares = np.asarray([c for c in counts if c > 0], dtype=np.float64)
    shares /= shares.sum()
    return float(-np.sum(shares * np.log(shares))) if len(shares) else np.nan


def _missed(record: Record, row: Mapping[str, Any], output: str) -> Shortfall | None:
    """How the outputs missed the targets."""
    name = f"output_mean/{output}" if output else "output_mean"
    mean, spread, reached = value(row, "mean"), value(row, "spread"), last(record, name)
    gap = abs(reached - mean)
    ended = np.isfinite(reached) and record.series[name].steps[-1] > 0
    if ended and gap > max(spread, 0.25 * abs(mean)):
        found = Evidence(reached, "target", usual=mean)
        return Shortfall("the outputs ended with a mean of {reached}", {"reached": found}, (name,))
    return failure(record)


_WEIGH = Remedy(
    "Or weigh the losses so that they are of one size.",
    "The layers that the outputs share follow the largest gradient.",
    code="model.compile(..., loss_weights=...)",
)
_REMEDIES = (
    Remedy(
        "Standardise the targets by the mean and standard deviation of the training targets, and scale the "
        "predictions back.",
        "A new network answers numbers around zero, a learning rate is made for errors around one.",
        code="mean, spread = y_train.mean(axis=0), y_train.std(axis=0); y_train = (y_train - mean) / spread",
    ),
    Remedy(
        "Or let the model do it: end it with a layer that multiplies by the spread and adds the mean.",
        "What the model then answers has the targets' own unit.",
        code="keras.layers.Rescaling(scale=y_train.std(), offset=y_train.mean())",
    ),
)
