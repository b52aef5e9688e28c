"""V001: overfitting."""

from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Safety, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.callbacks import callbacks, monitored
from thalweg.rules.objective import number, unit
from thalweg.stats import Turn, mean, turn


@dataclass(frozen=True)
class Overfitting(Rule):
    """Overfitting.

    ## What it asks

    Did the validation loss turn and rise while the training loss went on falling, where did it turn, and by
    how much did it rise?

    ## Why it matters

    From the turn on, what the network learned was its training set. The parameters of the turn are the better
    ones.

    ## How it is decided

    The validation losses are averaged over stretches of n/6 epochs. All of these:

    - the rise is no noise: the last stretch lies above the lowest one by `errors` standard errors, with a
      noise taken from the validation series itself (second differences, and the scatter about the line after
      the turn, whichever is larger), and the trend from the turn to the end rises with a one-sided p-value below
      `significance`, autocorrelation included, its scatter being what a cubic leaves, for a rise that speeds up
      and slows down is one rise; or nearly every validation after the turn lies above the one before, with a
      p-value below `signs` (eight rises in a row): it takes no noise estimate, which few validations do not
      give;
    - the rise is `rise` of the lowest level or more, and a hundredth of the untrained loss or more; `confident` of
      it where the validation accuracy stayed within `kept` of its best: the network then grew too sure of a few
      mistakes, and made no more of them;
    - the training loss ended below its value at the turn.

    Withdrawn where the parameters of the turn were kept: `EarlyStopping` restored them, or `ModelCheckpoint`
    saves the best by the validation loss.

    A single bump moves neither the trend nor the last stretch, so it does not count.

    ## Thresholds

    `errors` = 4, `significance` = 0.05, `rise` = 0.05, `confident` = 0.15, `kept` = 0.01, `signs` = 0.005. On
    validation losses that fall and stay flat 0 to 0.4 % at independent noise of 2 to 15 %; noise that wanders
    costs more: up to 1.7 % where neighbours correlate by 0.5, and 7 % by 0.9, 50 epochs (1,000 runs each,
    `benchmarks/error_rates.py`).

    On real Keras programs: the zoo's tables in docs/calibration.md.

    ## Known limits

    Fewer than ten validations are not assessed. A validation loss may rise while accuracy still improves
    (over-confident mistakes on a few examples): look at both before choosing what to restore.

    ## What to do

    Keep the parameters of the turn; then regularise or get more data.

    ## References

    Prechelt, *Early Stopping - But When?*, 1998. Guo et al., *On Calibration of Modern Neural Networks*, ICML
    2017 (loss against accuracy).
    """

    code = "V001"
    title = "Overfitting"
    family = Family.REGULARISATION
    needs = (("validation_loss",), ("epoch_loss", "loss"))

    errors: float = 4.0
    """Least rise, in standard errors."""
    significance: float = 0.05
    """One-sided p of the trend after the turn."""
    rise: float = 0.05
    """Least rise, as a share of the lowest level."""
    confident: float = 0.15
    """The same where the accuracy did not fall with it."""
    kept: float = 0.01
    """How far the last validation accuracies may lie below the best level of any stretch."""
    signs: float = 0.005
    """One-sided p of so many rises from one validation to the next after the turn."""

    def assess(self, record: Record) -> Finding:
        """Where validation was lowest, against where it ended."""
        validation = record.series["validation_loss"]
        found = turn(validation.values)
        if found.index < 0:
            return self.unassessed(
                "Not assessed: it takes {count__threshold} finite validation losses, and there were {count}.",
                {"count": Evidence(int(np.sum(np.isfinite(validation.values))), "validations", threshold=10)},
            )
        word = unit(record)
        step = int(validation.steps[found.index])
        share = self.confident if self._kept(record) else self.rise
        least = share * abs(found.lowest)
        evidence = {
            "step": Evidence(step, word),
            "latest": Evidence(
                found.latest, validation.unit, usual=found.lowest, threshold=found.lowest + least
            ),
        }
        if not np.isfinite(validation.values[-1]):
            return self.unassessed("Not assessed: the last validation loss was not finite.")
        before, after = self._training(record, step)
        if not self._turned(record, found, least):
            template = (
                "The validation loss ended at {ended}; its lowest mean over a sixth of the run was {latest__usual}, "
                f"around {word} {{step}}."
            )
            evidence["ended"] = Evidence(float(validation.values[-1]), validation.unit)
            if found.rise <= 0.0:
                template = "The validation loss was lowest at its end, at {ended}."
            return self.finding(Verdict.SATISFACTORY, template, evidence, series=("validation_loss",))
        if (kept := _kept_best(record, step)) is not None:
            return self.finding(
                Verdict.SATISFACTORY,
                f"The validation loss turned around {word} {{step}} and rose to {{latest}}; {kept}.",
                evidence,
                series=("validation_loss",),
            )
        if not after < before:
            return self.unassessed(
                f"Not assessed: validation rose from {{latest__usual}} at {word} {{step}} to {{latest}}, "
                "but so did the training loss, which is no overfitting.",
                evidence,
            )
        evidence["rise"] = Evidence(
            found.rise / abs(found.lowest) if found.lowest else 1.0, "fraction", threshold=share
        )
        evidence["errors"] = Evidence(found.score, "standard errors", threshold=self.errors)
        evidence["training"] = Evidence(after, validation.unit, usual=before)
        return self.finding(
            Verdict.CONCERN,
            f"The validation loss turned around {word} {{step}} and rose by {{rise}}, from "
            "{latest__usual} to {latest} in means over a sixth of the run, {errors} standard errors. Meanwhile the "
            "training loss fell from {training__usual} to {training}.",
            evidence,
            series=("validation_loss", "epoch_loss"),
            step=step,
            remedies=(
                Remedy(
                    "Stop at the turn: `EarlyStopping(patience=5, restore_best_weights=True)`.",
                    "The parameters of the turn are the best ones this run had.",
                ),
                Remedy(
                    "Add weight decay, dropout or data augmentation.",
                    "They make the training set harder to memorise.",
                ),
                Remedy(
                    "Get more training data, or use a smaller network.",
                    "There is less to memorise with, or more to learn from.",
                    Safety.MANUAL,
                ),
            ),
        )

    def _turned(self, record: Record, found: Turn, least: float) -> bool:
        losses = next(record.series[n] for n in ("epoch_loss", "loss") if len(record.series.get(n, ())))
        untrained = max(number(record, "initial_loss"), abs(float(losses.values[0])))
        rise = found.rise
        beyond_noise = rise > self.errors * found.error and found.p_rising < self.significance
        shown = beyond_noise or found.p_signs < self.signs
        return bool(shown and rise >= least and not rise < 0.01 * untrained)

    def _kept(self, record: Record) -> bool:
        """Whether the validation accuracy ended where it was best, by the means of stretches of n/6 epochs."""
        series = record.series.get("validation_accuracy")
        if series is None or len(series) < 6 or not np.isfinite(series.values).all():
            return False
        levels = [float(np.mean(part)) for part in np.array_split(series.values, 6)]
        return levels[-1] >= max(levels) - self.kept

    def _training(self, record: Record, step: int) -> tuple[float, float]:
        """The training loss around a step and at the end."""
        if len(epoch := record.series.get("epoch_loss", ())):
            loss = record.series["epoch_loss"]
            at = min(int(np.searchsorted(loss.steps, step)), len(epoch) - 1)
            return float(loss.values[at]), mean(loss.values[-max(1, len(loss) // 6) :]).value
        loss = record.series["loss"]
        at = int(np.searchsorted(loss.steps, step))
        w = max(1, len(loss) // 20)
        return mean(loss.values[max(0, at - w) : at + 1]).value, mean(loss.values[-w:]).value


def _kept_best(record: Record, step: int) -> str | None:
    """What a callback did to keep the parameters of the turn; None where none did."""
    for row in callbacks(record, "EarlyStopping", "ModelCheckpoint"):
        if monitored(row) != "val_loss" or row.get("direction") != "min":
            continue
        if row.get("class") == "ModelCheckpoint" and row.get("save_best_only") is True:
            return "`ModelCheckpoint` saved the best"
        done = any(
            e.kind == "finished" and e.detail.get("reason") in ("completed", "stopped") for e in record.events
        )
        if row.get("class") == "EarlyStopping" and row.get("restore_best_weights") is True and done:
            return "`EarlyStopping` restored the best"
    return None
