"""The rows of the test users, companies and issues, which the product's own operations create once per process, and
which are then copied.

Nearly every test starts with these rows, and the operations take four times as long as inserting copies. The copies
have new ids, and the time of the clock.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Connection, Insert, Table, bindparam, func, insert, select, text

from issue_tracker import clock
from issue_tracker.database.commit_topics import CommitTopic, notify_on_commit
from issue_tracker.database.driver import driver
from issue_tracker.database.prepared import Prepared
from issue_tracker.database.tables import companies, events, look_alikes, metadata, users

COPIED = (users, companies, look_alikes, events)
TIMES = ("created_at", "updated_at", "at")
OWNERS = {"user": users, "company": companies}
"""The tables to which the ids in `look_alikes` refer, by kind."""

_filled = text(
    " UNION ALL ".join(f"SELECT '{table}' WHERE EXISTS (SELECT 1 FROM {table})" for table in metadata.tables)
)

Rows = list[dict[str, Any]]


class Cast:
    """The rows as they were first created, by table. `make` creates them with operations, in the given transaction."""

    def __init__(self, make: Callable[[Connection], None]) -> None:
        self._make = make
        self._rows: dict[Table, Rows] = {}

    def enter(self, tx: Connection) -> None:
        """Inserts the rows into a database that contains none of their names and addresses."""
        if self._rows:
            self._copy(tx)
        else:
            self._make_first(tx)

    def _make_first(self, tx: Connection) -> None:
        filled = set(tx.execute(_filled).scalars())
        last = {
            table: tx.execute(select(func.max(_number(table)))).scalar() or 0 for table in (*OWNERS.values(), events)
        }
        self._make(tx)
        more = set(tx.execute(_filled).scalars()) - filled - {table.name for table in COPIED}
        assert not more, f"the test data has rows in {more}: copy them here as well"
        for table, number in last.items():
            self._rows[table] = _rows(tx, table, _number(table) > number)
        self._rows[look_alikes] = []
        for kind, table in OWNERS.items():
            own = (look_alikes.c.kind == kind) & (look_alikes.c.id > last[table])
            self._rows[look_alikes] += _rows(tx, look_alikes, own)

    def _copy(self, tx: Connection) -> None:
        """Inserts copies with the driver: SQLAlchemy would take longer than the database."""
        at = clock.now()
        ids: dict[str, dict[int | None, int | None]] = {}
        for kind, table in OWNERS.items():
            name, rows = _number(table).name, self._rows[table]
            ids[kind] = {None: None} | dict(
                zip((row[name] for row in rows), _next_numbers(tx, table, len(rows)), strict=True)
            )
            copies = [row | {name: ids[kind][row[name]]} | _times(row, at) for row in rows]
            _inserting[table].run_many(tx, copies)
        copies = [row | {"id": ids[row["kind"]][row["id"]]} for row in self._rows[look_alikes]]
        _inserting[look_alikes].run_many(tx, copies)
        recorded = [
            _without(row, "event_id") | {"at": at, "company_id": ids["company"][row["company_id"]]}
            for row in self._rows[events]
        ]
        _inserting[events].run_many(tx, recorded)
        notify_on_commit(tx, CommitTopic.EVENTS)


def _insert(table: Table) -> Prepared:
    """Returns the statement that inserts a row; an event gets the next number, as in events/record.py."""

    def build(dialect: str) -> Insert:
        values: dict[str, Any] = {column.name: bindparam(column.name, type_=column.type) for column in table.columns}
        if table is events:
            del values["event_id"]
            if dialect == "postgresql":
                values["event_id"] = func.next_event_id()
        return insert(table).values(values)

    return Prepared(build)


_inserting = {table: _insert(table) for table in COPIED}


def _next_numbers(tx: Connection, table: Table, count: int) -> list[int]:
    """Returns numbers for new rows. On SQLite, the rows must be inserted before other numbers are needed."""
    name = _number(table).name
    if tx.dialect.name == "postgresql":
        sequence = f"pg_get_serial_sequence('{table.name}', '{name}')"
        rows = driver(tx).execute(f"SELECT nextval({sequence}) FROM generate_series(1, {count})")
        return [number for (number,) in rows]
    found = driver(tx).execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,)).fetchone()
    last = 0 if found is None else int(found[0])
    return list(range(last + 1, last + 1 + count))


def _number(table: Table) -> ColumnElement[int]:
    [number] = table.primary_key
    return number


def _rows(tx: Connection, table: Table, condition: ColumnElement[bool]) -> Rows:
    found = tx.execute(select(table).where(condition).order_by(*table.primary_key)).mappings()
    return [dict(row) for row in found]


def _without(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}


def _times(row: dict[str, Any], at: Any) -> dict[str, Any]:
    return dict.fromkeys(row.keys() & TIMES, at)
