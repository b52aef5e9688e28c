"""O003: logits and probabilities confused."""

from dataclasses import dataclass

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.head import BINARY, CATEGORICAL, RANGES, Head, head
from thalweg.rules.objective import fact, rows

_FROM_LOGITS = Remedy(
    "Tell the loss that it is given logits.",
    "It then applies the softmax or sigmoid itself, and more exactly.",
)
_ACTIVATION = Remedy(
    "Or end the network with the activation that makes probabilities.",
    "Then `predict` answers probabilities, too.",
)
_NO_LOGITS = Remedy(
    "Drop `from_logits=True`: the outputs are probabilities already.",
    "A softmax of probabilities is nearly even, and the loss cannot come near zero.",
)
_ONCE = Remedy(
    "Drop one of the two softmaxes.",
    "A softmax of probabilities is nearly even, and the loss cannot come near zero.",
)


@dataclass(frozen=True)
class Logits(Rule):
    """Logits and probabilities confused.

    ## What it asks

    Does the cross-entropy get what it was told: probabilities, or with `from_logits=True` the scores before
    the softmax or sigmoid?

    ## Why it matters

    Keras takes either without a word. Scores read as probabilities are clipped, most gradients vanish, and the
    loss of ten classes stays near 7; probabilities read as scores pass a second softmax, after which no class
    can be certain.

    ## How it is decided

    For Keras's cross-entropies over one output, from the facts before the first step:

    - `from_logits=False`, and the last activation is none at all, or one that has negative answers and gave
      some (below `-tolerance`) at the first weights;
    - `from_logits=True` after a softmax or sigmoid. Not on TensorFlow, where Keras takes the numbers before
      the activation instead, and the training is that of the right program, unless a softmax of one's own hides
      them: the reported loss is then that of the probabilities, to `tolerance` of it;
    - a softmax on a softmax, with nothing in between.

    ## Thresholds

    `tolerance` = 0.001. Rates: docs/calibration.md.

    ## Known limits

    A softmax that a layer of one's own applies is told by outputs that sum to one in every measured example; a
    sigmoid there is not told. Tanh before a loss that is told logits works, if not well, and is not named.

    ## What to do

    Logits with `from_logits=True`, or probabilities without: one of the two.

    ## References

    Keras documentation, *Probabilistic losses*, argument `from_logits`.
    """

    code = "O003"
    title = "Logits and probabilities confused"
    family = Family.OUTPUT
    before = True

    tolerance: float = 0.001
    """How far a probability may be below zero, and two losses apart that are the same."""

    def assess(self, record: Record) -> Finding:
        """What the loss was told against what it was given."""
        end = head(record)
        if end is None or end.loss not in CATEGORICAL | BINARY:
            return self.unassessed(
                "Not assessed: the loss is not known to be a single cross-entropy of Keras."
            )
        if end.from_logits is None:
            return self.unassessed("Not assessed: whether the loss expects logits is not known.")
        evidence = {"loss": Evidence(end.loss)}
        if end.activation is not None:
            evidence["activation"] = Evidence(end.activation)
        if end.from_logits:
            return self._given_probabilities(record, end, evidence)
        if _twice(record):
            return self.finding(
                Verdict.CONCERN,
                "A softmax stood on a softmax, before the loss `{loss}`.",
                evidence,
                remedies=(_ONCE,),
            )
        return self._given_scores(end, evidence)

    def _given_probabilities(self, record: Record, end: Head, evidence: dict[str, Evidence]) -> Finding:
        wanted = "softmax" if end.loss in CATEGORICAL else "sigmoid"
        known = end.activation in ("softmax", "sigmoid")
        if not known and not (end.activation is None and wanted == "softmax" and end.on_simplex):
            if end.activation is None and not end.contract:
                return self.unassessed("Not assessed: the last activation is not known.")
            return self.finding(
                Verdict.SATISFACTORY, "The loss `{loss}` was given logits, as it was told.", evidence
            )
        if fact(record, "backend") == "tensorflow" and (known or not self._looked_at(end)):
            return self.finding(
                Verdict.SATISFACTORY,
                "The loss `{loss}` was told logits and given probabilities; Keras on TensorFlow took the logits "
                "behind them.",
                evidence,
            )
        name = "`{activation}`" if known else "a softmax"
        template = f"The loss `{{loss}}` was told that it gets logits, and got the probabilities of {name}."
        code = f"loss=keras.losses.{end.facts.get('class')}()"
        remedy = Remedy(_NO_LOGITS.action, _NO_LOGITS.reason, code=code)
        return self.finding(Verdict.CONCERN, template, evidence, remedies=(remedy,))

    def _looked_at(self, end: Head) -> bool:
        """Whether the loss is that of the probabilities; nearly even ones have the same loss either way."""
        reported, recomputed = end.measured("reported_loss"), end.measured("recomputed_loss")
        uneven = end.measured("output_maximum") - end.measured("output_minimum") > 0.2
        return bool(uneven and abs(reported - recomputed) <= self.tolerance * abs(recomputed))

    def _given_scores(self, end: Head, evidence: dict[str, Evidence]) -> Finding:
        low, high = end.measured("output_minimum"), end.measured("output_maximum")
        linear = end.activation == "linear" and not end.on_simplex
        negative = low < -self.tolerance and RANGES.get(end.activation or "", (-1.0, 0.0))[0] < 0.0
        if not (linear or negative):
            if end.activation is None and not end.contract:
                return self.unassessed("Not assessed: neither the last activation nor the outputs are known.")
            return self.finding(
                Verdict.SATISFACTORY, "The loss `{loss}` was given probabilities, as it was told.", evidence
            )
        template = (
            "The loss `{loss}` takes probabilities, and the last layer had no activation"
            if linear
            else ("The loss `{loss}` takes probabilities")
        )
        if low == low and high == high:
            evidence |= {
                "low": Evidence(low, "target", threshold=0),
                "high": Evidence(high, "target", threshold=1),
            }
            template += ": its outputs lay" if linear else "; the outputs lay"
            template += " between {low} and {high} at the first weights"
        wanted = "softmax" if end.loss in CATEGORICAL else "sigmoid"
        told = Remedy(
            _FROM_LOGITS.action,
            _FROM_LOGITS.reason,
            code=f"loss=keras.losses.{end.facts.get('class')}(from_logits=True)",
        )
        ended = Remedy(
            _ACTIVATION.action,
            _ACTIVATION.reason,
            code=f'keras.layers.Dense({end.units or "units"}, activation="{wanted}")',
        )
        return self.finding(
            Verdict.CONCERN, template + ".", evidence, remedies=(told, ended) if linear else (ended,)
        )


def _twice(record: Record) -> bool:
    """Whether the last two layers are softmaxes over several units, one on the other."""
    layers = rows(record, "layers")
    last = [
        row for row in layers if row.get("class") not in ("Sequential", "Functional", "Flatten", "Dropout")
    ][-2:]
    if len(last) < 2 or not all(
        r.get("activation") == "softmax" or r.get("class") == "Softmax" for r in last
    ):
        return False
    inputs = last[1].get("inputs")
    follows = not isinstance(inputs, list) or last[0].get("name") in inputs
    # A layer with weights makes scores anew.
    return follows and last[1].get("class") in ("Activation", "Softmax")
