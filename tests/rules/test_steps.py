"""How many examples an update saw, whoever adds the gradients up."""

import numpy as np
import pytest

from thalweg import Record, Series
from thalweg.rules.steps import few


def trained(batch: int, every: int = 1, logged: int = 1, **optimizer: object) -> Record:
    """A record of 400 batches with an update at each `every`-th, of which each `logged`-th is known."""
    batches, updates = np.arange(logged, 401, logged), np.arange(every * logged, 401, every * logged)
    return Record.of(
        [
            Series("loss", "loss", batches, np.ones(len(batches))),
            Series("learning_rate", "1", updates, np.full(len(updates), 0.1)),
        ],
        {"fit": {"batch_size": batch}, "optimizer": optimizer},
    )


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (trained(4), True),
        (trained(5), False),
        (trained(1, every=4), True),
        (trained(1, every=5), False),
        (trained(4, every=8), False),
        (trained(4, logged=10), True),
        (trained(2, gradient_accumulation_steps=2), True),
        (trained(2, gradient_accumulation_steps=3), False),
        (trained(1, every=2, gradient_accumulation_steps=3), False),
        (trained(1, every=200), True),  # two updates: too few to tell
        (Record.of([], {"fit": {"batch_size": 4}}), True),
        (Record.of([]), False),
    ],
)
def test_the_examples_of_an_update_count_those_of_gradients_that_are_added_up(record, expected):
    assert few(record) is expected
