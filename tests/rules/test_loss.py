"""L001 to L004 and B001: what the loss did."""

import numpy as np
import pytest
from numpy.typing import ArrayLike

from thalweg import Event, Record, Verdict

from .runs import ask, having, healthy, series, stuck


def log(*columns: tuple[str, list[float]], info: dict | None = None) -> Record:
    return Record.of([series(n, v) for n, v in columns], {"step_unit": "epoch", **(info or {})})


# L001


def test_loss_that_goes_nowhere() -> None:
    finding = ask("L001", healthy(loss=stuck()))
    assert finding.verdict is Verdict.CONCERN
    assert finding.evidence["start"].value == pytest.approx(2.31, abs=0.02)


def test_loss_that_goes_nowhere_in_a_log_of_epochs() -> None:
    flat = ask("L001", log(("epoch_loss", list(stuck(20)))))
    assert flat.verdict is Verdict.CONCERN


def test_too_few_or_too_noisy_is_unassessed() -> None:
    assert ask("L001", healthy(20, loss=stuck(20))).verdict is Verdict.UNASSESSED
    assert ask("L001", healthy(60, loss=stuck(60))).verdict is Verdict.UNASSESSED
    walk = 2.3 + np.cumsum(np.random.default_rng(0).standard_normal(400)) * 0.02
    walk[-100:] += 2.2 - walk[-100:].mean()
    assert ask("L001", healthy(400, loss=walk)).verdict is Verdict.UNASSESSED


def test_one_wild_loss_does_not_hide_a_fall() -> None:
    values = list(2.0 * np.exp(-np.arange(28) / 10) + 0.2)
    values[24] = 3.0
    assert ask("L001", log(("epoch_loss", values))).verdict is Verdict.SATISFACTORY


def test_a_run_that_began_at_its_floor() -> None:
    finding = ask("L001", healthy(loss=stuck(level=0.21) * 0.1, info={"constant_prediction_loss": 0.69}))
    assert finding.verdict is Verdict.SATISFACTORY
    assert "constant prediction" in finding.message


# L002


def test_rate_a_thousand_times_too_high() -> None:
    rng = np.random.default_rng(0)
    loss = np.concatenate([[2.3], np.exp(rng.standard_normal(999)) * 1e4])
    finding = ask("L002", healthy(1000, loss=loss, validation_loss=None))
    assert finding.verdict is Verdict.CONCERN
    assert finding.step is not None and finding.step <= 3
    assert finding.evidence["ratio"].value > 1000


def test_lost_what_it_had_gained() -> None:
    loss = healthy().series["loss"].values.copy()
    loss[1500:] += 1.6
    finding = ask("L002", healthy(loss=loss))
    assert finding.verdict is Verdict.CONCERN
    assert finding.step == 1501
    assert "lost" in finding.message


def test_a_catapult_that_comes_down_is_none() -> None:
    """Looked at while it comes down: the run goes on, and the loss falls."""
    whole = healthy(300)
    loss = np.concatenate([np.linspace(2.3, 30, 40), 30 * np.exp(-np.arange(460) / 240)])
    part = Record.of([series("loss", loss)], whole.info)
    assert ask("L002", part).verdict is Verdict.SATISFACTORY
    stays = Record.of([series("loss", np.r_[loss[:40], 30 + 0.1 * stuck(460)])], whole.info)
    assert ask("L002", stays).verdict is Verdict.CONCERN


def test_a_bump_is_none() -> None:
    loss = healthy().series["loss"].values.copy()
    loss[1500:1530] += 5.0
    assert ask("L002", healthy(loss=loss)).verdict is Verdict.SATISFACTORY


def test_a_rise_within_the_noise_is_none() -> None:
    rng = np.random.default_rng(0)
    level = np.r_[np.full(500, 1.0), np.full(1000, 0.85), np.full(500, 1.0)]
    loss = level + np.r_[0.1 * rng.standard_normal(1500), 0.01 * rng.standard_normal(500)]
    record = healthy(loss=loss, info={"initial_loss": 1.0}, epoch_loss=None)
    assert ask("L002", record).verdict is Verdict.SATISFACTORY


def test_an_easy_first_batch_is_no_start() -> None:
    """A rare class that the first batch did not hold: its loss is a third of a constant prediction's."""
    loss = 0.5 + 0.05 * np.random.default_rng(0).standard_normal(1000)
    info = {"initial_loss": 0.15, "constant_prediction_loss": 0.55}
    assert ask("L002", healthy(1000, loss=loss, info=info)).verdict is Verdict.SATISFACTORY
    alone = {"initial_loss": 0.15, "constant_prediction_loss": None}
    assert ask("L002", healthy(1000, loss=loss, info=alone)).verdict is Verdict.CONCERN


def grows_worse(epochs: int, best: int, end: float) -> Record:
    """Epochs whose training loss falls to 0.5 up to the `best` one, and lies at `end` after it."""
    after = end + 0.02 * np.random.default_rng(0).standard_normal(epochs - best)
    return log(("epoch_loss", [*np.linspace(2.3, 0.5, best), *after]))


def test_epochs_after_which_training_grew_worse() -> None:
    finding = ask("L002", grows_worse(12, 4, 0.8))
    assert finding.verdict is Verdict.CONCERN
    assert finding.evidence["best"].value == 4
    assert "lowest, 0.5, in epoch 4" in finding.message


@pytest.mark.parametrize(
    "record", [grows_worse(12, 4, 0.55), grows_worse(12, 9, 0.8), grows_worse(7, 3, 0.8)]
)
def test_a_little_worse_or_not_for_long(record: Record) -> None:
    assert ask("L002", record).verdict is not Verdict.CONCERN


@pytest.mark.parametrize(
    ("first", "lowest", "after", "verdict"),
    [
        (1.5, 0.3, (0.55, 0.85), Verdict.CONCERN),
        (1.0, 0.3, (0.55, 0.85), Verdict.SATISFACTORY),  # a few times what the later epochs differ by
        (1.3, 0.6, (0.74, 0.76), Verdict.CONCERN),
        (1.1, 0.6, (0.74, 0.76), Verdict.SATISFACTORY),  # not half of the first loss
    ],
)
def test_a_lowest_epoch_that_was_no_fall(
    first: float, lowest: float, after: tuple[float, ...], verdict: Verdict
) -> None:
    assert ask("L002", log(("epoch_loss", [first, lowest, *after * 5]))).verdict is verdict


# L003


@pytest.mark.parametrize("named", ["loss", "epoch_loss"])
def test_period_of_two(named: str) -> None:
    rng = np.random.default_rng(0)
    n = 400 if named == "loss" else 60
    values = 1.0 + 0.4 * (-1.0) ** np.arange(n) + 0.05 * rng.standard_normal(n)
    record = Record.of([series(named, values), series("gradient_cosine", np.full(n, -0.8))])
    finding = ask("L003", record)
    assert finding.verdict is Verdict.CONCERN
    assert finding.evidence["cosine"].value == -0.8


def test_alternation_that_is_no_fault() -> None:
    rng = np.random.default_rng(0)
    values = 1.0 + 0.4 * (-1.0) ** np.arange(400) + 0.05 * rng.standard_normal(400)
    falling = values * np.exp(-np.arange(400) / 100)
    small = 1.0 + 0.02 * (-1.0) ** np.arange(400) + 0.001 * rng.standard_normal(400)
    assert ask("L003", Record.of([series("loss", falling)])).verdict is Verdict.SATISFACTORY
    assert ask("L003", Record.of([series("loss", small)])).verdict is Verdict.SATISFACTORY
    aligned = Record.of([series("loss", values), series("gradient_cosine", np.full(400, 0.5))])
    assert ask("L003", aligned).verdict is Verdict.SATISFACTORY
    epochs = series("epoch_loss", 1.0 + 0.01 * rng.standard_normal(200), np.arange(2, 401, 2))
    two_batches = Record.of([series("loss", values), epochs], {"fit": {"steps_per_epoch": 2}})
    assert ask("L003", two_batches).verdict is Verdict.SATISFACTORY


# L004


def power(n: int, rate: float = 0.7) -> np.ndarray:
    return 2.0 * np.arange(1, n + 1) ** -rate * np.exp(0.01 * np.random.default_rng(0).standard_normal(n))


def test_still_falling() -> None:
    straight = list(np.linspace(1.0, 0.4, 20) + 0.01 * np.random.default_rng(0).standard_normal(20))
    finding = ask("L004", log(("epoch_loss", straight), ("validation_loss", straight)))
    assert finding.verdict is Verdict.CONCERN
    assert finding.series[0] == "validation_loss"
    assert finding.step == 20


def test_levelled_off() -> None:
    assert ask("L004", healthy(4000)).verdict is Verdict.SATISFACTORY


def test_falling_in_training_alone_does_not_count() -> None:
    falling = list(np.linspace(1.0, 0.4, 30))
    validation = [*np.linspace(1.0, 0.6, 10), *(0.6 + 0.004 * np.arange(20))]
    assert (
        ask("L004", log(("epoch_loss", falling), ("validation_loss", validation))).verdict
        is Verdict.SATISFACTORY
    )


def test_an_annealed_fall_is_unassessed() -> None:
    n = 2000
    loss = np.linspace(2.3, 0.5, n) + 0.02 * np.random.default_rng(0).standard_normal(n)
    rate = np.linspace(1.0, 1e-4, n)
    assert ask("L004", healthy(n, loss=loss, validation_loss=None)).verdict is Verdict.CONCERN
    finding = ask("L004", healthy(n, loss=loss, validation_loss=None, learning_rate=rate))
    assert finding.verdict is Verdict.UNASSESSED
    assert "learning rate" in finding.message


def test_too_noisy_to_tell_is_not_levelled_off() -> None:
    noisy = list(np.linspace(1.0, 0.8, 16) + 0.1 * np.random.default_rng(1).standard_normal(16))
    assert ask("L004", log(("epoch_loss", noisy), ("validation_loss", noisy))).verdict is Verdict.UNASSESSED


# The validation losses of the 784-10-10 network on 8x8 digits, SGD 0.01, 20 epochs: it falls from each to the next.
DIGITS = [
    *(2.0512, 1.8574, 1.6924, 1.5412, 1.3994, 1.2613, 1.1235, 0.9914, 0.8720, 0.7724),
    *(0.6906, 0.6249, 0.5727, 0.5294, 0.4920, 0.4602, 0.4327, 0.4089, 0.3881, 0.3700),
]


def test_falling_from_each_epoch_to_the_next() -> None:
    finding = ask("L004", log(("epoch_loss", DIGITS), ("validation_loss", DIGITS)))
    assert finding.verdict is Verdict.CONCERN
    assert finding.evidence["p-value"].value == pytest.approx(1 / 128)
    assert finding.evidence["level"].value == 0.37


def test_a_certain_fall_that_is_little_beside_the_gain() -> None:
    values = list(0.17 + 2.5 * np.exp(-np.arange(60) / 5.0) + np.linspace(0.1, 0.0, 60))
    finding = ask("L004", log(("epoch_loss", values), ("validation_loss", values)))
    assert finding.verdict is Verdict.SATISFACTORY
    assert "the validation loss fell by" in finding.message and "levelled" not in finding.message


def test_the_loss_ended_where_the_log_says() -> None:
    record = log(("epoch_loss", DIGITS), ("validation_loss", DIGITS))
    assert ask("L001", record).message.endswith("to 0.37.")
    assert ask("V001", record).message == "The validation loss was lowest at its end, at 0.37."


def short(epochs: int = 6, validation: list[float] | None = None, **replaced) -> Record:
    """A few epochs of 44 steps of a loss that falls straight, and so does validation."""
    n = 44 * epochs
    loss = np.linspace(2.4, 1.9, n) + 0.06 * np.random.default_rng(0).standard_normal(n)
    falling = list(np.linspace(2.3, 1.91, epochs)) if validation is None else validation
    record = healthy(n, loss=loss, validation_loss=None, epoch_loss=None, **replaced)
    steps = 44 * np.arange(1, len(falling) + 1)
    return having(record, series("validation_loss", falling, steps))


def test_few_epochs_are_judged_by_their_steps() -> None:
    finding = ask("L004", short())
    assert finding.verdict is Verdict.CONCERN
    assert finding.series[:2] == ("loss", "validation_loss")
    assert "The validation loss fell along, to 1.91." in finding.message


@pytest.mark.parametrize("validation", [[2.3, 2.1, 2.0, 1.95, 1.98, 1.97], [2.3, 2.1, 2.0, 1.9, 1.95, 1.89]])
def test_few_epochs_whose_validation_does_not_fall_along(validation: list[float]) -> None:
    assert ask("L004", short(validation=validation)).verdict is Verdict.UNASSESSED


def test_few_epochs_that_levelled_off() -> None:
    flat = 0.3 + 2.0 * np.exp(-np.arange(264) / 30)
    flat += 0.02 * np.random.default_rng(1).standard_normal(264)
    record = having(short(), series("loss", flat))
    assert ask("L004", record).verdict is Verdict.SATISFACTORY


def test_rising_is_not_levelling_off() -> None:
    validation = 1.5 + 0.03 * np.arange(60) + 0.02 * np.random.default_rng(0).standard_normal(60)
    record = log(
        ("epoch_loss", list(2.0 * np.exp(-np.arange(60) / 20))), ("validation_loss", list(validation))
    )
    finding = ask("L004", record)
    assert finding.verdict is Verdict.SATISFACTORY
    assert "the validation loss rose by" in finding.message


def test_a_rise_too_small_to_matter_is_levelling_off() -> None:
    validation = 0.25 + 2.0 * np.exp(-np.arange(30.0)) + 1e-4 * np.arange(30)
    record = log(
        ("epoch_loss", list(2.0 * np.exp(-np.arange(30) / 5))), ("validation_loss", list(validation))
    )
    assert "had levelled off near 0.253" in ask("L004", record).message


def test_a_loss_that_never_fell_has_no_fall_to_finish() -> None:
    creeping = 2.44 - 1e-6 * np.arange(2000)
    assert ask("L004", healthy(loss=creeping, validation_loss=None)).verdict is Verdict.UNASSESSED


def test_a_gain_too_small_has_no_end() -> None:
    """The training loss is too noisy to tell; validation falls as smoothly as it falls little."""
    noisy = 2.3 + 0.2 * np.random.default_rng(0).standard_normal(600)
    creeping = having(healthy(600, loss=noisy), series("validation_loss", 2.3 - 1e-4 * np.arange(15)))
    finding = ask("L004", creeping)
    assert finding.verdict is Verdict.UNASSESSED
    assert "gained 0.0014 in all" in finding.message


def brief(epochs: int, end: float, bend: float = 1.0) -> Record:
    """One to four epochs of 200 steps, from 2.4 to `end`: straight, or bent by the power `bend`."""
    n = 200 * epochs
    loss = (
        end
        + (2.4 - end) * (1.0 - np.arange(n) / n) ** bend
        + 0.05 * np.random.default_rng(0).standard_normal(n)
    )
    record = healthy(n, loss=loss, validation_loss=None, epoch_loss=None)
    ends = 200 * np.arange(1, epochs + 1)
    record = having(record, series("validation_loss", np.linspace(2.2, end, epochs), ends))
    return Record.of(record.series.values(), record.info, [Event(int(step), "epoch") for step in ends])


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_a_brief_run_that_plainly_falls(epochs: int) -> None:
    finding = ask("L004", brief(epochs, 1.6))
    assert finding.verdict is Verdict.CONCERN
    assert finding.evidence["share"].threshold == pytest.approx(0.2, rel=0.01)


@pytest.mark.parametrize("record", [brief(3, 0.8), brief(3, 1.6, bend=4.0)])
def test_a_brief_run_that_came_far_or_slowed_down(record: Record) -> None:
    finding = ask("L004", record)
    assert finding.verdict is Verdict.UNASSESSED
    assert "it takes 5 epochs to tell" in finding.message


def test_a_brief_run_whose_validation_rose() -> None:
    record = brief(3, 1.6)
    rising = series("validation_loss", [2.0, 1.9, 1.95], record.series["validation_loss"].steps)
    assert ask("L004", having(record, rising)).verdict is Verdict.UNASSESSED


def rough(
    *validation: float, training: list[float] | None = None, noise: float = 0.6, **replaced: ArrayLike
) -> Record:
    """Steps too noisy to tell a fall of epochs that each are better than the one before."""
    epochs = len(validation)
    record = short(epochs, list(validation), **replaced)
    loss = np.linspace(2.4, 1.9, 44 * epochs)
    loss += noise * np.random.default_rng(3).standard_normal(44 * epochs)
    logged = training or list(np.linspace(2.35, 1.95, epochs))
    return having(record, series("loss", loss), series("epoch_loss", logged, 44 * np.arange(1, epochs + 1)))


@pytest.mark.parametrize("epochs", [3, 5, 7])
def test_each_of_a_few_epochs_was_better(epochs: int) -> None:
    finding = ask("L004", rough(*np.linspace(2.3, 1.9, epochs)))
    assert finding.verdict is Verdict.CONCERN
    assert f"fell from each of {epochs} epochs to the next" in finding.message
    assert finding.evidence["fall"].value == pytest.approx(0.4 / (epochs - 1))


@pytest.mark.parametrize(
    "record",
    [
        rough(*np.linspace(2.3, 1.9, 2)),
        rough(2.3, 2.2, 2.0, 2.01, 1.9),
        rough(2.3, 2.1, 2.0, 1.92, 1.89),  # a third of the mean fall
        rough(*np.linspace(2.3, 1.9, 5), training=[2.4, 2.2, 2.25, 2.1, 1.9]),
        rough(*np.linspace(2.3, 1.9, 5), info={"constant_prediction_loss": 5.0}),
        rough(*np.linspace(2.3, 1.9, 5), learning_rate=np.linspace(1.0, 0.01, 220)),
    ],
    ids=["two", "once", "slower", "training", "far along", "annealed"],
)
def test_each_of_a_few_epochs_but_not_so_plainly(record: Record) -> None:
    assert ask("L004", record).verdict is Verdict.UNASSESSED


def handful(steps: int, epochs: int = 6, constant: float = 2.3026) -> Record:
    """Epochs of a few steps each, of a loss that falls straight."""
    loss = np.linspace(2.4, 1.9, steps) + 0.02 * np.random.default_rng(0).standard_normal(steps)
    record = healthy(
        steps, loss=loss, validation_loss=None, epoch_loss=None, info={"constant_prediction_loss": constant}
    )
    ends = steps // epochs * np.arange(1, epochs + 1)
    return having(record, series("validation_loss", np.linspace(2.3, 1.91, epochs), ends))


def test_few_steps_in_as_many_epochs_as_it_takes() -> None:
    assert ask("L004", handful(120)).verdict is Verdict.CONCERN
    assert "it takes 8 finite values of the validation loss" in ask("L004", handful(90)).message
    far = ask("L004", handful(120, constant=5.0))
    assert far.verdict is Verdict.UNASSESSED and "had come so far, to" in far.message


# B001


def shuffled(validation: list[float], **replaced) -> Record:
    """A classifier that memorises: its training loss falls to 2.2, a constant prediction has 2.30."""
    loss = np.linspace(2.31, 2.2, 1500) + 0.03 * np.random.default_rng(0).standard_normal(1500)
    return healthy(1500, loss=loss, validation_loss=validation, **replaced)


RISING = list(2.305 + 0.005 * np.arange(15))


def test_better_than_a_constant_on_the_training_data_only() -> None:
    finding = ask("B001", shuffled(RISING, validation_accuracy=[0.1] * 15))
    assert finding.verdict is Verdict.CONCERN
    assert finding.series[0] == "validation_loss"
    assert "never better than the 2.3 of a constant prediction" in finding.message


@pytest.mark.parametrize(
    ("validation", "accuracy"),
    [
        ([2.31, 2.2, *RISING[2:]], 0.1),  # it was better once: that is overfitting
        (list(np.linspace(3.5, 2.5, 15)), 0.1),  # it is on its way
        (RISING[:6], 0.1),  # six values may be chance
        (RISING, 0.4),  # over-confident, and right far more often than chance
    ],
)
def test_validation_that_says_something_else(validation: list[float], accuracy: float) -> None:
    record = shuffled(validation, validation_accuracy=[accuracy] * len(validation))
    assert ask("B001", record).verdict is Verdict.SATISFACTORY


def test_validation_targets_of_another_scale_are_no_constant() -> None:
    targets = {"data": {"targets": [{"name": "y", "kind": "continuous"}]}}
    assert ask("B001", shuffled(RISING, info=targets)).verdict is Verdict.SATISFACTORY


@pytest.mark.parametrize(
    ("first", "remedy"), [(0.1, "Divide the learning rate"), (0.0, "Fit the last layer")]
)
def test_the_first_remedy_of_flat_outputs(first: float, remedy: str) -> None:
    flat = healthy(loss=stuck(), output_spread=[first] + [0.0] * 19, output_mean=[0.1] * 20)
    assert ask("B001", flat).remedies[0].action.startswith(remedy)


def test_the_rate_comes_first_where_the_loss_rose() -> None:
    dead = healthy(loss=stuck(level=14.4), output_spread=[0.0] * 20, output_mean=[0.1] * 20)
    assert ask("B001", dead).remedies[0].action == "Divide the learning rate by 10."


def test_the_rate_comes_first_where_the_updates_were_huge() -> None:
    flat = healthy(loss=stuck(), output_spread=[0.0] * 20, output_mean=[0.1] * 20)
    huge = [series(f"update_ratio/dense_{i}/kernel", np.r_[0.98, np.zeros(1999)]) for i in range(6)]
    assert ask("B001", having(flat, *huge)).remedies[0].action == "Divide the learning rate by 10."


def test_no_better_than_a_constant() -> None:
    rng = np.random.default_rng(0)
    loss = 2.3026 + 2.0 * np.exp(-np.arange(2000) / 50) + 0.01 * rng.standard_normal(2000)
    finding = ask("B001", healthy(loss=loss, predicted_classes=[1.0]))
    assert finding.verdict is Verdict.CONCERN
    assert "2.3" in finding.message
    assert ask("B001", healthy()).verdict is Verdict.SATISFACTORY


def test_a_penalty_in_the_loss_is_not_the_prediction() -> None:
    record = healthy(loss=stuck(level=2.6), probe_accuracy=[0.1] + [0.8] * 19)
    assert ask("B001", record).verdict is Verdict.SATISFACTORY
    chance = healthy(loss=stuck(level=2.6), probe_accuracy=[0.1] * 20)
    assert ask("B001", chance).verdict is Verdict.CONCERN


def test_outputs_that_ignore_the_input() -> None:
    """A softmax over one unit: the loss falls to 0.004, the output is one everywhere."""
    record = healthy(output_spread=[0.0] * 20, output_mean=[1.0] * 20)
    assert ask("B001", record).verdict is Verdict.CONCERN
    assert (
        ask("B001", healthy(output_spread=[0.1] * 20, output_mean=[1.0] * 20)).verdict is Verdict.SATISFACTORY
    )


def test_constant_unknown() -> None:
    finding = ask("B001", healthy(info={"constant_prediction_loss": None}))
    assert finding.verdict is Verdict.UNASSESSED


def test_a_fall_that_has_all_but_ended() -> None:
    """Eight of ten validations are the last third: the fall at its beginning is none at its end."""
    ending = [0.4017, 0.3461, 0.3370, 0.3316, 0.3278, 0.3253, 0.3238, 0.3232, 0.3228, 0.3226]
    finding = ask("L004", log(("epoch_loss", ending), ("validation_loss", ending)))
    assert finding.verdict is not Verdict.CONCERN
    steady = list(np.linspace(0.4, 0.3, 10))
    assert ask("L004", log(("epoch_loss", steady), ("validation_loss", steady))).verdict is Verdict.CONCERN


def test_what_was_gained_within_the_first_epoch_is_gained() -> None:
    """Validation losses from 0.5 to 0.33 are still falling, unless 2.3 had come down to 0.5 before the first."""
    losses = 0.3 + 0.2 * np.exp(-np.arange(12) / 6)
    for began, verdict in ((2.3, Verdict.SATISFACTORY), (0.55, Verdict.CONCERN)):
        loss = 0.3 + (began - 0.3) * np.exp(-np.arange(600) / 100)
        record = healthy(600, loss=loss, validation_loss=losses, epoch_loss=losses)
        assert ask("L004", record).verdict is verdict
