"""O001 to O008: last activation, loss and labels held against one another."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from thalweg import Finding, Record, Verdict
from thalweg.rule import Rule
from thalweg.rules.broadcast import Broadcast
from thalweg.rules.initial_loss import InitialLoss
from thalweg.rules.labels import Labels
from thalweg.rules.logits import Logits
from thalweg.rules.mismatch import Mismatch
from thalweg.rules.output_range import OutputRange
from thalweg.rules.predictions import ReportedLoss
from thalweg.rules.summed import SummedLoss
from thalweg.testing import RuleConformance, check

from .runs import having, healthy, series, stuck

BEFORE: tuple[Rule, ...] = (OutputRange(), Labels(), Logits(), Broadcast(), Mismatch())
AFTER: tuple[Rule, ...] = (ReportedLoss(), InitialLoss(), SummedLoss())

for _rule in (*BEFORE, *AFTER):
    _name = f"Test{type(_rule).__name__}"
    globals()[_name] = type(_name, (RuleConformance,), {"rule": _rule})

LOSSES = {
    "sparse_categorical_crossentropy": "SparseCategoricalCrossentropy",
    "categorical_crossentropy": "CategoricalCrossentropy",
    "binary_crossentropy": "BinaryCrossentropy",
    "mean_squared_error": "MeanSquaredError",
    "mean_absolute_error": "MeanAbsoluteError",
    "poisson": "Poisson",
    "mean_absolute_percentage_error": "MeanAbsolutePercentageError",
    "mean_squared_logarithmic_error": "MeanSquaredLogarithmicError",
}


SMALL = {"looked": 1000, "count": 3, "zeros": 2, "share": 0.51}


def program(
    loss: str = "sparse_categorical_crossentropy",
    activation: str | None = "softmax",
    units: int = 10,
    target: Mapping[str, Any] | None = None,
    contract: Mapping[str, Any] | None = None,
    from_logits: bool = False,
    backend: str = "tensorflow",
    **further: Any,
) -> Record:
    """What is known before the first step of a program; ten classes unless told otherwise."""
    low, high = (0.0, 9.0) if target is None else (target.get("low", 0.0), target.get("high", 1.0))
    values = {"minimum": low, "maximum": high, "low": low, "high": high, "whole": True, **(target or {})}
    logits = None if loss.startswith("mean") or loss == "poisson" else from_logits
    info = {
        "backend": backend,
        "model": {"output_shape": [units], **({"output_activation": activation} if activation else {})},
        "losses": [{"name": loss, "class": LOSSES[loss], "from_logits": logits, "own": False}],
        "data": {"targets": [values]},
        "contract": contract or {},
        **further,
    }
    return Record.of([], info)


def concerned(record: Record) -> dict[str, Finding]:
    found = {rule.code: check(rule, record) for rule in BEFORE}
    return {code: finding for code, finding in found.items() if finding.verdict is Verdict.CONCERN}


def regression(activation: str | None = "linear", **target: Any) -> Record:
    target = {"low": 5.0, "high": 50.0, "whole": False, "kind": "continuous", **target}
    return program("mean_squared_error", activation, 1, target)


def sums(least: float, most: float) -> dict[str, Any]:
    return {"low": 0.0, "high": 1.0, "row_sum_minimum": least, "row_sum_maximum": most}


def ended(scores: str) -> dict[str, Any]:
    """A model whose softmax is a layer of its own, behind one of this activation."""
    return {"output_shape": [10], "output_activation": "softmax", "score_activation": scores}


ONE_HOT = {"low": 0.0, "high": 1.0, "row_sum_minimum": 1.0, "row_sum_maximum": 1.0, "kind": "one-hot"}
BINARY = {"low": 0.0, "high": 1.0, "classes": 2, "kind": "binary"}
SHARES = {
    "output_minimum": 0.01, "output_maximum": 0.8, "row_sum_minimum": 0.9999999, "row_sum_maximum": 1.0000001
}  # fmt: skip
SCORES = {"output_minimum": -2.0, "output_maximum": 2.1, "row_sum_minimum": -3.0, "row_sum_maximum": 4.0}

HEALTHY: dict[str, Record] = {
    "ten classes": program(contract=SHARES),
    "ten classes, logits": program(activation="linear", from_logits=True, contract=SCORES),
    "one-hot": program("categorical_crossentropy", target=ONE_HOT, contract=SHARES),
    "label smoothing by hand, mixed examples": program(
        "categorical_crossentropy", target={**ONE_HOT, "low": 0.01, "high": 0.91, "whole": False}
    ),
    "masked examples are rows of zeros": program(
        "categorical_crossentropy", target={**ONE_HOT, "row_sum_minimum": 0.0}
    ),
    "two classes": program("binary_crossentropy", "sigmoid", 1, BINARY),
    "two classes, one logit": program("binary_crossentropy", "linear", 1, BINARY, SCORES, from_logits=True),
    "several labels": program(
        "binary_crossentropy", "sigmoid", 5, {"low": 0.0, "high": 1.0, "row_sum_maximum": 4.0}
    ),
    "soft labels": program("binary_crossentropy", "sigmoid", 1, {**BINARY, "whole": False, "classes": 40}),
    "autoencoder of pixels": program(
        "binary_crossentropy", "sigmoid", 784, {"low": 0.0, "high": 0.99, "whole": False}
    ),
    "softmax over exclusive classes, binary loss": program("binary_crossentropy", target=ONE_HOT),
    "sigmoid, one class of many": program(
        "categorical_crossentropy", "sigmoid", target=ONE_HOT, backend="jax"
    ),
    "squared error of probabilities": program("mean_squared_error", "softmax", 10, ONE_HOT),
    "prices": regression(),
    "prices, positive": regression("softplus"),
    "ReLU on positive targets": regression("relu"),
    "tanh on scaled targets": regression("tanh", low=-0.99, high=0.99),
    "sigmoid on scaled targets": regression("sigmoid", low=0.02, high=1.0, maximum=1.3),
    "ReLU, and one target in a hundred a little below zero": regression("relu", low=-0.3, high=40.0),
    "grades in order": program("mean_squared_error", "linear", 1, {"low": 0.0, "high": 9.0, "classes": 10}),
    "counts": program("poisson", "exponential", 1, {"low": 0.0, "high": 30.0}),
    "counts, a few masked": program("poisson", "softplus", 1, {"low": -1.0, "high": 30.0}),
    "counts by a linear output that begins above zero": program(
        "poisson", "linear", 1, {"low": 0.0, "high": 30.0}, {"output_minimum": 0.1}
    ),
    "a percentage of prices": program(
        "mean_absolute_percentage_error", "linear", 1, {"low": 5.0, "high": 50.0}
    ),
    "a percentage of prices, a few of them refunds": program(
        "mean_absolute_percentage_error", "linear", 1, {"low": -1.0, "high": 50.0}
    ),
    "a percentage of prices, one of them next to zero": program(
        "mean_absolute_percentage_error",
        "linear",
        1,
        {"low": 5.0, "high": 50.0, "small": {**SMALL, "share": 0.49}},
    ),
    "distances of numbers of which one is zero": program(
        "mean_absolute_error", "linear", 1, {"low": 5.0, "high": 50.0, "small": SMALL}
    ),
    "a percentage where zeros may be masked": program(
        "mean_absolute_percentage_error",
        "linear",
        1,
        data={"weighted": True, "targets": [{"low": 5.0, "high": 50.0, "whole": False, "small": SMALL}]},
    ),
    "a percentage of debts": program(
        "mean_absolute_percentage_error", "linear", 1, {"low": -9.0, "high": -1.0}
    ),
    "logarithms of prices": program(
        "mean_squared_logarithmic_error", "linear", 1, {"low": 0.0, "high": 50.0}
    ),
    "logarithms, masked by weights": program(
        "mean_squared_logarithmic_error",
        "linear",
        1,
        data={"weighted": True, "targets": [{"low": -9.0, "high": 50.0, "minimum": -9.0, "maximum": 50.0}]},
    ),
    "an ignored class": Record.of(
        [],
        {
            **program(target={"low": -1.0, "high": 9.0}).info,
            "losses": [
                {
                    "name": "sparse_categorical_crossentropy",
                    "from_logits": False,
                    "own": False,
                    "ignore_class": -1,
                }
            ],
        },
    ),
    "probabilities told logits, TensorFlow": program(
        from_logits=True, contract={**SHARES, "reported_loss": 2.4, "recomputed_loss": 2.3}
    ),
    "a softmax of one's own, nearly even, TensorFlow": program(
        activation=None,
        from_logits=True,
        contract={**SHARES, "output_maximum": 0.11, "reported_loss": 2.3, "recomputed_loss": 2.3},
    ),
    "a loss of one's own": Record.of(
        [], {**regression("sigmoid").info, "losses": [{"name": "mean_squared_error", "own": True}]}
    ),
    "two outputs": Record.of(
        [], {**regression("sigmoid").info, "losses": [{"name": "mse", "own": False}] * 2}
    ),
    "contrastive": program(contract={"pair_gap": 0.4}),
    "contrastive, one number": program(contract={"pair_gap": 0.4, "aligned_gap": 0.0}),
    "contrastive, and nothing to say against perfect answers": program(
        contract={"pair_gap": 0.4, "aligned_gap": 0.0, "perfect_gap": 0.09}
    ),
    "two examples together cost what they cost alone": program(
        contract={"pair_gap": 0.0, "perfect_gap": 0.5}
    ),
    "a softmax layer on linear scores": program(model=ended("linear")),
    "ten columns against ten numbers": program(
        "mean_squared_error", "linear", 10, {"classes": 10, "high": 9.0, "shape": [10]}
    ),
    "three quantiles of grades": program(
        "mean_absolute_error", "linear", 3, {"classes": 10, "high": 9.0, "shape": []}
    ),
    "two quantiles of a price": program(
        "mean_absolute_error", "linear", 2, {"high": 9.5, "whole": False, "shape": []}
    ),
    "unscaled pixels": program("mean_squared_error", "relu", 784, {"low": 0.0, "high": 255.0}),
    "regression by accuracy of a vector": program(
        "mean_squared_error",
        "sigmoid",
        784,
        {"low": 0.0, "high": 1.0, "whole": False},
        metrics_expected=["accuracy"],
    ),
    "two classes by squared error": program(
        "mean_squared_error", "sigmoid", 1, BINARY, metrics_expected=["loss", "accuracy"]
    ),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_silent(name: str) -> None:
    assert concerned(HEALTHY[name]) == {}


ORDINARY = ("ten classes", "ten classes, logits", "two classes", "prices")


@pytest.mark.parametrize("name", ORDINARY)
def test_says_so(name: str) -> None:
    for rule in (OutputRange(), Logits(), Labels(), Mismatch()):
        applies = rule.code in ("O001", "O006") or name != "prices"
        wanted = Verdict.SATISFACTORY if applies else Verdict.UNASSESSED
        assert check(rule, HEALTHY[name]).verdict is wanted, rule.code


FAULTY: dict[str, tuple[str, Record]] = {
    "softmax on one unit": ("O001", program("binary_crossentropy", "softmax", 1, BINARY)),
    "softmax on one number": ("O001", regression("softmax", low=0.0, high=1.0)),
    "sigmoid on prices": ("O001", regression("sigmoid")),
    "tanh on standardised targets": ("O001", regression("tanh", low=-2.3, high=2.3)),
    "ReLU on standardised targets": ("O001", regression("relu", low=-2.3, high=2.3)),
    "softmax on several numbers": (
        "O001",
        program("mean_squared_error", "softmax", 3, sums(0.1, 2.5)),
    ),
    "softmax on several labels": (
        "O001",
        program("binary_crossentropy", "softmax", 5, sums(1.0, 3.0)),
    ),
    "ReLU on classes": ("O001", program(activation="relu")),
    "ReLU on logits": ("O001", program(activation="relu", from_logits=True)),
    "ReLU before a softmax layer": ("O001", program(model=ended("relu"))),
    "labels over 255": ("O002", program(target={"low": 0.0, "high": 9 / 255, "whole": False})),
    "negative labels": ("O002", program(target={"low": -1.0, "high": 8.0})),
    "labels from 1": ("O002", program(target={"low": 1.0, "high": 10.0})),
    "one unit too few": ("O002", program(units=9)),
    "minus one and one": ("O002", program("binary_crossentropy", "sigmoid", 1, {"low": -1.0, "high": 1.0})),
    "ten classes in one unit": ("O002", program("binary_crossentropy", "sigmoid", 1, {"low": 0.0, "high": 9.0})),
    "several labels, one softmax": (
        "O002", program("categorical_crossentropy", target={**ONE_HOT, "row_sum_maximum": 3.0})
    ),
    "one-hot over 255": (
        "O002",
        program("categorical_crossentropy", target=sums(1 / 255, 1 / 255)),
    ),
    "missing softmax": ("O003", program(activation="linear", contract=SCORES)),
    "missing softmax, nothing measured": ("O003", program(activation="linear")),
    "missing sigmoid": ("O003", program("binary_crossentropy", "linear", 1, BINARY)),
    "tanh for probabilities": ("O003", program(activation="tanh", contract=SCORES)),
    "a layer of one's own with scores": ("O003", program(activation=None, contract=SCORES)),
    "probabilities told logits": ("O003", program(from_logits=True, contract=SHARES, backend="jax")),
    "a softmax of one's own told logits": (
        "O003",
        program(
            activation=None, from_logits=True, contract={**SHARES, "reported_loss": 2.3, "recomputed_loss": 2.3}
        ),
    ),
    "sigmoid told logits": (
        "O003", program("binary_crossentropy", "sigmoid", 1, BINARY, from_logits=True, backend="torch")
    ),
    "softmax twice": (
        "O003",
        program(
            layers=[
                {"name": "dense", "class": "Dense", "activation": "softmax", "inputs": []},
                {"name": "softmax", "class": "Softmax", "activation": None, "inputs": ["dense"]},
            ]
        ),
    ),
    "a table of differences": (
        "O005",
        program(
            "mean_squared_error", "linear", 1, {"low": -2.0, "high": 2.0, "whole": False},
            {"pair_gap": 0.5, "aligned_gap": 0.5, "example_axis": {"outputs": [1], "targets": []}},
        ),
    ),
    "class numbers as quantities": (
        "O006",
        program(
            "mean_squared_error", "linear", 1, {"low": 0.0, "high": 9.0, "classes": 10}, metrics_expected=["accuracy"]
        ),
    ),
    "accuracy of prices": ("O006", Record.of([], {**regression().info, "metrics": ["accuracy"]})),
    "logarithms of standardised targets": (
        "O006", program("mean_squared_logarithmic_error", "linear", 1, {"low": -2.0, "high": 2.0, "whole": False})
    ),
    "percentages of sunspots, of which months had none": (
        "O006",
        program(
            "mean_absolute_percentage_error", "linear", 1, {"low": 0.0, "high": 50.0, "whole": False, "small": SMALL}
        ),
    ),
    "percentages of standardised targets": (
        "O006", program("mean_absolute_percentage_error", "linear", 1, {"low": -2.0, "high": 2.0, "whole": False})
    ),
    "negative counts": ("O006", program("poisson", "exponential", 1, {"low": -2.0, "high": 2.0})),
    "counts by a linear output": (
        "O006", program("poisson", "linear", 1, {"low": 0.0, "high": 30.0}, {"output_minimum": -0.4})
    ),
    "ten units against class numbers": (
        "O006", program("mean_squared_error", "linear", 10, {"high": 9.0, "classes": 10, "shape": []})
    ),
    "twelve units against a column of class numbers": (
        "O006", program("mean_absolute_error", "linear", 12, {"high": 9.0, "shape": [1]})
    ),
    "categories over one unit": ("O006", program("categorical_crossentropy", "sigmoid", 1, BINARY)),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTY)
def test_found(name: str) -> None:
    code, record = FAULTY[name]
    assert set(concerned(record)) == {code}


def test_softmax_on_scores_of_a_softmax_layer_is_one_network() -> None:
    """A softmax in a hidden layer, then weights, then the last softmax: strange, but no double."""
    layers = [
        {"name": "dense", "class": "Dense", "activation": "softmax", "inputs": []},
        {"name": "dense_1", "class": "Dense", "activation": "softmax", "inputs": ["dense"]},
    ]
    assert concerned(program(layers=layers)) == {}


def test_the_line_to_write() -> None:
    told = concerned(program(activation="linear"))["O003"].remedies
    assert told[0].code == "loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)"
    assert told[1].code == 'keras.layers.Dense(10, activation="softmax")'


REACHING = {"pair_gap": 0.5, "perfect_gap": 0.5, "example_axis": {"outputs": [1], "targets": [1]}}


@pytest.mark.parametrize("aligned", [{}, {"aligned_gap": 0.0}], ids=["one shape", "another"])
def test_a_loss_that_reshapes_one_side_only(aligned: dict[str, float]) -> None:
    """Its shapes agree, or bringing them together changes nothing: perfect answers give it away."""
    found = concerned(program("mean_squared_error", "linear", 1, contract={**REACHING, **aligned}))
    assert set(found) == {"O005"}
    assert found["O005"].evidence["perfect"].value == 0.5
    assert found["O005"].remedies[0].code == "y_true = keras.ops.reshape(y_true, keras.ops.shape(y_pred))"


def test_shapes_that_differ_are_named_before_perfect_answers() -> None:
    contract = {**REACHING, "aligned_gap": 0.5}
    finding = concerned(program("mean_squared_error", "linear", 1, contract=contract))["O005"]
    assert "perfect" not in finding.evidence and "met targets of shape" in finding.message


def test_a_relu_before_a_softmax_layer_is_to_go_and_the_softmax_to_stay() -> None:
    finding = concerned(program(model=ended("relu")))["O001"]
    assert "`relu` stood before the softmax:" in finding.message
    assert finding.remedies[0].code == "keras.layers.Dense(units)"
    assert "the loss `sparse" in concerned(program(activation="relu"))["O001"].message


def test_units_and_classes_of_the_loss_that_holds_all_against_a_number() -> None:
    evidence = concerned(FAULTY["twelve units against a column of class numbers"][1])["O006"].evidence
    assert (evidence["units"].value, evidence["classes"].value) == (12, 10)


# O004


def reported(reported: float, recomputed: float, recall: float | None = None) -> Record:
    extra = [
        series("probe_loss", [2.3, reported], [0, 2000]),
        series("recomputed_loss", [2.3, recomputed], [0, 2000]),
    ]
    extra += [] if recall is None else [series("balanced_accuracy", [0.1, recall], [0, 2000])]
    return having(healthy(), *extra)


def test_the_loss_that_fell_is_not_that_of_the_answers() -> None:
    finding = check(ReportedLoss(), reported(0.005, 7.9, 0.1))
    assert finding.verdict is Verdict.CONCERN and finding.step == 2000
    assert "0.005" in finding.message and "7.9" in finding.message


@pytest.mark.parametrize(
    "losses",
    [
        (0.3, 0.3),
        (1e-9, 1e-7),  # clipping
        (0.3, 1.6, 0.95),  # probabilities told logits, on TensorFlow
        (0.3, 2.4, 0.95),  # confident and right, but the loss of the answers is another
        (2.2, 2.4, 0.1),  # nothing was reported to be learned
    ],
)
def test_a_difference_without_harm(losses: tuple[float, ...]) -> None:
    assert check(ReportedLoss(), reported(*losses)).verdict is Verdict.SATISFACTORY


# O007 and O008


def began(first: float, **contract: float) -> dict[str, Any]:
    return {"contract": {"recomputed_loss": first, "constant_prediction_loss": 2.3026, **contract}}


def test_a_first_loss_that_was_never_made_up_for() -> None:
    finding = check(InitialLoss(), healthy(loss=stuck(level=30.0), info=began(31.0)))
    assert finding.verdict is Verdict.CONCERN
    assert finding.evidence["first"].value == 31.0


def test_a_first_loss_that_was() -> None:
    assert check(InitialLoss(), healthy(info=began(31.0))).verdict is Verdict.SATISFACTORY
    assert check(InitialLoss(), healthy(loss=stuck(), info=began(2.4))).verdict is Verdict.SATISFACTORY
    averages = having(
        healthy(loss=stuck(), info=began(31.0)), series("probe_training_loss", [2.4, 2.3], [0, 2000])
    )
    assert check(InitialLoss(), averages).verdict is Verdict.SATISFACTORY
    noise = {**began(31.0), "data": {"signal": {"p": 0.4}}}
    assert check(InitialLoss(), healthy(loss=stuck(level=30.0), info=noise)).verdict is Verdict.UNASSESSED


def test_a_loss_that_was_first_looked_at_after_some_steps_is_not_the_first() -> None:
    stays = stuck(level=30.0)
    assert check(InitialLoss(), healthy(loss=stays, info=began(31.0, step=63))).verdict is Verdict.UNASSESSED
    assert check(InitialLoss(), healthy(loss=stays, info=began(31.0, step=0))).verdict is Verdict.CONCERN


def test_the_first_batch_alone_may_have_averages_that_saw_none_and_targets_that_are_alike() -> None:
    stays = stuck(level=30.0)
    averages = began(31.0, training_loss=2.4)
    assert check(InitialLoss(), healthy(loss=stays, info=averages)).verdict is Verdict.SATISFACTORY
    alike = {**began(31.0), "constant_prediction_loss": 30.0}
    assert check(InitialLoss(), healthy(loss=stays, info=alike)).verdict is Verdict.SATISFACTORY


@pytest.mark.parametrize(
    ("loss", "units", "first", "constant", "verdict"),
    [
        # Glorot's weights on standardised columns.
        ("mean_squared_error", 1, 8.0, 1.0, Verdict.SATISFACTORY),
        ("mean_squared_error", 1, 10.0, 1.0, Verdict.CONCERN),
        ("mean_absolute_error", 1, 3.5, 1.0, Verdict.CONCERN),
        # One example in fifty: who does not know it begins at ln 2.
        ("binary_crossentropy", 1, 0.75, 0.1, Verdict.SATISFACTORY),
        ("binary_crossentropy", 1, 2.2, 0.1, Verdict.CONCERN),
        ("sparse_categorical_crossentropy", 10, 4.0, 0.3, Verdict.SATISFACTORY),
        ("sparse_categorical_crossentropy", 10, 7.2, 0.3, Verdict.CONCERN),
        ("sparse_categorical_crossentropy", 10, 4.0, 1.2, Verdict.SATISFACTORY),
    ],
)
def test_where_a_network_begins_that_knows_nothing(
    loss: str, units: int, first: float, constant: float, verdict: Verdict
) -> None:
    start = {"recomputed_loss": first, "constant_prediction_loss": constant}
    info = program(loss, "linear", units, contract=start).info
    record = healthy(loss=stuck(level=30.0), info={**info, "constant_prediction_loss": constant})
    assert check(InitialLoss(), record).verdict is verdict


def test_a_sum_that_blew_up() -> None:
    finding = check(SummedLoss(), healthy(loss=stuck(level=900.0), info=began(900.0, double_ratio=2.0)))
    assert finding.verdict is Verdict.CONCERN
    mean = healthy(loss=stuck(level=900.0), info=began(900.0, double_ratio=1.0))
    assert check(SummedLoss(), mean).verdict is Verdict.SATISFACTORY
    other = healthy(loss=stuck(level=900.0), info=began(900.0, double_ratio=1.7))
    assert check(SummedLoss(), other).verdict is Verdict.SATISFACTORY


def test_a_sum_that_trains() -> None:
    loss = 256 * healthy().series["loss"].values
    record = healthy(loss=loss, info={**began(590.0, double_ratio=2.0), "initial_loss": 590.0})
    assert check(SummedLoss(), record).verdict is Verdict.SATISFACTORY
    assert check(SummedLoss(), healthy(loss=np.full(10, 9.0), info=began(9.0))).verdict is Verdict.UNASSESSED


@pytest.mark.parametrize(
    ("rule", "words"), [(InitialLoss(), "far above the 2.3"), (SummedLoss(), "a sum over the batch")]
)
def test_what_can_be_said_before_the_first_step(rule: Rule, words: str) -> None:
    """Neither a first loss nor a sum is a fault before the run has suffered from it."""
    contract = {"recomputed_loss": 30.0, "constant_prediction_loss": 2.3, "double_ratio": 2.0}
    finding = check(rule, Record({"contract": contract}, {}))
    assert rule.before and finding.verdict is Verdict.UNASSESSED and words in finding.message
    well = {"recomputed_loss": 2.4, "constant_prediction_loss": 2.3, "double_ratio": 1.0}
    assert check(rule, Record({"contract": well}, {})).verdict is Verdict.SATISFACTORY


def own_step(
    targets: Mapping[str, Any] | None = None,
    outputs: tuple[int, ...] = (1,),
    loss: Any = None,
    **ended: float,
) -> Record:
    """A training step that computes its own loss, on (n,) targets that a linear model foretells."""
    target = {"name": "y", "kind": "continuous", "mean": 5.0, "spread": 2.0, **(targets or {})}
    info = {
        "losses": [] if loss is None else loss,
        "contract": {"example_axis": {"outputs": list(outputs), "targets": []}},
        "data": {"targets": [target], "linear": {"explained_variance": 0.8}},
        "constant_prediction_loss": None,
    }
    last = {"output_mean": 5.1, "output_spread": 0.1, "probe_explained_variance": 0.03, **ended}
    return healthy(info=info, **{name: np.full(20, value) for name, value in last.items()})


def test_a_step_of_ones_own_that_ends_at_one_answer_to_all() -> None:
    found = Broadcast().check(own_step())
    assert found.verdict is Verdict.CONCERN
    assert "`(n, 1)`" in found.message and "`(n,)`" in found.message


@pytest.mark.parametrize(
    "record",
    [
        own_step(probe_explained_variance=0.95, output_spread=1.9),  # its step brings the shapes together
        own_step(probe_explained_variance=0.3),  # behind a linear model, and not one answer to all
        own_step(output_mean=0.2),  # it has not come to the mean
        own_step(outputs=()),
        own_step(outputs=(2,)),  # a mean and a variance for one number
        own_step(targets={"kind": "binary"}),
        own_step(loss=[{"name": "mean_squared_error", "class": "MeanSquaredError"}]),
    ],
)
def test_a_step_of_ones_own_that_shows_no_table(record: Record) -> None:
    assert Broadcast().check(record).verdict is not Verdict.CONCERN
