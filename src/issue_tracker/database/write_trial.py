"""Finds out whether changes can be stored again after one failed, by trying, because nothing else reveals it.

A small change may still succeed on a full disk. Therefore a large one is tried and rolled back, which writes it to disk
nevertheless: PostgreSQL extends the table immediately; SQLite, with almost no memory for changed pages, extends its
write-ahead log. Then a small change that changes nothing is committed.
"""

import secrets

from sqlalchemy import Connection, insert, text

from issue_tracker.clock import now
from issue_tracker.database.driver import driver
from issue_tracker.database.sqlite import write_nothing
from issue_tracker.database.tables import issues

SIZE = 1024 * 1024
"""Size of the large change, in bytes. A description of 8 kB takes 300 kB of SQLite's log, due to the search index."""


class Undone(Exception):
    """Rolls back the transaction of a large change that found enough space."""


def make_large_change(tx: Connection) -> None:
    """Writes a large change to disk. Always raises: Undone, or the driver's error if there is no space."""
    name, at = secrets.token_hex(16), now()
    values = {"name": name, "name_key": name, "description": secrets.token_hex(SIZE // 2), "description_key": ""}
    statement = insert(issues).values(values | {"revision": 1, "created_at": at, "updated_at": at})
    if tx.dialect.name != "sqlite":
        tx.execute(statement)
        raise Undone
    (pages,) = driver(tx).execute("PRAGMA cache_size").fetchone()
    driver(tx).execute("PRAGMA cache_size=1")
    try:
        tx.execute(statement)
    finally:
        driver(tx).execute(f"PRAGMA cache_size={pages}")
    raise Undone


def make_small_change(tx: Connection) -> None:
    """Makes a change without any effect, to be committed."""
    if tx.dialect.name == "sqlite":
        write_nothing(driver(tx))
    else:
        tx.execute(text("UPDATE alembic_version SET version_num = version_num"))
