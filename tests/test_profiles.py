"""Performance profiles against ratios and shares that were made by hand."""

import numpy as np
import pytest

from thalweg import Record, Series, UsageError
from thalweg.comparison import Comparison, Configuration, Member
from thalweg.profiles import Profiles


def problem(
    arrivals: dict[tuple[str, float], float], batch: int = 32, schedule: str = "constant"
) -> Comparison:
    """Three seeds of each configuration reach the target of 1 at this step of 100; the lower, the earlier."""
    members = []
    for (optimizer, rate), step in arrivals.items():
        for seed in range(3):
            steps = np.arange(10, 101, 10)
            last = 0.5 + 1e-3 * step if np.isfinite(step) else 2.0
            losses = np.where(steps < step, 3.0, np.minimum(last, 1.0) if np.isfinite(step) else 2.0)
            record = Record.of([Series("epoch_loss", "loss", steps, losses)])
            members.append(
                Member.of(Configuration(optimizer, rate, schedule, batch_size=batch), seed, record)
            )
    return Comparison(tuple(members), target=1.0)


NEVER = np.inf
PROBLEMS = {
    # Steps to the target of each kind at rates 0.1 and 1.
    "easy": problem({("sgd", 0.1): 20, ("sgd", 1.0): 40, ("adam", 0.1): 10, ("adam", 1.0): NEVER}),
    "hard": problem({("sgd", 0.1): NEVER, ("sgd", 1.0): 60, ("adam", 0.1): 90, ("adam", 1.0): 30}),
    "hopeless": problem({(o, r): NEVER for o in ("sgd", "adam") for r in (0.1, 1.0)}),
    "odd": problem(
        {("sgd", 0.1): 50, ("sgd", 1.0): 70, ("adam", 0.1): NEVER, ("adam", 1.0): NEVER}, batch=64
    ),
}


def test_each_kind_at_its_best_rate_of_each_problem() -> None:
    sgd, adam = Profiles(PROBLEMS).tuned
    assert (sgd.kind, adam.kind) == (("sgd", None, None, None), ("adam", None, None, None))
    assert (sgd.rate, adam.rate) == (None, None)
    assert sgd.costs.tolist() == [20 * 32, 60 * 32, NEVER, 50 * 64]
    assert adam.costs.tolist() == [10 * 32, 30 * 32, NEVER, NEVER]
    assert sgd.ratios.tolist() == [2.0, 2.0, NEVER, 1.0]
    assert adam.ratios.tolist() == [1.0, 1.0, NEVER, NEVER]
    assert [sgd.count(r) for r in (1.0, 1.99, 2.0, np.inf)] == [1, 1, 3, 3]
    assert [adam.count(r) for r in (1.0, 1.99, 2.0, np.inf)] == [2, 2, 2, 2]
    share, low, high = sgd.share(2.0)
    assert (share, low, high) == pytest.approx((0.75, 0.1941, 0.9937), abs=1e-4)


def test_each_kind_at_one_rate_for_all_problems() -> None:
    """SGD reaches three targets with a rate of 1, two with 0.1; Adam two with 0.1, one with 1."""
    sgd, adam = Profiles(PROBLEMS).untuned
    assert (sgd.kind[0], sgd.rate, adam.kind[0], adam.rate) == ("sgd", 1.0, "adam", 0.1)
    assert sgd.costs.tolist() == [40 * 32, 60 * 32, NEVER, 70 * 64]
    assert adam.costs.tolist() == [10 * 32, 90 * 32, NEVER, NEVER]
    assert sgd.ratios.tolist() == [4.0, 1.0, NEVER, 1.0]
    assert adam.ratios.tolist() == [1.0, 1.5, NEVER, NEVER]


def test_of_rates_that_reach_as_many_targets_the_faster_one_is_taken() -> None:
    two = {
        "a": problem({("sgd", 0.1): 50, ("sgd", 1.0): 30}),
        "b": problem({("sgd", 0.1): 50, ("sgd", 1.0): 60}),
    }
    (found,) = Profiles(two).untuned
    assert found.rate == 1.0  # 30 * 60 < 50 * 50
    two["b"] = problem({("sgd", 0.1): 50, ("sgd", 1.0): 90})
    assert Profiles(two).untuned[0].rate == 0.1


def test_without_a_common_rate_a_kind_is_in_the_first_profile_alone() -> None:
    two = {"a": problem({("sgd", 0.1): 50}), "b": problem({("sgd", 0.2): 50})}
    assert len(Profiles(two).tuned) == 1 and Profiles(two).untuned == ()


def test_what_differs_on_a_problem_tells_kinds_apart() -> None:
    both = problem({("sgd", 0.1): 50}).members + problem({("sgd", 0.1): 30}, schedule="cosine").members
    found = Profiles({"a": Comparison(both, target=1.0)}).tuned
    assert [profile.kind for profile in found] == [
        ("sgd", "cosine", None, None),
        ("sgd", "constant", None, None),
    ]


def test_what_cannot_be_profiled() -> None:
    with pytest.raises(UsageError, match="need a problem"):
        Profiles({})
    with pytest.raises(UsageError, match="adam was not trained on 'b'"):
        Profiles({"a": problem({("sgd", 0.1): 10, ("adam", 0.1): 10}), "b": problem({("sgd", 0.1): 10})})


def test_where_nothing_was_reached_no_ratio_is_finite() -> None:
    (found,) = Profiles({"a": problem({("sgd", 0.1): NEVER})}).tuned
    assert found.ratios.tolist() == [NEVER] and found.reached == 0 and found.share(np.inf)[0] == 0.0
