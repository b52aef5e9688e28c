"""A comparison on the terminal: what was best, what cannot be told from it, and how each kind bears its rate."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from thalweg.comparison import Comparison
from thalweg.render.comparison_words import (
    Names,
    alike,
    best,
    configurations,
    counts,
    kinds,
    legend,
    unreached,
)
from thalweg.render.lines import Lines

_MOST = 40
"""Kinds of training in the table; `full` has them all."""


@dataclass(frozen=True, slots=True)
class ComparisonView:
    """The best, what cannot be told from it, and a row for each kind; `full` adds one for each configuration."""

    comparison: Comparison
    full: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        page, given = Lines(console, options), self.comparison
        names = Names.of(given)
        yield from page.lines(Text(best(given, names), style="bold"))
        if never := unreached(given):
            yield from page.lines(Text(never))
        if same := alike(given, names):
            yield from page.lines(Text(same))
        yield from page.lines(Text(counts(given), style="dim"))
        yield Text()
        rows = kinds(given, names)
        shown = rows if self.full else rows[: _MOST + 1]
        yield from table(page, shown, options.max_width)
        if len(shown) < len(rows):
            more = f"And {len(rows) - len(shown):,} kinds more, none of them better: --all prints every one."
            yield from page.lines(Text(more, style="dim"))
        if self.full:
            yield Text()
            yield from table(page, configurations(given, names, given.summaries()), options.max_width)
        yield Text()
        yield from page.lines(Text(legend(given), style="dim"))


def table(page: Lines, rows: Sequence[tuple[str, ...]], width: int) -> Iterable[Text]:
    """Rows under their head in columns, those for which a line has no room below the others, each row named again.

    Where a name and a single column have no room, each row becomes lines of its own.
    """
    named, *body = rows
    head = tuple(cell.upper() for cell in named)
    widths = [max(cell_len(row[column]) for row in (head, *body)) for column in range(len(head))]
    if widths[0] + 2 + max(widths[1:]) > width:
        for row in body:
            yield from page.lines(Text(row[0], style="bold"))
            for name, cell in zip(named[1:], row[1:], strict=True):
                yield from page.lines(Text(cell), lead=Text(f"{name}: ", style="dim"), indent=2)
        return
    groups: list[list[int]] = [[0]]
    for column in range(1, len(head)):
        if sum(widths[c] + 2 for c in groups[-1]) + widths[column] > width:
            groups.append([0])
        groups[-1].append(column)
    for place, group in enumerate(groups):
        if place:
            yield Text()
        for number, row in enumerate((head, *body)):
            cells = [row[c] + " " * (widths[c] - cell_len(row[c])) for c in group]
            yield page.written(Text("  ".join(cells).rstrip(), style="bold" if number == 0 else ""))
