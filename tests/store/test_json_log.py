"""Logs in JSON: Keras's History, rows, lines, Hugging Face's trainer state."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import thalweg
from thalweg.errors import RunFolderError, ThalwegError

from .reading import points, record_of, said

HISTORY = {"loss": [2.0, 1.5, 1.2], "accuracy": [0.5, 0.6, 0.7], "val_loss": [2.1, 1.7, 1.6]}


@pytest.mark.parametrize(
    "document",
    [
        HISTORY,
        {"history": HISTORY, "epoch": [0, 1, 2], "params": {"verbose": 1}},
        {name: {str(n): value for n, value in enumerate(values)} for name, values in HISTORY.items()},
        {name: [str(value) for value in values] for name, values in HISTORY.items()},
        [dict(zip(HISTORY, row, strict=True)) for row in zip(*HISTORY.values(), strict=True)],
        {"logs": [dict(zip(HISTORY, row, strict=True)) for row in zip(*HISTORY.values(), strict=True)], "seed": 3},
        {str(n): dict(zip(HISTORY, row, strict=True)) for n, row in enumerate(zip(*HISTORY.values(), strict=True))},
    ],
    ids=["history", "around", "pandas", "text", "rows", "named rows", "numbered rows"],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_one_history_in_its_many_shapes(tmp_path, document, encoding):
    record = record_of(tmp_path, json.dumps(document).encode(encoding), "history.json")
    assert record.info["step_unit"] == "epoch"
    assert points(record, "epoch_loss") == {1: 2.0, 2: 1.5, 3: 1.2}
    assert points(record, "epoch_accuracy") == {1: 0.5, 2: 0.6, 3: 0.7}
    assert points(record, "validation_loss") == {1: 2.1, 2: 1.7, 3: 1.6}
    assert [(event.kind, event.step) for event in record.events] == [("epoch", 1), ("epoch", 2), ("epoch", 3)]


def test_facts_around_a_history(tmp_path):
    document = {
        "history": HISTORY,
        "epoch": [5, 6, 7],
        "params": {"epochs": 8, "steps": 100, "verbose": "auto"},
    }
    record = record_of(tmp_path, json.dumps(document), "history.json")
    assert dict(record.info) == {
        "name": "history", "source": "history", "step_unit": "epoch", "fit": {"epochs": 8, "steps_per_epoch": 100},
    }  # fmt: skip
    assert list(points(record, "epoch_loss")) == [5, 6, 7]


def test_validation_in_every_other_epoch_stands_where_it_was(tmp_path):
    record = record_of(tmp_path, json.dumps({"loss": [5, 4, 3, 2, 1], "val_loss": [4.5, 2.5]}), "h.json")
    assert points(record, "validation_loss") == {2: 4.5, 4: 2.5}
    assert said(record) == ["'val_loss' has 2 values for 5 epochs: taken for one in every 2"]
    odd = record_of(tmp_path, json.dumps({"loss": [5, 4, 3, 2, 1], "val_loss": [4.5, 3, 2]}), "h.json")
    assert points(odd, "validation_loss") == {1: 4.5, 2: 3, 3: 2}
    assert "taken for those of the first" in said(odd)[0]


def test_absent_is_not_the_same_as_not_finite(tmp_path):
    text = '{"loss": [NaN, -Infinity, null, "nan", 1e999, 10%s, [0.5], true]}' % ("0" * 400)
    loss = record_of(tmp_path, text, "h.json").series["epoch_loss"]
    assert loss.steps.tolist() == [1, 2, 4, 5, 6, 7]
    np.testing.assert_array_equal(loss.values, [math.nan, -math.inf, math.nan, math.inf, math.inf, 0.5])


def test_a_row_in_each_line(tmp_path):
    lines = [
        {"step": 10, "train": {"loss": 2.0, "lr": 0.1}},
        {"step": 20, "train": {"loss": 1.5, "lr": 0.1}, "eval": {"loss": 1.7}},
    ]
    text = "\n\n".join(map(json.dumps, lines))
    record = record_of(tmp_path, text, "log.txt")
    assert (record.info["source"], record.info["step_unit"]) == ("json", "step")
    assert points(record, "loss") == {10: 2.0, 20: 1.5}
    assert points(record, "validation_loss") == {20: 1.7}
    assert points(record, "learning_rate") == {10: 0.1, 20: 0.1}
    torn = record_of(tmp_path, text + '\nsaved a checkpoint\n{"step": 30, "train": {"lo', "log.jsonl")
    assert points(torn, "loss") == {10: 2.0, 20: 1.5}
    assert said(torn) == ["2 lines of 4 held no JSON object and were left out"]


STATE = {
    "epoch": 2.0,
    "global_step": 40,
    "max_steps": 60,
    "num_train_epochs": 3,
    "train_batch_size": 8,
    "log_history": [
        {"epoch": 0.5, "grad_norm": 1.5, "learning_rate": 5e-05, "loss": 2.1, "step": 10},
        {"epoch": 1.0, "grad_norm": 1.2, "learning_rate": 4e-05, "loss": 1.9, "step": 20},
        {"epoch": 1.0, "eval_loss": 1.95, "eval_runtime": 3.2, "eval_accuracy": 0.5, "step": 20},
        {"epoch": 1.5, "grad_norm": 1.1, "learning_rate": 3e-05, "loss": 1.7, "step": 30},
        {"epoch": 2.0, "step": 40, "train_loss": 1.9, "train_runtime": 100.0, "total_flos": 1e15},
    ],
}


def test_hugging_face(tmp_path):
    record = record_of(tmp_path, json.dumps(STATE, indent=2), "bert/trainer_state.json")
    assert dict(record.info) == {
        "name": "bert", "source": "trainer_state", "step_unit": "step",
        "fit": {"epochs": 3, "steps_per_epoch": 20, "batch_size": 8},
    }  # fmt: skip
    assert points(record, "loss") == {10: 2.1, 20: 1.9, 30: 1.7}
    assert points(record, "gradient_norm") == {10: 1.5, 20: 1.2, 30: 1.1}
    assert points(record, "validation_loss") == {20: 1.95}
    assert set(record.series) == {
        "loss", "gradient_norm", "learning_rate", "validation_loss", "validation_accuracy",
    }  # fmt: skip
    assert not record.events


def test_a_loss_once_an_epoch_is_the_epochs(tmp_path):
    rows = [{"epoch": float(n), "step": 20 * n, "loss": 3.0 - n} for n in (1, 2)]
    record = record_of(tmp_path, json.dumps({"log_history": rows}), "trainer_state.json")
    assert points(record, "epoch_loss") == {20: 2.0, 40: 1.0}
    assert record.info["step_unit"] == "step"


def test_the_last_checkpoint_speaks_for_its_folder(tmp_path):
    for count, rows in ((10, STATE["log_history"][:1]), (9, []), (100, STATE["log_history"])):
        folder = tmp_path / "out" / f"checkpoint-{count}"
        record_of(
            folder, json.dumps({"log_history": [{"step": 1, "loss": 3.0}, *rows]}), "trainer_state.json"
        )
    record = thalweg.read(tmp_path / "out")
    assert record.info["name"] == "checkpoint-100"
    assert list(points(record, "loss")) == [1, 10, 20, 30]
    record_of(tmp_path / "out", json.dumps(STATE), "trainer_state.json")
    assert thalweg.read(tmp_path / "out").info["name"] == "out"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"loss": [1, 2', "cannot be read as JSON: "),
        ("[" * 100_000, "nested too deeply"),
        ("[1, 2, 3]", "no training log"),
        ("[]", "no training log"),
        ("{}", "no column `loss`"),
        ('{"accuracy": [1, 2]}', "no column `loss`.*'accuracy'"),
        ('{"loss": ["low", "lower"]}', "row 1 has 'low' in column 'loss'"),
        ('{"log_history": []}', "no column `loss`"),
        ('{"log_history": [3, null]}', "no column `loss`"),
        ('{"loss": []}', "no column `loss`"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(tmp_path, text, words):
    with pytest.raises(RunFolderError, match=words) as error:
        record_of(tmp_path, text, "odd.json")
    assert "odd.json" in str(error.value)
    assert "\n" not in str(error.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("01.,-naloss ", max_size=5),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["loss", "val_loss", "epoch", "step", "history", "params", "log_history", "lr", "0", "1"]),
        inner,
        max_size=4,
    ),
    max_leaves=20,
)  # fmt: skip


@given(st.lists(JSON, min_size=1, max_size=4), st.sampled_from([None, 1]), st.integers(0, 200))
def test_any_json_is_a_record_or_one_error(tmp_path_factory, documents, indent, cut):
    text = "\n".join(json.dumps(document, indent=indent) for document in documents)
    try:
        record = record_of(tmp_path_factory.mktemp("json"), text[: cut or None], "any.json")
    except ThalwegError as error:
        assert "any.json" in str(error) and "\n" not in str(error)
    else:
        assert {"epoch_loss", "validation_loss", "loss"} & {*record.series}


def test_a_certificate_is_no_log(tmp_path):
    log = tmp_path / "history.csv"
    log.write_text("epoch,loss\n1,2.0\n2,1.0\n")
    thalweg.certify(log, output=tmp_path / "certificate.json")
    with pytest.raises(RunFolderError, match="is a certificate"):
        thalweg.read(tmp_path / "certificate.json")
