"""Reads CSV files as they occur in practice: RFC 4180, and what spreadsheets write.

Depending on the country and the menu entry, spreadsheets separate cells with a comma, a semicolon or a tab; begin the
file with a byte order mark; encode "Unicode text" in UTF-16; and export empty columns and rows.
"""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import msgspec

SEPARATORS = (",", ";", "\t")

LONGEST_CELL = 1024 * 1024
"""Maximum number of characters of a cell. The references of one issue may take 150,000 in an export, which is more than
the library reads by default.
"""

csv.field_size_limit(LONGEST_CELL)

_separator_line = re.compile(r"sep=(.)\r?\n?")
"""The first line that some programs write for Excel: the separator of the file."""


_STARTS = r"\A|[\n\r\t;\x0b\x0c\x85\u2028\u2029]"
"""Where a program may see the start of a cell: also after every line end, semicolon and tab within a cell, because a
program that expects a separator other than the comma does not recognize our quotes either.
"""

_BEFORE = (
    r'[^\S\n\r\t\x0b\x0c\x85\u2028\u2029]|["\x00-\x08\x0e-\x1f\x7f-\x9f]|'
    r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
)
_FORMULA = rf"(?:{_BEFORE})*[=+\-@＝＋－＠]"
"""The beginning of a formula: a sign, possibly full-width, after white space, control characters and quotes."""

_sign = re.compile(r"[=+\-@＝＋－＠\t\r]")
_runnable = re.compile(rf"\A(?='*[\t\r])|({_STARTS})(?='*{_FORMULA})")
_defused = re.compile(rf"\A'(?='*[\t\r])|({_STARTS})'(?='*{_FORMULA})")


def defuse(text: str) -> str:
    """Returns a cell that no spreadsheet executes: an apostrophe precedes possible formulas (OWASP, CSV injection)."""
    # Most cells contain no sign at all, which is much faster to check.
    return _runnable.sub(r"\1'", text) if _sign.search(text) else text


def restore(text: str) -> str:
    """Returns the cell as it was before `defuse`."""
    return _defused.sub(r"\1", text) if "'" in text else text


class BadFile(Exception):
    """The file as a whole cannot be read; the message is one sentence with the reason."""


class BadRow(msgspec.Struct, frozen=True):
    """A row that cannot be imported: the line of the file on which it ends, and the reason."""

    line: int
    reason: str


class CsvRow(msgspec.Struct, frozen=True):
    """A row as it was read: its cells by the names of the known columns, and the line of the file on which it ends."""

    line: int
    cells: Mapping[str, str]


def read(
    path: str, *, columns: Sequence[str], required: Sequence[str], ignore_others: bool = False
) -> Iterator[CsvRow | BadRow]:
    """Yields the rows of a CSV file like `read_lines`. The file is read once, from beginning to end, so that it may
    be a pipe. Also raises BadFile if it is neither UTF-8 nor UTF-16.
    """
    with Path(path).open("rb") as file:
        yield from read_lines(_lines(file), columns=columns, required=required, ignore_others=ignore_others)


def read_lines(
    lines: Iterator[str], *, columns: Sequence[str], required: Sequence[str], ignore_others: bool = False
) -> Iterator[CsvRow | BadRow]:
    """Yields the rows of a CSV text whose first row names the columns, in any case, with spaces or underscores. `lines`
    include their line ends.

    `columns` are the known ones; a row contains those that the text has. Rows and columns without any text are skipped;
    a cell that has text, but no column, makes its row a BadRow. Raises BadFile if the text is not such a CSV: if a
    column is named twice, if one of `required` is missing, and if there are columns other than `columns`, unless they
    are to be ignored.
    """
    head: list[str] = []
    first = next(lines, "")
    chosen = _separator_line.fullmatch(first)
    # The line is replaced by an empty one, so that the numbers of the other lines remain right.
    head.append("\n" if chosen else first)
    separator = chosen[1] if chosen else _separator(lines, head, columns)
    reader = csv.reader(chain(head, lines), delimiter=separator, strict=True)
    try:
        rows = ((reader.line_num, cells) for cells in reader if any(cells))
        _, header = next(rows, (0, []))
        names = _column_names(header, columns, required, ignore_others=ignore_others)
        for line, cells in rows:
            yield _row(line, cells, names, columns)
    except csv.Error as error:
        raise BadFile(f"Line {reader.line_num}: the file is not CSV ({error}).") from None


def _lines(file: BinaryIO) -> Iterator[str]:
    """Yields the lines of a file, with their line ends. Raises BadFile for the first line that is not text."""
    assert isinstance(file, io.BufferedReader)
    start = file.peek(len(codecs.BOM_UTF8))
    wide = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encoding, errors = ("utf-16", "surrogatepass") if wide else ("utf-8-sig", "surrogateescape")
    try:
        # Decoding reads ahead, so a strict decoder would not know on which line it failed.
        for number, line in enumerate(io.TextIOWrapper(file, encoding, errors, newline=""), 1):
            try:
                line.encode()
            except UnicodeEncodeError:
                raise BadFile(
                    f"Line {number}: the file is not {'UTF-16' if wide else 'UTF-8'}. In Excel, save it as “CSV UTF-8”."
                ) from None
            yield line
    except UnicodeDecodeError:
        raise BadFile("The file is not complete UTF-16. In Excel, save it as “CSV UTF-8”.") from None


def _separator(lines: Iterator[str], head: list[str], columns: Sequence[str]) -> str:
    """Returns the separator with which most columns are found. Appends the lines that it reads to `head`."""

    def known(separator: str) -> int:
        try:
            header = _first_row(lines, head, separator)
        except csv.Error:
            return -1
        return sum(_plain(name) in columns for name in header)

    return max(SEPARATORS, key=known)


def _first_row(lines: Iterator[str], head: list[str], separator: str) -> list[str]:
    """Returns the first row with text in it, parsed with one separator."""

    def recorded() -> Iterator[str]:
        yield from list(head)
        for line in lines:
            head.append(line)
            yield line

    reader = csv.reader(recorded(), delimiter=separator, strict=True)
    return next((cells for cells in reader if any(cells)), [])


def _plain(name: str) -> str:
    """Returns the name of a column in the form for comparison: `Company Name` becomes `company_name`."""
    return re.sub(r"[\s_-]+", "_", name.strip().casefold())


def _column_names(
    header: Sequence[str], columns: Sequence[str], required: Sequence[str], *, ignore_others: bool
) -> list[str]:
    """Returns the normalized names of a header's columns, empty without a name. Raises BadFile like `read`."""
    names = [_plain(name) for name in header]
    missing = [name for name in required if name not in names]
    if missing:
        hint = " Commas, semicolons or tabs separate columns." if len(names) == 1 else ""
        are = "is" if len(missing) == 1 else "are"
        raise BadFile(f"The first line must name the columns; {', '.join(missing)} {are} missing.{hint}")
    unknown = [name.strip() for name, plain in zip(header, names, strict=True) if plain and plain not in columns]
    if unknown and not ignore_others:
        raise BadFile(f"Unknown columns: {', '.join(unknown)}. The known columns are {', '.join(columns)}.")
    repeated = [name for name, count in Counter(names).items() if count > 1 and name in columns]
    if repeated:
        raise BadFile(f"The first line names a column twice: {', '.join(repeated)}.")
    return names


def _row(line: int, cells: Sequence[str], names: Sequence[str], columns: Sequence[str]) -> CsvRow | BadRow:
    if any(cell.strip() for cell in cells[len(names) :]):
        return BadRow(line, "has more cells than the first line")
    padded = [*cells, *[""] * (len(names) - len(cells))]
    if any(cell.strip() for name, cell in zip(names, padded, strict=False) if not name):
        return BadRow(line, "has text in a column without a name")
    return CsvRow(line, {name: cell for name, cell in zip(names, padded, strict=False) if name in columns})
