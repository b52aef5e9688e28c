"""`thalweg lr-find`: what its options ask for, and its lines, in this process and without Keras."""

import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from click.testing import CliRunner

from thalweg.cli.group import thalweg as command_line
from thalweg.rate_suggestion import RateSuggestion

FOUND = RateSuggestion(
    rate=0.0123,
    low=0.004,
    high=0.04,
    stable=0.3,
    own=0.001,
    optimizer="adam",
    drift=-0.4,
    rates=np.array([0.001, 0.01, 0.1]),
    losses=np.ones((4, 3)),
    scanned=np.array([1e-6, 0.3, 1.0, 10.0]),
    scan=np.ones(4),
    score="validation_loss",
    horizon=200,
    budget=800,
    steps=6_400,
    seconds=75.0,
)


@pytest.fixture
def wishes(monkeypatch):
    """What was asked for; the answer is `FOUND`, with what the test puts in its place."""
    calls = []
    for name in ("thalweg.keras", "thalweg.keras.lr_find_script"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    changes = {}

    def suggestion_for_script(script, arguments, *, progress, **wish):
        progress(1, 2)
        calls.append((script, arguments, wish))
        return replace(FOUND, **changes)

    sys.modules["thalweg.keras.lr_find_script"].suggestion_for_script = suggestion_for_script
    calls.append(changes)
    return calls


def ask(*arguments):
    return CliRunner().invoke(command_line, ["lr-find", *arguments])


def test_options_before_the_script_are_thalwegs_and_the_rest_is_its_own(wishes):
    result = ask(
        "--seeds", "2", "--horizon", "0.5", "--epochs", "7", "--fit", "2", "train.py", "--seeds", "9"
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    script, arguments, wish = wishes[1]
    assert (script, arguments) == ("train.py", ["--seeds", "9"])
    assert wish == {"seeds": 2, "horizon": 0.5, "epochs": 7, "fit": 2}


def test_the_rate_its_interval_the_scripts_own_and_what_it_took(wishes):
    result = ask("train.py")
    assert result.exit_code == 0, result.output
    assert wishes[1][2] == {"seeds": 4, "horizon": 0.25, "epochs": None, "fit": None}
    assert result.output.splitlines()[:4] == [
        "Learning rate for adam: 0.0123, the best one being between 0.004 and 0.04 (80 % sure).",
        "The script's own, 0.001, is 1/12.3 of that, and lies below these.",
        "Largest stable rate: 0.3; at 1 the loss rose or was not finite.",
        "To use it: learning_rate=0.0123",
    ]
    assert " ".join(result.output.split("\n\n")[1].split()) == (
        "Told from the validation loss of 12 trainings (4 seeds) of 200 steps, 25 % of the 800 it is for, after "
        "4 rates from 1e-06 to 10 were scanned. It took 6,400 steps, 8 times those of one training, and 1 min 15 s."
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"own": 0.03}, "The script's own, 0.03, lies within: nothing speaks against it."),
        ({"own": 1.23}, "The script's own, 1.23, is 100 times that, and lies above these."),
        ({"stable": 10.0}, "Largest stable rate: 10, the highest tried."),
        ({"score": "loss"}, "Told from the training loss of"),
    ],
)
def test_other_answers(wishes, changes, words):
    wishes[0].update(changes)
    assert words in ask("train.py").output


@pytest.mark.parametrize(
    "options", [("--seeds", "0"), ("--horizon", "0"), ("--horizon", "1.5"), ("--epochs", "0")]
)
def test_options_that_make_no_sense(wishes, options):
    assert ask(*options, "train.py").exit_code == 2 and len(wishes) == 1
