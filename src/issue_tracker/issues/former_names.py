"""Former names: a former name of an issue finds the issue until another issue takes the name. The external key of a
merged issue, if the remaining one has a key of its own, does the same.

A name that came from a merged issue finds the remaining one only for actors who may see a company that the merged issue
had (issues/queries/former_conditions.py).
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, insert, update

from issue_tracker.database.prepared import Prepared
from issue_tracker.database.tables import former_names, merged_companies, merged_issues
from issue_tracker.database.types import Key
from issue_tracker.names import key


def add_former_name(tx: Connection, issue_id: int, name: str, at: datetime, *, origin_id: int | None = None) -> None:
    """Makes the name that an issue had until now a former name of it; or the name of another issue, with `origin_id`,
    which was merged into it.
    """
    remove_former_name(tx, name)
    origin_id = issue_id if origin_id is None else origin_id
    row = {"name_key": key(name), "name": name, "issue_id": issue_id, "since": at, "origin_id": origin_id}
    tx.execute(insert(former_names).values(row))


def remove_former_name(tx: Connection, name: str) -> None:
    """Removes this former name of any issue. Call it when an issue gets the name."""
    _remove.send(tx, name_key=key(name))


def remove_former_key(tx: Connection, external_key: str) -> None:
    """Removes this external key of any merged issue. Call it when an issue gets the key."""
    taken = update(merged_issues).where(merged_issues.c.external_key == external_key)
    tx.execute(taken.values(external_key=None))


def redirect_names(
    tx: Connection,
    issue_id: int,
    name: str,
    into_id: int,
    at: datetime,
    company_ids: Iterable[int],
    external_key: str | None,
) -> None:
    """Makes the name and number of an issue, which must already be deleted, lead to another issue; also its external
    key, unless that is None. `company_ids` are its companies.

    `move_names` must have been called before for its former names.
    """
    add_former_name(tx, into_id, name, at, origin_id=issue_id)
    if external_key is not None:
        # Earlier programs did not call it, so that a row may still have the key.
        remove_former_key(tx, external_key)
    tx.execute(insert(merged_issues).values(issue_id=issue_id, into_id=into_id, external_key=external_key))
    rows = [{"issue_id": issue_id, "company_id": company_id} for company_id in company_ids]
    if rows:
        tx.execute(insert(merged_companies), rows)


def move_names(tx: Connection, issue_id: int, into_id: int) -> None:
    """Makes every former name and number of an issue, and the keys of those merged into it, lead to another issue."""
    tx.execute(update(former_names).where(former_names.c.issue_id == issue_id).values(issue_id=into_id))
    tx.execute(update(merged_issues).where(merged_issues.c.into_id == issue_id).values(into_id=into_id))


_remove = Prepared(lambda _: delete(former_names).where(former_names.c.name_key == bindparam("name_key", type_=Key)))
