"""`thalweg certify`: what may be claimed about where a run's parameters ended up."""

from pathlib import Path

import click

from thalweg.certificate import Certificate
from thalweg.certification import PRODUCTS, examined, study_examined
from thalweg.cli.output import notes, progressing, show
from thalweg.examination import Examination
from thalweg.render.plain import run_in_words
from thalweg.store import read
from thalweg.store.certificates import CERTIFICATE, certificate_text, write_certificate
from thalweg.study_examination import StudyExamination


@click.command(short_help="Say what may be claimed about where the parameters ended up.")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
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
    context: click.Context,
    /,
    sources: tuple[str, ...],
    products: int,
    output: Path | None,
    full: bool,
    as_json: bool,
) -> None:
    """Say what may be claimed about where the parameters ended up.

    SOURCE is a run folder, or a log of any other tool, of which less can be said. Each claim is established,
    refuted or not established, with its evidence and what was looked at; the first line is what they carry
    together. Several run folders are taken for one training with several seeds: do they agree, and do they lie in
    one valley? The certificate is written beside the run, of several runs where -o says: `thalweg verify` recomputes
    it, `thalweg report` makes a page of it.

    \b
    Examples:
      thalweg certify runs/train
      thalweg certify --products 400 runs/train
      thalweg certify history.csv
      thalweg certify -o seeds.json runs/train runs/train-2 runs/train-3

    Exit codes: 0 converged, 1 not converged, 2 usage or unreadable, 3 cannot tell.
    """
    from thalweg.render import CertificateView

    certificate: Certificate
    found: Examination | StudyExamination
    if len(sources) > 1:
        with progressing() as progress:
            certificate, found = study_examined(sources, products=products, progress=progress)
        about, stored = ", ".join(sources), output
    else:
        (source,) = sources
        record = read(source)
        notes(record)
        with progressing() as progress:
            certificate, found = examined(source, products=products, progress=progress)
        about, stored = run_in_words(record), output
        if output is None and Path(source).is_dir():
            output, stored = Path(source) / CERTIFICATE, Path(source)
    if output is not None:
        write_certificate(output, certificate, found)
    if as_json:
        click.echo(certificate_text(certificate, found), nl=False)
    else:
        show(CertificateView(certificate, about, sources, None if stored is None else str(stored), full))
    context.exit(certificate.exit_code)
