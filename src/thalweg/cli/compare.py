"""`thalweg compare`: a script's training under many configurations, with several seeds each."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from thalweg.cli.output import progressing, say
from thalweg.errors import UsageError
from thalweg.words import figure

if TYPE_CHECKING:
    from thalweg.keras.comparing import Standing


@click.command(
    short_help="Compare optimizers, learning rates and schedules on a script's training.",
    context_settings={"allow_interspersed_args": False},
)
@click.option(
    "--optimizers", default="sgd,momentum,rmsprop,adam", show_default=True, help="By name, with commas."
)
@click.option(
    "--learning-rates",
    default="1e-4:1:9",
    show_default=True,
    help="With commas, or LOW:HIGH:COUNT for a geometric row.",
)
@click.option(
    "--schedules",
    default="constant",
    show_default=True,
    help="constant, cosine, linear, exponential, warm-up.",
)
@click.option(
    "--initializers", default="", help="Of every layer's kernel; as the script has them by default."
)
@click.option("--batch-sizes", default="", help="The script's own by default.")
@click.option("--seeds", type=click.IntRange(min=1), default=5, show_default=True, help="How many.")
@click.option("--epochs", type=click.IntRange(min=1), help="The script's own by default.")
@click.option("--target", type=float, help="The loss to reach; 5 % above the lowest by default.")
@click.option(
    "--engine",
    default="auto",
    show_default=True,
    help="vmap, fit or ray; auto is vmap on JAX and fit elsewhere.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Processes; as many as cores by default.")
@click.option(
    "--study",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the trainings are kept; studies/SCRIPT-DIGITS by default.",
)
@click.option("--fit", type=click.IntRange(min=1), help="Which of the script's fits is meant.")
@click.option("--all", "full", is_flag=True, help="Print a row for each configuration too.")
@click.argument("script")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGS]...")
def compare(
    optimizers: str,
    learning_rates: str,
    schedules: str,
    initializers: str,
    batch_sizes: str,
    seeds: int,
    epochs: int | None,
    target: float | None,
    engine: str,
    workers: int | None,
    study: Path | None,
    fit: int | None,
    full: bool,
    script: str,
    arguments: tuple[str, ...],
) -> None:
    """Train what a script's `fit` trains under every configuration, with every seed, side by side.

    The script runs up to its `fit`; model, loss, data and epochs are taken from there, and its own callbacks are left
    out. Many trainings are one compiled program, on JAX (KERAS_BACKEND=jax is set where it is not). All that follows
    SCRIPT is the script's own.

    \b
    Examples:
      thalweg compare train.py
      thalweg compare --optimizers sgd,adam --learning-rates 1e-4:1:9 --seeds 5 train.py
      thalweg compare --schedules constant,cosine --epochs 10 train.py --width 64

    The exit code is the script's own where it fails; else 0, or 2 where nothing can be compared as asked.
    """
    from thalweg.render import ComparisonView, terminal

    rates = _rates(learning_rates)
    sizes = [int(size) for size in _numbers(batch_sizes, "batch sizes")]
    os.environ.setdefault("KERAS_BACKEND", "jax")
    from thalweg.keras.compare_script import Wish, compared_script  # Keras: seconds that no other should wait

    wish = Wish(
        _words(optimizers),
        rates,
        _words(schedules),
        _words(initializers) or [None],
        sizes or None,
        seeds,
        epochs,
        target,
        engine=engine,
        workers=workers,
        folder=study,
        fit=fit,
    )
    with progressing() as progress:

        def told(standing: "Standing") -> None:
            progress(standing_in_words(standing), standing.share)

        found, folder = compared_script(script, list(arguments), wish, told)
    terminal().print(ComparisonView(found, full))
    say([f"the study is in {folder}: the same command goes on with it"])


def standing_in_words(standing: "Standing") -> str:
    """How far a study has come: the members that are trained, those that diverged, and the best until now."""
    said = [f"{standing.done:,} of {standing.total:,} trained"]
    if standing.diverged:
        said.append(f"{standing.diverged:,} diverged")
    if standing.best is not None:
        configuration, loss = standing.best
        said.append(
            f"best {configuration.optimizer} at {figure(configuration.learning_rate)}: {figure(loss)}"
        )
    return ", ".join(said)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _numbers(text: str, what: str) -> list[float]:
    try:
        return [float(word) for word in _words(text)]
    except ValueError:
        raise UsageError(f"{what}: {text!r} is not a list of numbers with commas between.") from None


def _rates(text: str) -> list[float]:
    """Numbers with commas, or a geometric row `low:high:count`."""
    if ":" not in text:
        return _numbers(text, "learning rates")
    parts = text.split(":")
    try:
        low, high, count = float(parts[0]), float(parts[1]), int(parts[2])
    except (ValueError, IndexError):
        raise UsageError(f"learning rates: {text!r} is not LOW:HIGH:COUNT, such as 1e-4:1:9.") from None
    if len(parts) != 3 or not 0.0 < low <= high < float("inf") or count < 1:
        raise UsageError(
            f"learning rates: {text!r} is not LOW:HIGH:COUNT, with 0 < LOW <= HIGH and COUNT of 1 or more."
        )
    return [float(f"{rate:.3g}") for rate in np.geomspace(low, high, count)]
