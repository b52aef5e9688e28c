"""G002, G003, P001, P002 and A001: what the layers did."""

from typing import Any

import numpy as np
import pytest

from thalweg import Finding, Record, Verdict

from .runs import ask, having, healthy, series, stuck


def profiled(factor: float, loss=None, layers: int = 6) -> Record:
    """Gradients that shrink toward the input by this factor per layer."""
    rng = np.random.default_rng(0)
    tensors = [{"name": f"dense_{i}/kernel", "shape": [64, 64], "size": 4096} for i in range(layers)]
    record = healthy(loss=stuck() if loss is None else loss, info={"tensors": tensors})
    return having(
        record,
        *(
            series(
                f"gradient_norm/dense_{i}/kernel",
                factor ** (i - layers) * np.exp(0.3 * rng.standard_normal(2000)),
            )
            for i in range(layers)
        ),
    )


def test_vanishing() -> None:
    finding = ask("G002", profiled(10.0))
    assert finding.verdict is Verdict.CONCERN
    assert finding.layer == "dense_0"
    assert finding.evidence["factor"].value == pytest.approx(10.0, rel=0.1)
    assert ask("G003", profiled(10.0)).verdict is Verdict.SATISFACTORY


@pytest.mark.parametrize(
    ("layers", "remedies"),
    [
        ([("Dense", "sigmoid")] * 3, ["Use ReLU", "Initialise", "Add `Batch", "Add residual"]),
        (
            [("Normalization", None), ("Dense", "relu"), ("Dense", "softmax")],
            ["Initialise", "Add `Batch", "Add residual"],
        ),
        (
            [("Dense", "relu"), ("Dense", "tanh"), ("BatchNormalization", None), ("Dense", "linear")],
            ["Use ReLU", "Initialise", "Add residual"],
        ),
        ([("Dense", "gelu"), ("LayerNormalization", None), ("Add", None), ("Dense", None)], ["Initialise"]),
    ],
)
def test_what_the_model_has_already_is_no_remedy(layers: list, remedies: list[str]) -> None:
    record = profiled(10.0)
    info = {**record.info, "layers": [{"class": kind, "activation": name} for kind, name in layers]}
    finding = ask("G002", Record.of(record.series.values(), info, record.events))
    assert [r.action[: len(start)] for r, start in zip(finding.remedies, remedies, strict=True)] == remedies


def test_queries_and_keys_are_beside_the_way() -> None:
    record = profiled(1.0)
    beside = [
        series(f"gradient_norm/{name}/kernel", np.full(2000, 1e-6)) for name in ("query", "key", "key#2")
    ]
    tensors = [{"name": f"{name}/kernel", "size": 4096} for name in ("query", "key", "key#2")]
    info = {**record.info, "tensors": [*tensors, *record.info["tensors"]]}
    attentive = Record.of([*beside, *record.series.values()], info, record.events)
    assert ask("G002", attentive).verdict is Verdict.SATISFACTORY
    assert ask("G002", attentive).evidence["count"].value == 6


@pytest.mark.parametrize(
    ("factor", "layers", "verdict"),
    [(1.7, 16, Verdict.CONCERN), (1.5, 16, Verdict.SATISFACTORY), (1.7, 12, Verdict.SATISFACTORY)],
)
def test_vanishing_slowly_over_many_layers(factor: float, layers: int, verdict: Verdict) -> None:
    """Under 2 per layer: by 2,900 in all, by 440 and by 340."""
    assert ask("G002", profiled(factor, layers=layers)).verdict is verdict


def test_exploding() -> None:
    finding = ask("G003", profiled(0.1))
    assert finding.verdict is Verdict.CONCERN
    assert finding.evidence["factor"].value == pytest.approx(10.0, rel=0.1)
    assert ask("G002", profiled(0.1)).verdict is Verdict.SATISFACTORY


def test_a_profile_behind_a_linear_model() -> None:
    record = profiled(10.0, loss=healthy().series["loss"].values)
    info = {**record.info, "data": {**record.info["data"], "examples": 1000, "linear": {"accuracy": 0.9}}}
    accuracy = series("probe_accuracy", [0.1, 0.2], [0, 2000])
    behind = Record.of([*record.series.values(), accuracy], info, record.events)
    finding = ask("G002", behind)
    assert finding.verdict is Verdict.CONCERN
    assert "a linear model has 90 %" in finding.message


BENT = (8.5e-5, 3.9e-5, 2.3e-5, 3.3e-5, 8.0e-5, 2.4e-4, 8.8e-4, 4.2e-3, 2.4e-2)
"""Eight layers of sigmoids and a head: they fall steeply behind the output, and no further near the input."""


def along(values, loss) -> Record:
    record = profiled(1.0, loss=loss, layers=len(values))
    measured = (series(f"gradient_norm/dense_{i}/kernel", np.full(2000, v)) for i, v in enumerate(values))
    return having(record, *measured)


@pytest.mark.parametrize("code", ["G002", "G003"])
def test_a_bent_profile_counts_beside_a_shortfall(code: str) -> None:
    """2.15 per layer and 460 in all, two standard errors of the line reaching down to 1.56."""
    values = BENT if code == "G002" else BENT[::-1]
    assert ask(code, along(values, stuck())).verdict is Verdict.CONCERN
    assert ask(code, along(values[1:8], stuck())).verdict is Verdict.CONCERN
    assert ask(code, along(values, healthy().series["loss"].values)).verdict is Verdict.SATISFACTORY
    other = "G003" if code == "G002" else "G002"
    assert ask(other, along(values, stuck())).verdict is Verdict.SATISFACTORY


@pytest.mark.parametrize("layers", [4, 7, 12])
def test_one_odd_head_makes_no_line_at_any_depth(layers: int) -> None:
    """It lifts the line by the root of three standard errors."""
    record = along([1e-4] * (layers - 1) + [1e6], stuck())
    assert ask("G002", record).verdict is Verdict.SATISFACTORY


@pytest.mark.parametrize("code", ["G002", "G003"])
def test_profile_alone_is_no_concern(code: str) -> None:
    factor = 10.0 if code == "G002" else 0.1
    finding = ask(code, profiled(factor, loss=healthy().series["loss"].values))
    assert finding.verdict is Verdict.SATISFACTORY
    assert "all the same" in finding.message


@pytest.mark.parametrize("size", [5e3, 2e5])
def test_one_odd_head_is_no_profile(size: float) -> None:
    record = healthy(loss=stuck())
    head = series("gradient_norm/dense_5/kernel", np.full(2000, size))
    assert ask("G002", having(record, head)).verdict is Verdict.SATISFACTORY


def test_three_kernels_are_too_few() -> None:
    record = healthy(loss=stuck())
    few = Record.of(
        [s for s in record.series.values() if not s.subject or s.subject[6] in "012"],
        record.info,
        record.events,
    )
    finding = ask("G002", few)
    assert finding.verdict is Verdict.UNASSESSED
    assert "there were 3." in finding.message


def updates(ratio: float, loss=None) -> Record:
    rng = np.random.default_rng(0)
    return having(
        healthy(loss=stuck() if loss is None else loss),
        *(
            series(f"update_ratio/dense_{i}/kernel", ratio * np.exp(0.3 * rng.standard_normal(2000)))
            for i in range(6)
        ),
    )


@pytest.mark.parametrize(("ratio", "word", "remedy"), [(1e-8, "below", "Raise"), (0.8, "above", "Divide")])
def test_updates_out_of_scale(ratio: float, word: str, remedy: str) -> None:
    finding = ask("P001", updates(ratio))
    assert finding.verdict is Verdict.CONCERN
    assert word in finding.message
    assert finding.remedies[0].action.startswith(remedy)
    assert ask("P001", updates(ratio, healthy().series["loss"].values)).verdict is Verdict.SATISFACTORY


def test_usual_updates_of_a_stuck_run() -> None:
    assert ask("P001", updates(1e-3)).verdict is Verdict.SATISFACTORY


def test_whole_model_where_kernels_were_not_measured() -> None:
    whole = [series("update_norm", np.full(2000, 1e-9)), series("parameter_norm", np.full(2000, 10.0))]
    record = having(healthy(loss=stuck()), *whole)
    bare = Record.of([s for s in record.series.values() if s.quantity != "update_ratio"], record.info)
    finding = ask("P001", bare)
    assert finding.verdict is Verdict.CONCERN
    assert "over the whole model" in finding.message


def test_parameters_that_never_moved() -> None:
    still = [
        series("update_ratio/dense_2/kernel", np.zeros(2000)),
        series("gradient_norm/dense_2/kernel", np.zeros(2000)),
    ]
    finding = ask("P002", having(healthy(), *still))
    assert finding.verdict is Verdict.CONCERN
    assert finding.layer == "dense_2"
    assert finding.message.startswith("Of 6 trainable tensors 1 never moved: `dense_2/kernel`.")


def unmoved(*names: str, gradient: float = 0.0, **info: Any) -> Finding:
    record = healthy(info=info)
    kinds = {"update_ratio": 0.0, "gradient_norm": gradient}
    still = [
        series(f"{kind}/{name}", np.full(2000, value)) for name in names for kind, value in kinds.items()
    ]
    return ask("P002", having(record, *still))


def begun(name: str, low: float = 0.0, high: float = 0.0, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "layer": name.partition("/")[0],
        "initial": {"minimum": low, "maximum": high},
        **more,
    }


def test_factors_that_began_as_zeros() -> None:
    zeros = [begun(f"{name}/embeddings") for name in "pq"]
    finding = unmoved("p/embeddings", "q/embeddings", "q/bias", tensors=zeros)
    assert finding.message.endswith("2 of them began as zeros, and had a gradient of zero at every step.")
    assert finding.remedies[0].action == "Initialise `p` at random."
    assert finding.remedies[0].code == 'embeddings_initializer="uniform"'
    assert len(finding.remedies) == 5
    kernel = unmoved("p/kernel", tensors=[begun("p/kernel")])
    assert kernel.remedies[0].code == 'kernel_initializer="glorot_uniform"'
    assert unmoved("p/gamma", tensors=[begun("p/gamma")]).remedies[0].code == ""


@pytest.mark.parametrize(
    ("names", "tensors", "gradient"),
    [
        (("p/kernel",), [begun("p/kernel", -0.1, 0.1)], 0.0),  # drawn at random: dead, or cut off
        (("p/kernel",), [begun("p/kernel", 0.0, 0.1)], 0.0),
        (("p/kernel", "q/kernel"), [begun("p/kernel"), begun("q/kernel", -0.1, 0.1)], 0.0),
        (("p/kernel",), [begun("p/kernel")], 0.3),  # it had a gradient: a rate of zero
        (("p/kernel",), [{"name": "p/kernel"}], 0.0),
        (("p/bias",), [begun("p/bias")], 0.0),
        (("p/beta",), [begun("p/beta")], 0.0),
        (("p/kernel",), [begun("p/kernel", unconnected=True)], 0.0),
        (("p/kernel",), [begun("p/kernel", still=True)], 0.0),
    ],
)
def test_other_tensors_that_never_moved(names: Any, tensors: Any, gradient: float) -> None:
    finding = unmoved(*names, gradient=gradient, tensors=tensors)
    assert finding.verdict is Verdict.CONCERN
    assert "zeros" not in finding.message and finding.remedies[0].action.startswith("Check that the layer's")


def test_kernels_that_never_moved_have_no_update_to_judge() -> None:
    zeros = [series(f"update_ratio/dense_{i}/kernel", np.zeros(2000)) for i in range(6)]
    record = having(healthy(loss=stuck()), *zeros)
    assert ask("P001", record).verdict is Verdict.UNASSESSED
    some = having(record, series("update_ratio/dense_0/kernel", np.full(2000, 0.5)))
    assert ask("P001", some).evidence["ratio"].value == 0.5


def test_a_network_thrown_away_by_its_first_steps() -> None:
    """Adam at a rate of 1: updates of 1, 0.4, 0.2 ... of the parameters, then none, as all units are dead."""
    thrown = np.r_[1.0 / np.arange(1, 51) ** 1.3, np.zeros(1950)]
    layers = [series(f"update_ratio/dense_{i}/kernel", thrown) for i in range(6)]
    finding = ask("P001", having(healthy(loss=stuck(level=14.5)), *layers))
    assert finding.verdict is Verdict.CONCERN
    assert finding.remedies[0].action == "Divide the learning rate by 10."
    assert finding.message.startswith("The largest update was 1 of its parameters")


def test_one_update_is_a_movement() -> None:
    once = np.zeros(2000)
    once[1234] = 1e-9
    assert (
        ask("P002", having(healthy(), series("update_ratio/dense_2/kernel", once))).verdict
        is Verdict.SATISFACTORY
    )


def test_unconnected() -> None:
    record = healthy()
    tensors = [
        *record.info["tensors"],
        {"name": "side/kernel", "shape": [2, 2], "size": 4, "unconnected": True},
    ]
    finding = ask("P002", Record.of(record.series.values(), {**record.info, "tensors": tensors}))
    assert finding.verdict is Verdict.CONCERN
    assert finding.layer == "side"
    assert "not connected to the loss" in finding.message


@pytest.mark.parametrize(("still", "verdict"), [(True, Verdict.CONCERN), (None, Verdict.SATISFACTORY)])
def test_tensors_that_no_step_was_given(still: bool | None, verdict: Verdict) -> None:
    record = healthy()
    tensors = [{"name": "body/kernel", "shape": [2, 2], "size": 4, "still": still}, *record.info["tensors"]]
    finding = ask("P002", Record.of(record.series.values(), {**record.info, "tensors": tensors}))
    assert finding.verdict is verdict
    if still:
        assert finding.layer == "body" and finding.message.startswith("Of 7 trainable tensors 1 never moved")
        assert "No step of the optimizer was given 1 of them." in finding.message


@pytest.mark.parametrize(("share", "verdict"), [(0.95, Verdict.CONCERN), (0.3, Verdict.SATISFACTORY)])
def test_dead_units(share: float, verdict: Verdict) -> None:
    dead = [
        series("dead_fraction/dense_1", np.linspace(0.1, share, 21), np.arange(21) * 100),
        series("dead_fraction/dense_0", np.full(21, 0.05), np.arange(21) * 100),
    ]
    finding = ask("A001", having(healthy(loss=stuck()), *dead))
    assert finding.verdict is verdict
    if verdict is Verdict.CONCERN:
        assert finding.layer == "dense_1"
        assert finding.step == 1000
        assert finding.remedies[0].action.startswith("Divide the learning rate")
        assert "95 %" in finding.message


def test_units_that_were_dead_at_the_start() -> None:
    dead = series("dead_fraction/dense_1", np.full(21, 0.9), np.arange(21) * 100)
    finding = ask("A001", having(healthy(loss=stuck()), dead))
    assert finding.remedies[0].action.startswith("Initialise")


@pytest.mark.parametrize(
    ("first", "last", "units", "verdict"),
    [
        (0.53, 0.66, 32, Verdict.SATISFACTORY),
        (0.66, 0.69, 32, Verdict.SATISFACTORY),
        (0.2, 0.66, 32, Verdict.CONCERN),
        (0.66, 0.8, 32, Verdict.CONCERN),
        (0.5, 0.75, 4, Verdict.SATISFACTORY),
        (0.5, 1.0, 4, Verdict.CONCERN),
        (1.0, 1.0, 1, Verdict.CONCERN),
        (0.62, 0.62, None, Verdict.SATISFACTORY),
    ],
)
def test_units_that_are_dead_by_chance(
    first: float, last: float, units: int | None, verdict: Verdict
) -> None:
    """Behind a ReLU or pixels a unit's sign is that of its weights: about half of few units are dead."""
    layers = [{"name": "dense_0", "class": "Dense", "activation": "relu", "units": units}]
    dead = series("dead_fraction/dense_0", [first, last], [0, 2000], "fraction")
    assert ask("A001", having(healthy(loss=stuck(), info={"layers": layers}), dead)).verdict is verdict


def test_dead_units_of_a_run_on_its_way_to_a_linear_model() -> None:
    info = {"data": {"linear": {"accuracy": 0.9}, "examples": 1000}}
    dead = series("dead_fraction/dense_0", [0.1, 0.95], [0, 2000], "fraction")
    behind = series("probe_accuracy", [0.1, 0.7], [0, 2000], "fraction")
    falling = 2.3 - 0.0008 * np.arange(2000) + 0.05 * np.random.default_rng(0).standard_normal(2000)
    assert ask("A001", having(healthy(loss=falling, info=info), dead, behind)).verdict is Verdict.UNASSESSED
    assert ask("A001", having(healthy(loss=stuck(), info=info), dead, behind)).verdict is Verdict.CONCERN


def test_dead_units_of_a_run_that_cannot_be_judged() -> None:
    dead = series("dead_fraction/dense_1", [0.9, 0.9], [0, 40])
    assert ask("A001", having(healthy(40, loss=stuck(40)), dead)).verdict is Verdict.UNASSESSED


@pytest.mark.parametrize(
    ("share", "words"), [(0.0, "No unit"), (0.25, "25 % of the units of `dense_0`, the one")]
)
def test_dead_units_of_one_layer_in_good_english(share: float, words: str) -> None:
    dead = series("dead_fraction/dense_0", [share, share], [0, 100], "fraction")
    assert words in ask("A001", having(healthy(), dead)).message


def test_dead_units_of_a_network_that_is_not_finite() -> None:
    loss = np.where(np.arange(2000) < 4, 1e10, np.nan)
    dead = series("dead_fraction/dense_0", [0.0, 0.0], [0, 100], "fraction")
    assert ask("A001", having(healthy(loss=loss), dead)).verdict is Verdict.UNASSESSED
