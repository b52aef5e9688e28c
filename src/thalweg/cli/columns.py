"""The options that name columns of a log which another tool wrote."""

from collections.abc import Callable
from typing import Any

import click

_OPTIONS = (
    ("--loss", "loss", "holds the training loss, where Thalweg finds none or another"),
    ("--val-loss", "validation_loss", "holds the validation loss"),
    ("--step", "step", "counts the steps or the epochs"),
)


def naming(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--loss`, `--val-loss` and `--step`, by the names that `thalweg.read` has for them."""
    for option, parameter, words in reversed(_OPTIONS):
        help_text = f"The column of a foreign log that {words}."
        command = click.option(option, parameter, metavar="COLUMN", help=help_text)(command)
    return command
