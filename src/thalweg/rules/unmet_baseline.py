"""K007: a baseline that switched patience off."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.callbacks import UNKNOWN, argument, callbacks, known, monitored, seen


@dataclass(frozen=True)
class UnmetBaseline(Rule):
    """A baseline that switched patience off.

    ## What it asks

    Did `EarlyStopping(baseline=...)` let the run go on beyond its patience although the baseline was never
    met?

    ## Why it matters

    Keras promises to stop where the baseline is not met within `patience` epochs. An epoch that beats the
    best so far skips that check, so that a run which creeps along under its baseline never stops.

    ## How it is decided

    The callback's rule is repeated on the log that it monitored. A concern where, to the end, no epoch met
    the baseline, and the run outlasted `patience` by `overrun` of it, and by two epochs or more.

    ## Thresholds

    `overrun` = 0.5. Rates: docs/calibration.md.

    ## Known limits

    A baseline that is met in the end is no concern, however late.

    ## What to do

    Stop by the improvement alone, or at a target with a callback of three lines.

    ## References

    Keras, `keras/src/callbacks/early_stopping.py` (`on_epoch_end` returns before it asks for `patience`).
    """

    code = "K007"
    title = "A baseline that switched patience off"
    family = Family.CALLBACKS

    overrun: float = 0.5
    """Least share of the patience by which the run outlasted it."""

    def assess(self, record: Record) -> Finding:
        """The count of epochs without the baseline against the patience."""
        if not known(record):
            return self.unassessed(UNKNOWN)
        asked = [r for r in callbacks(record, "EarlyStopping") if np.isfinite(argument(r, "baseline"))]
        if not asked:
            return self.unassessed("Not assessed: no `EarlyStopping` was given a baseline.")
        answer = None
        for row in asked:
            answer = self._judge(record, row)
            if answer.verdict is not Verdict.SATISFACTORY:
                break
        assert answer is not None
        return answer

    def _judge(self, record: Record, row: Mapping[str, Any]) -> Finding:
        what, patience = seen(record, row), argument(row, "patience")
        if what is None or not np.isfinite(patience):
            return self.unassessed("Not assessed: what `EarlyStopping` monitored, and how, is not known.")
        baseline, least = argument(row, "baseline"), argument(row, "min_delta")
        gains = what.gain(what.values, baseline)
        met = bool(np.any(gains > (least if np.isfinite(least) else 0.0)))
        best = int(np.nanargmax(gains)) if np.isfinite(gains).any() else 0
        evidence = {
            "monitor": Evidence(monitored(row)),
            "best": Evidence(float(what.values[best]), record.series[what.name].unit, threshold=baseline),
            "count": Evidence(len(what.values), "epochs", threshold=int(patience)),
        }
        if met or len(what.values) < patience + max(2.0, self.overrun * patience):
            return self.finding(
                Verdict.SATISFACTORY,
                "The baseline of {best__threshold} was met, with {best}."
                if met
                else "The baseline of {best__threshold} was not met in {count} epochs, with a patience of "
                "{count__threshold}.",
                evidence,
                series=(what.name,),
            )
        return self.finding(
            Verdict.CONCERN,
            "The callback `EarlyStopping` was to stop once {count__threshold} epochs had not met its baseline of "
            "{best__threshold}. The run went on for {count}, the best `{monitor}` was {best}, and every "
            "improvement, however small, skipped the check.",
            evidence,
            series=(what.name,),
            step=int(what.steps[-1]),
            remedies=(
                Remedy(
                    "Leave `baseline` out.",
                    "The patience then stops a run that no longer improves.",
                    code=f'EarlyStopping(monitor="{monitored(row)}", patience={int(patience)})',
                ),
                Remedy(
                    "Set the baseline to a value that the model meets early, or raise `min_delta`.",
                    "An improvement smaller than `min_delta` does not skip the check.",
                ),
            ),
        )
