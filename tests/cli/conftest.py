"""Runs to ask about: none of them needs Keras."""

from pathlib import Path

import numpy as np
import pytest

from thalweg.record import Event
from thalweg.store import Journal


def write_run(folder: Path, loss: np.ndarray) -> Path:
    journal = Journal.create(folder, {"name": folder.name, "started": "2026-11-22T10:00:00+00:00"})
    steps = np.arange(1, len(loss) + 1)
    gradient = np.where(np.isfinite(loss), 1.0, np.nan)
    columns = [("loss", "loss"), ("gradient_norm", "loss/parameter"), ("nonfinite_gradients", "entries")]
    journal.append(columns, steps, np.column_stack([loss, gradient, np.where(np.isfinite(loss), 0.0, 7.0)]))
    journal.event(Event(len(loss), "epoch", {"epoch": 1}))
    journal.event(Event(len(loss), "finished", {"reason": "completed"}))
    journal.close()
    return folder


@pytest.fixture(scope="session")
def runs(tmp_path_factory) -> Path:
    """Two runs: `healthy`, and `broken`, whose loss is NaN from step 61 on."""
    root = tmp_path_factory.mktemp("runs")
    noise = 0.02 * np.random.default_rng(0).standard_normal(400)
    falling = 0.3 + 2 * np.exp(-np.arange(400) / 40) + noise
    write_run(root / "healthy", falling)
    write_run(root / "broken", np.where(np.arange(400) < 60, falling, np.nan))
    return root
