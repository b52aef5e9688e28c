"""`lr_find`: members that train as `fit` does, a rate as good as a grid's best, and a caller who notices nothing."""

import random

import keras
import numpy as np
import pytest
from keras import layers

import thalweg
from thalweg import UnsupportedError, UsageError
from thalweg.keras.optimizers import optimizer
from thalweg.keras.rate_finding import Search
from thalweg.keras.streams import Streams

pytestmark = pytest.mark.seam
on_jax = pytest.mark.skipif(keras.backend.backend() != "jax", reason="populations are compiled on JAX")

N = 200
RNG = np.random.default_rng(1)
X = RNG.normal(size=(N, 6)).astype("float32")
Y = X @ RNG.normal(size=(6, 1)).astype("float32") + 0.3 * RNG.normal(size=(N, 1)).astype("float32")
DATA, HELD = (X[:150], Y[:150]), (X[150:], Y[150:])


def build(rate: float = 0.01) -> keras.Model:
    model = keras.Sequential(
        [layers.Input((6,)), layers.Dense(8, "tanh"), layers.Dropout(0.1), layers.Dense(1)]
    )
    model.compile(keras.optimizers.SGD(rate, momentum=0.5), "mse")
    return model


def streams(size: int = 32) -> Streams:
    return Streams(
        build, optimizer(keras.optimizers.SGD(momentum=0.5))[1], (*DATA, None), (*HELD, None), size
    )


@on_jax
def test_a_member_is_the_training_that_fit_has_on_these_batches() -> None:
    population = streams()
    population.begin([3, 7], 2)
    rates = np.array([[0.3, 0.2], [0.02, 0.1]])
    losses = np.concatenate([population.advance(np.broadcast_to(rates, (s, 2, 2))) for s in (4, 5)])
    validated = population.validate()
    population.close()
    order = np.concatenate([np.random.default_rng([7, k]).permutation(150) for k in range(2)])
    keras.utils.set_random_seed(7)
    alone = build(0.1)
    by_hand = []
    for step in range(9):
        rows = order[step * 32 : (step + 1) * 32]
        by_hand.append(float(alone.train_on_batch(X[rows], Y[rows])))
        alone.reset_metrics()
    np.testing.assert_allclose(losses[:, 1, 1], by_hand, rtol=2e-5)
    assert validated[1, 1] == pytest.approx(alone.evaluate(*HELD, verbose=0), rel=2e-5)
    assert losses[0, 0, 0] != pytest.approx(losses[0, 1, 0], rel=1e-3)


@on_jax
def test_the_caller_finds_all_as_it_was() -> None:
    keras.utils.set_random_seed(5)
    model = build(0.02)
    model.fit(*DATA, epochs=1, verbose=0)
    layers.Dense(1)  # takes a number in the names
    random.random(), np.random.random(), keras.random.normal(())
    held = model.optimizer
    before = _everything(model)
    found = thalweg.lr_find(model, DATA, validation_data=HELD, epochs=4, seeds=1)
    after = _everything(model)
    assert found.own == pytest.approx(0.02) and found.optimizer == "sgd(momentum=0.5)"
    assert model.optimizer is held and "stateless_apply" not in vars(held)
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert value == after[name], name
    assert (random.random(), np.random.random(), float(keras.random.normal(()))) == _drawn_before(model)


def _everything(model: keras.Model) -> dict[str, object]:
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    found = {f"{i} {v.path}": np.asarray(v.value).tobytes() for i, v in enumerate(variables)}
    generator = keras.src.random.seed_generator.global_seed_generator()
    return found | {
        "python": random.getstate(),
        "numpy": repr(np.random.get_state()),
        "keras": np.asarray(generator.state.value).tobytes(),
        "generator": id(generator),
        "seed": keras.src.utils.rng_utils.get_random_seed(),
        "names": dict(keras.src.backend.common.global_state.get_global_attribute("object_name_uids")),
    }


def _drawn_before(model: keras.Model) -> tuple[float, float, float]:
    """The same up to there, without `lr_find`."""
    keras.utils.set_random_seed(5)
    build(0.02).fit(*DATA, epochs=1, verbose=0)
    layers.Dense(1)
    random.random(), np.random.random(), keras.random.normal(())
    return random.random(), np.random.random(), float(keras.random.normal(()))


@on_jax
def test_the_rate_is_as_good_as_the_best_of_a_grid() -> None:
    epochs = 16
    found = thalweg.lr_find(build, DATA, validation_data=HELD, epochs=epochs, seeds=(20, 21))
    assert found.score == "validation_loss" and found.seeds == 2
    assert (found.budget, found.horizon) == (80, 16)
    assert found.steps == 4 * 15 + 2 * 7 * 16
    assert found.low < found.rate < found.high and found.rate <= found.stable < 10.0
    assert found.seconds > 0.0 and found.scan[-1] > 1e3

    rates = [*np.geomspace(1e-3, 1.0, 7), found.rate]
    population = streams()
    population.begin(range(5), len(rates))
    population.advance(np.broadcast_to(rates, (80, 5, len(rates))))
    medians = np.median(population.validate(), axis=0)
    population.close()
    assert medians[-1] <= 1.15 * np.nanmin(medians[:-1])


@on_jax
def test_without_validation_the_training_loss_counts_and_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    found = thalweg.lr_find(build(), DATA, epochs=2, seeds=1, progress=lambda *both: told.append(both))
    assert found.score == "loss" and np.isfinite(found.rate)
    assert told[-1] == (found.steps, found.steps) and told == sorted(told)


@on_jax
@pytest.mark.parametrize(("scale", "low", "high"), [(3e4, 1e-14, 1e-6), (0.1, 10.0, 1e4)])
def test_the_row_is_lengthened_where_the_best_lies_at_its_end(scale: float, low: float, high: float) -> None:
    def linear() -> keras.Model:
        model = keras.Sequential([layers.Input((6,)), layers.Dense(1, use_bias=False)])
        model.compile("sgd", "mse")
        return model

    found = thalweg.lr_find(linear, (scale * X, Y), epochs=6, seeds=1)
    assert low < found.rate < high
    assert found.scanned[0] < 1e-6 if scale > 1.0 else found.scanned[-1] > 10.0
    assert (np.diff(found.scanned) > 0).all()


@on_jax
def test_a_step_or_two_are_a_training_too() -> None:
    found = thalweg.lr_find(build, DATA, validation_data=HELD, epochs=1, batch_size=200, seeds=1)
    assert (found.budget, found.horizon) == (1, 1)
    assert found.low < found.rate < found.high


@on_jax
def test_a_model_whose_loss_never_falls_is_said_to_be_one() -> None:
    def lost(value: float) -> keras.Model:
        model = build()
        model.compile("sgd", lambda y, p: keras.ops.mean(0.0 * p, axis=-1) + value)
        return model

    def frozen() -> keras.Model:
        model = build()
        model.trainable = False
        return model

    words = r"The loss fell at no learning rate between 1e-14 and .* in 1 steps: `thalweg check` says"
    for value in (np.nan, 1.0):
        with pytest.raises(UsageError, match=words):
            thalweg.lr_find(lambda value=value: lost(value), DATA, epochs=1, seeds=1)
    with pytest.raises(UsageError, match="No weight of the model is trainable"):
        thalweg.lr_find(frozen, DATA, epochs=1, seeds=1)


@on_jax
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"epochs": 0}, "number of epochs must be a whole number above 0: got 0"),
        ({"seeds": 0}, "number of seeds"),
        ({"seeds": ()}, "There is no seed"),
        ({"horizon": 0.0}, "The horizon is a share of the training, above 0 and at most 1: got 0.0"),
        ({"horizon": 1.5}, "got 1.5"),
        ({"batch_size": 0}, "batch size"),
    ],
)
def test_what_is_asked_for_must_make_sense(options: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        thalweg.lr_find(build, DATA, **{"epochs": 1, **options})


@on_jax
def test_what_no_rate_can_be_found_for() -> None:
    model = build()
    model.optimizer = keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 10))
    with pytest.raises(UsageError, match="follows a schedule, CosineDecay: what is found is a constant rate"):
        thalweg.lr_find(model, DATA, epochs=1)
    model.optimizer = keras.optimizers.SGD(lambda: 0.1)
    with pytest.raises(UsageError, match="follows a schedule, <lambda>"):
        thalweg.lr_find(model, DATA, epochs=1)
    with pytest.raises(UsageError, match="is to be a compiled Keras model"):
        thalweg.lr_find(keras.Sequential([layers.Dense(1)]), DATA, epochs=1)
    with pytest.raises(UsageError, match="data must be arrays"):
        thalweg.lr_find(build, (iter([X]), iter([Y])), epochs=1)


@on_jax
def test_stable_is_the_highest_rate_below_all_above_the_best_that_broke() -> None:
    search, two = Search(streams(), 80, 0.25, [0]), np.array([2.0, 1.0])
    search._note(np.array([0.01, 0.1, 1.0, 3.0]), [0], two[:1], np.array([[[2.1, 1.0, 3.0, 0.5]]]))
    assert search._stable(0.1) == 0.1
    search._note(np.array([0.2, 0.3, 0.4]), [0, 1], two, np.array([[[1.9, 0.5, 0.5], [1.0, np.inf, 0.1]]]))
    assert search._stable(0.1) == 0.2 and search._stable(0.35) == 0.4
    assert search._starts == {0: 2.0, 1: 1.0}


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="what the other backends are told")
def test_another_backend_is_told_what_to_set() -> None:
    with pytest.raises(UnsupportedError, match="set KERAS_BACKEND=jax before Keras is imported"):
        thalweg.lr_find(build, DATA, epochs=1)
