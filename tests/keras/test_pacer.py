"""The pacer against a clock that is known: what the costly probes cost, and how often they may run."""

import time

import numpy as np
import pytest

from thalweg.keras.allowance import Allowance
from thalweg.keras.pacer import Pacer

pytestmark = pytest.mark.seam


def run(pacer: Pacer, calls: int, cost: float, *, step=1.0, epoch: int = 10**9, every: int = 10**9):
    """Steps of `step` seconds, `1 + cost` of that where they measure; epochs end and drains come in between."""
    now, measured = 0.0, []
    for call in range(calls):
        measured.append(pacer.measures(call))
        length = step() if callable(step) else step
        now += length * (1.0 + cost * measured[-1])
        if pacer.due(call + 1) or (call + 1) % every == 0:
            pacer.read(call + 1, now)
            now += 0.7 * length  # what a drain takes is not the steps'
            pacer.resume(now)
        if (call + 1) % epoch == 0:
            pacer.pause(now)
            now += 50.0 * length
            pacer.resume(now)
    return measured


@pytest.mark.parametrize(("epoch", "every"), [(10**9, 10**9), (5, 10**9), (10**9, 3)])
def test_the_cost_is_found_and_held(epoch, every):
    pacer = Pacer(0.03)
    pacer.begin(4)
    measured = run(pacer, 1000, 0.3, epoch=epoch, every=every)
    assert pacer.cost == pytest.approx(0.3, rel=1e-6)
    assert pacer.stride == 40  # two steps of 0.3 in forty are half of 0.03
    assert sum(measured[200:]) / len(measured[200:]) * 0.3 <= 0.015 + 1e-9


def test_cheap_probes_run_at_every_step():
    pacer = Pacer(0.03)
    pacer.begin(0)
    assert all(run(pacer, 300, 0.01)[200:])
    assert pacer.stride == 1


def test_a_burst_holds_the_steps_of_one_update():
    pacer = Pacer(0.03, burst=4)
    pacer.begin(0)
    measured = run(pacer, 1000, 0.1)
    start = 500 - 500 % pacer.stride
    assert pacer.stride == 27
    assert measured[start : start + 27] == [True] * 4 + [False] * 23


def test_it_times_again_when_the_run_is_ten_times_as_long():
    pacer = Pacer(0.03)
    pacer.begin(0)
    run(pacer, 150, 0.3)
    assert pacer.stride == 40
    for call in range(150, 2000):
        if pacer.due(call):
            break
    assert 900 < call < 1200


def test_a_step_that_compiles_does_not_count():
    pacer = Pacer(0.03)
    pacer.begin(0)
    now = 0.0
    for call in range(400):
        measures = pacer.measures(call)
        now += 1.0 + 0.2 * measures + 500.0 * (call == 20)
        if call == 20:
            pacer.interrupted()
        if pacer.due(call + 1):
            pacer.read(call + 1, now)
            pacer.resume(now)
    assert pacer.cost == pytest.approx(0.2, rel=1e-6)


def test_without_a_budget_everything_is_measured():
    pacer = Pacer(None)
    pacer.begin(0)
    assert all(run(pacer, 500, 5.0))


def test_short_steps_are_timed_in_longer_blocks():
    pacer = Pacer(0.03)
    pacer.begin(0)
    run(pacer, 3000, 0.3, step=2e-4)
    assert pacer.cost == pytest.approx(0.3, rel=1e-6)
    assert 12 * 8 * 2e-4 < 0.05 < pacer._block * 12 * 2e-4 < 0.2


def test_the_budget_is_held_where_timing_is_noisy():
    noise = np.random.default_rng(2)
    strides = []
    for _ in range(200):
        pacer = Pacer(0.03)
        pacer.begin(0)
        run(pacer, 300, 0.3, step=lambda: float(noise.lognormal(0.0, 0.3)))
        strides.append(pacer.stride)
    assert np.mean(np.array(strides) >= 40) > 0.8


@pytest.mark.parametrize(("free", "times"), [(0, 2), (2, 2), (5, 5)])
def test_errands_that_are_free(free, times):
    """The first, which tells nothing of the next, and the second, which does, are made whatever they cost."""
    allowance = Allowance(1e-9, free=free)
    made = [allowance.timed(lambda: time.sleep(1e-3)) for _ in range(20) if allowance.affords()]
    assert len(made) == times
