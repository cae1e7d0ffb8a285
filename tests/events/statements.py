"""What a transaction executes, for tests that count or explain it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, event


@contextmanager
def statements(tx: Connection) -> Iterator[list[tuple[str, Any]]]:
    """The statements that are executed meanwhile, each with its parameters; a batch is one."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    event.listen(tx, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(tx, "before_cursor_execute", note)
