"""O005: one example's loss depends on another's."""

from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.objective import fact, number, rows
from thalweg.rules.samples import last, shown, value
from thalweg.rules.shortfall import shortfall


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

    A training step of the user's own that was compiled without a loss cannot be asked. It is a concern where its
    outputs are of shape (n, 1) and the numbers they are to meet of shape (n,), or the other way round, and the run
    ended where such a table ends: the outputs within `near` of the targets' standard deviation from their mean, less
    than `told` of the variance explained on the probe batch, and a linear model or a kernel method far ahead of that.

    Keras's own losses, and plain functions, bring the shapes together themselves. A loss that compares
    examples on purpose (contrastive, ranking, correlation) does not change with the shape, and has nothing to
    say against perfect answers.

    ## Thresholds

    `gap` = 0.01, `perfect` = 0.1, `near` = 0.25, `told` = 0.1. Rates: docs/calibration.md.

    ## Known limits

    Shapes that broadcast within an example (one target, many time steps) are not looked at: some mean it.
    A training step of one's own that shapes its targets rightly and ended at their mean for another reason is
    taken for one that does not.

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
    near: float = 0.25
    """Distance of the outputs' mean from that of the targets, in standard deviations of the targets."""
    told: float = 0.1
    """Explained variance under which the outputs are one answer to all."""

    def assess(self, record: Record) -> Finding:
        """What was measured at the first weights."""
        pair, aligned = number(record, "contract", "pair_gap"), number(record, "contract", "aligned_gap")
        if np.isnan(pair):
            return self._own_step(record) or self.unassessed(
                "Not assessed: the loss was not measured on pairs of examples."
            )
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
                remedies=(_ONE_SHAPE,),
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

    def _own_step(self, record: Record) -> Finding | None:
        """A step that computes its own loss: what it was given, and whether it ended at one answer to all."""
        shapes = [fact(record, "contract", "example_axis", which) for which in ("outputs", "targets")]
        targets = rows(record, "data", "targets")
        if (
            fact(record, "losses") != []
            or sorted(shapes, key=str) != [[1], []]
            or [row.get("kind") for row in targets] != ["continuous"]
        ):
            return None
        short = shortfall(record, kernel=True)
        reached, mean, spread = (
            last(record, "output_mean"),
            value(targets[0], "mean"),
            value(targets[0], "spread"),
        )
        explained = last(record, "probe_explained_variance")
        if short is None or not short.linear or not explained < self.told:
            return None
        if not abs(reached - mean) <= self.near * spread:
            return None
        return self.finding(
            Verdict.CONCERN,
            "The training step computed a loss of its own from outputs of shape `{outputs}` and targets of shape "
            "`{targets}`. The outputs ended with a mean of {mean}, where the targets have {mean__usual}, and a "
            f"standard deviation of {{spread}}, where the targets have {{spread__usual}}; {short.words}.",
            {
                "outputs": Evidence(_shape(record, "outputs")),
                "targets": Evidence(_shape(record, "targets")),
                "mean": Evidence(reached, "target", usual=mean),
                "spread": Evidence(last(record, "output_spread"), "target", usual=spread),
                **short.evidence,
            },
            series=shown(record, *short.series, "output_spread", "loss"),
            remedies=(_ONE_SHAPE,),
        )


_ONE_SHAPE = Remedy(
    "Bring both arguments of the loss into one shape before they are subtracted, or reshape neither.",
    "Shapes (n,) and (n, 1) make a table of n times n differences, whose mean is least for one answer to all.",
    code="y_true = keras.ops.reshape(y_true, keras.ops.shape(y_pred))",
)


def _shape(record: Record, which: str) -> str:
    """A shape as it is written in Python, `n` examples first."""
    sizes = fact(record, "contract", "example_axis", which)
    sizes = [str(size) for size in sizes] if isinstance(sizes, list | tuple) else ["..."]
    return "(" + ", ".join(["n", *sizes]) + (")" if sizes else ",)")
