"""Callbacks that do not do what they say: each trap found, and its ordinary use left alone."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pytest

from thalweg import Event, Finding, Record, Rule, Verdict
from thalweg.rules.absent_monitor import AbsentMonitor
from thalweg.rules.early_restore import EarlyRestore
from thalweg.rules.fixed_rate import FixedRate
from thalweg.rules.frozen_rate import FrozenRate
from thalweg.rules.lost_counters import LostCounters
from thalweg.rules.overwritten import Overwritten
from thalweg.rules.poisoned_best import PoisonedBest
from thalweg.rules.same_order import SameOrder
from thalweg.rules.schedule_free import ScheduleFree
from thalweg.rules.unmet_baseline import UnmetBaseline
from thalweg.testing import check

from .runs import series

RULES: tuple[Rule, ...] = (
    SameOrder(), FrozenRate(), FixedRate(), AbsentMonitor(), PoisonedBest(), EarlyRestore(), UnmetBaseline(),
    Overwritten(), LostCounters(), ScheduleFree(),
)  # fmt: skip
CONCERN, SATISFACTORY, UNASSESSED = Verdict.CONCERN, Verdict.SATISFACTORY, Verdict.UNASSESSED


def stopping(**given: Any) -> dict[str, Any]:
    return {
        "class": "EarlyStopping", "monitor": "val_loss", "mode": "auto", "direction": "min", "min_delta": 0,
        "patience": 3, "baseline": None, "restore_best_weights": False, "start_from_epoch": 0, **given,
    }  # fmt: skip


def plateau(**given: Any) -> dict[str, Any]:
    return {
        "class": "ReduceLROnPlateau", "monitor": "val_loss", "mode": "auto", "direction": "min",
        "min_delta": 1e-4, "patience": 10, "factor": 0.1, "cooldown": 0, "min_lr": 0.0, **given,
    }  # fmt: skip


def checkpoint(**given: Any) -> dict[str, Any]:
    return {
        "class": "ModelCheckpoint", "monitor": "val_loss", "mode": "auto", "direction": "min", "best": None,
        "save_best_only": True, "save_weights_only": False, "save_freq": "epoch", "filepath": "best.keras",
        "exists": False, **given,
    }  # fmt: skip


BACKUP = {"class": "BackupAndRestore", "save_freq": "epoch", "exists": False}
OWN = {"class": "F1", "own": True}


def run(
    callbacks: Sequence[dict[str, Any]],
    validation: Sequence[float] = (1.0, 0.8, 0.7, 0.65),
    reason: str = "completed",
    info: dict[str, Any] | None = None,
    **logs: Sequence[float],
) -> Record:
    """A run of epochs of ten steps whose training loss falls."""
    epochs = len(validation) or 4
    steps = 10 * np.arange(1, epochs + 1)
    made = [series("epoch_loss", 1.0 / np.arange(1, epochs + 1), steps)]
    made += [series("validation_loss", validation, steps)] if len(validation) else []
    made += [series(name, values, steps) for name, values in logs.items()]
    facts = {
        "callbacks": list(callbacks),
        "metrics_expected": ["loss", "accuracy"],
        "fit": {"epochs": 20, "validation": bool(len(validation)), "initial_epoch": 0},
        "optimizer": {"class": "Adam", "rate_kind": "constant"},
        "backend": "tensorflow",
        **(info or {}),
    }
    events = [Event(int(step), "epoch", {"epoch": i}) for i, step in enumerate(steps, 1)]
    return Record.of(made, facts, [*events, Event(int(steps[-1]), "finished", {"reason": reason})])


def before(callbacks: Sequence[dict[str, Any]], validation: bool = True, **info: Any) -> Record:
    """What is known before the first step."""
    whole = run(callbacks, (1.0,) if validation else (), info=info)
    return Record.of([], whole.info)


ORDINARY = [stopping(restore_best_weights=True), plateau(), checkpoint(), {"class": "TerminateOnNaN"}, BACKUP]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_ordinary_use_is_silent(rule):
    """Before, after each epoch, and at the end; stopped or not; and from scratch over an older file."""
    for record in (
        run(ORDINARY), before(ORDINARY), run(ORDINARY, reason="stopped"), run(ORDINARY, (0.5, 0.6, 0.7, 0.8)),
        run([checkpoint(exists=True), *ORDINARY]), run(ORDINARY, (1.0,)), run([]), run([OWN, *ORDINARY]),
        run(ORDINARY, info={"callback_ends": [{"class": row["class"], "best": 0.65} for row in ORDINARY]}),
    ):  # fmt: skip
        assert check(rule, record).verdict is not CONCERN


ODD: tuple[dict[str, Any], ...] = (
    {"callbacks": 3}, {"callbacks": [3, None, {}, {"class": 4}]}, {"callbacks": None, "optimizer": 7},
    {"callbacks": [{"class": name} for name in ("EarlyStopping", "ReduceLROnPlateau", "ModelCheckpoint",
                                                "LearningRateScheduler", "BackupAndRestore")]},
    {"callbacks": [stopping(monitor=3, patience="x", baseline="y", min_delta=None, start_from_epoch=[])]},
    {"callbacks": [stopping(patience=np.nan, baseline=np.inf, min_delta=np.nan, restore_best_weights=True)]},
    {"callbacks": [stopping(direction=3, monitor="")], "callback_ends": [3], "metrics_expected": 4},
    {"callbacks": [stopping()], "callback_ends": [{}], "metrics_expected": [3, None], "fit": 3},
    {"callbacks": [checkpoint(exists="x", filepath=3)], "data": {"order": 3, "total": "many"}, "seed": "x"},
    {"optimizer": {"class": "ScheduleFreeAdamW", "rate_kind": 3}, "callbacks": "none", "versions": 3},
    {"data": {"order": {"repeats": True}}, "seed": 3, "fit": {"shuffle": True}, "loss": 3},
)  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_odd_facts_are_answered(rule):
    values = (1.0, np.nan, np.inf, -np.inf, 1e300, -1e300, 0.5)
    for odd in ODD:
        for record in (run([], values, info=odd), run([], (np.nan,) * 3, info=odd), Record.of([], odd)):
            check(rule, record)
        numberless = Record.of([series("loss", values), series("validation_loss", values)], odd,
                               [Event(3, "epoch"), Event(3, "finished")])  # fmt: skip
        check(rule, numberless)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_nothing_known_is_unassessed(rule):
    assert check(rule, Record.of([])).verdict is UNASSESSED


class TestAbsentMonitor:
    def ask(self, record: Record) -> Finding:
        return check(AbsentMonitor(), record)

    @pytest.mark.parametrize("callback, says", [
        (stopping(), "never stops"), (plateau(), "never lowers"), (checkpoint(), "saves at every epoch"),
    ])  # fmt: skip
    def test_validation_that_is_not_there(self, callback, says):
        for record in (before([callback], validation=False), run([callback], ())):
            finding = self.ask(record)
            assert finding.verdict is CONCERN and says in finding.message
            assert "needs validation data" in finding.message
            assert "validation" in finding.remedies[0].action

    def test_a_name_that_is_none(self):
        callback = stopping(monitor="val_acc", mode="max", direction="max")
        for record in (before([callback]), run([callback])):
            finding = self.ask(record)
            assert finding.verdict is CONCERN
            assert finding.remedies[0].code == 'EarlyStopping(monitor="val_accuracy")'

    def test_a_direction_that_keras_cannot_tell(self):
        for callback in (
            stopping(monitor="val_acc", direction=""),
            checkpoint(monitor="val_accuracy", direction="", save_best_only=False),
        ):
            finding = self.ask(before([callback]))
            assert finding.verdict is CONCERN and "raises `ValueError`" in finding.message
        assert 'mode="max"' in finding.remedies[0].code

    def test_the_training_loss_needs_no_validation(self):
        assert self.ask(before([stopping(monitor="loss")], validation=False)).verdict is SATISFACTORY

    def test_a_checkpoint_of_every_epoch_looks_at_nothing(self):
        assert self.ask(run([checkpoint(save_best_only=False)], ())).verdict is SATISFACTORY

    def test_metrics_that_are_expected_are_trusted(self):
        """`val_accuracy` will be there although no epoch has ended; a vector of one never has a series."""
        callback = stopping(monitor="val_accuracy", direction="max")
        assert self.ask(before([callback])).verdict is SATISFACTORY
        assert self.ask(run([callback])).verdict is SATISFACTORY

    def test_validation_now_and_then(self):
        """With `validation_freq` the first epochs have none."""
        record = run([stopping()], (), info={"fit": {"validation": True}})
        assert self.ask(record).verdict is not CONCERN
        own = run([stopping()], (), info={"fit": {"validation": True}, "metrics_expected": None})
        assert self.ask(own).verdict is UNASSESSED

    def test_a_log_that_another_callback_writes(self):
        """Only those before it in the list can; then what it held at the end decides."""
        callback = stopping(monitor="val_f1", mode="max", direction="max")
        assert self.ask(before([OWN, callback])).verdict is UNASSESSED
        assert self.ask(run([OWN, callback])).verdict is UNASSESSED
        assert self.ask(run([callback, OWN])).verdict is CONCERN
        for best, verdict in ((None, CONCERN), (0.5, SATISFACTORY), (np.nan, SATISFACTORY)):
            ends = [{"class": "F1"}, {"class": "EarlyStopping", "best": best}]
            assert self.ask(run([OWN, callback], info={"callback_ends": ends})).verdict is verdict

    def test_a_model_that_writes_its_own_logs(self):
        callback = stopping(monitor="d_loss", mode="min")
        own = {"metrics_expected": None}
        assert self.ask(before([callback], **own)).verdict is UNASSESSED
        assert self.ask(run([callback], info=own)).verdict is CONCERN
        assert self.ask(run([callback], info=own, epoch_d_loss=[1.0] * 4)).verdict is SATISFACTORY

    def test_the_learning_rate_is_logged_by_its_callbacks(self):
        assert self.ask(before([plateau(monitor="learning_rate", mode="min")])).verdict is SATISFACTORY


class TestFixedRate:
    def ask(self, *callbacks: dict[str, Any], kind: Any = "schedule", **info: Any) -> Finding:
        return check(FixedRate(), before(callbacks, optimizer={"class": "SGD", "rate_kind": kind}, **info))

    def test_a_schedule_beside_a_callback(self):
        finding = self.ask(plateau(patience=5))
        assert finding.verdict is CONCERN and "once 5 epochs brought no improvement" in finding.message
        assert "SGD(" in finding.remedies[1].code and "`TypeError`" in finding.message
        finding = self.ask(stopping(), {"class": "LearningRateScheduler"})
        assert finding.verdict is CONCERN and "at the beginning of its first epoch" in finding.message
        assert "`AttributeError`" in self.ask(plateau(), kind="callable").message

    def test_one_of_the_two_is_fine(self):
        finding = self.ask(plateau(), kind="constant")
        assert finding.verdict is SATISFACTORY and "no schedule" in finding.message
        assert self.ask(stopping()).verdict is UNASSESSED
        assert self.ask(plateau(), kind=None).verdict is UNASSESSED

    def test_what_became_of_a_number_is_said(self):
        for rates, said in (
            ([0.01, 0.01, 0.003, 0.001], "it went from 0.01 to 0.001 in 2 changes."),
            ([0.01, 0.01, 0.01, 0.001], "it went from 0.01 to 0.001 in 1 change."),
            ([0.01] * 4, "it stayed at 0.01."),
        ):
            facts = {"optimizer": {"class": "SGD", "rate_kind": "constant"}}
            finding = check(FixedRate(), run([plateau()], info=facts, epoch_learning_rate=rates))
            assert finding.verdict is SATISFACTORY and said in finding.message
            assert finding.series == ("epoch_learning_rate",)

    def test_a_patience_that_outlasts_the_run(self):
        assert self.ask(plateau(patience=20)).verdict is SATISFACTORY
        assert self.ask(plateau(patience=19)).verdict is CONCERN
        fit = {"epochs": 20, "initial_epoch": 10}
        assert self.ask(plateau(patience=10), fit=fit).verdict is SATISFACTORY


class TestFrozenRate:
    def ask(self, kind: str, reads: Any = None, backend: str = "tensorflow", **fit: Any) -> Finding:
        optimizer = {"class": "SGD", "rate_kind": kind, "rate_reads": reads}
        return check(FrozenRate(), before([], optimizer=optimizer, backend=backend, fit=fit))

    def test_plain_python_is_traced_once(self):
        for backend, name in (("tensorflow", "TensorFlow"), ("jax", "JAX")):
            finding = self.ask("callable", "python", backend)
            assert finding.verdict is CONCERN and name in finding.message

    def test_all_else_is_silent(self):
        assert self.ask("schedule").verdict is UNASSESSED
        assert self.ask("constant").verdict is UNASSESSED
        assert self.ask("callable", "nothing").verdict is SATISFACTORY
        assert self.ask("callable", "python", "torch").verdict is SATISFACTORY
        assert self.ask("callable", "python", run_eagerly=True).verdict is SATISFACTORY
        for reads in ("unknown", None):
            assert self.ask("callable", reads).verdict is UNASSESSED


class TestPoisonedBest:
    def ask(self, record: Record) -> Finding:
        return check(PoisonedBest(), record)

    @pytest.mark.parametrize("callback, says", [
        (stopping(), "stops the run 3 epochs later"), (plateau(), "every 10 epochs"),
        (checkpoint(), "saves no later model"),
    ])  # fmt: skip
    def test_a_first_nan(self, callback, says):
        finding = self.ask(run([callback], (np.nan, 1.0, 0.5)))
        assert finding.verdict is CONCERN and says in finding.message and "NaN" in finding.message
        assert finding.step == 10

    def test_the_infinity_at_the_good_end(self):
        up = stopping(monitor="loss", direction="max")
        gain = run([stopping(monitor="gain", direction="max")], epoch_gain=[np.inf, 1.0, 2.0, 3.0])
        assert self.ask(gain).verdict is CONCERN
        assert self.ask(run([up])).verdict is SATISFACTORY
        assert self.ask(run([stopping()], (np.inf, 1.0))).verdict is SATISFACTORY

    def test_a_nan_that_was_not_looked_at(self):
        for record in (
            run([stopping(start_from_epoch=1)], (np.nan, 1.0, 0.5)),
            run([checkpoint(best=0.9)], (np.nan, 1.0, 0.5)),
            run([checkpoint(save_best_only=False)], (np.nan, 1.0, 0.5)),
            run([stopping()], (1.0, np.nan, 0.5)),
            run([stopping(monitor="loss")], (np.nan, 1.0, 0.5)),
        ):
            assert self.ask(record).verdict is not CONCERN
        assert self.ask(run([stopping(start_from_epoch=1)], (1.0, np.nan, 0.5))).verdict is CONCERN

    def test_a_run_that_is_lost_itself_is_another_matter(self):
        record = run([stopping()], (np.nan, np.nan), loss=[np.nan, np.nan])
        assert self.ask(record).verdict is UNASSESSED


class TestEarlyRestore:
    def ask(self, values: Sequence[float], reason: str = "stopped", **given: Any) -> Finding:
        callback = stopping(**{"restore_best_weights": True, "min_delta": 0.1, **given})
        return check(EarlyRestore(), run([callback], values, reason))

    def test_all_that_was_learned_was_put_back(self):
        finding = self.ask((1.0, 0.95, 0.92, 0.91, 0.905))
        assert finding.verdict is CONCERN and finding.step == 50
        assert "restored epoch 1" in finding.message and "0.905 at epoch 5" in finding.message
        assert "min_delta=0, patience=3" in finding.remedies[0].code
        up = check(
            EarlyRestore(),
            run([stopping(monitor="val_accuracy", direction="max", restore_best_weights=True, min_delta=0.1)],
                validation_accuracy=[0.5, 0.55, 0.56, 0.58]),
        )  # fmt: skip
        assert up.verdict is CONCERN

    def test_what_does_not_matter(self):
        long = (2.3, 1.1, 0.6, 0.5, 0.495, 0.494, 0.493)
        assert self.ask(long, min_delta=0.01).verdict is SATISFACTORY, "little of what was gained"
        most = (10.0, 1.0, 0.95, 0.94, 0.93)
        assert self.ask(most).verdict is SATISFACTORY, "7 %, after nine tenths were gained"
        assert self.ask((1.0, 0.95, 1.02, 0.91, 0.905)).verdict is SATISFACTORY, "one was worse: noise"
        assert self.ask((0.300, 0.298, 0.2975, 0.297), min_delta=0.01).verdict is SATISFACTORY, "1 %"
        assert self.ask((1.0, 0.95, 0.92)).verdict is SATISFACTORY, "two epochs are few"
        assert self.ask((1.0, 0.7, 0.5, 0.3)).verdict is SATISFACTORY

    def test_what_was_not_restored(self):
        values = (1.0, 0.95, 0.92, 0.91, 0.905)
        assert self.ask(values, min_delta=0).verdict is SATISFACTORY
        assert self.ask(values, restore_best_weights=False).verdict is UNASSESSED
        assert self.ask(values, "exception").verdict is UNASSESSED
        assert self.ask(values, direction="").verdict is UNASSESSED


class TestUnmetBaseline:
    def ask(self, values: Sequence[float], **given: Any) -> Finding:
        return check(UnmetBaseline(), run([stopping(**{"baseline": 0.1, **given})], values))

    def test_a_creeping_run_never_stops(self):
        finding = self.ask((1.0, 0.9, 0.8, 0.7, 0.6))
        assert finding.verdict is CONCERN and "once 3 epochs" in finding.message
        assert "best `val_loss` was 0.6" in finding.message

    def test_ordinary_use(self):
        assert self.ask((1.0, 0.9, 0.8, 0.7, 0.05)).verdict is SATISFACTORY, "met in the end"
        assert self.ask((1.0, 0.9, 0.8)).verdict is SATISFACTORY
        assert self.ask((1.0, 0.9, 0.8, 0.9)).verdict is SATISFACTORY, "stopped one epoch late"
        assert self.ask((1.0, 0.9, 0.8, 0.7, 0.6), baseline=None).verdict is UNASSESSED
        assert self.ask((1.0, 0.9, 0.8, 0.7, 0.6), patience=5).verdict is SATISFACTORY


class TestOverwritten:
    def ask(
        self, *callbacks: dict[str, Any], first: int = 0, steps: int = 0, loss: float = np.nan, late: int = 0
    ) -> Finding:
        fit = {"initial_epoch": first, "validation": True}
        optimizer = {"class": "Adam", "steps_before": steps}
        contract = {"recomputed_loss": loss, "constant_prediction_loss": 2.3, "step": late}
        return check(Overwritten(), before(callbacks, fit=fit, optimizer=optimizer, contract=contract))

    def test_a_continuation_over_its_own_file(self):
        there = checkpoint(exists=True)
        assert "5 epochs were done" in self.ask(there, first=5).message
        assert "500 steps" in self.ask(there, steps=500).message
        assert "found a backup" in self.ask(there, {**BACKUP, "exists": True}).message
        assert self.ask(there, first=5).verdict is CONCERN

    def test_a_model_compiled_anew_is_known_by_how_good_it_is(self):
        finding = self.ask(checkpoint(exists=True), loss=0.1)
        assert finding.verdict is CONCERN and "its first loss was 0.1" in finding.message
        assert self.ask(checkpoint(exists=True), loss=2.0).verdict is SATISFACTORY
        assert self.ask(checkpoint(exists=True), loss=0.1, late=63).verdict is SATISFACTORY, (
            "an epoch's doing"
        )
        assert self.ask(checkpoint(exists=True, best=0.3), loss=0.1).verdict is SATISFACTORY

    def test_ordinary_use(self):
        there = checkpoint(exists=True)
        assert self.ask(there).verdict is SATISFACTORY, "from the start, over the file of an older run"
        assert self.ask(there, BACKUP).verdict is SATISFACTORY
        assert self.ask(checkpoint(), first=5).verdict is SATISFACTORY
        assert self.ask(checkpoint(exists=True, best=0.3), first=5).verdict is SATISFACTORY
        assert self.ask(checkpoint(exists=True, save_best_only=False), first=5).verdict is UNASSESSED


class TestLostCounters:
    def ask(self, *callbacks: dict[str, Any], **info: Any) -> Finding:
        return check(LostCounters(), before(callbacks, **info))

    def test_a_resumed_run_that_counts(self):
        there = {**BACKUP, "exists": True, "epoch": 6, "batch": 0}
        finding = self.ask(there, plateau())
        assert finding.verdict is CONCERN and "after 6 whole epochs" in finding.message
        assert "broken off" not in finding.message
        assert "weights" in self.ask({**BACKUP, "exists": True}, stopping(restore_best_weights=True)).message
        broken = self.ask({**there, "batch": 13}, stopping(), layers=[{"class": "Dropout", "rate": 0.5}])
        assert "broken off after 13 batches" in broken.message and "Dropout" in broken.message

    def test_ordinary_use(self):
        assert self.ask(BACKUP, stopping(), plateau()).verdict is SATISFACTORY
        there = {**BACKUP, "exists": True, "epoch": 6, "batch": 0}
        assert (
            self.ask(there, checkpoint(), layers=[{"class": "Dropout", "rate": 0.5}]).verdict is SATISFACTORY
        )
        assert self.ask(stopping()).verdict is UNASSESSED


class TestScheduleFree:
    def ask(self, name: str, *callbacks: dict[str, Any], backend: str = "jax", **given: Any) -> Finding:
        return check(ScheduleFree(), before(callbacks, optimizer={"class": name, **given}, backend=backend))

    def test_nobody_switches(self):
        assert self.ask("ScheduleFreeAdamW", stopping()).verdict is CONCERN

    def test_somebody_may_switch(self):
        assert self.ask("ScheduleFreeAdamW", OWN).verdict is UNASSESSED
        for backend in ("tensorflow", "torch"):
            assert self.ask("ScheduleFreeAdamW", backend=backend).verdict is SATISFACTORY
        assert self.ask("ScheduleFreeAdamW", use_ema=True).verdict is SATISFACTORY
        assert self.ask("AdamW").verdict is UNASSESSED


def epochs_of(values: np.ndarray, validation: float | None = None, **info: Any) -> Record:
    """A run whose losses are the rows of `values`."""
    count, length = values.shape
    ends = length * np.arange(1, count + 1)
    made = [series("loss", values.ravel())]
    made += [] if validation is None else [series("validation_loss", [validation] * count, ends)]
    facts = {
        "data": {"order": {"repeats": True}}, "constant_prediction_loss": 2.3, "loss": "crossentropy", **info
    }  # fmt: skip
    return Record.of(made, facts, [Event(int(e), "epoch", {"epoch": i}) for i, e in enumerate(ends, 1)])


class TestSameOrder:
    seeded: ClassVar[dict[str, Any]] = {
        "data": {"total": 1920}, "seed": 7, "backend": "tensorflow", "fit": {"shuffle": True},
        "versions": {"keras": "3.15.1"},
    }  # fmt: skip

    def ask(self, record: Record) -> Finding:
        return check(SameOrder(), record)

    def losses(self, place: Any, level: float = 2.5, noise: float = 0.05) -> np.ndarray:
        random = np.random.default_rng(1)
        return level + place + noise * random.standard_normal((10, 60))

    def test_a_pattern_that_comes_back_in_a_run_that_gets_nowhere(self):
        waves = np.sin(np.arange(60) / 4.0)
        finding = self.ask(epochs_of(self.losses(waves, 4.0)))
        assert finding.verdict is CONCERN and "5 epochs" in finding.message
        alternating = 0.5 * (-1.0) ** np.arange(60)
        assert (
            self.ask(epochs_of(self.losses(alternating, 4.0), data={"order": {"repeats": True}})).verdict
            is CONCERN
        )

    def test_one_that_learns_the_block_it_sees(self):
        falling = np.linspace(2.5, 0.3, 600).reshape(10, 60)
        values = falling + 0.1 * self.losses(np.sin(np.arange(60) / 4.0), 0.0)
        assert self.ask(epochs_of(values, validation=4.0)).verdict is CONCERN
        assert self.ask(epochs_of(values, validation=4.0, loss="mean_squared_error")).verdict is SATISFACTORY
        assert self.ask(epochs_of(values, validation=0.5)).verdict is SATISFACTORY

    def test_rivals_that_are_always_the_same(self):
        """The loss compares the examples of a batch, and the validation loss turned."""
        values = np.linspace(2.5, 0.3, 1200).reshape(20, 60) + 0.1 * self.losses(0.0, 0.0)[:1].mean()
        turned = [*np.linspace(2.0, 0.5, 8), *np.linspace(0.52, 1.5, 12)]
        for gap, validation, verdict in (
            (0.05, turned, CONCERN), (0.0, turned, SATISFACTORY), (0.05, [0.5] * 20, SATISFACTORY),
        ):  # fmt: skip
            record = epochs_of(values, contract={"pair_gap": gap})
            steps = record.series["loss"].steps[59::60]
            losses = [
                series("validation_loss", validation, steps),
                series("epoch_loss", values.mean(1), steps),
            ]
            known = {**record.info, "constant_prediction_loss": None}
            finding = self.ask(Record.of([*record.series.values(), *losses], known, record.events))
            assert finding.verdict is verdict

    def test_every_seeded_script_is_satisfactory_and_told(self):
        """The same hard batches come back, whether the run gets anywhere or not."""
        hard = np.random.default_rng(2).standard_cauchy(60)
        for level in (2.5, 0.3):
            finding = self.ask(epochs_of(self.losses(0.1 * hard, level), **self.seeded))
            assert finding.verdict is SATISFACTORY
            assert "global seed 7" in finding.message and "no pattern" in finding.message

    def test_an_order_that_was_asked_for(self):
        values = self.losses(np.sin(np.arange(60) / 4.0), 4.0)
        finding = self.ask(epochs_of(values, fit={"shuffle": False}))
        assert finding.verdict is SATISFACTORY and "as was asked for" in finding.message
        unlooked: dict[str, Any] = {"fit": {"shuffle": "once"}, "data": {}}
        finding = self.ask(epochs_of(values, **unlooked))
        assert finding.verdict is SATISFACTORY and "as was asked for" in finding.message

    def test_what_is_not_known_to_repeat(self):
        values = self.losses(np.sin(np.arange(60) / 4.0))
        for part in (
            {"backend": "jax"}, {"seed": None}, {"fit": {"shuffle": None}}, {"versions": {"keras": "3.16.0"}},
            {"data": {}}, {"versions": {}},
        ):  # fmt: skip
            assert self.ask(epochs_of(values, **{**self.seeded, **part})).verdict is UNASSESSED
        assert self.ask(epochs_of(values, data={"order": {"repeats": False}})).verdict is SATISFACTORY

    def test_epochs_that_are_not_whole(self):
        values = self.losses(np.sin(np.arange(60) / 4.0), 4.0)
        whole = epochs_of(values)
        loss = whole.series["loss"]
        thinned = Record.of([series("loss", loss.values[::2], loss.steps[::2])], whole.info, whole.events)
        assert self.ask(thinned).verdict is SATISFACTORY
        assert self.ask(epochs_of(values[:2])).verdict is SATISFACTORY
        assert self.ask(epochs_of(values[:8])).verdict is CONCERN


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (stopping(monitor="val_accuracy", mode="min", direction="min"), 'mode="max"'),
        (checkpoint(monitor="val_auc", direction="min"), 'mode="max"'),
        (plateau(monitor="val_loss", direction="max"), 'mode="min"'),
    ],
)
def test_the_wrong_end_of_the_scale(row: dict[str, Any], code: str) -> None:
    before = Record({"callbacks": [row]}, {})
    finding = check(EarlyRestore(), before)
    assert finding.verdict is CONCERN
    assert code in finding.remedies[0].code


@pytest.mark.parametrize(
    "row",
    [
        stopping(monitor="val_accuracy", direction="max"),
        stopping(monitor="val_top", direction="min"),
        checkpoint(monitor="val_auc", direction="min", save_best_only=False),
        stopping(monitor="val_accuracy", direction=None),
    ],
)
def test_the_right_end_or_one_that_nobody_knows(row: dict[str, Any]) -> None:
    assert check(EarlyRestore(), Record({"callbacks": [row]}, {})).verdict is UNASSESSED
