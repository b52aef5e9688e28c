"""The command line as a person drives it: in a process of its own, over the scripts beside this."""

import os
import pty
import re
import subprocess
import sys
import termios
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent / "scripts"
BACKENDS = ("tensorflow", "jax", "torch")
TIMEOUT = 240  # seconds; what takes 5 on idle cores may take long on busy ones


@dataclass(frozen=True)
class Ended:
    """A process that has ended; on a terminal its two streams are one, in `out`."""

    code: int
    out: str
    err: str
    folder: Path

    @property
    def plain(self) -> str:
        """What a terminal showed, without colours."""
        return re.sub(r"\x1b\[[0-9;]*m", "", self.out)

    @property
    def lines(self) -> list[str]:
        """What Thalweg itself said in single lines."""
        return [line for line in (self.err or self.plain).splitlines() if line.startswith("thalweg: ")]


def environment(folder: Path, backend: str = "jax", **settings: str) -> dict[str, str]:
    mine = {
        "KERAS_BACKEND": backend,
        "KERAS_HOME": str(folder / ".keras"),
        "OMP_NUM_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONDONTWRITEBYTECODE": "1",
        **settings,
    }
    return {key: value for key, value in {**os.environ, **mine}.items() if key not in ("COLUMNS", "NO_COLOR")}


def spoken(text: str) -> str:
    """What a process wrote, less what TensorFlow's C++ says of the processor on some machines, at any log level."""
    return re.sub(
        r"^(WARNING: All log messages before absl|[IWE]0000 00:00:\d).*\n", "", text, flags=re.MULTILINE
    )


def python(folder: Path, *arguments: object, backend: str = "jax", given: str = "", **settings: str) -> Ended:
    """Run `python arguments` in `folder`; `given` is what it finds on its standard input."""
    ended = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder, env=environment(folder, backend, **settings), input=given.encode(), capture_output=True,
        timeout=TIMEOUT,
    )  # fmt: skip
    out, err = (stream.decode(errors="surrogateescape") for stream in (ended.stdout, ended.stderr))
    return Ended(ended.returncode, out, spoken(err), folder)


def thalweg(folder: Path, *arguments: object, **settings: str) -> Ended:
    return python(folder, "-m", "thalweg", *arguments, **settings)


def on_a_terminal(folder: Path, *arguments: object, backend: str = "jax") -> Ended:
    """Run `thalweg arguments` with both streams on a terminal of 120 columns."""
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (40, 120))
    command = [sys.executable, "-m", "thalweg", *map(str, arguments)]
    settings = environment(folder, backend, TERM="xterm-256color")
    with subprocess.Popen(command, cwd=folder, env=settings, stdout=its, stderr=its, stdin=its) as process:
        os.close(its)
        text = b""
        while True:
            try:
                text += os.read(ours, 65536)
            except OSError:  # Linux says so when the other end has closed
                break
    os.close(ours)
    seen = text.decode(errors="replace").replace("\r\n", "\n")
    return Ended(process.returncode, spoken(seen), "", folder)


def needs(backend: str) -> None:
    """Skip the test where the backend is not installed."""
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")


def installed() -> list[str]:
    return [backend for backend in BACKENDS if find_spec(backend) is not None]
