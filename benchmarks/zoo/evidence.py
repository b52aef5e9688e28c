"""From results to figures: which faults are faults, and how often the rules were right. Pure functions."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from scipy.stats import mannwhitneyu

from benchmarks.zoo.program import FAULTY, HEALTHY, TWIN, Program, codes
from benchmarks.zoo.results import Result
from thalweg import RULES, Family

SIGNIFICANT, LARGE_ENOUGH, MENDED = 0.05, 0.5, 0.8
"""The error that a fault is none, its least size in standard deviations, the share of the gap that a mend closes."""

FAMILIES = {rule.code: rule.family for rule in RULES}


@dataclass(frozen=True)
class Validity:
    """Whether a fault is one: its quality against its twin's."""

    faulty: float
    twin: float
    p: float
    d: float
    seeds: int

    @property
    def valid(self) -> bool:
        return self.p < SIGNIFICANT and self.d >= LARGE_ENOUGH


def compared(worse: Sequence[float], better: Sequence[float]) -> Validity:
    """One-sided Mann-Whitney test and Cohen's d; training that ended in no number counts as worst of all."""
    low = min([*[v for v in (*worse, *better) if v is not None], 0.0])
    a, b = (np.array([low if v is None else v for v in values], "float64") for values in (worse, better))
    if min(len(a), len(b)) < 2:
        return Validity(math.nan, math.nan, 1.0, 0.0, min(len(a), len(b)))
    gap, scale = b.mean() - a.mean(), math.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
    size = gap / scale if scale > 0 else math.copysign(math.inf, gap) if gap else 0.0
    p = mannwhitneyu(a, b, alternative="less").pvalue if np.ptp([*a, *b]) > 0 else 1.0
    return Validity(float(a.mean()), float(b.mean()), float(p), float(size), min(len(a), len(b)))


def validity(program: Program, runs: Iterable[Result], variant: str = TWIN) -> Validity:
    """The faulty variant against another, on the seeds that both have."""
    by = {
        name: {r.seed: r.quality for r in runs if r.variant == name and not r.failed}
        for name in (FAULTY, variant)
    }
    seeds = sorted(by[FAULTY].keys() & by[variant].keys())
    return compared(*([by[name][seed] for seed in seeds] for name in (FAULTY, variant)))


def accepted(program: Program, runs: Sequence[Result]) -> frozenset[str]:
    """The right codes, and those of other changes that were measured to mend the fault."""
    twin, right = validity(program, runs), set(program.right)
    for variant in program.variants.keys() - {FAULTY, TWIN, HEALTHY}:
        mend = validity(program, runs, variant)
        if mend.valid and mend.twin - mend.faulty >= MENDED * (twin.twin - twin.faulty):
            right |= codes(variant)
    return frozenset(right)


@dataclass(frozen=True)
class Judged:
    """A run beside what would be right about it; nothing is right about a healthy one."""

    program: Program
    run: Result
    right: frozenset[str]

    @property
    def healthy(self) -> bool:
        return self.run.variant in (HEALTHY, TWIN)

    @property
    def alarms(self) -> list[str]:
        """False alarms of a healthy run."""
        return [code for code in self.run.concerns if code not in self.program.true]

    @property
    def rank(self) -> int | None:
        """Place of the first right finding among the concerns, from 1; None where there is none."""
        places = [i for i, code in enumerate(self.run.concerns, 1) if code in self.right]
        return places[0] if places else None

    @property
    def causes(self) -> list[str]:
        """The concerns that say what the cause is: explained by no other, and more than how the run went."""
        return [c for c in self.run.causes if c in self.right or FAMILIES.get(c) is not Family.OUTCOME]

    def names(self, code: str) -> bool:
        """Whether a concern names the right class."""
        return code in self.right or FAMILIES.get(code) is self.program.family


@dataclass(frozen=True)
class Part:
    """The runs that the figures are about, on one backend."""

    judged: tuple[Judged, ...]
    validities: Mapping[str, Validity]
    """Of every faulty program that has been trained, valid or not."""
    skipped: tuple[str, ...]

    @property
    def faulty(self) -> list[Judged]:
        return [j for j in self.judged if not j.healthy]

    @property
    def healthy(self) -> list[Judged]:
        return [j for j in self.judged if j.healthy]


def part(
    programs: Mapping[str, Program],
    results: Iterable[Result],
    backend: str,
    seeds_of: Callable[[int], bool],
) -> Part:
    """Runs of the chosen programs and seeds: faults that are faults, their twins, the healthy programs.

    Validity and mends are measured on all seeds that there are, for they have nothing to do with the rules.
    """
    judged, validities, skipped = [], {}, []
    mine = sorted((r for r in results if r.backend == backend), key=lambda r: (r.program, r.variant, r.seed))
    for name, group in groupby(mine, key=lambda r: r.program):
        program, runs = programs[name], list(group)
        if all(r.failed for r in runs):
            skipped.append(name)
            continue
        if program.family is not None:
            validities[name] = validity(program, runs)
            if not validities[name].valid:
                continue
        right = accepted(program, runs)
        kinds = {HEALTHY, FAULTY, *([TWIN] if program.good else [])}
        judged += [
            Judged(program, r, right) for r in runs if r.variant in kinds and seeds_of(r.seed) and r.judged
        ]
    return Part(tuple(judged), validities, tuple(skipped))


def wilson(hits: int, of: int) -> str:
    """A share with its 95 % interval (Wilson 1927)."""
    if not of:
        return "-"
    p, z = hits / of, 1.96
    middle = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    low, high = 100 * max(0.0, round(middle - half, 9)), 100 * min(middle + half, 1)
    return f"{hits} of {of}, {100 * p:.3g} % ({low:.2g} to {high:.3g})"


def confusion(judged: Iterable[Judged]) -> Counter[tuple[str, str]]:
    """How often a class of fault (or none) met a family of the first finding (or none)."""
    return Counter(
        (
            "healthy" if j.healthy else str(j.program.family),
            _family(next(iter(j.alarms if j.healthy else j.run.concerns), None)),
        )
        for j in judged
    )


def _family(code: str | None) -> str:
    return "nothing" if code is None else str(FAMILIES.get(code, "unknown"))
