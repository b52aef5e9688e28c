"""Scripts that an older Keras accepted: they train as their authors meant it, and that is said."""

import math
import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from commands import SCRIPTS, installed, python, thalweg

import thalweg as package

pytestmark = pytest.mark.e2e
SHARED = Path(os.environ.get("THALWEG_SHARED") or Path(__file__).resolve().parents[3] / "shared")
TUTORIAL = SHARED / "tutorial"
MNIST = SHARED / "data" / "mnist.npz"
NAMES = ("1_sgd", "2_adam_decay", "3_callbacks")
EPOCHS = {"1_sgd": 10, "2_adam_decay": 10, "3_callbacks": 20}
STEPS = 15
"""Of each epoch, by Keras's own switch: ten whole epochs of 1,563 steps take minutes."""


@pytest.fixture(scope="module")
def trained(together):
    if not (TUTORIAL.is_dir() and MNIST.is_file()):
        pytest.skip(f"the tutorial's scripts or MNIST are not in {SHARED.name}/ (set THALWEG_SHARED)")
    if "tensorflow" not in installed():
        pytest.skip("tensorflow is not installed")
    calls = {name: partial(run, [], name) for name in NAMES}
    calls |= {f"strict {name}": partial(run, ["--strict-keras"], name) for name in NAMES[1:]}
    return together(calls)


def run(options, name, folder):
    return thalweg(
        folder, "run", *options, TUTORIAL / f"{name}.py", backend="tensorflow", MNIST_NPZ=str(MNIST),
        KERAS_MAX_STEPS_PER_EPOCH=str(STEPS),
    )  # fmt: skip


def adapted(record):
    return [event.detail["what"] for event in record.events if event.kind == "adapted"]


def assert_follows_the_epochs(record, steps):
    """0.001 * exp(-epoch / 10), at every step."""
    rate = record.series["learning_rate"]
    np.testing.assert_array_equal(rate.steps, np.arange(1, record.last_step + 1))
    meant = [0.001 * math.exp(-((step - 1) // steps) / 10) for step in rate.steps]
    np.testing.assert_allclose(rate.values, meant, rtol=1e-6)
    assert len(np.unique(rate.values)) == record.last_step / steps


@pytest.mark.parametrize("name", NAMES)
def test_the_tutorial_s_script_trains_to_its_end(trained, name):
    found = trained[name].result()
    assert found.code in (0, 1), found.err  # what was found is another matter
    assert "Traceback" not in found.err
    record = package.read(found.folder / f"runs/{name}-1")
    epochs = [event.step for event in record.events if event.kind == "epoch"]
    assert epochs == [STEPS * number for number in range(1, len(epochs) + 1)]
    early = name == "3_callbacks"  # its EarlyStopping may have its way
    assert len(epochs) == EPOCHS[name] or (early and len(epochs) > 5)
    assert record.events[-1].detail["reason"] in ("completed", "stopped")
    assert [f"thalweg: adapted: {what}" for what in adapted(record)] == found.lines
    assert len(found.lines) == (0 if name == "1_sgd" else 1)


def test_the_tutorial_s_learning_rate_follows_its_schedule(trained):
    found = trained["2_adam_decay"].result()
    assert_follows_the_epochs(package.read(found.folder / "runs/2_adam_decay-1"), STEPS)
    assert "Adam(learning_rate=lr_schedule)" in found.lines[0]


def test_the_tutorial_s_best_weights_are_in_a_file(trained):
    found = trained["3_callbacks"].result()
    assert "'model_weights.keras'" in found.lines[0]
    program = (
        "import keras, os, numpy as np\n"
        "with np.load(os.environ['MNIST_NPZ']) as f: x, y = f['x_train'][50000:], f['y_train'][50000:]\n"
        "model = keras.models.load_model('model_weights.keras')\n"
        "x, y = x.reshape(-1, 784).astype('float32') / 255, np.eye(10)[y]\n"
        "print(model.evaluate(x, y, verbose=0)[0])"
    )
    (found.folder / "load.py").write_text(program)
    loaded = python(found.folder, "load.py", backend="tensorflow", MNIST_NPZ=str(MNIST))
    assert loaded.code == 0, loaded.err
    # That of an untrained network is ln 10 = 2.3 or more. Which weights they are bit for bit: see below.
    assert float(loaded.out) < 1.5


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("2_adam_decay", "TypeError: lr_schedule() missing 1 required positional argument: 'epoch'"),
        ("3_callbacks", "ValueError: The filepath provided must end in `.keras`"),
    ],
)
def test_strict_keras_leaves_the_tutorial_to_fail(trained, name, words):
    found = trained[f"strict {name}"].result()
    assert found.code == 1
    assert words in found.err
    assert "adapted" not in found.err
    assert not (found.folder / "model_weights.keras").exists()


def test_both_at_once_and_loading_by_the_old_name(tmp_path):
    found = thalweg(tmp_path, "run", SCRIPTS / "older.py", "both")
    assert found.code == 1 and "concern[D007]" in found.err  # it validates on what it trains on
    # Weights, whole models, one file of several epochs': each is found by the path that the script knows.
    assert found.out == "best True\nweights-04 True\nloaded True\n"
    record = package.read(tmp_path / "runs/older-1")
    assert_follows_the_epochs(record, 20)
    rate, best, weights = adapted(record)
    assert "follows schedule(epoch)" in rate
    assert "kept in 'best.keras'" in best
    assert "kept in 'weights-{epoch:02d}.weights.h5'" in weights
    assert [f"thalweg: adapted: {what}" for what in (rate, best, weights)] == found.lines[:3]
    kept = sorted(path.name for path in tmp_path.iterdir() if path.is_file())
    assert kept == ["best.keras", *(f"weights-0{epoch}.weights.h5" for epoch in range(1, 5))]


@pytest.mark.parametrize(
    ("which", "words"),
    [
        ("rate", "TypeError: schedule() missing 1 required positional argument: 'epoch'"),
        ("checkpoint", "ValueError: The filepath provided must end in `.keras`"),
    ],
)
def test_strict_keras_adapts_nothing(tmp_path, which, words):
    found = thalweg(tmp_path, "run", "--strict-keras", SCRIPTS / "older.py", which)
    assert found.code == 1
    assert words in found.err
    assert "adapted" not in found.err
