"""Former names: a former name of an issue finds the issue until another issue takes the name."""

from datetime import datetime

from sqlalchemy import Connection, delete, insert, update

from issue_tracker.database.tables import former_names, merged_issues
from issue_tracker.names import key


def add_former_name(tx: Connection, issue_id: int, name: str, at: datetime) -> None:
    """Makes the name that an issue had until now a former name of it."""
    remove_former_name(tx, name)
    tx.execute(insert(former_names).values(name_key=key(name), name=name, issue_id=issue_id, since=at))


def remove_former_name(tx: Connection, name: str) -> None:
    """Removes this former name of any issue. Call it when an issue gets the name."""
    tx.execute(delete(former_names).where(former_names.c.name_key == key(name)))


def redirect_names(tx: Connection, issue_id: int, name: str, into_id: int, at: datetime) -> None:
    """Makes the name and number of an issue, which must be deleted already, lead to another issue.

    `move_names` must have been called before for its former names.
    """
    add_former_name(tx, into_id, name, at)
    tx.execute(insert(merged_issues).values(issue_id=issue_id, into_id=into_id))


def move_names(tx: Connection, issue_id: int, into_id: int) -> None:
    """Makes every former name and number of an issue lead to another issue."""
    tx.execute(update(former_names).where(former_names.c.issue_id == issue_id).values(issue_id=into_id))
    tx.execute(update(merged_issues).where(merged_issues.c.into_id == issue_id).values(into_id=into_id))
