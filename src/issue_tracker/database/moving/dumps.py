"""Dumps: all data in one file, which this and any later version of the program can read into either database.

The format, version 1, is gzip-compressed UTF-8 text with one JSON value on each line. An array is a row; an object
describes the rows before or after it:

    {"format": "issue-tracker dump", "version": 1, "schema": "0005", "created_at": "2026-11-25T20:00:00.000000+00:00",
     "rows": 2, "tables": [{"table": "users", "columns": {"user_id": "integer", …}, "key": ["user_id"],
     "numbered": "user_id"}, …]}
    {"table": "users"}
    [1, "ada@helpdesk.example", …]
    [2, "tess@helpdesk.example", …]
    {"end": "users", "rows": 2, "sha256": "…", "last_number": 2}
    …
    {"end": "dump", "rows": 2, "sha256": "…", "last_number": 0}

Rows have the form described in rows.py, in the order of the table's key. The checksum of a table is the SHA-256 of the
lines of its rows; that of the dump is the SHA-256 of all lines before the last one.
"""

import gzip
import hashlib
import zlib
from binascii import a2b_base64
from collections.abc import Iterator, Sequence
from typing import IO, Annotated, Any, Protocol, TypeVar

import msgspec
from msgspec import Meta
from sqlalchemy import Connection, inspect

from issue_tracker.clock import iso, now
from issue_tracker.database.moving.rows import (
    BATCH,
    DERIVED,
    Advance,
    Checking,
    DataError,
    Moved,
    Reader,
    Row,
    Shape,
    encode_rows,
    reported,
)
from issue_tracker.database.moving.target import Target

T = TypeVar("T")

FORMAT, VERSION = "issue-tracker dump", 1

LEVEL = 3
"""Compression level: higher levels take much longer and save little space."""

LONGEST_LINE = 64 * 1024 * 1024
"""Bytes; no row is nearly as long. A longer line means that the file is damaged; it must not fill the memory."""

FOREIGN = "This file is not a dump of Issue Tracker, or it is damaged."
DAMAGED = "The dump is damaged or incomplete"


class Header(msgspec.Struct, frozen=True):
    """The first line. `schema` is the version of the database schema, `rows` the number of rows in all tables."""

    format: str
    version: int
    schema: Annotated[str, Meta(pattern=r"^\d{4}\Z")]
    created_at: str
    rows: int
    tables: list[Shape]


class _Start(msgspec.Struct, frozen=True):
    """The line before the rows of a table."""

    table: str


class _End(msgspec.Struct, frozen=True):
    """The line after the rows of a table, and the last line of the dump."""

    end: str
    rows: int
    sha256: str
    last_number: int = 0


class _Writable(Protocol):
    def write(self, data: bytes, /) -> int: ...


class _Output:
    """Writes compressed lines, and computes the checksum of all of them."""

    def __init__(self, file: _Writable) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def write(self, lines: bytes) -> None:
        self._hash.update(lines)
        self._file.write(lines)

    def write_object(self, value: msgspec.Struct) -> None:
        self.write(msgspec.json.encode(value) + b"\n")

    def sha256(self) -> str:
        return self._hash.hexdigest()


def write_dump(file: IO[bytes], reader: Reader, tables: list[Shape], schema: str, advance: Advance) -> int:
    """Writes all rows that the reader sees, and returns their number. `advance` is called for each batch of rows."""
    total = sum(reader.count(shape) for shape in tables)
    with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=LEVEL, filename="", mtime=0) as compressed:
        output = _Output(compressed)
        output.write_object(Header(FORMAT, VERSION, schema, iso(now()), total, tables))
        for shape in tables:
            output.write_object(_Start(shape.table))
            checking = Checking()
            for batch in reported(reader.batches(shape), advance):
                lines = encode_rows(batch)
                checking.add(len(batch), lines)
                output.write(lines)
            found = checking.result()
            output.write_object(_End(shape.table, found.rows, found.sha256, reader.last_number(shape)))
        output.write_object(_End("dump", total, output.sha256()))
    return total


class Dump:
    """A dump that is read once, from its start to its end. Raises DataError for a damaged or foreign file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = gzip.GzipFile(fileobj=file, mode="rb")
        self._hash = hashlib.sha256()
        self._unhashed = b""
        try:
            self._next = self._read_line()
            format_ = msgspec.json.decode(self._next, type=dict[str, Any])
        except (DataError, msgspec.MsgspecError, UnicodeDecodeError):
            raise DataError(FOREIGN) from None
        if format_.get("format") != FORMAT:
            raise DataError(FOREIGN)
        if format_.get("version") != VERSION:
            raise DataError("This dump has a format that this version of the program does not know. Use a newer one.")
        self.header = self._object(Header)

    def fill(self, target: Target, advance: Advance) -> Moved:
        """Writes every row into the target. Returns the checksums that the target must have afterwards."""
        filled: Moved = []
        for shape in self.header.tables:
            if self._object(_Start).table != shape.table:
                raise DataError(f"{DAMAGED}: the table {shape.table} is missing.")
            checking = Checking()
            target.insert(shape, reported(self._batches(shape, checking), advance))
            found, end = checking.result(), self._object(_End)
            if (end.end, end.rows, end.sha256) != (shape.table, found.rows, found.sha256):
                raise DataError(f"{DAMAGED}: the checksum of the rows of {shape.table} does not match.")
            target.set_last_number(shape, end.last_number)
            filled.append((shape, found))
        end = self._object(_End)
        rows = sum(checksum.rows for _, checksum in filled)
        if end != _End("dump", rows, self._hash.hexdigest()) or self._next:
            raise DataError(f"{DAMAGED}: its checksum does not match.")
        return filled

    def _batches(self, shape: Shape, checking: Checking) -> Iterator[Sequence[Row]]:
        """Yields the rows of a table in batches, and stops before the line that follows them."""
        decode = msgspec.json.Decoder(list[Any]).decode
        binary = [position for position, kind in enumerate(shape.columns.values()) if kind == "bytes"]
        width = len(shape.columns)
        while self._next.startswith(b"["):
            lines: list[bytes] = []
            while len(lines) < BATCH and self._next.startswith(b"["):
                lines.append(self._take_line())
            checking.add(len(lines), b"".join(lines))
            try:
                rows: list[list[Any]] = [decode(line) for line in lines]
                for row in rows:
                    for position in binary:
                        row[position] = row[position] and a2b_base64(row[position], strict_mode=True)
            except (msgspec.MsgspecError, ValueError, TypeError, IndexError):
                raise DataError(f"{DAMAGED}: a row of {shape.table} cannot be read.") from None
            if any(len(row) != width for row in rows):
                raise DataError(f"{DAMAGED}: a row of {shape.table} has too few or too many values.")
            yield rows

    def _object(self, type_: type[T]) -> T:
        """Returns the next line as an object of this type. Raises DataError if it is none."""
        try:
            return msgspec.json.decode(self._take_line(), type=type_)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise DataError(f"{DAMAGED}: a line cannot be read.") from None

    def _take_line(self) -> bytes:
        """Returns the next line, which becomes part of the checksum when the line after it is taken."""
        taken = self._next
        if not taken:
            raise DataError(f"{DAMAGED}: it ends too early.")
        self._hash.update(self._unhashed)
        self._unhashed = taken
        self._next = self._read_line()
        return taken

    def _read_line(self) -> bytes:
        """Reads a line of the file; empty at its end."""
        try:
            line = self._file.readline(LONGEST_LINE)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(f"{DAMAGED}: {str(error).rstrip('.')}.") from None
        if line and not line.endswith(b"\n"):
            raise DataError(f"{DAMAGED}: a line is incomplete or too long.")
        return line


def check_fits(tx: Connection, header: Header) -> None:
    """Raises DataError unless the dump has the tables and columns of the schema of this database.

    After this check, the names in the dump are known to be those of the schema, and may be used in SQL statements.
    """
    inspector = inspect(tx)
    found = {
        table: {column["name"] for column in inspector.get_columns(table)}
        for table in inspector.get_table_names()
        if table not in DERIVED and table != "alembic_version" and not table.startswith("issue_search")
    }
    named = {shape.table: set(shape.columns) for shape in header.tables}
    fits = all(
        {*shape.key, *filter(None, [shape.numbered])} <= set(shape.columns) and shape.key for shape in header.tables
    )
    if named != found or len(named) != len(header.tables) or not fits:
        raise DataError(f"{DAMAGED}: its tables are not those of the schema {header.schema}.")
