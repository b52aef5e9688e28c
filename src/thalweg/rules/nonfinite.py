"""N001: non-finite values, and where they were born."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thalweg.finding import Evidence, Family, Finding, Remedy, Safety, Verdict
from thalweg.record import Record, Series
from thalweg.rule import Rule
from thalweg.rules.objective import fact, number, rows, unit
from thalweg.rules.samples import value
from thalweg.stats import spread
from thalweg.words import noun

_SOURCES = ("loss", "gradient", "parameter", "epoch", "validation")
"""In the order in which one step computes them: the earlier one is the origin of the later."""

_LOOKED_AT = (
    "loss",
    "epoch_loss",
    "gradient_norm",
    "nonfinite_gradients",
    "parameter_norm",
    "validation_loss",
)

GROWN = 10.0
"""Growth since the first step beyond which the learning rate is the first suspect."""

_NOUNS = {"loss": "loss", "epoch": "epoch loss", "validation": "validation loss"}

_CHECK_DATA = Remedy(
    "Find and drop or impute the non-finite rows of the inputs and targets.",
    "One such value makes the loss of its batch non-finite, and every parameter after it.",
    Safety.MANUAL,
)
_LOWER_RATE = Remedy(
    "Divide the learning rate by 10.",
    "Steps too long for the curvature grow until they overflow.",
)
_CLIP = Remedy(
    "Clip the gradient: set `clipnorm=1.0` on the optimizer.",
    "One huge gradient then moves the parameters a bounded way.",
)
_GUARD = Remedy(
    "Look for a logarithm, division, square root or power in the loss and the layers that can meet zero or "
    "a negative number; take logits (`from_logits=True`) instead of probabilities.",
    "Their derivative is infinite there while their value may still be finite. A mean over a sequence that is masked "
    "from end to end is a division by zero.",
    Safety.MANUAL,
)
_FIND = Remedy(
    "Look for examples that the untrained model answers with NaN, and at what they share.",
    "Finite inputs that give NaN at the first weights meet such an operation, an empty sequence for one.",
    Safety.MANUAL,
    code="bad = np.flatnonzero(~np.isfinite(model.predict(x).reshape(len(x), -1)).all(axis=1))",
)


@dataclass(frozen=True)
class NonFinite(Rule):
    """Non-finite values, and where they were born.

    ## What it asks

    Did the loss, a gradient, a parameter or a validation loss become NaN or infinite, at which step, and
    which of them was first?

    ## Why it matters

    A parameter that is NaN stays NaN: every step after it is wasted. The quantity that was first points at
    the cause: an input (data), the loss (a logarithm or an overflow in the forward pass), a gradient (an
    infinite derivative where the value is finite) or a parameter (the update itself).

    ## How it is decided

    The earliest step at which a series holds a NaN or infinity; within a step, in the order in which it is
    computed: loss, gradient, parameter. Non-finite inputs found in the sampled data stand before all of them.
    Where a training step of one's own logs no `loss`, the epochs' logs whose name ends in `loss` (`d_loss`) are
    looked at instead.

    A gradient norm that is infinite while `nonfinite_gradients` is zero is no case of this: the entries were
    finite and their norm passed 1.8e19, whose square overflows float32 (see G003).

    Under a `LossScaleOptimizer` (mixed precision) a step with non-finite gradients is skipped and the scale
    lowered. Such steps count only where more than `skips` of them follow each other: halving a scale of 2^15
    down to 1 takes 15.

    ## Thresholds

    `skips` = 20. Nothing else is held against a threshold: a finite series cannot raise this finding, and its
    false-alarm rate is zero by construction.

    On real Keras programs: the zoo's tables in docs/calibration.md.

    ## Known limits

    Inputs are counted on a bounded sample, so a bad row outside of it appears as a loss born non-finite.
    Where parameter norms were thinned, a parameter that broke between two measurements is dated at the
    second.

    ## What to do

    By the origin: clean the data; or, where all of the data was finite, guard the logarithm or the division; but
    where the loss or the gradient had grown to ten times its first value or more before, lower the learning rate
    first.

    ## References

    Zhang et al., *An Empirical Study on TensorFlow Program Bugs*, ISSTA 2018. Micikevicius et al., *Mixed
    Precision Training*, ICLR 2018 (skipped steps).
    """

    code = "N001"
    title = "Non-finite values"
    family = Family.OUTCOME
    live = True

    skips: int = 20
    """Consecutive skipped steps that loss scaling may need."""

    def assess(self, record: Record) -> Finding:
        """The earliest non-finite value, or how many were looked at."""
        logs = _logs(record)
        if not logs and not any(len(s) for s in record.series.values() if s.quantity in _LOOKED_AT):
            wanted = " or ".join(f"`{name}`" for name in _LOOKED_AT)
            return self.unassessed(f"Not assessed: the record holds no {wanted}.")
        gradient_steps, skipped = self._gradients(record)
        born: dict[str, tuple[int, tuple[str, ...]]] = {}
        for source, name in (("loss", "loss"), ("epoch", "epoch_loss"), ("validation", "validation_loss")):
            if (series := record.series.get(name)) is not None and len(bad := _nonfinite(series)):
                born[source] = (int(bad[0]), (name,))
        for name in logs:
            source = name.partition("_")[0]
            if len(bad := _nonfinite(record.series[name])) and bad[0] < born.get(source, (np.inf,))[0]:
                born[source] = (int(bad[0]), (name,))
        if len(gradient_steps):
            step = int(gradient_steps[0])
            names = _at(record, "gradient_norm", step)
            born["gradient"] = (step, (*names, "nonfinite_gradients", "gradient_norm"))
        norms = [s for s in record.series.values() if s.quantity == "parameter_norm" and len(_nonfinite(s))]
        if norms:
            step = min(int(_nonfinite(s)[0]) for s in norms)
            born["parameter"] = (step, (*_at(record, "parameter_norm", step), "parameter_norm"))
        if not born:
            return self._satisfactory(record, skipped, logs)
        source = min(born, key=lambda s: (born[s][0], _SOURCES.index(s)))
        step, names = born[source]
        return self._concern(record, source, step, tuple(n for n in names if n in record.series))

    def _gradients(self, record: Record) -> tuple[NDArray[np.int64], int]:
        """The steps with non-finite gradient entries, and how many more loss scaling skipped."""
        counts = record.series.get("nonfinite_gradients")
        finite_entries = counts.steps[counts.values == 0.0] if counts is not None else np.array([], np.int64)
        bad: set[int] = set(counts.steps[counts.values != 0.0].tolist()) if counts is not None else set()
        for series in record.series.values():
            if series.quantity == "gradient_norm" and len(steps := _nonfinite(series)):
                bad.update(np.setdiff1d(steps, finite_entries).tolist())
        steps = np.array(sorted(bad), dtype=np.int64)
        scaled = "lossscale" in str(fact(record, "optimizer", "name")).replace("_", "").casefold()
        if not scaled or not len(steps):
            return steps, 0
        streaks = np.split(steps, np.flatnonzero(np.diff(steps) > 1) + 1)
        kept = [s for s in streaks if len(s) > self.skips]
        return (np.concatenate(kept) if kept else steps[:0]), len(steps) - sum(map(len, kept))

    def _satisfactory(self, record: Record, skipped: int, logs: list[str]) -> Finding:
        evidence: dict[str, Evidence] = {}
        parts: list[str] = []
        if logs:
            evidence["logged"] = Evidence(sum(len(record.series[name]) for name in logs))
            evidence["logs"] = Evidence(len(logs), "logs")
            parts.append(f"{{logged}} losses of {{logs}} {noun(len(logs), 'log')}")
        for key, names in (
            ("losses", ("loss", "epoch_loss")),
            ("gradients", ("nonfinite_gradients", "gradient_norm")),
            ("validations", ("validation_loss",)),
        ):
            name = next((n for n in names if len(record.series.get(n, ()))), None)
            if name is not None:
                evidence[key] = Evidence(len(record.series[name]))
                count = len(record.series[name])
                one = "gradient" if key == "gradients" else "loss"
                word = noun(count, one, None if key == "gradients" else "losses")
                parts.append(f"{{{key}}} {'validation ' if key == 'validations' else ''}{word}")
        if not parts:
            evidence["norms"] = Evidence(len(record.series["parameter_norm"]))
            parts.append("{norms} parameter norms")
        every = "All" if any(int(e.value) > 1 for e in evidence.values()) else "The"
        template = f"{every} {', '.join(parts[:-1])}{' and ' if parts[1:] else ''}{parts[-1]} were finite."
        if skipped:
            evidence["skipped"] = Evidence(skipped, "steps")
            template = template[:-1] + "; loss scaling skipped {skipped} of these steps, as it is meant to."
            template = template.replace("were finite", "were finite or skipped")
        if held := _inputs(record):
            evidence["input"], evidence["entries"] = held
            template += f" Input `{{input}}` held {{entries}} {_these(held[1])}, and the loss stayed finite."
        return self.finding(Verdict.SATISFACTORY, template, evidence)

    def _concern(self, record: Record, source: str, step: int, names: tuple[str, ...]) -> Finding:
        evidence: dict[str, Evidence] = {"step": Evidence(step, "step")}
        word = unit(record)
        grown = _growth(record, step)
        layer: str | None = None
        if source in _NOUNS:
            series = record.series[names[0]]
            before = spread(series.values[series.steps < step])
            value = float(series.values[np.searchsorted(series.steps, step)])
            usual = before.location if before.count else None
            evidence["value"] = Evidence(value, "loss", usual=usual)
            log = names[0].partition("_")[2]
            named = f"{_NOUNS[source][:-5]} `{log}`" if log not in ("", "loss") else _NOUNS[source]
            template = f"The {named} became {{value}} at {word} {{step}}."
            if usual is not None and (grown is None or source == "validation"):
                template += " Before, it was typically {value__usual}."
        else:
            tensors = [n.partition("/")[2] for n in names if "/" in n]
            all_tensors = record.each(f"{source}_norm")
            these = f"{source}s"
            if 0 < len(tensors) < len(all_tensors):
                # Backpropagation runs from the output: the deepest broken tensor is nearest to the origin.
                evidence["tensor"] = Evidence(tensors[-1])
                evidence["tensors"] = Evidence(len(tensors), "tensors")
                evidence["all"] = Evidence(len(all_tensors), "tensors")
                layer = tensors[-1].rpartition("/")[0] or tensors[-1]
                template = (
                    f"The {these} of {{tensors}} of {{all}} tensors became non-finite at {word} {{step}}; "
                    "the one nearest to the output was `{tensor}`."
                )
            else:
                template = f"The {these} became non-finite at {word} {{step}}."
            counts = record.series.get("nonfinite_gradients")
            if source == "gradient" and counts is not None and step in counts.steps:
                entries = float(counts.values[np.searchsorted(counts.steps, step)])
                if np.isfinite(entries):
                    evidence["entries"] = Evidence(int(entries), "entries", threshold=0)
                    template += f" It had {{entries}} such {noun(int(entries), 'entry', 'entries')}."
        remedies: tuple[Remedy, ...] = (_CHECK_DATA, _GUARD, _LOWER_RATE, _CLIP)
        if source == "gradient":
            remedies = (_GUARD, _LOWER_RATE, _CLIP, _CHECK_DATA)
        if grown is not None and source != "validation":
            name, evidence["grown"] = grown
            template += f" Before, the {name} had grown from {{grown__usual}} to {{grown}}."
            remedies = (_LOWER_RATE, _CLIP, _CHECK_DATA, _GUARD)
        if held := _inputs(record):
            evidence["input"], evidence["held"] = held
            template += f" Input `{{input}}` held {{held}} {_these(held[1])}."
            remedies = (_CHECK_DATA,)
        elif source != "validation" and (looked := _finite(record)):
            if source in ("loss", "epoch") and grown is None:
                evidence["looked"] = Evidence(looked, "examples")
                template += (
                    " Inputs and targets were finite, in each of the {looked} examples that were looked at."
                )
                remedies = (_GUARD, _FIND, _LOWER_RATE, _CLIP, _CHECK_DATA)
            seen_all = looked >= number(record, "data", "total")
            remedies = (*(r for r in remedies if r is not _CHECK_DATA), *(() if seen_all else (_CHECK_DATA,)))
        return self.finding(
            Verdict.CONCERN, template, evidence, series=names, step=step, layer=layer, remedies=remedies
        )


def _logs(record: Record) -> list[str]:
    """The logs of a training step that tells its losses by other names; none where there is a loss."""
    if any(len(record.series.get(name, ())) for name in ("loss", "epoch_loss")):
        return []  # another beside it may be undefined in some epochs by right
    return [
        name
        for name, series in record.series.items()
        if name.startswith(("epoch_", "validation_")) and name.endswith("_loss") and len(series)
    ]


def _growth(record: Record, step: int) -> tuple[str, Evidence] | None:
    """The name and last value of what had grown before the step: the loss, or the norm of the gradient."""
    for name in ("loss", "epoch_loss", "gradient_norm"):
        if (series := record.series.get(name)) is not None:
            before = series.values[(series.steps < step) & np.isfinite(series.values)]
            if len(before) and before[-1] > GROWN * abs(before[0]):
                last, first = float(before[-1]), float(before[0])
                return series.name.replace("_", " "), Evidence(last, series.unit, usual=first)
    return None


def _nonfinite(series: Series) -> NDArray[np.int64]:
    return series.steps[~np.isfinite(series.values)]


def _at(record: Record, quantity: str, step: int) -> tuple[str, ...]:
    """The per-tensor series of a quantity that are not finite at a step, deepest last."""
    return tuple(s.name for s in record.each(quantity).values() if step in _nonfinite(s))


def _inputs(record: Record) -> tuple[Evidence, Evidence] | None:
    """The name of the first input or target with non-finite values, and how many.

    Examples are counted over all of the data, where they are known; values only in the sample.
    """
    for kind in ("inputs", "targets"):
        for row in rows(record, "data", kind):
            for key, counted in (("nonfinite_examples", "examples"), ("nonfinite", "values")):
                count = row.get(key)
                if isinstance(count, int | float | np.number) and 0 < count < np.inf:
                    return Evidence(str(row.get("name", kind[:-1]))), Evidence(
                        int(count), counted, threshold=0
                    )
    return None


def _finite(record: Record) -> int:
    """In how many examples every input and target was looked at and found finite; 0 where one was not."""
    known = [*rows(record, "data", "inputs"), *rows(record, "data", "targets")]
    if not rows(record, "data", "inputs") or any(row.get("nonfinite") != 0 for row in known):
        return 0
    sample = number(record, "data", "examples")
    looked = [value(row, "looked") if row.get("nonfinite_examples") == 0 else sample for row in known]
    return int(min(looked)) if np.isfinite(looked).all() else 0


def _these(count: Evidence) -> str:
    """What was counted, in words after the number."""
    one = count.value == 1
    if count.unit == "examples":
        return "example with non-finite values" if one else "examples with non-finite values"
    return "non-finite value" if one else "non-finite values"
