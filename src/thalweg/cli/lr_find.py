"""`thalweg lr-find`: the learning rate that suits a script's training."""

import click

from thalweg.cli.output import prefer_jax, progressing, show


@click.command(
    "lr-find",
    short_help="Find the learning rate that suits a script's training.",
    context_settings={"allow_interspersed_args": False},
)
@click.option(
    "--seeds", type=click.IntRange(min=1), default=4, show_default=True, help="How many for each rate."
)
@click.option(
    "--horizon",
    type=click.FloatRange(0.0, 1.0, min_open=True),
    default=0.25,
    show_default=True,
    help="The share of the training's steps that is trained.",
)
@click.option(
    "--epochs", type=click.IntRange(min=1), help="That the rate is for; the script's own by default."
)
@click.option("--fit", type=click.IntRange(min=1), help="Which of the script's fits is meant.")
@click.argument("script")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGS]...")
def lr_find(
    seeds: int, horizon: float, epochs: int | None, fit: int | None, script: str, arguments: tuple[str, ...]
) -> None:
    """Find the constant learning rate with which a script's `fit` ends with the lowest loss.

    The script runs up to its `fit`; model, optimizer, loss, data and epochs are taken from there, its callbacks are
    left out. Short trainings at many rates are one compiled program, on JAX (KERAS_BACKEND=jax is set where
    nothing else is and JAX is installed). All that follows SCRIPT is the script's own.

    \b
    Examples:
      thalweg lr-find train.py
      thalweg lr-find --seeds 5 train.py --width 64

    The exit code is the script's own where it fails; else 0, or 2 where no rate can be found as asked.
    """
    from thalweg.render import RateSuggestionView

    prefer_jax()
    from thalweg.keras.lr_find_script import suggestion_for_script  # Keras: seconds that no other should wait

    with progressing() as progress:
        found = suggestion_for_script(
            script,
            list(arguments),
            fit=fit,
            seeds=seeds,
            horizon=horizon,
            epochs=epochs,
            progress=lambda done, total: progress("training", done / total),
        )
    show(RateSuggestionView(found))
