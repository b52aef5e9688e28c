import numpy as np
import pytest

from thalweg import Event, Record, Verdict

from .runs import ask, series


def log(validation: np.ndarray, training: np.ndarray | None = None) -> Record:
    n = len(validation)
    training = 2.0 * np.exp(-np.arange(n) / 8) + 0.05 if training is None else training
    return Record.of(
        [series("epoch_loss", training), series("validation_loss", validation)], {"step_unit": "epoch"}
    )


def turning(n: int = 40, at: int = 15, slope: float = 0.02, noise: float = 0.01, seed: int = 0) -> np.ndarray:
    t = np.arange(n)
    rise = slope * np.maximum(t - at, 0)
    return 0.5 + 1.5 * np.exp(-t / 3) + rise + noise * np.random.default_rng(seed).standard_normal(n)


@pytest.mark.parametrize("seed", range(5))
def test_found_where_it_turned(seed: int) -> None:
    finding = ask("V001", log(turning(seed=seed)))
    assert finding.verdict is Verdict.CONCERN
    assert finding.step is not None and 10 <= finding.step <= 20
    assert finding.evidence["rise"].value > 0.2
    assert finding.series[0] == "validation_loss"


@pytest.mark.parametrize("seed", range(5))
def test_a_turn_in_the_first_epochs(seed: int) -> None:
    """The whole run is a rise that speeds up and slows down: its curvature is no noise."""
    t = np.arange(60)
    validation = 1.45 + 0.55 * np.exp(-t) + 1.8 / (1.0 + np.exp(-(t - 28) / 8))
    validation += 0.03 * np.random.default_rng(seed).standard_normal(60)
    finding = ask("V001", log(validation))
    assert finding.verdict is Verdict.CONCERN
    assert finding.step is not None and finding.step <= 10


@pytest.mark.parametrize("seed", range(20))
def test_flat_and_noisy_is_silent(seed: int) -> None:
    assert ask("V001", log(turning(slope=0.0, noise=0.05, seed=seed))).verdict is Verdict.SATISFACTORY


def test_a_single_bump_is_silent() -> None:
    for at in (20, 38, 39):
        bumped = turning(slope=0.0)
        bumped[at] += 1.0
        assert ask("V001", log(bumped)).verdict is Verdict.SATISFACTORY


def test_a_rise_too_small_to_matter_is_silent() -> None:
    assert ask("V001", log(turning(slope=0.0005, noise=0.0001))).verdict is Verdict.SATISFACTORY


def test_training_that_rises_too_is_no_overfitting() -> None:
    both = turning()
    assert ask("V001", log(both, both)).verdict is Verdict.UNASSESSED


def test_too_few_validations() -> None:
    finding = ask("V001", log(turning(9, at=4)))
    assert finding.verdict is Verdict.UNASSESSED
    assert "there were 9." in finding.message


def test_a_rise_that_speeds_up_in_a_brief_log() -> None:
    """Twelve epochs: no noise can be estimated beside a curve, but nine rises in a row are no noise."""
    validation = np.array([1.1, 0.95, 0.9, 0.92, 1.0, 1.15, 1.35, 1.6, 1.9, 2.2, 2.5, 2.8])
    finding = ask("V001", log(validation, np.linspace(1.2, 0.15, 12)))
    assert finding.verdict is Verdict.CONCERN
    assert finding.step == 3
    wavering = validation[[0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 11]]
    assert ask("V001", log(np.abs(wavering - 1.4), np.linspace(1.2, 0.15, 12))).verdict is not Verdict.CONCERN


def with_accuracy(accuracy: np.ndarray, slope: float) -> Record:
    record = log(turning(at=15, slope=slope))
    return Record.of([*record.series.values(), series("validation_accuracy", accuracy)], record.info)


def test_a_network_that_grows_too_sure_and_no_worse() -> None:
    """The loss rises by a seventh, and no more examples are wrong."""
    kept, falls = np.full(40, 0.9), np.r_[np.full(16, 0.9), np.linspace(0.9, 0.8, 24)]
    assert ask("V001", with_accuracy(kept, 0.003)).verdict is Verdict.SATISFACTORY
    assert ask("V001", with_accuracy(falls, 0.003)).verdict is Verdict.CONCERN
    assert ask("V001", with_accuracy(kept, 0.02)).verdict is Verdict.CONCERN


def kept_by(**row: object) -> Record:
    record = log(turning())
    callback = {"monitor": "val_loss", "direction": "min", **row}
    return Record.of(
        record.series.values(),
        {**record.info, "callbacks": [callback]},
        [Event(40, "finished", {"reason": "stopped"})],
    )


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        ({"class": "EarlyStopping", "restore_best_weights": True}, Verdict.SATISFACTORY),
        ({"class": "EarlyStopping", "restore_best_weights": False}, Verdict.CONCERN),
        ({"class": "ModelCheckpoint", "save_best_only": True}, Verdict.SATISFACTORY),
        ({"class": "ModelCheckpoint", "save_best_only": False}, Verdict.CONCERN),
        ({"class": "ModelCheckpoint", "save_best_only": True, "monitor": "loss"}, Verdict.CONCERN),
    ],
)
def test_what_kept_the_best_parameters(row: dict[str, object], verdict: Verdict) -> None:
    assert ask("V001", kept_by(**row)).verdict is verdict
