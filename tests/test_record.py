"""The record: what a series refuses, and that a stretch of one costs nothing."""

import numpy as np
import pytest

from thalweg import Event, Record, Series


def counted(n: int = 10) -> Series:
    return Series("loss", "loss", np.arange(1, n + 1), np.arange(n) / 10.0)


def test_a_series_keeps_its_own_copy() -> None:
    values = np.ones(3)
    series = Series("loss", "loss", np.arange(3), values)
    values[0] = 7.0
    assert series.values[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        series.values[0] = 7.0


@pytest.mark.parametrize(
    ("steps", "values", "reason"),
    [
        ([1, 2], [0.0], "one length"),
        ([2, 1], [0.0, 0.0], "increasing"),
        ([[1], [2]], [[0.0], [0.0]], "vectors"),
    ],
)
def test_a_series_refuses(steps: list, values: list, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Series("loss", "loss", np.array(steps), np.array(values))


def test_a_stretch_is_a_read_only_view() -> None:
    whole = counted()
    part = whole.between(3, 5)
    assert (part.name, part.unit, part.steps.tolist()) == ("loss", "loss", [3, 4, 5])
    assert part.values.tolist() == [0.2, 0.3, 0.4]
    assert np.shares_memory(part.values, whole.values) and np.shares_memory(part.steps, whole.steps)
    assert not part.values.flags.writeable and not part.steps.flags.writeable
    assert len(whole.between(11, 20)) == 0


def test_the_tail_holds_the_last_steps_and_their_events() -> None:
    events = [Event(5, "epoch"), Event(10, "finished")]
    tail = Record.of([counted()], {"name": "run"}, events).tail(5)
    assert tail.series["loss"].steps.tolist() == [6, 7, 8, 9, 10]
    assert np.shares_memory(tail.series["loss"].values, tail.tail(2).series["loss"].values)
    assert [event.kind for event in tail.events] == ["finished"]
    assert tail.info["name"] == "run"
