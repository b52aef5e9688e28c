"""A study that is killed goes on; and one on a Ray of two workers, one of which is killed."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from importlib.util import find_spec

import pytest
from commands import SCRIPTS, TIMEOUT, environment, needs, python, thalweg

pytestmark = pytest.mark.e2e
ARGUMENTS = (
    "compare", "--optimizers", "sgd,adam,rmsprop", "--learning-rates", "1e-3:1:4", "--seeds", "3", "--study", "study",
    SCRIPTS / "long.py",
)  # fmt: skip
COUNT = 3 * 4 * 3


def members(folder) -> list[tuple[int, str, int, float]]:
    try:
        with sqlite3.connect(f"file:{folder / 'study' / 'study.sqlite'}?mode=ro", uri=True) as connection:
            return connection.execute("SELECT id, configuration, seed, seconds FROM member").fetchall()
    except sqlite3.OperationalError:  # it is not there yet
        return []


def killed(folder, *more: str) -> list[tuple[int, str, int, float]]:
    """The members that a study had when its process was killed, some and not all."""
    command = [sys.executable, "-m", "thalweg", *map(str, ARGUMENTS[:-1]), *more, str(ARGUMENTS[-1])]
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        until = time.monotonic() + TIMEOUT
        while not members(folder) and process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return members(folder)


def test_kill_9_and_the_same_command_again(tmp_path):
    needs("jax")
    before = killed(tmp_path)
    assert 0 < len(before) < COUNT
    found = thalweg(tmp_path, *ARGUMENTS)
    assert found.code == 0, found.err
    assert f"{COUNT} trainings of 12 configurations" in found.out
    after = members(tmp_path)
    assert after[: len(before)] == before  # what was there was not trained again, not even for its seconds
    assert len({row[1:3] for row in after}) == len(after) == COUNT
    again = thalweg(tmp_path, *ARGUMENTS)
    assert again.out == found.out and members(tmp_path) == after
    told = thalweg(tmp_path, "diagnose", "study/1")
    assert "seed 0" in told.out and told.code in (0, 1, 3)
    assert thalweg(tmp_path, "report", "study", "-o", "page.html").code == 0
    page = (tmp_path / "page.html").read_text()
    assert "Which valleys the seeds reached" in page and "The loss from seed 0 to seed 1" in page


def test_a_worker_of_ray_is_killed_and_its_work_is_done(tmp_path):
    needs("jax")
    if find_spec("ray") is None:
        pytest.skip("Ray is not installed")
    found = python(tmp_path, SCRIPTS / "on_ray.py", "on_ray")
    assert re.search(r"^1 8 \{'jax'\}$", found.out, re.MULTILINE), found.out + found.err


def test_the_driver_of_ray_is_killed_and_the_study_goes_on(tmp_path):
    needs("jax")
    if find_spec("ray") is None:
        pytest.skip("Ray is not installed")
    few = ("--engine", "ray", "--optimizers", "sgd,adam")
    before = killed(tmp_path, *few)
    assert 0 < len(before) < COUNT * 2 // 3
    found = thalweg(tmp_path, *ARGUMENTS, *few)
    assert found.code == 0, found.err
    assert members(tmp_path)[: len(before)] == before and len(members(tmp_path)) == COUNT * 2 // 3
