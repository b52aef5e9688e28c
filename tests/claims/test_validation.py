"""Validation agrees: on validation losses made by hand, with and without the loss of each example."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg import Event, Record, Series
from thalweg.certificate import Claim, Status
from thalweg.claims.validation import ValidationAgrees
from thalweg.examination import Examination, Losses

EPOCHS = np.arange(1, 41)
FALLING = 0.3 + 2.0 * np.exp(-EPOCHS / 6.0)
TURNED = FALLING + 0.03 * np.maximum(EPOCHS - 15, 0)
STOPPING = {
    "class": "EarlyStopping",
    "monitor": "val_loss",
    "direction": "min",
    "min_delta": 0.0,
    "patience": 30,
    "start_from_epoch": 0,
    "restore_best_weights": True,
}


def record(validation: np.ndarray, restore: bool = False, reason: str = "completed") -> Record:
    noise = 0.005 * np.random.default_rng(0).standard_normal(len(validation))
    epochs = np.arange(1, len(validation) + 1)
    events = [Event(int(e) * 10, "epoch", {"epoch": int(e)}) for e in epochs]
    return Record.of(
        [
            Series("validation_loss", "loss", epochs * 10, validation + noise),
            Series("epoch_loss", "loss", epochs * 10, FALLING[: len(validation)]),
        ],
        {"callbacks": [STOPPING] if restore else []},
        [*events, Event(len(validation) * 10, "finished", {"reason": reason})],
    )


def losses(error: float, n: int = 400) -> Examination:
    """A standard error of the validation loss of about this, and a gap of 0.2."""
    each = np.random.default_rng(1).standard_normal(n)
    each = (each - each.mean()) / each.std(ddof=1)
    validation = 0.6 + error * np.sqrt(n) * each
    return Examination(losses=Losses(np.full(1000, 0.4), validation))


def asked(run: Record, examination: Examination | None = None) -> Claim:
    return ValidationAgrees().ask(run, examination or Examination())


def test_it_is_held_against_one_standard_error() -> None:
    rise = asked(record(TURNED)).evidence["kept"]
    above = float(rise.value) - float(rise.usual)
    assert asked(record(TURNED), losses(1.05 * above)).status is Status.ESTABLISHED
    assert asked(record(TURNED), losses(0.95 * above)).status is Status.REFUTED


@pytest.mark.parametrize(
    ("run", "examination", "status", "words"),
    [
        (record(FALLING), None, Status.ESTABLISHED, "last weights"),
        (record(TURNED), None, Status.REFUTED, "turned around step"),
        (record(TURNED), losses(0.01), Status.REFUTED, "one standard error is 0.01"),
        # The examples do not tell so small a rise from none.
        (record(TURNED), losses(1.0), Status.ESTABLISHED, "one standard error is 1"),
        (record(TURNED, restore=True), None, Status.ESTABLISHED, "restored weights"),
        (record(TURNED, restore=True, reason="interrupted"), None, Status.REFUTED, "last weights"),
        # Too few validations for a turn to be told, and yet the last is not the best.
        (record(TURNED[10:18] * np.linspace(1, 2, 8)), None, Status.NOT_ESTABLISHED, "% of what"),
        (Record.of([]), None, Status.NOT_ESTABLISHED, "no finite validation loss"),
    ],
)
def test_status(run: Record, examination: Examination | None, status: Status, words: str) -> None:
    claim = asked(run, examination)
    assert claim.status is status, claim.message
    assert words in claim.message


def test_where_it_turned_and_what_was_kept() -> None:
    run = record(TURNED, restore=True)
    values = run.series["validation_loss"].values
    claim = asked(run)
    assert claim.evidence["at"].value == claim.evidence["best"].value == 10 * (1 + np.argmin(values))
    assert claim.evidence["kept"].value == values.min()
    claim = asked(record(TURNED))
    assert claim.evidence["at"].value == 400
    assert claim.evidence["turn"].value == pytest.approx(150, abs=50)
    assert claim.evidence["tolerance"].value == pytest.approx(0.05 * (values[0] - values.min()))


def test_the_gap_is_evidence_with_its_interval() -> None:
    claim = asked(record(FALLING), losses(0.05))
    assert claim.status is Status.ESTABLISHED
    found = [claim.evidence[name].value for name in ("gap_low", "gap", "gap_high")]
    assert found == pytest.approx([0.1, 0.2, 0.3], abs=0.02)
    assert "400 validation examples" in claim.scope
    assert "less the training loss was 0.2 (" in claim.message


@given(st.lists(st.floats(), max_size=20), st.lists(st.floats(), max_size=12), st.booleans())
@settings(max_examples=40, deadline=None)
def test_total(values: list[float], each: list[float], restore: bool) -> None:
    examination = Examination(losses=Losses(np.array(each), np.array(each)))
    epochs = np.arange(len(values)) + 1
    events = [Event(len(values), "finished", {"reason": "stopped"})]
    run = Record.of(
        [Series("validation_loss", "", epochs, np.array(values)), Series("epoch_loss", "", epochs, values)],
        {"callbacks": [STOPPING] if restore else None},
        events,
    )
    assert asked(run, examination).message
