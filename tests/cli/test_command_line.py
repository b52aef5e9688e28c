"""The command line end to end, in a process of its own: exit codes, and what goes to which stream."""

import html
import json
import os
import pty
import shutil
import signal
import subprocess
import sys

import pytest

from thalweg.rules import RULES
from thalweg.store import Journal

pytestmark = pytest.mark.e2e


def thalweg(*arguments, **settings) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "thalweg", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **settings)


def test_diagnose_says_what_is_wrong_and_exits_with_1(runs):
    found = thalweg("diagnose", runs / "broken")
    assert found.returncode == 1
    assert not found.stderr
    assert "61" in found.stdout
    assert "\x1b" not in found.stdout
    # Whole sentences on a line: the longest message is not wrapped at any terminal's width.
    assert max(len(line) for line in found.stdout.splitlines()) > 80


def test_a_run_that_is_well_exits_with_0_and_one_with_nothing_in_it_with_3(runs, tmp_path):
    assert thalweg("diagnose", runs / "healthy").returncode == 0
    Journal.create(tmp_path / "run", {}).close()
    found = thalweg("diagnose", tmp_path / "run")
    assert (found.returncode, found.stderr) == (3, "")


def test_json_is_one_strict_document_and_nothing_else(runs):
    def refuse(word: str) -> None:
        raise ValueError(word)

    found = thalweg("diagnose", "--json", runs / "broken")
    document = json.loads(found.stdout, parse_constant=refuse)
    assert found.returncode == document["exit_code"] == 1
    assert not found.stderr
    assert document["schema"] == 1
    assert document["run"]["name"] == "broken"
    assert document["run"]["steps"] == 400
    assert document["run"]["events"] == [{"step": 400, "kind": "finished", "detail": {"reason": "completed"}}]
    findings = document["findings"]
    assert sum(document["verdicts"].values()) == len(findings) == len(RULES)
    concern = findings[0]
    assert concern["verdict"] == "concern"
    assert set(concern) == {
        "code", "title", "family", "verdict", "message", "step", "layer", "series", "evidence", "remedies", "because",
    }  # fmt: skip
    assert all(
        set(entry) == {"value", "unit", "usual", "threshold"} for entry in concern["evidence"].values()
    )
    assert concern["remedies"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["diagnose", "nowhere"], "thalweg: 'nowhere' does not exist"),
        (["diagnose", "text.csv"], "thalweg: 'text.csv': row 1 has 'high' in column 'loss'"),
        (["explain", "g02"], "thalweg: there is no rule 'g02': "),
        (["report", "good.csv", "-o", "good.csv"], "thalweg: 'good.csv' is the log itself"),
        (["report", "good.csv", "-o", "nowhere/report.html"], "thalweg: cannot write the report"),
        (["list", "good.csv"], "thalweg: 'good.csv' is not a folder"),
    ],
)
def test_what_cannot_be_is_one_line_on_standard_error(tmp_path, arguments, words):
    (tmp_path / "text.csv").write_text("epoch,loss\n0,high\n")
    (tmp_path / "good.csv").write_text("epoch,loss\n0,1\n")
    found = thalweg(*arguments, cwd=tmp_path)
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith(words)
    assert found.stderr.count("\n") == 1
    assert (tmp_path / "good.csv").read_text() == "epoch,loss\n0,1\n"


def test_remarks_about_the_source_go_to_standard_error(tmp_path):
    (tmp_path / "log.csv").write_text("epoch,loss,note\n0,1,a\n1,2,b\n")
    found = thalweg("diagnose", "log.csv", cwd=tmp_path)
    assert found.stderr == "thalweg: note: column 'note' holds text and was left out\n"


def test_report_writes_the_page_and_says_where(runs, tmp_path):
    found = thalweg("report", runs / "broken", "-o", "page.html", cwd=tmp_path)
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout == f"The report is at {tmp_path / 'page.html'}\n"
    assert "<html" in (tmp_path / "page.html").read_text()


def test_report_shows_the_certificate_that_lies_in_the_folder_of_the_run(runs, tmp_path):
    run = shutil.copytree(runs / "healthy", tmp_path / "healthy")
    said = thalweg("certify", "--products", 0, run).stdout.splitlines()[0]
    found = thalweg("report", run, "-o", "page.html", cwd=tmp_path)
    assert (found.returncode, found.stderr) == (0, "")
    assert f'<p class="head">{html.escape(said)}</p>' in (tmp_path / "page.html").read_text()


def test_diagnose_starts_without_keras_or_a_backend(runs):
    program = (
        "import atexit, sys; from thalweg.cli import main\n"
        "heavy = {'keras', 'tensorflow', 'jax', 'torch', 'sklearn', 'matplotlib', 'pandas'}\n"
        "atexit.register(lambda: print(*heavy & set(sys.modules), file=sys.stderr))\n"
        "main()"
    )
    command = [sys.executable, "-c", program, "diagnose", str(runs / "healthy")]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (found.returncode, found.stderr) == (0, "\n")


def test_a_reader_that_has_gone_is_no_concern_of_anybody(runs):
    """The code is that of a broken pipe, not 1, which would say that something is wrong with the run."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "thalweg", "diagnose", str(runs / "healthy")]
    found = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=60)
    os.close(writing)
    assert (found.returncode, found.stderr) == (141, b"")


def test_control_c_is_130():
    """Where the seam lets it through; what the seam does with it is the seam's own."""
    program = (
        "import sys, time, types; from thalweg.cli import main\n"
        "def run_script(*arguments, **options):\n    print('ready', flush=True)\n    time.sleep(30)\n"
        "script = types.ModuleType('script'); script.run_script = run_script\n"
        "sys.modules['thalweg.keras'] = sys.modules['thalweg.keras.script'] = script\n"
        "main()"
    )
    command = [sys.executable, "-c", program, "run", "train.py"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored where tests run in the background
    ) as process:  # fmt: skip
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (130, b"")


def test_a_terminal_gets_colour_and_the_manual_page_rendered(runs):
    code = RULES[0].code
    for arguments, words in (["diagnose", str(runs / "broken")], code), (["explain", code.lower()], code):
        primary, secondary = pty.openpty()
        settings = {**os.environ, "TERM": "xterm-256color"}
        settings.pop("NO_COLOR", None)
        with subprocess.Popen(
            [sys.executable, "-m", "thalweg", *arguments], stdout=secondary, env=settings
        ) as process:
            os.close(secondary)
            text = b""
            while True:
                try:
                    text += os.read(primary, 65536)
                except OSError:  # Linux says so when the other end has closed
                    break
        os.close(primary)
        assert process.returncode in (0, 1)
        assert b"\x1b[" in text
        assert words.encode() in text
