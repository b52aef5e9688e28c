"""A picture of what was measured of a model, and the same in words and numbers for whoever cannot see it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from thalweg.words import figure


@dataclass(frozen=True, slots=True)
class Table:
    """The numbers of a picture: `head` names the columns, every row begins with what it is of."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """What the page's script draws as `kind` from `drawn`, under a title; `key` says what its lines are.

    `words` are sentences with all that one should see in it, `how` says how it is read; `tables` are its numbers, by
    what they are.
    """

    kind: str
    title: str
    unit: str
    words: tuple[str, ...]
    how: str
    tables: Mapping[str, Table]
    drawn: Mapping[str, object]
    key: tuple[tuple[str, str], ...] = field(default=())
    """Lines as (colour, name)."""


def around(value: float, error: float, of: str = "") -> str:
    """A value and how far it may be off: `9.12 ± 0.03`; without what is not known."""
    off = f" ± {figure(float(error))}" if error == error else ""
    return f"{figure(float(value))}{off}{f' {of}' if of else ''}"


def table(head: Sequence[str], rows: Sequence[Sequence[float]]) -> Table:
    """A table of figures."""
    return Table(tuple(head), tuple(tuple(figure(value) for value in row) for row in rows))
