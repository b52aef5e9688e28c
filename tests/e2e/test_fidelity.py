"""Under `thalweg run` a script finds what it would find under `python`, and prints it byte for byte."""

import pytest
from commands import python, thalweg

import thalweg as package
from thalweg.store import runs

pytestmark = pytest.mark.e2e

NOTHING = "there is nothing to diagnose"


def both(folder, script, *arguments, **settings):
    bare = python(folder, script, *arguments, **settings)
    return bare, thalweg(folder, "run", script, *arguments, **settings)


def test_a_script_sees_the_same_surroundings(tmp_path, scripts):
    script = scripts.relative_to(tmp_path) / "surroundings.py"
    (tmp_path / "link.py").symlink_to(script)
    for path, arguments in ((script, ["--help", "-x", "--runs", "1", "--"]), ("link.py", [])):
        bare, watched = both(tmp_path, path, *arguments, given="a line\nand another")
        assert bare.code == 0, bare.err
        assert watched.out == bare.out
        assert watched.err == bare.err + f"thalweg: {path} never called fit: {NOTHING}\n"
        assert watched.code == 3
    assert not (tmp_path / "runs").exists()


def test_the_script_s_folder_is_not_searched_where_python_would_not(tmp_path, scripts):
    bare, watched = both(tmp_path, scripts / "surroundings.py", PYTHONSAFEPATH="1")
    assert bare.code == watched.code == 1
    assert watched.err == bare.err
    assert "No module named 'neighbour'" in watched.err


def test_every_way_to_call_fit_is_watched_and_none_is_changed(tmp_path, scripts):
    bare = python(tmp_path, scripts / "ways.py", backend="tensorflow")
    watched = thalweg(tmp_path, "run", scripts / "ways.py", backend="tensorflow", WATCH="1")
    assert bare.code == watched.code == 0, watched.err
    assert watched.out == bare.out  # weights, history, errors
    assert "ValueError You must call `compile()`" in bare.out
    assert "Traceback" not in watched.err
    kept = {str(run.path.relative_to(tmp_path)): run for run in runs(tmp_path)}
    # A `fit` that Keras refuses is no run, and a watch of the script's own is not doubled.
    assert set(kept) == {*(f"runs/ways-{number}" for number in range(1, 7)), "own"}
    assert all((run.steps, run.epochs, run.finished) == (40, 2, "completed") for run in kept.values())
    # The last is a restart in the middle, whose 2 epochs are the second and the third.
    assert [e.step for e in package.read(tmp_path / "runs/ways-3").events if e.kind == "epoch"] == [20, 40]
    table = watched.err.strip().splitlines()
    assert [line.split()[0] for line in table] == ["RUN", *(f"runs/ways-{n}" for n in range(1, 7)), "own"]


def test_cross_validation_ends_with_a_table_of_its_runs(tmp_path, scripts):
    found = thalweg(tmp_path, "run", "--report", "page.html", scripts / "folds.py")
    assert found.code == 1, found.err
    assert found.out == "".join(f"fold {number} done\n" for number in range(5))
    heading, *rows, blank, first, change, concern, more, page = found.err.strip().splitlines()
    assert heading.split() == ["RUN", "STEPS", "EPOCHS", "LAST", "LOSS", "FINISHED", "ANSWER"]
    assert len(rows) == 5 and not blank
    falling = [row.split()[0] for row in rows if row.endswith("still falling when training stopped.")]
    assert first == f"{falling[0]}, and {len(falling) - 1} more like it"
    assert change.startswith("  Change first: Train for half") and concern.startswith("  concern[L004] ")
    assert more == f"  More: thalweg diagnose {falling[0]}"
    for number, row in enumerate(rows, start=1):
        name, steps, epochs, loss, finished, answer = row.split(maxsplit=5)
        assert (name, steps, epochs, finished) == (f"runs/folds-{number}", "128", "8", "completed")
        assert 0 < float(loss) < 1
        assert answer.startswith("Converging")
    assert page == "thalweg: the report is in page.html"
    assert "folds-5" in (tmp_path / "page.html").read_text()
    listed = thalweg(tmp_path, "list").out.splitlines()
    assert [line.split()[:3] for line in listed[1:]] == [[f"runs/folds-{n}", "128", "8"] for n in range(1, 6)]
