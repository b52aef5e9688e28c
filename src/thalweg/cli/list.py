"""`thalweg list`: the runs under a folder."""

from pathlib import Path

import click

from thalweg.cli.output import show
from thalweg.configuration import configuration
from thalweg.errors import RunFolderError
from thalweg.store import runs


@click.command("list", short_help="List the runs in a folder.")
@click.argument("folder", required=False, metavar="[DIR]")
def list_runs(folder: str | None) -> None:
    """List the runs in DIR (the project's, else `runs`, where none is given) and in the folders below it.

    \b
    Examples:
      thalweg list
      thalweg list experiments
    """
    folder = folder or configuration().runs or "runs"
    root = Path(folder)
    if not root.is_dir():
        raise RunFolderError(
            f"{folder!r} is not a folder; `thalweg run` keeps its runs in `runs` unless told otherwise"
        )
    found = runs(root)
    if not found:
        click.echo(f"There are no runs in {folder!r}.")
        return
    from thalweg.render import RunRow, RunsTable

    # No answers: each would be a diagnosis of its run, seconds where a list is asked for.
    show(RunsTable([RunRow.of(run) for run in found]))
