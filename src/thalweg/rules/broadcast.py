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

    - outputs and targets of an example have the same number of entries;
    - the loss of two is more than `gap` from the mean of the two;
    - and, where their shapes differ, more than `gap` from what it is where they agree: the same numbers, another
      loss. Or, whatever the shapes: answers that *are* the targets cost the two together more than each alone, by
      `perfect` of what the exchanged answers cost or more. A function that reshapes one side only does that.

    Keras's own losses, and plain functions, bring the shapes together themselves. A loss that compares
    examples on purpose (contrastive, ranking, correlation) does not change with the shape, and has nothing to
    say against perfect answers.

    ## Thresholds

    `gap` = 0.01, `perfect` = 0.1. Rates: docs/calibration.md.

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
    perfect: float = 0.1
    """Loss of two perfect answers together, in units of what exchanging them costs."""

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
        perfect = number(record, "contract", "perfect_gap")
        outputs, targets = _shape(record, "outputs"), _shape(record, "targets")
        if perfect >= self.perfect and not aligned > self.gap:
            return self.finding(
                Verdict.CONCERN,
                "Answers equal to their targets cost two examples together more than each alone, by {perfect} of "
                "what it costs to exchange the two answers: each output was held against both targets.",
                {**evidence, "perfect": Evidence(perfect, "fraction", usual=0.0, threshold=self.perfect)},
                remedies=(
                    Remedy(
                        "Bring both arguments of the loss into one shape before they are subtracted, or reshape "
                        "neither.",
                        "Shapes (n,) and (n, 1) make a table of n times n differences, whose mean is least for one "
                        "answer to all.",
                        code="y_true = keras.ops.reshape(y_true, keras.ops.shape(y_pred))",
                    ),
                ),
            )
        if not aligned > self.gap:
            return self.finding(
                Verdict.SATISFACTORY,
                "The loss of two examples was {gap} from the mean of their two losses, and not by their shapes: it "
                "compares examples.",
                evidence,
            )
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
