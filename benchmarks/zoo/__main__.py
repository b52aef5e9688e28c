"""`python -m benchmarks.zoo run | validate | keep | rediagnose | table | picture`; see docs/zoo.md."""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks.zoo import picture, runner, table
from benchmarks.zoo.evidence import Part, accepted, confusion, part, validity
from benchmarks.zoo.program import FAULTY, HEALTHY, TWIN, Program
from benchmarks.zoo.results import KEPT, Results


def seeds(text: str) -> list[int]:
    """Seeds from `0-9,100`."""
    ends = [[int(end) for end in span.split("-")] for span in text.split(",")]
    return [seed for span in ends for seed in range(span[0], span[-1] + 1)]


def main() -> None:
    """Read the command line and do what it says."""
    backend = runner.backend()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zoo", description=__doc__)
    parser.add_argument(
        "command", choices=["run", "validate", "keep", "rediagnose", "table", "picture", "list"]
    )
    parser.add_argument("--seeds", type=seeds, help="such as 0-9,100 (run: 100-104)")
    parser.add_argument("--only", nargs="+", default=[""], help="programs whose name or class holds a word")
    parser.add_argument("--part", choices=["held-out", "development", "all"], help="run: all, else held-out")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--limit", type=int, default=300, help="seconds a training may take")
    parser.add_argument("--again", action="store_true", help="train even what is known")
    parser.add_argument("--folder", type=Path, default=Path("runs/zoo"), help="results and records")
    options = parser.parse_args()

    everything = options.command in ("run", "validate", "keep", "rediagnose", "list")
    options.part = options.part or ("all" if everything else "held-out")

    from benchmarks.zoo.catalogue import PROGRAMS

    chosen = {
        name: program
        for name, program in PROGRAMS.items()
        if any(word in f"{name} / {program.family or HEALTHY}" for word in options.only)
        and (options.part == "all" or program.held_out == (options.part == "held-out"))
    }
    results = Results(options.folder / "results.jsonl", PROGRAMS.values())
    figures = part(
        chosen,
        (r for r in results if r.program in chosen),
        backend,
        lambda seed: (
            seed in options.seeds
            if options.seeds
            else options.part == "all" or (seed >= 100) == (options.part == "held-out")
        ),
    )
    heading = f"{options.part} part, {backend}"
    if options.command == "list":
        for name, program in chosen.items():
            print(
                f"{'held-out   ' if program.held_out else 'development'}  {program.family or HEALTHY!s:18} {name}"
            )
    elif options.command == "run":
        todo = runner.tasks(
            chosen.values(), options.seeds or range(100, 105), backend, results, options.again
        )
        done = runner.run(todo, results, folder=options.folder, jobs=options.jobs, limit=options.limit)
        for number, r in enumerate(done, 1):
            quality = "-" if r.quality is None else f"{r.quality:.3f}"
            said = r.failed or " ".join([*r.concerns, *(["raised"] if r.raised else [])]) or "."
            print(
                f"{number:5}/{len(todo)} {r.seconds:5.1f} s  {r.program} / {r.variant} {r.seed}: {quality} {said}",
                flush=True,
            )
    elif options.command == "rediagnose":
        print(f"{sum(1 for _ in runner.rediagnose(results))} records diagnosed again")
    elif options.command == "keep":
        print(f"{results.keep()} qualities are kept in {KEPT}")
    elif options.command == "validate":
        asked = options.seeds or range(1000)
        validate(chosen, [r for r in results if r.backend == backend and r.seed in asked])
    elif options.command == "table":
        print(f"## The zoo, {heading}\n\n{tables(figures)}")
    else:
        path = options.folder / f"confusion-{options.part}-{backend}.svg"
        path.write_text(picture.svg(confusion(figures.judged), f"First finding, {heading}"), encoding="utf-8")
        print(path)


def tables(figures: Part) -> str:
    """All tables, one below the other."""
    makers = (table.summary, table.classes, table.rules, table.alarms, table.programs)
    return "\n".join(make(figures) for make in makers)


def validate(programs: dict[str, Program], results: list) -> None:
    """Which faults are faults on this backend, and which other changes mend them."""
    for name, program in programs.items():
        runs = [r for r in results if r.program == name]
        for variant in program.variants.keys() - {FAULTY, HEALTHY}:
            v = validity(program, runs, variant)
            if v.seeds < 2:
                continue
            if variant == TWIN:
                says = "fault" if v.valid else "NOT A FAULT"
            else:
                says = "mends" if variant.split()[0] in accepted(program, runs) else "does not mend"
            print(
                f"{name:45} {variant:12} {v.faulty:8.3f} -> {v.twin:8.3f}  p {v.p:.3f}  d {v.d:6.1f}  "
                f"{v.seeds:2} seeds  {says}"
            )


if __name__ == "__main__":
    main()
