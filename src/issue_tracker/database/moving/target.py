"""Fills an empty database with all rows of another, in one transaction.

Indexes, triggers and, on PostgreSQL, foreign keys are dropped first and recreated unchanged at the end: that is several
times faster than maintaining them row by row, and the counters, which triggers maintain, are computed at the end.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from issue_tracker.database.engine import Database
from issue_tracker.database.history_identity import SKIP_EVENTS
from issue_tracker.database.moving.rows import Advance, DataError, Moved, Reader, Row, Shape, take_any_time

COUNTERS = (
    "DELETE FROM issue_counters",
    "DELETE FROM assignment_counters",
    "INSERT INTO issue_counters (statuses, shard, issues) SELECT statuses, 0, count(*) FROM issues GROUP BY statuses",
    "INSERT INTO assignment_counters (status, shard, assignments)"
    " SELECT status, 0, count(*) FROM assignments GROUP BY status",
)
"""Recomputes the counters, because SQLite uses a single shard, PostgreSQL any number (docs/decisions/0011)."""


class Target:
    """A database that is being filled. Call its methods in the order in which they are declared."""

    sqlite: bool

    def __init__(self, connection: Any, shapes: Sequence[Shape]) -> None:
        self._connection = connection
        self._tables = [shape.table for shape in shapes]
        self._restored: list[str] = []

    def begin(self) -> None:
        """Begins the transaction. Raises DataError if any table contains a row."""
        raise NotImplementedError

    def insert(self, shape: Shape, batches: Iterable[Sequence[Row]]) -> None:
        raise NotImplementedError

    def set_last_number(self, shape: Shape, last: int) -> None:
        """Makes the table assign numbers higher than this one to new rows."""
        raise NotImplementedError

    def has_table(self, name: str) -> bool:
        """Returns whether the schema of the target, which may be an earlier one, has this table."""
        raise NotImplementedError

    def finish(self) -> None:
        """Recreates everything that was dropped, computes the derived tables, and begins a new history."""
        for statement in (*self._restored, *COUNTERS):
            self._connection.execute(statement)
        # The source may have recorded, or may still record, more events than were moved.
        self._connection.execute(SKIP_EVENTS["sqlite" if self.sqlite else "postgresql"])
        if self.has_table("history_identity"):
            # What clients know of another database is not true of this one, which gets an identity when it is served.
            self._connection.execute("DELETE FROM history_identity")

    def verify(self, expected: Moved, advance: Advance) -> None:
        """Reads everything again. Raises DataError unless each table has the expected checksum."""
        reader = Reader(self._connection, sqlite=self.sqlite)
        for shape, checksum in expected:
            found = reader.checksum(shape, advance)
            if found != checksum:
                raise DataError(
                    f"The table {shape.table} differs: {found.rows} rows instead of {checksum.rows}, or other content."
                )

    def commit(self) -> None:
        self._connection.execute("COMMIT")

    def _refuse_data(self) -> None:
        full = [
            table
            for table in self._tables
            if self._connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone()  # noqa: S608 - names of the schema
        ]
        if full:
            raise DataError(f"The target already contains data ({', '.join(full)}); name an empty database.")


class _SqliteTarget(Target):
    sqlite = True

    def begin(self) -> None:
        # Sorting for an index uses files: in memory, it would take as much space as the index.
        for pragma in ("temp_store=FILE", "cache_size=-100000"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute("BEGIN IMMEDIATE")
        self._refuse_data()
        found = self._connection.execute(
            "SELECT type, name, tbl_name, sql FROM sqlite_master"
            " WHERE type IN ('index', 'trigger') AND sql IS NOT NULL ORDER BY type, name"
        ).fetchall()
        for kind, name, table, sql in found:
            if table in self._tables:
                self._connection.execute(f"DROP {kind} {name}")
                self._restored.append(sql)

    def insert(self, shape: Shape, batches: Iterable[Sequence[Row]]) -> None:
        marks = ", ".join("?" for _ in shape.columns)
        statement = f"INSERT INTO {shape.table} ({', '.join(shape.columns)}) VALUES ({marks})"  # noqa: S608 - names of the schema
        for batch in batches:
            self._connection.executemany(statement, batch)

    def set_last_number(self, shape: Shape, last: int) -> None:
        if shape.numbered:
            self._connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (shape.table,))
            self._connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (shape.table, last))

    def has_table(self, name: str) -> bool:
        query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
        return self._connection.execute(query, (name,)).fetchone() is not None

    def finish(self) -> None:
        super().finish()
        self._connection.execute("INSERT INTO issue_search (issue_search) VALUES ('rebuild')")

    def commit(self) -> None:
        super().commit()
        # The log contains all data a second time, and would remain that large.
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


class _PostgresqlTarget(Target):
    sqlite = False

    def begin(self) -> None:
        self._connection.execute("BEGIN")
        take_any_time(self._connection)
        self._connection.execute("SET LOCAL maintenance_work_mem = '256MB'")
        self._refuse_data()
        tables = ", ".join(self._tables)
        self._connection.execute(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE")
        foreign_keys = self._connection.execute(
            "SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE contype = 'f' AND conrelid = ANY(%s::regclass[])",
            (self._tables,),
        ).fetchall()
        indexes = self._connection.execute(
            "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
            " WHERE indrelid = ANY(%s::regclass[])"
            " AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)",
            (self._tables,),
        ).fetchall()
        for table, name, _ in foreign_keys:
            self._connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        for name, _ in indexes:
            self._connection.execute(f"DROP INDEX {name}")
        for table in self._tables:
            self._connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        self._restored = [
            *(f"ALTER TABLE {table} ENABLE TRIGGER USER" for table in self._tables),
            *(definition for _, definition in indexes),
            *(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}" for table, name, definition in foreign_keys),
        ]

    def insert(self, shape: Shape, batches: Iterable[Sequence[Row]]) -> None:
        columns = ", ".join(shape.columns)
        with self._connection.cursor().copy(f"COPY {shape.table} ({columns}) FROM STDIN") as copy:
            for batch in batches:
                for row in batch:
                    copy.write_row(row)

    def set_last_number(self, shape: Shape, last: int) -> None:
        if shape.numbered and last:
            self._connection.execute(
                "SELECT setval(pg_get_serial_sequence(%s, %s), %s)", (shape.table, shape.numbered, last)
            )

    def has_table(self, name: str) -> bool:
        found = self._connection.execute("SELECT to_regclass(%s)", (name,)).fetchone()
        return found[0] is not None

    def finish(self) -> None:
        super().finish()
        self._connection.execute(f"ANALYZE {', '.join(self._tables)}")


@contextmanager
def open_target(database: Database, shapes: Sequence[Shape]) -> Iterator[Target]:
    """Opens a target with these tables, whose schema must exist. Rolls everything back unless `commit` is called.

    Raises DataError if it contains data, and whatever the driver raises.
    """
    held = database.engine.raw_connection()
    try:
        target = (_SqliteTarget if database.sqlite else _PostgresqlTarget)(held.driver_connection, shapes)
        target.begin()
        yield target
    finally:
        # Closes the connection, whose settings differ from those of other connections. This also rolls back.
        held.invalidate()
