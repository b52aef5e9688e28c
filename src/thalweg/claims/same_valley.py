"""Whether several solutions lie in one valley."""

from dataclasses import dataclass

import numpy as np

from thalweg.certificate import Claim, Status
from thalweg.claims.gain import MATERIAL, gain
from thalweg.finding import Evidence
from thalweg.question import StudyQuestion
from thalweg.stats.barrier import Barrier, barrier
from thalweg.study import Study
from thalweg.study_examination import Line, StudyExamination


@dataclass(frozen=True)
class SameValley(StudyQuestion):
    """The straight lines between the solutions have no barrier, once hidden units are put in the same order.

    The barrier is the largest rise of the training loss above the chord (Frankle et al., *Linear Mode Connectivity
    and the Lottery Ticket Hypothesis*, ICML 2020). Hidden units are matched by their weights (Ainsworth, Hayase &
    Srinivasa, *Git Re-Basin*, ICLR 2023). A rise of at most a share `material` of what training gained is none.
    Established where every line has none, before matching or after; refuted where one has one both before and after.
    Each bound holds with probability 1 - `miss`. Where a barrier stands and hidden units cannot be matched it stays
    open: another order of the same units is another place.
    """

    name = "same-valley"
    statement = "The solutions lie in one valley, but for the order of hidden units."
    part = "lines"
    assumptions = (
        "A barrier on the straight line leaves open whether a curved path around it exists.",
        "Matching by weights finds a good order of the hidden units, not always the best one; other symmetries "
        "(signs, scales) are not undone.",
        "Between the positions that were looked at the loss rises no further.",
    )

    material: float = MATERIAL
    miss: float = 0.01

    def answer(self, study: Study, examination: StudyExamination) -> Claim:
        """The claim, from the barrier on each line before matching and after."""
        assert examination.lines is not None
        scope = f"{examination.which}; {examination.mode}"
        pairs = len(study) * (len(study) - 1) // 2
        margin = self.material * (gained := gain(study, examination))
        measured = [(line, self._barriers(line)) for line in examination.lines]
        measured = [(line, barriers) for line, barriers in measured if not np.isnan(barriers[0].height)]
        lines, both = [line for line, _ in measured], [barriers for _, barriers in measured]
        if not lines or np.isnan(margin):
            why = "no line joins two finite losses" if not lines else "what training gained is not known"
            return self.open("Not looked at: {why}.", {"why": Evidence(why)}, scope=scope)
        before = [barriers[0] for barriers in both]
        best = [min(each, key=lambda barrier: barrier.upper) for each in both]
        matched = [barriers[1] for barriers in both if len(barriers) > 1]
        worst = int(np.argmax([each.height for each in best]))
        line = lines[worst]
        evidence = {
            "lines": Evidence(len(lines), "lines"),
            "pairs": Evidence(pairs, "pairs"),
            "gain": Evidence(gained, "loss"),
            "share": Evidence(self.material, "fraction"),
            "before": Evidence(max(each.height for each in before), "loss", threshold=margin),
            "barrier": Evidence(best[worst].height, "loss", threshold=margin),
            "lower": Evidence(max(each.lower for each in best), "loss", threshold=margin),
            "upper": Evidence(max(each.upper for each in best), "loss", threshold=margin),
            "first": Evidence(study.called(line.first)),
            "second": Evidence(study.called(line.second)),
            "position": Evidence(best[worst].position),
            "apart": Evidence(sum(each.lower > margin for each in best), "lines"),
        }
        if matched:
            evidence["after"] = Evidence(max(each.height for each in matched), "loss", threshold=margin)
            evidence["units"] = Evidence(line.units, "units")
            evidence["moved"] = Evidence(line.moved, "units")
        drop = ", before hidden units were matched by up to {before}" if matched else ""
        if len(lines) < pairs:
            scope += f"; {len(lines)} of {pairs} pairs of runs"
        if all(each.upper <= margin for each in best):
            if len(lines) < pairs:
                return self.open(
                    "On {lines} of {pairs} lines between runs the loss rises by at most {upper}; the others were not "
                    "looked at.",
                    evidence,
                    scope=scope,
                )
            alone = all(each.upper <= margin for each in before)
            evidence["valley"] = Evidence("the same" if alone else "the same by permutation")
            return self.claim(
                Status.ESTABLISHED,
                "On {lines} straight lines between runs the loss rises by at most {upper} above the chord"
                + ("" if alone else ", once hidden units are in the same order; before, by {before}")
                + ". {upper__threshold} is {share} of what training gained.",
                evidence,
                scope=scope,
            )
        if any(one.lower > margin and len(each) > 1 for one, each in zip(best, both, strict=True)):
            evidence["valley"] = Evidence("another")
            return self.claim(
                Status.REFUTED,
                "On the straight line from {first} to {second} the loss rises by {barrier} above the chord"
                + drop
                + ", where "
                "{barrier__threshold} ({share} of what training gained) would be none.",
                evidence,
                scope=scope,
            )
        evidence["why"] = Evidence(
            examination.missing.get("matching", "the error over examples is too large")
        )
        return self.open(
            "On the straight line from {first} to {second} the loss rises by {barrier} above the chord"
            + drop
            + ", where "
            "{barrier__threshold} would be none: {why}.",
            evidence,
            scope=scope,
        )

    def _barriers(self, line: Line) -> list[Barrier]:
        """Before matching and, where there was any, after."""
        courses = [line.losses, *([] if line.matched is None else [line.matched])]
        return [barrier(line.positions, losses, self.miss) for losses in courses]
