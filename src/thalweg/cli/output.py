"""What the commands write: answers to standard output, remarks about the source to standard error."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

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


@contextmanager
def progressing() -> Iterator[Callable[[str, float], None]]:
    """A progress bar on standard error, where that is a terminal: told what is being done, and what share is done."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("looking", total=1.0)
        yield lambda what, share: bar.update(task, description=what, completed=share)


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
