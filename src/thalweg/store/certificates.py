"""A certificate on disk: its claims, and the measurements from which anyone can recompute them."""

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from thalweg.certificate import Certificate
from thalweg.errors import RunFolderError
from thalweg.examination import Examination
from thalweg.store.layout import to_json
from thalweg.study_examination import StudyExamination

CERTIFICATE = "certificate.json"
"""The file in the run folder."""
_BEGINNING = 100
"""Bytes by which a certificate is known."""
SCHEMA = 1
"""Raised whenever a program that reads the document would misread a newer one; keys are added without."""


def write_certificate(
    path: str | PathLike[str], certificate: Certificate, examination: Examination | StudyExamination
) -> Path:
    """Write both as one JSON document (docs/certificate.md), and return where it is.

    Raises `RunFolderError` where it cannot be written.
    """
    target = Path(path)
    try:
        target.write_text(certificate_text(certificate, examination), encoding="utf-8")
    except OSError as error:
        raise RunFolderError(f"cannot write the certificate {str(target)!r}: {error.strerror}") from error
    return target


def certificate_text(certificate: Certificate, examination: Examination | StudyExamination) -> str:
    """The JSON document of both (docs/certificate.md)."""
    document = {
        "schema": SCHEMA,
        "certificate": _plain(certificate),
        _part(type(examination)): _plain(examination),
    }
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def _part(kind: type) -> str:
    return "study_examination" if kind is StudyExamination else "examination"


def read_certificate(path: str | PathLike[str]) -> tuple[Certificate, Examination | StudyExamination]:
    """The certificate and the examination of a file, or of the run folder that holds it.

    Raises `RunFolderError` where there is none that can be read.
    """
    source = Path(path)
    if source.is_dir():
        source = source / CERTIFICATE
    try:
        document = json.loads(source.read_text(encoding="utf-8"))
        if document["schema"] != SCHEMA:
            raise ValueError(f"its schema is {document['schema']}, this Thalweg reads {SCHEMA}")
        kind = StudyExamination if _part(StudyExamination) in document else Examination
        return _value(Certificate, document["certificate"]), _value(kind, document[_part(kind)])
    except FileNotFoundError:
        raise RunFolderError(
            f"there is no certificate {str(source)!r}: `thalweg certify` makes one"
        ) from None
    except OSError as error:
        raise RunFolderError(f"{str(source)!r} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RunFolderError(f"{str(source)!r} is no certificate that can be read ({error})") from error


def is_certificate(path: str | PathLike[str]) -> bool:
    """Whether the file begins as a certificate does."""
    try:
        with Path(path).open("rb") as file:
            return begins_certificate(file.read(_BEGINNING))
    except OSError:
        return False


def begins_certificate(start: bytes) -> bool:
    """Whether a file with this beginning is a certificate."""
    text = b"".join(start[:_BEGINNING].split())
    return text.startswith(b'{"schema":') and b',"certificate":{' in text


def _plain(value: Any) -> Any:
    """In JSON's own values; what is not finite is the text `NaN`, `Infinity` or `-Infinity`."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, np.ndarray):
        return [_plain(item) for item in value.tolist()]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return to_json(value)
    return (
        value if value is None or isinstance(value, bool | int | float | str) else json.loads(to_json(value))
    )


def _value(kind: Any, stored: Any) -> Any:
    """The value of this type that was stored so."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        if stored is None and types.NoneType in arguments:
            return None
        return _of_union([a for a in arguments if a is not types.NoneType], stored)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{name: _value(hints[name], part) for name, part in stored.items() if name in hints})  # type: ignore[operator]
    if origin is np.ndarray:
        return np.array(stored, dtype=np.int64 if arguments[-1] == np.dtype[np.int64] else np.float64)
    if origin is tuple:
        return tuple(_value(arguments[0], item) for item in stored)
    if origin is not None and issubclass(origin, Mapping):
        return {key: _value(arguments[1], item) for key, item in stored.items()}
    if kind in (float, int, bool):
        return kind(stored)
    return kind(stored) if isinstance(kind, type) else stored


def _of_union(kinds: list[Any], stored: Any) -> Any:
    """Numbers stay what they were; a text is a number only where no text was meant."""
    if len(kinds) == 1:
        return _value(kinds[0], stored)
    if isinstance(stored, str) and (str not in kinds or stored in ("NaN", "Infinity", "-Infinity")):
        return float(stored)
    return stored
