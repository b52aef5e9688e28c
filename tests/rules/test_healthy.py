"""Healthy runs that naive thresholds accuse: no rule may be concerned."""

import numpy as np
import pytest

from thalweg import Event, Record

from .runs import concerns, having, healthy, series


@pytest.mark.parametrize("seed", range(8))
def test_an_ordinary_run(seed: int) -> None:
    assert concerns(healthy(seed=seed)) == set()


@pytest.mark.parametrize("seed", range(3))
def test_converged_run_whose_gradients_vanish(seed: int) -> None:
    """Interpolation: loss and all gradients fall to 1e-6, front layers first."""
    rng = np.random.default_rng(seed)
    n = 3000
    t = np.arange(1, n + 1)
    loss = 2.3 * np.exp(-15.0 * t / n) * np.exp(0.5 * rng.standard_normal(n)) + 1e-6
    record = healthy(
        n, loss=loss, gradient_norm=loss * np.exp(0.5 * rng.standard_normal(n)), validation_loss=None
    )
    layers = [series(f"gradient_norm/dense_{i}/kernel", loss * 10.0 ** (i - 5)) for i in range(6)]
    assert concerns(having(record, *layers)) == set()


@pytest.mark.parametrize("floor", [1.2, 1.8, 2.1])
def test_noisy_labels_with_an_honest_plateau(floor: float) -> None:
    rng = np.random.default_rng(2)
    n = 3000
    loss = floor + (2.31 - floor) * np.exp(-np.arange(n) / 200) + 0.15 * rng.standard_normal(n)
    assert concerns(healthy(n, loss=loss, validation_loss=None)) == set()


def test_wide_sparse_relu_net() -> None:
    dead = series("dead_fraction/dense_0", np.linspace(0.2, 0.9, 20), np.arange(1, 21) * 100, "fraction")
    assert concerns(having(healthy(), dead)) == set()


@pytest.mark.parametrize("seed", range(4))
def test_one_cycle(seed: int) -> None:
    """The loss rises above its start while the rate warms up, and is noisy at its peak."""
    rng = np.random.default_rng(seed)
    n = 3000
    t = np.arange(n) / n
    rate = np.where(t < 0.3, t / 0.3, (1 - t) / 0.7 + 1e-4)
    loss = 0.2 + 2.1 * np.exp(-5 * t) + rate * np.abs(rng.standard_normal(n)) * 0.6
    loss[:60] += np.hanning(60) * 2.0
    assert concerns(healthy(n, loss=loss, learning_rate=0.1 * rate, validation_loss=None)) == set()


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_tiny_runs(epochs: int) -> None:
    assert concerns(healthy(100 * epochs)) == set()


@pytest.mark.parametrize("epochs", [2, 3])
def test_tiny_logs(epochs: int) -> None:
    values = np.array([0.69, 0.66, 0.65])[:epochs]
    log = [series("epoch_loss", values), series("validation_loss", values + 0.01)]
    assert concerns(Record.of(log, {"step_unit": "epoch"})) == set()


def test_regression_with_big_units() -> None:
    rng = np.random.default_rng(3)
    n = 2000
    loss = 1e10 * (0.2 + np.exp(-np.arange(n) / 200)) * np.exp(0.2 * rng.standard_normal(n))
    info = {"initial_loss": 1.3e10, "constant_prediction_loss": 1.1e10}
    record = healthy(n, loss=loss, gradient_norm=loss / 10, validation_loss=None, info=info)
    assert concerns(record) == set()


def test_fine_tuning_from_its_floor() -> None:
    rng = np.random.default_rng(4)
    loss = 0.21 + 0.03 * rng.standard_normal(2000)
    assert concerns(healthy(loss=loss, validation_loss=None, info={"initial_loss": 0.21})) == set()


def test_heavy_tailed_batches() -> None:
    """Well-fitted data with rare hard examples: most losses tiny, some a thousand times larger."""
    rng = np.random.default_rng(5)
    n = 5000
    loss = 2.3 * np.exp(-np.arange(n) / 150) + np.exp(1.5 * rng.standard_normal(n)) * 0.003
    record = healthy(n, loss=loss, gradient_norm=loss * 5.0, validation_loss=None)
    assert concerns(record) == set()


def test_recurrent_spikes_without_effect() -> None:
    rng = np.random.default_rng(6)
    n = 3000
    norm = 2.0 * np.exp(0.2 * rng.standard_normal(n))
    norm[500::300] *= 300.0
    assert concerns(healthy(n, gradient_norm=norm)) == set()


def test_mixed_precision_skips_steps() -> None:
    n = 2000
    counts = np.zeros(n)
    norm = healthy(n).series["gradient_norm"].values.copy()
    for step in (*range(12), 700, 1500):
        counts[step], norm[step] = 40, np.nan
    scaled = {"optimizer": {"name": "LossScaleOptimizer"}}
    assert concerns(healthy(n, nonfinite_gradients=counts, gradient_norm=norm, info=scaled)) == set()
    assert "N001" in concerns(healthy(n, nonfinite_gradients=counts, gradient_norm=norm))


def test_accumulation_and_thinning_leave_gaps() -> None:
    whole = healthy(4000)
    gaps = [
        series(s.name, s.values[3::4], s.steps[3::4], s.unit)
        for s in whole.series.values()
        if s.quantity in ("update_ratio", "gradient_cosine")
    ]
    assert concerns(having(whole, *gaps)) == set()


@pytest.mark.parametrize("seed", range(5))
def test_looking_again_and_again(seed: int) -> None:
    """Live rules on the growing run, as the watch asks them."""
    from thalweg.rules import RULES

    whole = healthy(3000, seed=seed)
    for end in range(128, 3000, 128):
        seen = [s.between(0, end) for s in whole.series.values()]
        part = Record.of(
            seen, whole.info, [e for e in whole.events if isinstance(e, Event) and e.step <= end]
        )
        assert [r.code for r in RULES if r.live and r.check(part.tail(2000)).verdict == "concern"] == []
