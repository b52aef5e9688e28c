"""`thalweg report`: the page of a run."""

import os
from pathlib import Path

import click

from thalweg.cli.columns import naming
from thalweg.cli.options import asked, choosing
from thalweg.cli.output import notes, write_page
from thalweg.comparison_study import ComparisonStudy
from thalweg.diagnosis import diagnose, page_of, page_of_study
from thalweg.errors import UsageError
from thalweg.store import read
from thalweg.store.certificates import is_certificate
from thalweg.store.studies import is_study, read_members


@click.command(short_help="Write the findings and curves of a run as an HTML page.")
@click.argument("source")
@naming
@choosing
@click.option(
    "-o",
    "--output",
    default="report.html",
    show_default=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write it.",
)
def report(
    source: str, select: tuple[str, ...], ignore: tuple[str, ...], output: Path, **columns: str | None
) -> None:
    """Write the findings and curves of a run as one HTML page that needs nothing else.

    SOURCE is a run folder (also while the run goes on) or a log of any other tool: CSV, Keras's History as JSON,
    JSON Lines, Hugging Face's trainer_state.json, Lightning's metrics.csv, TensorBoard's event files, or the
    folder of these (docs/logs.md). What `thalweg certify` left in the run's folder is a section of the page. SOURCE
    may also be the certificate of several runs, or the folder of a study that `thalweg compare` made.

    \b
    Examples:
      thalweg report runs/train
      thalweg report history.csv -o history.html
      thalweg report --ignore G002 runs/train
      thalweg report seeds.json
      thalweg report studies/train-3f2a91c0
    """
    if is_study(source):
        if select or ignore or any(columns.values()):
            raise UsageError(f"{source!r} is a study: there are no rules or columns to choose for it")
        text = _page_of_study(source)
    elif is_certificate(source):
        if select or ignore or any(columns.values()):
            raise UsageError(f"{source!r} is a certificate: there are no rules or columns to choose for it")
        text = page_of_study(source)
    else:
        wanted = asked(select, ignore)
        record = read(source, **columns)
        notes(record, wanted.notes)
        text = page_of(record, diagnose(record, rules=wanted.rules), Path(source))
    if output.exists() and output.samefile(source):
        raise UsageError(f"{str(output)!r} is the log itself: the report would replace it")
    write_page(output, text)
    click.echo(f"The report is at {output.absolute()}")


def _page_of_study(source: str) -> str:
    from thalweg.render import comparison_page

    members = tuple(read_members(source))
    if not members:
        raise UsageError(f"no training of the study {source!r} has ended yet: there is nothing to show")
    os.environ.setdefault("KERAS_BACKEND", members[0].backend)
    try:
        from thalweg.keras.valleys import valleys
    except ImportError:  # Keras is not here: the page does without the valleys
        return comparison_page(ComparisonStudy(members))
    study = ComparisonStudy(members, valleys=valleys)
    return comparison_page(study, *study.best_valleys())
