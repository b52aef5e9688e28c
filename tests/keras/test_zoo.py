"""A small fixed part of the zoo: the whole is run by hand (docs/zoo.md)."""

import inspect
import re
import sys
from pathlib import Path

import keras
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.zoo.catalogue import PROGRAMS
from benchmarks.zoo.program import FAULTY, HEALTHY, TWIN, parts
from benchmarks.zoo.runner import train

FAULTS = [p for p in PROGRAMS.values() if p.family is not None]

tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the small part is run on one backend"
)


def run(name, variant, folder):
    result = train((name, variant, 50, keras.backend.backend()), folder, 300)
    assert not result.failed
    return result


@tensorflow
@pytest.mark.parametrize("name", ["digits with adam", "linear regression"])
def test_healthy_programs_stay_silent(name, tmp_path):
    result = run(name, HEALTHY, tmp_path)
    assert set(result.concerns) <= PROGRAMS[name].true


@tensorflow
@pytest.mark.parametrize(
    "name",
    [
        "missing values as nan",
        "labels divided like pixels",
        "zeros everywhere",
        "adam with a rate of a millionth",
    ],
)
def test_faults_are_named(name, tmp_path):
    result = run(name, FAULTY, tmp_path)
    assert PROGRAMS[name].right.intersection(result.concerns)


def test_there_are_as_many_programs_as_promised():
    assert len(FAULTS) >= 60 and len(PROGRAMS) - len(FAULTS) >= 40
    classes = [p.family for p in FAULTS]
    assert min(classes.count(family) for family in classes) >= 8


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_variant_changes_what_its_program_names_and_no_more(name):
    program = PROGRAMS[name]
    known = inspect.signature(program.build).parameters
    assert all(known.keys() > variant.keys() for variant in program.variants.values())
    assert program.build.__doc__
    if program.family is None:
        assert not program.right and program.variants.keys() == {HEALTHY}
        return
    assert program.variants[FAULTY].keys() == program.variants[TWIN].keys()
    assert program.source(FAULTY) != program.source(TWIN)
    assert program.right and all(re.fullmatch("[A-Z][0-9]{3}", code) for code in program.right | program.true)


def test_a_program_changes_with_the_functions_it_calls():
    names = {part.__name__ for part in parts(PROGRAMS["digits with adam"].build)}
    assert {"digits_with_adam", "classifier", "network", "digits", "split", "accuracy"} <= names
    assert "regression" not in names
