"""G002: gradients vanish through depth."""

from dataclasses import dataclass

from thalweg.finding import Family, Finding, Remedy
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.depth import over_depth
from thalweg.rules.objective import rows

_ACTIVATION = Remedy(
    "Use ReLU, GELU or SELU in the hidden layers.",
    "The slope of a sigmoid is at most a quarter, and a product of them vanishes.",
)
_INITIALISE = Remedy(
    "Initialise to fit the activation: `he_normal` for ReLU, `glorot_uniform` for tanh.",
    "The variance is then the same at every depth.",
)
_NORMALISE = Remedy(
    "Add `BatchNormalization` or `LayerNormalization` after the hidden layers.",
    "It restores the scale at every layer.",
)
_SHORTCUT = Remedy("Add residual connections.", "They give the gradient a path of slope one.")
_SATURATING = {"sigmoid", "tanh", "softmax", "softsign", "hard_sigmoid", "hard_tanh"}
_REMEDIES = (_ACTIVATION, _INITIALISE, _NORMALISE, _SHORTCUT)


@dataclass(frozen=True)
class VanishingGradients(Rule):
    """Gradients vanish through depth.

    ## What it asks

    Do the gradients of the kernels shrink layer by layer toward the input, in a run that makes no progress?

    ## Why it matters

    Layers near the input then hardly learn, and those above them learn from features that never change.

    ## How it is decided

    Each kernel's gradient norm over the root of its number of entries, its median over the run; a straight
    line through its logarithm over depth. Both of these:

    - the gradient shrinks by `factor` per layer or more and by `total` over the whole depth, or by ten times `total`,
      however slowly; and the line falls with two standard errors to spare;
    - the run fell short: the loss was shown not to have fallen by 2 %, or not below a constant prediction's
      (`L001`, `B001`), or the probe batch is told worse than a linear model tells it.

    The whole profile decides, not the first layer against the last: a classifier's head has larger gradients
    than any other layer in every healthy network.
    That the line falls is what must be certain, not how fast: where gradients vanish they fall steeply behind the
    output and no further near the input, and such a bend widens the error of the slope. One odd head alone
    lifts the line by the root of three standard errors, at any depth.

    ## Thresholds

    `factor` = 2 per layer, `total` = 100. A concern needs a run that was shown not to progress, and on 2,240
    healthy synthetic runs neither `L001` nor `B001` was raised (0 to 0.17 %, `benchmarks/error_rates.py`);
    the profile alone is never an alarm. Of 143 healthy runs of the zoo and of strangers with a profile, cut off
    after 5, 10, 20, 40 and 70 %, one was a concern, at 5 and 10 %: a transformer still behind a linear model.

    On real Keras programs: the zoo's tables in docs/calibration.md.

    ## Known limits

    Depth is the order of the layers in the model; parallel branches are read one after the other. Fewer than
    four kernels make no profile; queries and keys of an attention are left out of it. Adaptive optimizers rescale
    each tensor's step, which is why a profile alone is no concern.

    ## What to do

    Activation and initialisation first, then normalisation, then residual connections.

    ## References

    Glorot & Bengio, *Understanding the difficulty of training deep feedforward neural networks*, AISTATS
    2010. He et al., *Delving Deep into Rectifiers*, ICCV 2015.
    """

    code = "G002"
    title = "Vanishing gradients"
    family = Family.ARCHITECTURE
    needs = (("gradient_norm",),)

    factor: float = 2.0
    """Least shrinkage per layer."""
    total: float = 100.0
    """Least shrinkage over the whole depth."""

    def assess(self, record: Record) -> Finding:
        """The profile over depth, and the progress beside it."""
        layers = rows(record, "layers")
        activations = {row.get("activation") for row in layers[:-1]} - {None, "linear"}
        classes = {str(row.get("class")) for row in layers}
        # What the model has already is no remedy.
        had = {
            _ACTIVATION: bool(activations) and not activations & _SATURATING,
            _NORMALISE: any(name.endswith("Normalization") for name in classes - {"Normalization"}),
            _SHORTCUT: "Add" in classes,
        }
        remedies = [remedy for remedy in _REMEDIES if not had.get(remedy)]
        return over_depth(self, record, grows=False, factor=self.factor, total=self.total, remedies=remedies)
