"""What an optimizer divides by and what it can bear, against the optimizer itself."""

import keras
import numpy as np
import pytest
from keras import optimizers

from thalweg.errors import UnsupportedError
from thalweg.keras.preconditioner import preconditioner

pytestmark = pytest.mark.seam

LATE = 100_000_000
"""Steps after which no correction is left."""
FAST = {"beta_2": 0.999999}
SETTINGS = {
    "gradient descent": lambda: optimizers.SGD(0.1),
    "weight decay": lambda: optimizers.SGD(0.1, weight_decay=0.5),
    "heavy ball": lambda: optimizers.SGD(0.1, momentum=0.9),
    "heavy ball with weight decay": lambda: optimizers.SGD(0.1, momentum=0.8, weight_decay=0.5),
    "Nesterov": lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "Nesterov with weight decay": lambda: optimizers.SGD(0.1, momentum=0.6, nesterov=True, weight_decay=0.4),
    "RMSprop": lambda: optimizers.RMSprop(0.01, rho=0.999999),
    "RMSprop with momentum": lambda: optimizers.RMSprop(0.01, rho=0.999999, momentum=0.7, centered=True),
    "Adagrad": lambda: optimizers.Adagrad(0.01),
    "Adam": lambda: optimizers.Adam(0.01, **FAST, epsilon=0.05),
    "Adam, other beta": lambda: optimizers.Adam(0.01, beta_1=0.5, **FAST),
    "AMSGrad": lambda: optimizers.Adam(0.01, amsgrad=True, **FAST),
    "AdamW": lambda: optimizers.AdamW(0.01, weight_decay=4.0, **FAST),
    "Adamax": lambda: optimizers.Adamax(0.01, **FAST),
    "Nadam": lambda: optimizers.Nadam(0.01, **FAST),
}


def built(optimizer: optimizers.Optimizer) -> tuple[list[keras.Variable], np.ndarray]:
    """Two variables that the optimizer holds, in a state as after long training; the squares that it holds."""
    variables = [keras.Variable(np.zeros(2, "float32")), keras.Variable(np.zeros((1, 1), "float32"))]
    optimizer.build(variables)
    optimizer.iterations.assign(LATE)
    squares = np.array([0.04, 1.0, 9.0])
    for name in ("_velocities", "_velocity_hats", "_accumulators", "_u"):
        if hasattr(optimizer, name) and len(getattr(optimizer, name)):
            first, second = getattr(optimizer, name)
            first.assign(squares[:2])
            second.assign(squares[2:].reshape(1, 1))
    if isinstance(optimizer, optimizers.Nadam):
        optimizer._u_product.assign(0.0)
    return variables, squares


def flat(variables: list[keras.Variable]) -> np.ndarray:
    return np.concatenate([keras.ops.convert_to_numpy(v.value).astype(float).ravel() for v in variables])


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("factor", [0.95, 1.05])
def test_the_optimizer_itself_is_stable_below_its_limit_and_not_above(name, factor):
    """On a quadratic so near to its minimum that the gradients do not move what it divides by."""
    optimizer = SETTINGS[name]()
    variables, _ = built(optimizer)
    found = preconditioner(optimizer, variables)
    diagonal = np.ones(3) if found.diagonal is None else found.diagonal
    curvature = factor * found.limit * diagonal
    start = 1e-9 * np.array([1.0, -2.0, 0.5])
    variables[0].assign(start[:2])
    variables[1].assign(start[2:].reshape(1, 1))
    sizes = []
    while len(sizes) < 120 and not (sizes and sizes[-1].max() > 1e3):
        gradient = (curvature * flat(variables)).astype("float32")
        pieces = (gradient[:2], gradient[2:].reshape(1, 1))
        optimizer.apply([keras.ops.convert_to_tensor(piece) for piece in pieces], variables)
        sizes.append(np.abs(flat(variables) / start))
    # What oscillates is compared by its largest; so near to the limit it may first rise.
    late, early = np.max(sizes[-20:], axis=0), np.max(sizes[-60:-40] or [np.ones(3)], axis=0)
    assert np.all(late < early) if factor < 1.0 else np.all(late > early)


@pytest.mark.parametrize("name", ["RMSprop", "Adagrad", "Adam", "AMSGrad", "AdamW", "Adamax", "Nadam"])
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_the_last_step_is_what_the_preconditioner_says(name, steps):
    """Corrections and all: after the first steps, where they matter."""
    kinds = {
        "RMSprop": optimizers.RMSprop,
        "Adagrad": optimizers.Adagrad,
        "AdamW": optimizers.AdamW,
        "Adamax": optimizers.Adamax,
        "Nadam": optimizers.Nadam,
    }
    optimizer = (
        optimizers.Adam(0.01, amsgrad=name == "AMSGrad") if name in ("Adam", "AMSGrad") else kinds[name](0.01)
    )
    variable = keras.Variable(np.array([1.0, -2.0, 3.0], "float32"))
    optimizer.build([variable])
    random, before, gradient = np.random.default_rng(0), np.zeros(3), np.zeros(3)
    for _ in range(steps):
        before, gradient = flat([variable]), random.standard_normal(3).astype("float32")
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
    found = preconditioner(optimizer, [variable])
    decayed = before * (1.0 - found.learning_rate * (optimizer.weight_decay or 0.0))
    mean = gradient.astype(float)
    if hasattr(optimizer, "beta_1"):
        mean = flat(optimizer._m if name == "Adamax" else optimizer._momentums)
    if name == "Nadam":
        b = optimizer.beta_1
        schedule = [b * (1.0 - 0.5 * 0.96**t) for t in range(1, steps + 2)]
        product = np.prod(schedule[:-1])
        mean = schedule[-1] * mean / (1.0 - product * schedule[-1])
        mean = mean + (1.0 - schedule[-2]) * gradient / (1.0 - product)
    step = found.learning_rate * mean / found.diagonal
    assert decayed - flat([variable]) == pytest.approx(step, rel=2e-4, abs=1e-7)


def test_textbook_limits():
    for optimizer, limit in (
        (optimizers.SGD(0.1), 20.0),
        (optimizers.SGD(0.1, momentum=0.9), 38.0),
        (optimizers.SGD(0.1, momentum=0.9, nesterov=True), 3.8 / 0.28),
        (optimizers.Adam(1e-3), 38_000.0),
        (optimizers.SGD(optimizers.schedules.PiecewiseConstantDecay([5], [1.0, 0.01])), 200.0),
    ):
        variables, _ = built(optimizer)
        assert preconditioner(optimizer, variables).limit == pytest.approx(limit, rel=1e-6)
    stopped = optimizers.SGD(0.0)
    assert preconditioner(stopped, built(stopped)[0]).limit == np.inf


def test_frozen_variables_are_left_out_and_the_order_is_that_of_the_model():
    optimizer = optimizers.RMSprop(0.01)
    variables, squares = built(optimizer)
    found = preconditioner(optimizer, variables[::-1])
    assert found.diagonal == pytest.approx(np.sqrt(squares[[2, 0, 1]] + optimizer.epsilon))
    assert len(preconditioner(optimizer, variables[:1]).diagonal) == 2


def test_what_scales_the_loss_is_looked_through():
    inner = optimizers.Adam(0.01)
    built(inner)
    assert preconditioner(
        optimizers.LossScaleOptimizer(inner), inner._trainable_variables
    ).limit == pytest.approx(3800.0)


@pytest.mark.parametrize("name", ["clipnorm", "clipvalue", "global_clipnorm"])
def test_what_clips_and_what_has_momentum_is_told(name):
    for optimizer in (optimizers.SGD(0.1, **{name: 1.0}), optimizers.Adam(0.1, **{name: 1.0})):
        variables, _ = built(optimizer)
        found = preconditioner(optimizer, variables)
        assert found.clips and found.momentum == (0.9 if found.diagonal is not None else 0.0)
    plain = optimizers.SGD(0.1, momentum=0.3)
    assert not preconditioner(plain, built(plain)[0]).clips
    assert preconditioner(plain, built(plain)[0]).momentum == 0.3


def test_decay_that_is_kept_from_some_variables():
    """Small, it moves the limit by less than a hundredth; large, no one limit is that of all variables."""
    for decay, known in ((0.004, True), (0.5, False)):
        for asked in ({"var_names": ["bias"]}, {"var_list": ()}):
            optimizer = optimizers.AdamW(0.1, weight_decay=decay)
            variables, _ = built(optimizer)
            if "var_list" in asked:
                asked = {"var_list": variables[:1]}
            optimizer.built = False
            optimizer.exclude_from_weight_decay(**asked)
            optimizer.built = True
            if known:
                assert preconditioner(optimizer, variables).limit == pytest.approx(380.0, rel=1e-2)
                continue
            with pytest.raises(UnsupportedError, match="kept from some of the weights"):
                preconditioner(optimizer, variables)


@pytest.mark.parametrize("factor", [0.95, 1.05])
@pytest.mark.parametrize("asked", [{"gradient_accumulation_steps": 3}, {"loss_scale_factor": 1024.0}])
def test_accumulated_and_scaled_gradients_have_the_same_limit(factor, asked):
    """As training has it: the loss is scaled before it is differentiated."""
    optimizer = optimizers.SGD(0.1, weight_decay=0.5, **asked)
    variables = [keras.Variable(np.zeros(2, "float32")), keras.Variable(np.zeros((1, 1), "float32"))]
    optimizer.build(variables)
    curvature = factor * preconditioner(optimizer, variables).limit
    start = np.array([1.0, -2.0, 0.5])
    variables[0].assign(start[:2])
    variables[1].assign(start[2:].reshape(1, 1))
    for _ in range(180 if "gradient_accumulation_steps" in asked else 60):
        gradient = (float(optimizer.scale_loss(1.0)) * curvature * flat(variables)).astype("float32")
        pieces = (gradient[:2], gradient[2:].reshape(1, 1))
        optimizer.apply([keras.ops.convert_to_tensor(piece) for piece in pieces], variables)
    assert np.all(np.abs(flat(variables)) < 0.1) if factor < 1.0 else np.all(np.abs(flat(variables)) > 10.0)


def test_what_is_not_known_says_so():
    class SGD(optimizers.SGD):
        """A user's own, of a name that is known."""

    for optimizer, words in (
        (optimizers.Lion(0.1), "no stability limit is known for the optimizer Lion"),
        (SGD(0.1), "no stability limit is known for the optimizer SGD"),
        (optimizers.Adam(0.1), "the optimizer Adam has made no step"),
    ):
        with pytest.raises(UnsupportedError, match=words):
            preconditioner(optimizer, [])
    optimizer = optimizers.Adam(0.1)
    built(optimizer)
    with pytest.raises(UnsupportedError, match="does not hold all"):
        preconditioner(optimizer, [keras.Variable(np.zeros(2, "float32"))])
