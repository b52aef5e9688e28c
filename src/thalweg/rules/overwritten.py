"""K008: a checkpoint that overwrites an older one unseen."""

from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.callbacks import UNKNOWN, argument, callbacks, known, monitored
from thalweg.rules.objective import late, number


@dataclass(frozen=True)
class Overwritten(Rule):
    """A checkpoint that overwrites an older one unseen.

    ## What it asks

    Does a run that goes on where another ended save its best model over the best of the run before, without
    knowing how good that was?

    ## Why it matters

    `ModelCheckpoint(save_best_only=True)` keeps its best value in memory. A new one has none, so its first
    epoch replaces the file whatever it is worth, and the better model is gone.

    ## How it is decided

    Before the first step, where all of these hold: the file exists, the callback has no best value
    (neither `initial_value_threshold` nor one from an earlier `fit`), and the run is a continuation: its
    first epoch is not the first, `BackupAndRestore` found a backup, the optimizer had made steps already, or the
    loss on the probe batch was under `trained` of a constant prediction's: an untrained model is not so good.

    A run from the start that replaces the file of an older one is ordinary, and no concern.

    ## Thresholds

    `trained` = 0.5. Rates: docs/calibration.md.

    ## Known limits

    Whether the model in the file is the better one is not looked up. Where a constant prediction's loss is not
    known, a model loaded without its optimizer, or compiled anew, looks like one from the start. File names
    with placeholders are not judged.

    ## What to do

    Give the callback the value that the file's model reached.

    ## References

    Keras, `keras/src/callbacks/model_checkpoint.py` (`initial_value_threshold`).
    """

    code = "K008"
    title = "A checkpoint that overwrites an older one unseen"
    family = Family.CALLBACKS
    before = True

    trained: float = 0.5
    """Share of a constant prediction's loss under which a model was trained before."""

    def assess(self, record: Record) -> Finding:
        """Whether the run continues, and what its checkpoints know."""
        if not known(record):
            return self.unassessed(UNKNOWN)
        asked = [
            row for row in callbacks(record, "ModelCheckpoint")
            if row.get("save_best_only") is True and isinstance(row.get("exists"), bool)
        ]  # fmt: skip
        if not asked:
            return self.unassessed("Not assessed: no `ModelCheckpoint` kept a best model in one file.")
        first = number(record, "fit", "initial_epoch")
        steps = number(record, "optimizer", "steps_before")
        loss = number(record, "contract", "recomputed_loss")
        constant = number(record, "contract", "constant_prediction_loss")
        trained = not late(record) and constant > 0.0 and loss < self.trained * constant
        backup = any(row.get("exists") is True for row in callbacks(record, "BackupAndRestore"))
        unseen = [row for row in asked if row["exists"] is True and np.isnan(argument(row, "best"))]
        if not unseen or not (first > 0.0 or steps > 0.0 or backup or trained):
            return self.finding(
                Verdict.SATISFACTORY,
                "No best model of an earlier part of this run was at stake, in {count} of {count} checkpoints.",
                {"count": Evidence(len(asked), "checkpoints")},
            )
        name = unseen[0].get("filepath")
        evidence = {"file": Evidence(str(name)), "monitor": Evidence(monitored(unseen[0]))}
        if steps > 0.0:
            evidence["steps"] = Evidence(int(steps), "steps")
            why = "the optimizer had made {steps} steps already"
        elif first > 0.0:
            evidence["epochs"] = Evidence(int(first), "epochs")
            why = "{epochs} epochs were done already"
        elif backup:
            why = "`BackupAndRestore` found a backup"
        else:
            evidence["loss"] = Evidence(loss, "loss", usual=constant, threshold=self.trained * constant)
            why = "its first loss was {loss}, where a constant prediction has {loss__usual}"
        return self.finding(
            Verdict.CONCERN,
            f"The run was a continuation ({why}) and `{{file}}` existed, but `ModelCheckpoint` had no best "
            "`{monitor}` to hold against: its first epoch replaces the file, better or not.",
            evidence,
            series=tuple(
                n for n in (f"validation_{monitored(unseen[0])[4:]}", "epoch_loss") if n in record.series
            )
            or ("epoch_loss",),
            remedies=(
                Remedy(
                    "Give the callback the value that the file's model reached.",
                    "Only what is better then replaces it.",
                    code=f'ModelCheckpoint("{name}", save_best_only=True, initial_value_threshold=best)',
                ),
                Remedy("Save to another file.", "Both models are then there to compare."),
            ),
        )
