"""The tape driven by hand, step by step, with gradients that are known."""

import numpy as np
import pytest
from laboratory import keras, ops

from thalweg.keras.tape import Tape

SHAPES = [(2, 3), (3,)]


class Drive:
    """Steps with random gradients, and the same numbers in NumPy."""

    def __init__(self, *, eager: bool, rows: int = 8, costly: bool = True) -> None:
        self.tape = Tape(rows, costly=costly, eager=eager, functional=False)
        self.random = np.random.default_rng(5)
        self.parameters = [keras.Variable(np.ones(shape, "float32"), trainable=True) for shape in SHAPES]
        self.gradients: list[list[np.ndarray]] = []

    def step(self, gradients: list[np.ndarray] | None = None, *, measuring: bool = True) -> None:
        self.tape.measuring = measuring and self.tape.costly
        found = gradients or [self.random.standard_normal(shape).astype("float32") for shape in SHAPES]
        self.gradients.append(found)
        tensors = [ops.convert_to_tensor(gradient) for gradient in found]
        self.tape.before_update(tensors, self.parameters, ops.convert_to_tensor(0.1), None)
        for parameter, gradient in zip(self.parameters, tensors, strict=True):
            parameter.assign(parameter - 0.1 * gradient)
        self.tape.after_update(self.parameters)
        self.tape.write(ops.convert_to_tensor(float(len(self.gradients))))

    def idle(self, loss: float | None) -> None:
        """A step that applies nothing."""
        self.tape.write(None if loss is None else ops.convert_to_tensor(loss))

    def product(self, step: int) -> float:
        before, now = self.gradients[step - 2], self.gradients[step - 1]
        return float(sum(np.sum(a * b) for a, b in zip(before, now, strict=True)))


@pytest.fixture(params=[True, False], ids=["one buffer for both", "a copy"])
def drive(request):
    return Drive(eager=request.param)


def test_every_step(drive):
    for _ in range(5):
        drive.step()
    rows = drive.tape.read()
    assert rows.steps.tolist() == rows.loss.tolist() == [1, 2, 3, 4, 5]
    assert rows.costly.tolist() == [0, 1, 2, 3, 4] and rows.fresh.tolist() == [False, True, True, True, True]
    assert rows.gradient_products[1:] == pytest.approx([drive.product(s) for s in range(2, 6)], rel=1e-5)
    norms = [[np.linalg.norm(g) for g in gradients] for gradients in drive.gradients]
    assert rows.gradient_norms == pytest.approx(np.array(norms), rel=1e-6)
    assert rows.update_norms == pytest.approx(0.1 * np.array(norms), rel=1e-4)
    assert drive.tape.read() is None


def test_products_are_with_the_step_before_or_not_fresh(drive):
    for step in range(1, 5):
        drive.step(measuring=step not in (2, 3))
    first = drive.tape.read()  # the last step of a drain counts for the first of the next
    for step in range(5, 12):
        drive.step(measuring=step in (5, 9, 10))
    rows = drive.tape.read()
    assert first.steps[first.costly].tolist() == [1, 4] and first.fresh.tolist() == [False, False]
    assert rows.steps[rows.costly].tolist() == [5, 9, 10] and rows.fresh.tolist() == [True, False, True]
    expected = [drive.product(5), drive.product(10)]
    assert rows.gradient_products[rows.fresh] == pytest.approx(expected, rel=1e-5)


def test_what_is_not_finite_survives_and_is_counted(drive):
    drive.step()
    drive.step([np.full((2, 3), np.nan, "float32"), np.array([np.inf, 1, -np.inf], "float32")])
    rows = drive.tape.read()
    assert rows.nonfinite_gradients.tolist() == [0.0, 8.0]
    assert np.isnan(rows.gradient_norms[1, 0]) and np.isposinf(rows.gradient_norms[1, 1])
    assert rows.costly.tolist() == [0, 1] and np.isnan(rows.update_norms[1, 0])


def test_zeros_are_counted(drive):
    drive.step([np.array([[0, 1, 0], [0, 0, 5]], "float32"), np.array([0, -0.0, 1e-30], "float32")])
    rows = drive.tape.read()
    assert rows.zero_fractions[0] == pytest.approx([4 / 6, 2 / 3])


def test_a_full_ring_says_what_it_lost(drive):
    for _ in range(11):
        drive.step()
    rows = drive.tape.read()
    assert rows.lost == 3
    assert rows.steps.tolist() == rows.loss.tolist() == list(range(4, 12))


def test_steps_that_apply_nothing_have_no_gradient_and_keep_the_one_before(drive):
    drive.step()
    drive.idle(0.5)
    drive.idle(None)
    drive.step()
    rows = drive.tape.read()
    assert rows.steps.tolist() == [1, 2, 3, 4]
    assert rows.told.tolist() == [True, True, False, True] and rows.loss[[0, 1, 3]].tolist() == [1, 0.5, 2]
    assert rows.applied.tolist() == [0, 3] and rows.gradient_norms.shape == (2, 2)
    assert (rows.gradient_norms > 0.0).all() and rows.learning_rate == pytest.approx(0.1)
    assert rows.costly.tolist() == [0, 1] and rows.fresh.tolist() == [False, True]
    assert rows.gradient_products[1] == pytest.approx(drive.product(2), rel=1e-5)
    drive.idle(0.5)
    idle = drive.tape.read()
    assert idle.steps.tolist() == [5] and not len(idle.applied) and idle.gradient_norms.shape == (0, 2)
    drive.step()
    later = drive.tape.read()
    assert later.steps.tolist() == [6] and later.fresh.tolist() == [True]
    assert later.gradient_products == pytest.approx([drive.product(3)], rel=1e-5)
    assert drive.tape.updates == 3


@pytest.mark.parametrize("costly", [True, False])
@pytest.mark.parametrize("between", [True, False])
def test_the_first_step_that_applies_may_come_after_a_drain(costly, between):
    drive = Drive(eager=True, costly=costly)
    for loss in (3.0, 4.0):
        drive.idle(loss)
    if between:
        rows = drive.tape.read()
        assert rows.loss.tolist() == [3.0, 4.0] and not len(rows.applied) and not drive.tape.has_update
    drive.step()
    rows = drive.tape.read()
    assert rows.steps.tolist() == ([3] if between else [1, 2, 3]) and rows.lost == 0
    assert rows.loss.tolist() == ([1.0] if between else [3.0, 4.0, 1.0])
    assert rows.applied.tolist() == [len(rows.steps) - 1]
    norms = [[np.linalg.norm(gradient) for gradient in drive.gradients[0]]]
    assert rows.gradient_norms == pytest.approx(np.array(norms), rel=1e-6)
    assert len(rows.costly) == costly


def test_without_costly_probes():
    drive = Drive(eager=False, costly=False)
    drive.step()
    rows = drive.tape.read()
    assert len(drive.tape.variables) == 1 and len(rows.costly) == 0
    assert rows.gradient_norms.shape == (1, 2) and rows.zero_fractions.shape == (0, 2)


@pytest.mark.parametrize("eager", [True, False])
def test_the_count_goes_on_where_float32_would_stop(eager):
    drive = Drive(eager=eager)
    drive.step()
    tape = drive.tape
    assert tape.read().steps.tolist() == [1]
    tape._drained = tape._written = 2**24 - 3
    if not eager:
        table = np.array(ops.convert_to_numpy(tape._table))
        table[0, 0] = 2**23 - 3
        tape._table.assign(table)
    for _ in range(5):
        drive.step()
    rows = tape.read()
    assert rows.steps.tolist() == list(range(2**24 - 2, 2**24 + 3)) and rows.lost == 0
    assert rows.loss.tolist() == [2, 3, 4, 5, 6]
