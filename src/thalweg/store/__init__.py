"""The run on disk: an append-only journal, its reader, and readers of the logs that other tools write."""

from thalweg.store.formats import read
from thalweg.store.journal import Journal
from thalweg.store.summary import Run, runs

__all__ = ["Journal", "Run", "read", "runs"]
