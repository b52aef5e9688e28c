"""`thalweg lr-find`: the learning rate for what a script's fit trains."""

import re
from functools import partial

import pytest
from commands import SCRIPTS, needs, thalweg

pytestmark = pytest.mark.e2e
SCRIPT, TWICE = SCRIPTS / "compared.py", SCRIPTS / "twice.py"


@pytest.fixture(scope="module")
def ended(together):
    needs("jax")
    calls = {
        "well": ("--seeds", "2", SCRIPT),
        "twice": (TWICE,),
        "second": ("--seeds", "1", "--fit", "2", TWICE),
        "never": (SCRIPT, "never"),
        "stop": (SCRIPT, "stop"),
    }
    return together({key: partial(run, given) for key, given in calls.items()})


def run(given, folder):
    return thalweg(folder, "lr-find", *given, backend="jax")


def test_the_rate_and_how_it_stands_to_the_scripts_own(ended):
    found = ended["well"].result()
    assert found.code == 0, found.err
    assert "after the fit" not in found.out
    first, own, stable, use = found.out.splitlines()[:4]
    number = r"(\d\S*)"
    said = (
        rf"Learning rate for adam: {number}, the best one being between {number} and {number} \(80 % sure\)\."
    )
    matched = re.fullmatch(said, first)
    assert matched, first
    rate, low, high = map(float, matched.groups())
    assert low < rate < high and rate > 0.01  # a plane is far from its start, in 32 steps
    assert re.fullmatch(r"The script's own, 0\.001, is 1/\S+ of that, and lies below these\.", own)
    assert re.fullmatch(r"Largest stable rate: \S+; at \S+ the loss rose or was not finite\.", stable)
    assert use == f"To use it: learning_rate={rate:.3g}"
    assert "14 trainings (2 seeds) of 8 steps, 25 % of the 32 it is for" in " ".join(found.out.split())


def test_of_two_fits_one_is_chosen(ended):
    twice = ended["twice"].result()
    assert twice.code == 2 and "say which is meant, with --fit 1 for the first" in twice.err
    second = ended["second"].result()
    assert second.code == 0, second.err
    assert "after the first fit" in second.out and "after the second fit" not in second.out
    assert "Learning rate for sgd" in second.out and "the training loss of 7 trainings (1 seed)" in second.out


@pytest.mark.parametrize(
    ("key", "code", "words"),
    [
        ("never", 2, "never called fit: there is nothing to find a learning rate for"),
        ("stop", 1, "RuntimeError: the script's own error"),
    ],
)
def test_what_no_rate_can_be_found_for(ended, key, code, words):
    found = ended[key].result()
    assert found.code == code and words in found.err, found.err
    assert ("Traceback" in found.err) == (key == "stop")
