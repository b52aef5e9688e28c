"""K003: a callback will change a learning rate that cannot be set."""

from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.callbacks import UNKNOWN, argument, callbacks, known
from thalweg.rules.objective import fact, number
from thalweg.rules.steps import rates
from thalweg.stats import finite
from thalweg.words import noun


@dataclass(frozen=True)
class FixedRate(Rule):
    """A callback will change a learning rate that cannot be set.

    ## What it asks

    Do `ReduceLROnPlateau` or `LearningRateScheduler` run beside an optimizer whose learning rate is a
    schedule or a callable?

    ## Why it matters

    Keras raises where they set it. `LearningRateScheduler` does so at once; `ReduceLROnPlateau` at its first
    plateau, perhaps hours into the run, and the epochs since the last checkpoint are lost.

    ## How it is decided

    From the configuration: the kind of the optimizer's rate, and the callbacks. A `ReduceLROnPlateau` whose
    patience is longer than the epochs that were asked for can never act, and is left alone.

    ## Thresholds

    None. A contract is read, no statistic is estimated. Rates: docs/calibration.md.

    ## Known limits

    Whether a plateau will come is not known beforehand. Subclasses of the two callbacks are not judged.

    ## What to do

    Keep one of the two: the schedule, or a number that the callback may set.

    ## References

    Keras, `keras/src/optimizers/base_optimizer.py`, the setter of `learning_rate`.
    """

    code = "K003"
    title = "A callback will change a learning rate that cannot be set"
    family = Family.CALLBACKS
    before = True

    def assess(self, record: Record) -> Finding:
        """The kind of the rate against the callbacks that set one."""
        if not known(record):
            return self.unassessed(UNKNOWN)
        setters = callbacks(record, "LearningRateScheduler", "ReduceLROnPlateau")
        if not setters:
            return self.unassessed("Not assessed: no callback of Keras's sets the learning rate.")
        kind = fact(record, "optimizer", "rate_kind")
        if kind not in ("constant", "schedule", "callable"):
            return self.unassessed("Not assessed: what kind of learning rate the optimizer has is not known.")
        asked = number(record, "fit", "epochs") - max(number(record, "fit", "initial_epoch"), 0.0)
        # The first epoch is the best so far: the callback acts at `patience` + 1 at the soonest, and the last
        # epoch's change has no step left to act on, but raises all the same.
        acting = [
            row
            for row in setters
            if row["class"] == "LearningRateScheduler" or not max(argument(row, "patience"), 1.0) >= asked
        ]
        if kind == "constant":
            return self._settable(record, str(setters[0]["class"]))
        if not acting:
            return self.finding(
                Verdict.SATISFACTORY,
                "The callback `{callback}` could not act within the epochs asked for.",
                {"callback": Evidence(str(setters[0]["class"]))},
            )
        name = str(acting[0]["class"])
        evidence = {"callback": Evidence(name), "kind": Evidence(kind)}
        error = "`TypeError`" if kind == "schedule" else "`AttributeError`"
        if name == "LearningRateScheduler":
            when = "at the beginning of its first epoch"
        else:
            evidence["patience"] = Evidence(argument(acting[0], "patience"), "epochs")
            when = "at its first reduction, once {patience} epochs brought no improvement"
        return self.finding(
            Verdict.CONCERN,
            f"The optimizer was given a {{kind}} as its learning rate, and `{{callback}}` sets a number: Keras "
            f"raises {error} {when}.",
            evidence,
            series=("learning_rate",),
            remedies=(
                Remedy(
                    f"Leave `{name}` out and keep the {kind}.",
                    "The learning rate already follows a plan.",
                ),
                Remedy(
                    "Give the optimizer a number.",
                    "A number can be set while the training runs.",
                    code=f"keras.optimizers.{_optimizer(record)}(learning_rate=1e-3)",
                ),
            ),
        )

    def _settable(self, record: Record, name: str) -> Finding:
        """A rate that is a number, and what became of it."""
        evidence, series = {"callback": Evidence(name)}, rates(record)
        if series is None:
            return self.finding(
                Verdict.SATISFACTORY,
                "The learning rate was a number, and no schedule, at which `{callback}` would have raised.",
                evidence,
            )
        values = finite(series.values)
        evidence["rate"] = Evidence(float(values[-1]), "1", usual=float(values[0]))
        changes = int(np.count_nonzero(np.diff(values)))
        evidence["changes"] = Evidence(changes, "changes")
        went = f"it went from {{rate__usual}} to {{rate}} in {{changes}} {noun(changes, 'change')}"
        return self.finding(
            Verdict.SATISFACTORY,
            "The learning rate was a number, which `{callback}` could set: "
            + (f"{went}." if changes else "it stayed at {rate}."),
            evidence,
            series=(series.name,),
        )


def _optimizer(record: Record) -> str:
    name = fact(record, "optimizer", "class") or fact(record, "optimizer", "name")
    return name if isinstance(name, str) and name != "LossScaleOptimizer" else "Adam"
