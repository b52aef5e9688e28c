"""What the zoo has measured so far: one line of JSON a run, appended, the last line for a run counts.

How good each training was is also kept in the repository, for whether a fault is one: it has nothing to do with the
rules, and need not be measured again.
"""

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.zoo.program import Program
from thalweg import Diagnosis, Verdict


@dataclass(frozen=True)
class Result:
    """One training: how good it was and what Thalweg said of it."""

    program: str
    variant: str
    seed: int
    backend: str
    source: str
    """Digest of the program as it was."""
    quality: float | None = None
    seconds: float = 0.0
    verdicts: Mapping[str, str] = field(default_factory=dict)
    """Verdict by code, in the order in which a person reads the findings."""
    because: Mapping[str, str] = field(default_factory=dict)
    """By code of a concern that another explains, the code of that one."""
    failed: str = ""
    """Why there is no result: the data are missing, the time was up."""
    raised: str = ""
    """What `fit` raised, where it did: that may be the very fault."""
    folder: str = ""
    kept: bool = False
    """Whether only its quality is known, from the repository."""

    @property
    def concerns(self) -> list[str]:
        """The codes of the concerns, the first to read first."""
        return [code for code, verdict in self.verdicts.items() if verdict == Verdict.CONCERN]

    @property
    def causes(self) -> list[str]:
        """The concerns that no other explains."""
        return [code for code in self.concerns if code not in self.because]

    @property
    def judged(self) -> bool:
        """Whether it is known what Thalweg says of it."""
        return not (self.kept or self.failed)

    @property
    def key(self) -> tuple[str, str, int, str]:
        return self.program, self.variant, self.seed, self.backend


def told(diagnosis: Diagnosis) -> dict[str, dict[str, str]]:
    """The part of a result that is Thalweg's: verdicts in order, and what explains what."""
    return {
        "verdicts": {finding.code: str(finding.verdict) for finding in diagnosis},
        "because": dict(diagnosis.because),
    }


KEPT = Path(__file__).with_name("qualities.csv")
_FIELDS = ("program", "variant", "seed", "backend", "source", "quality")


class Results:
    """The file of results, and the qualities that are kept; those of programs changed since are left out."""

    def __init__(self, path: Path, programs: Iterable[Program], kept: Path = KEPT) -> None:
        self.path = path
        sources = {(p.name, variant): p.source(variant) for p in programs for variant in p.variants}
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        read = [*_qualities(kept), *(Result(**json.loads(line)) for line in lines)]
        self._runs = {r.key: r for r in read if sources.get((r.program, r.variant)) == r.source}

    def __iter__(self):
        return iter(list(self._runs.values()))

    def __contains__(self, key: tuple[str, str, int, str]) -> bool:
        """Whether a run was judged; a training that failed is tried again."""
        return key in self._runs and self._runs[key].judged

    def add(self, result: Result) -> None:
        """Keep a result, on disk as well."""
        self._runs[result.key] = result
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(result)) + "\n")

    def keep(self, path: Path = KEPT) -> int:
        """Write the qualities for the repository; how many there are."""
        rows = sorted((r for r in self if not r.failed), key=lambda r: r.key)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(_FIELDS)
            for r in rows:
                quality = "" if r.quality is None else f"{r.quality:.6g}"
                writer.writerow([r.program, r.variant, r.seed, r.backend, r.source, quality])
        return len(rows)


def _qualities(path: Path) -> list[Result]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Result(**{**row, "seed": int(row["seed"]), "quality": _number(row["quality"])}, kept=True)
            for row in csv.DictReader(file)
        ]


def _number(text: str) -> float | None:
    return float(text) if text else None
