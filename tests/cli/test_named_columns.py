"""`--loss`, `--val-loss` and `--step`: columns that the caller names, and what is said where nobody did."""

import json

import pytest
from click.testing import CliRunner

from thalweg.cli.group import thalweg as command_line
from thalweg.errors import RunFolderError, UsageError


def invoke(*arguments):
    return CliRunner().invoke(command_line, [str(argument) for argument in arguments])


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "gan.csv"
    rows = [f"{n},{2 / n},{1 + n / 100},{3 / n}" for n in range(1, 201)]
    path.write_text("it,d_loss,g_loss,held_out\n" + "\n".join(rows) + "\n")
    return path


def test_where_no_column_is_plainly_the_loss_the_options_are_named(log):
    result = invoke("diagnose", log)
    assert isinstance(result.exception, RunFolderError)
    assert "its columns are 'it', 'd_loss', 'g_loss', 'held_out': name one with --loss" in str(
        result.exception
    )


@pytest.mark.parametrize("command", ["diagnose", "report"])
def test_columns_are_taken_as_named(log, tmp_path, command):
    options = ["--loss", "g_loss", "--val-loss", "held_out", "--step", "it"]
    more = ["--json"] if command == "diagnose" else ["-o", tmp_path / "page.html"]
    result = invoke(command, *options, *more, log)
    assert result.exit_code in (0, 1)
    assert not result.stderr
    if command == "diagnose":
        run = json.loads(result.stdout)["run"]
        assert (run["source"], run["step_unit"], run["steps"]) == ("csv", "step", 200)
        assert run["events"] == []
    else:
        assert "validation_loss" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_guesses_are_said_beside_the_answer(log):
    result = invoke("diagnose", "--loss", "g_loss", log)
    assert result.stderr == "thalweg: note: read 'it' as the step\n"


def test_a_recorded_run_has_no_columns_to_name(runs):
    result = invoke("diagnose", "--loss", "loss", runs / "healthy")
    assert isinstance(result.exception, UsageError)
    assert "is a run that Thalweg recorded" in str(result.exception)
