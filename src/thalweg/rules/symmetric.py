"""I001: units that start equal and stay so."""

from collections.abc import Iterator
from dataclasses import dataclass

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.graph import ACTIVATIONS, DENSE, RESHAPING, Graph, figures, graph, initial

_ALIKE = ACTIVATIONS | RESHAPING | {"BatchNormalization", "LayerNormalization"}
"""What does the same to every unit, and draws no random numbers."""


@dataclass(frozen=True)
class SymmetricUnits(Rule):
    """Units that start equal and stay so.

    ## What it asks

    Do all units of a hidden layer start with the same weights, where nothing can ever tell them apart?

    ## Why it matters

    Units with equal weights that are weighed alike above get equal gradients, at every step and under every
    optimizer. The layer then is as good as a single unit, or as none, whatever its width.

    ## How it is decided

    From the first values of the kernels and the graph of the layers. Either of these, and both are certain
    whatever the training does:

    - a dense or convolutional layer whose units are all equal, kernel and bias, is followed by nothing but
      layers whose kernels are constant, with nothing between them that tells units apart (dropout would);
    - a layer behind a ReLU whose kernel and bias are zero: its outputs and its gradients are zero.

    A kernel of zeros alone is no concern: below or above kernels drawn at random it learns from the first steps
    on, and the last layer of a head or of a residual branch is set to zero on purpose.

    ## Thresholds

    None: weights are compared exactly. Rates: docs/calibration.md.

    ## Known limits

    Models whose graph is not known (of a class of their own) are not assessed. A following kernel whose rows
    are equal but not constant is not seen, nor are units of which only some are equal.

    ## What to do

    Initialise kernels at random.

    ## References

    Goodfellow, Bengio & Courville, *Deep Learning*, section 8.4 (breaking symmetry).
    """

    code = "I001"
    title = "Units that start equal and stay so"
    family = Family.INITIALISATION
    before = True

    def assess(self, record: Record) -> Finding:
        """The first layer of equal units that nothing tells apart."""
        known = graph(record)
        if known is None:
            return self.unassessed("Not assessed: the record does not tell how the layers are connected.")
        kernels = [name for name in known.layers if _kernel(record, known, name) is not None]
        if not kernels:
            return self.unassessed("Not assessed: the first values of the kernels were not recorded.")
        for name in kernels:
            if _dead(record, known, name):
                return self._concern(
                    "`{layer}` started with kernel and bias of zeros below a ReLU: its {units} outputs were zero "
                    "for every input, and so was its gradient.",
                    record,
                    known,
                    name,
                )
            if _symmetric(record, known, name):
                return self._concern(
                    "All {units} units of `{layer}` started equal, and the layers after it weighed them alike: "
                    "every step moved them alike.",
                    record,
                    known,
                    name,
                )
        return self.finding(
            Verdict.SATISFACTORY,
            "In none of {count} dense and convolutional layers did the units start equal for good.",
            {"count": Evidence(len(kernels), "layers")},
        )

    def _concern(self, template: str, record: Record, known: Graph, name: str) -> Finding:
        units, _, low, _ = _kernel(record, known, name) or (0.0, 0.0, 0.0, 0.0)
        evidence = {
            "layer": Evidence(name),
            "units": Evidence(int(units), "units"),
            "weight": Evidence(low, "parameter"),
        }
        relu = known.activation(name) in ("relu", "relu6")
        kind = "he_normal" if relu else "glorot_uniform"
        return self.finding(
            Verdict.CONCERN,
            template,
            evidence,
            layer=name,
            remedies=(
                Remedy(
                    f"Initialise the kernels of the hidden layers at random: `{kind}`.",
                    "Units that start apart learn different features.",
                    code=f'kernel_initializer="{kind}"',
                ),
            ),
        )


def _kernel(record: Record, known: Graph, name: str) -> tuple[float, ...] | None:
    """Units, distinct units, least and largest weight of a layer's first kernel."""
    if known.kind(name) not in DENSE:
        return None
    return figures(initial(record, f"{name}/kernel"), "units", "distinct_units", "minimum", "maximum")


def _biases(record: Record, name: str) -> Iterator[float]:
    yield from figures(initial(record, f"{name}/bias"), "minimum", "maximum") or ()


def _symmetric(record: Record, known: Graph, name: str) -> bool:
    units, distinct, _, _ = _kernel(record, known, name) or (1.0, 1.0, 0.0, 0.0)
    if units < 2 or distinct != 1 or len(set(_biases(record, name))) > 1:
        return False
    # What passes the units on and is taken by nobody is an output: it counts as a layer that is no kernel.
    after = known.reached(name, lambda n: known.kind(n) in _ALIKE and n in known.consumers)
    kernels = [_kernel(record, known, following) for following in after]
    return bool(kernels) and all(kernel is not None and kernel[2] == kernel[3] for kernel in kernels)


def _dead(record: Record, known: Graph, name: str) -> bool:
    kernel, biases = _kernel(record, known, name), list(_biases(record, name))
    if kernel is None or any((kernel[2], kernel[3], *biases)):
        return False
    own, after = known.activation(name), known.consumers.get(name, ())
    behind = bool(after) and all(
        known.kind(n) in ("ReLU", "Activation") and known.activation(n) in ("relu", "relu6") for n in after
    )
    return own in ("relu", "relu6") or (own is None and behind)
