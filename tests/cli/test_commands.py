"""The commands, in this process: arguments, help and tables."""

import json
import math
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

import thalweg
from thalweg.cli.document import document
from thalweg.cli.group import thalweg as command_line
from thalweg.configuration import FailOn
from thalweg.errors import UsageError
from thalweg.finding import Diagnosis, Evidence, Family, Finding, Verdict
from thalweg.record import Event, Record
from thalweg.rules import RULES
from thalweg.store import Journal


def invoke(*arguments):
    return CliRunner().invoke(command_line, [str(argument) for argument in arguments])


@pytest.fixture
def script_calls(monkeypatch):
    """What the seam is asked for, in place of the seam."""
    calls = []
    for name in ("thalweg.keras", "thalweg.keras.script"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))

    def run_script(script, arguments, **options):
        calls.append(SimpleNamespace(script=script, arguments=arguments, **options))
        return 7

    sys.modules["thalweg.keras.script"].run_script = run_script
    return calls


def test_all_that_follows_the_script_is_the_scripts_own(script_calls):
    own = ["--help", "-h", "--runs", "theirs", "--version", "--", "-x", "file name", "--strict-keras"]
    result = invoke("run", "--runs", "ours", "train.py", *own)
    assert result.exit_code == 7
    (call,) = script_calls
    assert (call.script, call.arguments) == ("train.py", own)
    assert (call.runs, call.budget, call.strict, call.report) == ("ours", 0.03, False, None)
    assert (call.rules, call.fail_on, call.curvature) == (RULES, FailOn.CONCERN, False)


def test_options_before_the_script_are_thalwegs(script_calls):
    options = ["--budget", "0.1", "--strict-keras", "--curvature", "--report", "page.html"]
    result = invoke("run", *options, "train.py")
    assert result.exit_code == 7
    (call,) = script_calls
    assert call.arguments == [] and call.curvature
    assert (call.runs, call.budget, call.strict, call.report) == ("runs", 0.1, True, "page.html")


def test_a_run_is_asked_what_the_options_and_the_project_say(script_calls, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.thalweg]\nselect = ["L"]\nfail-on = "never"\nbudget = 0.5\nruns = "kept"\n'
    )
    assert "pyproject.toml leaves out" in invoke("run", "train.py").stderr
    options = ["--ignore", "L004", "--fail-on", "unassessed", "--budget", "0.1", "--runs", "here"]
    invoke("run", *options, "train.py", "--select", "the script's own")
    invoke("run", "--select", "G", "train.py")
    (of_project, of_both, of_options) = script_calls
    letters = [{rule.code[0] for rule in call.rules} for call in script_calls]
    assert letters == [{"L"}, {"L"}, {"G"}]
    assert {r.code for r in of_project.rules} - {r.code for r in of_both.rules} == {"L004"}
    assert (of_project.fail_on, of_project.budget, of_project.runs) == (FailOn.NEVER, 0.5, "kept")
    assert (of_both.fail_on, of_both.budget, of_both.runs) == (FailOn.UNASSESSED, 0.1, "here")
    assert (of_options.fail_on, of_options.budget, of_options.runs) == (FailOn.NEVER, 0.5, "kept")
    with pytest.raises(UsageError, match="ignore: there is no rule"):
        raise invoke("run", "--ignore", "G02", "train.py").exception
    assert len(script_calls) == 3
    (tmp_path / "kept").mkdir()
    assert invoke("list").stdout == "There are no runs in 'kept'.\n"


@pytest.mark.parametrize("arguments", [["--epochs", "3", "train.py"], ["--budget", "0", "train.py"], []])
def test_options_that_are_not_thalwegs_are_a_usage_error(script_calls, arguments):
    result = invoke("run", *arguments)
    assert result.exit_code == 2
    assert not script_calls
    assert not result.stdout


@pytest.mark.parametrize("command", [[], ["run"], ["diagnose"], ["report"], ["explain"], ["list"]])
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_every_help_has_examples(command, flag):
    result = invoke(*command, flag)
    assert result.exit_code == 0
    assert "Examples:" in result.stdout
    assert f"thalweg {' '.join(command)}".strip() in result.stdout


def test_version():
    assert invoke("--version").stdout == f"thalweg {thalweg.__version__}\n"


def test_explain_lists_the_rules_and_shows_any_of_them():
    table = [block.splitlines() for block in invoke("explain").stdout.split("\n\n")]
    families = [family for family in Family if any(rule.family is family for rule in RULES)]
    assert [block[0] for block in table] == [family.value.capitalize() for family in families]
    for family, (_, *lines) in zip(families, table, strict=True):
        own = [rule for rule in RULES if rule.family is family]
        assert lines == [f"  {rule.code}  {rule.title}" for rule in own]
    for rule in RULES:
        result = invoke("explain", rule.code.lower())
        assert result.stdout.startswith(f"{rule.code}: {rule.title}\n")
        assert rule.manual() in result.stdout


def test_an_unknown_rule_names_the_nearest():
    code = RULES[0].code
    with pytest.raises(UsageError, match=f"did you mean .*{code}"):
        raise invoke("explain", code + "0").exception
    with pytest.raises(UsageError, match="lists all"):
        raise invoke("explain", "?").exception


def test_list_shows_what_diagnose_takes(runs):
    result = invoke("list", runs)
    assert result.exit_code == 0
    _, *rows = result.stdout.splitlines()
    assert len(rows) == 2
    for row, name in zip(rows, ["broken", "healthy"], strict=True):
        assert row.startswith(str(runs / name))
        assert "400" in row
        assert "completed" in row
    assert "NaN" in rows[0]


def test_list_says_that_there_is_nothing_and_what_has_not_finished(tmp_path):
    assert invoke("list", tmp_path).stdout == f"There are no runs in {str(tmp_path)!r}.\n"
    Journal.create(tmp_path / "run", {}).close()
    assert "not finished" in invoke("list", tmp_path).stdout


def test_json_has_a_word_for_every_value():
    evidence = {
        "first": Evidence(math.nan, "loss", math.inf, -math.inf),
        "second": Evidence(np.float32(1.5), "", np.int64(3)),  # type: ignore[arg-type]
        "third": Evidence("a\ud800"),
    }
    finding = Finding("X001", "title", Verdict.CONCERN, "message", evidence, ("loss",), np.int64(4))
    record = Record.of([], {"name": "n"}, [Event(3, "adapted", {"what": (np.float64("nan"), len)})])
    text = json.dumps(document(Diagnosis("no", (finding,)), record), allow_nan=False)
    text.encode("ascii")
    found = json.loads(text)
    assert found["findings"][0]["evidence"] == {
        "first": {"value": "NaN", "unit": "loss", "usual": "Infinity", "threshold": "-Infinity"},
        "second": {"value": 1.5, "unit": "", "usual": 3, "threshold": None},
        "third": {"value": "a\ud800", "unit": "", "usual": None, "threshold": None},
    }
    assert found["findings"][0]["step"] == 4
    assert found["verdicts"] == {"satisfactory": 0, "concern": 1, "unassessed": 0}
    assert found["run"] == {
        "name": "n", "started": None, "source": None, "step_unit": None, "steps": 3,
        "events": [{"step": 3, "kind": "adapted", "detail": {"what": ["NaN", str(len)]}}],
    }  # fmt: skip
