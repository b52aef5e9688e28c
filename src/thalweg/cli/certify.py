"""`thalweg certify`: what may be claimed about where a run's parameters ended up."""

from pathlib import Path

import click

from thalweg.certification import PRODUCTS, examined
from thalweg.cli.output import notes, progressing, show
from thalweg.store import read
from thalweg.store.certificates import CERTIFICATE, certificate_text, write_certificate


@click.command(short_help="Say what may be claimed about where the parameters ended up.")
@click.argument("source")
@click.option(
    "--products",
    type=click.IntRange(min=0),
    default=PRODUCTS,
    show_default=True,
    help="Passes over the examples that it may take (gradients, Hessian products); 0 looks at the record alone.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the certificate; in the run's folder by default.",
)
@click.option("--all", "full", is_flag=True, help="Say also what each claim assumes.")
@click.option("--json", "as_json", is_flag=True, help="Print the certificate as JSON (docs/certificate.md).")
@click.pass_context
def certify(
    context: click.Context, /, source: str, products: int, output: Path | None, full: bool, as_json: bool
) -> None:
    """Say what may be claimed about where the parameters ended up.

    SOURCE is a run folder, or a log of any other tool, of which less can be said. Each claim is established,
    refuted or not established, with its evidence and what was looked at; the first line is what they carry
    together. The certificate is written beside the run, and `thalweg verify` recomputes it.

    \b
    Examples:
      thalweg certify runs/train
      thalweg certify --products 400 runs/train
      thalweg certify history.csv

    Exit codes: 0 converged, 1 not converged, 2 usage or unreadable, 3 cannot tell.
    """
    record = read(source)
    notes(record)
    with progressing() as progress:
        certificate, examination = examined(source, products=products, progress=progress)
    where = output or (Path(source) / CERTIFICATE if Path(source).is_dir() else None)
    if where is not None:
        write_certificate(where, certificate, examination)
    if as_json:
        click.echo(certificate_text(certificate, examination), nl=False)
    else:
        from thalweg.render import CertificateView

        show(CertificateView(certificate, record, source, full))
    context.exit(certificate.exit_code)
