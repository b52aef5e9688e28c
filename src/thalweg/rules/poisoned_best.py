"""K005: a first value that nothing can beat."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.callbacks import UNKNOWN, argument, callbacks, known, monitored, picks_best, seen
from thalweg.rules.objective import objective

_CLASSES = ("EarlyStopping", "ReduceLROnPlateau", "ModelCheckpoint")
_THEN = {
    "EarlyStopping": "it stops the run {patience} epochs later, however the run goes",
    "ReduceLROnPlateau": "it lowers the learning rate every {patience} epochs, however the run goes",
    "ModelCheckpoint": "it saves no later model, however good",
}


@dataclass(frozen=True)
class PoisonedBest(Rule):
    """A first value that nothing can beat.

    ## What it asks

    Was the first value that a callback took for its best a NaN, or the infinity at the good end?

    ## Why it matters

    Keras takes whatever comes first as the best, and no number is less or greater than NaN. `EarlyStopping`
    then stops a run that improves and may restore the first epoch, `ReduceLROnPlateau` lowers a healthy rate
    again and again, and `ModelCheckpoint(save_best_only=True)` keeps the first model for ever.

    ## How it is decided

    From the monitored log, at the first epoch at which the callback looked, and the direction in which it
    compares. A run whose training loss is itself not finite at its end is not a concern here: no callback
    could mend it. A callback that began with a best of its own (`initial_value_threshold`) is safe from NaN.

    ## Thresholds

    None. No statistic is estimated. Rates: docs/calibration.md.

    ## Known limits

    Where epochs have no number (a foreign log) `start_from_epoch` is counted in validations.

    ## What to do

    Find why the first value was not finite; then count from the first epoch that has one.

    ## References

    Keras, `keras/src/callbacks/monitor_callback.py` (`_is_improvement`: a best of None accepts anything).
    """

    code = "K005"
    title = "A first value that nothing can beat"
    family = Family.CALLBACKS
    needs = (("epoch_loss", "loss"),)
    live = True

    def assess(self, record: Record) -> Finding:
        """The first value that each callback saw."""
        if not known(record):
            return self.unassessed(UNKNOWN)
        asked = [row for row in callbacks(record, *_CLASSES) if monitored(row) and picks_best(row)]
        if not asked:
            return self.unassessed("Not assessed: no callback of Keras's looked for a best value.")
        looked = [(row, what) for row in asked if (what := seen(record, row)) is not None]
        if not looked:
            return self.unassessed("Not assessed: no callback has seen a value of what it monitored.")
        for row, what in looked:
            first, best = float(what.values[0]), argument(row, "best")
            unbeatable = np.isnan(first) and np.isnan(best)
            unbeatable |= bool(first == (-np.inf if what.less else np.inf))
            if unbeatable:
                loss = objective(record)
                if loss is None or not np.isfinite(loss.values[-1]):
                    return self.unassessed(
                        "Not assessed: the training loss itself was not finite, which no callback can mend."
                    )
                return self._concern(record, row, what.name, first, int(what.epochs[0]), int(what.steps[0]))
        return self.finding(
            Verdict.SATISFACTORY,
            "Every callback that looks for a best value began with one that can be beaten, {count} of {count}.",
            {"count": Evidence(len(looked), "callbacks")},
        )

    def _concern(
        self, record: Record, row: Mapping[str, Any], series: str, first: float, epoch: int, step: int
    ) -> Finding:
        kind = str(row["class"])
        patience = argument(row, "patience")
        evidence = {
            "callback": Evidence(kind),
            "monitor": Evidence(monitored(row)),
            "first": Evidence(first, record.series[series].unit),
            "epoch": Evidence(epoch, "epoch"),
        }
        if kind != "ModelCheckpoint":
            evidence["patience"] = Evidence(int(patience) if np.isfinite(patience) else "some", "epochs")
        remedies = [
            Remedy(
                "Find what made the first value not finite: metrics of a batch without positives, a loss scale "
                "still being sought, a division by zero.",
                "The callback only repeats what it was told.",
            )
        ]
        if kind == "EarlyStopping":
            remedies.append(
                Remedy(
                    "Let the callback begin after the first finite epoch.",
                    "What it has not seen it cannot take for the best.",
                    code=f'EarlyStopping(monitor="{monitored(row)}", start_from_epoch={epoch})',
                )
            )
        if kind == "ModelCheckpoint":
            worst = "inf" if row.get("direction") == "min" else "-inf"
            remedies.append(
                Remedy(
                    "Give the callback a first best that every number beats.",
                    "NaN is not less than infinity, and is then no longer taken for the best.",
                    code=f'ModelCheckpoint(..., initial_value_threshold=float("{worst}"))',
                )
            )
        remedies.append(
            Remedy(
                "Stop at a NaN instead.",
                "A training loss that is NaN is then seen at its step.",
                code="keras.callbacks.TerminateOnNaN()",
            )
        )
        return self.finding(
            Verdict.CONCERN,
            f"The callback `{{callback}}` took the {{first}} of `{{monitor}}` at epoch {{epoch}} for its best, "
            f"which no value can beat: {_THEN[kind]}.",
            evidence,
            series=(series,),
            step=step,
            remedies=tuple(remedies),
        )
