"""The journal: what goes in comes out, whoever reads, and bad circumstances are said in one sentence."""

import json
import math
import sqlite3
import subprocess
import sys
import tempfile
import threading
from enum import StrEnum
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from thalweg.errors import RunFolderError
from thalweg.record import Event
from thalweg.store import Journal, journal_reader, read
from thalweg.store.layout import JOURNAL, SCHEMA

LOSS = [("loss", "loss")]


def block(first: int, count: int, columns: int = 1, dtype: type = np.float32):
    steps = np.arange(first, first + count)
    return steps, np.outer(steps, np.arange(1, columns + 1)).astype(dtype)


def one_run(folder: Path, blocks: int = 3, **info) -> Path:
    journal = Journal.create(folder, {"name": "digits", "started": "2026-11-22T10:00:00+00:00", **info})
    for number in range(blocks):
        journal.append(LOSS, *block(1 + 10 * number, 10))
    journal.close()
    return folder


names = st.lists(st.text(max_size=12), min_size=1, max_size=4, unique=True)


@st.composite
def layouts(draw):
    columns = [(name, draw(st.text(max_size=5))) for name in draw(names)]
    steps = np.array(sorted(draw(st.sets(st.integers(0, 2**53), max_size=8))), np.int64)
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return columns, steps, draw(hnp.arrays(dtype, (len(steps), len(columns))))


@settings(max_examples=60, deadline=None)
@given(layouts())
def test_any_block_comes_back_as_it_was(layout):
    columns, steps, values = layout
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal.create(folder, {})
        journal.append(columns, steps, values)
        live = read(folder)
        journal.close()
        for record in (live, read(folder)):
            assert list(record.series) == [name for name, _ in columns]
            for column, (name, unit) in enumerate(columns):
                series = record.series[name]
                assert series.unit == unit
                np.testing.assert_array_equal(series.steps, steps)
                np.testing.assert_array_equal(series.values, values[:, column].astype(np.float64))


facts = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(max_size=8), facts, max_size=4), st.integers(0, 2**60))
def test_any_facts_come_back_as_they_were(info, step):
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal.create(folder, {"old": 1, "kept": 2})
        journal.update_info({"old": "new", **info})
        journal.event(Event(step, "adapted", info))
        journal.close()
        record = read(folder)
        expected = {"kept": 2, "old": "new", **info}
        assert json.dumps(dict(record.info), sort_keys=True) == json.dumps(expected, sort_keys=True)
        assert record.events[0].step == step
        assert json.dumps(dict(record.events[0].detail)) == json.dumps(info)


def test_facts_that_are_not_plain_become_plain(tmp_path):
    class Kind(StrEnum):
        ONE = "one"

    info = {
        "rate": np.float32(0.5), "nothing": np.float64("nan"), "shape": (np.int64(3), 4), "kind": Kind.ONE,
        "array": np.arange(3), "path": Path("a/b"), "counts": {np.int64(1): np.bool_(True)}, "set": {2, 1},
        "function": len, "raw": b"x",
    }  # fmt: skip
    Journal.create(tmp_path / "run", info).close()
    found = dict(read(tmp_path / "run").info)
    assert math.isnan(found.pop("nothing"))
    assert found == {
        "rate": 0.5, "shape": [3, 4], "kind": "one", "array": [0, 1, 2], "path": str(Path("a/b")),
        "counts": {"1": True}, "set": [1, 2], "function": str(len), "raw": "b'x'",
    }  # fmt: skip


def test_series_are_whole_in_the_order_of_their_first_block(tmp_path):
    journal = Journal.create(tmp_path, {})
    wide = [("loss", "loss"), ("gradient_norm", "loss/parameter")]
    journal.append(wide, *block(1, 4, 2))
    journal.append([("probe_loss", "loss"), ("loss", "loss")], *block(5, 2, 2))
    journal.append(wide, *block(7, 4, 2))
    journal.close()
    record = read(tmp_path)
    assert list(record.series) == ["loss", "gradient_norm", "probe_loss"]
    np.testing.assert_array_equal(record.series["loss"].steps, np.arange(1, 11))
    np.testing.assert_array_equal(record.series["loss"].values, [1, 2, 3, 4, 10, 12, 7, 8, 9, 10])
    np.testing.assert_array_equal(record.series["gradient_norm"].steps, [1, 2, 3, 4, 7, 8, 9, 10])


def test_of_a_step_that_is_written_again_the_last_value_holds(tmp_path):
    journal = Journal.create(tmp_path, {})
    steps, ones = np.arange(1, 201), np.ones((200, 1))
    journal.append(LOSS, steps, ones)
    journal.append([("other", "1"), *LOSS], steps[50:], np.full((150, 2), 2.0))
    journal.append(LOSS, steps[100:], 3 * ones[100:])
    series = read(tmp_path).series["loss"]
    np.testing.assert_array_equal(series.steps, steps)
    np.testing.assert_array_equal(series.values, np.repeat([1, 2, 3], [50, 50, 100]))
    journal.close()


def test_a_record_is_of_one_moment(tmp_path, monkeypatch):
    journal = Journal.create(tmp_path, {})
    salvage = journal_reader._salvage

    def and_meanwhile(*arguments):
        found = salvage(*arguments)
        journal.append(LOSS, np.array([1]), np.array([[1.0]]))
        journal.event(Event(1, "adapted"))
        return found

    monkeypatch.setattr(journal_reader, "_salvage", and_meanwhile)
    record = read(tmp_path)
    assert not record.series
    assert not record.events
    assert read(tmp_path).events
    journal.close()


def test_one_plain_file_is_left_and_nothing_is_written_after_closing(tmp_path):
    journal = Journal.create(tmp_path, {})
    journal.append(LOSS, *block(1, 3))
    journal.close()
    journal.close()
    assert [file.name for file in tmp_path.iterdir()] == [JOURNAL]
    with pytest.raises(RunFolderError, match="closed"):
        journal.append(LOSS, *block(4, 3))
    assert read(tmp_path).last_step == 3


@pytest.mark.parametrize("values", [np.zeros((3, 2)), np.zeros((2, 1)), np.zeros(3), np.zeros((3, 1), int)])
def test_values_that_do_not_fit_are_refused(tmp_path, values):
    with pytest.raises(ValueError, match="values"):
        Journal.create(tmp_path, {}).append(LOSS, np.arange(3), values)


def test_a_reader_sees_every_append_at_once_and_the_writer_never_waits(tmp_path):
    journal = Journal.create(tmp_path, {"name": "live"})
    failures = []

    def write() -> None:
        try:
            for number in range(60):
                journal.append(LOSS, *block(1 + 10 * number, 10))
            journal.close()
        except Exception as error:
            failures.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    ends = []
    while writer.is_alive():
        record = read(tmp_path)
        assert record.last_step % 10 == 0
        assert not record.events
        ends.append(record.last_step)
    writer.join()
    assert not failures
    assert ends == sorted(ends)
    assert read(tmp_path).last_step == 600


def test_a_reader_that_stays_does_not_lose_what_follows(tmp_path):
    journal = Journal.create(tmp_path, {})
    journal.append(LOSS, *block(1, 10))
    reader = sqlite3.connect(tmp_path / JOURNAL, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM block").fetchone()
    journal.append(LOSS, *block(11, 10))
    journal.close()
    assert read(tmp_path).last_step == 20
    reader.close()
    assert read(tmp_path).last_step == 20


def test_a_forked_child_writes_nothing(tmp_path):
    program = """
import os, sys
import numpy as np
from thalweg.record import Event
from thalweg.store import Journal, journal_reader, read
journal = Journal.create(sys.argv[1], {})
journal.append([("loss", "loss")], np.array([1]), np.array([[1.0]]))
child = os.fork()
if child == 0:
    journal.append([("loss", "loss")], np.array([2]), np.array([[-1.0]]))
    journal.event(Event(2, "adapted"))
    journal.update_info({"child": True})
    journal.close()
    sys.exit()  # not os._exit: the interpreter takes everything down, as a careless script does
os.waitpid(child, 0)
journal.append([("loss", "loss")], np.array([3]), np.array([[3.0]]))
journal.close()
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=60)
    record = read(tmp_path)
    np.testing.assert_array_equal(record.series["loss"].values, [1, 3])
    assert not record.events
    assert "child" not in record.info
    assert [file.name for file in tmp_path.iterdir()] == [JOURNAL]


def test_a_run_that_is_there_is_named_and_kept(tmp_path):
    one_run(tmp_path / "run")
    with pytest.raises(RunFolderError) as error:
        Journal.create(tmp_path / "run", {})
    for part in ("'digits'", "30 steps", "2026-11-22T10:00:00+00:00", "another folder", "overwrite=True"):
        assert part in str(error.value)
    assert read(tmp_path / "run").last_step == 30


def test_overwriting_replaces_the_journal_alone(tmp_path):
    one_run(tmp_path)
    (tmp_path / "weights.h5").write_text("mine")
    journal = Journal.create(tmp_path, {"name": "second"}, overwrite=True)
    journal.append(LOSS, *block(1, 2))
    journal.close()
    assert read(tmp_path).info["name"] == "second"
    assert read(tmp_path).last_step == 2
    assert (tmp_path / "weights.h5").read_text() == "mine"


def test_overwriting_what_is_no_journal_or_damaged(tmp_path):
    for content in (b"", b"garbage" * 1000):
        (tmp_path / JOURNAL).write_bytes(content)
        with pytest.raises(RunFolderError, match="cannot be read"):
            Journal.create(tmp_path, {})
        Journal.create(tmp_path, {}, overwrite=True).close()
        assert not read(tmp_path).events


def test_overwriting_a_journal_that_this_process_left_open(tmp_path):
    left_open = Journal.create(tmp_path, {"name": "interrupted"})
    left_open.append(LOSS, *block(1, 5))
    journal = Journal.create(tmp_path, {"name": "again"}, overwrite=True)
    with pytest.raises(RunFolderError, match="closed"):
        left_open.append(LOSS, *block(6, 5))
    journal.append(LOSS, *block(1, 3))
    journal.close()
    assert read(tmp_path).last_step == 3


def test_overwriting_a_journal_that_another_process_writes_is_refused(tmp_path):
    program = (
        "import sys; from thalweg.store import Journal; j = Journal.create(sys.argv[1], {'name': 'theirs'})"
    )
    program += "; print(flush=True); sys.stdin.read(); j.close()"
    command = [sys.executable, "-c", program, tmp_path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline()
        with pytest.raises(RunFolderError, match="another process has open"):
            Journal.create(tmp_path, {}, overwrite=True)
        other.communicate(timeout=30)
    assert read(tmp_path).info["name"] == "theirs"


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(RunFolderError, match="is a file"):
            Journal.create(folder, {})
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("pages", [5, 12])
def test_a_full_disk_is_an_error_and_what_was_written_stays(tmp_path, pages):
    """SQLite's page limit fails as a full disk does: SQLITE_FULL."""
    journal = Journal.create(tmp_path, {})
    journal._connection.execute(f"PRAGMA max_page_count={pages}")
    steps = 0
    with pytest.raises(RunFolderError, match="the disk is full"):
        while steps < 10_000:
            journal.append(LOSS, *block(steps + 1, 100))
            steps += 100
    with pytest.raises(RunFolderError, match="the disk is full"):
        journal.append(LOSS, *block(steps + 1, 1000))
    journal.close()
    assert read(tmp_path).last_step == steps


def test_no_space_from_the_start(tmp_path, monkeypatch):
    real = sqlite3.connect

    def connect(path, *arguments, **settings):
        connection = real(path, *arguments, **settings)
        connection.execute("PRAGMA max_page_count=1")
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect)
    with pytest.raises(RunFolderError, match="the disk is full"):
        Journal.create(tmp_path, {})
    monkeypatch.undo()
    assert not (tmp_path / JOURNAL).exists()


def test_a_newer_schema_names_both_and_says_what_to_do(tmp_path):
    one_run(tmp_path)
    with sqlite3.connect(tmp_path / JOURNAL) as connection:
        connection.execute(f"PRAGMA user_version={SCHEMA + 6}")
    connection.close()
    with pytest.raises(RunFolderError, match=rf"schema {SCHEMA + 6}.*schema {SCHEMA}\b.*upgrade"):
        read(tmp_path)


def test_what_is_not_a_run_says_what_was_found(tmp_path):
    with pytest.raises(RunFolderError, match="does not exist"):
        read(tmp_path / "nowhere")
    with pytest.raises(RunFolderError, match="found nothing"):
        read(tmp_path)
    for name in "abcde":
        (tmp_path / name).mkdir()
    with pytest.raises(RunFolderError, match=r"not a run folder.*'a', 'b', 'c' and 2 more"):
        read(tmp_path)
    one_run(tmp_path / "b" / "x")
    one_run(tmp_path / "d")
    with pytest.raises(RunFolderError, match=r"holds 1: name one of them, such as '.*d'"):
        read(tmp_path)
    (tmp_path / "notes.txt").write_text("loss 1")
    with pytest.raises(RunFolderError, match="no whole row of numbers"):
        read(tmp_path / "notes.txt")
    (tmp_path / "model.keras").write_bytes(b"PK\x03\x04\x14\x00\x00\x00\x08\x00" + bytes(range(256)))
    with pytest.raises(RunFolderError, match=r"not a log that Thalweg reads: expected .*CSV"):
        read(tmp_path / "model.keras")
    sqlite3.connect(tmp_path / "other.sqlite").execute("CREATE TABLE block (id)").connection.close()
    with pytest.raises(RunFolderError, match="another program"):
        read(tmp_path / "other.sqlite")
