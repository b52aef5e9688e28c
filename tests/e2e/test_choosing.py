"""`thalweg run` asks what its options and the project say, after the run and while it goes on."""

import pytest
from commands import SCRIPTS, on_a_terminal

import thalweg as package

pytestmark = pytest.mark.e2e
SCRIPT = SCRIPTS / "planted.py"
PROJECT = '[tool.thalweg]\nignore = ["G"]\nruns = "kept"\n'


def of_project(folder):
    (folder / "pyproject.toml").write_text(PROJECT)
    return on_a_terminal(folder, "run", SCRIPT, "nan")


def ignoring(folder):
    options = ["--ignore", "N001", "--fail-on", "never", "--report", "page.html"]
    return on_a_terminal(folder, "run", *options, SCRIPT, "nan")


@pytest.fixture(scope="module")
def ended(together):
    return together({"project": of_project, "ignored": ignoring})


def test_a_project_is_followed_and_what_it_leaves_out_is_said(ended):
    found = ended["project"].result()
    assert found.code == 1
    assert "thalweg: note: pyproject.toml leaves out" in found.plain
    assert "concern[N001]" in found.plain
    assert "G001" not in found.plain
    assert package.read(found.folder / "kept" / "planted-1").last_step == 400


def test_what_is_ignored_is_heard_neither_while_the_run_goes_on_nor_after_it(ended):
    found = ended["ignored"].result()
    assert found.code == 0
    assert "N001" not in found.plain
    assert (
        "Cannot tell: the last loss was not finite; but of 12,800 examples 1 held NaN or infinity"
        in found.plain
    )
    assert "N001" not in (found.folder / "page.html").read_text()
