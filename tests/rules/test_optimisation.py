"""P003 to P009: of each fault of the steps one rule speaks, and of a healthy run none."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike

from thalweg import Record, Verdict
from thalweg.rules import RULES
from thalweg.rules.ascent import Ascent
from thalweg.rules.clipped import AlwaysClipped
from thalweg.rules.creep import RateTooLow
from thalweg.rules.noise import GradientNoise
from thalweg.rules.overshoot import RateTooHigh
from thalweg.rules.schedule import ScheduleEnded
from thalweg.rules.warm_up import WarmUpUnended

from .runs import ask, having, healthy, series, stuck

N = 800
STEPS = (
    RateTooHigh(),
    RateTooLow(),
    ScheduleEnded(),
    AlwaysClipped(),
    Ascent(),
    GradientNoise(),
    WarmUpUnended(),
)
CLASSES = {"targets": [{"name": "y", "kind": "classes", "class_counts": [100] * 10}]}


def run(
    loss: ArrayLike | None = None,
    *,
    ratio: ArrayLike = 1e-3,
    cosine: float = 0.2,
    rate: ArrayLike = 0.01,
    norm: float = 1.0,
    optimizer: dict[str, Any] | None = None,
    batch: int = 32,
    info: dict[str, Any] | None = None,
    probe: dict[str, ArrayLike] | None = None,
) -> Record:
    """A run of SGD on ten classes whose steps are of these sizes and directions."""
    rng = np.random.default_rng(5)
    loss = 0.3 + 2.0 * np.exp(-np.arange(N) / 100) if loss is None else np.asarray(loss, dtype=float)
    n = len(loss)
    rates = np.broadcast_to(np.asarray(rate, dtype=float), (n,))
    facts = {
        "optimizer": {"name": "SGD", "class": "SGD", "learning_rate": float(rates[0]), **(optimizer or {})},
        "fit": {"epochs": n // 100, "steps_per_epoch": 100, "batch_size": batch},
        **(info or {}),
    }
    noise = np.exp(0.1 * rng.standard_normal(n))
    record = healthy(n, loss=loss, learning_rate=rates, validation_loss=None, info=facts, **(probe or {}))
    sizes = np.broadcast_to(np.asarray(ratio, dtype=float), (n,))
    return having(
        record,
        series("gradient_norm", norm * noise),
        series("gradient_cosine", np.clip(cosine + 0.1 * rng.standard_normal(n), -1.0, 1.0)),
        *(series(f"gradient_norm/dense_{i}/kernel", norm * noise / 3.0) for i in range(6)),
        *(series(f"update_ratio/dense_{i}/kernel", sizes * noise) for i in range(6)),
    )


def speaking(record: Record) -> set[str]:
    """Those of the rules that are concerned."""
    return {rule.code for rule in STEPS if rule.check(record).verdict is Verdict.CONCERN}


T = np.arange(N)
JUMP = np.r_[0.7 * np.ones(5), np.zeros(N - 5)]
CREEPING = 2.4 - 0.05 * T / N + 0.01 * np.random.default_rng(2).standard_normal(N)
EARLY = 0.1 * 0.8**T
FROZEN = 2.1 + 0.3 * np.exp(-np.cumsum(EARLY) / 0.3) + 0.02 * np.random.default_rng(3).standard_normal(N)
LATE = 1.3 + np.exp(-np.cumsum(0.1 * 0.97**T) / 3.0) + 0.01 * np.random.default_rng(3).standard_normal(N)
OSCILLATING = 1.0 + 0.4 * (-1.0) ** T
RISING = 2.3 * np.exp(T / N * 3.0)
SQUARES = {"targets": [{"name": "y", "kind": "continuous", "mean": 0.0, "spread": 3.0}]}
NEGATED = {"data": SQUARES, "constant_prediction_loss": None, "initial_loss": -9.0}

FAULTS: dict[str, tuple[str, Callable[[], Record]]] = {
    "thrown far by the first steps": ("P003", lambda: run(stuck(N, 2.4), ratio=JUMP, rate=0.5)),
    "diverging": ("P003", lambda: run(np.exp(np.minimum(T / 50.0, 9.0)), ratio=0.4, cosine=-0.6, rate=0.5)),
    "ended in NaN": ("P003", lambda: run(np.r_[np.exp(T[:30]), np.nan], ratio=0.9, cosine=-0.9, rate=0.5)),
    "jumping from side to side": ("P003", lambda: run(OSCILLATING, ratio=0.1, cosine=-0.8)),
    "extreme rate on one example": ("P003", lambda: run(stuck(N, 2.4), ratio=JUMP, rate=3.0, batch=1)),
    "thrown far, then decayed": ("P003", lambda: run(stuck(N, 2.4), ratio=JUMP, rate=0.5 * 0.8**T)),
    "creeping": ("P004", lambda: run(CREEPING, ratio=2e-5, rate=1e-5, cosine=0.4)),
    "falling a little from far above": (
        "P004",
        lambda: run(CREEPING + 0.1, ratio=5e-5, rate=1e-4, cosine=0.4),
    ),
    "not moving at all": ("P004", lambda: run(stuck(N, 2.36), ratio=1e-7, rate=1e-6, cosine=0.4)),
    "schedule at its end": ("P005", lambda: run(FROZEN, ratio=1e-3 * 0.8**T, rate=EARLY, cosine=0.3)),
    "schedule at its end, by the loss alone": (
        "P005",
        lambda: run(LATE, ratio=1e-3 * 0.97**T, rate=0.1 * 0.97**T, cosine=0.0),
    ),
    "schedule over before it began": ("P005", lambda: run(stuck(N, 2.36), ratio=1e-4 * 0.5**T, rate=0.5**T)),
    "clipped to nothing": (
        "P006",
        lambda: run(CREEPING, ratio=2e-5, cosine=0.4, optimizer={"clipnorm": 1e-3}),
    ),
    "clipped together": (
        "P006",
        lambda: run(CREEPING, ratio=2e-4, cosine=0.4, optimizer={"global_clipnorm": 1e-3}),
    ),
    "clipped by entries": (
        "P006",
        lambda: run(CREEPING, ratio=2e-5, cosine=0.4, optimizer={"clipvalue": 1e-5}),
    ),
    "negative rate": ("P007", lambda: run(RISING, ratio=2e-3, rate=-0.01, cosine=0.6)),
    "negative rate, to infinity": ("P007", lambda: run(np.exp(T / 2.0), ratio=0.9, rate=-0.1, cosine=0.9)),
    "update added": (
        "P007",
        lambda: run(RISING, ratio=2e-3, cosine=0.6, probe={"probe_loss": np.linspace(2.3, 40.0, 8)}),
    ),
    "negated error": (
        "P007",
        lambda: run(
            -9.0 * np.exp(T / 100.0),
            cosine=0.6,
            info=NEGATED,
            probe={"probe_explained_variance": -np.exp(np.arange(8.0))},
        ),
    ),
    "one example with momentum": (
        "P008",
        lambda: run(stuck(N, 2.4), ratio=0.02, cosine=0.0, batch=1, optimizer={"momentum": 0.9}),
    ),
    "one example, long steps at an ordinary rate": (
        "P008",
        lambda: run(stuck(N, 2.4), ratio=0.3, cosine=0.0, batch=1, rate=0.1),
    ),
    "two examples, diverging": (
        "P008",
        lambda: run(np.exp(np.minimum(T / 50.0, 9.0)), ratio=0.1, cosine=0.0, batch=2),
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_of_each_fault_one_rule_speaks(name: str) -> None:
    code, make = FAULTS[name]
    record = make()
    assert speaking(record) == {code}
    finding = ask(code, record)
    assert finding.remedies and finding.message.endswith(".")


def test_they_stand_in_the_registry() -> None:
    assert {rule.code for rule in STEPS} <= {rule.code for rule in RULES}


CONVERGED = 2.3 * np.exp(-15.0 * T / N) + 1e-6
COSINE = 0.05 * (1.0 + np.cos(np.pi * T / N))
STAIRS = 0.1 * np.where(T < 0.5 * N, 1.0, np.where(T < 0.75 * N, 0.1, 0.001))
STAIRED = np.where(T < 0.5 * N, 1.5 + 0.8 * np.exp(-T / 40), np.where(T < 0.75 * N, 1.3, 1.28))
PLATEAU = np.where(T < 100, 0.4 + 1.9 * np.exp(-T / 15), 0.4)

HEALTHY: dict[str, Callable[[], Record]] = {
    "ordinary": run,
    "large first updates that did no harm": lambda: run(ratio=np.r_[0.9, 1e-3 * np.ones(N - 1)], rate=1.0),
    "a penalty in the loss": lambda: run(
        stuck(N, 2.6), ratio=JUMP, rate=0.5, probe={"probe_accuracy": [0.1] + [0.8] * 7}
    ),
    "edge of stability": lambda: run(cosine=-0.5),
    "fine-tuning at a tiny rate": lambda: run(stuck(N, 0.2), ratio=1e-5, rate=1e-5, cosine=0.3),
    "converged": lambda: run(CONVERGED, ratio=1e-5, cosine=0.5),
    "slow and far along": lambda: run(2.3 - 1.5 * T / N, ratio=2e-4, cosine=0.7),
    "noise about a plateau at a small rate": lambda: run(
        1.6 + 0.7 * np.exp(-T / 50) + 0.1 * np.sin(T), ratio=1e-4, cosine=0.0
    ),
    "no signal at a small rate": lambda: run(stuck(N, 2.36), ratio=1e-5, rate=1e-5, cosine=0.0),
    "slowed down at a small rate": lambda: run(
        2.36 + 0.3 * np.exp(-T / 60), ratio=1e-4, rate=1e-3, cosine=0.3
    ),
    "cosine to zero": lambda: run(rate=COSINE, ratio=0.02 * COSINE),
    "stairs on noisy labels": lambda: run(STAIRED, rate=STAIRS, ratio=0.01 * STAIRS),
    "rate lowered on the plateau": lambda: run(PLATEAU, rate=np.where(T < 100, 0.1, 1e-6)),
    "rate gone once it had converged": lambda: run(
        0.2 + 2.1 * np.exp(-T / 3), rate=np.where(T < 60, 0.1, 0.0)
    ),
    "rate gone once it had converged far up": lambda: run(
        1.9 + 0.4 * np.exp(-T / 3), rate=np.where(T < 60, 0.1, 0.0), cosine=0.0
    ),
    "clipped at every step": lambda: run(optimizer={"clipnorm": 1e-3}),
    "clipped under Adam": lambda: run(
        stuck(N, 2.4), optimizer={"name": "Adam", "class": "Adam", "global_clipnorm": 1e-3}
    ),
    "one example at a time": lambda: run(batch=1, cosine=0.0, ratio=0.02, optimizer={"momentum": 0.9}),
    "one graph a step": lambda: run(
        stuck(N, 2.4), batch=1, cosine=0.0, ratio=0.02, info={"fit": {"batch_size": 1, "steps_per_epoch": 1}}
    ),
    "log-likelihood below zero": lambda: run(
        -5.0 * T / N, info=NEGATED, probe={"probe_explained_variance": np.linspace(0.0, 0.9, 8)}
    ),
    "log-likelihood far below zero": lambda: run(
        -9.0 * np.exp(T / 100.0), info=NEGATED, probe={"probe_explained_variance": np.linspace(0.0, 0.9, 8)}
    ),
    "loss that stays below zero": lambda: run(
        np.full(N, -9.0), info=NEGATED, probe={"probe_explained_variance": [-1.0] * 8}
    ),
    "tasks that grow harder": lambda: run(
        RISING, ratio=2e-3, cosine=0.6, probe={"probe_loss": np.linspace(2.3, 0.4, 8)}
    ),
    "two examples that agree": lambda: run(stuck(N, 2.4), ratio=0.02, cosine=0.5, batch=2),
    "critic": lambda: run(-0.01 - 5.0 * T / N, info=NEGATED, probe={"probe_explained_variance": [-30.0] * 8}),
    "adversary whose loss rises": lambda: run(np.linspace(0.7, 3.0, N), cosine=0.5),
    "shuffled labels at a small rate": lambda: run(
        stuck(N, 2.36), ratio=1e-5, cosine=0.4, info={"data": {**CLASSES, "signal": {"p": 0.4}}}
    ),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_of_a_healthy_run_none_speaks(name: str) -> None:
    assert speaking(HEALTHY[name]()) == set()


# What other causes explain


DATA = {"inputs": [{"name": "x", "mean": 130.0, "spread": 60.0}], **CLASSES}
DRAWN = [{"name": f"dense_{i}/kernel", "initial": {"spread": 5.0, "fan_in": 64}} for i in range(6)]


@pytest.mark.parametrize(
    ("info", "where"), [({"data": DATA}, "inputs"), ({"tensors": DRAWN}, "kernels")], ids=["data", "kernels"]
)
def test_long_steps_of_an_ordinary_rate_have_another_cause(info: dict[str, Any], where: str) -> None:
    finding = ask("P003", run(stuck(N, 14.0), ratio=JUMP, rate=0.1, info=info))
    assert finding.verdict is Verdict.UNASSESSED
    assert where in finding.message
    assert ask("P003", run(stuck(N, 14.0), ratio=JUMP, rate=10.0, info=info)).verdict is Verdict.CONCERN


def test_who_brought_the_rate_down_is_named() -> None:
    """A callback, unless the optimizer has a schedule of its own, which no callback can change."""
    schedule = {"class_name": "CosineDecay", "config": {}}
    for callback, learning_rate, said in (
        ("ReduceLROnPlateau", 0.1, "`ReduceLROnPlateau`"),
        ("LearningRateScheduler", 0.1, "`LearningRateScheduler`"),
        ("LearningRateScheduler", schedule, "the schedule"),
        ("TerminateOnNaN", 0.1, "the schedule"),
    ):
        facts = {"callbacks": [{"class": callback}]}
        given = {"learning_rate": learning_rate}
        record = run(FROZEN, ratio=1e-3 * 0.8**T, rate=EARLY, cosine=0.3, optimizer=given, info=facts)
        assert said in ask("P005", record).remedies[0].action


def test_a_small_gradient_is_not_a_small_rate() -> None:
    """Deep sigmoids: tiny updates at an ordinary rate."""
    faint = run(stuck(N, 2.36), ratio=4e-6, rate=0.05, cosine=0.3)
    finding = ask("P004", having(faint, series("update_ratio/head/kernel", 2e-3 * np.ones(N))))
    assert finding.verdict is Verdict.UNASSESSED
    assert "gradient itself" in finding.message


def test_a_gradient_that_is_small_everywhere_is_that_of_a_small_loss() -> None:
    """As under `loss_weights=[1e-5]`."""
    weighted = stuck(N, 2.36) * 1e-5
    facts = {"constant_prediction_loss": 2.3e-5, "initial_loss": float(weighted[0])}
    finding = ask("P004", run(weighted, ratio=4e-6, rate=0.05, cosine=0.3, info=facts))
    assert finding.verdict is Verdict.CONCERN
    assert "`loss_weights`" in finding.remedies[0].action


def test_a_warm_up_is_not_a_small_rate() -> None:
    rates = np.linspace(1e-6, 1e-4, N)
    finding = ask("P004", run(CREEPING, ratio=rates, rate=rates, cosine=0.4))
    assert finding.verdict is Verdict.UNASSESSED
    assert "being raised" in finding.message


def test_far_from_half_of_the_way_at_its_pace() -> None:
    """The loss fell by a twentieth, below a constant prediction: no shortfall but for the pace."""
    loss = 2.3 - 0.08 * T / N + 0.005 * np.random.default_rng(2).standard_normal(N)
    finding = ask("P004", run(loss, ratio=5e-5, rate=1e-4, cosine=0.4))
    assert finding.verdict is Verdict.CONCERN
    # From 2.23 to 1.15 at 0.08 a run.
    assert finding.evidence["times"].value == pytest.approx(13.5, rel=0.1)


def test_how_far_it_had_to_fall_must_be_known() -> None:
    """Fine-tuning at a tiny rate under a loss of one's own."""
    own = run(stuck(N, 0.2), ratio=1e-5, rate=1e-5, cosine=0.3, info={"constant_prediction_loss": None})
    assert ask("P004", own).verdict is Verdict.UNASSESSED


def test_the_factor_brings_the_update_to_a_thousandth() -> None:
    finding = ask("P004", run(stuck(N, 2.36), ratio=1e-6, rate=1e-5, cosine=0.4))
    assert finding.remedies[0].action == "Multiply the learning rate by 1,000."
    assert finding.remedies[0].code == "learning_rate=0.01"


def test_less_than_a_linear_model() -> None:
    """Better than a constant and far below what a straight line reaches."""
    linear = {"data": {**CLASSES, "linear": {"accuracy": 0.95}, "examples": 1000}}
    record = run(1.5 + 0.8 * np.exp(-T / 50), ratio=np.r_[0.4, 0.02 * np.ones(N - 1)], rate=0.1, info=linear)
    assert ask("P003", having(record, series("probe_accuracy", [0.1, 0.7]))).verdict is Verdict.CONCERN
    assert ask("P003", having(record, series("probe_accuracy", [0.1, 0.93]))).verdict is Verdict.SATISFACTORY


def test_a_short_run_is_on_its_way_to_a_linear_model() -> None:
    """One epoch of single examples: still falling, and nothing to blame the noise for."""
    linear = {"data": {**CLASSES, "linear": {"accuracy": 0.95}, "examples": 1000}}
    for loss, verdict in ((2.3 - 1.5 * T / N, Verdict.SATISFACTORY), (PLATEAU + 1.0, Verdict.CONCERN)):
        noisy = loss + 0.1 * np.random.default_rng(0).standard_normal(N)
        record = run(noisy, ratio=0.01, cosine=0.0, batch=1, info=linear)
        assert ask("P008", having(record, series("probe_accuracy", [0.1, 0.8]))).verdict is verdict


def standing(*losses: float, level: float = 2.36) -> Record:
    """Steps too noisy to tell whether the loss fell, at tiny updates one way; and what the epochs logged."""
    noise = 0.8 * np.random.default_rng(4).standard_normal(N)
    return run(level + noise, ratio=1e-5, rate=1e-5, cosine=0.4, probe={"epoch_loss": list(losses)})


def test_epochs_that_stand_still() -> None:
    finding = ask("P004", standing(2.36, 2.359, 2.358, 2.357, 2.356))
    assert finding.verdict is Verdict.CONCERN
    assert (finding.evidence["last"].usual, finding.evidence["last"].value) == (2.36, 2.356)


@pytest.mark.parametrize(
    "losses",
    [
        (2.36, 2.34, 2.33, 2.31, 2.30),
        (2.36, 2.30, 2.33, 2.35, 2.36),  # it fell, and rose again
        (2.36, 2.359, 2.358, 2.357),
        (2.36, np.nan, 2.358, 2.357, 2.356),
        (0.36, 0.359, 0.358, 0.357, 0.356),  # near its end all along
    ],
    ids=["falling", "once", "four", "unknown", "low"],
)
def test_epochs_that_do_not_show_that_they_stand_still(losses: tuple[float, ...]) -> None:
    assert ask("P004", standing(*losses)).verdict is Verdict.UNASSESSED


def measured(loss: ArrayLike, reached: float, p: float = 0.01, **more: Any) -> Record:
    """Of which a kernel method tells 95 %, and a linear model nobody knows what."""
    data = {"data": {**CLASSES, "examples": 1000, "signal": {"score": 0.95, "p": p}}}
    return having(run(loss, info=data, **more), series("probe_accuracy", [0.1, reached]))


@pytest.mark.parametrize(
    ("reached", "p", "verdict"),
    [(0.6, 0.01, Verdict.CONCERN), (0.93, 0.01, Verdict.SATISFACTORY), (0.6, 0.4, Verdict.SATISFACTORY)],
)
def test_a_rate_that_was_gone_below_a_kernel_method(reached: float, p: float, verdict: Verdict) -> None:
    """Levelled off under a constant prediction, and no gradient says that there was further to go."""
    gone = np.where(T < 60, 0.1, 0.0)
    record = measured(1.9 + 0.4 * np.exp(-T / 3), reached, p, rate=gone, cosine=0.0)
    assert ask("P005", record).verdict is verdict
    if verdict is Verdict.CONCERN:
        assert "levelled off" not in ask("P005", record).message


LOWERED = np.where(T < 150, 0.1, 1e-6)
ON_ITS_WAY = 0.4 + 1.9 * np.exp(-np.minimum(T, 150) / 80)


@pytest.mark.parametrize(
    ("rate", "loss", "validation", "verdict"),
    [
        (LOWERED, ON_ITS_WAY, None, Verdict.CONCERN),
        (LOWERED, ON_ITS_WAY, [1.6, 1.2, 1.2, 1.2, 1.2, 1.2, 1.2, 1.2], Verdict.CONCERN),
        (LOWERED, ON_ITS_WAY, [1.2, 1.2, 1.2, 1.2, 1.2, 1.2, 1.2, 1.2], Verdict.SATISFACTORY),  # it overfits
        (LOWERED, 0.4 + 1.9 * np.exp(-np.minimum(T, 150) / 20), None, Verdict.SATISFACTORY),  # levelled off
        (np.where(T < 150, 0.1, 1e-3), ON_ITS_WAY, None, Verdict.SATISFACTORY),  # a tenth of the way is left
        (np.where(T < 60, 0.1, np.where(T < 150, 0.01, 1e-6)), PLATEAU, None, Verdict.SATISFACTORY),
        (0.1 * 10.0 ** (-4.0 * T / N), 0.4 + 1.9 * np.exp(-T / 80), None, Verdict.SATISFACTORY),
    ],
)
def test_a_rate_that_was_gone_on_the_way(
    rate: ArrayLike, loss: ArrayLike, validation: list[float] | None, verdict: Verdict
) -> None:
    """The loss had come far, and most of the run brought nothing more."""
    record = run(loss, rate=rate, cosine=0.0)
    if validation is not None:
        record = having(record, series("validation_loss", validation, steps=[75 * (i + 1) for i in range(8)]))
    finding = ask("P005", record)
    assert finding.verdict is verdict
    if verdict is Verdict.CONCERN:
        assert "the rates of all 800 steps add up to 150 steps at the peak" in finding.message
        assert "81.2 % of the run" in finding.message


def test_a_rate_that_was_gone_where_the_loss_alone_fell_short() -> None:
    above = run(2.36 + 0.4 * np.exp(-T / 3), rate=np.where(T < 60, 0.1, 0.0), cosine=0.0)
    assert ask("P005", above).verdict is Verdict.SATISFACTORY


def test_a_tiny_rate_below_a_kernel_method() -> None:
    """Half of a constant prediction's loss is four times as many steps away: not far, but for the method."""
    for reached, verdict in ((0.6, Verdict.CONCERN), (0.93, Verdict.SATISFACTORY)):
        record = measured(2.3 - 0.3 * T / N, reached, ratio=5e-5, rate=1e-4, cosine=0.4)
        assert ask("P004", record).verdict is verdict


def thrown(epochs: int, ratio: ArrayLike = JUMP, **more: Any) -> Record:
    """The loss of a run of eight epochs that is under a constant prediction's after so many."""
    after = np.maximum(T - 100.0 * epochs, 0.0)
    return run(
        np.where(100 * epochs > T, 2.6, 0.3 + 2.0 * np.exp(-after / 60.0)), ratio=ratio, rate=0.5, **more
    )


def test_first_epochs_that_were_lost() -> None:
    finding = ask("P003", thrown(3))
    assert finding.verdict is Verdict.CONCERN
    assert finding.evidence["lost"].value == 3 and finding.series[0] == "epoch_loss"
    assert ask("P003", thrown(2)).verdict is Verdict.CONCERN


def test_first_epochs_that_were_not_lost() -> None:
    penalty = series("penalty", [0.5] * 8, 100 * np.arange(8))
    for record in (thrown(1), thrown(3, ratio=0.1, cosine=-0.6), having(thrown(3), penalty)):
        assert ask("P003", record).verdict is Verdict.SATISFACTORY


@pytest.mark.parametrize(
    ("losses", "verdict"),
    [((2.6, 2.4, 1.0, 0.4), Verdict.CONCERN), ((2.6, 1.4, 1.0, 0.4), Verdict.SATISFACTORY)],
)
def test_one_epoch_of_four_is_not_lost(losses: tuple[float, ...], verdict: Verdict) -> None:
    assert ask("P003", run(ratio=JUMP, rate=0.5, probe={"epoch_loss": list(losses)})).verdict is verdict


# Before the first step


def planned(schedule: dict[str, Any] | float, **info: Any) -> Record:
    facts = {
        "optimizer": {"name": "Adam", "learning_rate": schedule},
        "fit": {"epochs": 20, "steps_per_epoch": 100},
    }
    return Record.of([], {**facts, **info})


def config(name: str, **arguments: Any) -> dict[str, Any]:
    return {"class_name": name, "config": {"initial_learning_rate": 1e-3, **arguments}}


@pytest.mark.parametrize(
    ("schedule", "end"),
    [
        (config("CosineDecay", decay_steps=20, alpha=0.0), 20),
        (config("CosineDecay", decay_steps=20, alpha=0.0, warmup_target=0.1, warmup_steps=30), 50),
        (config("ExponentialDecay", decay_steps=10, decay_rate=0.5), 99),
        (config("PolynomialDecay", decay_steps=20, end_learning_rate=1e-9), 20),
        (config("PiecewiseConstantDecay", boundaries=[10, 30], values=[1e-2, 1e-6, 1e-7]), 10),
    ],
)
def test_a_schedule_counted_in_epochs(schedule: dict[str, Any], end: int) -> None:
    finding = ask("P005", planned(schedule))
    assert finding.verdict is Verdict.CONCERN
    assert finding.evidence["end"].value == end
    assert (
        ask("P005", planned(schedule, callbacks=[{"class": "EarlyStopping"}])).verdict is Verdict.SATISFACTORY
    )


@pytest.mark.parametrize(
    "schedule",
    [
        config("CosineDecay", decay_steps=2000, alpha=0.0),
        config("CosineDecay", decay_steps=20, alpha=0.1),
        config("ExponentialDecay", decay_steps=2000, decay_rate=0.5),
        config("ExponentialDecay", decay_steps=10, decay_rate=1.0),
        config("PolynomialDecay", decay_steps=20, end_learning_rate=1e-4),
        config("PolynomialDecay", decay_steps=20, end_learning_rate=0.0, cycle=True),
        config("PiecewiseConstantDecay", boundaries=[10, 30], values=[1e-2, 1e-3, 1e-4]),
        config("CosineDecayRestarts", first_decay_steps=20),
        {"class_name": "CosineDecay", "config": None},
        {"class_name": "PiecewiseConstantDecay", "config": {"boundaries": ["a"], "values": [1, 2]}},
        1e-3,
    ],
)
def test_a_schedule_that_lasts(schedule: Any) -> None:
    assert ask("P005", planned(schedule)).verdict is not Verdict.CONCERN


def test_a_negative_rate_is_said_before_the_first_step() -> None:
    assert ask("P007", planned(-0.01)).verdict is Verdict.CONCERN
    assert ask("P007", planned(0.01)).verdict is Verdict.SATISFACTORY
    assert ask("P007", Record.of([])).verdict is Verdict.UNASSESSED


def test_a_negated_cross_entropy() -> None:
    """Its accuracy stays at that of the commonest class; a loss that learns is left alone."""
    loss = np.maximum(-2.4 - T / 20.0, -14.5)
    facts = {"constant_prediction_loss": None}
    made = run(loss, cosine=0.8, info=facts, probe={"probe_accuracy": [0.1] * 8})
    assert ask("P007", made).verdict is Verdict.CONCERN
    learned = run(loss, cosine=0.8, info=facts, probe={"probe_accuracy": [0.9] * 8})
    assert ask("P007", learned).verdict is Verdict.SATISFACTORY


def test_inside_a_loss_scale() -> None:
    inner = {"name": "SGD", "learning_rate": 1e-5, "clipnorm": 1e-3}
    scaled = {
        "name": "LossScaleOptimizer",
        "class": "LossScaleOptimizer",
        "inner_optimizer": {"config": inner},
    }
    assert speaking(run(CREEPING, ratio=2e-5, cosine=0.4, optimizer=scaled)) == {"P006"}


def test_weighted_examples_are_not_held_to_a_linear_model() -> None:
    """Rare classes that are weighted are learned at the price of the others."""
    linear = {"data": {**CLASSES, "linear": {"accuracy": 0.95}, "examples": 1000}}
    for fit, verdict in (({}, Verdict.CONCERN), ({"class_weight": True}, Verdict.SATISFACTORY)):
        loss = 1.5 + 0.8 * np.exp(-T / 50)
        record = run(loss, ratio=np.r_[0.4, 0.02 * np.ones(N - 1)], rate=0.1, info={**linear, "fit": fit})
        assert ask("P003", having(record, series("probe_accuracy", [0.1, 0.7]))).verdict is verdict


def cycling(cosine: float, last: float) -> Record:
    """Full-batch steps on a bowl whose curvature is two over the rate: as far back as forth, to a good loss."""
    record = run(0.1 + np.exp(-T / 20), cosine=cosine, ratio=0.3)
    return having(record, series("update_norm", last + (1.0 - last) * np.exp(-T / 100)))


@pytest.mark.parametrize(
    ("record", "found"),
    [(cycling(-0.99, 0.9), True), (cycling(-0.99, 0.0), False), (cycling(-0.5, 0.9), False)],
    ids=["for ever", "comes to rest", "edge of stability"],
)
def test_to_and_fro_over_the_valley(record: Record, found: bool) -> None:
    finding = ask("P003", record)
    assert (finding.verdict is Verdict.CONCERN) is found
    assert not found or "The last" in finding.message or "the last updates" in finding.message


def test_long_steps_to_the_level_of_a_constant() -> None:
    """Neither shown to be better than a constant prediction nor shown not to be."""
    rng = np.random.default_rng(0)
    loss = 2.27 + 0.3 * rng.standard_normal(N)
    near = run(loss, ratio=0.5, rate=0.2, info={"constant_prediction_loss": 2.3, "initial_loss": 4.0})
    assert ask("P003", near).verdict is Verdict.CONCERN
    calm = run(loss, ratio=0.01, rate=0.2, info={"constant_prediction_loss": 2.3, "initial_loss": 4.0})
    assert ask("P003", calm).verdict is Verdict.SATISFACTORY


def adding_up(cosine: float = 0.95, probe: float = 13.0, **info: Any) -> Record:
    """Gradients that are never cleared: the loss falls for a little, and rises from there on; the steps are long."""
    loss = np.r_[np.linspace(2.5, 1.6, 20), np.linspace(1.7, 12.6, N - 20)]
    facts = {"backend": "torch", "model": {"class": "CustomModel"}, **info}
    return run(loss, ratio=0.08, rate=0.1, cosine=cosine, info=facts, probe={"probe_loss": [2.4, probe]})


def test_gradients_that_add_up() -> None:
    finding = ask("P007", adding_up())
    assert finding.verdict is Verdict.CONCERN and "self.zero_grad()" in finding.remedies[0].action
    for info in ({"backend": "jax"}, {"model": {"class": "Sequential"}}):
        other = ask("P007", adding_up(**info))
        assert other.verdict is Verdict.CONCERN and "sign" in other.remedies[0].action
    for record in (adding_up(cosine=0.5), adding_up(probe=2.0)):
        assert ask("P007", record).verdict is Verdict.SATISFACTORY


def test_gradients_that_add_up_until_there_is_no_number() -> None:
    """The probe batch of a network of NaN has no loss: it did not fall."""
    for probe in (np.nan, np.inf):
        assert ask("P007", adding_up(probe=probe)).verdict is Verdict.CONCERN
        assert ask("P007", adding_up(cosine=0.5, probe=probe)).verdict is Verdict.SATISFACTORY


def test_gradients_that_add_up_after_a_long_fall() -> None:
    """Down over most of the run, and far up at its end: it did not rise all the way."""
    loss = np.r_[np.linspace(2.5, 1.0, N - 100), np.linspace(1.0, 6.0, 100)]
    for cosine, verdict in ((0.95, Verdict.CONCERN), (0.5, Verdict.SATISFACTORY)):
        record = run(loss, ratio=0.01, rate=0.1, cosine=cosine, probe={"probe_loss": [2.4, 6.0]})
        assert ask("P007", record).verdict is verdict


def own_loss(explained: list[float], own: bool = True) -> Record:
    """An R2 that was minimised: it begins at zero, and falls for ever."""
    losses = [{"name": "r2", "own": own}]
    facts = {
        "losses": losses,
        "initial_loss": -0.1,
        "constant_prediction_loss": None,
        "data": {"targets": [{"kind": "continuous", "mean": 0.0, "spread": 1.0}]},
    }
    return run(0.1 - 50.0 * T / N, info=facts, probe={"probe_explained_variance": explained})


def test_a_score_of_ones_own_that_fell_and_took_the_outputs_along() -> None:
    finding = ask("P007", own_loss([0.0, -5.0, -40.0]))
    assert finding.verdict is Verdict.CONCERN and "the negative of one" in finding.message
    for record in (
        own_loss([0.0, -0.4, -0.5]),
        own_loss([-5.0, -5.0, -5.5]),
        own_loss([0.0, -5.0, -40.0], own=False),
    ):
        assert ask("P007", record).verdict is not Verdict.CONCERN


def metric(kind: str, values: list[float], end: list[float] | None = None, **info: Any) -> Record:
    """A loss of the user's own that fell, and a metric beside it."""
    facts = {
        "losses": [{"name": "distance", "own": True}],
        "metric_directions": [{"name": "score", "class": kind, "direction": "max"}],
        "constant_prediction_loss": None,
        **info,
    }
    logs: dict[str, ArrayLike] = {"epoch_score": values, "validation_score": values if end is None else end}
    return run(info=facts, probe=logs)


COSINES = [-0.36, -0.71, -0.82, -0.9, -0.93, -0.95, -0.96, -0.97]


def test_the_opposite_was_learned() -> None:
    finding = ask("P007", metric("CosineSimilarity", COSINES))
    assert finding.verdict is Verdict.CONCERN and "the opposite of the targets" in finding.message
    assert "negative of a cosine" in finding.remedies[0].reason
    assert ask("P007", metric("AUC", [0.4, 0.3, 0.2, 0.1])).verdict is Verdict.CONCERN


@pytest.mark.parametrize(
    "record",
    [
        metric("CosineSimilarity", [-value for value in COSINES]),
        metric("CosineSimilarity", COSINES, end=[0.1] * 8),
        metric("CosineSimilarity", COSINES[:3]),
        metric("CosineSimilarity", [0.6, 0.5, 0.4, 0.2, 0.1, 0.0, 0.0, 0.0]),
        metric("CosineSimilarity", [-0.6, -0.9, -0.5, -0.7, -0.6, -0.8, -0.8, -0.8]),
        metric("CosineSimilarity", COSINES, losses=[{"name": "cosine_similarity", "own": False}]),
        metric("CosineSimilarity", COSINES, losses=[{"own": True}, {"own": True}]),
        metric("CosineSimilarity", COSINES, fit={"class_weight": True}),
        metric("CosineSimilarity", COSINES, data={"weighted": True}),
        metric("R2Score", [-1.0, -2.0, -3.0, -4.0]),
        metric("Recall", [0.9, 0.5, 0.1, 0.0]),
        metric("BinaryAccuracy", [0.9, 0.5, 0.1, 0.0]),
    ],
    ids=[
        "rises", "held out", "few epochs", "a guess", "up and down", "of Keras", "several", "classes weighted",
        "weighted", "a quantile", "a trade", "recall unknown",
    ],
)  # fmt: skip
def test_a_metric_that_fell_by_right(record: Record) -> None:
    assert ask("P007", record).verdict is not Verdict.CONCERN


@pytest.mark.parametrize(("recall", "found"), [(0.2, True), (0.45, False), (0.5, False)])
def test_an_overlap_is_held_to_the_recall_of_the_classes(recall: float, found: bool) -> None:
    """A mask of background alone has an overlap of nothing too, and the recall of a guess."""
    masks = {"targets": [{"kind": "binary", "class_counts": [900, 100]}]}
    record = metric("BinaryIoU", [7e-4, 4e-5, 2e-5, 2e-5, 2e-5], data=masks)
    finding = ask("P007", having(record, series("balanced_accuracy", [0.4, recall])))
    assert (finding.verdict is Verdict.CONCERN) is found


EPOCHS = np.arange(20.0)


def fed(lower: Callable[[int, float], float], epochs: int = 20, rate: float = 0.01) -> np.ndarray:
    """The rates of the epochs, as float32, of a `LearningRateScheduler` given this function."""
    made = []
    for epoch in range(epochs):
        rate = float(np.float32(lower(epoch, rate)))
        made.append(rate)
    return np.array(made)


def by_epoch(rates: ArrayLike, loss: ArrayLike | None = None, **more: Any) -> Record:
    """A run of so many epochs of a hundred steps at these rates."""
    rates = np.repeat(np.asarray(rates, dtype=np.float32), 100)
    loss = 0.3 + 2.0 * np.exp(-np.arange(len(rates)) / 100) if loss is None else loss
    return run(loss, rate=rates, ratio=1e-3 * rates / rates.max(), cosine=0.0, **more)


def waiting(epoch: int, rate: float) -> float:
    return rate if epoch < 5 else rate * 0.8**epoch


@pytest.mark.parametrize(
    ("lower", "code"),
    [
        (lambda epoch, rate: rate * 0.9**epoch, "return 0.01 * 0.9 ** epoch"),
        (lambda epoch, rate: rate * np.exp(-0.1 * epoch), "return 0.01 * 0.905 ** epoch"),
        (lambda epoch, rate: rate / (1.0 + 0.2 * epoch), "return 0.01 / (1.0 + 0.2 * epoch)"),
        (
            lambda epoch, rate: rate * 0.5 ** ((1 + epoch) // 4),
            "return 0.01 * 0.5 ** (epoch // epochs_between)",
        ),
        (lambda epoch, rate: max(rate * 0.85**epoch, 1e-5), "return 0.01 * 0.85 ** epoch"),  # with a floor
        (waiting, "return 0.01 * 0.8 ** epoch"),
    ],
)
def test_a_factor_that_multiplies_up(lower: Callable[[int, float], float], code: str) -> None:
    """The loss is one that came far: the rate was lost all the same."""
    record = by_epoch(fed(lower))
    finding = ask("P005", record)
    assert finding.verdict is Verdict.CONCERN
    assert finding.remedies[0].code == code
    assert "the factor by which an epoch lowered it itself fell" in finding.message
    assert finding.evidence["factor"].value < finding.evidence["factor"].usual < 1.0


def test_the_factors_of_a_log_of_epochs_and_after_a_warm_up() -> None:
    rates = np.r_[0.001, 0.004, 0.01, fed(lambda epoch, rate: rate * 0.8**epoch, 17)]
    found = ask("P005", by_epoch(rates))
    assert found.evidence["factor"].usual == pytest.approx(0.8, rel=1e-5)
    twice = np.r_[0.01, 0.005, 0.01, fed(lambda epoch, rate: rate * 0.8**epoch, 17)]
    assert "factor" in ask("P005", by_epoch(twice)).evidence
    for epochs, told in ((5, True), (4, False)):  # three factors may be anything
        few = by_epoch(fed(lambda epoch, rate: rate * 0.1**epoch, epochs))
        assert ("factor" in ask("P005", few).evidence) == told
    nothing = by_epoch(fed(lambda epoch, rate: rate * 0.8**epoch, 40))  # the last rates are none
    assert "factor" in ask("P005", nothing).evidence
    faint = 0.3**EPOCHS * 0.99999 ** (EPOCHS * (EPOCHS - 1) / 2)  # so small a step could be rounding
    assert "factor" not in ask("P005", healthy(2000, learning_rate=None, epoch_learning_rate=faint)).evidence
    log = healthy(2000, learning_rate=None, epoch_learning_rate=fed(lambda epoch, rate: rate * 0.8**epoch))
    assert ask("P005", log).verdict is Verdict.CONCERN


SOUND_RATES = {
    "cosine": 0.5 * (1.0 + np.cos(np.pi * EPOCHS / 20)),
    "restarts": 0.5 * (1.0 + np.cos(np.pi * (EPOCHS % 7) / 7)),
    "exponential": 0.3**EPOCHS,
    "staircase": 0.1 ** (EPOCHS // 3),
    "linear": 1.0 - EPOCHS / 20,
    "cubic": (1.0 - EPOCHS / 20) ** 3,
    "inverse time": 1.0 / (1.0 + 20.0 * EPOCHS),
    "inverse square": 1.0 / (1.0 + EPOCHS) ** 2,
    "Gaussian": np.exp(-((EPOCHS / 5.0) ** 2)),
    "steps written down": np.array([1.0, 0.1, 0.001, 1e-6])[np.minimum(EPOCHS // 4, 3).astype(int)],
    "squared exponent": 0.9 ** (EPOCHS * EPOCHS),
    "raised at the end": np.r_[1.0, 0.001, 1e-4, 1e-5, 1e-6, 5e-6],
    "factors not quite whole steps apart": np.cumprod(
        0.9 ** np.r_[0, 1, 2.05, 2.95, 4.05, 5, 5.95, 7, 8.05, 9, 10, 11]
    ),
    "factors that fall and rise": np.cumprod(0.9 ** np.r_[0, 1, 2, 3, 4, 3, 4, 5, 6, 5, 6, 7, 8, 9, 10]),
    "three factors": np.r_[1.0, np.cumprod([0.9, 0.81, 0.729] + [0.01] * 16)],
}


@pytest.mark.parametrize("name", SOUND_RATES)
def test_no_schedule_multiplies_up(name: str) -> None:
    assert "factor" not in ask("P005", by_epoch(0.01 * SOUND_RATES[name])).evidence


def test_a_mild_factor_has_hurt_nobody() -> None:
    """0.96**120 is a hundredth in the 16th epoch of 20, 0.97**153 in the 18th."""
    for base, verdict in (
        (0.96, Verdict.CONCERN),
        (0.97, Verdict.SATISFACTORY),
        (0.99, Verdict.SATISFACTORY),
    ):
        record = by_epoch(fed(lambda epoch, rate, base=base: rate * base**epoch))  # type: ignore[misc]
        assert ask("P005", record).verdict is verdict


def test_a_loss_that_levelled_off_with_the_rate_does_not_say_how_far_it_had_to_go() -> None:
    """A rate that halves every twenty steps, a tenth after 66: whether the loss stood still by then."""
    halved = 0.1 * 0.5 ** (T / 20)
    noise = np.random.default_rng(8).standard_normal(N)
    slow = 0.6 * np.exp(-T / 3.0) + 0.08 * (T < 44)
    early = 0.9 * np.exp(-T / 3.0)
    for loss, verdict, said in (
        (1.4 + early + 0.005 * noise, Verdict.SATISFACTORY, "the loss had levelled off by then"),
        (1.4 + early + 0.15 * noise, Verdict.UNASSESSED, "levelled off as the rate went"),  # or not
        (1.4 + slow, Verdict.UNASSESSED, "levelled off as the rate went"),
        (
            0.02 + 0.6 * np.exp(-T / 3.0) + 0.03 * (T < 44),
            Verdict.SATISFACTORY,
            "the loss had come far by then",
        ),
        (0.1 + early, Verdict.SATISFACTORY, "the loss had levelled off by then"),
    ):
        found = ask("P005", run(loss, rate=halved, cosine=0.0))
        assert (found.verdict, said in found.message) == (verdict, True), found.message


def warm(loss: ArrayLike, *, high: float = 1e-5, ratio: float = 2e-5, **more: Any) -> Record:
    """A rate on its way up throughout, and updates that grow with it."""
    rates = high * (T + 1.0) / N
    return run(loss, ratio=ratio * rates / rates[-1], rate=rates, **more)


NOAM = {"class_name": "Noam", "config": {"width": 32, "scale_of_warmup": 3, "warmup_steps": 40_000}}


def test_a_warm_up_that_outlasts_the_run() -> None:
    record = warm(
        stuck(N, 2.36), cosine=0.4, optimizer={"name": "Adam", "class": "Adam", "learning_rate": NOAM}
    )
    finding = ask("P009", record)
    assert finding.verdict is Verdict.CONCERN
    assert "up to step 800 of 800" in finding.message and "(`warmup_steps` was 40,000)" in finding.message
    assert finding.remedies[0].code == "warmup_steps=80"
    assert speaking(record) == {"P009"}
    assert "see P009" in ask("P004", record).message


LITTLE = 2.2 - 0.06 * np.minimum(T / 100, 1.0) - 0.02 * T / N
BY_CHANCE = 2.1 - 0.2 * T / N + 0.5 * np.random.default_rng(5).standard_normal(N)


@pytest.mark.parametrize(
    ("loss", "verdict"),
    [
        (2.2 - 0.3 * T / N, Verdict.CONCERN),  # on its way, and not half there
        (1.9 + 0.3 * np.exp(-T / 30), Verdict.SATISFACTORY),  # levelled off below a constant prediction
        (LITTLE, Verdict.SATISFACTORY),  # by less than 2 % of where it began
        (BY_CHANCE, Verdict.SATISFACTORY),
        (1.3 - 0.3 * T / N, Verdict.SATISFACTORY),  # half there
    ],
)
def test_a_warm_up_counts_beside_its_harm(loss: np.ndarray, verdict: Verdict) -> None:
    noise = 0.005 * np.random.default_rng(6).standard_normal(N)
    assert (
        ask("P009", warm(loss + noise, cosine=0.0, optimizer={"class": "Adam", "name": "Adam"})).verdict
        is verdict
    )


def test_a_warm_up_whose_steps_were_of_use_or_small_for_another_reason() -> None:
    away, adam = stuck(N, 2.36), {"class": "Adam", "name": "Adam"}
    for more, verdict in (
        ({"ratio": 4e-4}, Verdict.SATISFACTORY),
        ({"ratio": 2e-4}, Verdict.CONCERN),
        (
            {"ratio": 4e-6, "high": 0.05, "optimizer": {}},
            Verdict.UNASSESSED,
        ),  # SGD, on a gradient that is faint
        ({"ratio": 4e-6, "high": 0.05}, Verdict.CONCERN),
        ({"optimizer": {"clipnorm": 1e-3}}, Verdict.UNASSESSED),
        ({"optimizer": {"clipnorm": 1e-3, **adam}}, Verdict.CONCERN),
        ({"info": {"data": {**CLASSES, "signal": {"p": 0.4}}}}, Verdict.UNASSESSED),
    ):
        given: dict[str, Any] = {"cosine": 0.4, "optimizer": adam, **more}  # type: ignore[dict-item]
        assert ask("P009", warm(away, **given)).verdict is verdict, more
    jump = having(
        warm(away, optimizer=adam), *(series(f"update_ratio/dense_{i}/kernel", JUMP) for i in range(6))
    )
    assert ask("P009", jump).verdict is Verdict.SATISFACTORY
    still = having(warm(away), *(series(f"update_ratio/dense_{i}/kernel", 0.0 * JUMP) for i in range(6)))
    assert ask("P009", still).verdict is Verdict.UNASSESSED


@pytest.mark.parametrize(
    ("rate", "rising"),
    [
        (np.minimum(T + 1.0, 500.0), False),  # ended before the last quarter
        (np.minimum(T + 1.0, 700.0), True),
        (np.r_[T[: N - 1] + 1.0, 700.0], False),
        (np.linspace(1.0, 2.9, N), False),
        (np.linspace(1.0, 3.1, N), True),
        (np.linspace(0.0, 1.0, N), False),  # from nothing: how many times cannot be said
        (np.ones(N), False),
    ],
)
def test_what_is_on_its_way_up(rate: np.ndarray, rising: bool) -> None:
    found = ask(
        "P009", run(stuck(N, 2.36), ratio=1e-5, rate=1e-6 * rate, optimizer={"class": "Adam", "name": "Adam"})
    )
    assert (found.verdict is Verdict.CONCERN) == rising
    if not rising:
        assert found.evidence["rate"].usual == pytest.approx(1e-6 * np.max(rate))


def test_tiny_steps_after_large_ones_are_no_rate_that_is_too_low() -> None:
    found = ask("P004", run(stuck(N, 2.36), ratio=np.r_[0.7 * np.ones(5), 1e-8 * np.ones(N - 5)], rate=0.5))
    assert found.verdict is Verdict.SATISFACTORY
    assert "but the largest was" in found.message and "mean cosine" not in found.message
    gone = run(stuck(N, 2.36), ratio=np.r_[0.7 * np.ones(5), 1e-8 * np.ones(N - 5)], rate=EARLY)
    assert "see P005" in ask("P004", gone).message
