"""TensorBoard's event files; they are written here byte by byte, for its own writers want TensorFlow."""

import builtins
import struct
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import thalweg
from thalweg.errors import RunFolderError, ThalwegError, UnsupportedError

from .reading import points, said

event_pb2 = pytest.importorskip("tensorboard.compat.proto.event_pb2", reason="tensorboard is an extra")


def frame(data: bytes) -> bytes:
    return struct.pack("<QI", len(data), 0) + data + b"\0\0\0\0"


def simple(tag, step, value) -> bytes:
    event = event_pb2.Event(step=step, wall_time=1.0)
    event.summary.value.add(tag=tag, simple_value=value)
    return frame(event.SerializeToString())


def tensor(tag, step, value, plugin="scalars") -> bytes:
    """As TensorFlow 2 and so Keras write it: the bytes of an array without a shape."""
    event = event_pb2.Event(step=step, wall_time=1.0)
    entry = event.summary.value.add(tag=tag)
    entry.metadata.plugin_data.plugin_name = plugin
    array = np.asarray(value)
    entry.tensor.dtype = {"f4": 1, "f8": 2, "i8": 9, "U1": 7}[array.dtype.str[1:]]
    entry.tensor.tensor_content = array.tobytes()
    for size in array.shape:
        entry.tensor.tensor_shape.dim.add(size=size)
    return frame(event.SerializeToString())


HEAD = frame(event_pb2.Event(file_version="brain.Event:2").SerializeToString())


def write(path, *records, name="events.out.tfevents.1.host"):
    path.mkdir(parents=True, exist_ok=True)
    (path / name).write_bytes(HEAD + b"".join(records))
    return path


def test_keras(tmp_path):
    train = [tensor("epoch_loss", n, np.float32(2.0 - n)) for n in range(3)]
    train += [tensor("epoch_learning_rate", n, np.float32(0.5)) for n in range(3)]
    train += [tensor("batch_loss", n, np.float32(2.0)) for n in range(30)]
    validation = [tensor("epoch_loss", n, np.float32(3.0 - n)) for n in range(3)]
    validation += [tensor("evaluation_loss_vs_iterations", 10 * n, np.float32(9.0)) for n in range(3)]
    write(tmp_path / "logs" / "train", *train)
    write(tmp_path / "logs" / "validation", *validation, name="events.out.tfevents.2.host.v2")
    record = thalweg.read(tmp_path / "logs")
    assert dict(record.info) == {"name": "logs", "source": "tensorboard", "step_unit": "epoch"}
    assert points(record, "epoch_loss") == {1: 2.0, 2: 1.0, 3: 0.0}
    assert points(record, "validation_loss") == {1: 3.0, 2: 2.0, 3: 1.0}
    assert set(record.series) == {"epoch_loss", "validation_loss", "epoch_learning_rate"}
    assert said(record) == ["`batch_loss` is a mean since the epoch began, and was left out for `epoch_loss`"]
    assert not said(record, "guessed")


def test_a_shorter_training_in_the_same_folder_leaves_nothing_of_the_longer(tmp_path):
    for n, length in ((1, 9), (2, 4)):
        for part in ("train", "validation"):
            values = [tensor("epoch_loss", step, np.float64(10 * n + step)) for step in range(length)]
            write(tmp_path / part, *values, name=f"events.out.tfevents.{n}.host")
    record = thalweg.read(tmp_path)
    assert points(record, "epoch_loss") == {1: 20, 2: 21, 3: 22, 4: 23}
    assert points(record, "validation_loss") == points(record, "epoch_loss")
    assert said(record) == ["the log went back to epoch 1 at row 10: 9 earlier rows from there on gave way"]


def test_a_writer_of_pytorch(tmp_path):
    records = [simple("Loss/train", 10 * n, 2.0 - n / 8) for n in range(8)]
    records += [simple("Loss/test", 40 * n, 2.0 - n) for n in range(2)]
    records += [simple("step", 10 * n, 7.0) for n in range(8)]
    records += [tensor("text", 0, np.array("x"), plugin="text"), tensor("image", 0, np.zeros(4), plugin="")]
    file = write(tmp_path, *records) / "events.out.tfevents.1.host"
    for source in (tmp_path, file):
        record = thalweg.read(source)
        assert record.info["step_unit"] == "step"
        assert points(record, "loss") == {10 * n: 2.0 - n / 8 for n in range(8)}
        assert points(record, "validation_loss") == {0: 2.0, 40: 1.0}
        assert said(record, "guessed") == [
            "read 'Loss/train' as the loss and 'Loss/test' as the validation loss"
        ]
        assert not {"text", "image"} & {*record.series}


def test_the_curves_of_one_chart(tmp_path):
    for part in ("train", "val"):
        write(tmp_path / f"Loss_{part}", *[simple("Loss", n, 2.0 - n) for n in range(5)])
    record = thalweg.read(tmp_path)
    assert record.info["step_unit"] == "epoch"
    assert (
        points(record, "epoch_loss")
        == points(record, "validation_loss")
        == {n + 1: 2.0 - n for n in range(5)}
    )


def test_columns_are_named_by_their_tags(tmp_path):
    write(tmp_path, *[simple(f"gan/{part}", n, n) for n in range(3) for part in "dg"])
    with pytest.raises(
        RunFolderError, match=r"its columns are 'gan/d', 'gan/g', 'step': name one with --loss"
    ):
        thalweg.read(tmp_path)
    assert points(thalweg.read(tmp_path, loss="gan/g"), "loss") == {0: 0, 1: 1, 2: 2}


def test_a_file_that_was_cut_is_read_as_far_as_it_goes(tmp_path):
    file = write(tmp_path, *[simple("loss", n, n) for n in range(5)]) / "events.out.tfevents.1.host"
    whole = file.read_bytes()
    file.write_bytes(whole[:-3])
    assert len(thalweg.read(file).series["loss"]) == 4
    assert said(thalweg.read(file)) == [
        "'events.out.tfevents.1.host' is cut short after 5 records; what is whole was read"
    ]
    file.write_bytes(whole + frame(b"\xff\xff\xff\xff"))
    assert len(thalweg.read(file).series["loss"]) == 5
    assert "damaged" in said(thalweg.read(file))[0]
    file.write_bytes(HEAD)
    with pytest.raises(RunFolderError, match="holds no scalars"):
        thalweg.read(file)


def test_several_runs_are_not_one(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / name, simple("loss", 0, 1.0))
    with pytest.raises(RunFolderError, match="is not a run but holds 2: name one of them"):
        thalweg.read(tmp_path)


def test_without_the_package_a_sentence_names_the_extra(tmp_path, monkeypatch):
    write(tmp_path, simple("loss", 0, 1.0))
    importing = builtins.__import__

    def missing(name, *rest, **more):
        if name.startswith("tensorboard"):
            raise ImportError(name)
        return importing(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(UnsupportedError, match=r"pip install 'thalweg\[tensorboard\]'"):
        thalweg.read(tmp_path)


def test_tensorflow_is_never_loaded(tmp_path):
    write(tmp_path, simple("loss", 0, 1.0), tensor("val_loss", 0, np.float32(1.0)))
    program = (
        "import sys, thalweg\nthalweg.read(sys.argv[1])\n"
        "sys.exit(bool({'tensorflow', 'keras', 'torch', 'jax'} & {*sys.modules}))"
    )
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False).returncode == 0


@given(st.binary(max_size=200), st.integers(0, 300), st.binary(max_size=6))
def test_any_bytes_are_a_record_or_one_error(tmp_path_factory, noise, place, splice):
    content = HEAD + b"".join(simple("loss", n, n) for n in range(4)) + tensor("val_loss", 1, np.float32(2))
    content = noise if place > 250 else content[:place] + splice + content[place + len(splice) :]
    file = tmp_path_factory.mktemp("tb") / "events.out.tfevents.1"
    file.write_bytes(content)
    try:
        record = thalweg.read(file)
    except ThalwegError as error:
        assert str(file) in str(error) and "\n" not in str(error)
    else:
        assert record.series
