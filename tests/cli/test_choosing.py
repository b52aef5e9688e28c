"""Rules chosen on the command line, in `pyproject.toml` and by installed packages, as a user types it."""

import json
import os
import subprocess
import sys
from xml.etree import ElementTree

import pytest

import thalweg as package
from thalweg.rules import RULES

pytestmark = pytest.mark.e2e

CODES = {rule.code for rule in RULES}


@pytest.fixture
def thalweg(tmp_path):
    """Runs the command line in a folder of its own, with further packages where asked."""

    def run(*arguments, path=None):
        command = [sys.executable, "-m", "thalweg", *map(str, arguments)]
        paths = [str(path)] if path else []
        settings = {**os.environ, "PYTHONPATH": os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")])}
        return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path, env=settings)

    return run


def asked(found):
    return {finding["code"] for finding in json.loads(found.stdout)["findings"]}


def test_select_and_ignore(thalweg, runs):
    found = thalweg(
        "diagnose", "--json", "--select", "G,L", "--select", "n001", "--ignore", "L004", runs / "broken"
    )
    assert asked(found) == {code for code in CODES if code[0] in "GL"} - {"L004"} | {"N001"}
    assert found.returncode == 1
    # Nothing wrong is among what is asked.
    found = thalweg("diagnose", "--select", "A001,P002", runs / "broken")
    assert found.returncode == 3
    assert "N001" not in found.stdout


@pytest.mark.parametrize("command", [["diagnose"], ["report", "-o", "page.html"]])
def test_an_unknown_name_is_a_usage_error_with_the_nearest(thalweg, runs, command):
    found = thalweg(*command, "--ignore", "G02", runs / "broken")
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith("thalweg: ignore: there is no rule or family 'G02': did you mean ")


def test_fail_on(thalweg, runs):
    codes = {
        (run, value): thalweg("diagnose", "--fail-on", value, runs / run).returncode
        for run in ("healthy", "broken")
        for value in ("CONCERN", "unassessed", "never")
    }
    assert codes == {
        ("healthy", "CONCERN"): 0, ("healthy", "unassessed"): 3, ("healthy", "never"): 0,
        ("broken", "CONCERN"): 1, ("broken", "unassessed"): 1, ("broken", "never"): 0,
    }  # fmt: skip
    found = thalweg("diagnose", "--json", "--fail-on", "never", runs / "broken")
    assert (json.loads(found.stdout)["exit_code"], found.returncode) == (0, 0)
    assert thalweg("diagnose", "--fail-on", "error", runs / "healthy").returncode == 2
    assert thalweg("diagnose", "--fail-on", "never", "nowhere").returncode == 2


def test_every_format_is_the_whole_of_standard_output(thalweg, runs):
    def of(*options):
        found = thalweg("diagnose", *options, runs / "broken")
        assert (found.returncode, found.stderr) == (1, "")
        return found.stdout

    assert json.loads(of("--format", "json")) == json.loads(of("--json"))
    (run,) = json.loads(of("--format", "sarif"))["runs"]
    assert {rule["id"] for rule in run["tool"]["driver"]["rules"]} == CODES
    assert run["invocations"][0]["exitCode"] == 1
    assert len(ElementTree.fromstring(of("--format", "JUnit")).findall("testsuite/testcase")) == len(CODES)
    assert of("--format", "text") == of()
    assert thalweg("diagnose", "--json", "--format", "sarif", runs / "broken").returncode == 2


def test_a_project_chooses_and_a_note_says_so(thalweg, runs, tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        '[tool.thalweg]\nselect = ["N", "L"]\nignore = ["L004"]\nfail-on = "never"\nrules.L003.amplitude = 0.5\n'
    )
    chosen = {code for code in CODES if code[0] in "NL"} - {"L004"}
    found = thalweg("diagnose", "--json", runs / "broken")
    assert (asked(found), found.returncode) == (chosen, 0)
    left_out = f"pyproject.toml leaves out {len(CODES) - len(chosen)} of {len(CODES)} rules"
    notes = [left_out, "pyproject.toml sets thresholds of L003"]
    assert json.loads(found.stdout)["notes"] == notes
    said = "".join(f"thalweg: note: {note}\n" for note in notes)
    assert thalweg("diagnose", runs / "broken").stderr == said
    assert thalweg("report", runs / "broken").stderr == said
    found = thalweg("diagnose", "--json", "--select", "G", runs / "broken")
    assert asked(found) == {code for code in CODES if code[0] == "G"}
    assert json.loads(found.stdout)["notes"] == notes[1:]  # the file leaves nothing out of this
    assert thalweg("diagnose", "--fail-on", "concern", runs / "broken").returncode == 1
    log = json.loads(thalweg("diagnose", "--format", "sarif", runs / "broken").stdout)
    (descriptor,) = (r for r in log["runs"][0]["tool"]["driver"]["rules"] if r["id"] == "L003")
    assert descriptor["properties"]["thresholds"]["amplitude"] == 0.5


def test_a_wrong_project_is_one_line(thalweg, runs, tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.thalweg]\nfailon = 'never'\n")
    found = thalweg("diagnose", runs / "broken")
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr == (
        "thalweg: pyproject.toml: [tool.thalweg] has no key 'failon': did you mean fail-on?\n"
    )


RULE = '''
from dataclasses import dataclass
from thalweg import Evidence, Family, Finding, Record, Remedy, Rule, Verdict


@dataclass(frozen=True)
class Long(Rule):
    """A run that is too long for us.

    ## What it asks

    Did the run stay within our quota?
    """

    code = "ACME001"
    title = "Longer than the quota"
    family = Family.OPTIMISATION
    needs = (("loss",),)
    steps: int = 100

    def assess(self, record: Record) -> Finding:
        evidence = {"steps": Evidence(record.last_step, "steps", threshold=self.steps)}
        verdict = Verdict.CONCERN if record.last_step > self.steps else Verdict.SATISFACTORY
        remedies = (Remedy("Train for less.", "The quota is small."),)
        return self.finding(verdict, "The run took {steps} steps.", evidence, series=("loss",), remedies=remedies)
'''


@pytest.fixture
def site(tmp_path):
    """A folder of packages as pip leaves them: one good, one whose import fails."""
    folder = tmp_path / "site"
    for name, text, target in (("acme", RULE, "Long"), ("rusty", "import nothing_of_that_name", "x")):
        (folder / f"{name}.dist-info").mkdir(parents=True)
        (folder / f"{name}.py").write_text(text)
        information = folder / f"{name}.dist-info"
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: thalweg-{name}\nVersion: 1.0\n")
        (information / "entry_points.txt").write_text(f"[thalweg.rules]\nours = {name}:{target}\n")
    return folder


BROKEN = (
    "the rules `ours` of thalweg-rusty were left out "
    "(ModuleNotFoundError: No module named 'nothing_of_that_name')"
)


def test_the_rule_of_an_installed_package_is_asked_and_one_that_breaks_is_a_note(
    thalweg, runs, site, tmp_path
):
    found = thalweg("diagnose", "--json", runs / "healthy", path=site)
    assert asked(found) == CODES | {"ACME001"}
    assert found.returncode == 1
    assert json.loads(found.stdout)["notes"] == [BROKEN]
    found = thalweg("diagnose", "--select", "acme", runs / "healthy", path=site)
    assert "concern[ACME001] Longer than the quota" in found.stdout
    assert found.stderr == f"thalweg: note: {BROKEN}\n"
    (tmp_path / "pyproject.toml").write_text("[tool.thalweg.rules.ACME001]\nsteps = 1000\n")
    assert thalweg("diagnose", runs / "healthy", path=site).returncode == 0
    assert thalweg("diagnose", runs / "healthy").returncode == 2  # there is no such rule here


def test_explain_knows_the_rules_of_installed_packages(thalweg, site):
    assert "\n  ACME001  Longer than the quota" in thalweg("explain", path=site).stdout
    page = thalweg("explain", "acme001", path=site)
    assert page.stdout.startswith("ACME001: Longer than the quota\n\n## What it asks\n\nDid the run stay")
    assert thalweg("explain", "acme001").returncode == 2


def test_the_python_interface_asks_them_too(runs, site):
    program = (
        "import sys, thalweg\n"
        "found = thalweg.diagnose(sys.argv[1], select='ACME')\n"
        "print(found.findings[0].verdict, found.notes, len(thalweg.RULES))\n"
    )
    settings = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-c", program, str(runs / "healthy")]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, env=settings)
    assert found.stdout == f"concern {(BROKEN,)!r} {len(package.RULES)}\n"
