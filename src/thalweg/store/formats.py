"""From a path to a record: which reader understands what is there."""

import os
from pathlib import Path

from thalweg.comparison import Member
from thalweg.errors import RunFolderError, UsageError
from thalweg.record import Record
from thalweg.store.certificates import begins_certificate
from thalweg.store.csv_log import read_csv
from thalweg.store.journal_reader import read_journal
from thalweg.store.json_log import read_json
from thalweg.store.layout import JOURNAL
from thalweg.store.names import Asked
from thalweg.store.studies import is_study, member_in, read_member
from thalweg.store.tensorboard_log import EVENTS, event_files, read_events
from thalweg.store.trainer_state import newest_state

_LIGHTNING = "metrics.csv"
_EXPECTED = (
    "expected a run folder or a log: CSV, Keras's History as JSON, JSON Lines, Hugging Face's trainer_state.json, "
    "Lightning's metrics.csv, or TensorBoard's event files"
)
_PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def read(
    source: str | os.PathLike[str] | Member,
    *,
    loss: str | None = None,
    validation_loss: str | None = None,
    step: str | None = None,
) -> Record:
    """The record of a run: from a run folder, or from a log that another tool wrote (docs/logs.md).

    A member of a study is `STUDY/NUMBER`, or the member itself.

    What a file is, it says by its content: a journal, CSV, JSON, or TensorBoard's events. `loss`,
    `validation_loss` and `step` name columns of a foreign log, where Thalweg would find none or others.

    A run that is still going on is read as far as it has come. What a reader had to guess, to mend or to leave
    out stands in the record as an event `guessed`, `mended` or `damaged`.

    Raises `RunFolderError` where there is nothing that can be read, `UsageError` where a column that was named is
    not there, `UnsupportedError` where a package is missing.
    """
    if isinstance(source, Member):
        return source.record
    path, asked = Path(source), Asked(loss, validation_loss, step)
    if path.is_dir():
        try:
            return _folder(path, asked)
        except OSError as error:
            raise RunFolderError(f"{str(path)!r} cannot be read: {error.strerror}") from error
    if member := member_in(path):
        return read_member(*member)
    if not path.is_file():
        raise RunFolderError(f"{str(path)!r} does not exist: {_EXPECTED}")
    return _file(path, asked)


def _file(path: Path, asked: Asked) -> Record:
    try:
        with path.open("rb") as raw:
            start = raw.read(4096)
    except OSError as error:
        raise RunFolderError(f"{str(path)!r} cannot be read: {error.strerror}") from error
    if path.suffix.lower() == ".sqlite" or start.startswith(b"SQLite format 3\0"):
        return _journal(path, asked)
    if EVENTS in path.name:
        return read_events(path, asked)
    text = start.lstrip(b"\xef\xbb\xbf\xff\xfe").replace(b"\0", b"").lstrip()
    if begins_certificate(start):
        raise RunFolderError(f"{str(path)!r} is a certificate: `thalweg verify` and `thalweg report` read it")
    if text.startswith((b"{", b"[")):
        return read_json(path, asked)
    if start.startswith(_PICKLES):
        raise RunFolderError(
            f"{str(path)!r} is a pickle, and reading one runs its code: "
            "write the history as JSON instead, `json.dump(history.history, file)`"
        )
    if _binary(start):
        raise RunFolderError(f"{str(path)!r} is not a log that Thalweg reads: {_EXPECTED}")
    return read_csv(path, asked)


def _folder(folder: Path, asked: Asked) -> Record:
    if (folder / JOURNAL).is_file():
        return _journal(folder / JOURNAL, asked)
    if (folder / _LIGHTNING).is_file():
        return read_csv(folder / _LIGHTNING, asked)
    if state := newest_state(folder):
        return read_json(state, asked)
    if event_files(folder):
        return read_events(folder, asked)
    if is_study(folder):
        raise RunFolderError(
            f"{str(folder)!r} is a study, and not a run: name one of its members, such as {str(folder / '1')!r}"
        )
    inside = sorted(folder.iterdir())
    runs = [str(child) for child in inside if child.is_dir() and _is_run(child)]
    if runs:
        raise RunFolderError(
            f"{str(folder)!r} is not a run but holds {len(runs):,}: name one of them, such as {_some(runs)}"
        )
    held = _some([child.name for child in inside]) if inside else "nothing"
    raise RunFolderError(f"{str(folder)!r} is not a run folder: expected {JOURNAL} in it, found {held}")


def _is_run(folder: Path) -> bool:
    try:
        known = any((folder / name).is_file() for name in (JOURNAL, _LIGHTNING))
        return known or newest_state(folder) is not None or bool(event_files(folder))
    except OSError:
        return False


def _journal(path: Path, asked: Asked) -> Record:
    if asked:
        raise UsageError(
            f"{str(path)!r} is a run that Thalweg recorded: only in a log of another tool are columns to be named"
        )
    return read_journal(path)


def _binary(start: bytes) -> bool:
    """Whether the beginning of a file is no text: control characters, other than the NULs of UTF-16."""
    text = start.replace(b"\0", b"")
    strange = sum(byte < 9 or 13 < byte < 32 for byte in text)
    return strange > 0.02 * len(text)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return ", ".join(repr(name) for name in names[:3]) + more
