"""M003: a layer too narrow for what has to pass it."""

from dataclasses import dataclass

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.graph import DENSE, figures, graph, initial
from thalweg.rules.objective import progress, rows
from thalweg.rules.shortfall import Shortfall, shortfall


@dataclass(frozen=True)
class Bottleneck(Rule):
    """A layer too narrow for what has to pass it.

    ## What it asks

    Has a hidden layer so few units that the rest cannot learn the targets from them, in a run that fell short?

    ## Why it matters

    Whatever the layers above a single unit do, they answer with a curve: one number is all that they see of the
    input.

    ## How it is decided

    From the graph and the kernels: a dense or convolutional layer with `units` or fewer, and fewer than the layer
    below it passes on and than the last layer needs (one unit less than there are classes or columns of the
    target, two at least), which is not itself the last one. That is a concern where the run fell short: no
    better than a constant prediction, or behind a linear model.

    A model whose targets are of the shape of its inputs is an autoencoder, and its narrow layer is its purpose:
    there only a run that was no better than a constant prediction counts.

    ## Thresholds

    `units` = 2. Rates: docs/calibration.md.

    ## Known limits

    Two units separate ten classes in a network that is trained with care, which is why the width alone is no
    concern. A narrow branch beside a wide one is not seen as harmless unless the run learns.

    ## What to do

    Widen the layer.

    ## References

    Johnson, *Deep, Skinny Neural Networks are not Universal Approximators*, ICLR 2019.
    """

    code = "M003"
    title = "A layer too narrow"
    family = Family.ARCHITECTURE
    before = True

    units: int = 2
    """Most units of a layer that is narrow."""

    def assess(self, record: Record) -> Finding:
        """The narrowest hidden layer, then what became of the run."""
        known = graph(record)
        if known is None:
            return self.unassessed("Not assessed: the record does not tell how the layers are connected.")
        widths = {}
        for name in known.layers:
            found = figures(initial(record, f"{name}/kernel"), "fan_in", "units")
            if known.kind(name) in DENSE and found is not None:
                widths[name] = found
        last = list(widths)[-1:]
        hidden = {
            name: (fan_in, units)
            for name, (fan_in, units) in widths.items()
            if name not in last and known.downstream(name).intersection(widths)
        }
        if not hidden:
            return self.unassessed("Not assessed: no hidden layer's width was recorded.")
        needed = max(widths[last[0]][1] - 1.0, 2.0)
        name = min(hidden, key=lambda n: hidden[n][1])
        fan_in, units = hidden[name]
        evidence = {
            "layer": Evidence(name),
            "units": Evidence(int(units), "units", usual=int(needed), threshold=self.units),
        }
        if units > self.units or units >= needed or units >= fan_in:
            return self.finding(
                Verdict.SATISFACTORY,
                "The narrowest of the hidden layers, `{layer}`, had a width of {units}.",
                evidence,
            )
        had = "`{layer}` had {units} " + ("unit" if units == 1 else "units")
        short = shortfall(record, kernel=True) or _one_number(record, units)
        if short is not None and short.linear and _rebuilds(record):
            short = None
        if short is None:
            if progress(record).adequate:
                return self.finding(
                    Verdict.SATISFACTORY, f"The hidden layer {had}, and the loss fell all the same.", evidence
                )
            return self.unassessed(
                f"Not assessed: the hidden layer {had}; whether that is too narrow, the loss has to tell.",
                evidence,
            )
        return self.finding(
            Verdict.CONCERN,
            f"The hidden layer {had}, all that the layers above saw of the input; {short.words}.",
            {**evidence, **short.evidence},
            series=short.series,
            layer=name,
            remedies=(
                Remedy(
                    f"Give `{name}` more units than the targets have classes or columns, 16 or more.",
                    "What it does not pass on, the layers above cannot learn from.",
                    code="units=16",
                ),
            ),
        )


def _one_number(record: Record, units: float) -> Shortfall | None:
    """What was explained through a single number, where that is less than half."""
    series = record.series.get("probe_explained_variance")
    if units > 1.0 or series is None or not len(series) or not series.values[-1] < 0.5:
        return None
    found = Evidence(float(series.values[-1]), "fraction", threshold=0.5)
    words = "the explained variance on the probe batch ended at {reached}"
    return Shortfall(words, {"reached": found}, (series.name,))


def _rebuilds(record: Record) -> bool:
    """Whether the targets have the shape of an input of more than one column."""
    shapes = [row.get("shape") for row in rows(record, "data", "inputs")]
    return any(
        row.get("shape") in shapes and row.get("shape") not in ([], [1], (), (1,), None)
        for row in rows(record, "data", "targets")
    )
