"""`thalweg compare`: what its options ask for, and its table, in this process and without Keras."""

import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from thalweg.cli.compare import standing_in_words
from thalweg.cli.group import thalweg as command_line
from thalweg.comparison import Configuration, Member
from thalweg.comparison_study import ComparisonStudy
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
        progress(
            SimpleNamespace(done=1, total=2, diverged=0, share=0.5, best=(Configuration("sgd", 0.1), 0.4))
        )
        calls.append((script, arguments, SimpleNamespace(**wish)))
        members = tuple(member(rate, seed) for rate in (0.1, 10.0) for seed in range(5))
        return ComparisonStudy(members), Path("studies/train-12345678")

    module = sys.modules["thalweg.keras.compare_script"]
    module.compared_script, module.Wish = compared_script, dict
    return calls


def member(rate: float, seed: int) -> Member:
    steps, loss = np.arange(1, 9) * 25, np.linspace(2.0, 0.4 + 0.01 * seed, 8)
    if rate > 1.0:
        loss[-1] = np.inf
    series = [Series(name, "loss", steps, loss) for name in ("epoch_loss", "validation_loss")]
    return Member.of(Configuration("sgd", rate), seed, Record.of(series))


def ask(*arguments):
    return CliRunner().invoke(command_line, ["compare", *arguments])


ASKED = {
    "optimizers": ["sgd", "adam"],
    "learning_rates": [0.001, 0.01, 0.1, 1.0],
    "schedules": ["cosine"],
    "initializers": [None],
    "batch_sizes": [16, 32],
    "seeds": 3,
    "epochs": 7,
    "target": 0.5,
    "engine": "fit",
    "workers": 2,
    "folder": None,
    "fit": 2,
}


def test_options_stand_before_or_behind_the_script_and_the_rest_is_its_own(wishes):
    result = ask(
        "--optimizers", "sgd, adam", "--learning-rates", "1e-3:1:4", "--schedules", "cosine",
        "--batch-sizes", "16,32", "train.py", "--seeds", "3", "--epochs", "7", "--target", "0.5", "--fit", "2",
        "--engine", "fit", "--width", "64", "--workers", "2", "--", "--seeds", "9",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    ((script, arguments, wish),) = wishes
    assert (script, arguments) == ("train.py", ["--width", "64", "--seeds", "9"])
    assert vars(wish) == ASKED
    assert "the study is in studies/train-12345678: the same command goes on with it" in result.stderr


def test_an_option_that_is_nearly_one_is_asked_about(wishes):
    result = ask("train.py", "--optimizer=sgd", "--width", "64")
    assert result.exit_code == 0 and wishes[0][1] == ["--optimizer=sgd", "--width", "64"]
    assert "--optimizer is given to the script: did you mean --optimizers?" in result.stderr
    assert "--width is" not in result.stderr


def test_a_file_says_the_same_and_the_command_line_holds(wishes, tmp_path):
    file = tmp_path / "study.toml"
    file.write_text(
        """
        script = "train.py"
        arguments = ["--width", 64]
        optimizers = ["sgd", "adam"]
        learning-rates = "1e-3:1:4"
        schedules = "cosine"
        batch-sizes = [16, 32]
        seeds = 30
        epochs = 7
        target = 0.5
        fit = 2
        engine = "fit"
        workers = 2
        """
    )
    result = ask(str(file), "--seeds", "3")
    assert result.exit_code == 0, result.output
    ((script, arguments, wish),) = wishes
    assert (script, arguments) == (str(tmp_path / "train.py"), ["--width", "64"])
    assert vars(wish) == ASKED


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("optimizers = ['sgd']", "is to name one script"),
        ("script = 'a.py'\nscripts = ['b.py', 'c.py']", "is to name one script"),
        ("scripts = ['a.py', 'a.py']", "names 'a.py' twice"),
        (
            "script = 'a.py'\noptimisers = 'sgd'",
            "sets 'optimisers', which no study has: did you mean optimizers",
        ),
        ("script = 'a.py'\nseeds = true", "seeds = True: a text, a number or a list"),
        ("script = 'a.py'\nreport = 'b.html'", "sets 'report', which no study has"),
        ("script = ", "cannot be read as TOML"),
    ],
)
def test_what_a_file_cannot_say(wishes, tmp_path, text, words):
    (tmp_path / "study.toml").write_text(text)
    result = ask(str(tmp_path / "study.toml"))
    assert isinstance(result.exception, UsageError) and words in str(result.exception)
    assert not wishes


def test_a_file_that_is_not_there_and_a_value_that_cannot_be(wishes, tmp_path):
    result = ask("nowhere.toml")
    assert isinstance(result.exception, UsageError) and "there is no file 'nowhere.toml'" in str(
        result.exception
    )
    (tmp_path / "study.toml").write_text("script = 'a.py'\nseeds = 0")
    result = ask(str(tmp_path / "study.toml"))
    assert result.exit_code == 2 and "0 is not in the range x>=1" in result.output


def test_how_far_it_has_come():
    standing = SimpleNamespace(
        done=1_200, total=2_000, diverged=3, best=(Configuration("adam", 0.01), 0.0532)
    )
    assert standing_in_words(standing) == "1,200 of 2,000 trained, 3 diverged, best adam at 0.01: 0.0532"
    assert standing_in_words(SimpleNamespace(done=0, total=2, diverged=0, best=None)) == "0 of 2 trained"


def test_the_best_what_it_cannot_be_told_from_and_a_row_for_each_kind(wishes):
    result = ask("train.py")
    assert result.exit_code == 0, result.output
    ((_, _, wish),) = wishes
    assert wish.learning_rates == pytest.approx(np.geomspace(1e-4, 1.0, 9), rel=1e-2)
    assert wish.batch_sizes is None and wish.engine == "auto"
    first, others, counts, _, heads, row, _, legend = result.stdout.splitlines()
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
        (("--batch-sizes", "16,0.5"), "batch sizes: '16,0.5' is not a list of whole numbers"),
    ],
)
def test_options_that_cannot_be_read(wishes, options, words):
    result = ask(*options, "train.py")
    assert isinstance(result.exception, UsageError) and words in str(result.exception)
    assert not wishes


def test_a_page_that_cannot_be_written_is_said_before_anything_is_trained(wishes, tmp_path):
    (tmp_path / "study.toml").write_text("scripts = ['a.py', 'b.py']")
    for given in ("train.py", str(tmp_path / "study.toml")):
        result = ask(given, "--report", str(tmp_path / "nowhere" / "page.html"))
        assert isinstance(result.exception, UsageError) and "cannot write the report to" in str(
            result.exception
        )
    assert not wishes


def test_seeds_are_a_whole_number(wishes):
    assert ask("--seeds", "0", "train.py").exit_code == 2 and not wishes
