"""Validation agrees: the weights that were kept are as good on unseen examples as any that the run saw."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from thalweg.certificate import Claim, Status
from thalweg.examination import Examination
from thalweg.finding import Evidence, Verdict
from thalweg.question import Question
from thalweg.record import Record, Series
from thalweg.rules.callbacks import argument, callbacks, seen
from thalweg.rules.early_restore import restored
from thalweg.rules.objective import unit
from thalweg.rules.overfitting import Overfitting
from thalweg.stats.gap import gap


@dataclass(frozen=True)
class ValidationAgrees(Question):
    """Whether the validation loss at the weights that were kept is as low as the run has seen.

    The kept epoch is the last, or the one that `EarlyStopping(restore_best_weights=True)` restored: its rule is
    repeated on the log that it monitored. Its validation loss is held against the lowest of all epochs.
    The tolerance is one standard error of a validation loss over its examples (Breiman et al., *Classification and
    Regression Trees*, 1984, section 3.4.3), where the examination has the loss of each, else `share` of what the
    validation loss gained. Established within it; the lowest of many epochs is low by luck too, which makes it
    harder. Refuted where the loss was kept beyond it and validation had turned (V001, with its error rates). In
    between nothing is said.

    The gap between training and validation examples at the final weights, in inference mode, is evidence with a
    bootstrap interval over examples; there always is one, and it refutes nothing.
    """

    name: ClassVar[str] = "validation-agrees"
    statement: ClassVar[str] = "The kept weights were as good on validation examples as any that the run saw."
    assumptions: ClassVar[tuple[str, ...]] = (
        "The validation examples were drawn independently, and nothing was chosen by them but the epoch.",
    )

    share: float = 0.05

    def answer(self, record: Record, examination: Examination) -> Claim:
        """The kept epoch against the best one."""
        series = record.series.get("validation_loss")
        known = np.isfinite(series.values) if series is not None else np.zeros(0, bool)
        if series is None or not known.any():
            return self.open("Not looked at: the record holds no finite validation loss.")
        place, was_restored = _kept(record, series)
        if not known[place]:
            return self.open("Not looked at: the validation loss of the kept weights was not finite.")
        best = int(np.nanargmin(np.where(known, series.values, np.nan)))
        found, word, evidence = Overfitting().check(record), unit(record), {}
        tolerance, of = self._tolerance(series, known, best, examination)
        losses = examination.losses
        if losses is not None and np.isfinite((between := gap(losses.training, losses.validation)).value):
            evidence = {
                "gap": Evidence(between.value, series.unit),
                "gap_low": Evidence(between.low, series.unit),
                "gap_high": Evidence(between.high, series.unit),
            }
        kept, lowest = float(series.values[place]), float(series.values[best])
        evidence["kept"] = Evidence(kept, series.unit, usual=lowest, threshold=lowest + tolerance)
        evidence["at"] = Evidence(int(series.steps[place]), word)
        evidence["best"] = Evidence(int(series.steps[best]), word)
        evidence["tolerance"] = Evidence(tolerance, series.unit)
        which = "restored" if was_restored else "last"
        message = f"The {which} weights, of {word} {{at}}, had a validation loss of {{kept}}"
        if place == best:
            message += ", the lowest of all"
        else:
            message += f"; the lowest was {{kept__usual}}, at {word} {{best}}, and {of} is {{tolerance}}"
        turned = found.verdict is Verdict.CONCERN
        if turned and found.step is not None:
            evidence["turn"] = Evidence(found.step, word)
            message += f"; it turned around {word} {{turn}}"
        message += "."
        if "gap" in evidence:
            message += (
                " The validation loss less the training loss was {gap} ({gap_low} to {gap_high} with 95 % "
                "confidence)."
            )
        count = "" if losses is None else f", {len(losses.validation):,} validation examples"
        scope = f"{int(known.sum()):,} validations{count}"
        if kept - lowest <= tolerance:
            return self.claim(Status.ESTABLISHED, message, evidence, scope=scope)
        if turned:
            return self.claim(Status.REFUTED, message, evidence, scope=scope)
        return self.open(message, evidence, scope=scope)

    def _tolerance(
        self, series: Series, known: np.ndarray, best: int, examination: Examination
    ) -> tuple[float, str]:
        losses = examination.losses
        if losses is not None:
            error = gap(losses.training, losses.validation).errors[1]
            if np.isfinite(error):
                return error, "one standard error"
        gained = float(series.values[known][0]) - float(series.values[best])
        return self.share * gained, f"{100 * self.share:g} % of what it had gained"


def _kept(record: Record, series: Series) -> tuple[int, bool]:
    """The place in the validation losses of the weights that the run ended with, and whether they were restored."""
    ended = any(
        e.kind == "finished" and e.detail.get("reason") in ("completed", "stopped") for e in record.events
    )
    for row in callbacks(record, "EarlyStopping") if ended else []:
        if row.get("restore_best_weights") is not True:
            continue
        what = seen(record, row)
        if what is None or not len(what.values):
            continue
        place, _ = restored(what, argument(row, "min_delta"))
        at = int(np.searchsorted(series.steps, what.steps[place]))
        if at < len(series):
            return at, True
    return len(series) - 1, False
