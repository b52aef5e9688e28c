"""L001: a loss too noisy to tell, beside what the probe batch says."""

from typing import Any

import numpy as np
import pytest

from thalweg import Record, Verdict

from .runs import ask, having, healthy, series

LINEAR = {"explained_variance": 0.78}


def noisy(level: float = 1.0, reached: float = 0.03, fall: float = 0.0, **linear: Any) -> Record:
    """The losses of small batches: where the first of them lay is known to a few per cent."""
    noise = 0.3 * level * np.random.default_rng(3).standard_normal(2000)
    loss = level + noise - fall * level * np.linspace(0.0, 1.0, 2000)
    facts = {"data": {"linear": LINEAR | linear}, "constant_prediction_loss": None}
    ends = np.arange(200, 2001, 200)
    probe = series("probe_explained_variance", np.full(10, reached), ends)
    return having(healthy(loss=loss, info=facts), probe)


def test_a_loss_that_cannot_have_fallen_by_much_where_a_linear_model_has_far_more() -> None:
    found = ask("L001", noisy())
    assert found.verdict is Verdict.CONCERN
    assert 0.0 < found.evidence["fall"].value < 0.1
    assert "where a linear model has 78 %" in found.message


@pytest.mark.parametrize(
    "record",
    [
        noisy(reached=0.75),  # it is where it began, and good
        noisy(explained_variance=0.1),  # a task with little to learn
        noisy(fall=0.09),  # and still falling
    ],
)
def test_others_cannot_be_told(record: Record) -> None:
    assert ask("L001", record).verdict is not Verdict.CONCERN
