"""Records the statements of a transaction, for tests that count or explain them.

It records statements that pass through SQLAlchemy, and `Prepared` ones, which run on the driver's cursor. It does not
record other calls of the driver, such as the beginning and the end of a transaction.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from sqlalchemy import Connection, event

from issue_tracker.database.prepared import Prepared, _Compiled


@contextmanager
def statements(tx: Connection) -> Iterator[list[tuple[str, Any]]]:
    """Yields the statements that this transaction executes in the block, each with its parameters; a batch counts as
    one.
    """
    seen: list[tuple[str, Any]] = []
    run, send, run_many = _Compiled.run, Prepared.send, Prepared.run_many

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    def note_prepared(compiled: _Compiled, used: Connection, values: dict[str, Any]) -> None:
        if used is tx:
            given = compiled.parameters(dict(values))
            seen.append((compiled.sql, given if isinstance(given, dict) else tuple(given)))

    def noted_run(compiled: _Compiled, used: Connection, values: dict[str, Any]) -> Any:
        note_prepared(compiled, used, values)
        return run(compiled, used, values)

    def noted_send(prepared: Prepared, used: Connection, **values: Any) -> Any:
        if used.dialect.name == "postgresql":  # on SQLite, it is run
            note_prepared(prepared._for(used), used, values)
        return send(prepared, used, **values)

    def noted_run_many(prepared: Prepared, used: Connection, rows: Sequence[dict[str, Any]]) -> None:
        if used is tx:
            seen.append((prepared._for(tx).sql, None))
        run_many(prepared, used, rows)

    event.listen(tx, "before_cursor_execute", note)
    with (
        patch.object(_Compiled, "run", noted_run),
        patch.object(Prepared, "send", noted_send),
        patch.object(Prepared, "run_many", noted_run_many),
    ):
        yield seen
        event.remove(tx, "before_cursor_execute", note)
