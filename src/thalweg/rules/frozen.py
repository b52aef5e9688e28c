"""W001: layers frozen at the values they were drawn with."""

import re
from dataclasses import dataclass

from thalweg.finding import Evidence, Family, Finding, Remedy, Safety, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.graph import Graph, graph
from thalweg.rules.objective import fact, number, rows

_KINDS = ("Dense", "Conv", "EinsumDense", "Separable", "Depthwise", "Embedding", "LSTM", "GRU")
_MEANT = re.compile(r"random|projection|fourier|reservoir|hash|echo", re.IGNORECASE)


@dataclass(frozen=True)
class FrozenFresh(Rule):
    """Layers frozen at random.

    ## What it asks

    Is a layer with `trainable=False` still as its initializer drew it, below layers that are to learn?

    ## Why it matters

    Freezing keeps what a layer has learned. A layer that has learned nothing (pretrained weights that were never
    loaded, or loaded into another model) mixes its inputs at random, for good.

    ## How it is decided

    The weights of frozen layers are held against the distribution that their initializer draws from (edges,
    spread, Kolmogorov's distance; a bias that has moved shows that the layer was trained). A concern needs:

    - a frozen kernel or embedding that is still as it was drawn, in a layer below trainable ones and above none,
      in a model of Keras's own class;
    - that such layers hold `share` of the model's parameters or more;
    - once the run has ended, that there is something left to learn: accuracy or explained variance on the probe
      batch under `enough`.

    A network frozen above the layers that learn (the discriminator below which a generator learns) is no concern.
    A layer whose name says that it is meant (`random`, `projection`, `fourier`, `reservoir`, `hash`) is none.

    ## Thresholds

    `share` = 0.1, `enough` = 0.9. A fresh kernel is taken for a trained one in 1 of 10,000; the other way round
    depends on how far it moved. Rates: docs/calibration.md.

    ## Known limits

    Random features meant as such and not named so are accused before the first step. Kernels of fewer than 256
    entries (32 beside a bias that is exactly zero), and those of other than uniform and normal initializers, are
    not tested.

    ## What to do

    Load the pretrained weights, or let the layers train.

    ## References

    Yosinski et al., *How transferable are features in deep neural networks?*, NeurIPS 2014. Rahimi & Recht,
    *Random Features for Large-Scale Kernel Machines*, NeurIPS 2007 (where it is meant).
    """

    code = "W001"
    title = "Layers frozen at random"
    family = Family.WIRING
    before = True

    share: float = 0.1
    """Least share of the model's parameters in such layers."""
    enough: float = 0.9
    """Accuracy or explained variance above which nothing is missed."""

    def assess(self, record: Record) -> Finding:
        """The frozen weights that were never trained, and whether they stand below trainable ones."""
        listed = rows(record, "frozen")
        if not listed:
            if isinstance(fact(record, "frozen"), list | tuple):
                return self.finding(Verdict.SATISFACTORY, "No layer was frozen.")
            return self.unassessed("Not assessed: the record does not tell which layers are frozen.")
        known = graph(record)
        tested = [row for row in listed if isinstance(row.get("fresh"), bool)]
        if known is None or fact(record, "model", "class") not in ("Sequential", "Functional"):
            return self.unassessed(
                "Not assessed: what the frozen layers of a model of its own class are for is not known."
            )
        if not tested:
            return self.unassessed("Not assessed: no frozen weight could be told from a random one.")
        fresh = [row for row in tested if row["fresh"] and _counts(known, str(row.get("layer")))]
        size = sum(float(s) for row in fresh if isinstance(s := row.get("size"), int | float))
        whole = number(record, "model", "parameters")
        if not fresh or not size >= self.share * whole > 0.0:
            return self.finding(
                Verdict.SATISFACTORY,
                "Of {tested} frozen kernels below trainable layers none that counts was still as it was drawn.",
                {"tested": Evidence(len(tested), "kernels")},
            )
        name = str(fresh[0].get("layer"))
        evidence = {
            "layer": Evidence(name),
            "kernels": Evidence(len(fresh), "kernels"),
            "share": Evidence(size / whole, "fraction", threshold=self.share),
        }
        measured = [
            series
            for key in ("probe_accuracy", "probe_explained_variance")
            if (series := record.series.get(key)) is not None and len(series)
        ]
        if measured and measured[0].values[-1] >= self.enough:
            evidence["reached"] = Evidence(float(measured[0].values[-1]), "fraction", threshold=self.enough)
            return self.finding(
                Verdict.SATISFACTORY,
                "`{layer}` was frozen as it was drawn, and the run reached {reached} on its random features.",
                evidence,
                series=(measured[0].name,),
            )
        return self.finding(
            Verdict.CONCERN,
            "`{layer}` was frozen with the random values that it was drawn with"
            + (", the first of {kernels} such kernels" if len(fresh) > 1 else "")
            + ": {share} of the model's parameters.",
            evidence,
            series=(measured[0].name,) if measured else (),
            layer=name,
            remedies=(
                Remedy(
                    "Load the pretrained weights before freezing, and check that they arrived.",
                    "A frozen layer is worth what it has learned before.",
                    Safety.MANUAL,
                    code='model.load_weights("pretrained.weights.h5")',
                ),
                Remedy(
                    f"Let `{name}` train, and compile again.",
                    "The optimizer is built with the weights that are trainable when it first runs.",
                    code=f'model.get_layer("{name}").trainable = True',
                ),
            ),
        )


def _counts(known: Graph, name: str) -> bool:
    """Whether a frozen layer feeds layers that learn, is fed by none, and is not random on purpose."""
    if name not in known.layers or not known.kind(name).startswith(_KINDS) or _MEANT.search(name):
        return False
    learning = {
        n
        for n, row in known.layers.items()
        if row.get("trainable") is True and known.kind(n).startswith(_KINDS)
    }
    above = any(name in known.downstream(n) for n in learning)
    return bool(learning & known.downstream(name)) and not above
