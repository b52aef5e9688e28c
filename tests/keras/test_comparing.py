"""`compare`: every configuration with every seed, each member the training that its words say."""

import keras
import numpy as np
import pytest
from keras import layers

import thalweg
from thalweg import Configuration, UnsupportedError, UsageError
from thalweg.keras import side_by_side
from thalweg.keras.course import Course
from thalweg.keras.optimizers import known, optimizer
from thalweg.keras.population import Epoch
from thalweg.keras.schedules import rates

pytestmark = pytest.mark.seam
on_jax = pytest.mark.skipif(keras.backend.backend() != "jax", reason="populations are compiled on JAX")

N = 200
RNG = np.random.default_rng(1)
X = RNG.normal(size=(N, 6)).astype("float32")
Y = X @ RNG.normal(size=(6, 1)).astype("float32")
DATA, HELD = (X[:150], Y[:150]), (X[150:], Y[150:])


def build() -> keras.Model:
    model = keras.Sequential([layers.Input((6,)), layers.Dense(8, "tanh"), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    return model


@on_jax
def test_members_are_trained_as_fit_trains_them() -> None:
    found = thalweg.compare(
        build,
        DATA,
        validation_data=HELD,
        optimizers=["sgd", "adam"],
        learning_rates=[0.01, 0.1],
        schedules=["constant", "cosine"],
        seeds=2,
        epochs=3,
    )
    assert len(found) == 2 * 2 * 2 * 2
    member = next(
        m
        for m in found
        if (m.configuration.optimizer, m.configuration.learning_rate, m.configuration.schedule, m.seed)
        == ("adam", 0.1, "cosine", 1)
    )
    keras.utils.set_random_seed(1)
    alone = build()
    alone.optimizer = keras.optimizers.Adam(0.1)
    steps = 5
    table = 0.05 * (1.0 + np.cos(np.pi * np.arange(3 * steps) / (3 * steps)))
    losses = []
    for epoch in range(3):
        order = np.random.default_rng([1, epoch]).permutation(150)
        for step in range(steps):
            rows = order[step * 32 : (step + 1) * 32]
            alone.optimizer.learning_rate = table[epoch * steps + step]
            losses.append(float(alone.train_on_batch(X[rows], Y[rows])[0]))
            alone.reset_metrics()
    np.testing.assert_allclose(member.record.series["loss"].values, losses, rtol=2e-5)
    np.testing.assert_allclose(member.record.series["learning_rate"].values, table, rtol=1e-6)
    validated = alone.evaluate(*HELD, verbose=0)
    assert member.final("validation_loss") == pytest.approx(validated[0], rel=2e-5)
    assert member.record.series["validation_mae"].values[-1] == pytest.approx(validated[1], rel=2e-5)
    assert member.record.info["seed"] == 1 and member.record.info["optimizer"]["learning_rate"] == 0.1
    assert not {"N001", "L002"} & {finding.code for finding in thalweg.diagnose(member.record).concerns}


@on_jax
def test_a_seed_starts_every_configuration_alike() -> None:
    found = thalweg.compare(build, DATA, optimizers=["sgd", "adam"], learning_rates=[0.01], seeds=2, epochs=1)
    first = {(m.configuration.optimizer, m.seed): m.record.series["loss"].values[0] for m in found}
    assert first["sgd", 0] == pytest.approx(first["adam", 0], rel=1e-6)
    assert first["sgd", 0] != pytest.approx(first["sgd", 1], rel=1e-3)


@on_jax
@pytest.mark.parametrize(
    ("shuffle", "orders"),
    [
        (True, [np.random.default_rng([3, epoch]).permutation(40) for epoch in range(3)]),
        ("once", [np.random.default_rng([3, 0]).permutation(40)] * 3),
        (False, [np.arange(40)] * 3),
    ],
)
def test_the_order_of_the_examples(shuffle: bool | str, orders: list[np.ndarray]) -> None:
    """A weight that hardly moves away from 0, so that a step's loss is that of its one example: its number and 1."""

    def numbered() -> keras.Model:
        model = keras.Sequential([layers.Input((1,)), layers.Dense(1, kernel_initializer="zeros")])
        model.compile("sgd", "mae")
        return model

    given = np.ones((40, 1)), np.arange(1.0, 41.0)[:, None]
    options = {"optimizers": ["sgd"], "learning_rates": [1e-9], "batch_sizes": [1], "seeds": [3], "epochs": 3}
    (member,) = thalweg.compare(numbered, given, shuffle=shuffle, **options)
    seen = member.record.series["loss"].values
    np.testing.assert_allclose(seen, 1.0 + np.concatenate(orders), atol=1e-4)
    assert member.record.info["fit"]["shuffle"] == shuffle


@on_jax
def test_what_died_is_not_trained_on_and_the_others_are_what_they_were(monkeypatch) -> None:
    monkeypatch.setattr(side_by_side, "_SHRINKING", 0.0)  # members that died leave the program at once
    counted = []
    options = {"optimizers": ["sgd"], "seeds": 2, "epochs": 6}
    mixed = thalweg.compare(
        build, DATA, learning_rates=[0.01, 0.02, 50.0, 60.0, 70.0], progress=counted.append, **options
    )
    alone = thalweg.compare(build, DATA, learning_rates=[0.01, 0.02], **options)
    for member, other in zip(sorted(alone, key=_key), sorted(mixed, key=_key)[:4], strict=True):
        np.testing.assert_allclose(
            member.record.series["loss"].values, other.record.series["loss"].values, rtol=1e-5
        )
    dead = [m for m in mixed if m.configuration.learning_rate > 1.0]
    assert all(m.record.events[-1].detail["reason"] == "stopped" for m in dead)
    assert all(len(m.record.series["loss"]) < 6 * 5 for m in dead)
    assert [s.diverged for s in mixed.summaries()] == [0, 0, 2, 2, 2]
    last = counted[-1]
    assert (last.done, last.total, last.diverged, last.share) == (10, 10, 6, 1.0)
    assert last.best is not None and last.best[0].learning_rate < 1.0


@pytest.mark.parametrize(
    ("loss", "dead"), [(1_990.0, False), (2_010.0, True), (np.nan, True), (np.inf, True)]
)
def test_a_member_is_given_up_at_a_thousand_times_its_first_loss(loss: float, dead: bool) -> None:
    shown = np.array([[2.0], [loss]])
    course = Course()
    shown = shown[:, :, None]
    course.add(Epoch(shown, shown, shown, shown[..., None], {"loss": np.array([[loss]])}), {}, (0, 0))
    assert course.dead is dead


@on_jax
def test_initializers_and_batch_sizes_are_compared_too() -> None:
    found = thalweg.compare(
        build,
        DATA,
        optimizers=["sgd"],
        learning_rates=[0.01],
        initializers=[None, "zeros"],
        batch_sizes=[16, 150],
        seeds=1,
        epochs=2,
    )
    steps = {
        (m.configuration.initializer, m.configuration.batch_size): len(m.record.series["loss"]) for m in found
    }
    assert steps == {("as built", 16): 20, ("as built", 150): 2, ("zeros", 16): 20, ("zeros", 150): 2}
    zeros = next(m for m in found if m.configuration.initializer == "zeros")
    first, last = [s for name, s in zeros.record.series.items() if name.endswith("/kernel")]
    # Behind a kernel of zeros nothing comes back at the first step.
    assert (
        first.values[0] == 0.0
        and last.values[0] == 0.0
        and zeros.record.series["gradient_norm"].values[0] > 0.0
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"optimizers": ["adem"]}, "no optimizer 'adem': did you mean adam"),
        ({"optimizers": ["sgd", "SGD"]}, "Two optimizers are the same"),
        ({"learning_rates": [0.0]}, "a number above 0: got 0.0"),
        ({"learning_rates": [float("nan")]}, "above 0: got nan"),
        ({"learning_rates": []}, "nothing to train"),
        ({"seeds": 0}, "nothing to train"),
        ({"epochs": 0}, "number of epochs must be a whole number above 0"),
        ({"batch_sizes": [0]}, "batch size must be a whole number"),
        ({"schedules": ["cosin"]}, "no schedule 'cosin': did you mean cosine"),
        ({"schedules": [lambda rate, steps: "fast"]}, "made str"),
        ({"schedules": [lambda rate, steps: -rate]}, "not below 0"),
        ({"initializers": ["zeroes"]}, "no initializer 'zeroes'"),
        ({"data": (X[:150], Y)}, "equal length"),
        ({"data": X}, "is to be"),
        ({"engine": "vmab"}, "no engine 'vmab': did you mean vmap"),
        ({"workers": 0}, "number of workers must be"),
        ({"shuffle": "twice"}, "shuffle is True, False or 'once': got 'twice'"),
        ({"configurations": [Configuration("adem", 0.1)]}, "no optimizer 'adem'"),
        ({"configurations": [Configuration("sgd", -0.1)]}, "a number above 0: got -0.1"),
        ({"build_model": lambda: keras.Sequential([layers.Dense(1)])}, "compiled Keras model"),
    ],
)
def test_what_cannot_be_compared_is_said_before_anything_is_trained(options: dict, words: str) -> None:
    given = {"build_model": build, "data": DATA, "learning_rates": [0.01], "optimizers": ["sgd"], **options}
    with pytest.raises(UsageError, match=words):
        thalweg.compare(given.pop("build_model"), given.pop("data"), **given)


@on_jax
def test_a_step_that_is_no_pure_function_is_refused_in_a_sentence() -> None:
    class Peeking(layers.Layer):
        def call(self, inputs):
            return inputs if float(inputs[0, 0]) > 0.0 else -inputs

    def peeking() -> keras.Model:
        inputs = layers.Input((6,))
        model = keras.Model(inputs, layers.Dense(1)(inputs))
        model.compile("sgd", lambda y, p: keras.ops.mean((y - Peeking()(p)) ** 2))
        return model

    with pytest.raises(UnsupportedError, match="cannot be compiled for many at once"):
        thalweg.compare(peeking, DATA, optimizers=["sgd"], learning_rates=[0.1], seeds=1, epochs=1)


@on_jax
def test_losses_that_are_scaled_are_refused() -> None:
    def scaled() -> keras.Model:
        model = build()
        model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD()), "mse")
        return model

    with pytest.raises(UnsupportedError, match="mixed_float16"):
        thalweg.compare(scaled, DATA, optimizers=["sgd"], learning_rates=[0.1], seeds=1, epochs=1)


def test_optimizers_by_name_and_by_pattern() -> None:
    assert {"sgd", "adam", "lion", "muon", "momentum", "schedulefreeadamw"} <= set(known())
    name, make = optimizer(keras.optimizers.SGD(0.5, momentum=0.8))
    assert name == "sgd(momentum=0.8)" and (make(0.1).momentum, float(make(0.1).learning_rate)) == (
        0.8,
        pytest.approx(0.1),
    )
    assert optimizer("Nesterov")[1](0.1).nesterov


def test_schedules_as_tables() -> None:
    cosine = keras.optimizers.schedules.CosineDecay
    np.testing.assert_allclose(
        rates(lambda rate, steps: cosine(rate, steps), 0.1, 50), rates("cosine", 0.1, 50), rtol=1e-4
    )
    assert rates("linear", 0.1, 4).tolist() == pytest.approx([0.1, 0.075, 0.05, 0.025])
    assert rates("warm-up", 1.0, 100).argmax() == 10


def _key(member) -> tuple[float, int]:
    return member.configuration.learning_rate, member.seed
