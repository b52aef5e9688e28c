"""`study.toml`: what is to be compared, in a file."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thalweg.errors import UsageError, nearest

_SCRIPTS = ("script", "scripts", "arguments")


@dataclass(frozen=True, slots=True)
class StudyFile:
    """The scripts, by their paths from the file, what is given to each, and the options as on the command line."""

    scripts: tuple[Path, ...]
    arguments: tuple[str, ...]
    options: Mapping[str, str]


def read_study_file(path: Path, known: Iterable[str]) -> StudyFile:
    """The study of a file whose options may be `known` ones, by the names that they have on the command line.

    Raises `UsageError` for a file that cannot be read, and for what it should not hold.
    """
    try:
        held = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"there is no file {str(path)!r}") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{str(path)!r} cannot be read as TOML: {error}") from error
    known = sorted(known)
    for key in held:
        if key not in (*known, *_SCRIPTS):
            near = nearest(key, [*known, *_SCRIPTS]) or f": there are {', '.join([*_SCRIPTS, *known])}"
            raise UsageError(f"{str(path)!r} sets {key!r}, which no study has{near}")
    scripts = _list(held.get("scripts", held.get("script", ())), "scripts")
    if not scripts or ("script" in held and "scripts" in held):
        raise UsageError(
            f'{str(path)!r} is to name one script, `script = "train.py"`, or several as `scripts`'
        )
    twice = [name for name in scripts if scripts.count(name) > 1]
    if twice:
        raise UsageError(f"{str(path)!r} names {twice[0]!r} twice: a problem counts once")
    return StudyFile(
        tuple(path.parent / name for name in scripts),
        tuple(_list(held.get("arguments", ()), "arguments")),
        {key: ",".join(_list(value, key)) for key, value in held.items() if key not in _SCRIPTS},
    )


def _list(value: Any, name: str) -> list[str]:
    parts = list(value) if isinstance(value, list | tuple) else [value]
    if not all(isinstance(part, str | int | float) and not isinstance(part, bool) for part in parts):
        raise UsageError(f"{name} = {value!r}: a text, a number or a list of them was expected")
    return [str(part) for part in parts]
