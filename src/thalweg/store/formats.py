"""From a path to a record: which reader understands what is there."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from thalweg.errors import RunFolderError
from thalweg.record import Record
from thalweg.store.csv_log import read_csv
from thalweg.store.journal_reader import read_journal
from thalweg.store.layout import JOURNAL

READERS: Mapping[str, Callable[[Path], Record]] = {
    ".sqlite": read_journal,
    ".csv": read_csv,
    ".tsv": read_csv,
}
"""By the ending of the file's name."""


def read(path: str | os.PathLike[str]) -> Record:
    """The record of a run: from a run folder, its `journal.sqlite`, or a CSV log such as `CSVLogger`'s.

    A run that is still going on is read as far as it has come. What a reader had to leave out or to mend
    stands in the record as an event `damaged` or `mended`.

    Raises `RunFolderError` where there is nothing that can be read.
    """
    source = Path(path)
    if source.is_dir():
        return read_journal(_in_folder(source))
    if not source.is_file():
        raise RunFolderError(f"{str(source)!r} does not exist: expected a run folder or a .csv file")
    reader = READERS.get(source.suffix.lower())
    if reader is None:
        raise RunFolderError(
            f"{str(source)!r} is not a log that Thalweg reads: expected a run folder, or a file ending in "
            + ", ".join(READERS)
        )
    return reader(source)


def _in_folder(folder: Path) -> Path:
    journal = folder / JOURNAL
    if journal.is_file():
        return journal
    try:
        inside = sorted(folder.iterdir())
    except OSError as error:
        raise RunFolderError(f"{str(folder)!r} cannot be read: {error.strerror}") from error
    runs = [str(child) for child in inside if (child / JOURNAL).is_file()]
    if runs:
        raise RunFolderError(
            f"{str(folder)!r} is not a run but holds {len(runs):,}: name one of them, such as {_some(runs)}"
        )
    held = _some([child.name for child in inside]) if inside else "nothing"
    raise RunFolderError(f"{str(folder)!r} is not a run folder: expected {JOURNAL} in it, found {held}")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return ", ".join(repr(name) for name in names[:3]) + more
