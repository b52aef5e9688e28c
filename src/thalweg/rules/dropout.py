"""R002: dropout, noise or augmentation too strong."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.head import last
from thalweg.rules.objective import GAIN, number, rows
from thalweg.rules.shortfall import learnable, shortfall


@dataclass(frozen=True, slots=True)
class _Disturbance:
    """What a layer does in training alone, and whether the loss felt it."""

    layer: str
    felt: bool
    words: str
    evidence: Mapping[str, Evidence]
    series: tuple[str, ...]
    remedy: Remedy


@dataclass(frozen=True)
class Dropout(Rule):
    """Dropout, noise or augmentation too strong.

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
      in inference mode at the last look;
    - a `RandomRotation` or `RandomTranslation` by `turned` or more, of a full turn or of the size either way, in a
      run that ended less than `way` of the way from chance to what a kernel method has, or short of a linear model.
      A network that learned neither the turned examples nor the others has two losses that are alike. At a quarter of
      a turn no side is up any more, and of a picture shifted by a quarter along both sides about half is left at the
      worst.

    ## Thresholds

    `rate` = 0.5, `strong` = 0.8, `ratio` = 1.1, `harmful` = 1.5, `turned` = 0.25, `way` = 0.5. Rates:
    docs/calibration.md. A training loss above the validation loss is the ordinary sign of dropout at work, and alone
    never an alarm.

    ## Known limits

    Several modest rates in a row are not added up. Noise is not judged where the probe batch was full only after some
    steps. A network that dropout merely slows is not named. Augmentation in the pipeline is not seen, nor are flips
    and other layers whose two losses are alike.

    ## What to do

    A rate of 0.5 at most for hidden layers and 0.2 for inputs, and none before the network overfits.

    ## References

    Srivastava et al., *Dropout*, JMLR 2014, section 7.3 (rates and what they do).
    """

    code = "R002"
    title = "Dropout, noise or augmentation too strong"
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
    turned: float = 0.25
    """Turn or shift either way, of a full turn or of the size, that the classes may not survive."""
    way: float = 0.5
    """Share of the way from chance to a kernel method."""

    def assess(self, record: Record) -> Finding:
        """What dropout, noise and augmentation do to the loss, and where the run ended."""
        if not rows(record, "layers"):
            return self.unassessed("Not assessed: the layers are not known.")
        asked = (self._dropped(record), self._noise(record), self._augmentation(record))
        found = [disturbance for disturbance in asked if disturbance is not None]
        if not found:
            return self.finding(Verdict.SATISFACTORY, "No layer of the model drops units out.")
        most = next((disturbance for disturbance in found if disturbance.felt), found[0])
        if not most.felt:
            return self.finding(Verdict.SATISFACTORY, f"{most.words}.", most.evidence, series=most.series)
        harm = shortfall(record, kernel=True)
        if harm is None:
            return self.finding(
                Verdict.SATISFACTORY,
                f"{most.words}, and nothing shows that it fell short.",
                most.evidence,
                series=most.series,
            )
        if not learnable(record):
            return self.unassessed(
                "Not assessed: the targets could not be foretold from the inputs (see D008)."
            )
        return self.finding(
            Verdict.CONCERN,
            f"{most.words}. {harm.words[:1].upper()}{harm.words[1:]}.",
            {**most.evidence, **harm.evidence},
            series=(*most.series, *harm.series),
            layer=most.layer,
            remedies=(most.remedy,),
        )

    def _dropped(self, record: Record) -> _Disturbance | None:
        rates = {
            str(row.get("name")): float(row["rate"])
            for row in rows(record, "layers")
            if "Dropout" in str(row.get("class")) and isinstance(row.get("rate"), int | float)
        }
        if not rates:
            return None
        layer = max(rates, key=lambda name: rates[name])
        training, inference = last(record, "probe_training_loss"), last(record, "probe_loss")
        evidence = {
            "rate": Evidence(rates[layer], "fraction", usual=0.5, threshold=self.rate),
            "layer": Evidence(layer),
        }
        words = "The dropout of `{layer}` silenced {rate} of its inputs"
        series: tuple[str, ...] = ()
        # Losses that are all but alike are no evidence of what it did.
        if abs(training - inference) > GAIN * abs(inference):
            evidence["training"] = Evidence(training, "loss", usual=inference)
            words += "; with it the loss on the probe batch was {training}, without {training__usual}"
            series = _LOSSES
        felt = rates[layer] >= self.rate and training > self.ratio * inference
        return _Disturbance(
            layer, felt or rates[layer] >= self.strong, words, evidence, series, _LESS_DROPOUT
        )

    def _noise(self, record: Record) -> _Disturbance | None:
        """Gaussian noise, beside which the loss of the same examples may be another before the first step already."""
        noise = {
            str(row.get("name")): float(row["stddev"])
            for row in rows(record, "layers")
            if row.get("class") == "GaussianNoise" and isinstance(row.get("stddev"), int | float)
        }
        training, inference = (record.series.get(name) for name in _LOSSES)
        if not noise or training is None or inference is None or not (len(training) and len(inference)):
            return None
        if training.steps[0] > 0 or inference.steps[0] > 0:
            return None  # what the noise cost at first is not known
        layer = max(noise, key=lambda name: noise[name])
        began, quiet = float(training.values[0]), float(inference.values[0])
        words = (
            "The noise of `{layer}` had a standard deviation of {noise}; with it the first loss on the probe batch "
            "was {began}, without {began__usual}"
        )
        evidence = {
            "layer": Evidence(layer),
            "noise": Evidence(noise[layer], "activation"),
            "began": Evidence(began, "loss", usual=quiet, threshold=self.ratio * quiet),
        }
        return _Disturbance(layer, began > self.ratio * quiet, words, evidence, _LOSSES, _LESS_NOISE)

    def _augmentation(self, record: Record) -> _Disturbance | None:
        """Augmentation within the model, which may cost more than the examples."""
        layers = rows(record, "layers")
        names = [str(row.get("name")) for row in layers if str(row.get("class")).startswith("Random")]
        training, inference = last(record, "probe_training_loss"), last(record, "probe_loss")
        if not names or not (np.isfinite(training) and np.isfinite(inference)):
            return None
        words = (
            "With the augmentation of `{layer}` the loss on the probe batch ended at {training}, without "
            "{training__usual}"
        )
        evidence = {
            "layer": Evidence(names[0]),
            "training": Evidence(training, "loss", usual=inference, threshold=self.harmful * inference),
        }
        felt = training > self.harmful * inference > 0.0
        turning = [row for row in layers if row.get("class") in _TURNS]
        strengths = [
            float(row["strength"]) if isinstance(row.get("strength"), int | float) else 0.0 for row in turning
        ]
        if not felt and max(strengths, default=0.0) >= self.turned and self._far(record):
            row, strength = turning[int(np.argmax(strengths))], max(strengths)
            name, words = str(row.get("name")), f"The layer `{{layer}}` {_TURNS[str(row['class'])]}"
            evidence = {
                "layer": Evidence(name),
                "strength": Evidence(strength, "fraction", threshold=self.turned),
            }
            return _Disturbance(name, True, words, evidence, (), _LESS_AUGMENTATION)
        return _Disturbance(names[0], felt, words, evidence, _LOSSES, _LESS_AUGMENTATION)

    def _far(self, record: Record) -> bool:
        """Whether the run ended nearer to chance than to a kernel method, or short of a linear model."""
        if (short := shortfall(record)) is not None and short.linear:
            return True
        score, chance = (number(record, "data", "signal", key) for key in ("score", "chance"))
        reached = [last(record, name) for name in ("probe_accuracy", "probe_explained_variance")]
        return any(value < chance + self.way * (score - chance) for value in reached)


_TURNS = {
    "RandomRotation": "turned its inputs by up to {strength} of a full turn either way",
    "RandomTranslation": "shifted its inputs by up to {strength} of their size either way",
}
_LOSSES = ("probe_training_loss", "probe_loss")
_LESS_DROPOUT = Remedy(
    "Lower the dropout rate, or leave the layer out until the network overfits.",
    "Dropout trades fit for generalisation, and there was no fit to trade.",
    code="keras.layers.Dropout(0.2)",
)
_LESS_NOISE = Remedy(
    "Lower the standard deviation of the noise to a tenth of that of what it is added to.",
    "Noise above the signal is what the network is asked to fit.",
    code="keras.layers.GaussianNoise(0.1)",
)
_LESS_AUGMENTATION = Remedy(
    "Weaken the augmentation, or leave it out until the network overfits.",
    "What it changes beyond recognition cannot be learned from.",
)
