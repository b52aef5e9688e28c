"""P002: parameters that never moved."""

from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Safety, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.graph import figures, initial
from thalweg.rules.layers import layer_of
from thalweg.rules.objective import rows


@dataclass(frozen=True)
class Unmoved(Rule):
    """Parameters that never moved.

    ## What it asks

    Is there a trainable tensor that no step of the whole run has changed?

    ## Why it matters

    It was meant to learn and did not: its layer is not connected to the loss, its units are dead, or
    the optimizer does not know it.

    ## How it is decided

    A tensor moved if any of its updates was not zero, or its norm took two values. Where no update was
    measured, a gradient that was not zero counts. A tensor measured `steps` times or more that never moved is
    a concern, and so is one to which the backend gave no gradient at all, or one that no step of the optimizer was
    given and that ended as its initializer had drawn it: who writes a `train_step` may hand over a part of the
    model. A teacher that was trained elsewhere is not meant. An embedding with rows that were never seen has moved.

    Comparisons are with exact zero: a small update is a movement.

    Where all of them but biases began as zeros and their gradients were zero throughout, that is said, and a random
    initializer is the first remedy: of two factors that are zero, two embeddings say, neither has a gradient.

    ## Thresholds

    `steps` = 10 measurements. No statistic is estimated; a tensor that moved cannot raise this finding, and
    its false-alarm rate is zero by construction.

    On real Keras programs: the zoo's tables in docs/calibration.md.

    ## Known limits

    Heads of a model that this run's loss does not use on purpose are named as well: freeze them. Tensors of a
    layer with `trainable=False` are not in the record, and so never named.

    ## What to do

    Connect it, revive it, or freeze it.

    ## References

    Jiang et al., *TrainCheck: Training with Confidence*, OSDI 2025 (stale optimizers).
    """

    code = "P002"
    title = "Parameters that never moved"
    family = Family.WIRING
    needs = (("update_ratio", "parameter_norm", "gradient_norm"),)

    steps: int = 10
    """Fewest measurements of a tensor."""

    def assess(self, record: Record) -> Finding:
        """The tensors that moved, and those that did not."""
        moved = self._moved(record)
        unconnected = [
            str(row.get("name")) for row in rows(record, "tensors") if row.get("unconnected") is True
        ]
        left = [str(row.get("name")) for row in rows(record, "tensors") if row.get("still") is True]
        still = [name for name, has in moved.items() if not has]
        still += [n for n in (*unconnected, *left) if n not in still and not moved.get(n, False)]
        still = list(dict.fromkeys(still))
        total = len(set(moved) | set(still))
        if not total:
            return self.unassessed(
                "Not assessed: no tensor was measured at {steps} steps or more.",
                {"steps": Evidence(self.steps, "steps")},
            )
        if not still:
            return self.finding(
                Verdict.SATISFACTORY,
                "Every trainable tensor that was measured moved, {total} of {total}.",
                {"total": Evidence(total, "tensors")},
            )
        evidence = {
            "still": Evidence(len(still), "tensors", threshold=0),
            "total": Evidence(total, "tensors"),
            "tensor": Evidence(still[0]),
        }
        template = "Of {total} trainable tensors {still} never moved" + (
            ": `{tensor}`." if len(still) == 1 else ", the first of them `{tensor}`."
        )
        if cut := [name for name in still if name in unconnected]:
            evidence["unconnected"] = Evidence(len(cut), "tensors")
            template += (
                " The backend gave {unconnected} of them no gradient: they are not connected to the loss."
            )
        elif left:
            evidence["left"] = Evidence(len(left), "tensors")
            template += " No step of the optimizer was given {left} of them."
        zeros = () if cut or left else self._zeros(record, still)
        if zeros:
            evidence["zeros"] = Evidence(len(zeros), "tensors")
            template += " {zeros} of them began as zeros, and had a gradient of zero at every step."
        names = [f"{quantity}/{name}" for name in still for quantity in ("update_ratio", "gradient_norm")]
        return self.finding(
            Verdict.CONCERN,
            template,
            evidence,
            series=tuple(name for name in names if name in record.series),
            layer=layer_of(still[0]),
            remedies=(
                *(_random(record, name) for name in zeros[:1]),
                Remedy(
                    "Check that the layer's output reaches the loss, and that nothing between them rounds, "
                    "takes an argmax or stops the gradient.",
                    "A tensor without a path to the loss has no gradient.",
                    Safety.MANUAL,
                ),
                Remedy("Check that the learning rate is not zero.", "No tensor moves then."),
                Remedy(
                    "Compile again after changing `trainable`.",
                    "The optimizer keeps the list of variables it was built with.",
                ),
                Remedy(
                    "Set `trainable=False` on the layer if it is meant to stay.",
                    "It then says what it does, and costs nothing.",
                ),
            ),
        )

    def _zeros(self, record: Record, still: list[str]) -> tuple[str, ...]:
        """The tensors that began as zeros and had no other gradient, where all that is no bias did."""
        found = []
        for name in still:
            if name.endswith(("bias", "beta")):
                continue
            series = record.series.get(f"gradient_norm/{name}")
            flat = series is not None and len(series) and not np.any(series.values)
            if not flat or figures(initial(record, name), "minimum", "maximum") != (0.0, 0.0):
                return ()
            found.append(name)
        return tuple(found)

    def _moved(self, record: Record) -> dict[str, bool]:
        """By tensor whether it moved; only those measured often enough."""
        moved: dict[str, bool] = {}
        for quantity in ("update_ratio", "parameter_norm", "gradient_norm"):
            for name, series in record.each(quantity).items():
                values = series.values[~np.isnan(series.values)]
                if len(values) < self.steps:
                    continue
                if quantity == "parameter_norm":
                    changed = bool(np.any(values != values[0]))
                elif quantity == "gradient_norm" and name in moved:
                    continue
                else:
                    changed = bool(np.any(values != 0.0))
                moved[name] = moved.get(name, False) or changed
        return moved


def _random(record: Record, name: str) -> Remedy:
    kind, code = name.rpartition("/")[2], ""
    if kind in ("kernel", "embeddings"):
        code = f'{kind}_initializer="{"uniform" if kind == "embeddings" else "glorot_uniform"}"'
    return Remedy(
        f"Initialise `{layer_of(name)}` at random.",
        "A factor has no gradient where what it is multiplied with is zero: of two that begin so, neither moves.",
        code=code,
    )
