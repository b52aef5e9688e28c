"""`thalweg check`: a script's training looked at before its first step."""

import sys

import click

from thalweg.cli.options import asked, choosing, failing
from thalweg.cli.output import say


@click.command(
    short_help="Say what speaks against a training before it starts.",
    context_settings={"allow_interspersed_args": False},
)
@click.option(
    "--overfit",
    is_flag=True,
    help="Also train on one batch of 16 examples: a network that cannot learn even those cannot learn.",
)
@choosing
@failing
@click.option("--strict-keras", is_flag=True, help="Do not adapt what an older Keras accepted: let it fail.")
@click.argument("script")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGS]...")
def check(
    overfit: bool,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    fail_on: str | None,
    strict_keras: bool,
    script: str,
    arguments: tuple[str, ...],
) -> None:
    """Hold data, model and loss of a script against one another, before its first step.

    The script runs up to its first `fit` and is ended there: nothing is trained, nothing is kept. All that
    follows SCRIPT is the script's own. `thalweg run` checks the same, and then trains.

    \b
    Examples:
      thalweg check train.py
      thalweg check --overfit train.py --epochs 20

    The exit code is the script's own where it fails; else 0 satisfactory, 1 concern, 3 nothing to assess.
    """
    wanted = asked(select, ignore, fail_on)
    say(wanted.notes)
    from thalweg.keras.check_script import check_script  # Keras: seconds that no other command should wait

    sys.exit(
        check_script(
            script,
            list(arguments),
            overfit=overfit,
            strict=strict_keras,
            rules=wanted.rules,
            fail_on=wanted.project.fail_on,
        )
    )
