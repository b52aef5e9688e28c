"""`kill -9` while a script trains: what was drained is there."""

import pytest
from commands import SCRIPTS, needs, thalweg

import thalweg as package

pytestmark = pytest.mark.e2e
UNDRAINED = 128
"""Steps that the tape holds at most, which are lost with the process."""


def test_kill_9_at_twenty_moments_loses_at_most_what_was_not_drained(tmp_path):
    needs("torch")  # of the three the one that bears a fork
    found = thalweg(tmp_path, "run", SCRIPTS / "killed.py", backend="torch")
    assert found.out.count("\n") == 20, found.err
    lengths = set()
    for line in found.out.splitlines():
        number, counted, signal = map(int, line.split())
        assert signal == 9
        folder = tmp_path / f"runs/killed-{number}"
        record = package.read(folder)
        assert not [event for event in record.events if event.kind in ("damaged", "finished", "unwatched")]
        steps = len(record.series["loss"]) if "loss" in record.series else 0
        assert counted - UNDRAINED <= steps <= counted + 1
        if steps:
            assert record.series["loss"].steps[-1] == steps  # none is missing before the last
            assert len(record.series["gradient_norm"]) == steps
        assert len(package.diagnose(record)) == len(package.RULES)
        lengths.add(steps)
    assert len(lengths) > 5  # they really came to different lengths
    told = thalweg(tmp_path, "diagnose", folder)
    assert told.code in (0, 1, 3)
    assert (f"killed-{number}" in told.out, told.err) == (True, "")
    assert "not finished" in thalweg(tmp_path, "list").out
