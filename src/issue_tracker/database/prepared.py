"""Statements of the hot paths: written with SQLAlchemy Core, compiled once, run on the driver's own cursor.

Running a Core statement costs several times what a small SQLite query itself takes. A `Prepared` is compiled at its
first use, once for each database, and then costs a dictionary look-up and the query (docs/decisions/0010).
Parameters go through their types; rows come as plain tuples, as the driver reads them: see `instant` and `iso`.
"""

from collections import namedtuple
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

_Convert = Callable[[Any], Any]


class _Compiled:
    """A statement for one database: its text, and how its parameters get there."""

    __slots__ = ("constants", "converters", "order", "sql")

    def __init__(self, statement: ClauseElement, dialect: Dialect) -> None:
        compiled = cast(SQLCompiler, statement.compile(dialect=dialect))
        self.sql = str(compiled)
        self.order = tuple(compiled.positiontup) if compiled.positional and compiled.positiontup is not None else None
        found = {name: parameter.type.bind_processor(dialect) for name, parameter in compiled.binds.items()}
        self.converters: list[tuple[str, _Convert]] = [(name, convert) for name, convert in found.items() if convert]
        self.constants = {
            name: found[name](value) if found.get(name) else value  # type: ignore[misc]
            for name, value in compiled.params.items()
            if not compiled.binds[name].required
        }

    def parameters(self, values: dict[str, Any]) -> Any:
        for name, convert in self.converters:
            if name in values:
                values[name] = convert(values[name])
        if self.constants:
            values = self.constants | values
        return values if self.order is None else [values[name] for name in self.order]


class Prepared:
    """A statement, given as a function of the dialect's name; parameters are `bindparam`s by name."""

    __slots__ = ("_as_row", "_build", "_compiled")

    def __init__(self, build: Callable[[str], ClauseElement]) -> None:
        self._build = build
        self._compiled: dict[str, _Compiled] = {}
        self._as_row: Callable[[Sequence[Any]], Any] | None = None

    def _for(self, tx: Connection) -> _Compiled:
        name = tx.dialect.name
        found = self._compiled.get(name)
        if found is None:
            found = self._compiled[name] = _Compiled(self._build(name), tx.dialect)
        return found

    def run(self, tx: Connection, **values: Any) -> Any:
        """Executes, and returns the driver's cursor."""
        compiled = self._for(tx)
        return driver(tx).execute(compiled.sql, compiled.parameters(values))

    def run_many(self, tx: Connection, rows: Sequence[dict[str, Any]]) -> None:
        """Executes once for each row of parameters."""
        compiled = self._for(tx)
        driver(tx).cursor().executemany(compiled.sql, [compiled.parameters(row) for row in rows])

    def all(self, tx: Connection, **values: Any) -> list[tuple[Any, ...]]:
        """Every row."""
        return cast(list[tuple[Any, ...]], self.run(tx, **values).fetchall())

    def first(self, tx: Connection, **values: Any) -> tuple[Any, ...] | None:
        """The first row, or None."""
        return cast(tuple[Any, ...] | None, self.run(tx, **values).fetchone())

    def row(self, tx: Connection, **values: Any) -> Any:
        """The first row, its columns as attributes under the names that the statement gives them; or None."""
        found = self.first(tx, **values)
        if found is None:
            return None
        if self._as_row is None:
            statement = cast(Select[Any], self._build(tx.dialect.name))
            row_type: Any = namedtuple("Row", statement.selected_columns.keys())  # type: ignore[misc]
            self._as_row = row_type._make
        return self._as_row(found)

    def scalar(self, tx: Connection, **values: Any) -> Any:
        """The first column of the first row, or None."""
        row = self.run(tx, **values).fetchone()
        return None if row is None else row[0]


def driver(tx: Connection) -> Any:
    """The driver's connection, inside the same transaction."""
    return tx.connection.dbapi_connection


def among(column: ColumnElement[Any], name: str, dialect: str) -> ColumnElement[bool]:
    """The condition that a number is in a list, which is one parameter whatever its length: see `numbers`."""
    if dialect == "postgresql":
        return column == any_(bindparam(name, type_=ARRAY(BigInteger)))
    listed = func.json_each(bindparam(name)).table_valued("value")
    return column.in_(select(listed.c.value))


def numbers(tx: Connection, values: Sequence[int]) -> Any:
    """A list of numbers as the parameter that `among` takes."""
    return list(values) if tx.dialect.name == "postgresql" else str(list(values))


def instant(stored: Any) -> datetime:
    """An instant as the driver reads it, as a datetime in UTC."""
    if isinstance(stored, str):
        return datetime.fromisoformat(stored)
    found: datetime = stored
    return found if found.tzinfo is UTC else found.astimezone(UTC)


def iso(stored: Any) -> str:
    """An instant as the driver reads it, as `clock.iso` writes it."""
    if isinstance(stored, str):
        return stored.replace(".000000", "", 1)
    found: datetime = stored
    return found.astimezone(UTC).isoformat()
