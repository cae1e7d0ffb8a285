"""Former names: a name that an issue had finds it until another issue takes the name."""

from datetime import datetime

from sqlalchemy import Connection, delete, insert, update

from issue_tracker.database.tables import former_names, merged_issues
from issue_tracker.names import key


def keep_name(tx: Connection, issue_id: int, name: str, at: datetime) -> None:
    """Lets the name that an issue had until now lead to it."""
    take_name(tx, name)
    tx.execute(insert(former_names).values(name_key=key(name), name=name, issue_id=issue_id, since=at))


def take_name(tx: Connection, name: str) -> None:
    """To be called when an issue gets this name: it leads to no other issue any more."""
    tx.execute(delete(former_names).where(former_names.c.name_key == key(name)))


def lead_on(tx: Connection, issue_id: int, name: str, into_id: int, at: datetime) -> None:
    """Lets the names and numbers of an issue, which must be deleted already, lead to another one.

    What led to it before must have been moved by `move_names`.
    """
    keep_name(tx, into_id, name, at)
    tx.execute(insert(merged_issues).values(issue_id=issue_id, into_id=into_id))


def move_names(tx: Connection, issue_id: int, into_id: int) -> None:
    """Lets everything that leads to an issue lead to another one."""
    tx.execute(update(former_names).where(former_names.c.issue_id == issue_id).values(issue_id=into_id))
    tx.execute(update(merged_issues).where(merged_issues.c.into_id == issue_id).values(into_id=into_id))
