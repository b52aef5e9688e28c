"""`thalweg run`: a script under watch."""

import sys

import click


@click.command(
    short_help="Run a Keras script under watch.", context_settings={"allow_interspersed_args": False}
)
@click.option(
    "--runs", default="runs", show_default=True, metavar="DIR", help="Folder that the runs are kept in."
)
@click.option(
    "--budget",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.03,
    show_default=True,
    help="What watching may cost, as a fraction of each step's time.",
)
@click.option("--strict-keras", is_flag=True, help="Do not adapt what an older Keras accepted: let it fail.")
@click.option("--report", metavar="FILE", help="Also write the report of the last run, as an HTML page.")
@click.argument("script")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGS]...")
def run(
    runs: str, budget: float, strict_keras: bool, report: str | None, script: str, arguments: tuple[str, ...]
) -> None:
    """Run a Keras script under watch, with not one line of it changed.

    Every `fit` in it becomes a run, which is kept, diagnosed, and summed up at the end. All that follows
    SCRIPT is the script's own.

    \b
    Examples:
      thalweg run train.py
      thalweg run train.py --epochs 20
      thalweg run --runs experiments --report report.html train.py

    The exit code is the script's own where it fails; else 0 satisfactory, 1 concern, 3 nothing to assess.
    """
    from thalweg.keras.script import run_script  # Keras: seconds that no other command should wait

    sys.exit(
        run_script(script, list(arguments), runs=runs, budget=budget, strict=strict_keras, report=report)
    )
