"""What may be claimed about where the parameters ended up: one claim a file, one line each here."""

from thalweg.question import Question

CLAIMS: tuple[Question, ...] = ()
"""Every claim about one run, in the order in which they are read."""

__all__ = ["CLAIMS"]
