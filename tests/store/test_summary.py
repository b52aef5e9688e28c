"""Runs in short."""

import math

import numpy as np
import pytest

from thalweg.errors import RunFolderError
from thalweg.record import Event
from thalweg.store import Journal, runs
from thalweg.store.layout import JOURNAL


def test_each_run_in_a_line(tmp_path):
    second = Journal.create(tmp_path / "b", {"name": "second", "started": "2026-02-01T00:00:00+00:00"})
    second.append([("x", "1"), ("loss", "loss")], np.array([1, 2]), np.array([[0, 0.5], [0, 0.25]]))
    second.append([("loss", "loss")], np.array([3]), np.array([[0.125]]))
    second.append([("gradient_norm", "1")], np.array([3]), np.array([[9.0]]))
    second.event(Event(2, "epoch", {"epoch": 1}))
    second.event(Event(4, "epoch", {"epoch": 2}))
    second.event(Event(4, "finished", {"reason": "completed"}))
    first = Journal.create(tmp_path / "deep" / "er" / "a", {"started": "2026-01-01T00:00:00+00:00"})
    first.append([("epoch_loss", "loss")], np.array([7]), np.array([[math.nan]], np.float32))
    Journal.create(tmp_path / "c", {"started": "2026-03-01T00:00:00+00:00"}).close()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / JOURNAL).write_bytes(b"no journal")
    Journal.create(tmp_path / ".hidden" / "run", {}).close()
    damaged, *found = runs(tmp_path)
    assert (damaged.name, damaged.finished) == ("damaged", "cannot be read")
    assert [(run.name, run.steps, run.epochs, run.finished) for run in found] == [
        ("a", 7, 0, ""),
        ("second", 4, 2, "completed"),
        ("c", 0, 0, ""),
    ]
    assert math.isnan(found[0].last_loss)
    assert [run.last_loss for run in found[1:]] == [0.125, None]
    assert [run.path for run in found] == [tmp_path / "deep" / "er" / "a", tmp_path / "b", tmp_path / "c"]
    second.close()
    first.close()


def test_a_run_folder_lists_itself_and_a_file_is_none(tmp_path):
    Journal.create(tmp_path, {"name": "self"}).close()
    assert [run.name for run in runs(tmp_path)] == ["self"]
    with pytest.raises(RunFolderError, match="not a folder"):
        runs(tmp_path / JOURNAL)
