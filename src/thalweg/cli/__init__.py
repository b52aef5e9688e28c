"""The command line: arguments in, sentences on the two streams and an exit code out.

0 satisfactory, 1 concern, 2 usage or something that cannot be read, 3 nothing could be assessed; 130 after
Ctrl-C. Answers go to standard output, all else to standard error.
"""

import os
import sys
from typing import NoReturn

import click

from thalweg.cli.group import thalweg
from thalweg.errors import ThalwegError

__all__ = ["main"]

_INTERRUPTED = 130
_BROKEN_PIPE = 141
"""What a shell reports of a program that the signal of a broken pipe ended."""


def main() -> NoReturn:
    """Run the command that `sys.argv` names and leave with its exit code; never a traceback for bad input."""
    try:
        # Not `thalweg.main()`: a broken pipe would leave it with exit code 1, which is a concern.
        with thalweg.make_context("thalweg", sys.argv[1:]) as context:
            thalweg.invoke(context)
        sys.stdout.flush()
        code = 0
    except click.exceptions.Exit as end:
        code = end.exit_code
    except ThalwegError as error:
        click.echo(f"thalweg: {error}", err=True)
        code = 2
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        code = _INTERRUPTED
    except BrokenPipeError:
        # Python flushes standard output once more when it ends, which would fail again and say so.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = _BROKEN_PIPE
    sys.exit(code)
