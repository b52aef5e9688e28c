"""A fault that was planted is found where it was planted, and its healthy twin is not accused."""

import re
from functools import partial

import pytest
from commands import BACKENDS, SCRIPTS, installed, needs, on_a_terminal, thalweg

import thalweg as package

pytestmark = pytest.mark.e2e
SCRIPT = SCRIPTS / "planted.py"
RUN = "runs/planted-1"


@pytest.fixture(scope="module")
def ended(together):
    calls = {}
    for backend in installed():
        for fault in ("none", "nan", "rate"):
            calls[fault, backend] = partial(run, backend, fault)
        calls["label", backend] = partial(watch_it, backend)
    return together(calls)


def run(backend, fault, folder):
    return thalweg(folder, "run", SCRIPT, fault, backend=backend)


def watch_it(backend, folder):
    # A budget that lets the live rules look at every drain: by default a run of one second is over first.
    return on_a_terminal(folder, "run", "--budget", "1", SCRIPT, "label", backend=backend)


def concerns(found):
    return {finding.code: finding for finding in package.diagnose(found.folder / RUN).concerns}


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_healthy_twin_is_not_accused(ended, backend):
    needs(backend)
    found = ended["none", backend].result()
    assert found.code == 0, found.err
    assert not concerns(found)
    assert found.err.startswith("Converging: the loss fell from ")
    assert "concern" not in found.err
    assert "\x1b" not in found.err
    assert not found.lines  # quiet where nobody watches
    record = package.read(found.folder / RUN)
    assert record.info["backend"] == backend
    assert record.last_step == len(record.series["loss"]) == 400
    assert [event.detail["reason"] for event in record.events if event.kind == "finished"] == ["completed"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_corrupt_label_is_found_at_its_step_while_the_training_runs(ended, backend):
    needs(backend)
    found = ended["label", backend].result()
    assert found.code == 1, found.out
    assert concerns(found)["G001"].step == 250
    watching, *live = found.lines
    assert watching == f"thalweg: watching; the run is kept in {RUN}"
    spikes = [line for line in live if "concern[G001]" in line]
    assert len(spikes) == 1
    assert "at step 250 the gradient norm was " in spikes[0].lower()
    # Before, at the moment, after: the line stands within Keras's progress, the findings behind it.
    progress = [place.end() for place in re.finditer("400/400", found.plain)]
    before, at, after = (
        found.plain.index(words) for words in (watching, spikes[0], "Gradient spike (step 250)")
    )
    assert before < at < progress[-1] < after
    assert found.plain.count("Gradient spike (step 250)") == 1
    assert "\x1b[" in found.out


@pytest.mark.parametrize("backend", BACKENDS)
def test_keras_draws_its_progress_bar_as_ever(ended, backend):
    needs(backend)
    found = ended["label", backend].result()
    drawn = [line for line in found.out.splitlines() if "\x1b[1m" in line and "/400" in line]
    assert drawn[-1].rpartition("\x08")[2].lstrip("\r").startswith("\x1b[1m400/400\x1b[0m")
    for line in found.lines:
        assert "\x08" not in line  # a line of its own


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_nan_in_one_row_is_found_at_the_step_that_met_it(ended, backend):
    needs(backend)
    found = ended["nan", backend].result()
    assert found.code == 1, found.err
    finding = concerns(found)["N001"]
    assert finding.step == 16
    assert finding.evidence["held"].value == 1
    assert "held 1 example with non-finite values" in finding.message
    assert "\nNot converging: the loss became NaN at step 16." in found.err
    assert finding.code in package.diagnose(found.folder / RUN).because  # of the NaN in the input
    assert concerns(found)["D001"].step is None


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_learning_rate_1000_times_too_high_is_a_concern(ended, backend):
    needs(backend)
    found = ended["rate", backend].result()
    assert found.code == 1, found.err
    assert {"N001", "L001", "L002"} & set(concerns(found))
    assert found.err.startswith("Change first: Divide the learning rate by 10, and again")
    assert re.search("^(Not converging|Diverged): ", found.err, re.MULTILINE)
