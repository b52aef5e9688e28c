"""Rows of the tape as named series: what is measured is there, what is not is absent."""

from dataclasses import replace

import laboratory  # noqa: F401  (skips where Keras is missing)
import numpy as np
import pytest

from thalweg.keras.blocks import Layout, blocks, series
from thalweg.keras.tape import Rows

LAYOUT = Layout(("a/kernel", "a/bias"), has_rate=True)


def rows(costly=(0, 1, 2, 3), fresh=(False, True, True, True)) -> Rows:
    count = len(costly)
    return Rows(
        steps=np.arange(11, 15),
        told=np.ones(4, dtype=bool),
        loss=np.array([1.0, np.nan, 3.0, np.inf]),
        applied=np.arange(4),
        learning_rate=np.full(4, 0.1),
        nonfinite_gradients=np.zeros(4),
        gradient_norms=np.array([[3.0, 4.0], [6.0, 8.0], [0.0, 0.0], [5.0, 12.0]]),
        costly=np.array(costly, dtype=np.int64),
        gradient_products=np.full(count, 25.0),
        fresh=np.array(fresh[:count], dtype=bool),
        update_norms=np.array([[3.0, 4.0]] * count).reshape(count, 2),
        parameter_norms=np.array([[6.0, 0.0]] * count).reshape(count, 2),
        zero_fractions=np.array([[0.5, 0.0]] * count).reshape(count, 2),
        lost=0,
    )


def found(rows, layout=LAYOUT, norm_before=None, made=0):
    return {s.name: s for s in series(blocks(rows, layout, norm_before, made))}


def test_norms_and_ratios():
    record = found(rows())
    assert record["gradient_norm"].values.tolist() == [5.0, 10.0, 0.0, 13.0]
    assert record["gradient_norm/a/bias"].values.tolist() == [4.0, 8.0, 0.0, 12.0]
    assert record["update_norm"].values.tolist() == [5.0] * 4
    assert record["update_ratio/a/kernel"].values.tolist() == [0.5] * 4
    assert np.isposinf(record["update_ratio/a/bias"].values).all()
    assert record["parameter_norm"].values.tolist() == [6.0] * 4
    assert record["loss"].steps.tolist() == [11, 12, 13, 14]
    assert np.isnan(record["loss"].values[1]) and np.isinf(record["loss"].values[3])


def test_the_cosine_needs_two_gradients_that_have_a_direction():
    assert found(rows())["gradient_cosine"].steps.tolist() == [12]
    assert found(rows())["gradient_cosine"].values.tolist() == [0.5]
    everything = rows(fresh=(True, True, True, True))
    assert found(everything, norm_before=10.0)["gradient_cosine"].steps.tolist() == [11, 12]
    assert found(everything)["gradient_cosine"].steps.tolist() == [12]
    assert "gradient_cosine" not in found(rows(costly=(0,)), norm_before=None)


def test_a_gradient_that_is_not_finite_has_a_cosine_that_is_not():
    broken = rows()
    norms = broken.gradient_norms.copy()
    norms[1] = np.nan
    record = found(replace(broken, gradient_norms=norms))
    assert record["gradient_cosine"].steps.tolist() == [12]
    assert np.isnan(record["gradient_cosine"].values).all()


def test_thinned_rows_stand_at_their_own_steps():
    record = found(rows(costly=(1, 3), fresh=(True, True)))
    assert record["update_norm"].steps.tolist() == record["parameter_norm"].steps.tolist() == [12, 14]
    assert len(record["gradient_norm"]) == 4
    none = found(rows(costly=()))
    assert "update_norm" not in none and "gradient_cosine" not in none


@pytest.mark.parametrize(("made", "steps"), [(0, [12, 14]), (1, [11, 13])])
def test_gradients_that_only_accumulate_make_no_update(made, steps):
    record = found(rows(), replace(LAYOUT, accumulation=2), made=made)
    assert record["update_norm"].steps.tolist() == record["update_ratio/a/kernel"].steps.tolist() == steps
    assert len(record["parameter_norm"]) == 4


def test_only_what_the_step_tells():
    assert "learning_rate" not in found(rows(), replace(LAYOUT, has_rate=False))
    told = found(replace(rows(), told=np.array([True, False, False, True])))
    assert told["loss"].steps.tolist() == [11, 14] and len(told["gradient_norm"]) == 4
    assert "loss" not in found(replace(rows(), told=np.zeros(4, dtype=bool)))


def thinned(count: int) -> Rows:
    """The first rows' measurements, at steps of which every third applied the optimizer."""
    whole = rows(costly=tuple(range(count)), fresh=(False, True, True, True))
    return replace(
        whole,
        steps=np.arange(11, 23),
        told=np.ones(12, dtype=bool),
        loss=np.arange(12.0),
        applied=np.arange(2, 2 + 3 * count, 3),
        learning_rate=whole.learning_rate[:count],
        nonfinite_gradients=whole.nonfinite_gradients[:count],
        gradient_norms=whole.gradient_norms[:count],
    )


def test_a_step_that_applied_nothing_has_a_loss_and_no_more():
    record = found(thinned(4))
    assert record["loss"].steps.tolist() == list(range(11, 23))
    for name in ("learning_rate", "gradient_norm", "nonfinite_gradients", "update_norm", "parameter_norm"):
        assert record[name].steps.tolist() == [13, 16, 19, 22], name
    assert record["gradient_norm"].values.tolist() == [5.0, 10.0, 0.0, 13.0]
    assert record["gradient_cosine"].steps.tolist() == [16]  # with the gradient that was applied before
    assert set(found(thinned(0))) == {"loss"}


def test_an_optimizer_that_accumulates_counts_what_it_was_given_not_the_steps():
    record = found(thinned(4), replace(LAYOUT, accumulation=2), made=1)
    assert record["update_norm"].steps.tolist() == [13, 19]


def test_several_drains_are_one_series():
    parts = blocks(rows(), LAYOUT, None, 0)
    later = [replace(part, steps=part.steps + 4) for part in parts]
    assert {s.name: s for s in series([*parts, *later])}["loss"].steps.tolist() == list(range(11, 19))
