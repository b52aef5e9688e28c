"""However a script ends: its own exit code, its own traceback, and the run up to there."""

import os
import signal
import subprocess
import sys
import time
from functools import partial

import pytest
from commands import SCRIPTS, environment, python, spoken, thalweg

import thalweg as package

pytestmark = pytest.mark.e2e
SCRIPT = SCRIPTS / "ending.py"
WAYS = ("during", "after", "exit 7", "exit text", "exit", "_exit")
RUN = "runs/ending-1"


@pytest.fixture(scope="module")
def ended(together):
    watched = {way: partial(run, way) for way in WAYS}
    return together({**watched, "bare": lambda folder: python(folder, SCRIPT, "during")})


def run(way, folder):
    return thalweg(folder, "run", SCRIPT, way)


def finished(found):
    record = package.read(found.folder / RUN)
    return record.last_step, [e.detail["reason"] for e in record.events if e.kind == "finished"]


def test_an_exception_in_fit_is_shown_as_python_shows_it(ended):
    found = ended["during"].result()
    assert found.code == 1
    assert found.err.startswith("Traceback")
    assert "ValueError: in the middle of fit\n\nThe above exception was the direct cause" in found.err
    # Not one frame of Thalweg's, in what led to it neither.
    assert found.err.startswith(ended["bare"].result().err)
    assert finished(found) == (13, ["exception"])
    (event,) = (e for e in package.read(found.folder / RUN).events if e.kind == "finished")
    assert event.detail["message"] == "ValueError: in the middle of fit"
    assert "ending-1, 13 steps, exception" in found.err


def test_an_exception_after_fit_leaves_the_run_kept_and_diagnosed(ended):
    found = ended["after"].result()
    assert found.code == 1
    assert found.err.startswith("Traceback (most recent call last):\n")
    traceback, _, findings = found.err.partition("RuntimeError: after fit\n")
    assert traceback.count("  File ") == 1
    assert findings.startswith("Converging: ")
    assert finished(found) == (100, ["completed"])


@pytest.mark.parametrize(("way", "code"), [("exit 7", 7), ("exit text", 1), ("exit", 0)])
def test_sys_exit_passes_its_code_on(ended, way, code):
    """7 although there is a concern, which alone would be 1; with no code of its own the findings' code."""
    found = ended[way].result()
    assert found.code == code
    assert "Traceback" not in found.err
    assert found.err.startswith("the script's last words\n") == (way == "exit text")
    assert package.diagnose(found.folder / RUN).exit_code == (1 if way == "exit 7" else 0)
    assert ("concern[" in found.err) == (way == "exit 7")
    assert finished(found) == (100, ["completed"])


def test_a_process_that_just_leaves_leaves_a_run_that_opens(ended):
    found = ended["_exit"].result()
    assert (found.code, found.err) == (5, "")
    assert finished(found) == (100, ["completed"])


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_control_c_ends_the_training_and_keeps_it(tmp_path, backend):
    pytest.importorskip(backend)
    command = [sys.executable, "-m", "thalweg", "run", str(SCRIPT), "interrupt"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(tmp_path, backend), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored where tests run in the background
    ) as process:  # fmt: skip
        assert process.stdout.readline() == "in fit\n"
        time.sleep(1.5)  # what is younger than a second is not drained yet, and on JAX may go with the step
        for _ in range(10):
            os.killpg(process.pid, signal.SIGINT)  # as the terminal does: to all of the group
            try:
                _, errors = process.communicate(timeout=15)
                break
            except subprocess.TimeoutExpired:  # Python drops one that meets it in a finaliser: press again
                continue
    assert process.returncode == 130
    errors = spoken(errors)
    assert errors.startswith("Traceback")
    assert errors.count("KeyboardInterrupt") >= 1
    assert "thalweg/keras" not in errors
    record = package.read(tmp_path / RUN)
    assert record.last_step >= 13
    assert [e.detail["reason"] for e in record.events if e.kind == "finished"] == ["interrupted"]
    assert record.events[-1].kind == "finished"
    assert "ending-1" in errors.rpartition("KeyboardInterrupt")[2]  # diagnosed
