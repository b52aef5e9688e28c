"""A member of a population is the same training alone, for every optimizer of Keras."""

from collections.abc import Iterator

import keras
import numpy as np
import pytest
from keras import layers

pytestmark = [
    pytest.mark.seam,
    pytest.mark.skipif(keras.backend.backend() != "jax", reason="populations are compiled on JAX"),
]

if keras.backend.backend() == "jax":
    from thalweg.keras.population import Place, Population

N, SIZE, EPOCHS = 52, 8, 2
WHOLE = 48
"""So many make whole batches: a smaller one is a program of its own, and that of one optimizer is enough."""
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 5)).astype("float32")
Y = (X @ RNG.normal(size=(5, 3))).argmax(axis=1)
XV, YV = X[:20] + 0.1, Y[:20]
RATES = (0.003, 0.01, 0.03)


def network(optimizer) -> keras.Model:
    model = keras.Sequential(
        [
            layers.Input((5,)),
            layers.Dense(6, "relu", kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dense(3, "softmax"),
        ]
    )
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model._symbolic_build(data_batch=(X[:SIZE], Y[:SIZE]))
    return model


def begun(name: str, options: dict, seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    optimizer = getattr(keras.optimizers, name)(learning_rate=RATES[seed], **options)
    model = network(optimizer)
    optimizer.build(model.trainable_variables)
    return model


def orders(seed: int, epoch: int, count: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(count)


def batches(seed: int, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for epoch in range(EPOCHS):
        rows = orders(seed, epoch, count)
        for start in range(0, count, SIZE):
            yield X[rows[start : start + SIZE]], Y[rows[start : start + SIZE]]


OPTIMIZERS = [
    ("SGD", {"momentum": 0.9, "nesterov": True, "clipnorm": 0.5}),
    ("RMSprop", {"momentum": 0.5, "centered": True}),
    ("Adam", {"gradient_accumulation_steps": 3}),
    ("Adam", {"use_ema": True, "ema_momentum": 0.9}),
    ("AdamW", {"weight_decay": 0.01}),
    ("Adadelta", {}),
    ("Adafactor", {}),
    ("Adagrad", {}),
    ("Adamax", {}),
    ("Ftrl", {}),
    ("Lamb", {}),
    ("Lion", {}),
    ("Muon", {}),
    ("Nadam", {}),
    ("ScheduleFreeAdamW", {}),
]


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS, ids=lambda value: str(value))
def test_a_member_is_the_same_training_alone(name: str, options: dict) -> None:
    count, held = (N, 20) if name == "SGD" else (WHOLE, 16)
    seeds, steps, last = range(len(RATES)), -(-count // SIZE), len(RATES) - 1
    alone = begun(name, options, last)
    told = alone.fit(
        batches(last, count),
        epochs=EPOCHS,
        steps_per_epoch=steps,
        validation_data=(XV[:held], YV[:held]),
        validation_batch_size=SIZE,
        verbose=0,
    ).history

    population = Population(
        begun(name, options, 0), (X[:count], Y[:count], None), (XV[:held], YV[:held], None), SIZE
    )
    # Each group has a second member, at ten times the rate, which begins and sees what the first does.
    population.begin([[Place.of(begun(name, options, seed))] * 2 for seed in seeds])
    rates = np.stack([RATES, np.multiply(RATES, 10.0)], axis=1)
    for epoch in range(EPOCHS):
        found = population.epoch(
            np.stack([orders(seed, epoch, count) for seed in seeds]), np.tile(rates, (steps, 1, 1))
        )
        validated = population.validate()
        assert found.loss.shape == (steps, len(RATES), 2) and np.isfinite(found.loss).all()
        for key, values in told.items():
            made = validated[key[4:]] if key.startswith("val_") else found.logs[key]
            assert made[last, 0] == pytest.approx(values[epoch], rel=2e-5, abs=1e-6), (epoch, key)
    assert not np.allclose(found.loss[-1, :, 0], found.loss[-1, :, 1], rtol=1e-5)
    ours, theirs = population.end(last, 0), Place.of(alone)
    for mine, other in zip(ours.trainable + ours.fixed, theirs.trainable + theirs.fixed, strict=True):
        np.testing.assert_allclose(mine, other, rtol=2e-4, atol=2e-6)
    population.close()
