"""Reads of former names and of merged issues."""

from collections.abc import Iterable
from functools import cache
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Connection, Select, Text, any_, bindparam, select, union

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.company_access.queries import access_values, of_visible_issue
from issue_tracker.database.prepared import Prepared, among, numbers
from issue_tracker.database.tables import former_names, issues, merged_issues
from issue_tracker.database.types import Id, Key
from issue_tracker.errors import NotFound
from issue_tracker.issues.models import IssueHead
from issue_tracker.issues.queries.former_conditions import is_known, is_of_merged
from issue_tracker.issues.queries.issue import find_issue_head, find_issue_head_by_external_key, find_issue_head_by_id
from issue_tracker.names import key, printable, storable


def find_issue_by_any_name(tx: Connection, actor: Actor, name: str, *, lock: bool = False) -> IssueHead | None:
    """Returns the issue with this name or, if there is none, the one that had it last; None if there is neither."""
    require_helpdesk(actor)
    found = find_issue_head(tx, actor, name, lock=lock)
    if found is not None or not storable(name):
        return found
    access = actor.company_access
    issue_id = _by_name(access.all).scalar(tx, name_key=key(name), **access_values(tx, access))
    return None if issue_id is None else find_issue_head_by_id(tx, actor, issue_id, lock=lock)


def lock_issues(tx: Connection, actor: Actor, issue_ids: Iterable[int], names: Iterable[str] = ()) -> None:
    """Locks those of the issues with these ids, and with these present or former names, that the actor may see.

    The order is that of their ids, in which all changes of several issues lock them, so that two of them do not
    deadlock. On SQLite, changes wait for each other anyway.
    """
    require_helpdesk(actor)
    if tx.dialect.name == "sqlite":
        return
    found = set(issue_ids)
    keys = sorted({key(name) for name in names if storable(name)})
    if keys:
        listed = bindparam("keys", type_=ARRAY(Text))
        named = [select(table.c.issue_id).where(table.c.name_key == any_(listed)) for table in (issues, former_names)]
        found |= set(tx.execute(union(*named), {"keys": keys}).scalars())
    query = select(issues.c.issue_id).where(among(issues.c.issue_id, "ids", tx.dialect.name))
    if not actor.company_access.all:
        query = query.where(of_visible_issue(issues.c.issue_id, tx.dialect.name))
    if found:
        locked = query.order_by(issues.c.issue_id).with_for_update()
        tx.execute(locked, {"ids": numbers(tx, sorted(found)), **access_values(tx, actor.company_access)})


def get_issue_by_any_name(tx: Connection, actor: Actor, name: str) -> IssueHead:
    """Like find_issue_by_any_name, but raises NotFound, which quotes the name."""
    found = find_issue_by_any_name(tx, actor, name)
    if found is None:
        raise NotFound(f"There is no issue called “{printable(name)}”.")
    return found


def get_issue_by_external_key(tx: Connection, actor: Actor, external_key: str, *, lock: bool = False) -> IssueHead:
    """Returns the issue with this external key or, if there is none, the one into which the issue with this key was
    merged. Raises NotFound, which quotes the key.
    """
    found = find_issue_head_by_external_key(tx, actor, external_key, lock=lock)
    if found is None and storable(external_key):
        access = actor.company_access
        issue_id = _by_key(access.all).scalar(tx, external_key=external_key, **access_values(tx, access))
        found = None if issue_id is None else find_issue_head_by_id(tx, actor, issue_id, lock=lock)
    if found is None:
        raise NotFound(f"There is no issue with the external key “{printable(external_key)}”.")
    return found


def find_merged_into(tx: Connection, actor: Actor, issue_id: int) -> int | None:
    """Returns the id of the issue into which this one was merged, if the actor may know both; None otherwise."""
    require_helpdesk(actor)
    access = actor.company_access
    into = _merged(access.all).scalar(tx, issue_id=issue_id, **access_values(tx, access))
    return into if into is not None and find_issue_head_by_id(tx, actor, into) is not None else None


@cache
def _by_name(everything: bool) -> Prepared:
    def build(dialect: str) -> Select[Any]:
        named = former_names.c.name_key == bindparam("name_key", type_=Key)
        query = select(former_names.c.issue_id).where(named)
        return query if everything else query.where(is_known(dialect))

    return Prepared(build)


@cache
def _by_key(everything: bool) -> Prepared:
    return _merged_with(merged_issues.c.external_key == bindparam("external_key", type_=Key), everything)


@cache
def _merged(everything: bool) -> Prepared:
    return _merged_with(merged_issues.c.issue_id == bindparam("issue_id", type_=Id), everything)


def _merged_with(condition: ColumnElement[bool], everything: bool) -> Prepared:
    def build(dialect: str) -> Select[Any]:
        query = select(merged_issues.c.into_id).where(condition)
        return query if everything else query.where(is_of_merged(merged_issues.c.issue_id, dialect))

    return Prepared(build)
