"""Gradients over depth: what the two rules about them, vanishing and exploding, have in common."""

from collections.abc import Sequence

import numpy as np

from thalweg.finding import Evidence, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.layers import depth_profile, layer_of
from thalweg.rules.objective import progress
from thalweg.rules.shortfall import shortfall
from thalweg.stats import profile


def over_depth(
    rule: Rule, record: Record, *, grows: bool, factor: float, total: float, remedies: Sequence[Remedy]
) -> Finding:
    """The kernels' profile from the output to the input, and the progress of the objective beside it.

    A concern needs both: a gradient that grows (or shrinks) toward the input by more than `factor` per layer and by
    more than `total` over the whole depth, or by ten times `total`, the line leaving level with two standard errors
    to spare; and a run that fell short.
    """
    names, values = depth_profile(record)
    found = profile(values)
    if np.isnan(found.factor):
        return rule.unassessed(
            "Not assessed: a profile over depth takes {count__threshold} kernels with a gradient, and there "
            "were {count}.",
            {"count": Evidence(found.count, "kernels", threshold=4)},
        )
    # The profile runs from the input on: what grows along it shrinks toward the input.
    per_layer, surely = (1.0 / found.factor, 1.0 / found.high) if grows else (found.factor, found.low)
    whole = float(np.exp(np.log(per_layer) * (found.count - 1)))
    evidence = {
        "count": Evidence(found.count, "kernels"),
        "factor": Evidence(per_layer, "1", usual=1.0, threshold=factor),
        "total": Evidence(whole, "1", threshold=total),
    }
    series = tuple(f"gradient_norm/{name}" for name in names)
    did = f"{'grew' if grows else 'shrank'} by a factor of {{factor}} per layer toward the input"
    if not (surely > 1.0 and whole > total and (per_layer > factor or whole > 10.0 * total)):
        return rule.finding(
            Verdict.SATISFACTORY,
            "Over {count} kernels the gradient changed by a factor of {factor} per layer from the "
            + ("output to the input." if grows else "input to the output."),
            evidence,
            series=series,
        )
    short = shortfall(record)
    if short is None and progress(record).adequate is None:
        return rule.unassessed(
            f"Not assessed: the gradient {did}, but whether the loss fell could not be told.", evidence
        )
    if short is None:
        return rule.finding(
            Verdict.SATISFACTORY,
            f"Over {{count}} kernels the gradient {did}, and the run learned all the same.",
            evidence,
            series=series,
        )
    return rule.finding(
        Verdict.CONCERN,
        f"Over {{count}} kernels the gradient {did}, {{total}} in all; {short.words}.",
        {**evidence, **short.evidence},
        series=(*series, *short.series),
        layer=layer_of(names[0]),
        remedies=tuple(remedies),
    )
