"""`thalweg run`: a script under watch."""

import sys

import click

from thalweg.cli.options import asked, choosing, failing
from thalweg.cli.output import say


@click.command(
    short_help="Run a Keras script under watch.", context_settings={"allow_interspersed_args": False}
)
@click.option("--runs", metavar="DIR", help="Folder that the runs are kept in (`runs` by default).")
@click.option(
    "--budget",
    type=click.FloatRange(0, 1, min_open=True),
    help="What watching may cost, as a fraction of each step's time (0.03 by default).",
)
@choosing
@failing
@click.option("--strict-keras", is_flag=True, help="Do not adapt what an older Keras accepted: let it fail.")
@click.option(
    "--no-keep", is_flag=True, help="Do not keep the model and a sample of its examples, for `certify`."
)
@click.option(
    "--curvature", is_flag=True, help="Also track the largest eigenvalue of the Hessian, within the budget."
)
@click.option("--report", metavar="FILE", help="Also write the report of the last run, as an HTML page.")
@click.argument("script")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGS]...")
def run(
    runs: str | None,
    budget: float | None,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    fail_on: str | None,
    strict_keras: bool,
    no_keep: bool,
    curvature: bool,
    report: str | None,
    script: str,
    arguments: tuple[str, ...],
) -> None:
    """Run a Keras script under watch, with not one line of it changed.

    Every `fit` in it becomes a run, which is kept, diagnosed, and summed up at the end. All that follows
    SCRIPT is the script's own.

    \b
    Examples:
      thalweg run train.py
      thalweg run train.py --epochs 20
      thalweg run --runs experiments --report report.html train.py

    The exit code is the script's own where it fails; else 0 satisfactory, 1 concern, 3 nothing to assess. A
    table [tool.thalweg] in pyproject.toml says the same for a project (docs/ci.md).
    """
    wanted = asked(select, ignore, fail_on)
    say(wanted.notes)
    project = wanted.project
    from thalweg.keras.script import run_script  # Keras: seconds that no other command should wait

    sys.exit(
        run_script(
            script,
            list(arguments),
            runs=runs or project.runs or "runs",
            budget=budget or project.budget or 0.03,
            strict=strict_keras,
            keep=not no_keep,
            curvature=curvature,
            report=report,
            rules=wanted.rules,
            fail_on=project.fail_on,
        )
    )
