"""The page of several runs: what their certificate claims, and the loss on the way from one to another."""

from dataclasses import replace

import numpy as np
import pytest

from thalweg.certificate import Certificate, Outcome
from thalweg.render import study_page
from thalweg.study import Study
from thalweg.study_examination import FinalLosses, Line, StudyExamination

from . import samples
from .test_page import HOSTILE, Document


def document(*parts) -> Document:
    return Document(study_page(*(parts or samples.study())))


def titles(shown: Document) -> list[str]:
    return [a["aria-label"] for _, a in shown.tags if a.get("role") == "img"]


def test_the_page_is_whole_and_its_links_lead_somewhere():
    shown = document()
    assert sum(tag == "h1" for tag, _ in shown.tags) == 1 and len(shown.ids) == len(set(shown.ids))
    links = [a["href"] for tag, a in shown.tags if tag == "a"]
    assert links and all(link.startswith("#") and link[1:] in shown.ids for link in links)


def test_the_answer_comes_first_then_every_claim_then_what_it_is_of():
    study, certificate, _ = samples.study()
    shown = document()
    first = "The seeds agree. 3 runs ended at a loss of 0.1; they did not end in one valley. 1 established 1 refuted"
    assert first in shown.words
    assert ("div", {"class": "answer satisfactory"}) in shown.tags
    for claim in certificate:
        assert claim.statement in shown.words and claim.message in shown.words
    assert f"record of runs/digits-2 {study.digests['record of runs/digits-2'][:12]}" in shown.words
    assert "all 1,500 training examples, inference mode" in shown.words


@pytest.mark.parametrize(
    ("outcome", "kind"), [(Outcome.DISAGREEING, "concern"), (Outcome.UNKNOWN, "unassessed")]
)
def test_the_colour_is_that_of_the_exit_code(outcome, kind):
    study, certificate, examination = samples.study()
    shown = document(study, replace(certificate, outcome=outcome, head="Cannot tell."), examination)
    assert ("div", {"class": f"answer {kind}"}) in shown.tags and "Cannot tell. 1 established" in shown.words


def test_each_line_is_a_picture_with_a_curve_as_it_is_and_one_with_units_matched():
    shown = document()
    before, after = shown.payload["pictures"][0]["lines"]
    assert (before["name"], after["name"]) == ("as they are", "units matched")
    # By hand: the mean of the two groups is 0.1 at the ends and 2.1 in the middle, a tenth of that after matching.
    assert before["points"][5] == [0.5, 2.1] and after["points"][5] == [0.5, 0.21]
    assert before["points"][0] == [0, 0.1] and after["points"][10] == [1, 0.01]
    assert "As they are: 0.1 at the start, 0.1 at the end, highest 2.1 at position 0.5." in shown.words
    assert (
        "To match, 61 of 64 hidden units of the second were put in another place; its distance from the first went "
        "from 20.8 to 15.7." in shown.words
    )


def test_the_line_that_a_claim_names_comes_first_then_those_of_the_first_run():
    assert titles(document()) == [
        "The loss from digits-2 to digits-3",
        "The loss from digits-1 to digits-2",
        "The loss from digits-1 to digits-3",
    ]
    shown = document(*samples.study(6))
    assert titles(shown) == ["The loss from digits-2 to digits-6"] + [
        f"The loss from digits-1 to digits-{n}" for n in (2, 3, 4, 5)
    ]
    assert "5 of the 15 lines between runs that were looked at are drawn." in shown.words
    assert "lines between runs" not in document().words


@pytest.mark.parametrize(
    ("names", "ends"),
    [
        (("/deep/in/runs/train", "/deep/in/runs/train-2"), "train to train-2"),
        (("a/seed/1", "b/seed/1"), "a/seed/1 to b/seed/1"),
        (("runs", "runs/b"), "runs to runs/b"),
        (("1", "other"), "1 to other"),
    ],
)
def test_a_picture_is_called_by_what_tells_the_runs_apart(names, ends):
    shown = document(*samples.study(2, names))
    assert titles(shown) == [f"The loss from {ends}"]
    assert all(f"{name} 0" in shown.words or f"{name} 1" in shown.words for name in names)


def test_why_hidden_units_were_not_matched_is_said():
    shown = document(*samples.study(matched=False))
    assert [len(p["lines"]) for p in shown.payload["pictures"]] == [1, 1, 1]
    assert "Hidden units were not matched: the model has two inputs." in shown.words


def test_each_run_has_a_row_with_its_losses_and_differences_are_said():
    shown = document()
    # By hand: the mean of 0.08 and 0.12, twice that, and three times.
    assert "runs/digits-2 1 2,000 steps, 20 epochs, completed 0.2 0.4 runs/digits-3 2" in shown.words
    study, certificate, examination = samples.study()
    training = FinalLosses(examination.losses.training, np.empty((3, 0)))
    alone = document(study, certificate, replace(examination, losses=training)).words
    assert "length training loss runs/digits-1 0 2,000 steps, 20 epochs, completed 0.1 runs" in alone
    other = replace(study.records[1], info={**study.records[1].info, "loss": "mse"})
    odd = Study(study.names, (study.records[0], other, study.records[2]))
    assert "The loss of runs/digits-2 is mse" in document(odd, certificate, examination).words
    bare = document(study, certificate, replace(examination, losses=None)).words
    assert "training loss" not in bare.partition(" Runs run ")[2] and "runs/digits-2 1 2,000 steps" in bare


def test_no_name_becomes_markup():
    shown = document(*samples.study(2, ("a", HOSTILE)))
    assert not any(tag == "img" for tag, _ in shown.tags)
    assert sum(tag == "script" for tag, _ in shown.tags) == 3
    assert "</script><img src=x onerror=alert(1)>" in shown.words


def test_what_does_not_fit_together_is_left_out_and_counted():
    study, certificate, examination = samples.study()
    t = np.array([0.0, 1.0])
    odd = (
        Line(0, 9, t, np.full((2, 3), np.nan), np.nan),
        Line(-1, 1, t, np.ones(2), 1.0),
        Line(0, 1, np.empty(0), np.empty((0, 3)), 1.0),
        Line(0, 1, t, np.array([[1e308, 1e308], [1.0, 1.0]]), 1.0, matched=np.ones((5, 2))),
        Line(0, 1, t, np.ones((2, 0)), 1.0),
    )
    losses = FinalLosses(np.full((2, 3), 1.0), np.empty(0))
    shown = document(study, certificate, replace(examination, lines=odd, losses=losses))
    assert titles(shown) == []
    assert "0 of the 5 lines between runs that were looked at are drawn." in shown.words
    empty = document(study, Certificate(Outcome.UNKNOWN, "", ()), StudyExamination())
    assert titles(empty) == [] and "runs/digits-1" in empty.words
