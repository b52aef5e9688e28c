"""Whether several seeds end at the same loss."""

from dataclasses import dataclass

import numpy as np

from thalweg.certificate import Claim, Status
from thalweg.claims.gain import MATERIAL, gain, level
from thalweg.finding import Evidence
from thalweg.question import StudyQuestion
from thalweg.stats.agreement import Agreement, agreement
from thalweg.stats.robust import median
from thalweg.study import Study
from thalweg.study_examination import StudyExamination


@dataclass(frozen=True)
class SeedsAgree(StudyQuestion):
    """The runs end at the same loss, to within a share `material` of what training gained.

    All runs are measured on the same examples, and any two of them compared by the difference on each group of them.
    Established where no two can differ by more than that share, refuted where two differ by more, by Student's
    intervals that all hold together with probability 1 - `miss` (Bonferroni). A run whose loss is not finite refutes
    it. Each answer says which spread between seeds so many of them would have shown: the
    chance is `power` that two of them, drawn from a normal distribution that wide, differ significantly. It is no
    statement about seeds that were not tried.
    """

    name = "seeds-agree"
    statement = "The seeds end at the same loss."
    part = "losses"
    assumptions = ("The examples that were looked at stand for the others.",)

    material: float = MATERIAL
    miss: float = 0.01
    power: float = 0.8

    def answer(self, study: Study, examination: StudyExamination) -> Claim:
        """The claim, from the training losses; clearly different validation losses refute it too."""
        assert examination.losses is not None
        training, validation = examination.losses.training, examination.losses.validation
        scope = f"{examination.which}, {examination.validation:,} validation examples"
        levels = level(training)
        astray = [study.called(run) for run, loss in enumerate(levels) if not np.isfinite(loss)]
        if len(astray) == len(levels):
            return self.open("No run ended with a finite loss.", scope=scope)
        if astray:
            evidence = {
                "astray": Evidence(len(astray), "runs"),
                "runs": Evidence(len(levels), "runs"),
                "names": Evidence(", ".join(astray)),
            }
            return self.claim(
                Status.REFUTED,
                "{astray} of {runs} runs ended with a loss that is not finite: {names}.",
                evidence,
                scope=scope,
            )
        gained = gain(study, examination)
        margin = self.material * gained
        found, checked = (agreement(each, self.miss, self.power) for each in (training, validation))
        evidence = {
            "runs": Evidence(found.runs, "runs"),
            "low": Evidence(float(levels.min()), "loss"),
            "high": Evidence(float(levels.max()), "loss"),
            "share": Evidence(self.material, "fraction"),
            "gain": Evidence(gained, "loss"),
            "power": Evidence(self.power, "fraction"),
            "spread": Evidence(found.spread, "loss"),
            "detectable": Evidence(found.detectable, "loss"),
            **_bounds("", found, margin),
        }
        shown = " {runs} seeds would have shown a spread of {detectable} between them in {power} of cases."
        if np.isnan(margin):
            return self.open(
                "What training gained is not known, and so not which difference matters: the runs ended at {low} to "
                "{high}, no two of them more than {upper} apart." + shown,
                evidence,
                scope=scope,
            )
        if found.lower > margin:
            evidence["apart"] = Evidence(study.called(_farthest(levels, found)))
            return self.claim(
                Status.REFUTED,
                "The runs ended at a training loss of {low} to {high}, at least {lower} apart: more than "
                "{lower__threshold}, {share} of what training gained. Farthest from the others was {apart}.",
                evidence,
                scope=scope,
            )
        evidence |= _bounds("validation_", checked, margin) if checked.runs > 1 else {}
        if checked.lower > margin:
            evidence["apart"] = Evidence(study.called(_farthest(level(validation), checked)))
            return self.claim(
                Status.REFUTED,
                "The validation losses lie at least {validation_lower} apart, where {lower__threshold} ({share} of "
                "what training gained) would be the same; farthest from the others was {apart}.",
                evidence,
                scope=scope,
            )
        if found.upper <= margin:
            beside = " Validation losses may differ by {validation_upper}." if checked.runs > 1 else ""
            return self.claim(
                Status.ESTABLISHED,
                "{runs} runs ended at a training loss of {low} to {high}: no two differ by more than {upper}, where "
                "{upper__threshold} is {share} of what training gained." + beside + shown,
                evidence,
                scope=scope,
            )
        return self.open(
            "The runs ended at a training loss of {low} to {high}: two of them may be {upper} apart, and more than "
            "{upper__threshold} ({share} of what training gained) would matter." + shown,
            evidence,
            scope=scope,
        )


def _bounds(prefix: str, found: Agreement, margin: float) -> dict[str, Evidence]:
    return {
        f"{prefix}largest": Evidence(found.largest, "loss"),
        f"{prefix}lower": Evidence(max(found.lower, 0.0), "loss", threshold=margin),
        f"{prefix}upper": Evidence(found.upper, "loss", threshold=margin),
    }


def _farthest(levels: np.typing.NDArray[np.float64], found: Agreement) -> int:
    """Of the two runs that lie farthest apart the one that lies farther from the median."""
    assert found.pair is not None
    middle = median(levels)
    return max(found.pair, key=lambda run: abs(float(levels[run]) - middle))
