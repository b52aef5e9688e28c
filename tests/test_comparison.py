"""What is said of several configurations with several seeds: on members whose losses were made by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg import Event, Record, Series, UsageError
from thalweg.comparison import Comparison, Configuration, Member

EPOCHS = 20


def member(
    configuration: Configuration, seed: int, final: float, *, validated: bool = True, diverges: bool = False
) -> Member:
    """A loss that comes down from 2.3 to `final` in 20 epochs of 30 steps; infinite in the last where it diverges."""
    done = np.arange(1, EPOCHS + 1) / EPOCHS
    epochs = final + (2.3 - final) * np.exp(-8.0 * done)
    epochs[-1] = np.inf if diverges else final
    steps = np.arange(1, EPOCHS + 1) * 30
    series = [Series("epoch_loss", "loss", steps, epochs)]
    if validated:
        series.append(Series("validation_loss", "loss", steps, epochs + 0.1))
    loss = np.repeat(epochs, 30) + 0.01 * np.random.default_rng(seed).standard_normal(30 * EPOCHS)
    series.append(Series("loss", "loss", np.arange(1, 30 * EPOCHS + 1), loss))
    return Member.of(
        configuration, seed, Record.of(series, {"initial_loss": 2.3, "constant_prediction_loss": 2.3})
    )


def study(levels: dict[tuple[str, float], tuple[float, ...]], **options: object) -> Comparison:
    return Comparison(
        tuple(
            member(Configuration(name, rate), seed, final, diverges=np.isinf(final), **options)  # type: ignore[arg-type]
            if np.isfinite(final)
            else member(Configuration(name, rate), seed, 2.0, diverges=True, **options)  # type: ignore[arg-type]
            for (name, rate), finals in levels.items()
            for seed, final in enumerate(finals)
        )
    )


NEVER = (np.inf,) * 5
SEEN = {
    ("sgd", 0.01): (0.50, 0.52, 0.51, 0.53, 0.50),
    ("sgd", 0.1): (0.30, 0.31, 0.29, 0.30, 0.32),
    ("sgd", 1.0): NEVER,
    ("adam", 0.001): (0.31, 0.30, 0.31, 0.29, 0.32),
    ("adam", 0.01): (0.29, 0.30, 0.30, 0.30, 0.31),
    ("adam", 0.1): (0.30, np.inf, 0.9, 0.8, 0.9),
}


def test_the_lowest_median_comes_first_and_the_others_are_told_from_it() -> None:
    found = study(SEEN).summaries()
    assert [(s.configuration.optimizer, s.configuration.learning_rate) for s in found] == [
        ("adam", 0.01), ("sgd", 0.1), ("adam", 0.001), ("sgd", 0.01), ("adam", 0.1), ("sgd", 1.0),
    ]  # fmt: skip
    assert [s.apart for s in found] == [False, False, False, True, False, True]
    assert found[0].above is None
    sgd = found[3]
    # Seed by seed above adam's: 0.21, 0.22, 0.21, 0.23, 0.19.
    assert sgd.above is not None and sgd.above.difference == pytest.approx(0.212)
    # Of fifteen pairs of six each interval may miss a third of 1 %: Student's t with 4 degrees at 1 - 1/600 is 6.254.
    error = np.std([0.21, 0.22, 0.21, 0.23, 0.19], ddof=1) / np.sqrt(5)
    assert sgd.above.lower == pytest.approx(0.212 - 6.254 * error, rel=1e-3)


def test_how_many_diverged_and_their_medians() -> None:
    found = {(s.configuration.optimizer, s.configuration.learning_rate): s for s in study(SEEN).summaries()}
    assert {key: s.diverged for key, s in found.items() if s.diverged} == {("sgd", 1.0): 5, ("adam", 0.1): 1}
    mixed = found["adam", 0.1].validation
    assert (mixed.value, mixed.low, mixed.high) == (pytest.approx(1.0), pytest.approx(0.4), np.inf)
    assert found["sgd", 1.0].validation.value == np.inf
    assert found["sgd", 0.1].validation.confidence == 0.9375


def test_steps_to_the_target_are_censored_where_it_was_never_reached() -> None:
    given = study(SEEN)
    assert given.aim() == pytest.approx(1.05 * 0.4)
    found = {(s.configuration.optimizer, s.configuration.learning_rate): s for s in given.summaries()}
    assert found["sgd", 0.01].steps.value == np.inf and found["sgd", 0.01].steps.low == np.inf
    # 0.3 + 2 exp(-8 t) + 0.1 is at most 0.42 first in epoch 12 of 20: 360 steps of 30.
    assert found["sgd", 0.1].steps.value == 360.0
    asked = Comparison(given.members, target=0.7)
    assert asked.aim() == 0.7
    assert {s.configuration.learning_rate: s.steps.value for s in asked.summaries()}[0.01] < np.inf


def test_how_wide_the_range_of_good_rates_is() -> None:
    adam, sgd = study(SEEN).sensitivities()
    assert (adam.kind[0], adam.best, adam.good) == ("adam", 0.01, (0.001, 0.01))
    assert adam.decades == pytest.approx(1.0)
    assert (sgd.kind[0], sgd.best, sgd.good, sgd.decades) == ("sgd", 0.1, (0.1, 0.1), 0.0)
    assert sgd.diverged.tolist() == [0.0, 0.0, 1.0]


def test_good_rates_lie_on_both_sides_of_the_best() -> None:
    levels = zip((0.01, 0.03, 0.1, 0.3, 1.0), (0.9, 0.31, 0.3, 0.31, 0.9), strict=True)
    (found,) = study({("sgd", rate): (level,) * 3 for rate, level in levels}).sensitivities()
    assert (found.best, found.good) == (0.1, (0.03, 0.3))


def test_a_member_at_its_ends() -> None:
    whole = member(Configuration("sgd", 0.1), 0, 0.3)
    steps, lowest = (
        whole.record.series["epoch_loss"].steps,
        float(whole.record.series["epoch_loss"].values[-1]),
    )
    assert whole.reached("epoch_loss", lowest) == steps[-1], "at the target is at the target"
    assert np.isnan(whole.reached("epoch_loss", lowest - 1e-9)) and np.isnan(whole.reached("none", 1.0))
    assert not whole.diverged
    given_up = Record.of(
        whole.record.series.values(), whole.record.info, [Event(600, "finished", {"reason": "stopped"})]
    )
    assert Member.of(whole.configuration, 0, given_up).diverged
    unknown = Record.of([Series("epoch_loss", "loss", [30, 60], [1.0, np.nan])])
    assert Member.of(whole.configuration, 0, unknown).final("epoch_loss") == np.inf
    assert np.isnan(Member.of(whole.configuration, 0, unknown).final("validation_loss"))


def test_a_good_rate_beyond_a_bad_one_is_not_of_the_range() -> None:
    rates = {("sgd", 10.0**-k): (level,) * 3 for k, level in enumerate((0.3, 0.9, 0.3, 0.31, 0.9))}
    (found,) = study(rates).sensitivities()
    assert found.best in (1.0, 0.01)
    assert found.good == ((1.0, 1.0) if found.best == 1.0 else (0.001, 0.01))


def test_the_training_loss_where_nothing_was_validated() -> None:
    given = study(SEEN, validated=False)
    assert given.score == "epoch_loss"
    assert given.summaries()[0].configuration.learning_rate == 0.01
    assert np.isnan(given.summaries()[0].validation.low) or given.summaries()[0].validation.low == np.inf


def test_where_all_diverged_there_is_no_target() -> None:
    given = study({("sgd", 1.0): NEVER, ("sgd", 2.0): NEVER})
    assert np.isnan(given.aim())
    assert all(s.steps.value == np.inf for s in given.summaries())
    assert given.sensitivities()[0].diverged.tolist() == [1.0, 1.0]


def test_nothing_to_compare() -> None:
    with pytest.raises(UsageError, match="needs a training"):
        Comparison(())


def test_each_seed_counts_once_and_by_its_last_epoch_however_long_it_trained() -> None:
    """A mean over steps, or of the epochs of all seeds, is another number."""

    def trained(seed: int, losses: list[float]) -> Member:
        curve = Series("epoch_loss", "loss", 30 * np.arange(1, len(losses) + 1), losses)
        return Member.of(Configuration("sgd", 0.1), seed, Record.of([curve]))

    long, short, other = [9.0, 0.1, 0.1, 0.1, 0.1, 0.2], [0.8], [5.0, 0.3]
    (found,) = Comparison((trained(0, long), trained(1, short), trained(2, other)), target=0.3).summaries()
    assert (found.training.value, found.training.low, found.training.high) == (0.3, 0.2, 0.8)
    # The first came to 0.3 at step 60, the second never, the third at step 60.
    assert (found.steps.value, found.steps.low, found.steps.high) == (60.0, 60.0, np.inf)
    assert (found.seeds, found.training.count) == (3, 3)


def test_a_median_that_half_of_the_seeds_diverged_from_is_no_number() -> None:
    finals = {("sgd", 0.1): (0.3, np.inf, 0.31, np.inf), ("sgd", 0.2): (0.3, 0.32, 0.31, np.inf)}
    found = {s.configuration.learning_rate: s for s in study(finals, validated=False).summaries()}
    assert found[0.1].training.value == np.inf and found[0.2].training.value == pytest.approx(0.315)
    assert found[0.1].diverged == 2 and not found[0.1].apart, (
        "two seeds of four are no difference that is told"
    )


def test_equal_configurations_are_hardly_ever_told_apart() -> None:
    """The best of ten equal ones is chosen by the same losses that it is compared with."""
    rng = np.random.default_rng(7)
    said = 0
    for _ in range(40):
        levels = {("sgd", 0.1 * (k + 1)): tuple(1.0 + 0.05 * rng.standard_normal(5)) for k in range(10)}
        said += any(s.apart for s in study(levels).summaries())
    assert said <= 4


def test_what_diverged_is_infinitely_bad_whatever_its_last_number_was() -> None:
    """L002 says of these that their loss grew; the last one is finite."""
    grown = study({("sgd", 1.0): (0.2, 0.2, 0.2), ("sgd", 0.1): (0.5, 0.5, 0.5)})
    members = tuple(replace(m, diverged=m.configuration.learning_rate == 1.0) for m in grown)
    first, last = Comparison(members).summaries()
    assert (first.configuration.learning_rate, first.validation.value) == (0.1, pytest.approx(0.6))
    assert last.training.value == last.validation.value == np.inf and last.apart
    assert Comparison(members).aim() == pytest.approx(1.05 * 0.6)
    assert (first.well, last.well, first.reached, last.reached) == (3, 0, 3, 3)


def test_a_curve_over_seeds_at_each_step() -> None:
    """Three seeds; one ends early, one is infinite once: the medians and their ends by hand."""
    configuration = Configuration("sgd", 0.1)
    losses = ([3.0, 2.0, 1.0], [4.0, np.nan, 1.5], [5.0, 2.5])
    members = tuple(
        Member.of(configuration, seed, Record.of([Series("epoch_loss", "loss", [10, 20, 30][: len(y)], y)]))
        for seed, y in enumerate(losses)
    )
    found = Comparison(members).course(configuration, "epoch_loss")
    assert found.steps.tolist() == [10, 20, 30]
    assert found.median.tolist() == [4.0, 2.5, 1.5]
    assert (found.low.tolist(), found.high.tolist()) == ([3.0, 2.0, 1.0], [5.0, np.inf, np.inf])
    assert found.confidence == 0.75
    assert not len(Comparison(members).course(configuration, "validation_loss").steps)
    with pytest.raises(KeyError):
        Comparison(members).course(Configuration("adam", 0.1), "epoch_loss")


def test_when_the_seeds_arrived() -> None:
    configuration = Configuration("sgd", 0.1)
    losses = ([3.0, 1.0, 1.0], [0.9, 0.9, 3.0], [5.0, 1.0, 1.0], [3.0, 3.0, 1.1])
    members = tuple(
        Member.of(configuration, seed, Record.of([Series("epoch_loss", "loss", [10, 20, 30], y)]))
        for seed, y in enumerate(losses)
    )
    found = Comparison(members, target=1.0).arrivals(configuration)
    assert (found.steps.tolist(), found.share.tolist()) == ([0, 10, 20, 30], [0, 0.25, 0.75, 0.75])
    # Clopper and Pearson's bounds of 3 of 4, from their tables.
    assert (found.low[-1], found.high[-1]) == pytest.approx((0.1941, 0.9937), abs=1e-4)
    (summary,) = Comparison(members, target=1.0).summaries()
    assert (summary.reached, summary.steps.value) == (3, 20.0)
    nobody = Comparison(members, target=0.1).arrivals(configuration)
    assert (nobody.steps.tolist(), nobody.share.tolist()) == ([0, 30], [0, 0])


def test_how_a_kind_bears_its_rate_with_its_intervals() -> None:
    adam = study(SEEN).sensitivities()[0]
    assert adam.summary.configuration == Configuration("adam", 0.01)
    assert adam.low.tolist() == pytest.approx([0.39, 0.39, 0.4])
    assert adam.high.tolist() == pytest.approx([0.42, 0.41, np.inf])


def test_where_nothing_was_validated_nothing_is_said_of_it() -> None:
    assert study(SEEN, validated=False).summaries()[0].validation.count == 0


@settings(max_examples=40)
@given(st.permutations(range(len(SEEN) * 5)))
def test_the_order_of_the_members_does_not_matter(order: list[int]) -> None:
    members = MEMBERS
    found = Comparison(tuple(members[place] for place in order))
    wanted = Comparison(members)
    assert [s.configuration for s in found.summaries()] == [s.configuration for s in wanted.summaries()]
    assert repr(found.summaries()) == repr(wanted.summaries()) and found.aim() == wanted.aim()


MEMBERS = study(SEEN).members
