"""L001: the loss is not decreasing."""

from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Safety, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.objective import GAIN, Progress, objective, progress
from thalweg.rules.shortfall import Shortfall, shortfall, underway


@dataclass(frozen=True)
class Stalled(Rule):
    """Loss not decreasing.

    ## What it asks

    Is the training loss at the end of the run lower than at its beginning?

    ## Why it matters

    It is the least that training can do. Where the loss did not fall, nothing else in this report is worth
    reading first.

    ## How it is decided

    The mean of the last quarter of the losses, with a standard error from batch means that knows their
    autocorrelation (Student's t), against the median of the first losses (ten, or a fiftieth of them up to
    fifty) with theirs, or the first epoch's loss in a log of epochs. Lower by 2 % with 99 % confidence: the
    loss fell. Not lower by 2 % with 99 % confidence: it did not. Between the two the answer is "cannot tell":
    that a fall was not found is no proof of its absence. But where the probe batch shows less than a linear model
    has, the fall was less than `little` with 99 % confidence and the second half of the run shows none, it is a
    concern: there was more to gain.

    A run that ends below half of the loss of a constant prediction is satisfactory wherever it began:
    fine-tuning starts near its floor.

    ## Thresholds

    2 % of the starting loss (behind a linear model `little` = 0.1 of it), 99 % confidence; 100 steps or 5 epochs at
    least. Healthy synthetic runs of seven shapes, 320 each (300 and 3,000 steps, noise up to 20 %, its neighbours
    correlated by 0 and 0.9): no alarm (0 to 1.2 % for each shape, `benchmarks/error_rates.py`).

    On real Keras programs: the zoo's tables in docs/calibration.md.

    ## Known limits

    In a log that holds epochs only, what was learned within the first epoch cannot be seen; a run that
    reached its floor there looks like one that never moved. A loss near zero that can be negative has no
    natural 2 %.

    ## What to do

    Check the learning rate by a range test, then that data and labels belong together.

    ## References

    Smith, *Cyclical Learning Rates for Training Neural Networks*, WACV 2017 (range test). Law & Kelton,
    *Operations Research* 32, 1984 (batch means).
    """

    code = "L001"
    title = "Loss not decreasing"
    family = Family.OUTCOME
    needs = (("loss", "epoch_loss", "probe_loss"),)

    little: float = 0.1
    """Share of the starting loss under which a fall is none, where a linear model shows more to gain."""

    def assess(self, record: Record) -> Finding:
        """The last losses against the first."""
        series, made = objective(record), progress(record)
        assert series is not None
        if not np.isfinite(series.values[-1]):
            return self.unassessed("Not assessed: the last loss was not finite.")
        evidence = {"count": Evidence(made.count, "losses"), "start": Evidence(made.start, series.unit)}
        if not np.isfinite(made.final):
            return self.unassessed(
                "Not assessed: the record holds too few losses to tell, {count}.", evidence
            )
        line = made.start - GAIN * abs(made.start)
        evidence["final"] = Evidence(made.final, series.unit, usual=made.start, threshold=line)
        if made.fell:
            evidence["ended"] = Evidence(made.ended, series.unit)
            return self.finding(
                Verdict.SATISFACTORY,
                "The loss fell from {start} to {ended}.",
                evidence,
                series=(series.name,),
            )
        if made.adequate:
            evidence["constant"] = Evidence(made.constant, series.unit)
            evidence["ended"] = Evidence(made.ended, series.unit)
            return self.finding(
                Verdict.SATISFACTORY,
                "The loss ended at {ended}, where a constant prediction has {constant}; it began at {start}.",
                evidence,
                series=(series.name,),
            )
        short = self._short(record, made)
        if made.fell is None and short is None:
            evidence["low"], evidence["high"] = (
                Evidence(made.low, series.unit),
                Evidence(made.high, series.unit),
            )
            return self.unassessed(
                "Not assessed: the loss began at {start} and its last level lies between {low} and {high}, "
                "too uncertain to tell whether it fell.",
                evidence,
            )
        evidence["low"] = Evidence(made.low, series.unit, threshold=line)
        template = "The loss did not decrease over {count} losses: it began at {start} and its last level was {final}"
        if short is not None:
            evidence |= {"fall": Evidence(_most(made), "fraction", threshold=self.little), **short.evidence}
            template = (
                "Over {count} losses the loss fell by less than {fall}: it began at {start} and its last level was "
                f"{{final}}; {short.words}"
            )
        return self.finding(
            Verdict.CONCERN,
            f"{template}.",
            evidence,
            series=(
                series.name,
                *(short.series if short is not None else ()),
                "gradient_norm",
                "learning_rate",
            ),
            remedies=(
                Remedy(
                    "Try learning rates from 1e-5 to 1 on a few hundred steps each, and take a third of "
                    "the largest that falls.",
                    "A rate too low or too high by a factor of ten or more is the commonest cause.",
                ),
                Remedy(
                    "Train on ten examples only until the loss is near zero.",
                    "If that fails, the fault is in the model, loss or labels and not in the optimizer.",
                    Safety.MANUAL,
                ),
                Remedy(
                    "Check that the rows of inputs and targets still belong together after shuffling or "
                    "splitting.",
                    "Labels of other examples cannot be learned from these inputs.",
                    Safety.MANUAL,
                ),
                Remedy(
                    "Check that the last activation, the loss and its `from_logits` fit each other.",
                    "A wrong pair can have no gradient where it should.",
                    Safety.MANUAL,
                ),
            ),
        )

    def _short(self, record: Record, made: Progress) -> Shortfall | None:
        """What a run that fell by little, if at all, is behind: a linear model; None where that is not shown."""
        if made.fell is not None or not _most(made) < self.little:
            return None
        short = shortfall(record)
        return short if short is not None and short.linear and not underway(record, short) else None


def _most(made: Progress) -> float:
    """The most that the loss may have fallen by, with 99 % confidence, as a share of where it began."""
    return (made.start - made.lowest) / abs(made.start) if made.start else np.nan
