"""SARIF and JUnit, held against what their specifications ask for."""

import json
import re
from xml.etree import ElementTree

import numpy as np
import pytest

import thalweg
from thalweg import RULES, Event, Evidence, Family, Finding, Record, Remedy, Verdict
from thalweg.cli.junit import junit
from thalweg.cli.sarif import sarif
from thalweg.finding import Diagnosis

CONCERN = Finding(
    "L002", "Diverging loss", Verdict.CONCERN, "The loss rose to 7.", {"loss": Evidence(float("inf"), "loss", 1.0)},
    ("loss",), np.int64(40), "dense_1",
    (Remedy("Lower it.", "It is high.", code="Adam(1e-4)"), Remedy("Wait.", "So.")), Family.OPTIMISATION,
)  # fmt: skip
EFFECT = Finding(
    "L001", "Loss not decreasing", Verdict.CONCERN, "It did not fall.", remedies=CONCERN.remedies
)
GAP = Finding("G002", "Vanishing", Verdict.UNASSESSED, "Not assessed: there were 2.")
GOOD = Finding("N001", "Not finite", Verdict.SATISFACTORY, "All 4 were finite.")
DIAGNOSIS = Diagnosis("No.", (CONCERN, EFFECT, GOOD, GAP), {"L001": "L002"}, ("`x` was left out",))
RECORD = Record.of([], {"name": "train-1"}, [Event(40, "finished", {"reason": "completed"})])
ASKED = tuple(rule for rule in RULES if rule.code in ("L002", "L001", "N001", "G002"))


@pytest.fixture(scope="module")
def log():
    text = json.dumps(sarif(DIAGNOSIS, RECORD, ASKED, "runs/a b#1", exit_code=1), allow_nan=False)
    return json.loads(text)


def test_a_sarif_log_has_what_the_specification_requires(log):
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("Thalweg", thalweg.__version__)
    (invocation,) = run["invocations"]
    assert (invocation["executionSuccessful"], invocation["exitCode"]) == (True, 1)


ALLOWED = {
    "log": {"$schema", "version", "runs"},
    "runs": {"tool", "automationDetails", "invocations", "results", "properties"},
    "tool": {"driver"},
    "driver": {"name", "version", "semanticVersion", "rules"},
    "rules": {
        "id", "name", "shortDescription", "fullDescription", "help", "defaultConfiguration", "properties",
    },
    "automationDetails": {"id"},
    "invocations": {
        "executionSuccessful", "exitCode", "toolExecutionNotifications", "toolConfigurationNotifications",
    },
    "toolExecutionNotifications": {"level", "message", "associatedRule"},
    "toolConfigurationNotifications": {"level", "message"},
    "associatedRule": {"id", "index"},
    "defaultConfiguration": {"level"},
    "message": {"text", "markdown"},
    "help": {"text", "markdown"},
    "results": {
        "ruleId", "ruleIndex", "kind", "level", "message", "locations", "partialFingerprints", "properties",
    },
    "locations": {"physicalLocation", "logicalLocations"},
    "physicalLocation": {"artifactLocation", "region"},
    "logicalLocations": {"name", "kind"},
}  # fmt: skip
"""Of the specification's property names those that are used; its schema refuses all others."""


def test_sarif_objects_have_no_property_that_the_schema_would_refuse(log):
    def look(value, key):
        if isinstance(value, list):
            for each in value:
                look(each, key)
        elif isinstance(value, dict):
            assert key not in ALLOWED or value.keys() <= ALLOWED[key], f"{key}: {value.keys()}"
            for name, each in value.items():
                if name != "properties":  # a bag of whatever a tool wants to say
                    look(each, name)

    look(log, "log")


def test_sarif_rules_carry_their_manual_pages(log):
    descriptors = log["runs"][0]["tool"]["driver"]["rules"]
    assert [each["id"] for each in descriptors] == [rule.code for rule in ASKED]
    for each, rule in zip(descriptors, ASKED, strict=True):
        assert each["name"] == type(rule).__name__
        assert each["shortDescription"]["text"] == f"{rule.title}."
        assert each["fullDescription"]["text"].endswith("?")  # what it asks
        assert "\n" not in each["fullDescription"]["text"]
        assert each["help"] == {"text": rule.manual(), "markdown": rule.manual()}
        assert each["defaultConfiguration"]["level"] == "warning"
        assert each["properties"]["family"] == rule.family
        assert each["properties"]["thresholds"] == vars(rule)


def test_sarif_results_are_the_concerns_alone_because_github_shows_every_result_as_an_alert(log):
    run = log["runs"][0]
    first, second = run["results"]
    rules = run["tool"]["driver"]["rules"]
    for result, code in ((first, "L002"), (second, "L001")):
        assert result["ruleId"] == rules[result["ruleIndex"]]["id"] == code
        assert (result["kind"], result["level"]) == ("fail", "warning")
    assert first["message"]["text"] == "The loss rose to 7."
    assert first["message"]["markdown"].splitlines()[2:] == [
        "1. Lower it. `Adam(1e-4)` It is high.", "2. Wait. So.",
    ]  # fmt: skip
    (location,) = first["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "runs/a%20b%231"
    assert location["physicalLocation"]["region"] == {"startLine": 1}  # GitHub takes no result without
    assert location["logicalLocations"][0]["name"] == "dense_1"
    assert "logicalLocations" not in second["locations"][0]
    assert first["properties"]["evidence"]["loss"]["value"] == "Infinity"
    assert (first["properties"]["step"], first["properties"]["family"]) == (40, "optimisation")
    assert (first["properties"]["because"], second["properties"]["because"]) == (None, "L002")
    assert run["properties"]["verdicts"] == {"satisfactory": 1, "concern": 2, "unassessed": 1}


def test_sarif_says_what_could_not_be_assessed_or_had(log):
    (invocation,) = log["runs"][0]["invocations"]
    (gap,) = invocation["toolExecutionNotifications"]
    assert (gap["level"], gap["message"]["text"]) == ("note", GAP.message)
    rules = log["runs"][0]["tool"]["driver"]["rules"]
    assert rules[gap["associatedRule"]["index"]]["id"] == gap["associatedRule"]["id"] == "G002"
    (note,) = invocation["toolConfigurationNotifications"]
    assert note == {"level": "warning", "message": {"text": "`x` was left out"}}


def test_sarif_tells_two_runs_and_two_layers_apart_and_the_same_finding_not():
    def prints(record, *findings):
        run = sarif(Diagnosis("", findings), record, ASKED, "x", exit_code=1)["runs"][0]
        return run["automationDetails"]["id"], [
            r["partialFingerprints"]["primaryLocationLineHash"] for r in run["results"]
        ]

    assert prints(RECORD, CONCERN) == prints(RECORD, CONCERN)
    assert prints(RECORD, CONCERN, EFFECT)[1][0] != prints(RECORD, CONCERN, EFFECT)[1][1]
    assert prints(RECORD, CONCERN)[0] != prints(Record.of([]), CONCERN)[0]
    assert re.fullmatch("thalweg/.+/", prints(Record.of([]), CONCERN)[0])


def test_sarif_of_a_healthy_run_has_no_result_and_says_so(tmp_path):
    found = sarif(Diagnosis("Yes.", (GOOD,)), RECORD, ASKED, str(tmp_path / "log.csv"), exit_code=0)
    assert found["runs"][0]["results"] == []
    assert found["runs"][0]["invocations"][0]["exitCode"] == 0


def test_a_source_outside_the_working_directory_is_an_absolute_uri(tmp_path):
    run = sarif(DIAGNOSIS, RECORD, ASKED, str(tmp_path / "log.csv"), exit_code=1)["runs"][0]
    uri = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == (tmp_path / "log.csv").as_uri()


def test_junit_has_a_test_case_for_every_rule():
    root = ElementTree.fromstring(junit(DIAGNOSIS, RECORD))
    assert root.tag == "testsuites"
    (suite,) = root
    assert suite.tag == "testsuite"
    assert {key: suite.get(key) for key in ("name", "tests", "failures", "errors", "skipped")} == {
        "name": "thalweg train-1", "tests": "4", "failures": "2", "errors": "0", "skipped": "1",
    }  # fmt: skip
    cases = suite.findall("testcase")
    assert [case.get("name") for case in cases] == [f"{f.code} {f.title}" for f in DIAGNOSIS]
    assert cases[0].get("classname") == "thalweg.optimisation"
    assert [[child.tag for child in case] for case in cases] == [
        ["failure"], ["failure"], ["system-out"], ["skipped"],
    ]  # fmt: skip
    failure = cases[0][0]
    assert (failure.get("message"), failure.get("type")) == ("The loss rose to 7.", "concern")
    assert failure.text.splitlines() == [
        "The loss rose to 7.", "Where: dense_1, step 40", "1. Lower it. `Adam(1e-4)` It is high.", "2. Wait. So.",
        "More: thalweg explain L002",
    ]  # fmt: skip
    assert "Because of: L002" in cases[1][0].text
    assert cases[2][0].text == "All 4 were finite."
    assert cases[3][0].get("message") == "there were 2."
    properties = {each.get("name"): each.get("value") for each in suite.find("properties")}
    assert properties["answer"] == "No."
    assert properties["note 1"] == "`x` was left out"


def test_junit_is_ascii_and_well_formed_whatever_a_name_holds():
    odd = Finding(
        "X001",
        "a<b>&\"'\x00\x1b\ud800é",
        Verdict.CONCERN,
        "m\x08 ]]> é.",
        layer="\x01",
        remedies=CONCERN.remedies,
    )
    text = junit(Diagnosis("", (odd,), notes=("\x02",)), Record.of([], {"name": "\x00<"}))
    text.encode("ascii")
    case = ElementTree.fromstring(text).find("testsuite/testcase")
    assert case.get("name") == "X001 a<b>&\"'\ufffd\ufffd\ufffdé"
    assert case[0].get("message") == "m\ufffd ]]> é."
