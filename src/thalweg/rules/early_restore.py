"""K006: the epoch that was kept was not the best."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.callbacks import (
    UNKNOWN,
    Seen,
    argument,
    callbacks,
    known,
    logged,
    monitored,
    picks_best,
    seen,
)

_MORE = ("acc", "auc", "precision", "recall", "f1", "iou", "dice_coef", "r2")
"""Parts of the names of metrics of which more is better."""
_LESS = ("loss", "error", "mse", "mae", "rmse", "perplexity")


@dataclass(frozen=True)
class EarlyRestore(Rule):
    """The epoch that was kept was not the best.

    ## What it asks

    Did `EarlyStopping(restore_best_weights=True)` restore an epoch that later ones improved on, because each
    improvement was smaller than `min_delta`? Or does a callback stop, save or restore by the wrong end of the scale?

    ## Why it matters

    `min_delta` is read as a rule for stopping. It also decides which weights are the best: a run that improves
    in steps smaller than `min_delta` is put back to where it stood before them.

    ## How it is decided

    Before the first step: a callback that monitors an accuracy, area, precision, recall, F1 or overlap for its
    minimum, or a loss or error for its maximum.

    The callback's rule is repeated on the log that it monitored. A concern where all of these hold:

    - the run ended of itself or was stopped, so that weights were restored;
    - each of the later epochs, `later` or more, was better than the restored one, which noise does not do;
    - the best of them lies beyond it by `share` of all that the run improved since its first epoch, and by
      `relative` of the restored value.

    ## Thresholds

    `later` = 3, `share` = 0.1, `relative` = 0.02. Rates: docs/calibration.md.

    ## Known limits

    Differences under `min_delta` were declared not to matter, so small ones are left alone. A log without
    the direction in which the callback compares is not assessed.

    ## What to do

    Set `min_delta=0`, and leave the stopping to `patience`; or keep the best epoch with `ModelCheckpoint`.

    ## References

    Keras, `keras/src/callbacks/early_stopping.py` (`_is_improvement` guards both `wait` and `best_weights`).
    """

    code = "K006"
    title = "The epoch that was kept was not the best"
    family = Family.CALLBACKS
    before = True

    later: int = 3
    """Fewest epochs after the restored one, all of them better."""
    share: float = 0.1
    """Least loss, as a share of the run's whole improvement."""
    relative: float = 0.02
    """Least loss, as a share of the restored value."""

    def assess(self, record: Record) -> Finding:
        """The restored epoch against the best one."""
        if not known(record):
            return self.unassessed(UNKNOWN)
        if (wrong := self._wrong_way(record)) is not None:
            return wrong
        asked = [r for r in callbacks(record, "EarlyStopping") if r.get("restore_best_weights") is True]
        if not asked:
            return self.unassessed("Not assessed: no `EarlyStopping` restored the best weights.")
        if not any(
            e.kind == "finished" and e.detail.get("reason") in ("completed", "stopped") for e in record.events
        ):
            return self.unassessed("Not assessed: the run did not end, so that no weights were restored.")
        answers = [(row, what) for row in asked if (what := seen(record, row)) is not None]
        if not answers:
            return self.unassessed("Not assessed: what `EarlyStopping` monitored, and how, is not known.")
        for row, what in answers:
            place, best = restored(what, argument(row, "min_delta"))
            evidence = {
                "monitor": Evidence(monitored(row)),
                "epoch": Evidence(int(what.epochs[place]), "epoch"),
                "best_epoch": Evidence(int(what.epochs[best]), "epoch"),
                "value": Evidence(
                    float(what.values[place]),
                    record.series[what.name].unit,
                    usual=float(what.values[best]),
                    threshold=argument(row, "min_delta"),
                ),
            }
            if self._matters(what, place, best):
                return self._concern(row, what, evidence, int(what.steps[best]))
        return self.finding(
            Verdict.SATISFACTORY,
            "Epoch {epoch} was restored, with a `{monitor}` of {value}; the best was {value__usual}, at epoch "
            "{best_epoch}.",
            evidence,
        )

    def _wrong_way(self, record: Record) -> Finding | None:
        """A callback that takes the worst for the best: the least accuracy, or the largest loss."""
        for row in callbacks(record, "EarlyStopping", "ModelCheckpoint", "ReduceLROnPlateau"):
            name, direction = monitored(row).lower(), row.get("direction")
            better = (
                "max" if any(w in name for w in _MORE) else "min" if any(w in name for w in _LESS) else None
            )
            if not picks_best(row) or direction not in ("min", "max") or better in (None, direction):
                continue
            least, most = ("lowest", "highest") if direction == "min" else ("highest", "lowest")
            return self.finding(
                Verdict.CONCERN,
                f'The callback `{{callback}}` took the {least} `{{monitor}}` for the best (`mode="{direction}"`), '
                f"where the {most} is.",
                {"callback": Evidence(str(row.get("class"))), "monitor": Evidence(monitored(row))},
                series=tuple(s.name for s in [logged(record, monitored(row))] if s is not None),
                remedies=(
                    Remedy(
                        f"Set `mode` to `{better}`.",
                        "It stops, saves or restores by the wrong end of the scale.",
                        code=f'{row.get("class")}(monitor="{monitored(row)}", mode="{better}")',
                    ),
                ),
            )
        return None

    def _matters(self, what: Seen, place: int, best: int) -> bool:
        value, after = float(what.values[place]), what.values[place + 1 :]
        if len(after) < self.later or not np.all(what.gain(after, value) > 0.0):
            return False
        lost = float(what.gain(what.values[best], value))
        whole = float(what.gain(what.values[best], what.values[0]))
        return lost >= self.share * whole and lost >= self.relative * abs(value)

    def _concern(
        self, row: Mapping[str, Any], what: Seen, evidence: dict[str, Evidence], step: int
    ) -> Finding:
        monitor, patience = monitored(row), argument(row, "patience")
        keeps = f", patience={int(patience)}" if np.isfinite(patience) else ""
        return self.finding(
            Verdict.CONCERN,
            "The callback `EarlyStopping` restored epoch {epoch}, with a `{monitor}` of {value}, although all "
            "later epochs were better, to {value__usual} at epoch {best_epoch}: no improvement was larger than "
            "`min_delta`, {value__threshold}.",
            evidence,
            series=(what.name,),
            step=step,
            remedies=(
                Remedy(
                    "Set `min_delta` to zero, and leave the stopping to `patience`.",
                    "Any improvement then counts as one, and its weights are kept.",
                    code=f'EarlyStopping(monitor="{monitor}", min_delta=0{keeps}, restore_best_weights=True)',
                ),
                Remedy(
                    "Keep the best epoch with `ModelCheckpoint`.",
                    "It has no `min_delta`.",
                    code=f'ModelCheckpoint("best.keras", monitor="{monitor}", save_best_only=True)',
                ),
            ),
        )


def restored(what: Seen, least: float) -> tuple[int, int]:
    """The places of the epoch that Keras restores and of the best one; the first where none is finite."""
    least, place = least if np.isfinite(least) else 0.0, 0
    for at in range(1, len(what.values)):
        if what.gain(float(what.values[at]), float(what.values[place])) > least:
            place = at
    gains = what.gain(what.values, float(what.values[place]))
    return place, int(np.nanargmax(gains)) if np.isfinite(gains).any() else place
