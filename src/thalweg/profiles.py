"""Performance profiles: how kinds of training do over several problems at once."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from thalweg.comparison import Comparison, Configuration, Summary
from thalweg.errors import UsageError
from thalweg.stats.proportion import proportion_interval

Kind = tuple[str, str | None, str | None, int | None]
"""Optimizer, schedule, initializer and batch size; None for what is not compared on any problem."""


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """How fast one kind of training was on each problem, beside the fastest kind there.

    `costs` (p,) are the examples seen until the target was reached (steps times batch size), the median over the
    seeds, infinite where half of them never reached it; `ratios` (p,) are these over the fewest of all kinds on the
    same problem, infinite where it was not reached. `rate` is the one learning rate of all problems, None where each
    problem has its own.
    """

    kind: Kind
    rate: float | None
    costs: NDArray[np.float64]
    ratios: NDArray[np.float64]

    def count(self, ratio: float) -> int:
        """The problems on which it took at most so many times what the fastest took."""
        return int((self.ratios <= ratio).sum()) if np.isfinite(ratio) else self.reached

    @property
    def reached(self) -> int:
        """The problems on which it reached the target at all."""
        return int(np.isfinite(self.ratios).sum())

    def share(self, ratio: float) -> tuple[float, float, float]:
        """Dolan and More's rho: the share of problems with at most this ratio, and its 95 % interval."""
        count, whole = self.count(ratio), len(self.ratios)
        return count / whole, *proportion_interval(count, whole)


@dataclass(frozen=True, eq=False)
class Profiles:
    """Comparisons of the same kinds of training on several problems, by the problems' names.

    The profile of a kind is the share of problems that it solved within a factor of what the fastest kind needed
    (Dolan and More, Mathematical Programming 91, 2002, equations 2.1 and 2.2): at 1 how often it was the fastest, at
    the far end how often it reached the target at all. A target that was not reached is censored, an infinite ratio,
    and no large number. Intervals are Clopper and Pearson's, of problems drawn independently from some population;
    which kind was fastest on a problem is taken as known.

    Raises `UsageError` without a problem, and where a kind was not trained on all of them.
    """

    problems: Mapping[str, Comparison]

    def __post_init__(self) -> None:
        if not self.problems:
            raise UsageError("Profiles need a problem: there is none.")
        for problem, found in self._at_best.items():
            for kind in self._kinds:
                if kind not in found:
                    named = ", ".join(str(part) for part in kind if part is not None)
                    raise UsageError(
                        f"{named} was not trained on {problem!r}: profiles need every kind on every one."
                    )

    @cached_property
    def _compared(self) -> tuple[bool, ...]:
        """Which parts of a kind differ on some problem; the optimizer always counts."""
        varied = [
            [len(set(part)) > 1 for part in zip(*(one.kind for one in found.sensitivities()), strict=True)]
            for found in self.problems.values()
        ]
        return True, *(any(part) for part in list(zip(*varied, strict=True))[1:])

    def _kind(self, configuration: Configuration) -> Kind:
        optimizer, *rest = configuration.kind
        parts = (part if kept else None for part, kept in zip(rest, self._compared[1:], strict=True))
        return optimizer, *parts  # type: ignore[return-value]

    @cached_property
    def _kinds(self) -> tuple[Kind, ...]:
        found = itertools.chain.from_iterable(self._at_best.values())
        return tuple(dict.fromkeys(found))

    @cached_property
    def _at_best(self) -> dict[str, dict[Kind, Summary]]:
        """Of each problem, each kind at its best rate."""
        return {
            name: {self._kind(one.summary.configuration): one.summary for one in found.sensitivities()}
            for name, found in self.problems.items()
        }

    @cached_property
    def tuned(self) -> tuple[Profile, ...]:
        """Each kind at the rate with the lowest median loss on each problem; who solved most, and fastest, first."""
        costs = {
            kind: np.array([_cost(found[kind]) for found in self._at_best.values()]) for kind in self._kinds
        }
        return _profiles(costs, dict.fromkeys(costs))

    @cached_property
    def untuned(self) -> tuple[Profile, ...]:
        """Each kind at one rate for all problems: with which it solved most of them, and of such rates the fastest.

        The rate is chosen on the very problems that are then counted. A kind without a rate that was tried on all of
        them is left out.
        """
        best = np.array([min(_cost(s) for s in found.summaries()) for found in self.problems.values()])
        costs, rates = {}, {}
        for kind in self._kinds:
            found = self._by_rate(kind)
            if found:
                rate = min(found, key=lambda rate: (*_order(_ratios(found[rate], best)), rate))
                costs[kind], rates[kind] = found[rate], rate
        return _profiles(costs, rates)

    def _by_rate(self, kind: Kind) -> dict[float, NDArray[np.float64]]:
        """What this kind cost on each problem, for every rate that was tried on all."""
        tried = [
            {
                s.configuration.learning_rate: _cost(s)
                for s in found.summaries()
                if self._kind(s.configuration) == kind
            }
            for found in self.problems.values()
        ]
        common = set.intersection(*(set(costs) for costs in tried))
        return {rate: np.array([costs[rate] for costs in tried]) for rate in common}


def _profiles(
    costs: Mapping[Kind, NDArray[np.float64]], rates: Mapping[Kind, float | None]
) -> tuple[Profile, ...]:
    if not costs:
        return ()
    best = np.min(list(costs.values()), axis=0)
    made = [Profile(kind, rates[kind], cost, _ratios(cost, best)) for kind, cost in costs.items()]
    return tuple(sorted(made, key=lambda profile: _order(profile.ratios)))


def _cost(summary: Summary) -> float:
    return summary.steps.value * summary.configuration.batch_size


def _ratios(costs: NDArray[np.float64], best: NDArray[np.float64]) -> NDArray[np.float64]:
    """Infinite where a target was not reached, also where nobody reached it."""
    reached = np.isfinite(costs)
    return np.where(reached, costs / np.where(reached, best, 1.0), np.inf)


def _order(ratios: NDArray[np.float64]) -> tuple[int, float]:
    """Most problems solved first, then the lowest geometric mean of the ratios."""
    finite = ratios[np.isfinite(ratios)]
    return -len(finite), float(np.log(finite).mean()) if len(finite) else 0.0
