"""`thalweg compare`: what its options ask for, and its table, in this process and without Keras."""

import re
import sys
from types import ModuleType

import numpy as np
import pytest
from click.testing import CliRunner

from thalweg.cli.group import thalweg as command_line
from thalweg.comparison import Comparison, Configuration, Member
from thalweg.errors import UsageError
from thalweg.record import Record, Series


@pytest.fixture
def wishes(monkeypatch):
    """What was asked for; the answer is two rates of one optimizer, of which the higher one diverged."""
    calls = []
    for name in ("thalweg.keras", "thalweg.keras.compare_script"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)

    def compared_script(script, arguments, wish, progress):
        progress(1, 2, 0)
        calls.append((script, arguments, wish))
        return Comparison(tuple(member(rate, seed) for rate in (0.1, 10.0) for seed in range(5)))

    module = sys.modules["thalweg.keras.compare_script"]
    module.compared_script, module.Wish = compared_script, lambda *given: given
    return calls


def member(rate: float, seed: int) -> Member:
    steps, loss = np.arange(1, 9) * 25, np.linspace(2.0, 0.4 + 0.01 * seed, 8)
    if rate > 1.0:
        loss[-1] = np.inf
    series = [Series(name, "loss", steps, loss) for name in ("epoch_loss", "validation_loss")]
    return Member.of(Configuration("sgd", rate), seed, Record.of(series))


def ask(*arguments):
    return CliRunner().invoke(command_line, ["compare", *arguments])


def test_options_before_the_script_are_thalwegs_and_the_rest_is_its_own(wishes):
    result = ask(
        "--optimizers", "sgd, adam", "--learning-rates", "1e-3:1:4", "--schedules", "cosine",
        "--batch-sizes", "16,32", "--seeds", "3", "--epochs", "7", "--target", "0.5", "--fit", "2",
        "train.py", "--seeds", "9",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    ((script, arguments, wish),) = wishes
    assert (script, arguments) == ("train.py", ["--seeds", "9"])
    rates = [0.001, 0.01, 0.1, 1.0]
    assert wish == (["sgd", "adam"], rates, ["cosine"], [None], [16, 32], 3, 7, 0.5, 2)


def test_the_best_what_it_cannot_be_told_from_and_a_row_for_each_kind(wishes):
    result = ask("train.py")
    assert result.exit_code == 0, result.output
    ((_, _, wish),) = wishes
    assert wish[1] == pytest.approx(np.geomspace(1e-4, 1.0, 9), rel=1e-2) and wish[4] is None
    first, others, counts, _, heads, row, _, legend = result.output.splitlines()
    assert first == "Lowest validation loss: sgd at 0.1, 0.42 (0.4 to 0.44)."
    assert others == "All others are worse, by more than an accident of the seeds (95 % confidence together)."
    assert counts == "10 trainings of 2 configurations; 5 diverged"
    assert heads.split()[-4:] == ["TO", "TARGET", "DIVERGED", "AT"]
    assert re.split(r"\s{2,}", row) == [
        "sgd",
        "0.1, the lowest tried",
        "0.1 alone",
        "0.42 (0.4 to 0.44)",
        "200 (200 to 200)",
        "10",
    ]
    assert legend.startswith(
        "Medians of 5 seeds, in brackets where the true median lies with 93.8 % confidence;"
    )
    assert "target: 0.441, 5 % above the lowest" in legend


def test_a_row_for_each_configuration_on_request(wishes):
    rows = ask("--all", "train.py").output.splitlines()
    (worst,) = [row for row in rows if re.match(r"sgd +10 ", row)]
    assert "5 diverged" in worst and "never" in worst


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--learning-rates", "0.1:0.001:5"), "is not LOW:HIGH:COUNT, with 0 < LOW <= HIGH"),
        (("--learning-rates", "0.1:0.5"), "is not LOW:HIGH:COUNT, such as 1e-4:1:9"),
        (("--learning-rates", "0:1:5"), "with 0 < LOW <= HIGH"),
        (("--learning-rates", "fast"), "'fast' is not a list of numbers"),
        (("--batch-sizes", "a"), "'a' is not a list of numbers"),
    ],
)
def test_options_that_cannot_be_read(wishes, options, words):
    result = ask(*options, "train.py")
    assert isinstance(result.exception, UsageError) and words in str(result.exception)
    assert not wishes


def test_seeds_are_a_whole_number(wishes):
    assert ask("--seeds", "0", "train.py").exit_code == 2 and not wishes
