"""Errors of the caller: raised before training, never because a training is sick.

Every message says what happened, what was expected and how to fix it, and echoes the value.
"""

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str:
    """`: did you mean G002 or G003?`, or nothing where no known word is near; capitals do not matter."""
    words = {each.casefold(): each for each in known}
    near = difflib.get_close_matches(word.casefold(), words, n=3)
    return f": did you mean {' or '.join(words[each] for each in near)}?" if near else ""


class ThalwegError(Exception):
    """Base of every error that Thalweg raises on purpose; its text is one sentence for the user."""


class UsageError(ThalwegError):
    """The caller asked for something that cannot be done as asked."""


class RunFolderError(ThalwegError):
    """A run folder cannot be created, written or read, or is not one."""


class UnsupportedError(ThalwegError):
    """Keras, its backend or the model is one that Thalweg cannot watch."""
