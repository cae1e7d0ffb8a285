"""Statements of the hot paths: written with SQLAlchemy Core, compiled once, and run on the driver's own cursor.

Running a Core statement costs several times as much as a small SQLite query. A `Prepared` is compiled at its first use,
once for each kind of database; after that, it costs a dictionary look-up and the query (docs/decisions/0010).
Parameters are converted by their types. Rows contain the values that the driver returns: see `instant` and `iso`.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, cast

import msgspec
from sqlalchemy import ARRAY, BigInteger, Column, ColumnElement, Connection, any_, bindparam, func, select
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

from issue_tracker.database.driver import driver

BATCH = 1000
"""Maximum number of statements that `run_many` sends to PostgreSQL together."""

_Convert = Callable[[Any], Any]


class _Compiled:
    """A statement for one kind of database: its SQL, the conversion of its parameters, and the struct of its rows."""

    __slots__ = ("constants", "converters", "order", "rows_type", "sent", "sql")

    def __init__(self, statement: ClauseElement, dialect: Dialect) -> None:
        on_server = dialect.name == "postgresql"
        compiled = cast(
            SQLCompiler, statement.compile(dialect=_numbering(cast(Any, type(dialect))) if on_server else dialect)
        )
        self.sql = str(compiled)
        self.sent = self.sql.encode() if on_server else None
        """The statement for PostgresqlConnection; None on SQLite."""
        self.order = tuple(compiled.positiontup) if compiled.positional and compiled.positiontup is not None else None
        found = {name: parameter.type.bind_processor(dialect) for name, parameter in compiled.binds.items()}
        self.converters: list[tuple[str, _Convert]] = [(name, convert) for name, convert in found.items() if convert]
        self.constants = {
            name: found[name](value) if found.get(name) else value  # type: ignore[misc]  # the condition has excluded None
            for name, value in compiled.params.items()
            if not compiled.binds[name].required
        }
        self.rows_type: Any = None
        """The type of all rows, known once a cursor has described the columns."""

    def run(self, tx: Connection, values: dict[str, Any]) -> Any:
        """Executes the statement and returns its cursor."""
        parameters, connection = self.parameters(values), driver(tx)
        if self.sent is None:
            return connection.execute(self.sql, parameters)
        return connection.run(self.sent, parameters)

    def rows_of(self, cursor: Any, rows: Sequence[Any]) -> list[Any]:
        """Returns the rows that this cursor fetched, as structs. Named tuples would cost three times as much."""
        if self.rows_type is None:
            self.rows_type = _rows_struct([column[0] for column in cursor.description])
        structs: list[Any] = msgspec.convert((rows,), self.rows_type).rows
        return structs

    def parameters(self, values: dict[str, Any]) -> Any:
        for name, convert in self.converters:
            if name in values:
                values[name] = convert(values[name])
        if self.constants:
            values = self.constants | values
        return values if self.order is None else [values[name] for name in self.order]


@cache
def _numbering(dialect: Any) -> Dialect:
    """Returns the dialect of statements for PostgresqlConnection, whose parameters are called `$1`, `$2` …"""
    numbering: Dialect = dialect(paramstyle="numeric_dollar")
    return numbering


class Prepared:
    """A statement, given as a function of the dialect's name; its parameters are `bindparam`s by name."""

    __slots__ = ("_build", "_compiled")

    def __init__(self, build: Callable[[str], ClauseElement]) -> None:
        self._build = build
        self._compiled: dict[str, _Compiled] = {}

    def _for(self, tx: Connection) -> _Compiled:
        name = tx.dialect.name
        found = self._compiled.get(name)
        if found is None:
            found = self._compiled[name] = _Compiled(self._build(name), tx.dialect)
        return found

    def run(self, tx: Connection, **values: Any) -> Any:
        """Executes the statement and returns its cursor."""
        return self._for(tx).run(tx, values)

    def send(self, tx: Connection, **values: Any) -> Any:
        """Returns a cursor. On PostgreSQL, the statement is sent together with the next one, or when rows are fetched
        from the cursor, so that both need one round trip.
        """
        compiled = self._for(tx)
        if compiled.sent is None:
            return compiled.run(tx, values)
        return driver(tx).send(compiled.sent, compiled.parameters(values))

    def run_many(self, tx: Connection, rows: Sequence[dict[str, Any]]) -> None:
        """Executes the statement once for each row of parameters."""
        compiled, connection = self._for(tx), driver(tx)
        if compiled.sent is None:
            connection.executemany(compiled.sql, [compiled.parameters(row) for row in rows])
            return
        for start in range(0, len(rows), BATCH):
            for row in rows[start : start + BATCH]:
                connection.send(compiled.sent, compiled.parameters(row))
            connection.send_waiting()

    def rows(self, tx: Connection, **values: Any) -> list[Any]:
        """Returns every row, as structs whose attributes are the selected columns, by their names or labels."""
        compiled = self._for(tx)
        cursor = compiled.run(tx, values)
        return compiled.rows_of(cursor, cursor.fetchall())

    def fetch(self, tx: Connection, cursor: Any) -> list[Any]:
        """Returns every row of a cursor from `send`, in the same form."""
        return self._for(tx).rows_of(cursor, cursor.fetchall())

    def row(self, tx: Connection, **values: Any) -> Any:
        """Returns the first row, in the same form; None if there is none."""
        compiled = self._for(tx)
        cursor = compiled.run(tx, values)
        found = cursor.fetchone()
        return None if found is None else compiled.rows_of(cursor, (found,))[0]

    def all(self, tx: Connection, **values: Any) -> list[tuple[Any, ...]]:
        """Returns every row, as plain tuples."""
        return cast(list[tuple[Any, ...]], self.run(tx, **values).fetchall())

    def first(self, tx: Connection, **values: Any) -> tuple[Any, ...] | None:
        """Returns the first row as a plain tuple, or None."""
        return cast(tuple[Any, ...] | None, self.run(tx, **values).fetchone())

    def scalar(self, tx: Connection, **values: Any) -> Any:
        """Returns the first column of the first row, or None."""
        row = self.run(tx, **values).fetchone()
        return None if row is None else row[0]


def _rows_struct(names: Sequence[str]) -> type[msgspec.Struct]:
    """Returns a struct type whose attribute `rows` is a list of structs with one attribute for each column.

    msgspec stores what it needs for a conversion with a struct type only. For a list, it would work that out at each
    conversion, which takes longer than to convert a few rows.

    Raises ValueError for an expression without a usable or unique name: it needs a label.
    """
    unusable = [name for name in names if not name.isidentifier() or names.count(name) > 1]
    if unusable:
        raise ValueError(f"every column of a prepared statement needs a name of its own, unlike {unusable}")
    row: Any = msgspec.defstruct("Row", [(name, Any) for name in names], array_like=True, frozen=True, gc=False)
    return msgspec.defstruct("Rows", [("rows", list[row])], array_like=True, gc=False)


def among(column: ColumnElement[Any], name: str, dialect: str, listed: Any = None) -> ColumnElement[bool]:
    """Returns the condition that a number is in a list, which is one parameter of any length: `listed`, in the form of
    `numbers`, or else what is given when the statement is executed.
    """
    given = {} if listed is None else {"value": listed}
    if dialect == "postgresql":
        return column == any_(bindparam(name, type_=ARRAY(BigInteger), **given))
    values = func.json_each(bindparam(name, **given)).table_valued("value")
    return column.in_(select(values.c.value))


def one_of(tx: Connection, column: Column[int], values: Collection[int]) -> ColumnElement[bool]:
    """Returns the condition of `among` for a statement that is executed once, with its list. With `in_`, each number
    would be a parameter, and a statement may have 32,766 of them on SQLite, and 65,535 on PostgreSQL.
    """
    return among(column, str(column).replace(".", "_"), tx.dialect.name, numbers(tx, values))


def numbers(tx: Connection, values: Collection[int]) -> Any:
    """Returns a list of numbers in the form of the parameter of `among`."""
    return list(values) if tx.dialect.name == "postgresql" else str(list(values))


def instant(stored: Any) -> datetime:
    """Converts an instant as the driver returns it to a datetime in UTC."""
    if isinstance(stored, str):
        return datetime.fromisoformat(stored)
    found: datetime = stored
    return found if found.tzinfo is UTC else found.astimezone(UTC)


def iso(stored: Any) -> str:
    """Converts an instant as the driver returns it to the form of `clock.iso`."""
    if isinstance(stored, str):
        return stored.replace(".000000", "", 1)
    found: datetime = stored
    return found.astimezone(UTC).isoformat()
