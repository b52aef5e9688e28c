"""I001 and I002: how the weights began."""

from typing import Any

import numpy as np
import pytest

from thalweg import Verdict

from .models import before, bias, chain, ends, facts, failed, kernel, layer, learned
from .runs import ask, series


def network(*parts: Any, last: Any = None, activation: str = "tanh") -> Any:
    """Hidden layers `a`, `b` and the output `o`, with these first kernels."""
    layers = chain(
        layer("a", activation=activation), layer("b", activation=activation), layer("o", activation="softmax")
    )
    return facts(layers, [*parts, last or kernel("o", 16, 10)])


ZERO = {"low": 0.0, "high": 0.0}
HALF = {"low": 0.5, "high": 0.5}


def test_constant_kernels_stay_symmetric() -> None:
    finding = ask(
        "I001", before(network(kernel("a", 8, 32, **HALF), bias("a", 32), kernel("b", 32, 16, **HALF)))
    )
    assert finding.verdict is Verdict.CONCERN
    assert finding.layer == "a"
    assert finding.message.startswith("All 32 units of `a` started equal")
    assert finding.remedies[0].code == 'kernel_initializer="glorot_uniform"'


def test_a_constant_kernel_below_a_constant_output() -> None:
    info = network(kernel("a", 8, 32), kernel("b", 32, 16, **ZERO), last=kernel("o", 16, 10, **ZERO))
    finding = ask("I001", before(info))
    assert (finding.verdict, finding.layer) == (Verdict.CONCERN, "b")


@pytest.mark.parametrize(
    "parts",
    [
        (kernel("a", 8, 32), kernel("b", 32, 16), kernel("o", 16, 10, **ZERO)),  # a head of zeros
        (kernel("a", 8, 32, **HALF), kernel("b", 32, 16), kernel("o", 16, 10)),  # told apart from above
        (kernel("a", 8, 32), kernel("b", 32, 16, **ZERO), kernel("o", 16, 10)),  # tanh of 0 has a slope
        (
            kernel("a", 8, 32, **HALF),
            bias("a", 32, -0.1, 0.1),
            kernel("b", 32, 16, **HALF),
            kernel("o", 16, 10),
        ),
        (kernel("a", 8, 1, **HALF), kernel("b", 1, 16, **HALF), kernel("o", 16, 10)),  # one unit
    ],
)
def test_equal_units_that_come_apart(parts: Any) -> None:
    info = network(*parts[:-1], last=parts[-1])
    assert ask("I001", before(info)).verdict is Verdict.SATISFACTORY


def test_zeros_below_a_relu() -> None:
    info = network(kernel("a", 8, 32, **ZERO), bias("a", 32), kernel("b", 32, 16), activation="relu")
    finding = ask("I001", before(info))
    assert finding.verdict is Verdict.CONCERN
    assert "zeros below a ReLU" in finding.message
    alive = network(
        kernel("a", 8, 32, **ZERO), bias("a", 32, 0.1, 0.1), kernel("b", 32, 16), activation="relu"
    )
    assert ask("I001", before(alive)).verdict is Verdict.SATISFACTORY
    layers = chain(layer("a"), layer("r", "ReLU", "relu"), layer("o"))
    apart = facts(layers, [kernel("a", 8, 32, **ZERO), kernel("o", 32, 10)])
    assert ask("I001", before(apart)).verdict is Verdict.CONCERN
    leaky = chain(layer("a"), layer("r", "LeakyReLU"), layer("o"))
    assert ask("I001", before({**apart, "layers": leaky})).verdict is Verdict.SATISFACTORY


def test_dropout_tells_units_apart_and_other_paths_too() -> None:
    tensors = [kernel("a", 8, 32, **HALF), kernel("b", 32, 16, **HALF)]
    plain = chain(layer("a"), layer("n", "BatchNormalization"), layer("b"))
    assert ask("I001", before(facts(plain, tensors))).verdict is Verdict.CONCERN
    dropped = chain(layer("a"), layer("d", "Dropout"), layer("b"))
    assert ask("I001", before(facts(dropped, tensors))).verdict is Verdict.SATISFACTORY
    branch = [*chain(layer("a"), layer("b")), layer("c", inputs=["a"])]
    assert ask("I001", before(facts(branch, [*tensors, kernel("c", 32, 4)]))).verdict is Verdict.SATISFACTORY
    output = [*chain(layer("a"), layer("b")), layer("f", "Flatten", inputs=["a"])]
    assert ask("I001", before(facts(output, tensors))).verdict is Verdict.SATISFACTORY


def test_a_residual_branch_that_ends_in_zeros() -> None:
    layers = [
        *chain(layer("a", activation="relu"), layer("b", activation="relu"), layer("z")),
        layer("add", "Add", inputs=["a", "z"]),
        layer("o", inputs=["add"]),
    ]
    tensors = [kernel("a", 8, 8), kernel("b", 8, 8), kernel("z", 8, 8, **ZERO), kernel("o", 8, 3)]
    assert ask("I001", before(facts(layers, tensors))).verdict is Verdict.SATISFACTORY


def test_a_graph_that_is_not_known() -> None:
    layers = [layer("a"), layer("b")]
    assert ask("I001", before(facts(layers, [kernel("a", 8, 8, **ZERO)]))).verdict is Verdict.UNASSESSED
    cut = chain(layer("a"), layer("b", inputs=["relu"]))  # an operation in between
    assert ask("I001", before(facts(cut, [kernel("a", 8, 8, **HALF)]))).verdict is Verdict.UNASSESSED
    odd = kernel("a", 8, 8, **HALF)
    odd["initial"]["units"] = "many"
    assert ask("I001", before(facts(chain(layer("a"), layer("b")), [odd]))).verdict is Verdict.UNASSESSED


def scaled(low: float, high: float, initializer: str = "RandomUniform", **more: Any) -> Any:
    names = ("a", "b", "c", "o")
    layers = chain(*(layer(n, activation="relu", initializer=initializer) for n in names))
    return facts(layers, [kernel(n, 100, 100, low, high) for n in names], **more)


@pytest.mark.parametrize(("bound", "words"), [(5.0, "a gain of 28.9"), (0.01, "a gain of 0.0577")])
def test_weights_out_of_scale(bound: float, words: str) -> None:
    finding = ask("I002", failed(scaled(-bound, bound)))
    assert finding.verdict is Verdict.CONCERN
    assert words in finding.message
    assert "the loss went from" in finding.message
    assert finding.remedies[0].code == 'kernel_initializer="he_normal"'
    assert ask("I002", learned(scaled(-bound, bound))).verdict is Verdict.SATISFACTORY
    assert ask("I002", before(scaled(-bound, bound))).verdict is Verdict.UNASSESSED


def test_many_that_are_a_little_off() -> None:
    info = scaled(-0.03, 0.03)  # a gain of 0.17 each, 0.005 of the signal after three
    finding = ask("I002", failed(info))
    assert finding.verdict is Verdict.CONCERN
    assert finding.evidence["whole"].value == pytest.approx((0.06 / 12**0.5 * 10) ** 3)
    normed = {**info, "layers": [*info["layers"], layer("n", "LayerNormalization")]}
    assert ask("I002", failed(normed)).verdict is Verdict.SATISFACTORY


@pytest.mark.parametrize(
    ("reached", "examples", "verdict"),
    [(0.8, 250, Verdict.CONCERN), (0.9, 250, Verdict.SATISFACTORY), (0.82, 50, Verdict.SATISFACTORY)],
)
def test_many_that_are_off_in_a_network_that_tells_new_examples_worse_than_a_linear_model(
    reached: float, examples: int, verdict: Verdict
) -> None:
    data = {"examples": 1000, "linear": {"accuracy": 0.92}, "validation": {"examples": examples}}
    info = scaled(-0.6, 0.6, data=data)
    finding = ask(
        "I002", learned(info, ends("validation_acc", 0.1, reached), ends("probe_accuracy", 0.1, 0.99))
    )
    assert finding.verdict is verdict, finding.message
    assert (verdict is not Verdict.CONCERN) or "a linear model has 92 % on new examples" in finding.message


def test_scales_that_fit() -> None:
    assert ask("I002", failed(scaled(-0.17, 0.17))).verdict is Verdict.SATISFACTORY
    # A decoder from two numbers to five hundred: small, by its own rule.
    assert ask("I002", failed(scaled(-0.01, 0.01, "GlorotUniform"))).verdict is Verdict.UNASSESSED
    small_head = scaled(-0.17, 0.17)
    small_head["tensors"][-1] = kernel("o", 100, 10, -1e-4, 1e-4)
    assert ask("I002", failed(small_head)).verdict is Verdict.SATISFACTORY
    large_head = scaled(-0.17, 0.17)
    large_head["tensors"][-1] = kernel("o", 100, 10, -9.0, 9.0)
    assert ask("I002", failed(large_head)).layer == "o"


def leaning(name: str = "b", low: float = 0.0, high: float = 0.2, **more: Any) -> Any:
    """Kernels of the right gain, one of them with a mean of 10 over its inputs unless told otherwise."""
    info = scaled(-0.17, 0.17)
    size = {"fan_in": 100, "units": 100, **more}
    tensors = [kernel(name, low=low, high=high, **size) if t["layer"] == name else t for t in info["tensors"]]
    return {**info, "tensors": tensors}


def test_a_kernel_that_leans_to_one_side() -> None:
    finding = ask("I002", failed(leaning()))
    assert (finding.verdict, finding.layer) == (Verdict.CONCERN, "b")
    assert finding.evidence["lean"].value == pytest.approx(0.75**0.5)
    assert finding.evidence["sums"].value == pytest.approx(10.0)
    assert ask("I002", failed(leaning(low=-0.2, high=0.0))).layer == "b"
    assert ask("I002", learned(leaning())).verdict is Verdict.SATISFACTORY


@pytest.mark.parametrize("measure", ["probe_accuracy", "probe_explained_variance"])
def test_a_kernel_that_leans_in_a_run_that_learned(measure: str) -> None:
    for reached, verdict in ((0.85, Verdict.CONCERN), (0.95, Verdict.SATISFACTORY)):
        assert ask("I002", learned(leaning(), ends(measure, 0.1, reached))).verdict is verdict


@pytest.mark.parametrize(
    "info",
    [
        leaning("a"),  # inputs have no common part, or one that is theirs
        leaning(low=-0.15, high=0.25),  # a mean of 5, and as much to either side
        leaning(low=-0.015, high=0.055),  # a mean of 2 over the inputs
        leaning(high=0.6, fan_in=15, units=4),
    ],
    ids=["first", "spread", "small", "few"],
)
def test_kernels_that_lean_and_may(info: Any) -> None:
    assert ask("I002", failed(info)).verdict is Verdict.SATISFACTORY


def test_the_kernel_that_sums_up_the_most_is_named() -> None:
    info = leaning()
    info["tensors"][2] = kernel("c", 100, 100, 0.0, 0.1)
    assert ask("I002", failed(info)).layer == "b"


def reaching(
    run: Any, reach: float, activation: str = "linear", gain: float = 3.0, step: int = 0, **more: Any
) -> Any:
    """A recurrent kernel of this gain, and outputs that go this far, of inputs and targets up to 4."""
    recurrent = kernel("r", 16, 16, mean=0.0, spread=gain / 4.0)
    layers = chain(
        layer("r", "SimpleRNN", initializer="GlorotUniform"), layer("o", initializer="GlorotUniform")
    )
    loss = {"name": "mean_squared_error", "class": "MeanSquaredError", "own": False}
    scale = {"minimum": -4.0, "maximum": 3.0}
    info = {
        "losses": [loss],
        "data": {"inputs": [scale], "targets": [{**scale, "kind": "continuous"}], **more},
        "contract": {"output_minimum": -reach, "output_maximum": 0.5 * reach, "step": step},
    }
    made = facts(layers, [{**recurrent, "name": "r/recurrent_kernel"}], **info)
    return ask("I002", run({**made, "model": {**made["model"], "output_activation": activation}}))


def test_outputs_far_beyond_all_that_was_given() -> None:
    finding = reaching(failed, 1e9)
    assert (finding.verdict, finding.step, finding.layer) == (Verdict.CONCERN, 0, "r")
    assert finding.remedies[0].code == 'recurrent_initializer="orthogonal"'
    assert reaching(failed, 1e9, gain=1.0).layer is None
    assert reaching(failed, 390.0).verdict is Verdict.UNASSESSED
    assert reaching(failed, 1e9, step=63).verdict is Verdict.UNASSESSED
    assert reaching(learned, 1e9).verdict is Verdict.UNASSESSED
    assert reaching(failed, 1e9, activation="softmax").verdict is Verdict.UNASSESSED
    # Millions are asked for, or given.
    assert reaching(failed, 1e9, inputs=[{"minimum": 0, "maximum": 1e8}]).verdict is Verdict.UNASSESSED
    assert reaching(failed, 1e9, targets=[{"minimum": 0, "maximum": 1e8}]).verdict is Verdict.UNASSESSED
    assert reaching(failed, 1e9, inputs=[{}]).verdict is Verdict.UNASSESSED


def test_overflow_before_the_first_step() -> None:
    wild = ends("activation_spread/c", np.inf, np.nan)
    clean, dirty = ({"inputs": [{"name": "x", "nonfinite": n}]} for n in (0, 3))
    finding = ask("I002", learned(scaled(-0.1, 0.1, data=clean), wild))
    assert (finding.verdict, finding.step, finding.layer) == (Verdict.CONCERN, 0, "c")
    assert ask("I002", learned(scaled(-0.1, 0.1, data=dirty), wild)).verdict is not Verdict.CONCERN
    later = ends("activation_spread/c", 1.0, np.nan)
    assert ask("I002", learned(scaled(-0.1, 0.1, data=clean), later)).verdict is not Verdict.CONCERN
    unseen = series("activation_spread/c", [np.nan], [100])
    assert ask("I002", learned(scaled(-0.1, 0.1, data=clean), unseen)).verdict is not Verdict.CONCERN
