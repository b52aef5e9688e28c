"""The figures as Markdown."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from benchmarks.zoo.evidence import FAMILIES, Judged, Part, wilson
from benchmarks.zoo.program import FAULTY
from thalweg import RULES, Family


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def summary(part: Part) -> str:
    """Recall, rank, precision and false alarms."""
    faulty, healthy = part.faulty, part.healthy
    ranks = [j.rank for j in faulty]
    causes = [j.names(code) for j in faulty for code in j.causes] + [False for j in healthy for _ in j.alarms]
    firsts = [j.names(j.run.concerns[0]) for j in faulty if j.run.concerns]
    return table(
        ["figure", "measured"],
        [
            ["recall: a right finding", wilson(sum(r is not None for r in ranks), len(ranks))],
            ["right finding first or second", wilson(sum(r in (1, 2) for r in ranks), len(ranks))],
            ["right finding first", wilson(ranks.count(1), len(ranks))],
            ["precision: concerns about causes, healthy runs included", wilson(sum(causes), len(causes))],
            ["precision of the first concern, faulty runs", wilson(sum(firsts), len(firsts))],
            [
                "false alarms: healthy runs with one",
                wilson(sum(bool(j.alarms) for j in healthy), len(healthy)),
            ],
            ["programs: faulty, healthy", f"{_programs(faulty)}, {_programs(healthy)}"],
            ["skipped for missing data", len(part.skipped)],
        ],
    )


def classes(part: Part) -> str:
    """Recall and rank for each class of fault."""
    rows = []
    for family in Family:
        of = [j for j in part.faulty if j.program.family is family]
        if of:
            ranks = [j.rank for j in of]
            hits = [sum(r is not None for r in ranks), sum(r in (1, 2) for r in ranks), ranks.count(1)]
            rows.append([family, _programs(of), *(wilson(hit, len(of)) for hit in hits)])
    return table(["class", "programs", "recall", "first or second", "first"], rows)


def rules(part: Part) -> str:
    """What each rule did: on healthy runs, and on faulty ones."""
    alarms = Counter(code for j in part.healthy for code in j.alarms)
    of_class = Counter(code for j in part.faulty for code in j.run.concerns if j.names(code))
    others = Counter(code for j in part.faulty for code in j.run.concerns if not j.names(code))
    return table(
        ["rule", "false alarms", "concerns naming the class", "other concerns on faulty runs"],
        [
            [
                f"{r.code} {r.title}",
                wilson(alarms[r.code], len(part.healthy)),
                of_class[r.code],
                f"{others[r.code]} (outcome)" if FAMILIES[r.code] is Family.OUTCOME else others[r.code],
            ]
            for r in RULES
        ],
    )


def programs(part: Part) -> str:
    """Every program: whether it is a fault, and what was said of it."""
    by: dict[str, list[Judged]] = defaultdict(list)
    for j in part.judged:
        by[j.program.name].append(j)
    rows = []
    for name, v in sorted(part.validities.items()):
        runs = [j for j in by[name] if j.run.variant == FAULTY]
        right = " ".join(sorted(runs[0].right)) if runs else ""
        found = f"{sum(j.rank is not None for j in runs)} of {len(runs)}"
        if not v.valid:
            found = "not a fault here" if v.seeds > 1 else "too few seeds to tell"
        rows.append(
            [
                name,
                f"{v.faulty:.3g}",
                f"{v.twin:.3g}",
                f"{v.p:.2g}",
                f"{v.d:.2g}",
                v.seeds,
                right,
                found,
                _said(runs),
            ]
        )
    head = [
        "faulty program",
        "quality",
        "twin's",
        "p",
        "d",
        "seeds",
        "right",
        "found",
        "concerns, times seen",
    ]
    return table(head, rows)


def alarms(part: Part) -> str:
    """Every false alarm, to be looked at one by one."""
    rows = [[j.program.name, j.run.variant, j.run.seed, " ".join(j.alarms)] for j in part.healthy if j.alarms]
    return table(["healthy run", "variant", "seed", "alarms"], rows)


def _programs(judged: Iterable[Judged]) -> int:
    return len({(j.program.name, j.run.variant) for j in judged})


def _said(runs: Sequence[Judged]) -> str:
    times = Counter(code for j in runs for code in j.run.concerns)
    return ", ".join(f"{code} {count}" for code, count in times.most_common(6)) or ("nothing" if runs else "")
