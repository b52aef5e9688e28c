"""A study on disk: what is put in comes out, each member once, and nobody else may write meanwhile."""

import sqlite3
import subprocess
import sys

import numpy as np
import pytest

from thalweg import Configuration, Event, Member, Record, RunFolderError, Series, UsageError, read
from thalweg.store.studies import STUDY, StudyStore, Trained, is_study, read_member, read_members, run_folder

IDENTITY = {"training data": "a", "epochs": "3"}
STEPS = np.arange(1, 31)


def trained(rate: float, seed: int, last: float = 0.5) -> Trained:
    loss = np.linspace(2.0, last, 30).astype(np.float32).astype(np.float64)
    series = [
        Series("loss", "loss", STEPS, loss),
        Series("gradient_norm/dense/kernel", "loss/parameter", STEPS, 1.0 / STEPS),
        Series("epoch_loss", "loss", [10, 20, 30], loss[9::10]),
        Series("validation_loss", "loss", [10, 20, 30], [1.5, 1.2, last]),
    ]
    info = {"name": f"sgd {rate}", "seed": seed, "tensors": [{"name": "dense/kernel"}], "initial_loss": 2.0}
    events = [Event(10, "epoch", {"epoch": 1}), Event(30, "finished", {"reason": "completed"})]
    record = Record.of(series, info, events)
    member = Member.of(Configuration("sgd", rate), seed, record, "jax", 1.5)
    return Trained(member, record, b"model", ("name", "seed"))


def test_what_is_put_in_comes_out(tmp_path) -> None:
    given = trained(0.1, 3)
    store = StudyStore.open(tmp_path / "study", IDENTITY)
    store.add(trained(0.01, 0))
    added = store.add(given)
    assert store.trained() == {(Configuration("sgd", 0.01), 0), (Configuration("sgd", 0.1), 3)}
    store.close()
    found = read_members(tmp_path / "study")[1]
    for member in (added, found):
        assert (member.configuration, member.seed) == (Configuration("sgd", 0.1), 3)
        assert (member.backend, member.seconds, member.diverged) == ("jax", 1.5, False)
        assert set(member.curves) == {"epoch_loss", "validation_loss"}
        assert member.final("validation_loss") == 0.5 and member.reached("validation_loss", 1.5) == 10
        assert member.record.digest() == given.record.digest()
        assert member.folder == tmp_path / "study" / "2"
    assert read(tmp_path / "study" / "2").digest() == given.record.digest()
    assert read(found).digest() == given.record.digest()


def test_a_member_becomes_a_run_folder(tmp_path) -> None:
    store = StudyStore.open(tmp_path, IDENTITY)
    (tmp_path / "examples.npz").write_bytes(b"examples")
    store.add(given := trained(0.1, 0))
    store.close()
    folder = run_folder(tmp_path, 1)
    assert folder == run_folder(tmp_path, 1) == tmp_path / "1"
    assert read(folder).digest() == given.record.digest()
    assert (folder / "model.npz").read_bytes() == b"model"
    assert (folder / "examples.npz").read_bytes() == b"examples"


def test_no_member_is_there_twice(tmp_path) -> None:
    store = StudyStore.open(tmp_path, IDENTITY)
    store.add(trained(0.1, 0))
    with pytest.raises(RunFolderError, match="UNIQUE"):
        store.add(trained(0.1, 0))
    assert len(read_members(tmp_path)) == 1
    store.close()


def test_of_another_training_it_is_refused(tmp_path) -> None:
    StudyStore.open(tmp_path, IDENTITY).close()
    StudyStore.open(tmp_path, IDENTITY).close()
    with pytest.raises(UsageError, match=r"another training \(epochs\): choose another folder"):
        StudyStore.open(tmp_path, {**IDENTITY, "epochs": "4"})
    StudyStore.open(tmp_path, IDENTITY).close()  # the lock is gone again


def test_one_process_writes_at_a_time(tmp_path) -> None:
    program = (
        "import sys, time; from thalweg.store.studies import StudyStore; "
        "store = StudyStore.open(sys.argv[1], {'epochs': '3'}); print('open', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"open\n"
        with pytest.raises(RunFolderError, match="another process is training"):
            StudyStore.open(tmp_path, {"epochs": "3"})
        assert read_members(tmp_path) == []
        other.kill()
        other.wait()
    StudyStore.open(tmp_path, {"epochs": "3"}).close()


def test_what_cannot_be_read_is_said(tmp_path) -> None:
    assert not is_study(tmp_path)
    with pytest.raises(RunFolderError, match=f"no {STUDY} in it"):
        read_members(tmp_path)
    StudyStore.open(tmp_path, IDENTITY).close()
    assert is_study(tmp_path)
    with pytest.raises(RunFolderError, match="no member 7: it has 0"):
        read(tmp_path / "7")
    with pytest.raises(RunFolderError, match=r"is a study, and not a run: name one of its members"):
        read(tmp_path)
    for name, statement in (("newer", "PRAGMA user_version=99"), ("other", "PRAGMA application_id=1")):
        folder = tmp_path / name
        StudyStore.open(folder, IDENTITY).close()
        with sqlite3.connect(folder / STUDY) as connection:
            connection.execute(statement)
        with pytest.raises(
            RunFolderError, match="a newer Thalweg" if name == "newer" else "another program's"
        ):
            read_members(folder)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / STUDY).write_bytes(b"no database at all" * 100)
    with pytest.raises(RunFolderError, match="cannot be read as a study"):
        read_members(tmp_path / "broken")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="cannot write a study into"):
        StudyStore.open(tmp_path / "file", IDENTITY)


def test_a_damaged_block_is_left_out(tmp_path) -> None:
    store = StudyStore.open(tmp_path, IDENTITY)
    store.add(trained(0.1, 0))
    store.close()
    with sqlite3.connect(tmp_path / STUDY) as connection:
        connection.execute("UPDATE steps SET check_sum = check_sum + 1 WHERE rows = 30")
    assert set(read_member(tmp_path, 1).series) == {"epoch_loss", "validation_loss"}
