"""`thalweg verify`: whether a certificate comes out the same."""

import click

from thalweg.certification import verify as verification
from thalweg.cli.output import progressing


@click.command(short_help="Recompute a certificate and say whether it holds.")
@click.argument("source")
@click.argument("run", required=False)
@click.pass_context
def verify(context: click.Context, /, source: str, run: str | None) -> None:
    """Recompute a certificate and say whether it comes out the same.

    SOURCE is the run folder in which `thalweg certify` left certificate.json, or such a file; of one that lies
    elsewhere RUN is what it was made of. Its claims are made anew from the record and the stored measurements, and,
    where the run keeps its model and examples, from measurements taken anew.

    \b
    Examples:
      thalweg verify runs/train
      thalweg verify seeds.json
      thalweg verify train.json runs/train

    Exit codes: 0 it holds, 1 it does not, 2 usage or unreadable.
    """
    with progressing() as progress:
        found = verification(source, run, progress=progress)
    stored = found.certificate
    click.echo(f"{stored.head}")
    how = "measured anew" if found.measured else "made anew from the record; no model was looked at"
    if found.holds:
        click.echo(f"It holds: all {len(stored)} claims came out the same, {how}.")
    else:
        click.echo("It does not hold:")
        for difference in found.differences:
            click.echo(f"  {difference[:1].upper()}{difference[1:]}.")
    context.exit(0 if found.holds else 1)
