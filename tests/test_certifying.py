"""A certificate is made of its claims, written, read back and recomputed."""

import dataclasses
import json

import numpy as np
import pytest

import thalweg
from thalweg.certificate import Certificate, Claim, Outcome, Status
from thalweg.certifying import certificate_of, differences, study_certificate_of
from thalweg.errors import RunFolderError, UsageError
from thalweg.examination import BatchSharpness, Curvature, Examination, Gradients, Losses, Ritz, StepLimit
from thalweg.finding import Evidence
from thalweg.question import Question
from thalweg.record import Record, Series
from thalweg.store.certificates import certificate_text, read_certificate, write_certificate
from thalweg.study import Study
from thalweg.study_examination import FinalLosses, Line, Restarts, StudyExamination

RECORD = Record.of([Series("loss", "loss", np.arange(1, 9), np.linspace(2.0, 1.0, 8))])
EXAMINATION = Examination(
    parameters=12,
    examples=100,
    total=400,
    mode="inference",
    products=7,
    asked=10,
    seed=3,
    gradients=Gradients(np.array([0.1, -0.2]), np.array([1.0, 2.0, np.inf, 0.5]), 32),
    curvature=Curvature(
        Ritz(-0.1, 0.01), Ritz(9.0, np.nan), 7, nodes=np.array([0.5]), weights=np.array([1.0])
    ),
    step_limit=StepLimit(Ritz(9.0, 0.1), 20.0, "2 / learning rate", 0.1),
    batch_sharpness=BatchSharpness(np.array([3.0, np.nan]), np.array([0.5, 0.0]), 8),
    losses=Losses(np.array([1.0, 2.0]), np.array([])),
    missing={"noise": "it was not there"},
    subject={"weights": "ab" * 32},
)


class Loss(Question):
    name = "loss-known"
    statement = "The loss is known."
    assumptions = ("it was recorded",)

    def answer(self, record, examination):
        evidence = {"loss": Evidence(float(record.series["loss"].values[-1]), "loss", threshold=2.0)}
        return self.claim(Status.ESTABLISHED, "It was {loss}.", evidence, scope="the last step")


class Measured(Question):
    name = "measured"
    statement = "It was measured."
    part = "losses"

    def answer(self, record, examination):
        value = float(np.mean(examination.losses.training))
        return self.claim(Status.REFUTED, "It was {mean}.", {"mean": Evidence(value, "loss")})


class Broken(Question):
    name = "broken"
    statement = "It works."

    def answer(self, record, examination):
        raise RuntimeError("no")


ASKED = (Loss(), Measured())


def made(examination=EXAMINATION, record=RECORD, claims=ASKED):
    return certificate_of(record, examination, claims, version="1")


def test_a_claim_whose_part_was_not_measured_says_why():
    claim = made(Examination(missing={"losses": "no validation examples were kept"}))["measured"]
    assert claim.status is Status.NOT_ESTABLISHED
    assert claim.message == "Not looked at: no validation examples were kept."
    assert made(Examination(missing={"model": "a log holds no model"}))["measured"].message.endswith(
        "a log holds no model."
    )


def test_a_question_that_breaks_costs_its_own_claim(monkeypatch):
    monkeypatch.delenv("THALWEG_RAISE", raising=False)
    certificate = made(claims=(Broken(), Loss()))
    assert "a bug of Thalweg's" in certificate["broken"].message
    assert certificate["loss-known"].status is Status.ESTABLISHED


def same(a, b):
    """Equal in every field, arrays and NaN included."""
    if dataclasses.is_dataclass(a):
        return type(a) is type(b) and all(
            same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a)
        )
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b, equal_nan=True)
    if isinstance(a, float):
        return a == b or (np.isnan(a) and np.isnan(b))
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if hasattr(a, "items"):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a == b


def test_what_is_written_is_read_back(tmp_path):
    certificate = made()
    path = write_certificate(tmp_path / "certificate.json", certificate, EXAMINATION)
    for source in (path, tmp_path):
        read, examination = read_certificate(source)
        assert same(read, certificate)
        assert same(examination, EXAMINATION)
    assert json.loads(path.read_text(), parse_constant=pytest.fail)["schema"] == 1


def test_a_text_that_is_no_number_stays_one(tmp_path):
    claim = Claim(
        "a", "A.", Status.REFUTED, "It was b.", {"what": Evidence("2 / learning rate"), "n": Evidence(3)}
    )
    certificate = Certificate(Outcome.UNKNOWN, "Cannot tell.", (claim,))
    read = read_certificate(write_certificate(tmp_path / "c.json", certificate, Examination()))[0]
    assert same(read, certificate)
    assert isinstance(read["a"].evidence["n"].value, int)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 2}', '{"schema": 1, "certificate": 3}', "\x00"])
def test_what_is_no_certificate_is_said_in_a_sentence(tmp_path, text):
    (tmp_path / "certificate.json").write_text(text)
    with pytest.raises(RunFolderError, match="no certificate that can be read"):
        read_certificate(tmp_path)


def test_where_there_is_none_the_command_is_named(tmp_path):
    with pytest.raises(RunFolderError, match="thalweg certify"):
        read_certificate(tmp_path)


def test_a_certificate_differs_from_itself_in_nothing():
    assert differences(made(), made()) == ()


def test_rounding_is_no_difference_and_more_is():
    near = dataclasses.replace(EXAMINATION, losses=Losses(np.array([1.0, 2.001]), np.array([])))
    far = dataclasses.replace(EXAMINATION, losses=Losses(np.array([1.0, 2.2]), np.array([])))
    assert differences(made(), made(near)) == ()
    assert differences(made(), made(far)) == ("measured: mean was 1.5, now it is 1.6",)


def test_another_subject_and_another_status_are_named():
    other = Record.of([Series("loss", "loss", np.arange(1, 9), np.linspace(3.0, 1.0, 8))])
    assert "the record is another" in differences(made(), made(record=other))[0]
    gone = made(dataclasses.replace(EXAMINATION, losses=None))
    assert "measured was refuted, now it is not established" in differences(made(), gone)
    assert "measured was refuted, now it is not asked" in differences(made(), made(claims=(Loss(),)))


def test_the_exit_code_says_whether_it_converged():
    codes = {outcome: Certificate(outcome, "", ()).exit_code for outcome in Outcome}
    good = {Outcome.CONVERGED, Outcome.NOISE_BALL, Outcome.AGREEING}
    assert {o for o, code in codes.items() if code == 0} == good
    assert {o for o, code in codes.items() if code == 3} == {Outcome.UNKNOWN}


def test_a_log_is_certified_as_far_as_it_goes(tmp_path):
    log = tmp_path / "history.csv"
    log.write_text("epoch,loss\n" + "\n".join(f"{e},{1 / (e + 1)}" for e in range(30)))
    certificate = thalweg.certify(log)
    assert "record" in certificate.subject and "weights" not in certificate.subject


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"products": -1}, "0 or more; got -1"),
        ({"data": np.zeros(3)}, "data must be"),
        ({"data": (1, 2, 3, 4)}, "got tuple of 4"),
        ({"source": 3}, "got int"),
    ],
)
def test_what_cannot_be_asked_is_said_before_anything_starts(arguments, words):
    arguments = {"source": RECORD, **arguments}
    with pytest.raises(UsageError, match=words):
        thalweg.certify(arguments.pop("source"), **arguments)


def test_a_certificate_is_verified_from_its_record(tmp_path):
    from thalweg.store import Journal

    journal = Journal.create(tmp_path / "run", {"name": "run", "source": "thalweg"})
    journal.append([("loss", "loss")], np.arange(1, 301), np.linspace(2, 1, 300)[:, None])
    journal.close()
    certificate = thalweg.certify(tmp_path / "run", output=tmp_path / "run" / "certificate.json")
    examination = read_certificate(tmp_path / "run")[1]
    found = thalweg.verify(tmp_path / "run")
    assert found.holds and not found.measured and found.certificate == certificate
    told = dataclasses.replace(certificate, head="Cannot tell, but it looks well.")
    claim = dataclasses.replace(certificate.claims[0], message="It was well.")
    said = dataclasses.replace(certificate, claims=(claim, *certificate.claims[1:]))
    for other, words in (
        (told, "the head was 'Cannot tell, but"),
        (said, "no-trend was told in other words"),
    ):
        (tmp_path / "run" / "certificate.json").write_text(certificate_text(other, examination))
        assert words in thalweg.verify(tmp_path / "run").differences[0]
    forged = dataclasses.replace(certificate, outcome=Outcome.CONVERGED, head="Converged.")
    (tmp_path / "run" / "certificate.json").write_text(certificate_text(forged, examination))
    assert not thalweg.verify(tmp_path / "run").holds


def test_a_certificate_that_lies_elsewhere_takes_its_run(tmp_path):
    (tmp_path / "log").mkdir()
    log = tmp_path / "log" / "history.csv"
    log.write_text("epoch,loss\n1,2.0\n2,1.0\n")
    path = tmp_path / "certificate.json"
    thalweg.certify(log, output=path)
    with pytest.raises(UsageError, match="name the run as well"):
        thalweg.verify(path)
    assert thalweg.verify(path, log).holds
    log.write_text("epoch,loss\n1,2.0\n2,1.5\n")
    assert "the record is another" in thalweg.verify(path, log).differences[0]


def test_a_model_that_was_given_is_asked_for_again(tmp_path):
    certificate = dataclasses.replace(thalweg.certify(RECORD), subject={"weights": "1" * 64})
    without = dataclasses.replace(certificate, subject={})
    assert "the weights that it is of are not kept" in differences(certificate, without)[0]


STUDY = Study(("a", "b"), (RECORD, RECORD))
STUDIED = StudyExamination(
    examples=20,
    evaluations=5,
    asked=10,
    losses=FinalLosses(np.ones((2, 20)), np.empty((2, 0))),
    lines=(Line(0, 1, np.linspace(0, 1, 3), np.ones((3, 20)), 2.0),),
    restarts=Restarts(
        0,
        0.4,
        10,
        32,
        0.1,
        np.ones(20),
        np.ones(3),
        np.ones(20),
        np.ones((3, 20)),
        np.array([5, 10]),
        np.ones((4, 2)),
    ),
    missing={"basin": "no"},
)


def test_a_certificate_of_several_runs_is_written_read_and_made_again(tmp_path):
    certificate = study_certificate_of(STUDY, STUDIED, version="1")
    assert [claim.name for claim in certificate] == ["seeds-agree", "same-valley", "nothing-lower"]
    read, examination = read_certificate(write_certificate(tmp_path / "c.json", certificate, STUDIED))
    assert same(read, certificate) and same(examination, STUDIED)
    assert examination.restarts.looks.dtype == np.int64
    assert differences(read, study_certificate_of(STUDY, examination)) == ()


def test_several_runs_are_certified_as_far_as_they_kept_their_models():
    certificate = thalweg.certify(RECORD, Record.of([], {"name": "other"}))
    assert certificate.outcome is Outcome.UNKNOWN
    assert "no model was kept of 1" in certificate["seeds-agree"].message
    with pytest.raises(UsageError, match="of one run"):
        thalweg.certify(RECORD, RECORD, data=(1, 2))
