"""`thalweg.optuna.optimize`: what a sampler asks for is trained side by side, and told."""

import keras
import numpy as np
import pytest
from keras import layers

import thalweg
from thalweg import Configuration, UsageError

optuna = pytest.importorskip("optuna", reason="optuna is not installed (the extra `optuna`)")

from thalweg.keras import comparing  # noqa: E402
from thalweg.optuna import optimize  # noqa: E402

pytestmark = pytest.mark.seam
on_jax = pytest.mark.skipif(keras.backend.backend() != "jax", reason="populations are compiled on JAX")

RNG = np.random.default_rng(2)
X = RNG.normal(size=(120, 4)).astype("float32")
Y = X @ RNG.normal(size=(4, 1)).astype("float32")
DATA, HELD = (X[:80], Y[:80]), (X[80:], Y[80:])
OPTIONS = {
    "validation_data": HELD,
    "optimizers": ["sgd"],
    "learning_rates": (1e-3, 1e-1),
    "schedules": ["constant", "cosine"],
    "seeds": 3,
    "epochs": 2,
    "workers": 1,
}


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def build() -> keras.Model:
    model = keras.Sequential([layers.Input((4,)), layers.Dense(3, "tanh"), layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def study_of(seed: int = 0, **options):
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed), **options)


@pytest.fixture
def trained(monkeypatch):
    """The configurations of each population that was trained."""
    calls, compare = [], comparing.compare

    def counting(*given, configurations=None, **named):
        calls.append(list(configurations or []))
        return compare(*given, configurations=configurations, **named)

    monkeypatch.setattr(comparing, "compare", counting)
    return calls


@on_jax
def test_a_trial_is_told_the_median_of_what_its_configuration_comes_to(trained) -> None:
    study = study_of()
    search = optimize(study, build, DATA, trials=6, population=4, **OPTIONS)
    assert [len(population) for population in trained] == [4, 2]
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 6
    trial = study.trials[5]
    assert search.configurations[5] == Configuration(**trial.params)
    assert 1e-3 <= trial.params["learning_rate"] <= 1e-1
    alone = thalweg.compare(
        build,
        DATA,
        validation_data=HELD,
        optimizers=["sgd"],
        learning_rates=[trial.params["learning_rate"]],
        schedules=[trial.params["schedule"]],
        seeds=3,
        epochs=2,
        workers=1,
    )
    losses = [member.final("validation_loss") for member in sorted(alone, key=lambda member: member.seed)]
    assert trial.value == pytest.approx(np.median(losses), rel=1e-5)
    assert trial.user_attrs["thalweg_losses"] == pytest.approx(losses, rel=1e-5)
    assert trial.user_attrs["thalweg_seeds"] == [0, 1, 2]
    assert [member.seed for member in search.of(5)] == [0, 1, 2]
    assert len(search.comparison()) == 18
    assert min(study.trials, key=lambda t: t.value).number == study.best_trial.number
    best = search.comparison().summaries()[0]
    assert Configuration(**study.best_params) == best.configuration
    assert study.best_value == pytest.approx(best.validation.value)


@on_jax
def test_the_same_sampler_and_seed_search_alike() -> None:
    found = []
    for _ in range(2):
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(n_startup_trials=2, seed=3))
        optimize(study, build, DATA, trials=4, population=2, **{**OPTIONS, "seeds": 1})
        found.append([(trial.params, trial.value) for trial in study.trials])
    assert found[0] == found[1]


@on_jax
def test_a_study_that_was_broken_off_goes_on_and_trains_no_trial_twice(
    trained, monkeypatch, tmp_path
) -> None:
    storage, options = f"sqlite:///{tmp_path}/study.db", {**OPTIONS, "seeds": 1}
    study = study_of(storage=storage, study_name="one")
    optimize(study, build, DATA, trials=2, population=2, **options)
    whole = comparing.compare

    def broken(*given, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr(comparing, "compare", broken)
    with pytest.raises(KeyboardInterrupt):
        optimize(study, build, DATA, trials=5, population=2, **options)
    monkeypatch.setattr(comparing, "compare", whole)
    asked = [trial.params for trial in study.trials]
    again = optuna.load_study(
        study_name="one", storage=storage, sampler=optuna.samplers.RandomSampler(seed=9)
    )
    search = optimize(again, build, DATA, trials=5, population=2, **options)
    assert [trial.params for trial in again.trials[:4]] == asked
    assert [trial.state.name for trial in again.trials] == ["COMPLETE"] * 5
    assert sorted(search.configurations) == [2, 3, 4]
    assert len({configuration for population in trained for configuration in population}) == 5
    assert sum(map(len, trained)) == 5
    with pytest.raises(UsageError, match="Trial 0 was not trained here"):
        search.of(0)
    nothing = optimize(again, build, DATA, trials=5, **options)
    assert nothing.members == () and sum(map(len, trained)) == 5


@on_jax
def test_what_diverged_is_told_as_infinite_and_completed() -> None:
    study = study_of()
    optimize(study, build, DATA, trials=2, **{**OPTIONS, "learning_rates": (1e25, 1e30)})
    assert [(trial.state.name, trial.value) for trial in study.trials] == [("COMPLETE", np.inf)] * 2
    assert study.trials[0].user_attrs["thalweg_losses"] == [None] * 3


@on_jax
def test_an_enqueued_trial_comes_first_and_one_that_comes_twice_is_trained_once(trained) -> None:
    study, wanted = study_of(), {"learning_rate": 0.02, "schedule": "cosine", "optimizer": "sgd"}
    study.enqueue_trial(wanted)
    study.enqueue_trial(wanted)
    optimize(study, build, DATA, trials=3, population=3, **{**OPTIONS, "seeds": 1})
    assert study.trials[0].params == {**wanted, "initializer": "as built", "batch_size": 32}
    assert study.trials[0].value == study.trials[1].value != study.trials[2].value
    assert [len(population) for population in trained] == [2]


@on_jax
@pytest.mark.filterwarnings("ignore:Fixed parameter")
def test_an_enqueued_trial_that_is_not_in_the_space_is_refused() -> None:
    study = study_of()
    study.enqueue_trial({"optimizer": "adam"})
    with pytest.raises((UsageError, ValueError), match="adam"):
        optimize(study, build, DATA, trials=1, **OPTIONS)


@pytest.mark.parametrize(
    ("made", "options", "words"),
    [
        ({"direction": "maximize"}, {}, "direction='minimize'"),
        ({"directions": ["minimize", "minimize"]}, {}, "minimise one value"),
        ({}, {"trials": 0}, "got 0 and 32"),
        ({}, {"learning_rates": (0.0, 1.0)}, "above 0: got 0 and 1"),
        ({}, {"learning_rates": (1.0, 0.1)}, "got 1 and 0.1"),
        ({}, {"optimizers": []}, "Each optimizer is to be given once"),
        ({}, {"batch_sizes": [16, 16]}, "Each batch size is to be given once"),
        ({}, {"optimizers": ["adem"]}, "did you mean adam"),
    ],
)
def test_what_cannot_be_searched_is_said_first(made: dict, options: dict, words: str) -> None:
    study = study_of(**made)
    with pytest.raises(UsageError, match=words):
        optimize(study, build, DATA, **{**OPTIONS, **options})
    assert not study.trials
