"""Several runs of the same training, and what in them is not the same."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from thalweg.errors import UsageError
from thalweg.record import Record

RECORD_OF = "record of "
"""Before the name of a run in the subject of a study's certificate."""


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """Records of one training with several seeds, each under its name.

    It compares what was asked for, not what came of it: layers, loss, optimizer and data facts. Raises `UsageError`
    without a run, for as many names as not records, and for a name that two bear.
    """

    names: tuple[str, ...]
    records: tuple[Record, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        object.__setattr__(self, "records", tuple(self.records))
        if not self.records or len(self.names) != len(self.records):
            raise UsageError(
                f"A study needs a name for each run: got {len(self.names)} for {len(self.records)} runs."
            )
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        if twice:
            raise UsageError(f"Two runs of a study are called {twice[0]!r}: give each its own name.")

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[tuple[str, Record]]:
        return iter(zip(self.names, self.records, strict=True))

    def called(self, run: int) -> str:
        """The name of a run by its number; a run that the study does not hold is called by that."""
        return self.names[run] if 0 <= run < len(self) else f"run {run + 1}"

    @property
    def digests(self) -> dict[str, str]:
        """The digest of each record, by `record of` and the run's name."""
        return {f"{RECORD_OF}{name}": record.digest() for name, record in self}

    @property
    def differences(self) -> tuple[str, ...]:
        """What makes the runs different trainings, a sentence each; none where only the seeds differ.

        A fact that a run's record does not hold is not compared.
        """
        first, *others = [_asked_for(record) for record in self.records]
        return tuple(
            f"{what.capitalize()} of {name} is {_words(asked[what])}, that of {self.names[0]} {_words(first[what])}."
            if what != "layers"
            else f"The layers of {name} are not those of {self.names[0]}{_where(first[what], asked[what])}."
            for name, asked in zip(self.names[1:], others, strict=True)
            for what in first
            if asked.get(what, first[what]) != first[what]
        )

    @property
    def seeds(self) -> tuple[int | None, ...]:
        """The global seed of each run, None where none was set."""
        return tuple(record.info.get("seed") for record in self.records)


def names_in(subject: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the runs whose digests stand in the subject of a certificate."""
    return tuple(name.removeprefix(RECORD_OF) for name in subject if name.startswith(RECORD_OF))


def _asked_for(record: Record) -> dict[str, Any]:
    """The facts that two runs of one training share, by what they are called; those that are missing left out."""
    info = record.info
    facts: dict[str, Any] = {}
    if layers := _rows(info.get("layers")):
        # Keras numbers the names of layers through a whole process: they are not compared.
        facts["layers"] = [
            tuple(layer.get(key) for key in ("class", "units", "activation")) for layer in layers
        ]
    model, optimizer, fit, data = (_mapping(info.get(key)) for key in ("model", "optimizer", "fit", "data"))
    rate = optimizer.get("learning_rate")
    found = {
        "the number of parameters": model.get("parameters"),
        "the loss": info.get("loss"),
        "the optimizer": optimizer.get("class"),
        "the learning rate": rate if isinstance(rate, int | float) else None,
        "the batch size": fit.get("batch_size"),
        "the number of training examples": data.get("total"),
        "the shape of the inputs": [row.get("shape") for row in _rows(data.get("inputs"))] or None,
        "the kind of the targets": [row.get("kind") for row in _rows(data.get("targets"))] or None,
        "the precision": info.get("precision"),
    }
    return facts | {what: value for what, value in found.items() if value is not None}


def _where(first: list[Any], other: list[Any]) -> str:
    if len(first) != len(other):
        return f": {len(other)} against {len(first)}"
    number = next(i for i, pair in enumerate(zip(first, other, strict=True)) if pair[0] != pair[1])
    return f", from the {other[number][0]} layer on, number {number + 1}"


def _words(value: Any) -> str:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return " by ".join(map(str, value)) if isinstance(value, list) else str(value)


def _rows(value: Any) -> list[Mapping[str, Any]]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list | tuple) else []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
