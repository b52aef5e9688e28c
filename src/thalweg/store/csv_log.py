"""The reader of a training log in CSV: Keras's `CSVLogger`, Lightning's `metrics.csv`, tables of any other tool."""

import codecs
import csv
import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from thalweg.errors import RunFolderError
from thalweg.record import Record
from thalweg.store.foreign import record_of
from thalweg.store.names import Asked, axes
from thalweg.store.numerals import decimal_comma, number
from thalweg.store.table import CHUNK, Cells, Table
from thalweg.words import plural

_RARE = 0.01
"""The share of the rows that may be torn (too many cells) and is left out."""
_SAMPLE = 1_000
"""Rows that tell how numbers are written."""


def read_csv(path: Path, asked: Asked = Asked()) -> Record:  # noqa: B008 (frozen)
    """The run that the table at `path` holds, in one pass and bounded memory, however long it is.

    Columns stand between commas, semicolons, tabs or spaces; a cell may be empty. Where none tells a step or an
    epoch, rows are counted. A log without a header names its columns `1`, `2` and so on.

    Raises `RunFolderError` where the file is empty, has no loss, or has text where its numbers should be.
    """
    try:
        encoding, cut = _ends(path)
        with path.open(encoding=encoding, errors="replace") as file:
            # NULs are what is left of UTF-16 where no mark at the beginning tells it.
            lines = (line.replace("\0", "").replace("\ufeff", "") for line in file)
            table = _table(path, lines, cut, asked)
    except (OSError, UnicodeError, csv.Error) as error:
        raise RunFolderError(f"{str(path)!r} cannot be read as CSV: {error}") from error
    return record_of(table, path, asked, "csv")


def _table(path: Path, lines: Iterator[str], cut: bool, asked: Asked) -> Table:
    first = [line for line in itertools.islice(lines, 100) if line.strip()]
    while not first and (line := next(lines, "")):
        first = [line] if line.strip() else []
    separator = _separator(first)
    rows = csv.reader(
        itertools.chain(_uncommented(first), lines), delimiter=separator, skipinitialspace=separator == " "
    )
    filled = (row for row in rows if any(row) and any(cell.strip() for cell in row))
    header = _stripped(next(filled, []))
    if not header:
        raise RunFolderError(
            f"{str(path)!r} is empty: expected a header with `loss` and a row for each epoch"
        )
    sample = list(itertools.islice(filled, _SAMPLE))
    comma = decimal_comma((cell for row in sample for cell in row if "," in cell), separator)
    if all(isinstance(number(cell, comma), float) for cell in header):
        sample.insert(0, header)
        header = [str(place) for place in range(1, len(header) + 1)]
    while len(header) > 1 and not header[-1] and all(len(row) < len(header) or not row[-1] for row in sample):
        header.pop()  # lines that end in a separator
    if twice := sorted({name for name in header if name and header.count(name) > 1}):
        raise RunFolderError(f"{str(path)!r} has more than one column {twice[0]!r}")
    return _Body(path, header, comma, asked).read(itertools.chain(sample, filled), cut)


class _Body:
    """The rows below a header, read in chunks."""

    def __init__(self, path: Path, header: list[str], comma: bool, asked: Asked) -> None:
        self._path, self._header, self._comma = path, header, comma
        self._table = Table(*axes(header, asked, path))
        self._headers = self._torn = self._first_torn = self._widest = 0

    def read(self, rows: Iterator[list[str]], cut: bool) -> Table:
        table = self._table
        chunk = list(itertools.islice(rows, CHUNK))
        while chunk:
            following = list(itertools.islice(rows, CHUNK))
            if not following and cut and len(chunk[-1]) < len(self._header):
                table.mended.append("the last row was cut short and left out")
                chunk.pop()
            if any(len(row) != len(self._header) or row[0].strip() == self._header[0] for row in chunk):
                chunk = self._even(chunk)
            self._append(chunk)
            chunk = following
        if self._torn > _RARE * (table.rows + self._torn):
            raise RunFolderError(
                f"{str(self._path)!r}: row {self._first_torn:,} has {self._widest} cells, "
                f"but the header names {len(self._header)} columns"
            )
        if not table.rows:
            raise RunFolderError(f"{str(self._path)!r} has a header but no whole row of numbers")
        if self._torn:
            table.mended.append(f"{plural(self._torn, 'row')} with more cells than columns left out")
        if self._headers:
            table.mended.append(f"{plural(self._headers, 'repeated header')} left out")
        return table

    def _even(self, chunk: list[list[str]]) -> list[list[str]]:
        """The rows as wide as the header, without headers and rows that are torn."""
        width = len(self._header)
        kept: list[list[str]] = []
        for row in chunk:
            if _stripped(row) == self._header:
                self._headers += 1
            elif any(row[width:]):
                self._first_torn = self._first_torn or self._table.rows + len(kept) + self._torn + 1
                self._widest = self._widest or len(row)
                self._torn += 1
            else:
                kept.append(row[:width] + [""] * (width - len(row)))
        return kept

    def _append(self, rows: list[list[str]]) -> None:
        columns = {}
        for name, cells in zip(self._header, zip(*rows, strict=True), strict=False):
            columns[name] = self._cells(name, cells)
        self._table.append(len(rows), columns)

    def _cells(self, name: str, cells: tuple[str, ...]) -> Cells:
        try:
            return np.arange(len(cells)), np.fromiter(map(float, cells), float, len(cells))
        except ValueError:
            pass
        rows, values = [], []
        for row, cell in enumerate(cells):
            value = number(cell, self._comma) if cell else None
            if isinstance(value, str):
                self._table.hold_text(name, row, value)
            elif value is not None:
                rows.append(row)
                values.append(value)
        return np.array(rows, np.int64), np.array(values, np.float64)


def _ends(path: Path) -> tuple[str, bool]:
    """What the two ends of a file tell: its encoding, and whether its last line was never ended."""
    with path.open("rb") as raw:
        start = raw.read(2)
        raw.seek(max(raw.seek(0, 2) - 4, 0))
        end = raw.read().replace(b"\0", b"")
    wide = start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    return "utf-16" if wide else "utf-8-sig", not end.endswith((b"\n", b"\r"))


def _separator(lines: list[str]) -> str:
    """The character between the cells, by the first lines."""
    if not lines:
        return ","
    found = max(",;\t", key=lines[-1 if lines[0].startswith("#") else 0].count)
    if any(found in line for line in lines):
        return found
    return " " if all(" " in line.strip() for line in lines[:3]) else ","


def _uncommented(lines: list[str]) -> Iterator[str]:
    """The first lines without comments; a last one before the numbers is the header, as NumPy writes it."""
    comments = [n for n, line in enumerate(lines) if line.startswith("#")]
    for n, line in enumerate(lines):
        if n not in comments:
            yield line
        elif (
            n + 1 == len(comments)
            and n + 1 < len(lines)
            and not re.search(r"[A-DF-Za-df-z]{2}", lines[n + 1])
        ):
            yield line.lstrip("# ")


def _stripped(row: Iterable[str]) -> list[str]:
    return [cell.strip() for cell in row]
