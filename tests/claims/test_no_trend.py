"""The loss has no trend over the tail: on losses made by hand, whose trend is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg import Event, Record, Series
from thalweg.certificate import Claim, Status
from thalweg.claims.no_trend import NoTrend
from thalweg.examination import Examination


def losses(shape: str, n: int = 1000, noise: float = 0.02, seed: int = 0) -> np.ndarray:
    t = np.arange(n) / n
    curve = {
        "settled": 0.3 + 2.0 * np.exp(-t / 0.05),
        "falling": 2.3 - 1.8 * t,
        "slowing": 0.3 + 2.0 * np.exp(-t / 0.4),
        "rising": 0.3 + 2.0 * np.exp(-t / 0.05) + 0.6 * np.maximum(t - 0.3, 0.0),
        "dropped": 0.3 + 2.0 * np.exp(-t / 0.05) + 0.4 * (t < 0.7),
        "constant": np.full(n, 2.3),
    }[shape]
    return curve + noise * np.random.default_rng(seed).standard_normal(n)


def asked(values: np.ndarray, name: str = "loss", every: int = 1, **info: object) -> Claim:
    series = Series(name, "loss", np.arange(1, len(values) + 1) * every, values)
    return NoTrend().ask(Record.of([series], info), Examination())


@pytest.mark.parametrize(
    ("shape", "status"),
    [
        ("settled", Status.ESTABLISHED),
        ("falling", Status.REFUTED),
        ("slowing", Status.REFUTED),
        ("rising", Status.REFUTED),
    ],
)
@pytest.mark.parametrize(("name", "every", "n"), [("loss", 1, 1000), ("epoch_loss", 25, 200)])
def test_status(shape: str, status: Status, name: str, every: int, n: int) -> None:
    claim = asked(losses(shape, n), name, every)
    assert claim.status is status, claim.message
    first, low, high = (claim.evidence[key].value for key in ("first", "low", "high"))
    assert n * every / 2 > first > n * every / 3
    tolerance = claim.evidence["high"].threshold
    assert tolerance == pytest.approx(0.05 * claim.evidence["gain"].value)
    assert (status is Status.ESTABLISHED) == (-tolerance <= low and high <= tolerance)
    assert claim.scope.endswith(f"to {n * every:,}")


def test_each_line_of_the_interval_against_the_tolerance() -> None:
    seen = set()
    t = np.arange(400) / 400
    for slope in (-0.4, -0.2, -0.15, -0.1, -0.05, 0.0):
        for seed in range(6):
            curve = 0.3 + 2.0 * np.exp(-t / 0.02) + slope * t
            claim = asked(curve + 0.08 * np.random.default_rng(seed).standard_normal(400))
            low, high, ahead = (claim.evidence[key].value for key in ("low", "high", "ahead"))
            tolerance = claim.evidence["high"].threshold
            inside, outside = -tolerance <= low and high <= tolerance, high < -tolerance
            assert (claim.status is Status.ESTABLISHED) == inside
            assert (claim.status is Status.REFUTED) == outside, "a straight fall goes on as it was"
            if not (inside or outside):
                seen.add((abs(ahead) <= tolerance, high < 0.0))
    assert {(True, False), (False, True)} <= seen, "lines that no case lay between are not tested"


def test_a_fall_that_quickens_is_carried_on_no_faster_than_it_was() -> None:
    values = 30.0 - np.exp(3.0 * np.arange(400) / 400)
    claim = asked(values)
    first = int(claim.evidence["first"].value)
    tail = values[first - 1 :]
    means = [part.mean() for part in np.array_split(tail, 4)]
    quarters = np.ceil(4.0 * 400 / (400 - first))
    assert claim.status is Status.REFUTED
    assert claim.evidence["ahead"].value == pytest.approx((means[3] - means[2]) * quarters)


@pytest.mark.parametrize(
    ("time", "status"),
    [(0.1, Status.ESTABLISHED), (0.11, Status.NOT_ESTABLISHED), (0.4, Status.REFUTED)],
)
def test_each_line_of_a_fall_without_noise(time: float, status: Status) -> None:
    """Its tail begins 0.05, 0.07 and 0.8 above the floor; a band of 0.1 / 1.6 is allowed."""
    claim = asked(0.3 + 2.0 * np.exp(-np.arange(1000) / 1000 / time))
    assert claim.status is status, claim.message
    if status is Status.NOT_ESTABLISHED:
        assert claim.evidence["band"].threshold < claim.evidence["band"].value < 0.1
        assert abs(claim.evidence["ahead"].value) < 0.1


def test_an_epoch_holds_every_example_once() -> None:
    """What comes again in every epoch is no noise of the trend, where it is known how long an epoch is."""
    rng = np.random.default_rng(3)
    order = np.concatenate([rng.permutation(40) for _ in range(50)])
    values = losses("settled", 2000, 0.001) + rng.standard_normal(40)[order]
    known, unknown = asked(values, fit={"steps_per_epoch": 40}), asked(values)
    widths = [c.evidence["high"].value - c.evidence["low"].value for c in (known, unknown)]
    assert widths[0] < widths[1] / 5
    assert known.status is Status.ESTABLISHED and unknown.status is Status.NOT_ESTABLISHED


def test_the_change_of_as_many_steps_again() -> None:
    """A straight fall by 1.8 over the run falls by 1.8 over the next; the gain is 1.8 less an eighth."""
    claim = asked(losses("falling", noise=1e-6))
    assert claim.evidence["ahead"].value == pytest.approx(-1.8, rel=1e-2)
    assert claim.evidence["gain"].value == pytest.approx(1.8 * 7 / 8, rel=2e-2)
    assert "-1.8" in claim.message and "again" in claim.message


@pytest.mark.parametrize("where", [0.55, 0.7, 0.85])
def test_a_drop_at_a_change_of_rate_is_no_trend(where: float) -> None:
    """Level before it and after it: the line through the tail falls, and yet more steps would bring nothing."""
    t = np.arange(1000) / 1000
    values = 0.3 + 2.0 * np.exp(-t / 0.05) + 0.6 * (t < where)
    assert (
        asked(values + 0.1 * np.random.default_rng(0).standard_normal(1000)).status is Status.NOT_ESTABLISHED
    )


def test_a_fall_that_has_all_but_ended_is_not_refuted_by_what_it_was() -> None:
    """The line foretells a fall by over 5 % of the gain; under 1 % is left."""
    t = np.arange(4000) / 4000
    claim = asked(0.3 + 2.0 * np.exp(-t / 0.2) + 0.1 * np.random.default_rng(0).standard_normal(4000))
    assert claim.evidence["high"].value < -claim.evidence["high"].threshold
    assert claim.status is Status.NOT_ESTABLISHED


def test_noise_is_no_evidence_of_rest() -> None:
    assert asked(losses("settled", noise=1.0)).status is Status.NOT_ESTABLISHED
    assert asked(losses("settled", n=100, noise=0.1)).status is Status.NOT_ESTABLISHED
    assert asked(losses("settled", n=100, noise=1e-3)).status is Status.ESTABLISHED


def test_the_gain_counts_from_a_constant_prediction_at_most() -> None:
    values = losses("settled")
    values[:20] = 1e4  # an initial loss of no meaning must not widen the tolerance
    wide = asked(values, constant_prediction_loss=2.3)
    assert wide.evidence["gain"].value == pytest.approx(2.0, rel=0.02)


@pytest.mark.parametrize(("noise", "status"), [(0.0, Status.ESTABLISHED), (0.02, Status.NOT_ESTABLISHED)])
def test_what_gained_nothing_is_at_rest_only_if_it_does_not_move(noise: float, status: Status) -> None:
    assert asked(losses("constant", noise=noise)).status is status


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], "no loss"),
        ([1.0] * 20, "there were 20"),
        ([*losses("settled"), np.nan], "not finite"),
        (np.cumsum(np.random.default_rng(0).standard_normal(90)), "wander"),
    ],
)
def test_what_cannot_be_told_is_not_established(values: list[float], words: str) -> None:
    claim = asked(np.array(values))
    assert claim.status is Status.NOT_ESTABLISHED
    assert words in claim.message


@pytest.mark.parametrize("n", [100, 400, 3000])
@pytest.mark.parametrize(
    ("shape", "status"),
    [("settled", Status.ESTABLISHED), ("falling", Status.REFUTED), ("slowing", Status.REFUTED)],
)
def test_losses_without_noise_are_judged_by_their_course(shape: str, status: Status, n: int) -> None:
    assert asked(losses(shape, n, noise=0.0)).status is status


def test_a_loss_that_moves_by_rounding_alone_is_at_rest() -> None:
    t = np.arange(400) / 400
    held = 5.0 - 4e-8 * np.exp(3.0 * t)
    assert asked(held, initial_loss=5.0).status is Status.ESTABLISHED


def test_random_walks_are_hardly_ever_said_to_have_a_trend() -> None:
    rng = np.random.default_rng(8)
    said = [asked(10.0 + np.cumsum(rng.standard_normal(200))).status for _ in range(400)]
    assert said.count(Status.REFUTED) <= 4


def test_settled_runs_are_hardly_ever_said_to_have_a_trend() -> None:
    statuses = [asked(losses("settled", 400, 0.1, seed)).status for seed in range(60)]
    assert Status.REFUTED not in statuses


@given(
    st.lists(st.floats(), max_size=150), st.floats(), st.sampled_from(["loss", "epoch_loss", "probe_loss"])
)
@settings(max_examples=80, deadline=None)
def test_total(values: list[float], constant: float, name: str) -> None:
    steps = np.arange(len(values)) * 3
    events = [Event(3, "epoch", {"epoch": 1})]
    record = Record.of([Series(name, "", steps, values * 1)], {"constant_prediction_loss": constant}, events)
    assert NoTrend().ask(record, Examination()).message
