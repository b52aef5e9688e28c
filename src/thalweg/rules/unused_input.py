"""W003: an input that no output depends on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from thalweg.finding import Evidence, Family, Finding, Remedy, Safety, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.objective import fact, rows
from thalweg.rules.samples import name_of


@dataclass(frozen=True)
class UnusedInput(Rule):
    """An input that no output depends on.

    ## What it asks

    Is the model given an input that reaches none of its outputs?

    ## Why it matters

    What such an input says is thrown away, and nobody is told: Keras builds the model, `fit` takes the array, and the
    loss falls on what the other inputs say. A branch copied from another and still called on its input, or one
    left out where branches are joined, looks like this.

    ## How it is decided

    From the graph of a functional model: the outputs are followed back to the inputs, through nested models, through
    operations that are no layers, and through what is handed over as a mask. An input that is not met is a violated
    contract, said before the first step.

    ## Thresholds

    None: there is a path or there is none. Rates: docs/calibration.md.

    ## Known limits

    A path says that the output may depend on the input, not that it does: one that is multiplied by zero, or whose
    gradient is stopped, is not seen (see P002). Models of a class of their own are not assessed, for their
    training step may read the input. An input that is left unused on purpose is named as well.

    ## What to do

    Wire the input up, or take it out of the model.

    ## References

    Keras, *The functional API* (a model is what lies between its inputs and its outputs).
    """

    code = "W003"
    title = "An input that no output depends on"
    family = Family.WIRING
    before = True

    def assess(self, record: Record) -> Finding:
        """The inputs that no path from an output leads to."""
        inputs = [row for row in rows(record, "model", "inputs") if isinstance(row.get("used"), bool)]
        if not inputs:
            return self.unassessed("Not assessed: the record does not tell what the inputs lead to.")
        if fact(record, "model", "class") not in ("Sequential", "Functional"):
            return self.unassessed(
                "Not assessed: what a model of its own class does with its inputs is not known."
            )
        evidence = {"inputs": Evidence(len(inputs), "inputs")}
        unused = [row for row in inputs if not row["used"]]
        if not unused:
            return self.finding(
                Verdict.SATISFACTORY, "The outputs depended on every input, {inputs} of {inputs}.", evidence
            )
        evidence |= {
            "unused": Evidence(len(unused), "inputs", threshold=0),
            "name": Evidence(name_of(unused[0], "input")),
        }
        template = "Of {inputs} inputs {unused} led to no output" + (
            ": `{name}`." if len(unused) == 1 else ", the first of them `{name}`."
        )
        if begun := _takers(unused[0]):
            evidence["branch"] = Evidence(begun[0])
            template += (
                " Layer `{branch}` was called on it, and what came of that was never joined to the rest."
            )
        else:
            template += " No layer was called on it."
        return self.finding(
            Verdict.CONCERN,
            template,
            evidence,
            remedies=(
                _joined(begun[0]) if begun else _called(evidence["name"].value, inputs),
                Remedy(
                    "Take the input out of `keras.Model` and out of the data if it is not meant to be read.",
                    "The model then says what it depends on.",
                    Safety.MANUAL,
                ),
            ),
        )


def _takers(row: Mapping[str, Any]) -> list[str]:
    listed = row.get("taken_by")
    return [name for name in listed if isinstance(name, str)] if isinstance(listed, list | tuple) else []


def _joined(branch: str) -> Remedy:
    return Remedy(
        f"Look at the line that joins the branches: what begins with `{branch}` is not among what is joined.",
        "A layer whose output nothing takes is no part of the model.",
        Safety.MANUAL,
    )


def _called(name: Any, inputs: list[Mapping[str, Any]]) -> Remedy:
    """Where the input stands that was given in its place: that which several layers were called on."""
    most = max((row for row in inputs if row["used"]), key=lambda row: len(_takers(row)), default={})
    takers = _takers(most)
    action = f"Call the first layer of its branch on `{name}`"
    if len(takers) > 1:
        several = ", ".join(f"`{taker}`" for taker in takers[:4])
        action += f": look at the lines of {several}, which were all called on `{name_of(most, 'input')}`"
    return Remedy(action + ".", "A branch that was copied still reads the input of the first.", Safety.MANUAL)
