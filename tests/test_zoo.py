"""The zoo's own arithmetic: what counts as a fault, as a right answer, as a false alarm."""

import math
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.zoo import evidence, picture, table
from benchmarks.zoo.program import Program, Training, codes
from benchmarks.zoo.results import Result, Results
from thalweg import Family


def build(rng, size=1.0):
    return Training(None, {}, lambda: 0.0)


BAD = Program(
    "bad",
    build,
    {"faulty": {"size": 9.0}, "twin": {"size": 1.0}, "P003": {"size": 2.0}, "P005": {"size": 3.0}},
    Family.DATA,
    codes("D002"),
)
GOOD = Program("good", build, {"healthy": {}}, true=codes("L004"))
PROGRAMS = {"bad": BAD, "good": GOOD}


def run(program, variant, seed, quality=0.5, concerns=(), satisfied=(), **more):
    said = {**dict.fromkeys(concerns, "concern"), **dict.fromkeys(satisfied, "satisfactory")}
    return Result(program.name, variant, seed, "numpy", program.source(variant), quality, 1.0, said, **more)


def zoo(faulty=("D002",), twin=(), healthy=()):
    """Five seeds, in which the fault costs 0.4 and one of two other changes mends it."""
    runs = []
    for seed in range(100, 105):
        shift = 0.01 * (seed - 100)
        runs += [
            run(BAD, "faulty", seed, 0.5 + shift, faulty, ["N001"]),
            run(BAD, "twin", seed, 0.9 + shift, twin),
            run(BAD, "P003", seed, 0.88 + shift),
            run(BAD, "P005", seed, 0.6 + shift),
            run(GOOD, "healthy", seed, 0.9, healthy),
        ]
    return runs


def figures(runs):
    return evidence.part(PROGRAMS, runs, "numpy", lambda seed: True)


def test_a_fault_is_worse_by_a_test_and_by_half_a_deviation():
    worse = [0.1 * i for i in range(10)]
    shown = evidence.compared(worse, [v + 1.0 for v in worse])
    assert shown.valid
    assert shown.d == pytest.approx(1.0 / 0.302765, rel=1e-4)
    assert shown.p == pytest.approx(1 / math.comb(20, 10), rel=0.5, abs=2e-4)
    assert not evidence.compared(worse, worse).valid
    assert not evidence.compared([v + 1.0 for v in worse], worse).valid


def test_a_small_but_sure_difference_is_no_fault():
    many = [float(i % 10) for i in range(400)]
    small = evidence.compared(many, [v + 1.0 for v in many])
    assert small.p < 0.001 and small.d < 0.5 and not small.valid


def test_training_that_ended_in_no_number_is_the_worst():
    assert evidence.compared([None] * 5, [0.1, 0.2, 0.3, 0.4, 0.5]).valid
    assert not evidence.compared([None] * 5, [None] * 5).valid
    assert not evidence.compared([0.1], [0.9]).valid


def test_only_a_change_measured_to_mend_is_another_right_answer():
    runs = [r for r in zoo() if r.program == "bad"]
    assert evidence.accepted(BAD, runs) == {"D002", "P003"}


def test_the_rank_is_that_of_the_first_right_finding():
    assert [j.rank for j in figures(zoo(("B001", "P003", "D002"))).faulty] == [2] * 5
    assert [j.rank for j in figures(zoo(("B001",))).faulty] == [None] * 5


def test_satisfied_rules_are_no_concerns():
    assert all(j.run.concerns == ["D002"] for j in figures(zoo()).faulty)


def test_a_concern_on_a_twin_or_a_healthy_run_is_a_false_alarm_unless_it_is_true():
    part = figures(zoo(twin=("G001",), healthy=("L004",)))
    assert sorted(j.alarms for j in part.healthy) == [[]] * 5 + [["G001"]] * 5
    assert "5 of 10" in table.summary(part)


def test_a_program_that_is_no_fault_here_leaves_the_figures():
    runs = [run(BAD, r.variant, r.seed, 0.5) if r.program == "bad" else r for r in zoo()]
    part = figures(runs)
    assert not part.faulty and len(part.healthy) == 5
    assert "not a fault here" in table.programs(part)


def test_precision_asks_the_causes_only():
    told = figures(zoo(("D002", "G002", "B001")))
    assert [j.causes for j in told.faulty] == [["D002", "G002"]] * 5
    folded = [
        run(BAD, "faulty", r.seed, r.quality, r.concerns, because={"G002": "D002"})
        if r.variant == "faulty"
        else r
        for r in zoo(("D002", "G002", "B001"))
    ]
    assert [j.causes for j in figures(folded).faulty] == [["D002"]] * 5


def test_programs_without_their_data_are_counted_and_left_out():
    runs = [run(GOOD, "healthy", 100, None, failed="no data: x.csv")]
    part = figures(runs)
    assert part.skipped == ("good",) and not part.judged


def test_wilson():
    assert evidence.wilson(0, 0) == "-"
    assert evidence.wilson(0, 100) == "0 of 100, 0 % (0 to 3.7)"
    assert evidence.wilson(90, 100).startswith("90 of 100, 90 % (83 to 94.5")


def test_the_picture_counts_every_run_once():
    counts = evidence.confusion(figures(zoo(healthy=("G001",))).judged)
    assert counts == {("data", "data"): 5, ("healthy", "nothing"): 5, ("healthy", "optimisation"): 5}
    drawn = ElementTree.fromstring(picture.svg(counts, "a < b"))
    texts = [element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count("5") == 3 and "a < b" in texts


def test_results_are_kept_and_read_again_until_the_program_changes(tmp_path):
    path = tmp_path / "results.jsonl"
    first = run(BAD, "faulty", 1, 0.5, ["D002"])
    Results(path, [BAD]).add(first)
    Results(path, [BAD]).add(run(BAD, "faulty", 1, 0.7, ["D003"]))
    again = Results(path, [BAD])
    assert first.key in again
    assert [r.quality for r in again] == [0.7]
    changed = Program("bad", build, {**BAD.variants, "faulty": {"size": 10.0}}, Family.DATA)
    assert first.key not in Results(path, [changed])


def test_a_digest_holds_in_every_process():
    """No address of an object, which is another one in the next process, enters it."""
    one, other = (Program("p", build, {"faulty": {"size": object()}}) for _ in range(2))
    assert one.source("faulty") == other.source("faulty")


def test_a_failed_training_is_tried_again(tmp_path):
    results = Results(tmp_path / "results.jsonl", [BAD])
    results.add(run(BAD, "faulty", 1, None, failed="over 9 s"))
    assert ("bad", "faulty", 1, "numpy") not in results


def test_qualities_are_kept_for_whether_a_fault_is_one_and_for_nothing_else(tmp_path):
    kept = tmp_path / "qualities.csv"
    results = Results(tmp_path / "results.jsonl", [BAD], kept)
    for seed in range(5):
        results.add(run(BAD, "faulty", seed, 0.125 * seed, ["D003"]))
        results.add(run(BAD, "twin", seed, None if seed else 0.9, []))
    assert results.keep(kept) == 10
    again = Results(tmp_path / "none.jsonl", [BAD], kept)
    assert {r.key: r.quality for r in again} == {r.key: r.quality for r in results}
    assert not any(r.judged or r.key in again for r in again)
    assert evidence.validity(BAD, again) == evidence.validity(BAD, results)
    assert evidence.part(PROGRAMS, again, "numpy", lambda seed: True).judged == ()
