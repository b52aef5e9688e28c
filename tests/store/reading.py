"""What the tests of the readers share."""

from pathlib import Path
from typing import Any

from thalweg.record import Record
from thalweg.store import read


def record_of(folder: Path, content: str | bytes, name: str = "log.csv", **asked: Any) -> Record:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read(path, **asked)


def said(record: Record, kind: str = "mended") -> list[str]:
    return [event.detail["what"] for event in record.events if event.kind == kind]


def points(record: Record, name: str) -> dict[int, float]:
    series = record.series[name]
    return dict(zip(series.steps.tolist(), series.values.tolist(), strict=True))
