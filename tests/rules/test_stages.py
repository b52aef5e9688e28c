"""A run's life in words."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg import Record
from thalweg.stages import Stage, stages
from thalweg.testing import hard_records

from .runs import having, healthy, series

N = 2000
T = np.arange(1, N + 1)
NOISE = np.random.default_rng(0).standard_normal(N)
LEARNED = np.exp(-T / 300.0)


def names(record: Record) -> list[str]:
    return [stage.name for stage in stages(record)]


def run(loss: np.ndarray, cosine: float = 0.3, **more: object) -> Record:
    n = len(loss)
    cosines = cosine + 0.1 * np.random.default_rng(1).standard_normal(n)
    return healthy(n, loss=loss, gradient_cosine=cosines, **{"validation_loss": None, **more})


def covers(record: Record) -> None:
    found = stages(record)
    loss = next((record.series[n] for n in ("loss", "epoch_loss") if len(record.series.get(n, ()))), None)
    if loss is None:
        assert found == ()
        return
    assert found[0].first == loss.steps[0] and found[-1].last == loss.steps[-1]
    assert all(stage.first <= stage.last for stage in found)
    assert all(b.first == a.last + 1 and a.name != b.name for a, b in pairwise(found))
    assert len(found) <= 8


@pytest.mark.filterwarnings("error")
def test_hard_records_are_covered() -> None:
    for record in hard_records().values():
        covers(record)


@given(st.lists(st.one_of(st.floats(), st.floats(0.0, 3.0)), max_size=60), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_whatever_the_losses_the_run_is_covered(values: list[float], repeats: int) -> None:
    covers(Record.of([series("loss", values * repeats)]))
    covers(Record.of([series("epoch_loss", values * repeats)], {"step_unit": "epoch"}))


def test_without_losses_there_are_none() -> None:
    assert stages(Record.of([])) == ()


@pytest.mark.parametrize("values", [[1.0], [2.0, 1.0, 0.5], list(2.3 * np.exp(-np.arange(20) / 8.0))])
def test_a_short_run_has_one(values: list[float]) -> None:
    assert len(stages(Record.of([series("loss", values)]))) == 1


def test_a_fall_and_a_plateau() -> None:
    """The level bends where the exponential has come to its floor, near step 1,000."""
    found = stages(run((0.3 + 2.0 * LEARNED**2) * np.exp(0.05 * NOISE)))
    assert found[0].name == "falling"
    assert found[-1].name == "plateau"
    assert found[-1].first == pytest.approx(800, abs=300)


def test_a_plateau_that_is_noise() -> None:
    loss = (0.3 + 2.0 * LEARNED**2) * np.exp(0.05 * NOISE)
    assert names(run(loss, cosine=0.0))[-1] == "noise-limited"


def test_a_fall_that_was_over_at_once_is_one() -> None:
    """Batches so noisy that nothing but the first level shows it."""
    loss = (0.3 + 6.0 * np.exp(-T / 8.0)) * np.exp(0.5 * NOISE)
    assert names(run(loss, cosine=0.0)) == ["falling", "noise-limited"]


def test_noise_alone_is_no_fall() -> None:
    for seed in range(20):
        loss = 0.3 * np.exp(0.5 * np.random.default_rng(seed).standard_normal(N))
        assert set(names(run(loss))) <= {"plateau"}


def test_a_known_bend() -> None:
    """Straight on the logarithmic scale, twenty times as fast before step 500 as after it."""
    logs = np.where(T < 500, -2.0 * T / 500.0, -2.0 - 0.3 * (T - 500.0) / 1500.0) + 0.02 * NOISE
    found = stages(run(2.3 * np.exp(logs)))
    assert found[0] == Stage("falling", 1, found[0].last)
    assert found[0].last == pytest.approx(500, abs=2 * N / 64)
    assert found[1].name in ("slow", "stopped early")


def test_a_fall_without_end_stopped_early() -> None:
    loss = np.linspace(2.3, 1.0, N) * np.exp(0.02 * NOISE)
    assert names(run(loss)) == ["falling", "stopped early"]


def test_overfitting_from_the_turn_on() -> None:
    validation = np.r_[np.linspace(2.3, 0.5, 10), np.linspace(0.5, 1.2, 10)]
    found = stages(run((0.05 + 2.0 * LEARNED) * np.exp(0.02 * NOISE), validation_loss=validation))
    assert found[-1].name == "overfitting"
    assert found[-1].first == pytest.approx(1000, abs=200)


def test_divergence_and_the_end_of_numbers() -> None:
    loss = 0.3 + 2.0 * LEARNED
    loss[1200:] = 30.0 + NOISE[1200:]
    found = stages(run(loss))
    assert found[-1] == Stage("diverged", 1201, N)
    loss[1900:] = np.nan
    assert stages(run(loss))[-1] == Stage("not finite", 1901, N)


def test_one_loss_that_is_not_finite_is_passed_over() -> None:
    loss = 0.3 + 2.0 * LEARNED
    loss[700] = np.inf
    assert "not finite" not in names(run(loss))


def test_a_loss_below_zero() -> None:
    record = having(run(np.linspace(1.0, -3.0, N) + 0.02 * NOISE))
    assert names(record)[0] in ("falling", "stopped early")
