"""`thalweg certify` and `verify` as a person types them."""

import json

import numpy as np
import pytest
from commands import BACKENDS, SCRIPTS, needs, spoken, thalweg

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_run_that_reached_the_bottom_is_certified_and_verified(tmp_path, backend):
    needs(backend)
    assert thalweg(tmp_path, "run", SCRIPTS / "ridge.py", backend=backend).code in (0, 1)
    found = thalweg(tmp_path, "certify", "runs/ridge-1", backend=backend)
    assert found.out.startswith("Converged: the squared norm of the gradient was ")
    assert (found.code, spoken(found.err)) == (0, "")
    document = json.loads((tmp_path / "runs/ridge-1/certificate.json").read_text())
    assert document["certificate"]["outcome"] == "converged"
    # The largest eigenvalue of 2 X'X / n, with the column of ones: a closed form.
    random = np.random.default_rng(3)
    design = np.hstack([random.standard_normal((200, 5)).astype("float32"), np.ones((200, 1))])
    expected = np.linalg.eigvalsh(2.0 * design.T @ design / 200)
    curvature = document["examination"]["curvature"]
    assert curvature["largest"]["value"] == pytest.approx(expected[-1], rel=1e-4)
    assert curvature["smallest"]["value"] == pytest.approx(expected[0], rel=1e-4)
    verified = thalweg(tmp_path, "verify", "runs/ridge-1", backend=backend)
    assert (verified.code, "It holds: all 7 claims" in verified.out) == (0, True)
    page = thalweg(tmp_path, "report", "runs/ridge-1", "-o", "page.html")
    assert page.code == 0 and "Eigenvalues of the Hessian" in (tmp_path / "page.html").read_text()


def test_a_run_that_stopped_early_is_not_called_converged(tmp_path):
    thalweg(tmp_path, "run", SCRIPTS / "ridge.py", "early")
    found = thalweg(tmp_path, "certify", "runs/ridge-1")
    assert found.out.startswith("Stopped while falling: ") and found.code == 1


def test_what_was_changed_is_found_by_verify(tmp_path):
    thalweg(tmp_path, "run", SCRIPTS / "ridge.py")
    thalweg(tmp_path, "certify", "runs/ridge-1")
    path = tmp_path / "runs/ridge-1/certificate.json"
    path.write_text(path.read_text().replace('"established"', '"refuted"', 1))
    found = thalweg(tmp_path, "verify", "runs/ridge-1")
    assert found.code == 1 and "It does not hold:" in found.out and "was refuted, now it is" in found.out


def test_what_cannot_be_looked_at_is_said(tmp_path):
    thalweg(tmp_path, "run", SCRIPTS / "ridge.py", "own")
    found = thalweg(tmp_path, "certify", "runs/ridge-1")
    assert "the model cannot be rebuilt from its configuration (Could not locate class 'Own')" in found.out
    (tmp_path / "runs/ridge-1/examples.npz").unlink()
    assert "the examples are gone" in thalweg(tmp_path, "certify", "runs/ridge-1").out
    thalweg(tmp_path, "run", "--no-keep", SCRIPTS / "ridge.py")
    assert "this run keeps no model" in thalweg(tmp_path, "certify", "runs/ridge-2").out
    assert "Traceback" not in found.err


def test_seeds_are_certified_together(tmp_path):
    for seed in (1, 2):
        thalweg(tmp_path, "run", SCRIPTS / "ridge.py", "on", seed)
    found = thalweg(tmp_path, "certify", "-o", "seeds.json", "runs/ridge-1", "runs/ridge-2")
    assert found.out.startswith("The seeds agree: ") and found.code == 0
    assert "they ended in one valley" in found.out.splitlines()[0]
    assert thalweg(tmp_path, "verify", "seeds.json").code == 0
    page = thalweg(tmp_path, "report", "seeds.json", "-o", "page.html", backend="nothing")
    assert page.code == 0 and found.out.endswith("The pictures: thalweg report seeds.json\n")
    shown = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "The loss from ridge-1 to ridge-2" in shown and "no hidden units" in shown


def test_a_log_is_certified_without_a_backend(tmp_path):
    rows = "\n".join(f"{epoch},{1.0 / epoch}" for epoch in range(1, 120))
    (tmp_path / "history.csv").write_text(f"epoch,loss\n{rows}\n")
    found = thalweg(tmp_path, "certify", "history.csv", backend="nothing")
    assert found.code in (1, 3) and "a log holds no model" in found.out
    assert thalweg(tmp_path, "verify", "history.csv").code == 2
