"""How the steps went: what the rules about the optimizer read, and share, so that only one of them speaks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.record import Record, Series
from thalweg.rules.layers import kernels, root_sizes
from thalweg.rules.objective import fact, number
from thalweg.stats import Mean, finite, mean, median

FIRST = 20
"""As many measured steps are the first ones."""
HOT = 0.25
"""An early update this large beside its parameters replaces what the initialisation had drawn."""
OPPOSED = -0.25
"""A cosine of successive gradients below this means that the steps jump from one side to the other."""
CLIPPED = 10.0
"""A gradient shrunk this many times by a clip makes a step of another size."""
FEW = 4
"""A batch of so many examples or fewer says little about the whole of the data."""


@dataclass(frozen=True, slots=True)
class Steps:
    """The size and direction of a run's steps; NaN where not measured.

    Ratios are those of a kernel's change to its norm, medians over the kernels: `typical` of the medians over
    the run, `first` of the largest among the first steps, `largest` of the largest of all. `cosine` is the
    mean over the run of that between successive gradients.
    """

    typical: float
    first: float
    largest: float
    cosine: Mean

    @property
    def opposed(self) -> bool:
        """Whether successive gradients pointed against each other, with 99 % confidence."""
        return self.cosine.quantile(0.99) < OPPOSED

    @property
    def hot(self) -> bool:
        """Whether the first steps, or the typical ones, were as large as what they changed."""
        return self.first > HOT or self.typical > HOT


def steps(record: Record) -> Steps:
    """How the steps of this run went."""
    ratios = [finite(series.values) for series in kernels(record, "update_ratio").values()]
    moved = [values for values in ratios if np.any(values != 0.0)]
    cosines = record.series.get("gradient_cosine")
    return Steps(
        median([median(values) for values in moved]),
        median([np.max(values[:FIRST]) for values in moved]),
        median([np.max(values) for values in moved]),
        mean(cosines.values if cosines is not None else []),
    )


UNUSED = "Not assessed: no step of the training was made by the optimizer that the model was compiled with."


def unused(record: Record) -> bool:
    """Whether the training made its steps without the optimizer that the model was compiled with."""
    return fact(record, "optimizer", "applied") is False


def optimizer(record: Record) -> Mapping[str, Any]:
    """The configuration of the optimizer that makes the step, inside its loss scale; empty where unknown."""
    found = fact(record, "optimizer")
    inner = fact(record, "optimizer", "inner_optimizer", "config")
    chosen = inner if isinstance(inner, Mapping) else found
    return chosen if isinstance(chosen, Mapping) else {}


def setting(record: Record, name: str) -> float:
    """A number of the optimizer's configuration; NaN where it has none of that name."""
    value = optimizer(record).get(name)
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return np.nan
    return float(value) if np.isfinite(float(value)) else np.nan


def plain(record: Record) -> bool | None:
    """Whether the step is proportional to the gradient (SGD, with or without momentum); None where unknown."""
    names = {str(fact(record, "optimizer", "class")), str(optimizer(record).get("name"))}
    names = {name.lower() for name in names} - {"none", "lossscaleoptimizer"}
    return None if not names else bool(names & {"sgd", "gradientdescent"})


def rates(record: Record) -> Series | None:
    """The learning rate over the run, by step or by epoch; None where it was not recorded."""
    for name in ("learning_rate", "epoch_learning_rate", "epoch_lr"):
        series = record.series.get(name)
        if series is not None and np.any(np.isfinite(series.values)):
            return series
    return None


def rate(record: Record) -> float:
    """The typical learning rate of the run, else the configured one; NaN where neither is known."""
    series = rates(record)
    return median(series.values) if series is not None else setting(record, "learning_rate")


def warming(record: Record) -> bool:
    """Whether the learning rate never fell, and was on its way up in the last quarter of the run."""
    series = rates(record)
    if series is None or len(series) < 4 or not np.all(np.isfinite(series.values)):
        return False
    values = series.values
    whole = 1.0 - 1e-6  # but for rounding
    rose = values[-1] / 3.0 >= values[0] > 0.0 and np.all(values >= whole * np.maximum.accumulate(values))
    return bool(rose and whole * values[-1] > values[3 * (len(values) - 1) // 4])


def few(record: Record) -> bool:
    """Whether an update saw so few of the examples that its gradient is mostly noise."""
    size = number(record, "fit", "batch_size")
    together = setting(record, "gradient_accumulation_steps")
    size *= (together if together > 1.0 else 1.0) * _by_hand(record)
    return 0.0 < size <= FEW and not number(record, "fit", "steps_per_epoch") <= 1.0


def _by_hand(record: Record) -> float:
    """Batches to an update of a training step that adds up gradients itself: each has a loss, not each a rate."""
    found = [record.series.get(name) for name in ("loss", "learning_rate")]
    apart = [float(np.median(np.diff(s.steps))) for s in found if s is not None and len(s) > 2]
    return max(apart[1] / apart[0], 1.0) if len(apart) == 2 and apart[0] > 0.0 else 1.0


@dataclass(frozen=True, slots=True)
class Decay:
    """A learning rate that came down to a hundredth of its peak and stayed there.

    It fell from `peak` at step `step`, and was `last` at the end. `spent` is the sum of the rates over what
    it would have been at the peak throughout, `idle` the share of the run at a millionth of the peak or less.
    `path` holds, per recorded rate, the share of the sum that was spent up to it.
    """

    peak: float
    last: float
    step: int
    spent: float
    idle: float
    path: NDArray[np.float64]


def decay(record: Record, factor: float = 100.0) -> Decay | None:
    """The decay of the learning rate; None where it was not recorded or did not come down for good."""
    series = rates(record)
    if series is None or len(series) < 3 or not np.all(np.isfinite(series.values)):
        return None
    values = np.abs(series.values)
    peak = float(np.max(values))
    above = np.flatnonzero(values > peak / factor)
    # The second: a rate of zero throughout has no peak to come down from.
    if not len(above) or above[-1] == len(values) - 1:
        return None
    scaled = values / peak
    path = np.cumsum(scaled)
    return Decay(
        peak,
        float(values[-1]),
        int(series.steps[above[-1] + 1]),
        float(path[-1]) / len(values),
        float(np.mean(scaled <= 1e-6)),
        path / path[-1],
    )


@dataclass(frozen=True, slots=True)
class Clipping:
    """What a clip of the gradient did: `share` of the steps it acted on, `factor` by which it shrank the typical one.

    `name` is the optimizer's argument, `limit` its value, `usual` the typical norm (or entry) before it.
    """

    name: str
    limit: float
    usual: float
    share: float
    series: tuple[str, ...]

    @property
    def factor(self) -> float:
        """How many times larger than the limit the gradient was."""
        return self.usual / self.limit


def clipping(record: Record) -> Clipping | None:
    """The clip of the gradient; None where the optimizer has none or nothing was measured against it.

    `clipvalue` bounds entries: where their root mean square is above it most of the gradient's length is cut.
    """
    whole = record.series.get("gradient_norm")
    each = {name: series for name, series in record.each("gradient_norm").items() if len(series)}
    sizes = root_sizes(record)
    measured: dict[str, dict[str, NDArray[np.float64]]] = {
        "global_clipnorm": {"gradient_norm": whole.values} if whole is not None else {},
        "clipnorm": {series.name: series.values for series in each.values()},
        "clipvalue": {s.name: s.values / sizes[name] for name, s in each.items() if name in sizes},
    }
    for name, found in measured.items():
        limit = setting(record, name)
        kept = {key: finite(values) for key, values in found.items()}
        kept = {key: values for key, values in kept.items() if np.any(values != 0.0)}
        if not limit > 0.0 or not kept:
            continue
        usual = median([median(values) for values in kept.values()])
        share = float(np.mean([np.mean(values > limit) for values in kept.values()]))
        return Clipping(name, limit, usual, share, tuple(kept))
    return None
