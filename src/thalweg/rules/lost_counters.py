"""K009: a resumed run whose callbacks began anew."""

from dataclasses import dataclass

from thalweg.finding import Evidence, Family, Finding, Remedy, Safety, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.callbacks import UNKNOWN, argument, callbacks, known
from thalweg.rules.objective import rows


@dataclass(frozen=True)
class LostCounters(Rule):
    """A resumed run whose callbacks began anew.

    ## What it asks

    Did `BackupAndRestore` resume a run beside callbacks that count epochs or remember a best value?

    ## Why it matters

    It restores weights, optimizer and epoch, and nothing else. `EarlyStopping` and `ReduceLROnPlateau` count
    from nothing, their best value is gone, and the best weights so far cannot be restored any more: the run
    that was interrupted does other things than one that was not.

    ## How it is decided

    From the facts before the first step: the backup was there, and such a callback is in the list. With
    `save_freq` in batches the backup may lie within an epoch, which Keras then begins again from its first
    batch; dropout draws its masks from the beginning. Both are said, and are no concern alone: they move the
    run by no more than another seed does.

    ## Thresholds

    None. A contract is read, no statistic is estimated. Rates: docs/calibration.md.

    ## Known limits

    A callback of the user's that restores the counters is not seen.

    ## What to do

    Let the patience outlast the interruption, or keep the best epoch on disk.

    ## References

    Keras, `keras/src/callbacks/backup_and_restore.py` (`_save_model`: weights, `epoch` and `batch`).
    """

    code = "K009"
    title = "A resumed run whose callbacks began anew"
    family = Family.CALLBACKS
    before = True

    def assess(self, record: Record) -> Finding:
        """Whether there was a backup, and who counts."""
        if not known(record):
            return self.unassessed(UNKNOWN)
        backups = callbacks(record, "BackupAndRestore")
        if not backups:
            return self.unassessed("Not assessed: no `BackupAndRestore` ran.")
        resumed = [row for row in backups if row.get("exists") is True]
        if not resumed:
            return self.finding(
                Verdict.SATISFACTORY, "There was no backup to resume from: the run was whole."
            )
        epoch, batch = argument(resumed[0], "epoch"), argument(resumed[0], "batch")
        done = "an earlier epoch"
        evidence = {}
        if epoch >= 0.0:
            evidence["epoch"] = Evidence(int(epoch), "epochs")
            done = "{epoch} whole epochs"
        said = ""
        if batch > 0.0:
            evidence["batch"] = Evidence(int(batch), "batches")
            said += " The epoch that was broken off after {batch} batches began again from its first."
        if any("rate" in row and "Dropout" in str(row.get("class")) for row in rows(record, "layers")):
            said += " Dropout drew its masks from the beginning."
        counting = callbacks(record, "EarlyStopping", "ReduceLROnPlateau")
        if not counting:
            return self.finding(
                Verdict.SATISFACTORY,
                f"The run was resumed after {done}, and no callback of Keras's had a count to lose.{said}",
                evidence,
            )
        evidence["callback"] = Evidence(str(counting[0]["class"]))
        weights = any(row.get("restore_best_weights") is True for row in counting)
        lost = "its count, its best value and the weights that went with it" if weights else (
            "its count and its best value"
        )  # fmt: skip
        return self.finding(
            Verdict.CONCERN,
            f"The run was resumed after {done}, and `{{callback}}` had lost {lost}.{said}",
            evidence,
            series=("epoch_loss",),
            remedies=(
                Remedy(
                    "Keep the best epoch on disk, and give a resumed run the value it reached.",
                    "What is on disk outlasts the interruption.",
                    code='ModelCheckpoint("best.keras", save_best_only=True, initial_value_threshold=best)',
                ),
                Remedy(
                    "Let the learning rate fall by a schedule of steps.",
                    "The optimizer's counter is in the backup, the callback's is not.",
                )
                if counting[0]["class"] == "ReduceLROnPlateau"
                else Remedy(
                    "Set `patience` longer than the run goes between interruptions.",
                    "The count begins anew at each of them.",
                    Safety.MANUAL,
                ),
            ),
        )
