"""D008: targets that have nothing to do with the inputs."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Safety, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.objective import number, progress
from thalweg.rules.samples import class_shares


@dataclass(frozen=True)
class UnrelatedLabels(Rule):
    """Targets that have nothing to do with the inputs.

    ## What it asks

    Could anything be foretold of the targets: did the network ever do better than a constant on examples that
    it did not train on, and does a kernel method?

    ## Why it matters

    Where inputs were shuffled and targets were not, no change of network, loss or learning rate helps. A large
    network still drives its training loss to zero, by heart.

    ## How it is decided

    All of these, on `examples` or more:

    - a kernel method (ridge regression; straight lines, circles, neighbours), cross-validated, does no better on the
      targets than on permuted targets: the share of permutations that did as well is `p` or more, or over `sure`
      with a score within three standard errors of that by chance; and, for classes, with all classes of equal
      weight its mean recall is within three standard errors of chance, for where one class has nearly all
      examples the accuracy is that of any permutation;
    - on the validation data the network was no better than a constant prediction: of the losses three in four not
      under it by `below` of it, and no accuracy above the commonest class by more than chance has it in one of
      700 such runs; there were 3 validations at least. Without validation data: its training loss made no
      adequate progress.

    ## Thresholds

    `p` = 0.05, `sure` = 0.01, `below` = 0.02, `examples` = 200. By construction a twentieth of all data with a
    signal that is just not there pass the first test; the network's own failure is what makes the alarm. Rates:
    docs/calibration.md.

    ## Known limits

    Targets that only a deep network can foretell (parities, images of many kinds, order in sequences) look
    like no targets at all to the kernel method; it takes the network's failure as well.
    Regressions of weak signals (under 2 % of the variance) are what this rule says they are.

    ## What to do

    Check that row i of the inputs and row i of the targets are the same example.

    ## References

    Ojala & Garriga, *Permutation Tests for Studying Classifier Performance*, J. Mach. Learn. Res. 11, 2010.
    Zhang et al., *Understanding Deep Learning Requires Rethinking Generalization*, ICLR 2017.
    """

    code = "D008"
    title = "Targets that have nothing to do with the inputs"
    family = Family.DATA
    needs = (("loss", "epoch_loss"),)

    p: float = 0.05
    """Share of the permutations that did as well."""
    sure: float = 0.01
    """The same of a signal that need not be large."""
    below: float = 0.02
    """How far a loss lies below a constant prediction's that shows something learned, as a share of it."""
    examples: int = 200
    """Fewest examples of the sample."""

    def assess(self, record: Record) -> Finding:
        """The kernel method first, then the network."""
        p, score, chance = (number(record, "data", "signal", key) for key in ("p", "score", "chance"))
        if not (np.isfinite(score) and np.isfinite(chance) and 0.0 < p <= 1.0):
            return self.unassessed(
                "Not assessed: the record does not say whether a kernel method can foretell the targets."
            )
        evidence = {
            "score": Evidence(score, "fraction", usual=chance),
            "p": Evidence(p, "", threshold=self.p),
        }
        measure = "accuracy" if class_shares(record) is not None else "explained variance"
        template = (
            f"A kernel method foretold the targets with {{score}} {measure}, beside "
            f"{{score__usual}} "
            "for permuted targets (p = {p})"
        )
        if p < self.p and (p <= self.sure or score > chance + self._error(record, chance)):
            return self.finding(Verdict.SATISFACTORY, f"{template}.", evidence)
        if (recall := _recall(record)) is not None:
            return self.unassessed(
                "Not assessed: a kernel method did no better than on permuted targets (p = {p}), but its mean recall "
                "over the classes was {recall}, where chance has {recall__usual}.",
                {**evidence, "recall": recall},
            )
        if not number(record, "data", "examples") >= self.examples:
            return self.unassessed(
                "Not assessed: a sample of fewer than {least} examples is too small to tell.",
                {"least": Evidence(self.examples, "examples")},
            )
        failed = self._failed(record)
        if failed is None:
            return self.unassessed(
                "Not assessed: a kernel method could not foretell the targets (p = {p}), and the network is "
                "not shown to have failed.",
                evidence,
            )
        words, found, series = failed
        return self.finding(
            Verdict.CONCERN,
            f"{template}; {words}.",
            {**evidence, **found},
            series=series,
            remedies=(
                Remedy(
                    "Check that inputs and targets still belong together: print a few examples with their "
                    "targets, and shuffle both by one permutation.",
                    "What one array lost its order by, the other has to lose it by too.",
                    Safety.MANUAL,
                    code="order = np.random.default_rng(0).permutation(len(x)); x, y = x[order], y[order]",
                ),
                Remedy(
                    "Do not tune the network before a simple model beats a constant.",
                    "No optimizer finds a relation that is not there.",
                    Safety.MANUAL,
                ),
            ),
        )

    def _error(self, record: Record, chance: float) -> float:
        """Three standard errors of an accuracy by chance; of explained variance as much as is worth a word."""
        if class_shares(record) is None:
            return self.below
        count = min(
            max(number(record, "data", "examples"), 1.0), 512.0
        )  # as many the kernel method is asked about
        return 3.0 * float(np.sqrt(max(chance * (1.0 - chance), 0.0) / count))

    def _failed(self, record: Record) -> tuple[str, dict[str, Evidence], tuple[str, ...]] | None:
        """What shows that the network learned nothing that holds for other examples."""
        validation, made = record.series.get("validation_loss"), progress(record)
        if validation is None or not len(validation):
            if made.adequate is not False:
                return None
            loss = Evidence(made.final, "loss", usual=made.start)
            return "the training loss went from {loss__usual} to {loss}", {"loss": loss}, ("loss",)
        accuracy, shares = record.series.get("validation_accuracy"), class_shares(record)
        if len(validation) < 3:
            return None
        low = float(np.quantile(validation.values, 0.25))  # the first ones may be low by chance
        if accuracy is not None and shares is not None and len(accuracy):
            commonest, best = float(np.max(shares)), float(np.max(accuracy.values))
            count = number(record, "data", "validation", "examples")
            error = np.sqrt(commonest * (1.0 - commonest) / (count if count >= 1.0 else 200.0))
            line = commonest + _deviations(len(accuracy)) * float(error)
            if not best <= line or low < made.constant - self.below * abs(made.constant):
                return None
            found = Evidence(best, "fraction", usual=commonest, threshold=line)
            words = "the best validation accuracy was {best}, and the commonest class has {best__usual}"
            return words, {"best": found}, ("validation_accuracy", "validation_loss")
        line = made.constant - self.below * abs(made.constant)
        if not low >= line:
            return None
        found = Evidence(low, "loss", usual=made.constant, threshold=line)
        words = (
            "three in four validation losses were {best} or more, and a constant prediction has {best__usual}"
        )
        return words, {"best": found}, ("validation_loss",)


def _deviations(looks: int) -> float:
    """Standard errors that the best of so many looks is above by chance as rarely as one look is above three."""
    return NormalDist().inv_cdf(1.0 - 0.00135 / max(looks, 1))


def _recall(record: Record) -> Evidence | None:
    """The mean recall of a kernel method that weighs all classes alike, where it is above chance."""
    shares, found = class_shares(record), number(record, "data", "signal", "balanced")
    examples = number(record, "data", "examples")
    if shares is None or not (examples >= 1.0 and np.isfinite(found)):
        return None
    # The kernel method is asked about 512 examples at most.
    counts = np.maximum(shares[shares > 0.0] * min(examples, 512.0), 1.0)
    chance = 1.0 / len(counts)
    error = np.sqrt(chance * (1.0 - chance) * np.sum(1.0 / counts)) / len(counts)
    line = chance + 3.0 * float(error)
    return Evidence(found, "fraction", usual=chance, threshold=line) if found > line else None
