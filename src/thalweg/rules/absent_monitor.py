"""K004: a callback waits for a metric that is not there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.callbacks import UNKNOWN, callbacks, known, logged, monitored, picks_best
from thalweg.rules.objective import epochs, fact, rows

_CLASSES = ("EarlyStopping", "ReduceLROnPlateau", "ModelCheckpoint")
_INSTEAD = {
    "EarlyStopping": "never stops the run and restores no weights",
    "ReduceLROnPlateau": "never lowers the learning rate",
    "ModelCheckpoint": "saves at every epoch, so that the file holds the last model and not the best",
}
_RAISES = "raises `ValueError` at the end of the first epoch"


@dataclass(frozen=True)
class AbsentMonitor(Rule):
    """A callback waits for a metric that is not there.

    ## What it asks

    Is the quantity that `EarlyStopping`, `ReduceLROnPlateau` or `ModelCheckpoint` monitors among the logs,
    and does Keras know whether it should rise or fall?

    ## Why it matters

    Keras only warns, once an epoch, between the lines of its progress bar. `EarlyStopping` then never stops,
    `ReduceLROnPlateau` never reduces, and `ModelCheckpoint(save_best_only=True)` saves each epoch over the
    last. With `mode="auto"` and a name that is no metric's, `fit` raises after the whole first epoch.

    ## How it is decided

    Before the first step, from the names that the compiled metrics will write: a name that is not among
    them, or one that begins with `val_` where there are no validation data. Later, from what was logged, and
    from what the callback held at the end: one that never took a value never saw one. Where the mode is
    `auto`, Keras's own look-up of the direction is asked.

    A callback that is not Keras's may write logs for those after it in the list; then only the callback's own
    state at the end speaks. A model with its own `train_step` promises nothing, and is asked after an epoch.

    ## Thresholds

    None. A contract is read, no statistic is estimated. Rates: docs/calibration.md.

    ## Known limits

    Subclasses of these callbacks are not judged: they may look elsewhere. Outputs of a model with several
    are known after its first epoch.

    ## What to do

    Pass validation data, or monitor one of the logs that are there.

    ## References

    Keras, `keras/src/callbacks/early_stopping.py` (`get_monitor_value` warns and returns None) and
    `model_checkpoint.py` (`_should_save_model` returns True where the monitor is missing).
    """

    code = "K004"
    title = "A callback waits for a metric that is not there"
    family = Family.CALLBACKS
    live = True
    before = True

    def assess(self, record: Record) -> Finding:
        """The first monitor that is not there."""
        if not known(record):
            return self.unassessed(UNKNOWN)
        asked = [row for row in callbacks(record, *_CLASSES) if monitored(row)]
        if not asked:
            return self.unassessed("Not assessed: no callback of Keras's monitored a quantity.")
        answers = [_there(record, row) for row in asked]
        for row, there in zip(asked, answers, strict=True):
            undirected = row.get("direction") == "" and row.get("mode") == "auto"
            if undirected or (there is False and picks_best(row)):
                return self._concern(record, row, there, undirected)
        missing = [monitored(row) for row, there in zip(asked, answers, strict=True) if there is None]
        if missing:
            return self.unassessed(
                "Not assessed: whether `{monitor}` will be logged is not known before it is.",
                {"monitor": Evidence(missing[0])},
            )
        return self.finding(
            Verdict.SATISFACTORY,
            "All that the callbacks monitored was among the logs, {count} of {count}.",
            {"count": Evidence(len(asked), "callbacks")},
        )

    def _concern(
        self, record: Record, row: Mapping[str, Any], there: bool | None, undirected: bool
    ) -> Finding:
        monitor, kind = monitored(row), str(row.get("class"))
        evidence = {"callback": Evidence(kind), "monitor": Evidence(monitor)}
        names = _names(record)
        plain = monitor.removeprefix("val_")
        evidence["names"] = Evidence(", ".join(f"`{name}`" for name in names) or "none")
        if there is not False:
            template = "Keras cannot tell whether `{monitor}` should rise or fall: with `mode='auto'`, "
        elif plain != monitor and plain in names and not any(name.startswith("val_") for name in names):
            template = "The log `{monitor}` needs validation data, and `fit` was given none: "
        else:
            template = "The log `{monitor}` was not among those there were ({names}): "
        template += f"`{{callback}}` {_RAISES if undirected else _INSTEAD[kind]}."
        mode = "max" if any(part in plain for part in ("acc", "auc", "precision", "recall", "f1")) else "min"
        directed = Remedy(
            "Say which way is better.",
            "Keras knows the direction of its own metrics only.",
            code=f'{kind}(monitor="{monitor}", mode="{mode}")',
        )
        validation = Remedy(
            "Give `fit` validation data.",
            f"The log `{monitor}` is measured on them.",
            code="model.fit(x, y, validation_split=0.2, ...)",
        )
        other = Remedy(
            "Monitor a log that is there.",
            "The callback then does what it says.",
            code=f'{kind}(monitor="{_nearest(plain, names) if names else "loss"}")',
        )
        if there is not False:
            remedies: tuple[Remedy, ...] = (directed, other)
        else:
            absent = monitor.startswith("val_") and plain in names
            remedies = (validation, other) if absent else (other,)
        series = [s.name for name in names if (s := logged(record, name)) is not None]
        return self.finding(
            Verdict.CONCERN, template, evidence, series=tuple(series) or ("epoch_loss",), remedies=remedies
        )


def _there(record: Record, row: Mapping[str, Any]) -> bool | None:
    """Whether a callback's monitor is among the logs; None where that cannot be told."""
    monitor = monitored(row)
    if logged(record, monitor) is not None or monitor.startswith("learning_rate"):
        return True  # ReduceLROnPlateau and LearningRateScheduler log the rate
    if (held := _held(record, row)) is not None:
        return held
    others = rows(record, "callbacks")
    if any(other.get("own") is True for other in others[: others.index(row)]):
        return None
    names, plain = fact(record, "metrics_expected"), monitor.removeprefix("val_")
    if isinstance(names, list | tuple):
        if plain == monitor or plain not in names:
            return plain in names
        validation = fact(record, "fit", "validation")
        return validation if isinstance(validation, bool) else None
    # The model writes its own logs, and their first epoch tells. Validation may be asked for every so often.
    seen = [
        name for name in record.series if name.startswith("validation_" if plain != monitor else "epoch_")
    ]
    return False if seen and epochs(record) else None


def _held(record: Record, row: Mapping[str, Any]) -> bool | None:
    """Whether the callback took a value, from what it held at the end of a run of an epoch or more."""
    others, ends = rows(record, "callbacks"), rows(record, "callback_ends")
    if len(others) != len(ends) or epochs(record) == 0 or row.get("start_from_epoch"):
        return None
    end = ends[others.index(row)]
    return end["best"] is not None if "best" in end and row.get("best") is None and picks_best(row) else None


def _names(record: Record) -> list[str]:
    """The logs that there are, or will be, by Keras's names."""
    expected = fact(record, "metrics_expected")
    names = [str(name) for name in expected] if isinstance(expected, list | tuple) else []
    names += [f"val_{name}" for name in names] if fact(record, "fit", "validation") is True else []
    names += [n[6:] for n in record.series if n.startswith("epoch_")]
    names += [f"val_{n[11:]}" for n in record.series if n.startswith("validation_")]
    return list(dict.fromkeys(names))


def _nearest(plain: str, names: list[str]) -> str:
    """The log most like a name, validation before training."""
    alike = [n for n in names if plain[:3] == n.removeprefix("val_")[:3]] or names
    return next((n for n in alike if n.startswith("val_")), alike[0])
