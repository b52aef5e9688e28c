"""Real loss curves: 66 Keras runs and 8 language models, looked at one by one."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from thalweg import Record
from thalweg.rules import RULES, answer

from .runs import concerns, series

SHARED = Path(os.environ.get("THALWEG_SHARED", Path(__file__).resolve().parents[2].parent / "shared"))
CURVES = sorted((SHARED / "data" / "curves").glob("*.csv"))

pytestmark = pytest.mark.skipif(not CURVES, reason="the real loss curves are not at hand (THALWEG_SHARED)")

# What one sees in these curves. Those left out show nothing to be concerned about.
OVERFITTING = {"11-run11", "11-run13", "11-run14", "11-run19", "11-run21"}
DIVERGED = {"10-run11"}
SMOOTHLY_FALLING = {"10-run02", "10-run05", "11-run08", "15-run13", "15-run14"}


def curve(path: Path) -> Record:
    with path.open() as file:
        rows = list(csv.DictReader(file))
    columns = (("loss", "epoch_loss"), ("val_loss", "validation_loss"))
    return Record.of(
        [series(name, np.array([float(row[column]) for row in rows])) for column, name in columns],
        {"step_unit": "epoch"},
    )


@pytest.mark.parametrize("path", CURVES, ids=lambda path: path.stem)
def test_curve(path: Path) -> None:
    record = curve(path)
    found = concerns(record)
    assert ("V001" in found) == (path.stem in OVERFITTING)
    assert ("L002" in found) == (path.stem in DIVERGED)
    assert found <= {"L001", "L002", "L004", "V001"}
    if path.stem in SMOOTHLY_FALLING:
        assert "L004" in found
    if path.stem.startswith("ptb"):
        assert found == set()
    sentence = answer([rule.check(record) for rule in RULES])
    assert sentence.startswith("Diverged" if path.stem in DIVERGED else "Converging")
