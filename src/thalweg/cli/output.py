"""What the commands write: answers to standard output, remarks about the source to standard error."""

from collections.abc import Iterable

import click

from thalweg.record import Record


def show(renderable: object) -> None:
    """Print a view on standard output; raises `BrokenPipeError` where its reader has gone."""
    from rich.console import Console

    from thalweg.render import terminal

    console: Console = terminal()
    with console.capture() as capture:
        console.print(renderable)
    click.echo(capture.get(), nl=False)


def notes(record: Record, others: Iterable[str] = ()) -> None:
    """Say what is missing from this record: what was not watched, or its reader had to leave out or to mend.

    `others` are said after it.
    """
    said = [e.detail for e in record.events if e.kind in ("unwatched", "damaged", "guessed", "mended")]
    say([*(str(detail.get("reason") or detail.get("what")) for detail in said), *others])


def say(remarks: Iterable[str]) -> None:
    """Put remarks on standard error, each once."""
    for text in dict.fromkeys(remarks):
        click.echo(f"thalweg: note: {text}", err=True)
