"""Errors of the caller: raised before training, never because a training is sick.

Every message says what happened, what was expected and how to fix it, and echoes the value.
"""


class ThalwegError(Exception):
    """Base of every error that Thalweg raises on purpose; its text is one sentence for the user."""


class UsageError(ThalwegError):
    """The caller asked for something that cannot be done as asked."""


class RunFolderError(ThalwegError):
    """A run folder cannot be created, written or read, or is not one."""


class UnsupportedError(ThalwegError):
    """Keras, its backend or the model is one that Thalweg cannot watch."""
