"""`thalweg compare`: what a script's fit trains, under many configurations."""

import re
from functools import partial

import pytest
from commands import SCRIPTS, needs, thalweg

pytestmark = pytest.mark.e2e
SCRIPT, TWICE = SCRIPTS / "compared.py", SCRIPTS / "twice.py"
FEW = ("--seeds", "2", "--learning-rates", "0.001,0.1", "--optimizers", "sgd,adam")


@pytest.fixture(scope="module")
def ended(together):
    needs("jax")
    calls = {
        "well": (*FEW, "--all", SCRIPT),
        "second": (*FEW, "--fit", "2", TWICE),
        "twice": (*FEW, TWICE),
        "never": (*FEW, SCRIPT, "never"),
        "stop": (*FEW, SCRIPT, "stop"),
    }
    return together({key: partial(run, given) for key, given in calls.items()})


def run(given, folder):
    return thalweg(folder, "compare", *given, backend="jax")


def test_the_answer_and_a_row_for_each_kind_and_configuration(ended):
    found = ended["well"].result()
    assert found.code == 0, found.err
    assert "after the fit" not in found.out
    first, _, counts, _, *rows = found.out.splitlines()
    assert re.fullmatch(r"Lowest validation loss: (sgd|adam) at 0.1, \S+ \(\S+ to \S+\)\.", first)
    assert counts == "8 trainings of 4 configurations; 0 diverged"
    heads = ["BEST RATE", "GOOD RATES", "VALIDATION LOSS", "STEPS TO TARGET"]
    heads += ["TIME TO TARGET", "DIVERGED AT"]
    assert re.split(r"\s{2,}", rows[0].strip()) == heads
    assert {row.split()[0] for row in rows[1:3]} == {"sgd", "adam"}
    assert len([row for row in rows[5:] if row.startswith(("sgd", "adam"))]) == 4
    assert "Medians of 2 seeds" in rows[-1] and "with 50 % confidence" in rows[-1]


def test_of_two_fits_one_is_chosen(ended):
    twice = ended["twice"].result()
    assert twice.code == 2
    assert "fits a model in lines 9 and 11: say which is meant, with --fit 1 for the first" in twice.err
    second = ended["second"].result()
    assert second.code == 0, second.err
    assert "after the first fit" in second.out and "after the second fit" not in second.out
    assert "Lowest training loss" in second.out


@pytest.mark.parametrize(
    ("key", "code", "words"),
    [
        ("never", 2, "never called fit: there is nothing to compare"),
        ("stop", 1, "RuntimeError: the script's own error"),
    ],
)
def test_what_cannot_be_compared(ended, key, code, words):
    found = ended[key].result()
    assert found.code == code and words in found.err, found.err
    assert ("Traceback" in found.err) == (key == "stop")
