"""`ConvergencePruner`: which trials it ends, why, and which it leaves alone."""

import subprocess
import sys

import numpy as np
import pytest

optuna = pytest.importorskip("optuna", reason="optuna is not installed (the extra `optuna`)")

from optuna.trial import TrialState  # noqa: E402

from thalweg import UsageError  # noqa: E402
from thalweg.optuna import ConvergencePruner  # noqa: E402

EPOCHS = np.arange(30)
GOOD = 0.2 + 2.0 * np.exp(-EPOCHS / 4.0)
FLAT = 2.2 + 0.02 * np.random.default_rng(1).standard_normal(30)
SLOW = 0.1 + 2.1 * np.exp(-EPOCHS / 20.0)


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def study_of(*completed, falls: bool = True, pruner=None, storage=None):
    study = optuna.create_study(
        direction="minimize" if falls else "maximize",
        pruner=pruner or ConvergencePruner(),
        storage=storage,
        sampler=optuna.samplers.RandomSampler(seed=0),
    )
    for values in completed:
        assert run(study, values)[0] is None, "a trial that was to be completed was ended"
    return study


def run(study, values, spacing: int = 1):
    """The step at which a trial that reports these is ended (None where it is not), and why."""
    trial = study.ask()
    for step, value in enumerate(values):
        trial.report(value, step * spacing)
        if trial.should_prune():
            frozen = study.tell(trial, state=TrialState.PRUNED)
            return step, frozen.user_attrs["thalweg"]
    study.tell(trial, values[-1] if np.isfinite(values[-1]) else None, state=None)
    return None, None


@pytest.mark.parametrize("falls", [True, False])
def test_what_stands_still_beside_a_better_one_is_ended_and_it_is_said_why(falls: bool) -> None:
    sign = 1.0 if falls else -1.0
    step, reason = run(study_of(sign * GOOD, falls=falls), sign * FLAT)
    assert 9 <= step <= 12
    level, last = np.median(sign * FLAT[step - 4 : step + 1]), sign * GOOD[-1]
    assert f"From step {step - 4} to step {step} the value was {level:.3g}" in reason
    assert f"{abs(level - last):.3g} {'above' if falls else 'below'} that of trial 0" in reason
    assert "until step 29" in reason and ("to fall by" if falls else "to rise by") in reason


def test_a_metric_that_was_undefined_at_first_still_tells() -> None:
    undefined = np.where(EPOCHS < 2, np.nan, -GOOD)
    assert run(study_of(undefined, falls=False), -FLAT)[0] is not None


@pytest.mark.parametrize("falls", [True, False])
def test_what_goes_on_getting_better_is_not_ended(falls: bool) -> None:
    sign = 1.0 if falls else -1.0
    assert run(study_of(sign * GOOD, falls=falls), sign * SLOW) == (None, None)


def test_what_its_noise_may_hide_is_waited_for() -> None:
    zigzag = np.where(EPOCHS < 1, 2.2, 0.5)
    tiny, large = (zigzag + size * (-1.0) ** EPOCHS for size in (0.001, 0.15))
    early, late = run(study_of(GOOD), tiny)[0], run(study_of(GOOD), large)[0]
    assert early <= 12 and (late is None or late >= 20)


def test_the_steps_are_of_any_kind() -> None:
    study = study_of(GOOD)
    trial = study.ask()
    trial.report(1.0, 0)
    spaced = study_of()
    assert run(spaced, GOOD, 250)[0] is None
    assert run(spaced, FLAT, 250)[0] == run(study, FLAT)[0]


def test_nothing_that_stands_still_is_ended_before_one_is_completed() -> None:
    assert run(study_of(), FLAT) == (None, None)


def test_what_leads_is_not_ended_for_standing_still() -> None:
    early = np.concatenate([[2.2, 1.0], np.full(28, 0.1)]) + 1e-3 * FLAT
    assert run(study_of(GOOD), early) == (None, None)


def test_what_led_once_is_not_ended_for_having_risen() -> None:
    """Who returns the best epoch's loss has the best trial here."""
    assert run(study_of(GOOD), np.repeat([2.2, 0.1, 1.9], [1, 3, 26])) == (None, None)
    step, reason = run(study_of(GOOD), np.repeat([2.2, 0.5, 1.9], [1, 3, 26]))
    assert step == 7 and reason.startswith("L002: The loss rose from")


def test_a_loss_that_did_not_decrease_is_said_to_be_one() -> None:
    flat = 2.2 + 0.001 * np.random.default_rng(2).standard_normal(30)
    step, reason = run(study_of(GOOD), np.where(EPOCHS < 2, 2.2, flat))
    assert step is not None and reason.startswith("L001: The loss did not decrease over")


def test_a_trial_whose_best_one_gained_late_is_waited_for() -> None:
    """A rate that is lowered after two thirds of the training: what stands still before may still fall."""
    late = np.where(EPOCHS < 20, 1.0 + 1.2 * np.exp(-EPOCHS / 2.0), 0.2)
    other = np.where(EPOCHS < 20, 0.9 + 1.3 * np.exp(-EPOCHS / 2.0), 0.6)
    assert run(study_of(late), other) == (None, None)
    stays = np.where(EPOCHS < 30, 0.2 + 2.0 * np.exp(-EPOCHS / 2.0), 0.2)
    assert run(study_of(stays), other)[0] is not None


def test_a_loss_that_is_not_finite_ends_a_trial_at_once_and_a_metric_after_the_warm_up() -> None:
    broken = np.where(EPOCHS < 2, 2.0, np.nan)
    step, reason = run(study_of(), broken)
    assert step == 2 and reason.startswith("N001: ") and "NaN at step 2" in reason
    undefined = np.where(EPOCHS < 3, np.nan, EPOCHS / 30.0)  # a correlation of constant predictions
    assert run(study_of(falls=False), undefined) == (None, None)
    assert run(study_of(falls=False), broken)[0] == 4
    assert run(study_of(falls=False, pruner=ConvergencePruner(warm_up=9)), broken)[0] == 8


def test_a_loss_that_diverges_ends_a_trial_and_a_metric_that_rises_as_far_does_not() -> None:
    rising = 2.0 + 0.5 * EPOCHS
    step, reason = run(study_of(), rising)
    assert step == 6 and reason.startswith("L002: The loss stood at")
    assert run(study_of(falls=False), rising) == (None, None)
    assert run(study_of(0.9 * rising, falls=False), rising) == (None, None)
    assert run(study_of(falls=False), -rising) == (None, None)


def test_one_look_is_not_enough() -> None:
    """A spike of as many reports as the rule looks at."""
    spike = np.where((EPOCHS == 5) | (EPOCHS == 6), 9.0, GOOD)
    assert run(study_of(), spike) == (None, None)
    assert run(study_of(pruner=ConvergencePruner(looks=1)), spike)[0] == 5


def test_the_warm_up_is_counted_in_reports() -> None:
    rising = 2.0 + 0.5 * EPOCHS
    assert run(study_of(pruner=ConvergencePruner(warm_up=12)), rising)[0] == 13


def test_at_its_last_step_a_trial_is_left_alone() -> None:
    short = GOOD[:10]
    assert run(study_of(short), FLAT[:10])[0] is None
    assert run(study_of(GOOD[:12]), FLAT[:12])[0] is not None


def test_few_healthy_trials_are_ended() -> None:
    """Noisy falls to the level of the best or near it, looked at after every epoch: the seeds tuned nothing."""
    rng = np.random.default_rng(8_200_000)
    wrongly = 0
    for _ in range(200):
        end, pace = rng.uniform(0.2, 0.4), rng.uniform(2.0, 15.0)
        truth = end + (2.2 - end) * np.exp(-EPOCHS / pace)
        step, _ = run(study_of(GOOD), truth + 0.03 * rng.standard_normal(30))
        wrongly += step is not None and truth[step] - truth[-1] > 0.03
    assert wrongly <= 2


def test_what_is_said_is_kept_by_a_storage(tmp_path) -> None:
    storage = f"sqlite:///{tmp_path}/study.db"
    study = study_of(GOOD, storage=storage)
    _, reason = run(study, FLAT)
    kept = optuna.load_study(study_name=study.study_name, storage=storage)
    assert kept.trials[1].user_attrs["thalweg"] == reason


def test_what_is_said_is_in_optunas_log(caplog) -> None:
    study = study_of(GOOD)
    optuna.logging.set_verbosity(optuna.logging.INFO)
    optuna.logging.enable_propagation()
    _, reason = run(study, FLAT)
    optuna.logging.disable_propagation()
    assert f"Trial 1 is to be pruned. {reason}" in caplog.messages


@pytest.mark.parametrize("given", [{"warm_up": 0}, {"looks": 0}, {"share": 0.0}, {"alpha": 0.5}])
def test_thresholds_that_are_none_are_refused(given: dict) -> None:
    with pytest.raises(UsageError, match="got "):
        ConvergencePruner(**given)


@pytest.mark.parametrize("options", [{}, {"multivariate": True, "constant_liar": True}])
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_an_infinite_value_is_the_worst_to_a_sampler(options: dict) -> None:
    """What `optimize` tells of a trial that diverged: asked for is then what did not."""
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(n_startup_trials=5, seed=0, **options))
    for _ in range(40):
        trial = study.ask()
        rate = trial.suggest_float("rate", 1e-4, 10.0, log=True)
        study.tell(trial, np.inf if rate > 0.1 else rate)
    # Of random rates 16 in 40 are above the line.
    assert sum(trial.params["rate"] > 0.1 for trial in study.trials[-20:]) <= 3


def test_thalweg_alone_does_not_load_optuna() -> None:
    program = "import sys, thalweg; sys.exit('optuna' in sys.modules or 'thalweg.optuna' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0


def test_the_pruner_does_not_load_keras() -> None:
    program = (
        "import sys, thalweg.optuna; sys.exit(bool({'keras', 'jax', 'torch', 'tensorflow'} & {*sys.modules}))"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0


def test_without_optuna_it_is_said_what_to_install() -> None:
    program = "import sys; sys.modules['optuna'] = None; import thalweg.optuna"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert found.returncode == 1
    assert "install it with `pip install 'thalweg[optuna]'`" in found.stderr.splitlines()[-1]
