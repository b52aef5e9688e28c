"""The pictures of a comparison: losses over steps, over learning rates, and when the seeds reached the target."""

from collections.abc import Sequence

import numpy as np

from thalweg.comparison import Comparison, Sensitivity
from thalweg.render.bands import WORDS, Axes, Curve, bands
from thalweg.render.comparison_words import LOSSES, Names, interval, where_diverged
from thalweg.render.picture import Picture
from thalweg.render.plain import listed
from thalweg.words import figure, percent, plural

_CROSSES = 12
"""Marks of divergence of one kind: more would run into one another."""


def courses(comparison: Comparison, names: Names) -> list[Picture]:
    """The validation loss over steps, where there is one, and the training loss: each kind at its best rate."""
    wanted = ["validation_loss", "epoch_loss"] if comparison.score == "validation_loss" else ["epoch_loss"]
    drawn = [_course(comparison, names, name) for name in wanted]
    return [picture for picture in drawn if picture]


def _course(comparison: Comparison, names: Names, name: str) -> Picture | None:
    kinds, curves = comparison.sensitivities(), []
    for one in kinds:
        found = comparison.course(one.summary.configuration, name)
        called = names.whole(one.summary.configuration)
        steps = found.steps.astype(np.float64)
        curves.append(Curve(called, steps, found.median, found.low, found.high))
    levels = [one.summary.validation if name == "validation_loss" else one.summary.training for one in kinds]
    said = [f"{curve.name}: {interval(level)}" for curve, level in zip(curves, levels, strict=True)]
    loss = LOSSES[name]
    return bands(
        f"{loss[:1].upper()}{loss[1:]} over steps",
        curves,
        Axes("step", "loss"),
        words=[f"At the end, {listed(said, WORDS)}."],
        how=f"Each kind at its best rate, after every epoch. {_band(kinds)} A curve ends where the losses of half of "
        "the seeds were not finite.",
    )


def sensitivity(comparison: Comparison, names: Names) -> Picture | None:
    """The final loss over the learning rate; None where there is a single rate."""
    kinds = comparison.sensitivities()
    if all(len(one.rates) < 2 for one in kinds):
        return None
    curves = [
        Curve(
            names.kind(one.summary.configuration),
            one.rates,
            one.losses,
            one.low,
            one.high,
            bars=(one.good,) if np.isfinite(one.losses.min()) else (),
            crosses=_crosses(one),
        )
        for one in kinds
    ]
    pairs = list(zip(curves, kinds, strict=True))
    said = [f"{curve.name} at {figure(one.best)}" for curve, one in pairs if curve.bars]
    dead = [f"{curve.name} at {where_diverged(one)}" for curve, one in pairs if (one.diverged >= 0.5).any()]
    return bands(
        f"Final {LOSSES[comparison.score]} over learning rates",
        curves,
        Axes("learning rate", "loss", base=10),
        words=[
            *([f"The loss was lowest with {listed(said, WORDS)}."] if said else []),
            *([f"Half of the seeds or more diverged with {listed(dead, WORDS)}."] if dead else []),
        ],
        how=f"{_band(kinds)} The strip above has a row for each kind: a bar over its good rates (medians at most "
        f"{percent(comparison.good - 1.0)} above its best), a cross at rates where half of the seeds or more "
        "diverged, a small one where fewer did.",
    )


def arrivals(comparison: Comparison, names: Names) -> Picture | None:
    """The share of seeds that had reached the target, over steps; None where none ever did."""
    aim, kinds = comparison.aim(), comparison.sensitivities()
    if not any(one.summary.reached for one in kinds):
        return None
    curves = []
    for one in kinds:
        found = comparison.arrivals(one.summary.configuration)
        called = names.whole(one.summary.configuration)
        curves.append(Curve(called, found.steps, found.share, found.low, found.high))
    said = [
        f"{curve.name}: {one.summary.reached:,} of {one.summary.seeds:,}"
        for curve, one in zip(curves, kinds, strict=True)
    ]
    never = sum(one.summary.reached < one.summary.seeds for one in kinds)
    return bands(
        f"Seeds that reached the target of {figure(aim)}",
        curves,
        Axes("step", "share of seeds", step=True),
        words=[
            f"Seeds that reached it, {listed(said, WORDS)}.",
            *(
                [f"Not all seeds of {plural(never, 'kind')} did: their curves stay below 100 %."]
                if never
                else []
            ),
        ],
        how="Each kind at its best rate. A training that diverged counts as one that never came. The tables have "
        "Clopper and Pearson's 95 % intervals.",
    )


def _crosses(one: Sensitivity) -> tuple[tuple[float, float], ...]:
    """The rates at which seeds diverged with their share; of very many those that stand for the others."""
    found = np.flatnonzero(one.diverged > 0.0)
    if len(found) > _CROSSES:
        found = found[np.linspace(0, len(found) - 1, _CROSSES).round().astype(int)]
    return tuple((float(one.rates[place]), float(one.diverged[place])) for place in found)


def _band(kinds: Sequence[Sensitivity]) -> str:
    found = kinds[0].summary.training
    if found.count < 2:
        return "What one seed came to, which has no band."
    return (
        f"The median over {plural(found.count, 'seed')}, in the band within which the true one lies with "
        f"{percent(found.confidence)} confidence, at each place by itself."
    )
