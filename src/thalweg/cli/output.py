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
    """Say what the reader of this record had to leave out or to mend."""
    for event in record.events:
        if event.kind in ("damaged", "mended"):
            click.echo(f"thalweg: note: {event.detail.get('reason') or event.detail.get('what')}", err=True)
