"""Sudden ends: a process killed at any moment, a file cut or overwritten, a folder nobody may write."""

import contextlib
import itertools
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from thalweg.errors import RunFolderError
from thalweg.record import Event
from thalweg.store import Journal, read
from thalweg.store.layout import JOURNAL

COLUMNS = [(f"gradient_norm/dense_{i}/kernel", "loss/parameter") for i in range(9)] + [("loss", "loss")]


def write_for_ever(folder: str, acknowledged) -> None:
    journal = Journal.create(folder, {"name": "killed"})
    for number in itertools.count():
        steps = np.arange(1 + 64 * number, 65 + 64 * number)
        journal.append(COLUMNS, steps, np.repeat(steps, 10).reshape(64, 10).astype(np.float32))
        journal.event(Event(int(steps[-1]), "epoch", {"epoch": number + 1}))
        acknowledged.send(int(steps[-1]))


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path):
    moments = random.Random(0)
    processes = multiprocessing.get_context("fork")  # twenty others would import NumPy anew
    for number in range(20):
        folder = tmp_path / str(number)
        receiver, sender = processes.Pipe(duplex=False)
        child = processes.Process(target=write_for_ever, args=(str(folder), sender))
        child.start()
        sender.close()
        acknowledged = receiver.recv()
        time.sleep(moments.uniform(0, 0.15))
        child.kill()
        with contextlib.suppress(EOFError):
            while True:
                acknowledged = receiver.recv()
        child.join()
        record = read(folder)
        assert record.info["name"] == "killed"
        assert not [event for event in record.events if event.kind == "damaged"]
        # One more append may have been made than was still said.
        assert record.last_step in (acknowledged, acknowledged + 64)
        assert len(record.series) == 10
        for series in record.series.values():
            np.testing.assert_array_equal(series.steps, np.arange(1, record.last_step + 1))
            np.testing.assert_array_equal(series.values, series.steps)
        assert [e.step for e in record.events] == list(range(64, record.events[-1].step + 64, 64))
        Journal.create(folder, {}, overwrite=True).close()
        assert [file.name for file in folder.iterdir()] == [JOURNAL]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> bytes:
    folder = tmp_path_factory.mktemp("whole")
    journal = Journal.create(folder, {"name": "damaged one"})
    for number in range(100):
        steps = np.arange(1 + 64 * number, 65 + 64 * number)
        journal.append(COLUMNS, steps, np.repeat(steps, 10).reshape(64, 10).astype(np.float32))
        if number % 10 == 9:
            journal.event(Event(int(steps[-1]), "epoch", {"epoch": (number + 1) // 10}))
    journal.close()
    return (folder / JOURNAL).read_bytes()


def assert_true_as_far_as_it_goes(record) -> None:
    """What was read is what was written: each value is its step."""
    for series in record.series.values():
        np.testing.assert_array_equal(series.values, series.steps)


@pytest.mark.parametrize("share", [0.999, 0.9, 0.5, 0.2])
def test_a_journal_that_was_cut_gives_what_is_left(tmp_path, whole, share):
    (tmp_path / JOURNAL).write_bytes(whole[: int(share * len(whole))])
    record = read(tmp_path)
    assert_true_as_far_as_it_goes(record)
    assert record.info["name"] == "damaged one"
    assert record.events[-1].kind == "damaged"
    assert "blocks of measurements" in record.events[-1].detail["reason"]
    # Two pages of rows' heads may be gone with the cut, besides what was cut itself.
    assert record.last_step >= 6400 * share - 1300


@pytest.mark.parametrize("length", [0, 1, 15, 99, 100, 512, 4095, 4096, 5000, 9000, 13000])
def test_a_journal_cut_to_its_head_is_one_sentence(tmp_path, whole, length):
    (tmp_path / JOURNAL).write_bytes(whole[:length])
    with pytest.raises(RunFolderError) as error:
        record = read(tmp_path)
        assert record.events[-1].kind == "damaged"  # if anything was left of it, that is said
        raise RunFolderError("ok")
    assert "\n" not in str(error.value)


def test_a_page_lost_in_the_middle_costs_what_was_on_it(tmp_path, whole):
    lost_anything = 0
    pages = len(whole) // 4096
    for page in range(6, pages, 7):
        hurt = bytearray(whole)
        hurt[4096 * page : 4096 * (page + 1)] = bytes(4096)
        (tmp_path / JOURNAL).write_bytes(hurt)
        record = read(tmp_path)
        assert_true_as_far_as_it_goes(record)
        damaged = [event for event in record.events if event.kind == "damaged"]
        left = len(record.series["loss"]) if "loss" in record.series else 0
        assert bool(damaged) == (left < 6400 or len(record.events) - len(damaged) < 10)
        lost_anything += bool(damaged)
        assert left >= 6400 - 64 * 20
    assert lost_anything > pages / 7 / 2


def test_a_flipped_bit_in_a_measurement_is_not_believed(tmp_path, whole):
    needle = np.arange(641, 645, dtype="<i8").tobytes()
    place = whole.index(needle) + 3
    hurt = bytearray(whole)
    hurt[place] ^= 4
    (tmp_path / JOURNAL).write_bytes(hurt)
    record = read(tmp_path)
    assert_true_as_far_as_it_goes(record)
    assert len(record.series["loss"]) == 6400 - 64
    assert "1 of 100 blocks of measurements" in record.events[-1].detail["reason"]
    assert record.last_step == 6400


READER = """
import os, sys
from thalweg.store import read  # before: the interpreter may be root's alone
os.setgid(65534); os.setuid(65534)
record = read(sys.argv[1])
print(record.last_step, len(record.events))
"""


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")
@pytest.mark.parametrize("killed", [False, True])
def test_a_folder_that_cannot_be_written_is_read(killed):
    """Under a folder that others may enter, which pytest's own is not."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        journal = Journal.create(folder, {})
        journal.append(COLUMNS[-1:], np.arange(1, 11), np.zeros((10, 1)))
        if killed:  # what kill -9 leaves, and a careless copy without the shared memory
            shutil.copytree(folder, Path(place) / "copy", ignore=shutil.ignore_patterns("*-shm"))
            assert (Path(place) / "copy" / f"{JOURNAL}-wal").stat().st_size
        else:
            journal.close()
            shutil.copytree(folder, Path(place) / "copy")
        journal.close()
        copy = Path(place) / "copy"
        for path in (Path(place), *copy.iterdir()):
            path.chmod(0o555 if path.is_dir() else 0o444)
        copy.chmod(0o555)
        before = sorted(copy.iterdir())
        if os.geteuid() == 0:  # permissions do not bind root: read as nobody
            found = subprocess.run(
                [sys.executable, "-c", READER, str(copy)], capture_output=True, text=True, timeout=60
            )
            assert found.stdout.split() == ["10", "0"], found.stderr
        else:
            assert read(copy).last_step == 10
        assert sorted(copy.iterdir()) == before
        copy.chmod(0o755)
        Path(place).chmod(0o755)


def test_a_folder_without_write_permission_cannot_hold_a_run(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("permissions do not bind root")
    tmp_path.chmod(0o555)
    with pytest.raises(RunFolderError, match="cannot write a run"):
        Journal.create(tmp_path / "run", {})
