"""The reader of a training log in CSV: Keras's `CSVLogger`, Lightning's `metrics.csv`, tables of any other tool."""

import codecs
import collections
import csv
import itertools
import operator
import re
from collections.abc import Iterable, Iterator, Sequence
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
_SAMPLE = 200
"""Lines that tell how numbers are written."""


def read_csv(path: Path, asked: Asked = Asked()) -> Record:  # noqa: B008 (frozen)
    """The run that the table at `path` holds, in one pass and bounded memory, however long it is.

    Columns stand between commas, semicolons, tabs or spaces; a cell may be empty. Where none tells a step or an
    epoch, rows are counted. A log without a header names its columns `1`, `2` and so on.

    Raises `RunFolderError` where the file is empty, has no loss, or has text where its numbers should be.
    """
    try:
        encoding, cut = _ends(path)
        with path.open(encoding=encoding, errors="replace") as file:
            table = _table(path, file, cut, asked)
    except (OSError, UnicodeError, csv.Error) as error:
        raise RunFolderError(f"{str(path)!r} cannot be read as CSV: {error}") from error
    return record_of(table, path, asked, "csv")


def _table(path: Path, lines: Iterator[str], cut: bool, asked: Asked) -> Table:
    first: list[str] = []
    while not first and (some := list(itertools.islice(lines, _SAMPLE))):
        first = [line for line in map(_clean, some) if line.strip(" \t\r\n,;")]
    if not first:
        raise RunFolderError(
            f"{str(path)!r} is empty: expected a header with `loss` and a row for each epoch"
        )
    separator = _separator(first)
    first = list(_uncommented(first))
    sample = [_stripped(row) for row in _parsed(first, separator)]
    header = sample[0] if sample else []
    comma = decimal_comma((cell for row in sample for cell in row if "," in cell), separator)
    below = itertools.chain(first, lines)
    if header and all(isinstance(number(cell, comma), float) for cell in header):
        header = [str(place) for place in range(1, len(header) + 1)]
    else:
        next(_parsed(below, separator), None)
    while len(header) > 1 and not header[-1] and all(len(row) < len(header) or not row[-1] for row in sample):
        header.pop()  # lines that end in a separator
    if twice := sorted({name for name in header if name and header.count(name) > 1}):
        raise RunFolderError(f"{str(path)!r} has more than one column {twice[0]!r}")
    return _Body(path, header, separator, comma, asked).read(below, cut)


class _Body:
    """The lines below a header, read in chunks."""

    def __init__(self, path: Path, header: list[str], separator: str, comma: bool, asked: Asked) -> None:
        self._path, self._header, self._separator, self._comma = path, header, separator, comma
        self._table = Table(*axes(header, asked, path))
        self._lines: tuple[int, int] | None = None
        self._headers = self._torn = self._first_torn = self._widest = 0

    def read(self, lines: Iterator[str], cut: bool) -> Table:
        table = self._table
        for columns in self._chunks(lines, cut):
            count = len(columns[0])
            cells = zip(self._header, columns, strict=True)
            table.append(count, {name: self._cells(name, column) for name, column in cells})
        if self._torn > _RARE * (table.rows + self._torn):
            raise RunFolderError(
                f"{str(self._path)!r}: row {self._first_torn:,} has {self._widest} cells, "
                f"but the header names {len(self._header)} columns"
            )
        if not table.rows:
            raise RunFolderError(f"{str(self._path)!r} has a header but no whole row of numbers")
        if self._torn:
            table.mended.append(f"{plural(self._torn, 'row')} with more cells than columns left out")
        if self._lines:
            table.mended.append(f"row {self._lines[0]:,} has a quoted cell of {self._lines[1]:,} lines")
        if self._headers:
            table.mended.append(f"{plural(self._headers, 'repeated header')} left out")
        return table

    def _chunks(self, lines: Iterator[str], cut: bool) -> Iterator[Sequence[Sequence[str]]]:
        """The cells of each column, of some rows at a time."""
        following = list(itertools.islice(lines, CHUNK))
        while chunk := following:
            text = "".join(chunk)
            quoted = '"' in text
            following = list(itertools.islice(lines, CHUNK)) if not quoted else []
            columns = None if quoted else self._even_columns(chunk, text)
            if columns is not None:
                yield columns
                continue
            # A quoted cell may go over lines, and so over the end of a chunk.
            rows = _parsed(itertools.chain(chunk, lines) if quoted else chunk, self._separator)
            part = list(itertools.islice(rows, CHUNK))
            while part:
                rest = list(itertools.islice(rows, CHUNK))
                if cut and not rest and not following and len(part[-1]) < len(self._header):
                    self._table.mended.append("the last row was cut short and left out")
                    part.pop()
                if even := self._even(part):
                    yield list(zip(*even, strict=True))
                part = rest

    def _even_columns(self, lines: list[str], text: str) -> list[list[str]] | None:
        """The columns of lines without quotes that are all as wide as the header: the fast way for long logs."""
        width, separator = len(self._header), self._separator
        if separator == " " or {*map(operator.methodcaller("count", separator), lines)} != {width - 1}:
            return None
        cells = text.removesuffix("\n").replace("\n", separator).split(separator)
        return [cells[column::width] for column in range(width)] if _numeric(cells[::width]) else None

    def _even(self, chunk: list[list[str]]) -> list[list[str]]:
        """The rows as wide as the header, without those that are blank, torn, or the header again."""
        width = len(self._header)
        kept: list[list[str]] = []
        for row in map(_stripped, chunk):
            if row == self._header:
                self._headers += 1
            elif any(row[width:]):
                self._first_torn = self._first_torn or self._table.rows + len(kept) + self._torn + 1
                self._widest = self._widest or len(row)
                self._torn += 1
            elif any(row):
                kept.append(row[:width] + [""] * (width - len(row)))
        return kept

    def _cells(self, name: str, cells: Sequence[str]) -> Cells:
        try:
            return np.arange(len(cells)), np.fromiter(map(float, cells), float, len(cells))
        except ValueError:
            pass  # empty cells, decimal commas, text
        rows, values = [], []
        for row, cell in enumerate(cells):
            value = number(cell, self._comma) if cell else None
            if isinstance(value, str):
                if "\n" in value and not self._lines:
                    self._lines = (self._table.rows + row + 1, value.count("\n") + 1)
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


def _parsed(lines: Iterable[str], separator: str) -> Iterator[list[str]]:
    """The rows with anything in them."""
    return filter(any, csv.reader(lines, delimiter=separator, skipinitialspace=separator == " "))


def _separator(lines: list[str]) -> str:
    """The character between the cells, by the first lines."""
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
    return [_clean(cell).strip() for cell in row]


def _clean(text: str) -> str:
    """Without the NULs that are left of UTF-16 where no mark at the beginning of the file tells it."""
    return text.replace("\0", "").replace("\ufeff", "")


def _numeric(cells: Iterable[str]) -> bool:
    try:
        collections.deque(map(float, cells), maxlen=0)
    except ValueError:
        return False
    return True
