"""W002: the optimizer was built with other weights."""

from dataclasses import dataclass

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.layers import layer_of
from thalweg.rules.objective import fact, rows
from thalweg.rules.steps import UNUSED, unused


@dataclass(frozen=True)
class UnheldTensors(Rule):
    """The optimizer was built with other weights.

    ## What it asks

    Is there a trainable tensor that the optimizer does not know?

    ## Why it matters

    An optimizer keeps the list of weights that it was built with, at its first step. Layers unfrozen or added
    after that are not on it. On TensorFlow a second `fit` without `compile` then trains on without them, and says
    nothing; after `compile` with the same optimizer, and on PyTorch, Keras raises `Unknown variable` at the
    first step; JAX raises where the number or shapes of the tensors differ.

    ## How it is decided

    Before the first step, by identity: the trainable tensors of the model that an optimizer, built already, was
    not built with. On JAX, where values are handed over by their place, tensors of the same shapes in the same
    order are held. It is a violated contract whatever the training does. A model of its own class may have
    more than one optimizer, and is not assessed.

    ## Thresholds

    None. Rates: docs/calibration.md.

    ## Known limits

    An optimizer that is not built yet will be built with what is trainable then, and is not assessed. What a
    callback unfreezes during the training is not seen here; P002 says what never moved. Nor is an optimizer
    assessed that no step of the training applied, such as the one that a GAN is compiled with beside its two.

    ## What to do

    Compile again, with a new optimizer, after changing `trainable` or the layers.

    ## References

    Keras, *Transfer learning & fine-tuning* (compile again after changing `trainable`). Jiang et al., *TrainCheck:
    Training with Confidence*, OSDI 2025 (stale optimizers).
    """

    code = "W002"
    title = "Weights that the optimizer does not hold"
    family = Family.WIRING
    before = True

    def assess(self, record: Record) -> Finding:
        """The trainable tensors against those of the optimizer."""
        if unused(record):
            return self.unassessed(UNUSED)
        listed = fact(record, "optimizer", "unheld")
        tensors = [str(row.get("name")) for row in rows(record, "tensors")]
        if not isinstance(listed, list | tuple) or not tensors:
            return self.unassessed(
                "Not assessed: the optimizer was not built before the first step, or what it holds is not known."
            )
        unheld = [name for name in map(str, listed) if name in tensors]
        evidence = {
            "total": Evidence(len(tensors), "tensors"),
            "unheld": Evidence(len(unheld), "tensors", usual=0, threshold=0),
        }
        if not unheld:
            return self.finding(
                Verdict.SATISFACTORY, "The optimizer held all {total} trainable tensors.", evidence
            )
        if fact(record, "model", "class") not in ("Sequential", "Functional"):
            return self.unassessed(
                "Not assessed: the optimizer did not hold {unheld} of {total} trainable tensors, which a model of "
                "its own class may train with another.",
                evidence,
            )
        evidence["tensor"] = Evidence(unheld[0])
        name = str(fact(record, "optimizer", "name") or "Adam")
        return self.finding(
            Verdict.CONCERN,
            "The optimizer had been built without {unheld} of {total} trainable tensors"
            + (", `{tensor}`." if len(unheld) == 1 else ", `{tensor}` the first of them."),
            evidence,
            series=tuple(n for n in (f"update_ratio/{unheld[0]}",) if n in record.series),
            layer=layer_of(unheld[0]),
            remedies=(
                Remedy(
                    "Compile again with a new optimizer, after the last change to `trainable` or to the layers.",
                    "An optimizer trains the weights that it was built with, and no others.",
                    code=f"model.compile(optimizer=keras.optimizers.{name}(...), loss=...)",
                ),
            ),
        )
