"""The reader of TensorBoard's event files, with the package `tensorboard` and never with TensorFlow."""

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from thalweg.errors import RunFolderError, UnsupportedError
from thalweg.record import Record
from thalweg.store.foreign import record_of
from thalweg.store.names import Asked, apart
from thalweg.store.table import CHUNK, Table
from thalweg.words import plural

EVENTS = "tfevents"
"""In the name of every event file."""
_STEP = "step"
_FRAME = struct.Struct("<QI")
"""Before a record: its length, and a check sum of that; behind it a check sum of four bytes."""
_LONGEST = 1 << 31
_KERAS_STEPS = re.compile(r"(.*/)?(batch_.*|evaluation_.*_vs_iterations)")
"""Beside Keras's curves over epochs: at batches, means since the epoch began; at evaluations, the same as there."""


def event_files(folder: Path) -> list[Path]:
    """The event files of the run in `folder`: its own, and those of folders in it that are parts of one run.

    Keras writes into `train` and `validation`; other tools into `eval`, or a folder each for curves of one chart.
    """
    found = []
    for child in sorted(folder.iterdir()):
        if child.is_file() and EVENTS in child.name:
            found.append(child)
        elif child.is_dir() and apart(child.name).part and apart(child.name).rest in ("", "loss"):
            found += sorted(file for file in child.iterdir() if file.is_file() and EVENTS in file.name)
    return found


def read_events(path: Path, asked: Asked = Asked()) -> Record:  # noqa: B008 (frozen)
    """The run in the event file, or in the folder of such, at `path`: its scalars, named by their tags.

    A tag from a folder within has that folder's name before it: `validation/epoch_loss`. Where Keras's curves over
    epochs are, those over batches beside them are left out: they are means since the epoch began, not losses of a
    batch.

    Raises `UnsupportedError` where the package is missing, `RunFolderError` where there is no loss.
    """
    files = event_files(path) if path.is_dir() else [path]
    table = Table(_STEP)
    chunk: list[tuple[str, float, float]] = []
    for file in files:
        above = "" if file.parent == path or file == path else f"{file.parent.name}/"
        for tag, step, value in _scalars(file, table.mended):
            chunk.append((above + tag, float(step), value))
            if len(chunk) == CHUNK:
                _append(table, chunk)
                chunk = []
    _append(table, chunk)
    if not table.names:
        raise RunFolderError(f"{str(path)!r} holds no scalars: expected event files with a curve of the loss")
    epochs = [name for name in table.names if apart(name).each == "epoch" and apart(name).rest == "loss"]
    keras = bool(epochs) and all(name.rpartition("/")[2] == "epoch_loss" for name in epochs)
    if keras and (beside := [name for name in table.names if _KERAS_STEPS.fullmatch(name)]):
        beside = [name for name in beside if name not in (asked.loss, asked.validation_loss)]
        table.drop(beside)
        if any("batch_loss" in name for name in beside):
            table.mended.append(
                "`batch_loss` is a mean since the epoch began, and was left out for `epoch_loss`"
            )
    name = path.absolute().name if path.is_dir() else path.absolute().parent.name
    return record_of(table, path, asked, "tensorboard", unit="epoch" if keras else None, info={"name": name})


def _append(table: Table, chunk: list[tuple[str, float, float]]) -> None:
    by_tag: dict[str, tuple[list[int], list[float]]] = {}
    for row, (tag, _, value) in enumerate(chunk):
        rows, values = by_tag.setdefault(tag if tag != _STEP else f"{tag}_", ([], []))
        rows.append(row)
        values.append(value)
    columns = {tag: (np.array(rows, np.int64), np.array(values)) for tag, (rows, values) in by_tag.items()}
    steps = np.array([step for _, step, _ in chunk])
    table.append(len(chunk), {**columns, _STEP: (np.arange(len(chunk)), steps)})


def _scalars(file: Path, mended: list[str]) -> Iterator[tuple[str, int, float]]:
    """Tag, step and value of each scalar, in the order in which they were written."""
    try:
        from google.protobuf.message import DecodeError
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.util import tensor_util
    except ImportError as error:
        raise UnsupportedError(
            f"{str(file)!r} is an event file of TensorBoard, which Thalweg reads with the package `tensorboard`: "
            "install it with `pip install 'thalweg[tensorboard]'`"
        ) from error
    plugins: dict[str, str] = {}
    try:
        for record in _records(file, mended):
            try:
                event = Event.FromString(record)
            except DecodeError:
                mended.append(f"{file.name!r} is damaged; what stands behind the damage was left out")
                return
            for value in event.summary.value:
                plugin = plugins.setdefault(value.tag, value.metadata.plugin_data.plugin_name)
                kind = value.WhichOneof("value")
                if kind == "simple_value":
                    yield value.tag, event.step, value.simple_value
                elif kind == "tensor" and plugin in ("", "scalars"):
                    number = _number(value.tensor, tensor_util.make_ndarray)
                    if number is not None:
                        yield value.tag, event.step, number
    except OSError as error:
        raise RunFolderError(f"{str(file)!r} cannot be read: {error.strerror or error}") from error


def _number(tensor: Any, array: Any) -> float | None:
    if len(tensor.float_val) == 1:
        return float(tensor.float_val[0])
    try:
        values = array(tensor)
        return float(values.reshape(())) if values.size == 1 else None
    except (TypeError, ValueError):  # text, or a type that NumPy does not know
        return None


def _records(file: Path, mended: list[str]) -> Iterator[bytes]:
    """The records of the file, each framed by its length and check sums; up to where it is cut or damaged."""
    count = 0
    with file.open("rb") as stream:
        while len(head := stream.read(_FRAME.size)) == _FRAME.size:
            length, _ = _FRAME.unpack(head)
            record = stream.read(length + 4) if length < _LONGEST else b""
            if len(record) < length + 4:
                break
            count += 1
            yield record[:-4]
        else:
            if not head:
                return
    mended.append(f"{file.name!r} is cut short after {plural(count, 'record')}; what is whole was read")
