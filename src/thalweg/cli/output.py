"""What the commands write: answers to standard output, remarks about the source to standard error."""

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


def notes(record: Record) -> None:
    """Say what is missing from this record: what was not watched, or its reader had to leave out or to mend."""
    said = [e.detail for e in record.events if e.kind in ("unwatched", "damaged", "mended")]
    for text in dict.fromkeys(detail.get("reason") or detail.get("what") for detail in said):
        click.echo(f"thalweg: note: {text}", err=True)
