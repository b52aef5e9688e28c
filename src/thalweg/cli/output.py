"""What the commands write: answers to standard output, remarks about the source to standard error."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import click

from thalweg.errors import UsageError
from thalweg.record import Record


def show(renderable: object) -> None:
    """Print a view on standard output; raises `BrokenPipeError` where its reader has gone."""
    from rich.console import Console

    from thalweg.render import terminal

    console: Console = terminal()
    with console.capture() as capture:
        console.print(renderable)
    click.echo(capture.get(), nl=False)


def write_page(path: Path, text: str) -> None:
    """Write an HTML page; raises `UsageError` where that cannot be done."""
    with writing(path):
        path.write_text(text, encoding="utf-8")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Within it a report is written there; raises `UsageError` where that cannot be done."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"cannot write the report to {str(path)!r}: {error.strerror or error}") from error


def check_writable(path: Path | None) -> None:
    """Raise `UsageError` where no report can be written there: rather known now than when all is trained."""
    if path is not None:
        with writing(path):
            path.touch()


def prefer_jax() -> None:
    """Let Keras, which is not loaded yet, run on JAX where that is installed and nothing else was asked for."""
    if find_spec("jax") is not None:
        os.environ.setdefault("KERAS_BACKEND", "jax")


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
