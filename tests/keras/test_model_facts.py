"""The facts of the model and its optimizer: how the weights began, what is frozen, who feeds whom."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from laboratory import BACKEND, X, classifier, fitted, keras, layers

from thalweg.keras.freshness import distribution, fresh
from thalweg.keras.model_facts import model_facts, optimizer_facts, with_still


def sequential(*parts: Any, width: int = 6) -> Any:
    return keras.Sequential([layers.Input((width,)), *parts])


def tensor(facts: dict[str, Any], name: str) -> dict[str, Any]:
    return next(row for row in facts["tensors"] if row["name"] == name)


def inputs(facts: dict[str, Any]) -> dict[str, Any]:
    return {row["name"]: row["inputs"] for row in facts["layers"] if "inputs" in row}


def test_initial_against_the_weights() -> None:
    model = sequential(layers.Dense(40, name="a"), layers.Dense(3, kernel_initializer="zeros", name="b"))
    facts = model_facts(model)
    kernel = np.asarray(model.get_weights()[0], dtype=float)
    initial = tensor(facts, "a/kernel")["initial"]
    assert initial["mean"] == pytest.approx(kernel.mean())
    assert initial["spread"] == pytest.approx(kernel.std())
    assert (initial["minimum"], initial["maximum"]) == (kernel.min(), kernel.max())
    assert (initial["fan_in"], initial["units"], initial["distinct_units"]) == (6, 40, 40)
    assert tensor(facts, "b/kernel")["initial"]["distinct_units"] == 1
    assert "units" not in tensor(facts, "a/bias")["initial"]
    assert "initial" not in tensor(model_facts(model, begun=True), "a/kernel")


def test_units_that_repeat_are_counted_in_large_and_thin_kernels() -> None:
    model = sequential(layers.Dense(5000, name="a"), layers.Dense(4, name="b"))
    wide, thin = model.layers
    wide.kernel.assign(np.tile(np.random.default_rng(0).random((6, 100)), 50))
    column = np.zeros((5000, 4))
    column[4999] = np.arange(4)  # the units differ in one place alone, and 0 and -0 are one number
    column[:, 2] = -0.0
    thin.kernel.assign(column)
    facts = model_facts(model)
    assert tensor(facts, "a/kernel")["initial"]["distinct_units"] == 100
    assert tensor(facts, "b/kernel")["initial"]["distinct_units"] == 4 - 1
    assert tensor(facts, "b/kernel")["initial"]["maximum"] == 3.0


@pytest.mark.parametrize(
    ("build", "shape", "name", "fan_in", "units"),
    [
        (lambda: layers.Conv2D(8, 3), (9, 9, 5), "kernel", 45, 8),
        (lambda: layers.Conv2DTranspose(8, 3), (9, 9, 5), "kernel", 45, 8),
        (lambda: layers.DepthwiseConv2D(3, depth_multiplier=2), (9, 9, 5), "kernel", 9, 10),
        (lambda: layers.EinsumDense("abc,cde->abde", (7, 2, 4)), (7, 5), "kernel", 5, 8),
        (lambda: layers.EinsumDense("abde,dec->abc", (7, 6)), (7, 2, 4), "kernel", 8, 6),
        (lambda: layers.LSTM(4), (7, 5), "kernel", 5, 16),
    ],
)
def test_fans(build: Any, shape: tuple[int, ...], name: str, fan_in: int, units: int) -> None:
    model = keras.Sequential([layers.Input(shape), build()])
    row = next(r for r in model_facts(model)["tensors"] if r["name"].endswith(f"/{name}"))
    assert (row["initial"]["fan_in"], row["initial"]["units"]) == (fan_in, units)
    assert row["initial"]["distinct_units"] == units


def test_who_feeds_whom_through_nested_and_shared_layers() -> None:
    inner = keras.Sequential([layers.Input((8,)), layers.Dense(8, name="b"), layers.Dense(8, name="c")])
    x = layers.Input((6,))
    a = layers.Dense(8, name="a")(x)
    shared = layers.Dense(8, name="s")
    joined = layers.Add(name="add")([inner(a), shared(a)])
    twice = shared(keras.ops.relu(joined))
    model = keras.Model(x, layers.Dense(2, name="out")(twice))
    facts = model_facts(model)
    found = inputs(facts)
    relu = next(name for name in found["s"] if name != "a")  # an operation, no layer
    assert relu not in [row["name"] for row in facts["layers"]]
    del found["s"]
    assert found == {"a": [], "b": ["a"], "c": ["b"], "add": ["c", "s"], "out": ["s"]}
    order = [row["name"] for row in facts["layers"]]
    assert order.index("a") < order.index("b") < order.index("c") < order.index("add") < order.index("out")
    assert facts["model"]["output_shape"] == [2]


def test_a_model_of_its_own_class_has_no_graph() -> None:
    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = layers.Dense(4), layers.Dense(1)

        def call(self, x: Any) -> Any:
            return self.second(self.first(x))

    model = Own()
    model(X[:2])
    facts = model_facts(model)
    assert not inputs(facts)
    assert len(facts["tensors"]) == 4 and facts["frozen"] == []


def used(model: Any) -> dict[str, tuple[bool, list[str]]]:
    return {
        row["name"]: (row["used"], row["taken_by"]) for row in model_facts(model)["model"].get("inputs", [])
    }


def test_an_input_that_no_output_depends_on() -> None:
    a, b = layers.Input((6,), name="a"), layers.Input((6,), name="b")
    one, _ = layers.Dense(4, name="one")(a), layers.Dense(4, name="two")(b)
    aside = keras.Model([a, b], layers.Dense(1)(layers.Concatenate()([one, one])))
    assert used(aside) == {"a": (True, ["one"]), "b": (False, ["two"])}
    c, d = layers.Input((6,), name="c"), layers.Input((6,), name="d")
    both = layers.Concatenate()([layers.Dense(4, name="x")(c), layers.Dense(4, name="y")(c)])
    assert used(keras.Model([c, d], layers.Dense(1)(both))) == {"c": (True, ["x", "y"]), "d": (False, [])}
    (alone,) = used(sequential(layers.Dense(2, name="first"), layers.Dense(1))).values()
    assert alone == (True, ["first"])


def nested(inner: Any, *given: str) -> Any:
    """A model of inputs `a` and `b`, handed to one within as a list, or by the names that are given."""
    a, b = layers.Input((6,), name="a"), layers.Input((6,), name="b")
    made = inner(dict(zip(given, (a, b), strict=True)) if given else [a, b])
    return keras.Model([a, b], layers.Dense(1)(made))


def test_inputs_of_nested_models() -> None:
    p, q = layers.Input((6,), name="p"), layers.Input((6,), name="q")
    half = keras.Model([p, q], layers.Dense(4)(q))
    whole = keras.Model([p, q], layers.Add()([layers.Dense(4)(p), layers.Dense(4)(q)]))
    named = keras.Model({"p": p, "q": q}, layers.Dense(4)(q))
    assert {name: row[0] for name, row in used(nested(half)).items()} == {"a": False, "b": True}
    assert {name: row[0] for name, row in used(nested(whole)).items()} == {"a": True, "b": True}
    assert {name: row[0] for name, row in used(nested(named, "p", "q")).items()} == {"a": False, "b": True}
    assert {name: row[0] for name, row in used(nested(named, "q", "p")).items()} == {"a": True, "b": False}
    # A list by names is put in order by Keras: which goes where, the graph does not tell.
    assert all(row[0] for row in used(nested(half, "q", "p")).values())


class Reading(keras.Model):
    """A graph whose `call` reads more than the graph does."""

    def call(self, inputs: Any, *rest: Any, **more: Any) -> Any:
        return super().call(inputs, *rest, **more) + keras.ops.sum(inputs[0])


def test_a_nested_model_with_a_call_of_its_own_may_read_all() -> None:
    p, q = layers.Input((6,)), layers.Input((6,))
    assert all(row[0] for row in used(nested(Reading([p, q], layers.Dense(4)(q)))).values())


class Added(layers.Layer):
    """Passes the first on, and adds a loss on the second."""

    def call(self, first: Any, second: Any) -> Any:
        self.add_loss(keras.ops.mean(second**2))
        return first


def test_inputs_that_count_in_other_ways() -> None:
    """By a loss alone, by a mask, through an operation, by name, and as a second output."""
    x, y = layers.Input((6,), name="x"), layers.Input((6,), name="y")
    assert all(row[0] for row in used(keras.Model([x, y], layers.Dense(1)(Added()(x, y)))).values())
    time, mask = layers.Input((5, 3)), layers.Input((5,), dtype="bool")
    assert all(row[0] for row in used(keras.Model([time, mask], layers.LSTM(2)(time, mask=mask))).values())
    words = layers.Input((5,), dtype="int32")
    shown = layers.Embedding(9, 3, mask_zero=True).compute_mask(words)
    assert all(row[0] for row in used(keras.Model([time, words], layers.LSTM(2)(time, mask=shown))).values())
    assert all(row[0] for row in used(keras.Model([x, y], layers.Dense(1)(x * keras.ops.exp(y)))).values())
    assert all(row[0] for row in used(keras.Model({"x": x, "y": y}, layers.Dense(1)(x + y))).values())
    assert all(row[0] for row in used(keras.Model([x, y], {"one": layers.Dense(1)(x), "two": y})).values())


def test_several_outputs_have_no_shape() -> None:
    x = layers.Input((6,))
    facts = model_facts(keras.Model(x, [layers.Dense(2)(x), layers.Dense(1)(x)]))
    assert "output_shape" not in facts["model"]


def test_what_a_rescaling_and_a_reshape_do() -> None:
    parts = [layers.Rescaling(1 / 255, -0.5), layers.Reshape((2, -1)), layers.Rescaling([1.0, 2.0, 3.0])]
    scaling, shaping, each = model_facts(sequential(*parts))["layers"]
    assert (scaling["scale"], scaling["offset"]) == (pytest.approx(1 / 255), -0.5)
    assert shaping["reshaped"] == [[6], [2, 3]]
    assert "scale" not in each and each["offset"] == 0.0 and "reshaped" not in each
    inner = keras.Sequential([layers.Input((6,)), layers.Reshape((3, 2)), layers.Flatten()])
    outer = model_facts(keras.Sequential([layers.Input((6,)), inner, layers.Dense(1)]))
    assert [row["reshaped"] for row in outer["layers"] if "reshaped" in row] == [[[6], [3, 2]]]


def test_settings_of_layers() -> None:
    facts = model_facts(
        sequential(
            layers.Dense(
                4, kernel_regularizer=keras.regularizers.L1L2(0.1, 0.2), kernel_initializer="he_normal"
            ),
            layers.BatchNormalization(momentum=0.5),
            layers.Dropout(0.25),
            layers.Dense(2, activity_regularizer="l2"),
        )
    )
    dense, norm, dropout, quiet = facts["layers"]
    assert quiet["activity_penalty"] is True and "activity_penalty" not in dense
    assert dense["penalty"] == {"l1": pytest.approx(0.1), "l2": pytest.approx(0.2)}
    assert dense["initializer"] == "HeNormal"
    assert (norm["momentum"], dropout["rate"]) == (0.5, 0.25)
    assert "penalty" not in norm and "rate" not in dense


def test_tensors_that_no_step_was_given() -> None:
    model = sequential(layers.Dense(100), layers.Dense(30), layers.Dense(20))
    began = model_facts(model)["tensors"]

    def still(given: set[str]) -> list[str]:
        return [t["name"] for t in with_still(model, began, given) if t.get("still")]

    kernels = [t["name"] for t in began[::2]]
    assert still(set()) == kernels
    assert still({kernels[2]}) == kernels[:2]
    # Built in the first step: what the weights held before it is not known, but these no step has touched.
    unknown = [{"name": t["name"]} for t in began]
    assert [t["name"] for t in with_still(model, unknown, {kernels[0]}) if t.get("still")] == kernels[1:]
    kernel = model.layers[0].kernel
    kernel.assign(keras.ops.flip(kernel, 0) + 1e-4)  # by an optimizer of its own
    assert still(set()) == kernels[1:]
    model.layers[1].bias.assign(np.ones(30))
    assert still(set()) == kernels[2:]
    assert kernels[1] not in [t["name"] for t in with_still(model, unknown, set()) if t.get("still")]


_INITIALIZERS = [
    "glorot_uniform",
    "glorot_normal",
    "he_normal",
    "random_uniform",
    keras.initializers.RandomNormal(0.1, 0.3),
    keras.initializers.TruncatedNormal(0.1, 0.3),
    keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal"),
]


@pytest.mark.parametrize("initializer", _INITIALIZERS)
def test_fresh_kernels_pass_and_moved_ones_do_not(initializer: Any) -> None:
    passed = 0
    for seed in range(20):
        kind = keras.initializers.get(initializer)
        seeded = type(kind).from_config({**kind.get_config(), "seed": seed})
        layer = layers.Dense(64, kernel_initializer=seeded)
        layer.build((None, 100))
        values = np.asarray(keras.ops.convert_to_numpy(layer.kernel), dtype=float)
        passed += fresh(layer, "kernel", values, values.shape) is True
        noise = np.random.default_rng(seed).standard_normal(values.shape)
        moved = values + 0.45 * values.std() * noise
        assert fresh(layer, "kernel", moved, values.shape) is False
    assert passed == 20


def test_what_cannot_be_told_is_left_out() -> None:
    frozen = sequential(
        layers.Dense(64, name="a"), layers.BatchNormalization(name="n"), layers.Dense(2), width=32
    )
    frozen.trainable = False
    rows = {row["name"]: row for row in model_facts(frozen)["frozen"]}
    assert rows["a/kernel"] == {"name": "a/kernel", "layer": "a", "size": 2048, "fresh": True}
    assert {name for name, row in rows.items() if "fresh" in row} == {
        "a/kernel"
    }  # others: small, or constants
    assert "n/moving_mean" in rows
    assert distribution(keras.initializers.Orthogonal(), (4, 4)) is None


def frozen(units: int, width: int, scale: float = 1.0, bias: float | None = 0.0, kernel: Any = None) -> Any:
    """Whether the kernel of a frozen layer of so many units is told to be fresh."""
    drawn = kernel or keras.initializers.GlorotUniform(seed=3)
    layer = layers.Dense(units, kernel_initializer=drawn, use_bias=bias is not None, name="a")
    model = sequential(layer, width=width)
    layer.kernel.assign(scale * layer.kernel)
    if bias:
        layer.bias.assign(np.full(units, bias))
    model.trainable = False
    return next(row.get("fresh") for row in model_facts(model)["frozen"] if row["name"] == "a/kernel")


def test_a_small_layer_beside_a_bias_that_is_still_zero() -> None:
    assert frozen(8, 6) is True
    assert frozen(8, 6, scale=2.0) is False
    assert frozen(8, 6, kernel=keras.initializers.RandomNormal(seed=3)) is True
    assert frozen(8, 6, bias=None) is None
    assert frozen(8, 6, bias=0.1) is None
    assert frozen(4, 7) is None  # 28 entries
    assert frozen(3, 40) is None  # three zeros may be left by chance


def test_what_a_layer_of_noise_adds() -> None:
    (noise,) = model_facts(sequential(layers.GaussianNoise(0.3)))["layers"]
    assert noise["stddev"] == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("layer", "strength"),
    [
        (layers.RandomRotation(0.5), 0.5),
        (layers.RandomRotation((-0.1, 0.05)), 0.1),
        (layers.RandomTranslation(0.1, (-0.3, 0.2)), 0.3),
    ],
)
def test_how_far_a_layer_turns_and_shifts(layer: keras.Layer, strength: float) -> None:
    (facts,) = model_facts(keras.Sequential([layers.Input((8, 8, 1)), layer]))["layers"]
    assert facts["strength"] == pytest.approx(strength)


def test_the_end_of_a_functional_model() -> None:
    x = layers.Input((6,))
    model = keras.Model(x, layers.Softmax()(layers.Dense(2, activation="relu")(x)))
    told = model_facts(model)["model"]
    assert (told["output_activation"], told["score_activation"]) == ("softmax", "relu")


def test_a_pretrained_backbone_is_not_fresh_and_embeddings_neither() -> None:
    def backbone() -> Any:
        return keras.Sequential(
            [
                layers.Input((8,)),
                layers.Embedding(50, 16, name="e"),
                layers.Flatten(),
                layers.Dense(32, activation="relu", name="d"),
                layers.Dense(32, activation="relu", use_bias=False, name="f"),
            ]
        )

    random = np.random.default_rng(0)
    x = random.integers(0, 50, (256, 8))
    y = (x[:, 0] > 25).astype("int32")
    base = backbone()
    model = keras.Sequential([base, layers.Dense(1, activation="sigmoid")])
    model.compile("adam", "binary_crossentropy")
    model.fit(x, y, epochs=3, verbose=0)
    base.trainable = False
    told = {row["name"]: row.get("fresh") for row in model_facts(model)["frozen"]}
    assert told == {"e/embeddings": False, "d/kernel": False, "d/bias": None, "f/kernel": False}
    untrained = backbone()
    untrained.trainable = False
    told = {row["name"]: row.get("fresh") for row in model_facts(untrained)["frozen"]}
    assert told == {"e/embeddings": True, "d/kernel": True, "d/bias": None, "f/kernel": True}


def test_kinds_of_rate() -> None:
    def kind(rate: Any) -> Any:
        return optimizer_facts(classifier(optimizer=keras.optimizers.SGD(rate)))["rate_kind"]

    assert kind(0.1) == "constant"
    assert kind(lambda: 0.1) == "callable"
    assert kind(keras.optimizers.schedules.CosineDecay(0.1, 10)) == "schedule"
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(lambda: 0.1))
    assert optimizer_facts(classifier(optimizer=scaled))["rate_kind"] == "callable"


def test_tensors_that_the_optimizer_does_not_hold() -> None:
    optimizer = keras.optimizers.Adam()
    model = classifier(optimizer=optimizer)
    assert "unheld" not in optimizer_facts(model) or optimizer_facts(model)["unheld"] == []
    head = model.layers[-1]
    optimizer.build(head.trainable_variables)
    first = model.layers[0].name
    assert optimizer_facts(model)["unheld"] == [f"{first}/kernel", f"{first}/bias"]


def test_an_optimizer_of_another_model() -> None:
    """On JAX it trains this one as well: values go by their place."""
    optimizer = keras.optimizers.Adam()
    optimizer.build(classifier().trainable_variables)
    unheld = optimizer_facts(classifier(optimizer=optimizer))["unheld"]
    assert len(unheld) == (0 if BACKEND == "jax" else 4)


def test_a_run_holds_them(tmp_path: Any) -> None:
    model = classifier()
    begun = [w.copy() for w in model.get_weights()]
    info = fitted(tmp_path / "run", model).info
    assert info["tensors"][0]["initial"]["maximum"] == pytest.approx(float(begun[0].max()))
    assert info["optimizer"]["rate_kind"] == "constant"
    assert list(info["frozen"]) == []


def test_cost_of_many_parameters() -> None:
    model = sequential(*[layers.Dense(2000) for _ in range(4)], width=2000)
    for layer in model.layers[:2]:
        layer.trainable = False
    np.asarray(model.layers[-1].kernel)  # drawn by now
    model_facts(model)
    tracemalloc.start()
    try:
        model_facts(model)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40e6  # bytes: a layer's four million parameters twice; a full look at all takes 112e6


def test_odd_weights_leave_facts_out() -> None:
    model = classifier()
    model.layers[0].kernel.assign(np.full(model.layers[0].kernel.shape, np.nan))
    facts = model_facts(model)
    initial = facts["tensors"][0]["initial"]
    assert "mean" not in initial and initial["distinct_units"] == 1


def test_a_normalization_layer_that_passes_on_what_it_is_given() -> None:
    adapted, lazy = layers.Normalization(name="adapted"), layers.Normalization(name="lazy")
    adapted.adapt(X * 3.0)
    given = [layers.Normalization(mean=m, variance=v, name=f"given_{m}") for m, v in ((0.0, 1.0), (2.0, 1.0))]
    facts = model_facts(sequential(layers.Normalization(name="idle"), adapted, *given, layers.Dense(2)))
    idle = [row["name"] for row in facts["layers"] if row.get("identity")]
    assert idle == ["idle", "given_0.0"]
    lazy.adapt(X)
    assert not any("identity" in row for row in model_facts(sequential(lazy))["layers"])
