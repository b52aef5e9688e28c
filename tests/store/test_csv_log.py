"""Logs in CSV, as Keras, pandas, spreadsheets and other tools leave them."""

import csv
import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thalweg.errors import RunFolderError
from thalweg.store import read
from thalweg.store.csv_log import read_csv


def record_of(tmp_path, content: str | bytes, name: str = "log.csv"):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read(path)


def mended(record) -> list[str]:
    return [event.detail["what"] for event in record.events if event.kind == "mended"]


def points(record, name: str) -> dict[int, float]:
    series = record.series[name]
    return dict(zip(series.steps.tolist(), series.values.tolist(), strict=True))


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
    assert not mended(other)
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
    assert mended(record) == ["the log went back to epoch 2 at row 4: 2 earlier rows from there on gave way"]
    again = record_of(tmp_path, "epoch,loss\n0,9\n1,8\n2,7\nepoch,loss\n0,6\n1,5\n")
    assert points(again, "epoch_loss") == {1: 6, 2: 5}
    assert [len(mended(again)), mended(again)[0]] == [2, "1 repeated header left out"]
    often = record_of(tmp_path, "epoch,loss\n0,9\n1,8\n0,7\n1,6\n0,5\n")
    assert points(often, "epoch_loss") == {1: 5}
    assert mended(often) == [
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
    assert len(mended(record)) == 1
    assert what in mended(record)[0]


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
