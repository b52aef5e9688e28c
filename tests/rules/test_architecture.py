"""M001 to M003 and A002: what the layers can express."""

from typing import Any

import numpy as np
import pytest

from thalweg import Record, Verdict

from .models import before, chain, ends, facts, failed, kernel, layer, learned
from .runs import ask

CURVED = {"linear": {"accuracy": 0.55}, "signal": {"score": 0.97, "chance": 0.5, "p": 0.05}}
TENSORS = [kernel("a", 20, 64), kernel("b", 64, 32), kernel("o", 32, 3)]


def deep(activation: str | None = None, **data: Any) -> dict[str, Any]:
    layers = chain(
        layer("a", activation=activation),
        layer("d", "Dropout"),
        layer("b", activation=activation),
        layer("o", activation="softmax"),
    )
    return facts(layers, TENSORS, data=data or CURVED)


def test_no_nonlinearity() -> None:
    finding = ask("M001", before(deep()))
    assert finding.verdict is Verdict.CONCERN
    assert "between the 3 layers with a kernel" in finding.message
    assert "55 %" in finding.message and "97 %" in finding.message
    assert finding.remedies[0].code == 'activation="relu"'
    assert ask("M001", learned(deep(), ends("probe_accuracy", 0.3, 0.6))).verdict is Verdict.CONCERN


def test_a_gap_counts_beside_what_a_linear_model_leaves_and_its_error() -> None:
    """Nine tenths explained leave little to gain, and a small sample tells little."""
    for line, curve, examples, wanted in (
        (0.75, 0.84, 600, Verdict.CONCERN),
        (0.75, 0.84, 100, Verdict.SATISFACTORY),
        (0.75, 0.80, 600, Verdict.SATISFACTORY),
    ):
        score = {"linear": {"explained_variance": line}, "signal": {"score": curve}, "examples": examples}
        assert ask("M001", before(deep(**score))).verdict is wanted
    rarer = {"linear": {"accuracy": 0.9}, "signal": {"score": 0.97}, "examples": 900}
    assert ask("M001", before(deep(**rarer))).verdict is Verdict.CONCERN
    assert ask("M001", before(deep(**{**rarer, "examples": 120}))).verdict is Verdict.SATISFACTORY


def test_an_output_activation_is_no_hidden_one() -> None:
    layers = chain(layer("a"), layer("o", activation="softmax"), layer("r", "Reshape"))
    assert ask("M001", before(facts(layers, TENSORS, data=CURVED))).verdict is Verdict.CONCERN


def test_a_nonlinearity_or_none_needed() -> None:
    assert ask("M001", before(deep("relu"))).verdict is Verdict.SATISFACTORY
    # What there is to learn is linear, or the run learned more than a linear model after all.
    linear = {"linear": {"explained_variance": 0.5}, "signal": {"score": 0.48}}
    assert ask("M001", before(deep(**linear))).verdict is Verdict.SATISFACTORY
    assert ask("M001", learned(deep(), ends("probe_accuracy", 0.3, 0.95))).verdict is Verdict.SATISFACTORY
    assert ask("M001", before(deep(linear={"accuracy": 0.5}))).verdict is Verdict.UNASSESSED


def test_one_layer_is_a_regression() -> None:
    alone = facts(chain(layer("f", "Flatten"), layer("o", activation="softmax")), data=CURVED)
    assert ask("M001", before(alone)).verdict is Verdict.UNASSESSED


@pytest.mark.parametrize(
    "kind", ["MaxPooling2D", "LSTM", "Embedding", "Multiply", "Mine", "LayerNormalization"]
)
def test_other_layers_may_bend(kind: str) -> None:
    info = facts(chain(layer("a"), layer("x", kind), layer("o")), TENSORS, data=CURVED)
    assert ask("M001", before(info)).verdict is Verdict.SATISFACTORY


def test_batch_normalisation_before_the_activation() -> None:
    layers = chain(layer("a"), layer("n", "BatchNormalization"), layer("r", "ReLU", "relu"), layer("o"))
    assert ask("M001", before(facts(layers, TENSORS, data=CURVED))).verdict is Verdict.SATISFACTORY


def test_a_linear_autoencoder_is_a_factorisation() -> None:
    info = facts(chain(layer("a"), layer("o")), [kernel("a", 64, 8), kernel("o", 8, 64)], data=CURVED)
    finding = ask("M001", before(info))
    assert finding.verdict is Verdict.SATISFACTORY
    assert "factorisation" in finding.message


@pytest.mark.parametrize("activation", ["softmax", "exponential"])
def test_softmax_in_a_hidden_layer(activation: str) -> None:
    finding = ask("M002", failed(deep(activation)))
    assert finding.verdict is Verdict.CONCERN
    assert finding.layer == "a"
    assert f"`{activation}`" in finding.message
    assert ask("M002", learned(deep(activation))).verdict is Verdict.SATISFACTORY
    assert ask("M002", before(deep(activation))).verdict is Verdict.UNASSESSED
    assert ask("M002", failed(deep("relu"))).verdict is Verdict.SATISFACTORY


@pytest.mark.parametrize("measure", ["probe_accuracy", "probe_explained_variance"])
def test_a_softmax_within_that_left_something_to_learn(measure: str) -> None:
    info, other = deep("softmax", examples=1000), deep("exponential", examples=1000)
    finding = ask("M002", learned(info, ends(measure, 0.3, 0.9)))
    assert (finding.verdict, finding.layer) == (Verdict.CONCERN, "a")
    assert "share a sum of 1" in finding.message
    assert ask("M002", learned(info, ends(measure, 0.3, 0.97))).verdict is Verdict.SATISFACTORY
    assert ask("M002", learned(other, ends(measure, 0.3, 0.9))).verdict is Verdict.SATISFACTORY


@pytest.mark.parametrize(
    ("widths", "verdict"),
    [
        ((64, 8, 20), Verdict.SATISFACTORY),  # a code of eight shares
        ((64, 8, 8), Verdict.SATISFACTORY),
        ((64, 8, 3), Verdict.CONCERN),
        ((8, 20), Verdict.CONCERN),  # of two layers one is the narrower
    ],
)
def test_a_softmax_that_is_a_code(widths: tuple[int, ...], verdict: Verdict) -> None:
    parts = [layer(f"d{i}", activation="relu", units=units) for i, units in enumerate(widths)]
    parts[-2]["activation"], parts[-1]["activation"] = "softmax", "linear"
    record = learned(facts(chain(*parts), data=CURVED), ends("probe_accuracy", 0.3, 0.9))
    assert ask("M002", record).verdict is verdict


def test_an_exponential_within_that_a_kernel_method_beats() -> None:
    for reached, verdict in ((0.8, Verdict.CONCERN), (0.95, Verdict.SATISFACTORY)):
        info = deep("exponential", **CURVED, examples=1000)
        assert ask("M002", learned(info, ends("probe_accuracy", 0.3, reached))).verdict is verdict


def test_exploding_exponential() -> None:
    record = learned(deep("exponential"), ends("activation_spread/b", 1.0, 1e9))
    finding = ask("M002", record)
    assert finding.verdict is Verdict.CONCERN
    assert "1e+09" in finding.message
    assert ask("M002", learned(deep("exponential"), ends("activation_spread/b", 1.0, np.nan))).verdict is (
        Verdict.CONCERN
    )


def test_softmax_that_weighs_something_is_attention() -> None:
    layers = [
        *chain(layer("a", activation="relu"), layer("scores", activation="softmax")),
        layer("m", "Multiply", inputs=["a", "scores"]),
        layer("o", inputs=["m"], activation="softmax"),
    ]
    assert ask("M002", failed(facts(layers))).verdict is Verdict.SATISFACTORY


def narrow(units: int, classes: int = 5, **data: Any) -> dict[str, Any]:
    layers = chain(layer("a", activation="relu"), layer("b", activation="relu"), layer("o"))
    tensors = [kernel("a", 20, 32), kernel("b", 32, units), kernel("o", units, classes)]
    return facts(layers, tensors, data=data)


@pytest.mark.parametrize(("units", "words"), [(1, "had 1 unit,"), (2, "had 2 units,")])
def test_a_bottleneck(units: int, words: str) -> None:
    finding = ask("M003", failed(narrow(units)))
    assert finding.verdict is Verdict.CONCERN
    assert (finding.layer, words in finding.message) == ("b", True)
    assert ask("M003", learned(narrow(units))).verdict is Verdict.SATISFACTORY
    assert ask("M003", before(narrow(units))).verdict is Verdict.UNASSESSED


def test_a_bottleneck_behind_a_linear_model() -> None:
    info = {**narrow(1, linear={"accuracy": 0.9}, examples=1000), "watch": {"probe_examples": 256}}
    finding = ask("M003", learned(info, ends("probe_accuracy", 0.2, 0.5)))
    assert finding.verdict is Verdict.CONCERN
    assert "a linear model has 90 %" in finding.message


@pytest.mark.parametrize(
    ("units", "reached", "verdict"),
    [
        (1, 0.45, Verdict.CONCERN),
        (1, 0.55, Verdict.SATISFACTORY),
        (2, 0.45, Verdict.SATISFACTORY),
    ],
)
def test_what_is_explained_through_one_number(units: int, reached: float, verdict: Verdict) -> None:
    record = learned(narrow(units), ends("probe_explained_variance", 0.0, reached))
    assert ask("M003", record).verdict is verdict


def test_a_bottleneck_behind_a_kernel_method() -> None:
    info = narrow(2, signal={"score": 0.9, "p": 0.01}, examples=1000)
    for reached, verdict in ((0.7, Verdict.CONCERN), (0.88, Verdict.SATISFACTORY)):
        assert ask("M003", learned(info, ends("probe_accuracy", 0.2, reached))).verdict is verdict


def test_a_code_too_narrow_for_what_it_encodes() -> None:
    """A code of two numbers is for the eye; one from which nothing came back is none."""
    rebuilt = narrow(1, inputs=[{"shape": [20]}], targets=[{"shape": [20]}])
    assert ask("M003", failed(rebuilt)).verdict is Verdict.CONCERN
    assert ask("M003", learned(rebuilt)).verdict is Verdict.SATISFACTORY


def test_widths_that_suffice() -> None:
    assert ask("M003", failed(narrow(3))).verdict is Verdict.SATISFACTORY
    assert ask("M003", failed(narrow(2, classes=3))).verdict is Verdict.SATISFACTORY
    rebuilt = narrow(2, inputs=[{"shape": [20]}], targets=[{"shape": [20]}], linear={"accuracy": 0.9})
    behind = learned({**rebuilt, "watch": {"probe_examples": 256}}, ends("probe_accuracy", 0.2, 0.5))
    assert ask("M003", behind).verdict is Verdict.SATISFACTORY
    alone = facts(chain(layer("o")), [kernel("o", 20, 1)])
    assert ask("M003", failed(alone)).verdict is Verdict.UNASSESSED


def saturated(run: Any, *values: float, name: str = "b", **data: Any) -> Record:
    layers = chain(
        layer("a", activation="tanh"), layer("b", activation="tanh"), layer("o", activation="sigmoid")
    )
    return run(facts(layers, TENSORS, data=data), ends(f"saturated_fraction/{name}", *values))


def test_saturated_units_by_cause() -> None:
    came = ask("A002", saturated(failed, 0.0, 0.7, 0.9, 0.95))
    assert came.verdict is Verdict.CONCERN
    assert (came.layer, came.step) == ("b", 100)
    assert came.remedies[0].action.startswith("Divide the learning rate")
    began = ask("A002", saturated(failed, 0.9, 0.9, 0.9))
    assert began.remedies[0].action.startswith("Initialise")
    raw = ask("A002", saturated(failed, 0.9, 0.9, inputs=[{"minimum": 0.0, "maximum": 255.0}]))
    assert raw.remedies[0].action.startswith("Scale the inputs")
    assert "inputs of up to 255" in raw.message


@pytest.mark.parametrize(
    ("run", "values", "name", "verdict"),
    [
        (learned, (0.9, 0.9, 0.9), "b", Verdict.SATISFACTORY),
        (failed, (0.9, 0.4, 0.3, 0.2), "b", Verdict.SATISFACTORY),  # it passed
        (failed, (0.9, 0.9, 0.9, 0.9, 0.2), "b", Verdict.SATISFACTORY),
        (failed, (0.1, 0.2, 0.1, 0.9), "b", Verdict.SATISFACTORY),  # once, at the end
        (failed, (0.9, 0.9, 0.9), "o", Verdict.UNASSESSED),  # an output that is sure of itself
    ],
)
def test_saturation_that_does_no_harm(run: Any, values: Any, name: str, verdict: Verdict) -> None:
    assert ask("A002", saturated(run, *values, name=name)).verdict is verdict


@pytest.mark.parametrize(
    ("gap", "wanted"), [(1e-6, Verdict.CONCERN), (0.3, Verdict.SATISFACTORY), (None, Verdict.UNASSESSED)]
)
def test_a_model_whose_layers_nobody_can_follow(gap: float | None, wanted: Verdict) -> None:
    """By what it does half-way between examples."""
    made = deep()
    layers = [{key: value for key, value in row.items() if key != "inputs"} for row in made["layers"]]
    contract = {} if gap is None else {"affine_gap": gap}
    assert ask("M001", before({**made, "layers": layers, "contract": contract})).verdict is wanted
