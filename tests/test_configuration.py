"""`[tool.thalweg]`: where it is looked for, what it may say, and what is said where it is wrong."""

from pathlib import Path

import pytest

from thalweg import RULES as ALL
from thalweg import Diagnosis, Finding, UsageError, Verdict
from thalweg.configuration import Configuration, FailOn, configuration

# A fixed few: the tests must not change with every rule that is added.
RULES = tuple(rule for rule in ALL if rule.code in ("N001", "L002", "L004", "G001", "G002", "G003", "P002"))


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Writes `pyproject.toml` in the working directory."""
    monkeypatch.chdir(tmp_path)
    return lambda text: (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")


def asked(**options) -> list[str]:
    return sorted(rule.code for rule in configuration().asked(RULES, **options))


def test_all_keys(project):
    project(
        '[tool.thalweg]\nselect = ["L", "G"]\nignore = "L004"\nfail-on = "NEVER"\nbudget = 1\nruns = "kept"\n'
        "[tool.thalweg.rules.g001]\nratio = 7\n"
    )
    found = configuration()
    assert found.path == Path("pyproject.toml")
    assert (found.select, found.ignore) == (("L", "G"), ("L004",))
    assert (found.fail_on, found.budget, found.runs) == (FailOn.NEVER, 1.0, "kept")
    assert found.rules == {"G001": {"ratio": 7}}


def test_without_a_table_nothing_is_wished(project):
    project('[project]\nname = "x"\n[tool]\nother = 1\n')
    assert configuration() == Configuration()
    assert asked() == sorted(rule.code for rule in RULES)


def test_the_nearest_file_that_has_the_table_counts(project, tmp_path, monkeypatch):
    project('[tool.thalweg]\nruns = "kept"\nselect = ["L"]\n')
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "a" / "pyproject.toml").write_text('[project]\nname = "no table"\n')
    monkeypatch.chdir(inner)
    found = configuration()
    assert found.path == Path("../../pyproject.toml")
    assert found.runs == str(Path("../../kept"))
    (inner / "pyproject.toml").write_text("[tool.thalweg]\n")
    assert configuration() == Configuration(Path("pyproject.toml"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[tool.thalweg]\nslect = []", "pyproject.toml: [tool.thalweg] has no key 'slect': did you mean select?"),
        ("[tool.thalweg]\nfail_on = 'never'", "has no key 'fail_on': did you mean fail-on?"),
        ("[tool.thalweg]\nzzz = 1", "the keys are select, ignore, fail-on, budget, runs, rules"),
        ("[tool.thalweg]\nselect = 3", "select in [tool.thalweg] is a list of codes and families; got 3"),
        ("[tool.thalweg]\nignore = ['L', 3]", "ignore in [tool.thalweg] is a list"),
        ("[tool.thalweg]\nfail-on = 'error'", '"concern", "unassessed" or "never"; got \'error\''),
        ("[tool.thalweg]\nbudget = 0", "budget in [tool.thalweg] is a fraction above 0, up to 1; got 0"),
        ("[tool.thalweg]\nbudget = true", "budget in [tool.thalweg] is a fraction"),
        ("[tool.thalweg]\nbudget = nan", "budget in [tool.thalweg] is a fraction"),
        ("[tool.thalweg]\nruns = ''", "runs in [tool.thalweg] is the path of a folder"),
        ("[tool.thalweg]\nrules = ['G001']", "rules in [tool.thalweg] is a table of thresholds"),
        ("[tool.thalweg.rules]\nG001 = 5", "rules in [tool.thalweg] is a table of thresholds"),
        ("[tool]\nthalweg = 3", "pyproject.toml: tool.thalweg is a table; got 3"),
        ("[tool.thalweg", "pyproject.toml is not TOML: "),
        ("[tool.thalweg]\nselect = ['G02']", "pyproject.toml: select: there is no rule or family 'G02'"),
        ("[tool.thalweg]\nignore = ['all']", "pyproject.toml: no rule is left to ask"),
        ("[tool.thalweg.rules.G01]\na = 1", "pyproject.toml: [tool.thalweg.rules]: no rule 'G01': did you mean G001"),
        ("[tool.thalweg.rules.G001]\nratoi = 1", "rules.G001]: no threshold 'ratoi': did you mean ratio?"),
        ("[tool.thalweg.rules.G001]\nzzz = 1", "its thresholds are probability, ratio"),
        ("[tool.thalweg.rules.G001]\nratio = '7'", "ratio is a finite number, such as 5.0; got '7'"),
        ("[tool.thalweg.rules.G001]\nratio = true", "ratio is a finite number"),
        ("[tool.thalweg.rules.G001]\nratio = inf", "ratio is a finite number"),
        ("[tool.thalweg.rules.P002]\nsteps = 2.5", "steps is a whole number, such as 10; got 2.5"),
        ("[tool.thalweg.rules.P002]\nsteps = true", "steps is a whole number"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_the_file_and_the_key(project, text, words):
    project(text)
    with pytest.raises(UsageError) as caught:
        asked()
    assert words in str(caught.value)
    assert "pyproject.toml" in str(caught.value)


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_bytes(b"\xef\xbb\xbf[tool.thalweg]\nbudget = 0.5\n")
    assert configuration().budget == 0.5


def test_bytes_that_are_no_text_are_said(project, tmp_path):
    (tmp_path / "pyproject.toml").write_bytes(b"[tool.thalweg]\nruns = '\xff'")
    with pytest.raises(UsageError, match=r"pyproject.toml is not TOML"):
        configuration()


def test_thresholds_are_the_rules_own(project):
    project("[tool.thalweg.rules]\nG001.ratio = 7\nP002 = {steps = 3}\n")
    rules = {rule.code: rule for rule in configuration().asked(RULES)}
    assert (rules["G001"].ratio, rules["P002"].steps) == (7, 3)
    assert rules["G001"].probability == 1e-6
    assert next(rule for rule in RULES if rule.code == "G001").ratio == 5.0


def test_the_command_line_wins(project):
    project('[tool.thalweg]\nselect = ["L004", "G"]\nignore = ["G002"]\n')
    assert asked() == ["G001", "G003", "L004"]
    assert asked(ignore=["L"]) == ["G001", "G003"]
    assert asked(ignore=["G002"]) == ["G001", "G003", "L004"]
    assert asked(select=["G002"]) == ["G002"]
    assert asked(select=["N"], ignore=["G"]) == ["N001"]
    with pytest.raises(
        UsageError, match=r"^no rule is left to ask: pyproject.toml asks only rules that --ignore"
    ):
        asked(ignore=["L", "G"])
    with pytest.raises(UsageError, match=r"^ignore: there is no rule"):
        asked(ignore=["G02"])


def diagnosis(*verdicts: Verdict) -> Diagnosis:
    return Diagnosis("", tuple(Finding(f"X00{i}", "t", v, "m") for i, v in enumerate(verdicts)))


GOOD, BAD, GAP = Verdict.SATISFACTORY, Verdict.CONCERN, Verdict.UNASSESSED


@pytest.mark.parametrize(
    ("found", "concern", "unassessed"),
    [
        ([[GOOD]], 0, 0),
        ([[GOOD, GAP]], 0, 3),
        ([[GOOD, GAP, BAD]], 1, 1),
        ([[GAP]], 3, 3),
        ([[GOOD], [GAP]], 0, 3),
        ([[GOOD], [BAD]], 1, 1),
        ([[]], 3, 3),
        ([], 3, 3),
    ],
)
def test_exit_codes(found, concern, unassessed):
    diagnoses = [diagnosis(*verdicts) for verdicts in found]
    assert FailOn.CONCERN.exit_code(diagnoses) == concern
    assert FailOn.UNASSESSED.exit_code(diagnoses) == unassessed
    assert FailOn.NEVER.exit_code(diagnoses) == 0
