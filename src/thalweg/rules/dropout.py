"""R002: dropout, noise or augmentation too strong."""

from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.head import last
from thalweg.rules.objective import rows
from thalweg.rules.shortfall import learnable, shortfall


@dataclass(frozen=True)
class Dropout(Rule):
    """Dropout or noise too strong.

    ## What it asks

    Did dropout, noise or augmentation inside the model leave too little to learn from?

    ## Why it matters

    At a rate of 0.9, nine of ten units are silent at each step: what remains is noise about a tenth of the
    network, and training slows down or stops far above what the network could fit.

    ## How it is decided

    A concern needs that the run ended short of a constant prediction or of a simple method (L001, B001), on targets
    of which nothing says that they cannot be learned (D008), and one of these:

    - a layer with a dropout rate of at least `strong`; or one of at least `rate`, and a loss on the probe batch
      in training mode above `ratio` times that in inference mode, at the last look;
    - a layer of Gaussian noise, and a loss in training mode above `ratio` times that in inference mode before the
      first step;
    - a layer that augments at random (`RandomRotation`, ...), and a loss in training mode above `harmful` times that
      in inference mode at the last look.

    ## Thresholds

    `rate` = 0.5, `strong` = 0.8, `ratio` = 1.1, `harmful` = 1.5. Rates: docs/calibration.md. A training loss above
    the validation loss is the ordinary sign of dropout at work, and alone never an alarm.

    ## Known limits

    Several modest rates in a row are not added up. A network that dropout merely slows is not named. Augmentation
    in the pipeline is not seen.

    ## What to do

    A rate of 0.5 at most for hidden layers and 0.2 for inputs, and none before the network overfits.

    ## References

    Srivastava et al., *Dropout*, JMLR 2014, section 7.3 (rates and what they do).
    """

    code = "R002"
    title = "Dropout or noise too strong"
    family = Family.REGULARISATION
    needs = (("loss", "epoch_loss"),)

    rate: float = 0.5
    """Rate that can do harm."""
    strong: float = 0.8
    """Rate that hardly ever helps."""
    ratio: float = 1.1
    """Training-mode loss over inference-mode loss."""
    harmful: float = 1.5
    """The same of augmentation within the model."""

    def assess(self, record: Record) -> Finding:
        """The largest rate, what it does to the loss, and where the run ended; without dropout, other noise."""
        rates = {
            str(row.get("name")): float(row["rate"])
            for row in rows(record, "layers")
            if "Dropout" in str(row.get("class")) and isinstance(row.get("rate"), int | float)
        }
        if not rows(record, "layers"):
            return self.unassessed("Not assessed: the layers are not known.")
        if not rates and (noisy := self._noise(record) or self._augmentation(record)) is not None:
            return noisy
        if not rates:
            return self.finding(Verdict.SATISFACTORY, "No layer of the model drops units out.")
        layer = max(rates, key=lambda name: rates[name])
        training, inference = last(record, "probe_training_loss"), last(record, "probe_loss")
        evidence = {
            "rate": Evidence(rates[layer], "fraction", usual=0.5, threshold=self.rate),
            "layer": Evidence(layer),
        }
        template = "The dropout of `{layer}` silenced {rate} of its inputs"
        series: tuple[str, ...] = ()
        if np.isfinite(training) and np.isfinite(inference):
            evidence["training"] = Evidence(training, "loss", usual=inference)
            series = ("probe_training_loss", "probe_loss")
            template += "; with it the loss on the probe batch was {training}, without {training__usual}"
        felt = rates[layer] >= self.rate and training > self.ratio * inference
        if not (felt or rates[layer] >= self.strong):
            return self.finding(Verdict.SATISFACTORY, f"{template}.", evidence, series=series)
        harm = shortfall(record, kernel=True)
        if harm is None:
            return self.finding(
                Verdict.SATISFACTORY,
                f"{template}, and nothing shows that it fell short.",
                evidence,
                series=series,
            )
        if not learnable(record):
            return self.unassessed(
                "Not assessed: the targets could not be foretold from the inputs (see D008)."
            )
        return self.finding(
            Verdict.CONCERN,
            f"{template}. {harm.words[:1].upper()}{harm.words[1:]}.",
            {**evidence, **harm.evidence},
            series=(*series, *harm.series),
            layer=layer,
            remedies=(
                Remedy(
                    "Lower the dropout rate, or leave the layer out until the network overfits.",
                    "Dropout trades fit for generalisation, and there was no fit to trade.",
                    code="keras.layers.Dropout(0.2)",
                ),
            ),
        )

    def _augmentation(self, record: Record) -> Finding | None:
        """Augmentation within the model that costs more than the examples, in a run that fell short."""
        names = [
            str(r.get("name")) for r in rows(record, "layers") if str(r.get("class")).startswith("Random")
        ]
        training, inference = last(record, "probe_training_loss"), last(record, "probe_loss")
        if not names or not training > self.harmful * inference > 0.0:
            return None
        harm = shortfall(record, kernel=True)
        if harm is None or not learnable(record):
            return None
        return self.finding(
            Verdict.CONCERN,
            "With the augmentation of `{layer}` the loss on the probe batch ended at {training}, without "
            f"{{training__usual}}. {harm.words[:1].upper()}{harm.words[1:]}.",
            {
                "layer": Evidence(names[0]),
                "training": Evidence(training, "loss", usual=inference, threshold=self.harmful * inference),
                **harm.evidence,
            },
            series=("probe_training_loss", "probe_loss", *harm.series),
            layer=names[0],
            remedies=(
                Remedy(
                    "Weaken the augmentation, or leave it out until the network overfits.",
                    "What it changes beyond recognition cannot be learned from.",
                ),
            ),
        )

    def _noise(self, record: Record) -> Finding | None:
        """Gaussian noise beside which the loss of the same examples is another, before the first step already."""
        noise = {
            str(row.get("name")): float(row["stddev"])
            for row in rows(record, "layers")
            if row.get("class") == "GaussianNoise" and isinstance(row.get("stddev"), int | float)
        }
        training, inference = (record.series.get(name) for name in ("probe_training_loss", "probe_loss"))
        if not noise or training is None or inference is None or not (len(training) and len(inference)):
            return None
        layer = max(noise, key=lambda name: noise[name])
        began, quiet = float(training.values[0]), float(inference.values[0])
        harm = shortfall(record, kernel=True)
        if harm is None or not began > self.ratio * quiet or not learnable(record):
            return None
        return self.finding(
            Verdict.CONCERN,
            "The noise of `{layer}` had a standard deviation of {noise}; with it the first loss on the probe batch "
            f"was {{began}}, without {{began__usual}}. {harm.words[:1].upper()}{harm.words[1:]}.",
            {
                "layer": Evidence(layer),
                "noise": Evidence(noise[layer], "activation"),
                "began": Evidence(began, "loss", usual=quiet, threshold=self.ratio * quiet),
                **harm.evidence,
            },
            series=("probe_training_loss", "probe_loss", *harm.series),
            layer=layer,
            remedies=(
                Remedy(
                    "Lower the standard deviation of the noise to a tenth of that of what it is added to.",
                    "Noise above the signal is what the network is asked to fit.",
                    code="keras.layers.GaussianNoise(0.1)",
                ),
            ),
        )
