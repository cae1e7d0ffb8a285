"""Rows in a form that both databases share, so that rows from one can be written to the other, and compared.

A row is a list of JSON values, in the order of the columns. A time is text in UTC with microseconds, as SQLite stores
it; a boolean is 0 or 1; bytes become base64 in JSON.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal

import msgspec
from sqlalchemy import Boolean, Connection, Integer, LargeBinary, String, Table

from issue_tracker.database.tables import (
    assignment_counters,
    history_identity,
    issue_counters,
    metadata,
    schema_compatibility,
)
from issue_tracker.database.types import Instant

Row = Sequence[Any]
Kind = Literal["integer", "text", "boolean", "time", "bytes"]
Advance = Callable[[int], None]
"""Called with the number of rows that were moved since the last call."""

BATCH = 2000
"""Number of rows that are read, or written to SQLite, together."""

DERIVED = {issue_counters.name, assignment_counters.name, history_identity.name, schema_compatibility.name}
"""Tables that are not moved: they are computed from other tables, or describe one particular database."""

encode_rows: Callable[[Iterable[Row]], bytes] = msgspec.json.Encoder().encode_lines
"""Encodes rows as JSON, one on each line."""


class DataError(Exception):
    """The data cannot be moved; the message is one sentence that gives the reason."""


class Shape(msgspec.Struct, frozen=True):
    """A table: its columns with their kinds, its primary key, and the column that is numbered automatically."""

    table: str
    columns: dict[str, Kind]
    key: tuple[str, ...]
    numbered: str | None


def shapes() -> list[Shape]:
    """Returns the tables of the current schema that are moved; a table follows those that it refers to."""
    return [_shape(table) for table in metadata.sorted_tables if table.name not in DERIVED]


def _shape(table: Table) -> Shape:
    key = tuple(str(column.name) for column in table.primary_key)
    return Shape(
        str(table.name),
        {str(column.name): _kind(column.type) for column in table.columns},
        key,
        key[0] if table.dialect_options["sqlite"]["autoincrement"] else None,
    )


def _kind(type_: Any) -> Kind:
    kinds: tuple[tuple[type, Kind], ...] = (
        (Instant, "time"), (Boolean, "boolean"), (LargeBinary, "bytes"), (Integer, "integer"), (String, "text"),
    )  # fmt: skip
    return next(kind for known, kind in kinds if isinstance(type_, known))


class Checksum(msgspec.Struct, frozen=True):
    """The number of rows and the SHA-256 of their JSON lines in key order; equal for tables with equal content."""

    rows: int
    sha256: str


Moved = list[tuple[Shape, Checksum]]
"""Tables with the checksums that they have at their source."""


class Checking:
    """Computes the checksum of the rows that pass through it."""

    def __init__(self) -> None:
        self._rows = 0
        self._hash = hashlib.sha256()

    def add(self, rows: int, lines: bytes) -> None:
        self._rows += rows
        self._hash.update(lines)

    def through(self, batches: Iterable[Sequence[Row]]) -> Iterator[Sequence[Row]]:
        """Yields the same batches, each after adding it to the checksum."""
        for batch in batches:
            self.add(len(batch), encode_rows(batch))
            yield batch

    def result(self) -> Checksum:
        return Checksum(self._rows, self._hash.hexdigest())


def reported(batches: Iterable[Sequence[Row]], advance: Advance) -> Iterator[Sequence[Row]]:
    """Yields the same batches; the size of each is reported when the next one is requested."""
    for batch in batches:
        yield batch
        advance(len(batch))


class Reader:
    """Reads from one driver connection, inside the transaction that its caller has begun."""

    def __init__(self, connection: Any, *, sqlite: bool) -> None:
        self._connection = connection
        self._sqlite = sqlite

    @classmethod
    def of(cls, tx: Connection) -> "Reader":
        """Returns the reader of a transaction of `Database.read`, and lifts its time limits."""
        connection = tx.connection.driver_connection
        sqlite = tx.dialect.name == "sqlite"
        if not sqlite:
            take_any_time(connection)
        return cls(connection, sqlite=sqlite)

    def count(self, shape: Shape) -> int:
        return int(self._value(f"SELECT count(*) FROM {shape.table}"))  # noqa: S608 - names of the schema

    def last_number(self, shape: Shape) -> int:
        """Returns the last number that the table assigned to a row, deleted or not; 0 if it has assigned none."""
        if shape.numbered is None:
            return 0
        if self._sqlite:
            return int(self._value("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?", (shape.table,)))
        sequence = self._value("SELECT pg_get_serial_sequence(%s, %s)", (shape.table, shape.numbered))
        return int(self._value(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}"))  # noqa: S608 - names of the schema

    def batches(self, shape: Shape) -> Iterator[Sequence[Row]]:
        """Yields all rows in the order of the primary key, which is the same on both databases."""
        columns = ", ".join(self._read(name, kind) for name, kind in shape.columns.items())
        order = [self._ordered(name, shape.columns[name]) for name in shape.key]
        ordered = f"ORDER BY {', '.join(order)} LIMIT {BATCH}"
        marks = ", ".join("?" if self._sqlite else "%s" for _ in shape.key)
        first = f"SELECT {columns} FROM {shape.table} {ordered}"  # noqa: S608 - names of the schema
        next_ = f"SELECT {columns} FROM {shape.table} WHERE ({', '.join(order)}) > ({marks}) {ordered}"  # noqa: S608 - names of the schema
        names = list(shape.columns)
        positions = [names.index(name) for name in shape.key]
        batch = self._connection.execute(first).fetchall()
        while batch:
            yield batch
            if len(batch) < BATCH:
                return
            batch = self._connection.execute(next_, [batch[-1][position] for position in positions]).fetchall()

    def checksum(self, shape: Shape, advance: Advance) -> Checksum:
        checking = Checking()
        for _ in reported(checking.through(self.batches(shape)), advance):
            pass
        return checking.result()

    def _read(self, name: str, kind: Kind) -> str:
        if self._sqlite or kind in ("integer", "text", "bytes"):
            return name
        if kind == "boolean":
            return f"{name}::integer"
        return f"""to_char({name} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')"""

    def _ordered(self, name: str, kind: Kind) -> str:
        return name if self._sqlite or kind != "text" else f'{name} COLLATE "C"'

    def _value(self, statement: str, parameters: Sequence[Any] = ()) -> Any:
        return self._connection.execute(statement, parameters).fetchone()[0]


def take_any_time(connection: Any) -> None:
    """Lifts the time limits of one transaction on PostgreSQL, which are intended for requests."""
    for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
        connection.execute(f"SET LOCAL {limit} = 0")
