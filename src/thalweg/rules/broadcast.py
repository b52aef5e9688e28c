"""O005: one example's loss depends on another's."""

from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.objective import fact, number


@dataclass(frozen=True)
class Broadcast(Rule):
    """One example's loss depends on another's.

    ## What it asks

    Does the loss hold each output against its own target, or against those of other examples as well?

    ## Why it matters

    Outputs of shape (n, 1) minus targets of shape (n,) make a table of n times n differences. No error is
    raised; the best answer to all targets at once is their mean, and that is what the network learns.

    ## How it is decided

    At the first weights the loss of two examples together is held against the mean of their two losses, and
    against that with the targets brought into the shape of the outputs. A concern needs all of these:

    - outputs and targets of an example have the same number of entries in different shapes;
    - the loss of two is more than `gap` from the mean of the two;
    - and more than `gap` from what it is where the shapes agree: the same numbers, another loss.

    Keras's own losses, and plain functions, bring the shapes together themselves. A loss that compares
    examples on purpose (contrastive, ranking) does not change with the shape.

    ## Thresholds

    `gap` = 0.01. Rates: docs/calibration.md.

    ## Known limits

    Shapes that broadcast within an example (one target, many time steps) are not looked at: some mean it.

    ## What to do

    Give outputs and targets one shape.

    ## References

    NumPy documentation, *Broadcasting*. Ben Braiek & Khomh, *TheDeepChecker*, TOSEM 2023 (dependencies
    between the examples of a batch).
    """

    code = "O005"
    title = "One example's loss depends on another's"
    family = Family.OUTPUT
    before = True

    gap: float = 0.01
    """Relative difference of two losses that should be one."""

    def assess(self, record: Record) -> Finding:
        """What was measured at the first weights."""
        pair, aligned = number(record, "contract", "pair_gap"), number(record, "contract", "aligned_gap")
        if np.isnan(pair):
            return self.unassessed("Not assessed: the loss was not measured on pairs of examples.")
        evidence = {"gap": Evidence(pair, "fraction", usual=0.0, threshold=self.gap)}
        if pair <= self.gap:
            return self.finding(
                Verdict.SATISFACTORY,
                "The loss of two examples was the mean of their two losses, to {gap} of it.",
                evidence,
            )
        if not aligned > self.gap:
            return self.finding(
                Verdict.SATISFACTORY,
                "The loss of two examples was {gap} from the mean of their two losses, and not by their shapes: it "
                "compares examples.",
                evidence,
            )
        outputs, targets = _shape(record, "outputs"), _shape(record, "targets")
        return self.finding(
            Verdict.CONCERN,
            "Outputs of shape `{outputs}` met targets of shape `{targets}`: the loss of two examples was {gap} from "
            "the mean of their two losses, and {aligned} from what it is in one shape.",
            {
                **evidence,
                "outputs": Evidence(outputs),
                "targets": Evidence(targets),
                "aligned": Evidence(aligned, "fraction", usual=0.0, threshold=self.gap),
            },
            remedies=(
                Remedy(
                    "Give the targets the shape of the outputs.",
                    "Each output is then held against its own target.",
                    code="y = y.reshape(-1, 1)"
                    if outputs == "(n, 1)"
                    else f"y = y.reshape{outputs.replace('n', '-1', 1)}",
                ),
                Remedy(
                    "Or write the loss as a plain function instead of a subclass of `Loss`.",
                    "Keras then brings the shapes together before it calls it.",
                ),
            ),
        )


def _shape(record: Record, which: str) -> str:
    """A shape as it is written in Python, `n` examples first."""
    sizes = fact(record, "contract", "example_axis", which)
    sizes = [str(size) for size in sizes] if isinstance(sizes, list | tuple) else ["..."]
    return "(" + ", ".join(["n", *sizes]) + (")" if sizes else ",)")
