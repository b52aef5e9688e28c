"""`thalweg diagnose`: the findings on a run that was recorded."""

import json
from dataclasses import replace

import click

from thalweg.cli.columns import naming
from thalweg.cli.document import document
from thalweg.cli.junit import junit
from thalweg.cli.options import asked, choosing, failing
from thalweg.cli.output import notes, show
from thalweg.cli.sarif import sarif
from thalweg.diagnosis import diagnose as diagnosis_of
from thalweg.errors import UsageError
from thalweg.store import read


@click.command(short_help="Say whether a run converged, what is wrong, what to change.")
@click.argument("source")
@naming
@choosing
@failing
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif", "junit"], case_sensitive=False),
    help="For a person (the default), for programs (docs/json.md), or for continuous integration.",
)
@click.option("--all", "full", is_flag=True, help="Say every answer in words, not only what matters most.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.pass_context
def diagnose(
    context: click.Context,
    /,
    source: str,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    fail_on: str | None,
    form: str | None,
    full: bool,
    as_json: bool,
    **columns: str | None,
) -> None:
    """Say whether a run converged, what is wrong, and what to change.

    SOURCE is a run folder (also while the run goes on) or a log of any other tool: CSV, Keras's History as JSON,
    JSON Lines, Hugging Face's trainer_state.json, Lightning's metrics.csv, TensorBoard's event files, or the
    folder of these (docs/logs.md).

    \b
    Examples:
      thalweg diagnose runs/train
      thalweg diagnose history.csv
      thalweg diagnose --loss d_loss --step it gan.tsv
      thalweg diagnose --json runs/train | jq .answer
      thalweg diagnose --select data,output --ignore D004 runs/train
      thalweg diagnose --format sarif --fail-on never runs/train > thalweg.sarif

    Exit codes: 0 satisfactory, 1 concern, 2 usage or unreadable, 3 nothing could be assessed. A table
    [tool.thalweg] in pyproject.toml says the same for a project (docs/ci.md).
    """
    if as_json and form not in (None, "json"):
        raise UsageError(f"--json and --format {form} are two formats: ask for one")
    wanted = asked(select, ignore, fail_on)
    record = read(source, **columns)
    diagnosis = replace(diagnosis_of(record, rules=wanted.rules), notes=wanted.notes)
    code = wanted.project.fail_on.exit_code([diagnosis])
    if as_json or form == "json":
        click.echo(json.dumps(document(diagnosis, record, exit_code=code), indent=2, allow_nan=False))
    elif form == "sarif":
        log = sarif(diagnosis, record, wanted.rules, source, exit_code=code)
        click.echo(json.dumps(log, indent=2, allow_nan=False))
    elif form == "junit":
        click.echo(junit(diagnosis, record))
    else:
        from thalweg.render import DiagnosisView

        notes(record, wanted.notes)
        show(DiagnosisView(diagnosis, record, source, full))
    context.exit(code)
