"""What cannot be is one clear sentence, no traceback of Thalweg's, and nothing of the user's is lost."""

import sqlite3

import pytest
from commands import SCRIPTS, python, thalweg

import thalweg as package
from thalweg.record import Event
from thalweg.store import Journal

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "nowhere.py"], "there is no script 'nowhere.py': give the path of a Python file"),
        (["run", "folder"], "'folder' is a folder: give the path of a Python file"),
        (
            ["diagnose", "folder"],
            "'folder' is not a run folder: expected journal.sqlite in it, found nothing",
        ),
        (["report", "folder"], "'folder' is not a run folder"),
        (["explain", "G999"], "there is no rule 'G999': "),
        (["diagnose", "newer"], "'newer/journal.sqlite' was written by a newer Thalweg (schema 99; "),
        (["diagnose", "cut"], "'cut/journal.sqlite' "),
    ],
)
def test_one_sentence_and_exit_code_2(tmp_path, arguments, words):
    (tmp_path / "folder").mkdir()
    Journal.create(tmp_path / "newer", {}).close()
    with sqlite3.connect(tmp_path / "newer/journal.sqlite") as connection:
        connection.execute("PRAGMA user_version=99")
    Journal.create(tmp_path / "cut", {}).close()
    journal = tmp_path / "cut/journal.sqlite"
    journal.write_bytes(journal.read_bytes()[:1000])
    found = thalweg(tmp_path, *arguments)
    assert (found.code, found.out) == (2, "")
    assert found.err.startswith(f"thalweg: {words}")
    assert found.err.count("\n") == 1


def test_a_journal_that_was_cut_is_diagnosed_as_far_as_it_goes(tmp_path):
    journal = Journal.create(tmp_path / "run", {"name": "run"})
    for block in range(40):
        steps = [*range(1 + 100 * block, 101 + 100 * block)]
        journal.append([("loss", "loss")], steps, [[1.0 / step] for step in steps])
    journal.event(Event(4000, "finished", {"reason": "completed"}))
    journal.close()
    path = tmp_path / "run/journal.sqlite"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found = thalweg(tmp_path, "diagnose", "run")
    assert found.code == 1  # it was still falling
    assert found.out.startswith("Change first: ")
    assert "\nConverging, and still falling" in found.out
    assert found.err.startswith("thalweg: note: the journal is damaged: ")
    assert found.err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("def f(:\n", "SyntaxError: invalid syntax"),
        (b"print('\xe9')", "SyntaxError: "),
        ("import keras_of_yesterday\n", "ModuleNotFoundError: No module named 'keras_of_yesterday'"),
        (
            "try:\n    1 / 0\nexcept ArithmeticError:\n    raise OSError('x')\n",
            "During handling of the above",
        ),
        ("raise ExceptionGroup('many', [ValueError(1)])", "ExceptionGroup: many"),
    ],
)
def test_a_script_that_cannot_run_says_so_as_under_python(tmp_path, text, shown):
    (tmp_path / "broken.py").write_bytes(text if isinstance(text, bytes) else text.encode())
    bare, watched = python(tmp_path, "broken.py"), thalweg(tmp_path, "run", "broken.py")
    assert shown in bare.err
    if isinstance(text, bytes):  # Python has other words for it where it reads the file itself
        assert watched.err.splitlines()[-1].startswith(shown)
    else:
        assert watched.err == bare.err
    assert watched.code == bare.code == 1


def test_a_script_that_never_calls_fit_is_exit_code_3_or_its_own(tmp_path):
    (tmp_path / "idle.py").write_text("import sys\nprint('idle')\nsys.exit(int(sys.argv[1]))\n")
    for own, code, err in (
        (0, 3, "thalweg: idle.py never called fit: there is nothing to diagnose\n"),
        (4, 4, ""),
    ):
        found = thalweg(tmp_path, "run", "idle.py", own)
        assert (found.code, found.out, found.err) == (code, "idle\n", err)


NOT_INSTALLED = """
import sys
from importlib import metadata
class Missing:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "keras":
            raise ModuleNotFoundError("No module named 'keras'", name="keras")
sys.meta_path.insert(0, Missing)
found = metadata.version
def version(name):
    if name == "keras":
        raise metadata.PackageNotFoundError(name)
    return found(name)
metadata.version = version
"""
OLDER = """
from importlib import metadata
found = metadata.version
metadata.version = lambda name: "3.3.3" if name == "keras" else found(name)
"""


def test_keras_missing(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(NOT_INSTALLED)
    (tmp_path / "trains.py").write_text("import keras\n")
    (tmp_path / "watches.py").write_text("import thalweg\nthalweg.Watch('run')\n")
    trains, watches = (
        thalweg(tmp_path, "run", script, PYTHONPATH=str(tmp_path)) for script in ("trains.py", "watches.py")
    )
    assert trains.code == watches.code == 1
    assert trains.err.splitlines()[-1] == "ModuleNotFoundError: No module named 'keras'"
    (last,) = (line for line in watches.err.splitlines() if "Error" in line)
    assert last.endswith(
        "UnsupportedError: Keras is not installed: install Thalweg with a backend, such as "
        "`pip install 'thalweg[tensorflow]'`."
    )


def test_a_keras_older_than_supported_leaves_the_script_unwatched(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(OLDER)
    found = thalweg(tmp_path, "run", SCRIPTS / "odd.py", "fit", PYTHONPATH=str(tmp_path))
    assert (found.code, found.out) == (3, "trained True\n")
    assert found.err == (
        "thalweg: the script runs unwatched: Keras 3.3.3 is older than Thalweg supports: "
        "upgrade to 3.15 or later (`pip install 'keras>=3.15'`).\n"
    )
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("which", ["watch", "fit"])
def test_an_unsupported_backend(tmp_path, which):
    """NumPy's cannot train at all, which Keras says itself."""
    found = thalweg(tmp_path, "run", SCRIPTS / "odd.py", which, backend="numpy")
    words = "The Keras backend 'numpy' cannot be watched: set KERAS_BACKEND to one of tensorflow, jax, torch."
    said, *rest = found.err.splitlines()
    assert said == f"thalweg: the script runs unwatched: {words}"
    if which == "watch":
        assert (found.code, found.out, rest) == (3, f"UnsupportedError: {words}\n", [])
    else:
        assert found.code == 1
        assert rest[0].startswith("Traceback")
        assert rest[-1].startswith("NotImplementedError")


def test_where_no_run_can_be_kept_the_training_goes_on_and_says_so(tmp_path):
    (tmp_path / "file").write_text("precious")
    found = thalweg(tmp_path, "run", "--runs", "file/runs", SCRIPTS / "odd.py", "fit")
    assert (found.code, found.out) == (3, "trained True\n")
    assert found.err == (
        "thalweg: training goes on unwatched: cannot write a run into 'file/runs/odd-1': "
        "a part of this path is a file, not a folder\n"
    )
    assert (tmp_path / "file").read_text() == "precious"


def test_a_model_without_trainable_weights_says_so(tmp_path):
    found = thalweg(tmp_path, "run", "--report", "no/page.html", SCRIPTS / "odd.py", "no weights")
    assert (found.code, found.out) == (0, "trained True\n")
    said, *rest = found.lines
    assert said == (
        "thalweg: runs/odd-1: the model has no trainable weights, so that nothing in it can converge"
    )
    # And a page that cannot be written is a line too, at the end of what is not lost for it.
    assert rest == ["thalweg: cannot write the report to 'no/page.html': No such file or directory"]
    assert len(package.read(tmp_path / "runs/odd-1").series["epoch_loss"]) == 2
