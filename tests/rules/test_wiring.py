"""W001 and W002: what learns, and what was meant to."""

from typing import Any

import pytest

from thalweg import Verdict

from .models import before, chain, ends, facts, kernel, layer, learned
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
