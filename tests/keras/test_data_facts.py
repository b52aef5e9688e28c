"""The facts about the data: what they say of planted data, and that no data make them raise."""

import time

import numpy as np
import pytest

from thalweg import Record, Verdict
from thalweg.keras.contract import constant_loss
from thalweg.keras.data_facts import data_facts
from thalweg.rules.leakage import Leakage

random = np.random.default_rng(0)
N = 3000
X = random.standard_normal((N, 6)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64) + (X[:, 1] > 0.5)
EVERY = np.unique(np.linspace(0, N - 1, 1024).astype(int))


def facts(x=X, y=Y, validation=None, **given):
    given = {"batch_size": 20, "output_width": 3, "loss": "sparse_categorical_crossentropy", **given}
    picked = (x[EVERY], None if y is None else y[EVERY], None)
    return data_facts(picked, whole=(x, y, None), validation=validation, **given)


def test_an_ordinary_run():
    found = facts(validation=(X[:500] + 0.1, Y[:500], None))
    assert found["examples"] == 1024 and found["total"] == N and found["weighted"] is False
    row = found["inputs"][0]
    assert row["shape"] == [6] and row["columns"] == 6 and row["nonfinite_examples"] == 0
    assert "first_nonfinite" not in row
    assert row["column_spread"]["median"] == pytest.approx(1.0, abs=0.1)
    assert row["condition_number"] < 2.0 and row["column_offset"] < 0.2
    assert row["low"] == pytest.approx(-2.33, abs=0.1) and row["high"] == pytest.approx(2.33, abs=0.1)
    target = found["targets"][0]
    assert target["kind"] == "classes" and target["whole"] is True and sum(target["class_counts"]) == 1024
    assert found["order"]["batches"] == 150 and found["order"]["one_class"] == 0.0
    assert abs(found["order"]["neighbours"]) < 0.1
    assert found["signal"]["p"] == 0.01 and found["signal"]["score"] > 0.8
    assert found["linear"]["accuracy"] > 0.65 and "loss" not in found["linear"]
    rare = {"examples": 0.0, "finest": 1.0, "group": 1.0, "near": 0.0, "contradictions": 0.0, "whole": 0.0}
    assert found["duplicates"] == rare
    beside = found["validation"]
    assert beside["examples"] == 500 and beside["overlap"] == 0.0 and beside["unseen_classes"] == 0
    assert beside["shift"] == pytest.approx(0.55, abs=0.12)


def test_whole_arrays_are_searched_for_values_that_are_not_finite():
    x = X.copy()
    x[2001:2004, 3] = np.nan  # between the examples of the sample, or not
    found = facts(x)
    assert found["inputs"][0]["nonfinite_examples"] == 3
    assert found["inputs"][0]["first_nonfinite"] == 2001
    assert found["inputs"][0]["looked"] == N


def test_sorted_classes():
    order = np.argsort(Y, kind="stable")
    found = facts(X[order], Y[order])
    assert found["order"]["one_class"] > 0.97 and found["order"]["neighbours"] > 0.99
    one_hot = facts(X[order], np.eye(3)[Y[order]])
    assert one_hot["order"] == found["order"]


def test_a_pipeline_is_judged_by_its_sample():
    found = data_facts((X[:100], np.sort(Y[:100]), None), batch_size=10, output_width=3)
    assert found["order"]["batches"] == 10 and found["order"]["one_class"] >= 0.7
    assert "total" not in found and "validation" not in found and "whole" not in found["duplicates"]


def test_validation_rows_among_the_training_rows():
    half = (np.concatenate([X[:200], X[:200] + 5.0]), np.concatenate([Y[:200], Y[:200]]), None)
    found = facts(validation=half)["validation"]
    assert found["overlap"] == 0.5
    assert found["shift"] > 0.6


def test_validation_of_another_scale_with_classes_never_seen():
    found = facts(validation=(255.0 * X[:300] + 400.0, np.full(300, 7), None), output_width=9)["validation"]
    assert found["shift"] > 0.99 and found["overlap"] == 0.0
    assert found["unseen_classes"] == 1 and found["unseen_examples"] == 1.0
    assert found["inputs"][0]["spread"] > 100.0


def test_words_that_were_numbered_anew_for_validation():
    """Every row of words of its own kind; the numbers of the kinds are exchanged, or stand beside another column."""
    draw = np.random.default_rng(1)
    y = draw.integers(0, 2, 1500)
    words = 4 * draw.integers(0, 200, (1500, 12)) + 2 * y[:, None] + draw.integers(0, 2, (1500, 12))
    known = {"output_width": 1, "loss": "binary_crossentropy"}
    x = {"words": words[:1000], "length": X[:1000, :1]}
    for change, expected in ((0, 1.0), (2, 0.0), (1, 1.0)):
        later = {"words": words[1000:] ^ change, "length": X[1000:1500, :1]}
        beside = data_facts((x, y[:1000], None), validation=(later, y[1000:], None), **known)["validation"]
        assert beside["transfer"]["across"] == pytest.approx(expected, abs=0.1)
        assert beside["transfer"]["within"] > 0.9 and beside["transfer"]["own"] > 0.9
        assert beside["transfer"]["chance"] == 0.5 and beside["shift"] < 0.65


def test_a_relation_of_columns():
    found = facts(validation=(X[:500][:, ::-1], Y[:500], None))["validation"]["transfer"]
    assert found["across"] < 0.5 < 0.7 < found["within"]
    single = facts(validation=(X[:500], Y[:500], None))["validation"]["transfer"]
    assert single["across"] == pytest.approx(single["within"], abs=0.1)
    one_hot = facts(y=np.eye(3)[Y], validation=(X[:500], np.eye(3)[Y[:500]], None))["validation"]["transfer"]
    assert one_hot == single
    numbers = facts(y=X[:, 0], validation=(X[:500], X[:500, 0], None), output_width=1, loss="mse")[
        "validation"
    ]
    assert "transfer" not in numbers
    assert "transfer" not in facts(validation=(X[:500], None, None))["validation"]


def test_targets_next_to_zero_are_counted_in_all_of_them():
    y = np.abs(X[:, 0]) + 1.0
    assert "small" not in facts(y=y, output_width=1, loss="mape")["targets"][0]
    y[1] = 0.0  # not in the sample
    found = facts(y=y, output_width=1, loss="mape")["targets"][0]["small"]
    assert (found["looked"], found["count"], found["zeros"]) == (N, 1, 1) and found["share"] > 0.99
    sample = data_facts((X[:100], y[:100], None), output_width=1)["targets"][0]["small"]
    assert "small" not in facts(y=Y > 0, output_width=1)["targets"][0]
    assert (sample["looked"], sample["count"]) == (100, 1)


def test_duplicates_and_contradictions():
    x, y = X[:400].copy(), Y[:400].copy()
    x[200:300] = x[:100]
    y[200:300] = y[:100]
    y[200:250] = (y[200:250] + 1) % 3
    found = data_facts((x, y, None), whole=(x, y, None), output_width=3)["duplicates"]
    assert found["examples"] == 0.5 and found["contradictions"] == 0.5 and found["whole"] == 0.5
    assert found["group"] == 2.0 and found["finest"] == 1.0


def test_an_oversampled_table_that_was_split_after():
    """Four of each row, of which nothing repeats by nature; and as many of a table of categories."""
    tables = {Verdict.CONCERN: X[:250], Verdict.SATISFACTORY: np.round(2.0 * X[:250, :2])}
    for expected, table in tables.items():
        x, y = np.repeat(table, 4, axis=0), np.repeat(Y[:250], 4)
        found = data_facts(
            (x, y, None), whole=(x, y, None), validation=(x[::7], y[::7], None), output_width=3
        )
        assert found["duplicates"]["whole"] == 1.0 == found["validation"]["overlap"]
        assert Leakage().check(Record({"data": found}, {})).verdict is expected
    continuous = data_facts((np.repeat(X[:250], 4, axis=0), None, None))["duplicates"]
    assert continuous["group"] == 4.0 and continuous["finest"] == 1.0


def test_what_gradient_descent_makes_of_a_linear_model():
    y = (X @ np.arange(6.0))[:, None].astype(np.float32)
    few, many = (facts(y=y, loss="mse", output_width=1, steps=n)["linear"] for n in (1, 1000))
    assert few["descent"] < 0.8 < 0.99 < many["descent"]
    assert "descent" not in facts(y=y, loss="mse", output_width=1)["linear"]


def test_regression():
    y = (X @ np.arange(6.0))[:, None].astype(np.float32)
    found = facts(y=y, loss="mse", output_width=1)
    assert found["linear"]["explained_variance"] > 0.99
    assert found["linear"]["loss"] == pytest.approx(
        y.var() * (1 - found["linear"]["explained_variance"]), rel=0.2
    )
    assert found["signal"]["p"] == 0.01
    assert found["targets"][0]["kind"] == "continuous" and found["targets"][0]["whole"] is False
    assert "one_class" not in found["order"]


def test_shuffled_labels_have_no_signal():
    assert facts(y=np.random.default_rng(1).permutation(Y))["signal"]["p"] > 0.05


def test_tokens_are_counted():
    tokens, y = random.integers(0, 5000, (N, 40)), random.integers(0, 2, N)
    tokens[np.arange(N)[:, None], random.integers(0, 40, (N, 5))] = (17 + y)[:, None]
    found = facts(tokens, y, output_width=1)["signal"]
    assert found["p"] == 0.01 and found["score"] > 0.9


def test_images():
    x = random.integers(0, 255, (400, 28, 28, 3)).astype(np.uint8)
    x[:, :, :, 1] = 0
    found = data_facts((x, Y[:400], None), whole=(x, Y[:400], None), batch_size=32, output_width=3)
    row = found["inputs"][0]
    assert row["columns"] == 28 * 28 * 3 and row["examined_columns"] == 1024
    assert row["constant_columns"] == pytest.approx(341, abs=3) and row["constant_maximum"] == 0.0


def test_an_autoencoder_has_no_simple_baseline():
    wide = random.standard_normal((N, 30))
    found = facts(wide, wide, loss="mse", output_width=30)
    assert "linear" not in found and "signal" not in found


def test_several_outputs_have_no_single_baseline():
    found = data_facts(
        ({"a": X, "b": X[:, :2]}, {"p": Y, "q": X[:, 0]}, None), batch_size=8, output_width=None
    )
    assert [row["name"] for row in found["inputs"]] == ["a", "b"]
    assert "linear" not in found and "order" not in found


def odd_data():
    words = np.array([["a", "b"]] * 30, dtype=object)
    yield "objects", (words, words[:, 0], None)
    yield "text", (words.astype(str), Y[:30], None)
    yield "empty", (X[:0], Y[:0], None)
    yield "one example", (X[:1], Y[:1], None)
    yield "no columns", (X[:50, :0], Y[:50], None)
    yield "no targets", (X[:50], None, None)
    yield "nothing", (None, None, None)
    yield "all NaN", (np.full((50, 3), np.nan), np.full(50, np.nan), None)
    yield "infinite", (np.full((50, 3), np.inf), np.full(50, -np.inf), None)
    yield "huge", (np.tile([[1e308], [-1e308]], (25, 2)), X[:50, 0] * 1e38, None)
    yield "constant", (np.ones((50, 3)), np.ones(50, int), None)
    yield "numbers", (np.arange(50), np.arange(50) * 1.0, np.ones(50))
    yield "complex", (X[:50] + 1j, Y[:50] + 1j, None)
    yield "dates", (np.arange(50).astype("datetime64[D]"), Y[:50], None)
    yield "booleans", (X[:50] > 0, Y[:50] > 0, None)
    yield "half precision", (X[:50].astype(np.float16), Y[:50].astype(np.uint8), None)
    yield "columns first", (np.asfortranarray(X[:50]), Y[:50, None], None)
    yield "scalars", (np.float32(3.0), np.float32(1.0), None)
    yield "lists", ([list(row) for row in X[:5]], [1, 2, 3, 4, 5], None)
    yield "uneven", (X[:50], Y[:40], None)


@pytest.mark.parametrize(("name", "batch"), [pytest.param(*case, id=case[0]) for case in odd_data()])
@pytest.mark.filterwarnings("error")
def test_odd_data(name, batch, monkeypatch):
    for raises in ("", "1") if name not in ("scalars", "uneven", "dates") else ("",):
        monkeypatch.setenv("THALWEG_RAISE", raises)
        for validation in (None, batch):
            found = data_facts(
                batch, whole=batch, validation=validation, batch_size=8, loss="mse", output_width=1
            )
            assert isinstance(found, dict) and "inputs" in found


def test_a_failing_part_leaves_the_others(monkeypatch):
    monkeypatch.setenv("THALWEG_RAISE", "")
    monkeypatch.setattr("thalweg.keras.data_facts.signal", lambda *_: 1 / 0)
    found = facts()
    assert "signal" not in found and "linear" in found and "order" in found


def test_nothing_is_drawn_or_changed():
    before = np.random.get_state()[1].copy(), X.copy()
    first, second = facts(), facts()
    assert repr(first) == repr(second)
    assert (np.random.get_state()[1] == before[0]).all() and (before[1] == X).all()


def test_bounded_work():
    """Two million examples of 784 columns, without the memory: a full pass would take ten times as long."""
    x = np.lib.stride_tricks.as_strided(X, (2_000_000, 784), (0, 4))
    y = np.zeros(len(x), np.int8)
    began = time.process_time()
    found = data_facts((x[:1024], y[:1024], None), whole=(x, y, None), batch_size=32, output_width=2)
    assert time.process_time() - began < 3.0
    assert found["inputs"][0]["looked"] < len(x)


def test_constant_loss():
    y = np.array([0.0, 1.0, 1.0, 1.0])
    entropy = -0.25 * np.log(0.25) - 0.75 * np.log(0.75)

    def of(loss, targets=y, weights=None, **facts):
        known = {"name": loss, "own": False, "reduction": "sum_over_batch_size", **facts}
        return constant_loss([known], (y, targets, weights), 1)

    assert of("binary_crossentropy") == pytest.approx(entropy)
    assert of("mean_squared_error") == pytest.approx(y.var())
    assert of("mean_squared_error", weighted=True, weight=0.25) == pytest.approx(0.25 * y.var())
    assert of("hinge") is None
    assert of("mean_squared_error", targets=[y, y]) is None
    assert of("mean_squared_error", weights=np.ones(4)) is None
    for change in ({"own": True}, {"reduction": "sum"}, {"weighted": True}, {"label_smoothing": 0.1}):
        assert of("mean_squared_error", **change) is None, change
