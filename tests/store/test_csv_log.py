"""Logs in CSV, as Keras, pandas, spreadsheets and other tools leave them."""

import csv
import io
import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thalweg.errors import RunFolderError
from thalweg.store import read
from thalweg.store.csv_log import read_csv

from .reading import points, record_of, said

KERAS = """epoch,accuracy,learning_rate,loss,val_accuracy,val_loss
0,0.5,0.001,2.0,0.4,2.1
1,0.6,0.0009,1.5,0.5,1.7
"""


def test_keras_csv_logger(tmp_path):
    record = record_of(tmp_path, KERAS)
    assert dict(record.info) == {"name": "log", "source": "csv", "step_unit": "epoch"}
    assert list(record.series) == [
        "epoch_accuracy", "epoch_learning_rate", "epoch_loss", "validation_accuracy", "validation_loss",
    ]  # fmt: skip
    assert points(record, "epoch_loss") == {1: 2.0, 2: 1.5}
    assert points(record, "validation_accuracy") == {1: 0.4, 2: 0.5}
    assert [series.unit for series in record.series.values()] == ["accuracy", "1", "loss", "accuracy", "loss"]
    assert [(event.kind, event.step, event.detail["epoch"]) for event in record.events] == [
        ("epoch", 1, 1),
        ("epoch", 2, 2),
    ]


@pytest.mark.parametrize(
    "content",
    [
        "\ufeff" + KERAS,
        KERAS.encode("utf-16"),
        KERAS.replace("\n", "\r\n"),
        KERAS.replace("\n", "\n\n,,,,,\n"),
        KERAS.replace(",", ";"),
        KERAS.replace(",", "\t"),
        KERAS.replace(",", ";").replace(".", ","),
        KERAS.replace("epoch,", "Epoch, ")
        .replace("val_loss", "Validation Loss")
        .replace("learning_rate", "lr"),
        KERAS.replace("epoch", ""),
        KERAS.replace("epoch", "Unnamed: 0"),
        KERAS.replace("\n0,", "\n1,").replace("\n1,0.6", "\n2,0.6"),
        KERAS.replace("\n", ",note\n", 1).replace("2.1\n", "2.1,\n").replace("1.7\n", "1.7,\n"),
        KERAS[:-1],
        ",".join(["n", *KERAS.split("\n")[0].split(",")[1:]]).removeprefix("n,")
        + "\n0.5,0.001,2.0,0.4,2.1\n0.6,0.0009,1.5,0.5,1.7\n",
    ],
)
def test_the_same_log_in_other_clothes(tmp_path, content):
    plain, other = record_of(tmp_path, KERAS), record_of(tmp_path, content)
    assert not said(other)
    assert other.digest() == plain.digest()


def test_absent_is_not_the_same_as_not_finite(tmp_path):
    record = record_of(tmp_path, "epoch,loss,val_loss\n0,nan,NA\n1,inf,\n2,-inf,None\n3,1,0.5\n")
    np.testing.assert_array_equal(record.series["epoch_loss"].values, [math.nan, math.inf, -math.inf, 1])
    assert points(record, "validation_loss") == {4: 0.5}


def test_steps_count_where_they_are(tmp_path):
    content = "epoch,step,train_loss,val_loss,lr\n0,49,2.5,,0.1\n0,99,2.0,,0.1\n0,99,,1.9,\n1,149,1.5,,0.01\n"
    record = record_of(tmp_path, content)
    assert record.info["step_unit"] == "step"
    assert points(record, "loss") == {49: 2.5, 99: 2.0, 149: 1.5}
    assert points(record, "validation_loss") == {99: 1.9}
    assert points(record, "learning_rate") == {49: 0.1, 99: 0.1, 149: 0.01}
    assert [(event.kind, event.detail["what"]) for event in record.events] == [
        ("guessed", "read 'train_loss' as the loss")
    ]


def test_a_training_that_was_resumed_or_begun_again_is_one_training(tmp_path):
    record = record_of(tmp_path, "epoch,loss\n0,9\n1,8\n2,7\n1,5\n2,4\n3,3\n")
    assert points(record, "epoch_loss") == {1: 9, 2: 5, 3: 4, 4: 3}
    assert said(record) == ["the log went back to epoch 2 at row 4: 2 earlier rows from there on gave way"]
    again = record_of(tmp_path, "epoch,loss\n0,9\n1,8\n2,7\nepoch,loss\n0,6\n1,5\n")
    assert points(again, "epoch_loss") == {1: 6, 2: 5}
    assert [len(said(again)), said(again)[0]] == [2, "1 repeated header left out"]
    often = record_of(tmp_path, "epoch,loss\n0,9\n1,8\n0,7\n1,6\n0,5\n")
    assert points(often, "epoch_loss") == {1: 5}
    assert said(often) == [
        "the log went back to epoch 1 at row 3, and 1 more time: 4 earlier rows from there on gave way"
    ]


@pytest.mark.parametrize(
    ("content", "series", "what"),
    [
        (
            "epoch,loss,phase\n0,1,warm\n1,2,main\n",
            {1: 1, 2: 2},
            "column 'phase' holds text and was left out",
        ),
        ("epoch,loss\n0,1\n1,2\n2", {1: 1, 2: 2}, "the last row was cut short and left out"),
        ("epoch,loss\n0.5,1\n1.0,2\n", {1: 1, 2: 2}, "column 'epoch' is not all whole numbers"),
    ],
)
def test_what_was_mended_is_said(tmp_path, content, series, what):
    record = record_of(tmp_path, content)
    assert points(record, "epoch_loss") == series
    assert len(said(record)) == 1
    assert what in said(record)[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("\n , \n", "is empty"),
        ("epoch,loss\n", "no whole row"),
        ("epoch,accuracy\n0,0.5\n", "no column `loss`.*'epoch', 'accuracy'"),
        ("epoch,loss\n0,NA\n", "no column `loss`"),
        ("epoch,loss\n0,1\n1,high\n", "row 2 has 'high' in column 'loss'"),
        ("epoch,loss\n0,low\n", "row 1 has 'low' in column 'loss'"),
        ("epoch,loss\n0,1,2,3\n", "row 1 has 4 cells.*2 columns"),
        ("epoch,loss,loss\n0,1,2\n", "more than one column 'loss'"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\xff\xfe", "is not a log that Thalweg reads"),
        (b"\xff\xfea", "no whole row"),
        ('epoch,loss\n0,"' + 200_000 * "1" + '"\n', "cannot be read as CSV"),
    ],
)
def test_what_cannot_be_mended_is_one_sentence(tmp_path, content, words):
    with pytest.raises(RunFolderError, match=words) as error:
        record_of(tmp_path, content)
    assert "log.csv" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "guess"),
    [
        (
            '"Step","run - train/loss","run - train/loss__MIN"\n"0","2.5","1"\n"9","1.5","1"\n',
            "run - train/loss",
        ),
        ("Wall time,Step,Value\n1700000000.1,0,2.5\n1700000001.2,9,1.5\n", "Value"),
    ],
)
def test_tables_that_trackers_export(tmp_path, content, guess):
    record = record_of(tmp_path, content)
    assert {*record.series} == {"loss"}
    assert points(record, "loss") == {0: 2.5, 9: 1.5}
    assert said(record, "guessed") == [f"read {guess!r} as the loss"]


def test_lightning(tmp_path):
    content = """epoch,lr-SGD,step,train_acc,train_loss_epoch,train_loss_step,val_loss
,0.1,9,,,,
0,,9,0.1,,2.5,
0,,19,0.2,,2.0,
0,,24,,,,1.9
0,,24,,2.2,,
1,,29,0.3,,1.5,
1,,49,,,,1.4
1,,49,,1.6,,
"""
    record_of(tmp_path, content, "version_0/metrics.csv")
    record = read(tmp_path / "version_0")
    assert record.info["step_unit"] == "step"
    assert points(record, "loss") == {9: 2.5, 19: 2.0, 29: 1.5}
    assert points(record, "epoch_loss") == {24: 2.2, 49: 1.6}
    assert points(record, "validation_loss") == {24: 1.9, 49: 1.4}
    assert points(record, "learning_rate") == {9: 0.1}
    assert points(record, "acc") == {9: 0.1, 19: 0.2, 29: 0.3}
    assert not said(record)


@pytest.mark.parametrize(
    ("content", "unit", "loss", "what"),
    [
        (
            "epoch,batch,loss\n" + "".join(f"{e},{b},{e + b / 4}\n" for e in range(3) for b in range(3)),
            "step",
            {3 * e + b: e + b / 4 for e in range(3) for b in range(3)},
            "column 'batch' begins anew in each epoch: its steps were counted on",
        ),
        (
            "epoch,loss\n" + "".join(f"{e},{e + b / 4}\n" for e in range(3) for b in range(3)),
            "step",
            {3 * e + b + 1: e + b / 4 for e in range(3) for b in range(3)},
            "column 'epoch' has several rows an epoch: the rows were counted as steps",
        ),
        (
            "epoch,loss\n4,1\n3,2\n2,3\n",
            "epoch",
            {2: 3, 3: 2, 4: 1},
            "the log runs backwards, from epoch 4: it was read from its end",
        ),
        (
            "step,loss\n7,1\n7,2\n7,3\n",
            "step",
            {1: 1, 2: 2, 3: 3},
            "column 'step' is 7 in every row and tells no step",
        ),
        (
            "step,loss\n" + "".join(f"{n},{n}\n" for n in range(1, 12)) + ",99\n12,12\n",
            "step",
            {n: n for n in range(1, 13)},
            "1 row has no whole number for the step and was left out",
        ),
        (
            "step,loss\n" + "".join(f"{n + 2 * (n % 2)},{n}\n" for n in range(1, 41)),
            "step",
            {n + 2 * (n % 2): n for n in range(1, 41)},
            "the steps went back at 20 rows: they were put in order",
        ),
        (
            "step,loss\n1,5\n2,4\n2,3\n3,2\n",
            "step",
            {1: 5, 2: 3, 3: 2},
            "1 value of 'loss' stood at steps that had one: the last counts",
        ),
        (
            "epoch,loss,accuracy\n0,1,x\n1,2,0.5\n",
            "epoch",
            {1: 1, 2: 2},
            "1 cell of 'accuracy' held text ('x' at row 1), and was left out",
        ),
        (
            "epoch,loss\n" + "".join(f"{n},1\n" for n in range(150)) + "150,broken\n",
            "epoch",
            {n + 1: 1 for n in range(150)},
            "1 cell of 'loss' held text ('broken' at row 151), and was left out",
        ),
        (
            "epoch,loss\n" + "".join(f"{n},1\n" for n in range(150)) + "150,1,2,3\n",
            "epoch",
            {n + 1: 1 for n in range(150)},
            "1 row with more cells than columns left out",
        ),
        (
            'epoch,note,loss\n0,a,1\n1,"b,2\n2,c",3\n3,d,4\n',
            "epoch",
            {1: 1, 2: 3, 4: 4},
            "row 2 has a quoted cell of 2 lines",
        ),
    ],
)
def test_steps_that_are_not_as_they_should_be(tmp_path, content, unit, loss, what):
    record = record_of(tmp_path, content)
    assert record.info["step_unit"] == unit
    assert points(record, "loss" if unit == "step" else "epoch_loss") == loss
    assert what in said(record)


@pytest.mark.parametrize(
    ("content", "loss"),
    [
        ("# a remark\n# epoch loss\n0.0e+00 2.5e+00\n1.0e+00 1.5e+00\n", {1: 2.5, 2: 1.5}),
        ("epoch   loss\n0       2.5\n1       1.5\n", {1: 2.5, 2: 1.5}),
        ("epoch\tloss\n0\t1 234,5\n1\t1.234,25\n", {1: 1234.5, 2: 1234.25}),
        ('epoch,loss\n0,"1,234.5"\n1,"2,345"\n', {1: 1234.5, 2: 2345}),
        ("epoch,loss,\n0,2.5,\n1,1.5,\n", {1: 2.5, 2: 1.5}),
        ("epoch,loss\r0,2.5\r1,1.5\r", {1: 2.5, 2: 1.5}),
        ("epoch,loss\n0,2.5\n1,1.5\n".encode("utf-16-le"), {1: 2.5, 2: 1.5}),
        (b"epoch,loss\n0,2.5\n" + "1,1.5\n".encode("utf-16-le"), {1: 2.5, 2: 1.5}),
        ("epoch;loss;Qualit\xe4t\n0;2,5;1\n1;1,5;1\n".encode("latin-1"), {1: 2.5, 2: 1.5}),
        ("epoch,loss\n0,\"tensor(2.5, device='cuda:0')\"\n1,[1.5]\n", {1: 2.5, 2: 1.5}),
    ],
)
def test_more_clothes(tmp_path, content, loss):
    record = record_of(tmp_path, content, "training.log")
    assert points(record, "epoch_loss") == loss
    assert not said(record)


def test_a_log_without_a_header_names_its_columns_by_number(tmp_path):
    content = "0,2.5,2.6\n1,1.5,1.6\n"
    with pytest.raises(RunFolderError, match=r"its columns are '1', '2', '3': name one with --loss"):
        record_of(tmp_path, content)
    record = record_of(tmp_path, content, loss="2", validation_loss="3", step="1")
    assert points(record, "loss") == {0: 2.5, 1: 1.5}
    assert points(record, "validation_loss") == {0: 2.6, 1: 1.6}
    assert not record.events


def test_steps_with_a_validation_at_each_are_epochs_unless_the_caller_says_otherwise(tmp_path):
    content = "step,loss,val_loss\n0,2,2\n1,1,1\n2,0,0\n"
    record = record_of(tmp_path, content)
    assert (record.info["step_unit"], points(record, "epoch_loss")) == ("epoch", {1: 2, 2: 1, 3: 0})
    assert "read as epochs" in said(record, "guessed")[0]
    asked = record_of(tmp_path, content, step="step")
    assert (asked.info["step_unit"], points(asked, "loss")) == ("step", {0: 2, 1: 1, 2: 0})


def test_two_names_for_one_thing_are_two_series(tmp_path):
    record = record_of(tmp_path, "epoch,loss,train_loss,loss_train,a/b,a_b\n0,1,2,3,4,5\n1,1,2,3,4,5\n")
    assert set(record.series) == {
        "epoch_loss", "epoch_train_loss", "epoch_loss_train", "epoch_a_b", "epoch_a_b_2",
    }  # fmt: skip
    assert points(record, "epoch_loss") == {1: 1, 2: 1}


def test_a_long_log_is_thinned_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("thalweg.store.table.MOST", 1_000)
    monkeypatch.setattr("thalweg.store.csv_log.CHUNK", 700)
    rows = [f"{n},{'nan' if n == 4_567 else n},{n / 2 if n % 100 == 0 else ''}" for n in range(1, 10_001)]
    record = record_of(tmp_path, "step,loss,val_loss\n" + "\n".join(rows) + "\n")
    loss = record.series["loss"]
    assert 500 < len(loss) <= 1_001
    assert 4_567 in loss.steps and np.isnan(loss.values[loss.steps == 4_567])
    sampled = loss.steps[loss.steps != 4_567]
    assert set(np.diff(sampled)) == {16} and sampled[0] == 1
    assert len(record.series["validation_loss"]) == 100
    assert said(record) == ["the log has 10,000 rows: 1 of 16 of the values of its long columns were kept"]


@given(st.lists(st.tuples(st.floats(), st.none() | st.floats()), min_size=1, max_size=12))
def test_any_history_comes_back(tmp_path_factory, rows):
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["epoch", "loss", "val_loss"])
    for epoch, (loss, validation) in enumerate(rows):
        writer.writerow([epoch, loss, "NA" if validation is None else validation])
    path = tmp_path_factory.mktemp("csv") / "history.csv"
    path.write_text(text.getvalue())
    record = read_csv(path)
    np.testing.assert_array_equal(record.series["epoch_loss"].values, [loss for loss, _ in rows])
    measured = [(epoch, value) for epoch, (_, value) in enumerate(rows, start=1) if value is not None]
    found = record.series.get("validation_loss")
    assert (found.steps.tolist() if found else []) == [epoch for epoch, _ in measured]
    np.testing.assert_array_equal(found.values if found else [], [value for _, value in measured])


@given(st.binary(max_size=80) | st.text("epochls,;\t\n0123.-naif\"'", max_size=60).map(str.encode))
def test_any_file_is_a_record_or_one_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("csv") / "any.csv"
    path.write_bytes(content)
    try:
        record = read_csv(path)
    except RunFolderError as error:
        assert str(path) in str(error)
    else:
        assert "epoch_loss" in record.series or "validation_loss" in record.series or "loss" in record.series


def test_what_a_resumed_training_did_not_reach_again_is_not_there(tmp_path):
    rows = [f"{n},{100 - n},{50 if n in (96, 98) else ''}" for n in range(1, 101)] + ["96,7,", "97,6,"]
    record = record_of(tmp_path, "step,loss,val_loss\n" + "\n".join(rows) + "\n")
    assert list(points(record, "loss").items())[-3:] == [(95, 5.0), (96, 7.0), (97, 6.0)]
    assert "validation_loss" not in record.series
    assert said(record) == ["the log went back to step 96 at row 101: 5 earlier rows from there on gave way"]


SHARED = Path(os.environ.get("THALWEG_SHARED") or Path(__file__).resolve().parents[2].parent / "shared")
CURVES = sorted((SHARED / "data" / "curves").glob("*.csv"))


@pytest.mark.skipif(not CURVES, reason="the real loss curves are not at hand (THALWEG_SHARED)")
def test_real_curves_are_read_as_they_stand():
    for path in CURVES:
        with path.open() as file:
            rows = list(csv.DictReader(file))
        record = read(path)
        assert record.info["step_unit"] == "epoch"
        assert {*record.series} == {"epoch_loss", "validation_loss"}
        assert list(points(record, "epoch_loss").values()) == [float(row["loss"]) for row in rows]
        assert list(points(record, "validation_loss").values()) == [float(row["val_loss"]) for row in rows]
        assert {event.kind for event in record.events} == {"epoch"}
