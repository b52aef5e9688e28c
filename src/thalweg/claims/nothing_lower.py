"""Whether training again from nearby finds anything lower."""

from dataclasses import dataclass

import numpy as np

from thalweg.certificate import Claim, Status
from thalweg.claims.gain import MATERIAL, gain
from thalweg.finding import Evidence
from thalweg.question import StudyQuestion
from thalweg.stats.paired import paired
from thalweg.study import Study
from thalweg.study_examination import Basin, StudyExamination


@dataclass(frozen=True)
class NothingLower(StudyQuestion):
    """Perturbed restarts from the lowest solution return to its loss, and neither they nor more training go lower.

    The weights are moved along random directions, filter-normalised (Li et al., *Visualizing the Loss Landscape of
    Neural Nets*, NeurIPS 2018), and trained again with the run's own optimizer; so is a control that was not moved,
    on the same batches: what more training gains on the examples at hand, the control gains too. Losses closer than a
    share `material` of what training gained are the same; the intervals of the restarts hold together with
    probability 1 - `miss`. Refuted where a restart ends lower than the control, or where the control itself goes
    lower and all of the training examples were had; on a part of them a lower loss may be that part learnt by heart.
    How wide the basin is stands beside it: the radii at which the loss has risen by the same share.
    """

    name = "nothing-lower"
    statement = "Nothing lower lies nearby."
    part = "restarts"
    fewest = 1
    assumptions = (
        "A few random directions stand for all of them.",
        "The training steps of the restarts suffice to reach what is there.",
    )

    material: float = MATERIAL
    miss: float = 0.01

    def answer(self, study: Study, examination: StudyExamination) -> Claim:
        """The claim, from the ends of the restarts against the end of the control, and of that against its start."""
        made = examination.restarts
        assert made is not None
        scope = f"{examination.which}; {len(made.ends)} restarts of {made.steps:,} steps"
        margin = self.material * (gained := gain(study, examination))
        found = [paired(end, made.control, self.miss / max(2 * len(made.ends), 1)) for end in made.ends]
        more = paired(made.control, made.start, self.miss / 2.0)
        if np.isnan(margin) or not found or np.isnan([more.upper, *(each.upper for each in found)]).any():
            why = "what training gained is not known" if np.isnan(margin) else "a loss was not finite"
            return self.open("Not told: {why}.", {"why": Evidence(why)}, scope=scope)
        with np.errstate(over="ignore", invalid="ignore"):
            lift = float(np.mean(made.lifted)) - float(np.mean(made.start))
        evidence = {
            "run": Evidence(study.called(made.run)),
            "restarts": Evidence(len(found), "restarts"),
            "steps": Evidence(made.steps, "steps"),
            "learning_rate": Evidence(made.learning_rate),
            "radius": Evidence(made.radius, "fraction"),
            "lift": Evidence(lift, "loss"),
            "start": Evidence(float(np.mean(made.start)), "loss"),
            "lowest": Evidence(min(each.difference for each in found), "loss", threshold=-margin),
            "highest": Evidence(max(each.difference for each in found), "loss", threshold=margin),
            "lower": Evidence(min(each.lower for each in found), "loss", threshold=-margin),
            "upper": Evidence(max(each.upper for each in found), "loss", threshold=margin),
            "more": Evidence(more.difference, "loss", threshold=-margin),
            "share": Evidence(self.material, "fraction"),
            "gain": Evidence(gained, "loss"),
        }
        width = " The move raised the loss by no more than that." if lift <= margin else ""
        if examination.basin is not None and examination.basin.run == made.run:
            reached = _width(examination.basin, margin)
            evidence |= {
                "narrow": Evidence(reached[0], "fraction"),
                "wide": Evidence(reached[1], "fraction"),
                "directions": Evidence(len(reached[2]), "directions"),
            }
            width += _widths(reached)
        lifted = "Moved by {radius} of its filters' length, {run} rose by {lift}"
        if min(each.upper for each in found) < -margin:
            return self.claim(
                Status.REFUTED,
                lifted
                + "; trained again for {steps} steps, a restart ended {lowest} from where the unmoved one did, lower "
                "by more than {share} of what training gained." + width,
                evidence,
                scope=scope,
            )
        if more.upper < -margin:
            if examination.whole:
                return self.claim(
                    Status.REFUTED,
                    "Trained {steps} steps more, {run} alone changed its loss by {more}, more than {share} of what "
                    "training gained." + width,
                    evidence,
                    scope=scope,
                )
            return self.open(
                "Trained {steps} steps more on a part of its examples, {run} changed its loss on them by {more}: it "
                "may have learnt them by heart." + width,
                evidence,
                scope=scope,
            )
        if evidence["lower"].value >= -margin and evidence["upper"].value <= margin and more.lower >= -margin:  # type: ignore[operator]
            return self.claim(
                Status.ESTABLISHED,
                lifted
                + "; trained again for {steps} steps, {restarts} restarts ended {lowest} to {highest} from where the "
                "unmoved one did. {upper__threshold} is {share} of what training gained." + width,
                evidence,
                scope=scope,
            )
        return self.open(
            lifted
            + "; trained again for {steps} steps, {restarts} restarts ended {lowest} to {highest} from where the "
            "unmoved one did. Surely within {upper__threshold}, {share} of what training gained, they would be back."
            + width,
            evidence,
            scope=scope,
        )


def _widths(reached: tuple[float, float, list[float]]) -> str:
    if np.isinf(reached[0]):
        return " In none of {directions} directions did the loss rise by as much."
    if np.isinf(reached[1]):
        return " In {directions} directions the loss rose by as much at {narrow} or farther."
    return " In {directions} directions the loss rose by as much at {narrow} to {wide}."


def _width(basin: Basin, rise: float) -> tuple[float, float, list[float]]:
    """The smallest and the largest radius at which the loss has risen so much, over the directions; and all of them.

    On the straight line between two radii; infinite where it was not reached. A loss that is not finite has risen.
    """
    radii = np.concatenate([[0.0], basin.radii])
    found = []
    for course in basin.rises:
        rises = np.concatenate([[0.0], np.where(np.isnan(course), np.inf, course)])
        over = np.flatnonzero(rises >= rise)
        if not len(over):
            found.append(np.inf)
            continue
        last = int(over[0])
        share = (rise - rises[last - 1]) / (rises[last] - rises[last - 1]) if last else 0.0
        found.append(float(radii[last - 1] + share * (radii[last] - radii[last - 1])))
    return min(found, default=np.inf), max(found, default=np.inf), found
