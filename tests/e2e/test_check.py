"""`thalweg check`: what speaks against a training is said before its first step, and nothing is trained."""

from functools import partial

import pytest
from commands import BACKENDS, SCRIPTS, installed, needs, thalweg

pytestmark = pytest.mark.e2e
SCRIPT = SCRIPTS / "checked.py"


@pytest.fixture(scope="module")
def ended(together):
    calls = {
        (fault, backend): partial(run, fault, backend)
        for backend in installed()
        for fault in ("head", "none")
    }
    calls["stop"], calls["idle"] = partial(run, "stop", "jax"), partial(run, "idle", "jax")
    calls["overfit"] = partial(run, "none", "jax", "--overfit")
    calls["ignore"] = partial(run, "head", "jax", "--select", "data", "--fail-on", "never")
    return together(calls)


def run(fault, backend, *given):
    *options, folder = given
    return thalweg(folder, "check", *options, SCRIPT, fault, backend=backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_softmax_over_one_unit_is_found_before_the_first_step(ended, backend):
    needs(backend)
    found = ended["head", backend].result()
    assert found.code == 1, found.err
    first, answer, *_ = found.err[found.err.index("Change first") :].splitlines()
    assert first.endswith('`keras.layers.Dense(units, activation="sigmoid")`')
    assert answer.startswith("1 concern before the first step: the last layer was a softmax over 1 unit")
    assert "before the fit" in found.out and "after the fit" not in found.out
    assert not [path for path in found.folder.iterdir() if path.name != ".keras"]  # nothing is kept


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_speaks_against_its_healthy_twin(ended, backend):
    needs(backend)
    found = ended["none", backend].result()
    assert found.code == 0, found.err
    assert "Nothing speaks against this training before its first step: " in found.err
    assert "concern" not in found.err


def test_a_script_that_fails_shows_its_own_error_and_code(ended):
    needs("jax")
    found = ended["stop"].result()
    assert found.code == 1
    assert found.err.rstrip().endswith("ValueError: planted")


def test_a_script_without_a_fit_has_nothing_to_check(ended):
    needs("jax")
    found = ended["idle"].result()
    assert found.code == 3
    assert "never called fit: there is nothing to check" in found.err


def test_a_batch_is_overfitted_on_request(ended):
    needs("jax")
    found = ended["overfit"].result()
    assert found.code == 0, found.err
    assert "  M004  Trained on 16 examples alone, the loss fell from " in found.err


def test_the_rules_that_are_asked_and_what_fails_can_be_chosen(ended):
    needs("jax")
    found = ended["ignore"].result()
    assert found.code == 0
    assert "O001" not in found.err and "D001" in found.err
