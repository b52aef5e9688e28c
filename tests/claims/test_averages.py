"""Claims 2 and 3 on runs whose truth is known: gradient descent with noise on quadratics, under several schedules."""

from collections.abc import Callable
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from thalweg.certificate import Claim, Status
from thalweg.claims import NoiseBall, NotFrozen
from thalweg.examination import Examination
from thalweg.record import Record, Series
from thalweg.stats.looks import Look, Looks
from thalweg.testing import filled, hard_records

BALL, FROZEN = NoiseBall(), NotFrozen()
UNITS = {
    "average_span": "steps",
    "early_average_loss": "loss",
    "average_loss": "loss",
    "iterate_loss": "loss",
    "iterate_loss_error": "loss",
    "average_distance": "parameter",
}


def record(rates: np.ndarray, rows: list[tuple[int, Look]], loss: np.ndarray | None = None) -> Record:
    """A record with these rates (n,) of the steps and these looks (step, look)."""
    at = np.arange(1, len(rates) + 1)
    series = [Series("learning_rate", "1", at, rates)]
    if loss is not None:
        series.append(Series("loss", "loss", at, loss))
    names = ("span", "early", "late", "iterates", "error", "distance")
    for (name, unit), field in zip(UNITS.items(), names, strict=True):
        series.append(Series(name, unit, [s for s, _ in rows], [getattr(look, field) for _, look in rows]))
    return Record.of(series, {"initial_loss": float(rows[0][1].early)} if rows else {})


def descent(
    rate: Callable[[int], float],
    steps: int,
    lam: Any = (0.02, 0.1, 0.5),
    noise: float = 1.0,
    start: float = 30.0,
) -> Record:
    """SGD on a quadratic; the sums begin anew as the watch has them do."""
    rng, lam = np.random.default_rng(1), np.asarray(lam)
    x = np.full(len(lam), start)

    def value(point: Any) -> float:
        return float(0.5 * lam @ point[0] ** 2)

    rates, losses = np.empty(steps), np.empty(steps)
    rows: list[tuple[int, Look]] = []
    kept, origin, low, high = Looks(128, value), 0, rate(0), rate(0)
    for step in range(1, steps + 1):
        rates[step - 1], losses[step - 1] = rate(step - 1), value([x])
        low, high = min(low, rates[step - 1]), max(high, rates[step - 1])
        if high > 1.2 * low:
            kept, origin = Looks(128, value), step - 1
            low = high = rates[step - 1]
        x = x - rates[step - 1] * (lam * x + noise * rng.standard_normal(len(lam)))
        if step - origin == kept.next and (found := kept.add(step - origin, [x])) is not None:
            rows.append((step, found))
    return record(rates, rows, losses)


def ball(given: Record) -> Claim:
    return BALL.ask(given, Examination())


def frozen(given: Record) -> Claim:
    return FROZEN.ask(given, Examination())


def test_a_noise_ball_that_was_reached():
    claim = ball(descent(lambda s: 0.1, 20_000))
    assert claim.status is Status.ESTABLISHED
    # What noise adds in the stationary state: sum of rate s / (4 - 2 rate lambda), which lowering the rate gains.
    expected = sum(0.1 / (4.0 - 0.2 * lam) for lam in (0.02, 0.1, 0.5))
    assert claim.evidence["cost"].value == pytest.approx(expected, rel=0.5)
    assert "lowering the rate would gain" in claim.message
    assert claim.scope == "the 19,484 steps up to step 19,484, on the probe batch"


def test_one_that_was_not():
    claim = ball(descent(lambda s: 0.002, 2_000))
    assert claim.status is Status.REFUTED, claim.message
    assert claim.evidence["progress"].value > claim.evidence["cost"].value
    # The mean path is linear: the bias at twice the steps is known.
    lam = np.asarray((0.02, 0.1, 0.5))

    def at_mean(t: int) -> float:
        path = 30.0 * (1.0 - 0.002 * lam) ** np.arange(t // 2, t)[:, None]
        return float(0.5 * lam @ path.mean(axis=0) ** 2)

    step = int(claim.evidence["step"].value)
    assert claim.evidence["further"].value == pytest.approx(at_mean(step) - at_mean(2 * step), rel=0.25)


def test_a_mean_that_improved_and_has_stopped_refutes_nothing():
    """The fall of the window before is over: that the last doubling brought much says nothing of the next."""
    t = 128 * 2.0 ** (np.arange(12) / 4.0)
    late = 1.0 + 5.0 * np.exp(-((t / 500.0) ** 4))
    looks = [(int(s), Look(int(s), 6.0, f, f + 0.1, 0.01, 1.0)) for s, f in zip(t, late, strict=True)]
    claim = ball(record(np.full(int(t[-1]), 0.1), looks))
    assert claim.status is Status.NOT_ESTABLISHED
    assert (
        claim.evidence["progress"].value
        > claim.evidence["further"].threshold
        > claim.evidence["further"].value
    )


def improving(
    progress: float = 3.0, falls: tuple[float, ...] = (1.0,) * 7, spans: Any = None, longer: int = 0
) -> Claim:
    """The claim on looks whose mean point falls so, where noise costs 0.5 with an error of 0.1."""
    late = 20.0 - np.cumsum((0.0, *falls))
    spans = np.asarray(128 * 2.0 ** (np.arange(len(late)) / 4.0) if spans is None else spans, dtype=int)
    steps = np.maximum.accumulate(spans) + np.arange(len(spans))
    looks = [Look(int(s), f + progress, f, f + 0.5, 0.1, 1.0) for s, f in zip(spans, late, strict=True)]
    rows = [(int(step), look) for step, look in zip(steps, looks, strict=True)]
    return ball(record(np.full(steps[-1] + longer, 0.1), rows))


def test_each_line_of_a_mean_that_goes_on_improving():
    assert improving().status is Status.REFUTED
    assert improving(progress=0.81).status is Status.REFUTED
    assert improving(progress=0.79).status is Status.NOT_ESTABLISHED, "within three errors of the cost"
    begun_anew = [128, 152, 181, 215, 256, 304, 362, 128]
    assert improving(spans=begun_anew).status is Status.NOT_ESTABLISHED, "the sums began anew"
    assert improving(longer=300).status is Status.REFUTED
    assert improving(longer=900).status is Status.NOT_ESTABLISHED, "an old look says nothing of the end"


def test_a_fall_that_quickens_is_carried_on_no_faster_than_it_was():
    claim = improving(falls=(0.25,) * 5 + (1.0, 2.0))
    assert claim.evidence["further"].value == pytest.approx(4 * 2.0)


def test_without_noise_there_is_no_ball():
    assert ball(descent(lambda s: 0.1, 20_000, noise=0.0)).status is Status.NOT_ESTABLISHED


def test_a_rate_lowered_after_the_last_look_is_another_ball():
    claim = ball(descent(lambda s: 0.1 if s < 19_900 else 0.01, 20_000))
    assert claim.status is Status.NOT_ESTABLISHED and "rate was changed" in claim.message


def test_two_looks_are_not_enough():
    given = descent(lambda s: 0.1, 20_000)
    holding = [Look(128 + i, 1.0, 1.0, 2.0, 0.1, 1.0) for i in range(5)]
    failing = Look(130, 2.5, 1.0, 2.0, 0.1, 1.0)
    steps = [int(s) for s in given.series["average_loss"].steps[-5:]]
    rates = given.series["learning_rate"].values

    def status(looks: list[Look]) -> Status:
        spans = [Look(s, *[getattr(k, n) for n in ("early", "late", "iterates", "error", "distance")]) for s, k in
                 zip(steps, looks, strict=True)]  # fmt: skip
        return ball(record(rates, list(zip(steps, spans, strict=True)))).status

    assert status(holding) is Status.ESTABLISHED
    assert status([*holding[:2], failing, *holding[:2]]) is Status.NOT_ESTABLISHED
    assert status([*holding[:1], failing, *holding[:3]]) is Status.ESTABLISHED
    unresolved = Look(1, 1.0, 1.0, 2.0, 0.34, 1.0)
    assert status([*holding[:4], unresolved]) is Status.NOT_ESTABLISHED


def test_a_constant_rate_freezes_nothing():
    claim = frozen(descent(lambda s: 0.002, 2_000))
    assert claim.status is Status.ESTABLISHED and claim.evidence["last"].value == 0.002


def test_a_rate_that_fell_after_arrival_froze_nothing():
    claim = frozen(descent(lambda s: 0.1 if s < 12_000 else 1e-5, 20_000))
    assert claim.status is Status.ESTABLISHED, claim.message
    assert claim.evidence["last"].usual == 0.1
    quiet = frozen(descent(lambda s: 0.1 if s < 12_000 else 1e-5, 20_000, noise=0.0))
    assert quiet.status is Status.ESTABLISHED and "at most" in quiet.message


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_a_rate_that_fell_on_the_way_froze_the_weights(noise):
    claim = frozen(descent(lambda s: 0.01 if s < 1_000 else 1e-6, 8_000, noise=noise))
    assert claim.status is Status.REFUTED, claim.message
    assert claim.evidence["distance"].value > claim.evidence["distance"].threshold


def test_a_step_decay_that_leaves_time_at_every_rate_froze_nothing():
    claim = frozen(descent(lambda s: (0.1, 0.01, 0.001)[min(s // 20_000, 2)], 60_000))
    assert claim.status is Status.ESTABLISHED, claim.message


def test_a_cosine_over_the_run_is_not_said_to_freeze():
    claim = frozen(descent(lambda s: 0.05 * (1 + np.cos(np.pi * s / 20_000)), 20_000))
    assert claim.status is not Status.REFUTED, claim.message


def lowered(
    progress: float = 1.0, cost: float = 0.05, error: float = 0.01, rest: tuple[float, int] = (0.01, 1_000)
) -> Claim:
    """The claim on a run of 1,000 steps at a rate of 1 and the rest at a lower one, which had fallen by 10.

    The schedule time is 1,010, that between the middles of the look's windows 375: the gain is 2.7 progresses.
    """
    rates = np.concatenate([np.ones(1_000), np.full(rest[1], rest[0])])
    looks = [(100, Look(100, 11.0, 8.0, 8.0, 0.1, 1.0))]
    looks.append((1_000, Look(1_000, 1.0 + progress, 1.0, 1.0 + cost, error, 1.0)))
    return frozen(record(rates, looks))


def test_each_line_of_a_run_that_was_frozen():
    assert lowered().status is Status.REFUTED
    assert lowered(cost=0.18).status is Status.REFUTED
    assert lowered(cost=0.21).status is Status.NOT_ESTABLISHED, "not clear of the cost of noise"
    assert lowered(progress=0.76).status is Status.REFUTED
    assert lowered(progress=0.72).status is Status.NOT_ESTABLISHED, "a gain of less than a fifth of the fall"
    # left: 30 and then 200 of schedule time, at 1 / 375 of the distance each.
    assert lowered(rest=(0.04, 2_000)).status is Status.NOT_ESTABLISHED, "two times what was left is near"
    assert lowered(progress=0.05, error=0.001).status is Status.ESTABLISHED
    assert lowered(progress=0.05, error=0.02).status is Status.NOT_ESTABLISHED, (
        "it may have been three times that"
    )


def test_the_distance_to_go_is_the_quadratics():
    """Without noise, in one direction: the mean heads for the minimum."""
    given = descent(lambda s: 0.001 if s < 3_000 else 1e-9, 20_000, lam=(0.1,), noise=0.0)
    claim = frozen(given)
    step = claim.evidence["step"].value
    kept = claim.evidence["kept"].value
    assert kept == 3_000 and step < kept
    path = 30.0 * (1.0 - 1e-4) ** np.arange(1, 3_001)
    late, early = path[step // 2 : step].mean(), path[step // 4 : step // 2].mean()
    speed = (early - late) / (0.375 * step)
    assert claim.evidence["distance"].value == pytest.approx(late - speed * (kept - step), rel=1e-2)
    # The rest: 17,000 steps, and as many more as the run had, at a millionth of the rate.
    assert claim.evidence["allowed"].value == pytest.approx(speed * 37_000 * 1e-6, rel=1e-2)


@pytest.mark.parametrize("question", [BALL, FROZEN], ids=lambda q: q.name)
def test_hard_records_are_answered(question):
    for name, given in hard_records().items():
        with np.errstate(all="raise", under="ignore"):
            claim = question.ask(given, Examination())
        assert claim.message and "{" not in claim.message, name


@pytest.mark.parametrize("question", [BALL, FROZEN], ids=lambda q: q.name)
@hypothesis.given(values=st.lists(st.floats(), min_size=1, max_size=40))
@hypothesis.settings(max_examples=60, deadline=None, derandomize=True, database=None)
def test_drawn_records_are_answered(question, values):
    claim = question.ask(filled(lambda n: (values * n)[:n], len(values)), Examination())
    assert isinstance(claim, Claim)


def test_why_there_is_none():
    claim = ball(Record.of([], {"watch": {"averages": "the budget is 0"}}))
    assert claim.status is Status.NOT_ESTABLISHED
    assert claim.message == "The record holds no averages of the weights: the budget is 0."
    assert frozen(Record.of([])).status is Status.NOT_ESTABLISHED
