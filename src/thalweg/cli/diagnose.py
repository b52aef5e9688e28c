"""`thalweg diagnose`: the findings on a run that was recorded."""

import json

import click

from thalweg.cli.document import document
from thalweg.cli.output import notes, show
from thalweg.diagnosis import diagnose as diagnosis_of
from thalweg.store import read


@click.command(short_help="Say whether a run converged, what is wrong, what to change.")
@click.argument("source")
@click.option("--json", "as_json", is_flag=True, help="One JSON document, for programs (docs/json.md).")
@click.pass_context
def diagnose(context: click.Context, source: str, as_json: bool) -> None:
    """Say whether a run converged, what is wrong, and what to change.

    SOURCE is a run folder (also while the run goes on) or a CSV log such as Keras's CSVLogger writes.

    \b
    Examples:
      thalweg diagnose runs/train
      thalweg diagnose history.csv
      thalweg diagnose --json runs/train | jq .answer

    Exit codes: 0 satisfactory, 1 concern, 2 usage or unreadable, 3 nothing could be assessed.
    """
    record = read(source)
    diagnosis = diagnosis_of(record)
    if as_json:
        click.echo(json.dumps(document(diagnosis, record), indent=2, allow_nan=False))
    else:
        from thalweg.render import DiagnosisView

        notes(record)
        show(DiagnosisView(diagnosis, record, source))
    context.exit(diagnosis.exit_code)
