"""R001 to R003: penalty, dropout, and the two modes of a network."""

from typing import Any

import numpy as np
import pytest

from thalweg import Record, Verdict
from thalweg.rules.dropout import Dropout
from thalweg.rules.modes import Modes
from thalweg.rules.penalty import Penalty
from thalweg.testing import RuleConformance, check

from .runs import ask, having, healthy, series, stuck

for _rule in (Penalty(), Dropout(), Modes()):
    _name = f"Test{type(_rule).__name__}"
    globals()[_name] = type(_name, (RuleConformance,), {"rule": _rule})

LOOKS = [0, 500, 1000, 1500, 2000]


def looked(record: Record, **measured: list[float]) -> Record:
    return having(record, *(series(name, values, LOOKS[-len(values) :]) for name, values in measured.items()))


# R001


def penalised(record: Record, penalty: float = 9.0) -> Record:
    return looked(record, penalty=[penalty] * 5, recomputed_loss=[2.3] * 5)


def test_a_penalty_that_leaves_nothing_to_fit() -> None:
    finding = check(Penalty(), penalised(healthy(loss=stuck(level=11.3), info={"initial_loss": 11.4})))
    assert finding.verdict is Verdict.CONCERN
    assert finding.evidence["penalty"].value == 9.0


def test_a_penalty_beside_a_fit() -> None:
    """Larger than the loss of the data, in a run that learned; and small, in one that did not."""
    assert check(Penalty(), penalised(healthy())).verdict is Verdict.SATISFACTORY
    assert check(Penalty(), penalised(healthy(loss=stuck()), penalty=0.1)).verdict is Verdict.SATISFACTORY
    follows = looked(penalised(healthy(loss=stuck(level=11.3))), probe_accuracy=[0.1, 0.5, 0.7, 0.8, 0.9])
    assert check(Penalty(), follows).verdict is Verdict.SATISFACTORY
    noise = penalised(healthy(loss=stuck(level=11.3), info={"data": {"signal": {"p": 0.5}}}))
    assert check(Penalty(), noise).verdict is Verdict.UNASSESSED


def test_a_penalty_that_shrank_the_weights_to_nothing() -> None:
    """At the end it is small, for there is nothing left to penalise."""
    measured: dict[str, list[float]] = {"penalty": [90.0, 9.0, 0.1, 0.01, 0.01], "recomputed_loss": [2.3] * 5}
    finding = check(Penalty(), looked(healthy(loss=stuck()), **measured))
    assert finding.verdict is Verdict.CONCERN and "began" in finding.evidence
    assert check(Penalty(), looked(healthy(), **measured)).verdict is Verdict.SATISFACTORY
    mild: dict[str, list[float]] = {**measured, "penalty": [1.0, 0.9, 0.1, 0.01, 0.01]}
    assert check(Penalty(), looked(healthy(loss=stuck()), **mild)).verdict is Verdict.SATISFACTORY


def decaying(decay: float, last: float, **replaced: Any) -> Record:
    optimizer = {"optimizer": {"name": "adamw", "weight_decay": decay}}
    return looked(healthy(info=optimizer, **replaced), parameter_norm=[10.0, 5.0, 2.0, last])


def test_weight_decay() -> None:
    assert check(Penalty(), decaying(1.0, 0.5, loss=stuck())).verdict is Verdict.CONCERN
    assert check(Penalty(), decaying(1.0, 0.5)).verdict is Verdict.SATISFACTORY
    assert check(Penalty(), decaying(1.0, 8.0, loss=stuck())).verdict is Verdict.SATISFACTORY
    assert check(Penalty(), decaying(0.004, 0.5, loss=stuck())).verdict is Verdict.SATISFACTORY


def test_weight_decay_that_holds_a_regression_behind_a_linear_model() -> None:
    """A little behind, which counts where decay shrank the weights and the loss had levelled off."""
    data = {"examples": 600, "linear": {"explained_variance": 0.75}, "targets": []}
    flat = stuck(level=0.4)
    record = decaying(1.0, 0.5, loss=flat)
    record = Record.of(record.series.values(), {**record.info, "data": data, "constant_prediction_loss": 1.0})
    reached: list[float] = [0.0, 0.5, 0.6, 0.6, 0.6]
    assert check(Penalty(), looked(record, probe_explained_variance=reached)).verdict is Verdict.CONCERN
    near = looked(record, probe_explained_variance=[*reached[:-1], 0.69])
    assert check(Penalty(), near).verdict is Verdict.SATISFACTORY
    falling = having(record, series("loss", np.linspace(1.0, 0.4, len(flat))))
    underway = looked(falling, probe_explained_variance=reached)
    assert check(Penalty(), underway).verdict is Verdict.SATISFACTORY


def test_a_penalty_that_grew_with_weights_that_ran_away() -> None:
    """The steps were to blame, and not 1e-4 of the square of weights of thousands."""
    measured: dict[str, list[float]] = {"penalty": [0.1, 5.0, 9.0, 9.0, 9.0], "recomputed_loss": [2.3] * 5}
    assert (
        check(Penalty(), looked(healthy(loss=stuck(level=11.3)), **measured)).verdict is Verdict.SATISFACTORY
    )


COSTLY: dict[str, list[float]] = {"validation_loss": [11.0] * 20, "epoch_loss": [11.0] * 20}


@pytest.mark.parametrize("measure", ["probe_accuracy", "probe_explained_variance"])
def test_a_penalty_that_costs_more_than_the_data_of_a_poor_fit(measure: str) -> None:
    """The loss fell, and nothing simple does better."""
    for reached, verdict in ((0.75, Verdict.CONCERN), (0.85, Verdict.SATISFACTORY)):
        record = looked(penalised(healthy(**COSTLY)), **{measure: [0.1, 0.5, 0.6, 0.7, reached]})
        assert check(Penalty(), record).verdict is verdict


def test_a_penalty_that_holds_training_and_validation_together() -> None:
    """Where validation is worse than training, less penalty is not what is missing."""
    accuracy: dict[str, list[float]] = {"probe_accuracy": [0.1, 0.5, 0.6, 0.7, 0.75]}
    for seen, verdict in ((11.9, Verdict.CONCERN), (12.3, Verdict.SATISFACTORY)):
        apart = healthy(**{**COSTLY, "validation_loss": [seen] * 20})
        assert check(Penalty(), looked(penalised(apart), **accuracy)).verdict is verdict
    shrank: dict[str, list[float]] = {"penalty": [90.0, 9.0, 0.1, 0.01, 0.01], "recomputed_loss": [2.3] * 5}
    small = looked(healthy(**COSTLY), **shrank, **accuracy)
    assert check(Penalty(), small).verdict is Verdict.SATISFACTORY


def paid(training: float, validation: float, loss: float = -1.0) -> Record:
    """A penalty above the data in a run whose accuracies changed by so much over its second half."""
    half = np.concatenate([np.zeros(10), np.linspace(0.0, 1.0, 10)]) + 0.02 * np.cos(2.0 * np.arange(20))
    logs: dict[str, Any] = {
        "epoch_accuracy": 0.83 + training * half,
        "validation_accuracy": 0.80 + validation * half,
    }
    falling = 12.0 + loss * np.linspace(0.0, 1.0, 2000) + 0.01 * np.cos(2.0 * np.arange(2000))
    return looked(penalised(healthy(loss=falling, **logs)), probe_accuracy=[0.1, 0.82, 0.84, 0.83, 0.82])


def test_accuracy_that_pays_for_the_penalty() -> None:
    finding = check(Penalty(), paid(-0.015, -0.022))
    assert finding.verdict is Verdict.CONCERN
    assert finding.evidence["seen"].value < finding.evidence["seen"].usual
    looser = paid(-0.015, -0.022)
    weighted = Record.of(looser.series.values(), {**looser.info, "fit": {"class_weight": True}})
    # Overfitted, a fall of nothing, a loss that rose: the steps; and examples that are not worth the same.
    for record in (paid(0.1, -0.05), paid(-0.004, -0.004), paid(-0.1, -0.1, loss=1.0), weighted):
        assert check(Penalty(), record).verdict is Verdict.SATISFACTORY
    cheap = looked(looser, penalty=[0.1] * 5)
    assert check(Penalty(), cheap).verdict is Verdict.SATISFACTORY


def collapsed(added: list[float], explained: float) -> Record:
    record = looked(healthy(loss=0.27 + 1.1 * np.exp(-np.arange(2000) / 50.0)), added_loss=added)
    return looked(
        record,
        penalty=[0.0] * 5,
        recomputed_loss=[0.7, 0.3, 0.27, 0.27, 0.267],
        probe_explained_variance=[-0.01, -0.02, 0.0, 0.0, explained],
    )


def test_a_term_that_layers_add_and_that_nothing_was_left_beside() -> None:
    """The divergence of an autoencoder as a sum beside a reconstruction as a mean."""
    finding = check(Penalty(), collapsed([0.71, 0.01, 1e-3, 1e-4, 1e-4], -0.001))
    assert finding.verdict is Verdict.CONCERN
    assert finding.evidence["added"].usual == 0.71 and "add_loss" in str(finding.remedies[0].code)


@pytest.mark.parametrize(
    ("added", "explained"),
    [
        ([0.71, 0.01, 1e-3, 1e-4, 1e-4], 0.6),  # the outputs follow
        ([1e-3, 0.01, 0.02, 0.02, 0.02], 0.0),  # it grew: a code that is worth its price
        ([0.1, 0.01, 1e-3, 1e-4, 1e-4], 0.0),  # less than the data cost
        ([0.71, 0.7, 0.7, 0.7, 0.7], 0.0),  # nothing was given up for it
    ],
)
def test_terms_that_layers_add_without_harm(added: list[float], explained: float) -> None:
    assert check(Penalty(), collapsed(added, explained)).verdict is Verdict.SATISFACTORY


def silent(size: float, penalised: bool = True, **replaced: Any) -> Record:
    layers = [{"name": "dense", "class": "Dense", "activity_penalty": penalised}]
    record = healthy(info={"layers": layers}, **replaced)
    record = looked(record, penalty=[0.0] * 5, recomputed_loss=[2.3] * 5)
    ends = {"activation_mean/dense": [0.3, 0.3 * size], "activation_spread/dense": [0.4, 0.4 * size]}
    return having(record, *(series(name, values, [0, 2000]) for name, values in ends.items()))


def test_activities_that_are_penalised_until_they_are_silent() -> None:
    finding = check(Penalty(), silent(0.1, loss=stuck()))
    assert finding.verdict is Verdict.CONCERN
    assert finding.evidence["size"].usual == pytest.approx(0.5)
    for record in (silent(0.1), silent(0.9, loss=stuck()), silent(0.1, penalised=False, loss=stuck())):
        assert check(Penalty(), record).verdict is Verdict.SATISFACTORY


# R002


def dropping(rate: float, training: float = 2.3, inference: float = 2.3, **replaced: Any) -> Record:
    layers = [{"name": "dense", "class": "Dense"}, {"name": "dropout", "class": "Dropout", "rate": rate}]
    record = healthy(info={"layers": layers}, **replaced)
    return looked(record, probe_training_loss=[training], probe_loss=[inference])


@pytest.mark.parametrize("rate, training", [(0.9, 2.3), (0.6, 2.8)])
def test_dropout_that_leaves_nothing(rate: float, training: float) -> None:
    finding = check(Dropout(), dropping(rate, training, loss=stuck()))
    assert finding.verdict is Verdict.CONCERN and finding.layer == "dropout"
    assert ("with it the loss on the probe batch" in finding.message) is (training != 2.3)


def test_dropout_at_work() -> None:
    assert check(Dropout(), dropping(0.9, 0.9, 0.3)).verdict is Verdict.SATISFACTORY
    assert check(Dropout(), dropping(0.6, 2.3, loss=stuck())).verdict is Verdict.SATISFACTORY
    assert check(Dropout(), dropping(0.3, 2.9, loss=stuck())).verdict is Verdict.SATISFACTORY
    assert check(Dropout(), healthy()).verdict is Verdict.UNASSESSED


def noisy(began: float = 5.0, quiet: float = 2.4, **replaced: Any) -> Record:
    """Two layers of Gaussian noise, and the losses on the probe batch before the first step."""
    layers = [
        {"name": "little", "class": "GaussianNoise", "stddev": 0.1},
        {"name": "much", "class": "GaussianNoise", "stddev": 5.0},
    ]
    record = healthy(info={"layers": layers, **replaced.pop("info", {})}, **replaced)
    return looked(record, probe_training_loss=[began, *[2.4] * 4], probe_loss=[quiet, *[2.4] * 4])


def test_noise_above_the_signal() -> None:
    finding = check(Dropout(), noisy(loss=stuck()))
    assert (finding.verdict, finding.layer) == (Verdict.CONCERN, "much")
    assert finding.evidence["noise"].value == 5.0
    assert finding.evidence["began"].usual == 2.4


@pytest.mark.parametrize(
    "record",
    [
        noisy(),
        noisy(began=2.5, loss=stuck()),
        noisy(loss=stuck(), info={"data": {"signal": {"p": 0.5}}}),
        noisy(loss=stuck(), info={"layers": [{"name": "much", "class": "GaussianNoise"}]}),
        noisy(loss=stuck(), info={"layers": [{"name": "much", "class": "GaussianDropout", "stddev": 5.0}]}),
        having(noisy(loss=stuck()), series("probe_training_loss", [5.0, 5.0], [100, 2000])),
    ],
    ids=["learned", "little", "no signal", "unknown", "another", "first looked at after some steps"],
)
def test_noise_that_is_not_to_blame(record: Record) -> None:
    assert check(Dropout(), record).verdict is not Verdict.CONCERN


KERNEL = {"data": {"examples": 1000, "signal": {"score": 0.95, "p": 0.01}}}


def test_dropout_and_noise_that_a_kernel_method_does_without() -> None:
    for reached, verdict in ((0.7, Verdict.CONCERN), (0.93, Verdict.SATISFACTORY)):
        accuracy: dict[str, list[float]] = {"probe_accuracy": [0.1, reached]}
        assert check(Dropout(), looked(noisy(info=KERNEL), **accuracy)).verdict is verdict
        layers = [{"name": "dropout", "class": "Dropout", "rate": 0.9}]
        record = looked(healthy(info={"layers": layers, **KERNEL}), **accuracy)
        record = looked(record, probe_training_loss=[2.3], probe_loss=[2.3])
        assert check(Dropout(), record).verdict is verdict


# R003


def normalised(inference: list[float], training: list[float], **info: Any) -> Record:
    layers = [{"name": "bn", "class": "BatchNormalization", "momentum": 0.999}]
    record = healthy(info={"layers": layers, **info})
    return looked(record, probe_loss=inference, probe_training_loss=training)


def test_averages_that_lag_behind() -> None:
    finding = check(Modes(), normalised([2.3, 5.0, 5.0, 4.0, 3.0], [2.3, 1.0, 0.5, 0.3, 0.2]))
    assert finding.verdict is Verdict.CONCERN and finding.layer == "bn"
    assert finding.evidence["taken"].value == pytest.approx(0.001)
    unknown = {"constant_prediction_loss": None}
    assert (
        check(Modes(), normalised([2.3, 5, 5, 4, 3], [2.3, 1, 0.5, 0.3, 0.2], **unknown)).verdict
        is Verdict.CONCERN
    )


@pytest.mark.parametrize(("size", "asked"), [(8, True), (15, True), (16, False), (64, False), (None, True)])
def test_larger_batches_are_not_asked_of_large_ones(size: int | None, asked: bool) -> None:
    record = normalised([2.3, 5, 5, 4, 3], [2.3, 1, 0.5, 0.3, 0.2], fit={"batch_size": size})
    actions = [remedy.action for remedy in check(Modes(), record).remedies]
    assert len(actions) == (3 if asked else 2)
    assert any(action.startswith("Train with batches of 16") for action in actions) is asked


def test_answers_worse_than_a_linear_model() -> None:
    short = normalised(
        [2.3, 2.0, 1.5, 1.0, 0.8],
        [2.3, 0.9, 0.5, 0.3, 0.2],
        data={"examples": 1000, "linear": {"accuracy": 0.9}},
        layers=[{"name": "bn", "class": "BatchNormalization", "momentum": 0.99}],
    )
    good = looked(short, probe_accuracy=[0.1, 0.5, 0.7, 0.9, 0.95])
    assert check(Modes(), good).verdict is Verdict.SATISFACTORY
    bad = looked(short, probe_accuracy=[0.1, 0.5, 0.6, 0.7, 0.75])
    assert check(Modes(), bad).verdict is Verdict.CONCERN


@pytest.mark.parametrize(
    "inference, training",
    [
        ([2.3, 0.9, 0.5, 0.3, 0.2], [2.3, 1.4, 0.9, 0.8, 0.7]),  # dropout
        ([2.3, 5.0, 4.0, 3.0, 0.3], [2.3, 1.0, 0.5, 0.3, 0.2]),  # the averages caught up in the end
        ([2.3, 1.0, 0.5, 0.5, 0.5], [2.3, 0.9, 0.3, 0.2, 0.1]),  # both learned
        ([2.3, 5.0, 5.0, 5.0, 5.0], [2.3, 2.4, 2.3, 2.2, 2.1]),  # neither learned
        ([2.3, 0.1, 1e-3, 1e-5, 1e-7], [2.3, 0.1, 1e-4, 1e-6, 0.0]),
    ],
)
def test_modes_that_agree_where_it_matters(inference: list[float], training: list[float]) -> None:
    assert check(Modes(), normalised(inference, training)).verdict is Verdict.SATISFACTORY


def test_averages_that_are_known_to_lag() -> None:
    """Of a momentum of 0.9999 they hold 82 % of the start after 2,000 steps: a smaller gap is theirs too."""
    inference, training = [2.3, 1.2, 0.9, 1.5, 0.6], [2.3, 1.0, 0.5, 1.4, 0.35]
    for momentum, verdict in ((0.9999, Verdict.CONCERN), (0.99, Verdict.SATISFACTORY)):
        layers = [{"name": "bn", "class": "BatchNormalization", "momentum": momentum}]
        finding = check(Modes(), normalised(inference, training, layers=layers))
        assert finding.verdict is verdict
    layers = [{"name": "bn", "class": "BatchNormalization", "momentum": 0.9999}]
    good = normalised([2.3, 1.2, 0.9, 0.5, 0.4], training, layers=layers)
    assert check(Modes(), good).verdict is Verdict.SATISFACTORY


@pytest.mark.parametrize(
    ("momentum", "inference", "verdict"),
    [
        (0.999, [1.4, 0.6], Verdict.CONCERN),  # of a momentum of 0.999 they hold 14 % after 2,000 steps
        (0.998, [1.4, 0.6], Verdict.SATISFACTORY),  # and of 0.998 2 %
        (0.999, [1.4, 0.55], Verdict.SATISFACTORY),  # a constant prediction has 2.3
        (0.999, [1.1, 0.7], Verdict.SATISFACTORY),  # at the look before they were within a factor of two
    ],
)
def test_averages_that_hold_a_trace_of_what_they_began_with(
    momentum: float, inference: list[float], verdict: Verdict
) -> None:
    layers = [{"name": "bn", "class": "BatchNormalization", "momentum": momentum}]
    record = normalised([2.3, 2.2, 2.1, *inference], [2.3, 1.5, 1.0, 0.6, 0.25], layers=layers)
    assert check(Modes(), record).verdict is verdict


def batched(size: int, kind: str = "BatchNormalization", **replaced: Any) -> Record:
    layers = [{"name": "bn", "class": kind}]
    record = healthy(info={"layers": layers, "fit": {"batch_size": size}}, **replaced)
    return looked(record, probe_loss=[2.3] * 5, probe_training_loss=[2.3] * 5)


@pytest.mark.parametrize("size", [1, 4])
def test_statistics_of_a_few_examples(size: int) -> None:
    finding = ask("R003", batched(size, loss=stuck()))
    assert (finding.verdict, finding.layer) == (Verdict.CONCERN, "bn")
    assert f"normalised over batches of {size} example" in finding.message
    assert finding.remedies[0].code == "model.fit(x, y, batch_size=32)"


@pytest.mark.parametrize(
    "record",
    [batched(5, loss=stuck()), batched(4), batched(4, "LayerNormalization", loss=stuck())],
    ids=["many", "learned", "each by itself"],
)
def test_statistics_that_are_not_to_blame(record: Record) -> None:
    assert check(Modes(), record).verdict is Verdict.SATISFACTORY


def augmented(training: float, **info: Any) -> Record:
    layers = [{"name": "turn", "class": "RandomRotation", "inputs": []}]
    losses = {"probe_training_loss": [2.3, training], "probe_loss": [2.3, 1.0]}
    return looked(healthy(loss=stuck(), info={"layers": layers, **info}), **losses)


def test_augmentation_beyond_recognition() -> None:
    finding = check(Dropout(), augmented(1.9))
    assert finding.verdict is Verdict.CONCERN and finding.layer == "turn"
    assert check(Dropout(), augmented(1.2)).verdict is Verdict.SATISFACTORY
    noise = check(Dropout(), augmented(1.9, data={"signal": {"p": 0.5}}))
    assert noise.verdict is Verdict.UNASSESSED


def turning(
    reached: float,
    strength: float = 0.5,
    kind: str = "RandomRotation",
    score: float = 0.86,
    linear: float = 0.3,
) -> Record:
    """Pictures turned as far as they go, and a network that learned neither these nor the others."""
    layers = [
        {"name": "flip", "class": "RandomFlip"},
        {"name": "turn", "class": kind, "strength": strength},
    ]
    signal = {
        "examples": 1000,
        "signal": {"score": score, "chance": 0.1, "p": 0.05},
        "linear": {"accuracy": linear},
    }
    record = healthy(info={"layers": layers, "data": signal})
    losses = {"probe_training_loss": [2.3, 1.89], "probe_loss": [2.3, 1.8]}
    return looked(record, probe_accuracy=[0.1, reached], **losses)


def test_turned_and_shifted_beyond_recognition() -> None:
    finding = check(Dropout(), turning(0.34))
    assert finding.verdict is Verdict.CONCERN and finding.layer == "turn"
    assert "The layer `turn` turned its inputs by up to 50 % of a full turn" in finding.message
    assert check(Dropout(), turning(0.34, kind="RandomTranslation")).verdict is Verdict.CONCERN
    behind = check(Dropout(), turning(0.75, linear=0.85))
    assert behind.verdict is Verdict.CONCERN and "a linear model has 85 %" in behind.message


@pytest.mark.parametrize(
    "record",
    [
        turning(0.9),
        turning(0.6),
        turning(0.34, 0.1),
        turning(0.75, 0.1, linear=0.85),
        turning(0.84, linear=0.85),
        turning(0.34, kind="RandomZoom"),
        turning(0.34, score=0.4),
    ],
    ids=[
        "learned",
        "on its way",
        "a little",
        "a little, behind",
        "as a linear model",
        "another",
        "hard for all",
    ],
)
def test_turned_and_shifted_in_measure(record: Record) -> None:
    assert check(Dropout(), record).verdict is Verdict.SATISFACTORY
