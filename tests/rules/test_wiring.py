"""W001 to W004: what learns, what was meant to, and what arrives where."""

from typing import Any

import pytest

from thalweg import Verdict

from .models import before, chain, ends, facts, failed, kernel, layer, learned
from .runs import ask


def row(name: str, fresh: bool | None = True, size: int = 500) -> dict[str, Any]:
    told = {} if fresh is None else {"fresh": fresh}
    return {"name": f"{name}/kernel", "layer": name, "size": size, **told}


def tuned(*frozen: Any, name: str = "base", model: str = "Sequential", **more: Any) -> dict[str, Any]:
    layers = chain(layer(name, "Conv2D", trainable=False), layer("f", "Flatten"), layer("head"))
    return {**facts(layers, frozen=list(frozen), **more), "model": {"class": model, "parameters": 1000}}


def test_frozen_at_random() -> None:
    finding = ask("W001", before(tuned(row("base"))))
    assert (finding.verdict, finding.layer) == (Verdict.CONCERN, "base")
    assert "50 % of the model's parameters" in finding.message
    assert finding.remedies[1].code == 'model.get_layer("base").trainable = True'
    short = learned(tuned(row("base")), ends("probe_accuracy", 0.1, 0.6))
    assert ask("W001", short).verdict is Verdict.CONCERN


@pytest.mark.parametrize(
    ("info", "verdict"),
    [
        (tuned(row("base", fresh=False)), Verdict.SATISFACTORY),  # pretrained
        (tuned(row("base", size=50)), Verdict.SATISFACTORY),  # a small part
        (tuned(row("random_features"), name="random_features"), Verdict.SATISFACTORY),
        (tuned(), Verdict.SATISFACTORY),
        (tuned(row("base", fresh=None)), Verdict.UNASSESSED),
        (tuned(row("base"), model="MomentumContrast"), Verdict.UNASSESSED),
        (facts(chain(layer("head"))), Verdict.UNASSESSED),
    ],
)
def test_frozen_on_purpose(info: dict[str, Any], verdict: Verdict) -> None:
    assert ask("W001", before(info)).verdict is verdict


def test_random_features_that_suffice() -> None:
    finding = ask("W001", learned(tuned(row("base")), ends("probe_accuracy", 0.1, 0.96)))
    assert finding.verdict is Verdict.SATISFACTORY
    assert "96 %" in finding.message


def test_the_discriminator_of_a_gan() -> None:
    layers = chain(layer("generator"), layer("judge", trainable=False), layer("verdict", trainable=False))
    info = facts(layers, frozen=[row("judge"), row("verdict")])
    assert ask("W001", before(info)).verdict is Verdict.SATISFACTORY
    above = chain(layer("generator"), layer("judge", trainable=False), layer("head"))
    assert ask("W001", before(facts(above, frozen=[row("judge")]))).verdict is Verdict.SATISFACTORY


def held(*unheld: str, model: str = "Functional") -> dict[str, Any]:
    tensors = [kernel("a", 4, 4), kernel("b", 4, 4)]
    info = facts(chain(layer("a"), layer("b")), tensors, optimizer={"name": "Adam", "unheld": list(unheld)})
    return {**info, "model": {"class": model}}


def test_an_optimizer_of_other_weights() -> None:
    finding = ask("W002", before(held("a/kernel")))
    assert (finding.verdict, finding.layer) == (Verdict.CONCERN, "a")
    assert finding.message == "The optimizer had been built without 1 of 2 trainable tensors, `a/kernel`."
    assert finding.remedies[0].code.startswith("model.compile(optimizer=keras.optimizers.Adam(")
    assert "the first of them" in ask("W002", before(held("a/kernel", "b/kernel"))).message


@pytest.mark.parametrize(
    ("info", "verdict"),
    [
        (held(), Verdict.SATISFACTORY),
        (held("gone/kernel"), Verdict.SATISFACTORY),
        (held("a/kernel", model="GAN"), Verdict.UNASSESSED),
        (facts(chain(layer("a")), [kernel("a", 4, 4)], optimizer={"name": "Adam"}), Verdict.UNASSESSED),
    ],
)
def test_optimizers_in_order(info: dict[str, Any], verdict: Verdict) -> None:
    assert ask("W002", before(info)).verdict is verdict


def test_an_optimizer_that_no_step_applied() -> None:
    info = {**held(), "optimizer": {"applied": False}}
    finding = ask("W002", learned(info))
    assert finding.verdict is Verdict.UNASSESSED and "no step of the training" in finding.message


def read(*inputs: dict[str, Any], model: str = "Functional") -> dict[str, Any]:
    return {"model": {"class": model, "inputs": list(inputs)}}


def given(name: str, used: Any, *taken_by: str) -> dict[str, Any]:
    return {"name": name, "used": used, "taken_by": list(taken_by)}


def test_an_input_that_was_never_wired() -> None:
    finding = ask(
        "W003", before(read(given("a", True, "a1", "b1"), given("b", False), given("c", True, "c1")))
    )
    assert finding.verdict is Verdict.CONCERN
    assert finding.message == "Of 3 inputs 1 led to no output: `b`. No layer was called on it."
    assert (
        "on `b`: look at the lines of `a1`, `b1`, which were all called on `a`." in finding.remedies[0].action
    )
    single = ask("W003", before(read(given("a", True, "a1"), given("b", False))))
    assert single.remedies[0].action == "Call the first layer of its branch on `b`."


def test_a_branch_that_was_never_joined() -> None:
    finding = ask(
        "W003", learned(read(given("a", True, "a1"), given("b", False, "b1", "b2"), given("c", False)))
    )
    assert finding.verdict is Verdict.CONCERN
    assert finding.message.startswith("Of 3 inputs 2 led to no output, the first of them `b`. Layer `b1` was")
    assert "what begins with `b1` is not among" in finding.remedies[0].action


@pytest.mark.parametrize(
    ("info", "verdict"),
    [
        (read(given("a", True), given("b", True)), Verdict.SATISFACTORY),
        (read(given("a", True), model="Sequential"), Verdict.SATISFACTORY),
        (
            read(given("a", True), given("b", False), model="Contrast"),
            Verdict.UNASSESSED,
        ),  # a step of its own
        (read(given("a", None)), Verdict.UNASSESSED),
        ({"model": {"class": "Functional"}}, Verdict.UNASSESSED),
        (read({"used": False, "taken_by": 3}), Verdict.CONCERN),  # a record of little
    ],
)
def test_inputs_that_are_read_or_may_be(info: dict[str, Any], verdict: Verdict) -> None:
    assert ask("W003", before(info)).verdict is verdict


def reshaped(before: list[Any], after: list[Any], *others: Any) -> dict[str, Any]:
    shaping = layer("r", "Reshape", reshaped=[before, after])
    return facts(chain(*(others or (shaping, layer("c", "Conv1D"), layer("f", "Flatten"), layer("o")))))


def test_a_reshape_for_a_transposition() -> None:
    finding = ask("W004", before(reshaped([6, 64], [64, 6])))
    assert (finding.verdict, finding.layer) == (Verdict.CONCERN, "r")
    assert "values of shape (6, 64) as one row and cut them to (64, 6)" in finding.message
    assert finding.remedies[0].code == "keras.layers.Permute((2, 1))"
    assert ask("W004", learned(reshaped([6, 64], [64, 6]))).verdict is Verdict.CONCERN
    pictures = ask("W004", before(reshaped([32, 32, 3], [3, 32, 32])))
    assert pictures.verdict is Verdict.CONCERN
    assert pictures.remedies[0].code == "keras.layers.Permute((3, 1, 2))"


@pytest.mark.parametrize(
    "shapes",
    [
        ([384], [6, 64]),  # a vector has no axes
        ([6, 64], [12, 32]),  # other axes
        ([1, 6, 64], [6, 64, 1]),  # one of size 1 is none
        ([28, 28], [28, 28]),
        ([6, None], [None, 6]),
        ([6, True], [True, 6]),
        ([2, 3, 0], [3, 2, 0]),
    ],
)
def test_reshapes_of_another_kind(shapes: Any) -> None:
    assert ask("W004", failed(reshaped(*shapes))).verdict is Verdict.SATISFACTORY


def test_axes_of_which_one_divides_the_other_may_be_windows() -> None:
    for shapes in (([16, 4], [4, 16]), ([4, 16], [16, 4])):
        assert ask("W004", before(reshaped(*shapes))).verdict is Verdict.UNASSESSED
        assert ask("W004", learned(reshaped(*shapes))).verdict is Verdict.UNASSESSED
        finding = ask("W004", failed(reshaped(*shapes)))
        assert finding.verdict is Verdict.CONCERN and "the loss went from" in finding.message


def test_the_certain_one_is_named_first() -> None:
    parts = (
        layer("w", "Reshape", reshaped=[[16, 4], [4, 16]]),
        layer("c", "Conv1D"),
        layer("r", "Reshape", reshaped=[[6, 10], [10, 6]]),
        layer("d", "Conv1D"),
    )
    assert ask("W004", before(facts(chain(*parts)))).layer == "r"


def test_what_takes_a_row_does_not_care_about_axes() -> None:
    shaping = layer("r", "Reshape", reshaped=[[6, 64], [64, 6]])
    row, drop, conv = (
        layer("v", "Reshape", reshaped=[[384], [6, 64]]),
        layer("d", "Dropout"),
        layer("c", "Conv1D"),
    )
    for parts, verdict in (
        ((shaping, drop, layer("f", "Flatten"), layer("o")), Verdict.SATISFACTORY),
        ((row, drop, shaping, conv), Verdict.SATISFACTORY),
        ((shaping,), Verdict.SATISFACTORY),
        ((shaping, drop, conv), Verdict.CONCERN),
        ((row, conv, drop, shaping, layer("e", "Conv1D")), Verdict.CONCERN),
    ):
        assert ask("W004", before(facts(chain(*parts)))).verdict is verdict
    two = [*chain(shaping, layer("f", "Flatten")), layer("c", "Conv1D", inputs=["r"])]
    assert ask("W004", before(facts(two))).verdict is Verdict.CONCERN


def test_reshapes_of_which_little_is_known() -> None:
    assert ask("W004", before(facts([layer("r", "Reshape")]))).verdict is Verdict.UNASSESSED
    for odd in (None, [[6, 64]], [6, 64], "ab"):
        parts = chain(layer("r", "Reshape", reshaped=odd), layer("c", "Conv1D"))
        assert ask("W004", before(facts(parts))).verdict is Verdict.SATISFACTORY
