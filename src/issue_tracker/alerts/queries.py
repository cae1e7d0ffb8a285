"""Reads of alerts. An actor with limited company access sees only alerts of these companies and its own reports."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Row,
    Select,
    Text,
    and_,
    any_,
    bindparam,
    exists,
    func,
    or_,
    select,
)

from issue_tracker.actor import Actor, require_administrator, require_helpdesk
from issue_tracker.alerts.models import Alert, AlertState, StoredAlert
from issue_tracker.clock import iso
from issue_tracker.company_access.queries import access_values, of_visible_company
from issue_tracker.database.prepared import Prepared, among, instant, numbers
from issue_tracker.database.tables import alert_receivers, alerts, assignments, companies, events, issues
from issue_tracker.database.types import Id
from issue_tracker.issues.models import SEVERITIES
from issue_tracker.status import STATUSES, Status


def namespace(actor: Actor) -> int:
    """Returns the namespace of the actor's keys: 0, shared by all actors with unlimited company access, otherwise the
    actor's user id. Receivers have namespaces of their own: their negated ids.
    """
    return 0 if actor.company_access.all else actor.user_id or 0


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which alerts to list. `unsorted` alerts are those without a known issue or company, in either state."""

    state: AlertState | None = None
    unsorted: bool | None = None


def list_alerts(
    tx: Connection, actor: Actor, selection: Selection, *, before: int | None = None, limit: int
) -> list[Alert]:
    """Returns at most `limit` alerts, the newest first, all with an `alert_id` below `before`.

    Raises Forbidden without helpdesk access.
    """
    query = _joined(tx, actor, selection).order_by(alerts.c.alert_id.desc()).limit(limit)
    if before is not None:
        query = query.where(alerts.c.alert_id < before)
    return [_alert(actor, row) for row in tx.execute(query, access_values(tx, actor.company_access))]


def find_alert(tx: Connection, actor: Actor, alert_id: int) -> Alert | None:
    """Returns the alert with this id; None if there is none, or if it is hidden from the actor. Raises Forbidden as
    `list_alerts` does.
    """
    query = _joined(tx, actor, Selection()).where(alerts.c.alert_id == alert_id)
    row = tx.execute(query, access_values(tx, actor.company_access)).first()
    return None if row is None else _alert(actor, row)


def count_alerts(tx: Connection, actor: Actor, selection: Selection) -> int:
    """Returns the number of alerts that `list_alerts` would return without a limit."""
    conditions = _conditions(tx, actor, selection)
    query = select(func.count()).select_from(alerts).where(*conditions)
    return int(tx.execute(query, access_values(tx, actor.company_access)).scalar_one())


def lock_alerts(tx: Connection, actor: Actor, whose: int, keys: Iterable[str]) -> dict[str, StoredAlert]:
    """Returns the alerts with these keys in a namespace, by key, and locks them until the end of the transaction."""
    require_helpdesk(actor)
    wanted = list({str(one) for one in keys})
    given = wanted if tx.dialect.name == "postgresql" else msgspec.json.encode(wanted).decode()
    return {row.key: stored_alert(row) for row in _locked.rows(tx, whose=whose, keys=given)}


class Place(msgspec.Struct, frozen=True):
    """The assignment that an alert is about; None for a part that is missing or hidden."""

    issue_name: str | None
    company_name: str | None
    status: Status | None


NOWHERE = Place(None, None, None)


def find_places(tx: Connection, actor: Actor, alert_ids: list[int]) -> dict[int, Place]:
    """Returns the assignments of these alerts by `alert_id`; alerts of hidden companies are left out."""
    require_helpdesk(actor)
    return {
        row.alert_id: Place(
            # Without the assignment, the issue may be one that the actor cannot see.
            row.issue_name if actor.company_access.all or row.status is not None else None,
            row.company_name,
            None if row.status is None else STATUSES[row.status],
        )
        for row in _places.rows(tx, ids=numbers(tx, alert_ids))
        if row.company_id is not None and actor.company_access.allows(row.company_id)
    }


STORED = [
    alerts.c[name]
    for name in (
        "alert_id",
        "namespace",
        "key",
        "state",
        "issue_key",
        "company_key",
        "issue_id",
        "company_id",
        "changed_at",
        "due_at",
        "cleared_status",
        "summary",
        "changes",
        "flapping",
    )
] + [alerts.c["count"].label("times")]
"""The columns that `stored_alert` reads."""


def stored_alert(row: Any) -> StoredAlert:
    """Returns the columns that operations depend on, from a row with STORED."""
    return StoredAlert(
        alert_id=row.alert_id,
        key=row.key,
        state=AlertState(row.state),
        issue_key=row.issue_key,
        company_key=row.company_key,
        issue_id=row.issue_id,
        company_id=row.company_id,
        count=row.times,
        changed_at=instant(row.changed_at),
        due_at=None if row.due_at is None else instant(row.due_at),
        cleared_status=STATUSES[row.cleared_status],
        summary=row.summary,
        changes=() if row.changes is None else msgspec.json.decode(row.changes, type=tuple[datetime, ...]),
        flapping=bool(row.flapping),
    )


def is_kept_open_by_another(tx: Connection, actor: Actor, alert_id: int, issue_id: int, company_id: int) -> bool:
    """Returns whether another alert is firing for the same assignment, or has not been resolved for long enough yet."""
    require_helpdesk(actor)
    return bool(_others.scalar(tx, alert_id=alert_id, issue_id=issue_id, company_id=company_id))


def is_left_by_alerts(tx: Connection, actor: Actor, issue_id: int) -> bool:
    """Returns whether an issue has no companies, and only receivers of alerts and the actor's request changed it."""
    require_administrator(actor)
    assigned = select(assignments.c.assignment_id).where(assignments.c.issue_id == issue_id)
    by_alerts = events.c.channel.startswith("receiver:"), events.c.request_id == actor.request_id
    touched = select(events.c.event_id).where(events.c.issue_id == issue_id, ~or_(*by_alerts))
    return tx.execute(select(or_(assigned.exists(), touched.exists()))).scalar_one() in (False, 0)


def _conditions(tx: Connection, actor: Actor, selection: Selection) -> Collection[ColumnElement[bool]]:
    require_helpdesk(actor)
    conditions: list[ColumnElement[bool]] = []
    if selection.state is not None:
        conditions.append(alerts.c.state == selection.state.value)
    if selection.unsorted is not None:
        conditions.append(alerts.c.unsorted.is_(selection.unsorted))
    if not actor.company_access.all:
        own = and_(alerts.c.namespace == namespace(actor), alerts.c.company_id.is_(None))
        conditions.append(or_(own, of_visible_company(alerts.c.company_id, tx.dialect.name)))
    return conditions


_same_assignment = and_(assignments.c.issue_id == alerts.c.issue_id, assignments.c.company_id == alerts.c.company_id)


def _joined(tx: Connection, actor: Actor, selection: Selection) -> Select[Any]:
    return (
        select(
            alerts,
            issues.c.name.label("issue_name"),
            companies.c.name.label("company_name"),
            assignments.c.status,
            alert_receivers.c.name.label("receiver"),
        )
        .join(issues, issues.c.issue_id == alerts.c.issue_id, isouter=True)
        .join(companies, companies.c.company_id == alerts.c.company_id, isouter=True)
        .join(assignments, _same_assignment, isouter=True)
        .join(alert_receivers, alert_receivers.c.id == -alerts.c.namespace, isouter=True)
        .where(*_conditions(tx, actor, selection))
    )


def _alert(actor: Actor, row: Row[Any]) -> Alert:
    # Without the assignment, the issue may be one that the actor cannot see.
    shown = actor.company_access.all or row.status is not None
    # Labels of an alert about several companies may name the others, such as a list of tags.
    several = row.key.endswith(f"@{row.company_key}")
    labels = None if row.labels is None or (several and not actor.company_access.all) else row.labels
    return Alert(
        alert_id=row.alert_id,
        key=row.key,
        state=AlertState(row.state),
        unsorted=bool(row.unsorted),
        flapping=bool(row.flapping),
        issue=row.issue_text,
        company=row.company_text,
        severity=SEVERITIES[row.severity],
        summary=row.summary,
        url=row.url,
        receiver=row.receiver,
        labels=None if labels is None else msgspec.json.decode(labels),
        issue_id=row.issue_id if shown else None,
        issue_name=row.issue_name if shown else None,
        company_id=row.company_id,
        company_name=row.company_name,
        status=None if row.status is None else STATUSES[row.status],
        count=row._mapping["count"],
        first_at=iso(row.first_at),
        changed_at=iso(row.changed_at),
        last_at=iso(row.last_at),
    )


def _of_keys(dialect: str) -> ColumnElement[bool]:
    if dialect == "postgresql":
        return alerts.c.key == any_(bindparam("keys", type_=ARRAY(Text)))
    return alerts.c.key.in_(select(func.json_each(bindparam("keys")).table_valued("value").c.value))


_locked = Prepared(
    lambda dialect: (
        select(*STORED)
        .where(alerts.c.namespace == bindparam("whose", type_=Id), _of_keys(dialect))
        .order_by(alerts.c.key)
        .with_for_update()
    )
)
_places = Prepared(
    lambda dialect: (
        select(
            alerts.c.alert_id,
            alerts.c.company_id,
            issues.c.name.label("issue_name"),
            companies.c.name.label("company_name"),
            assignments.c.status,
        )
        .join(issues, issues.c.issue_id == alerts.c.issue_id, isouter=True)
        .join(companies, companies.c.company_id == alerts.c.company_id, isouter=True)
        .join(assignments, _same_assignment, isouter=True)
        .where(among(alerts.c.alert_id, "ids", dialect))
    )
)
_others = Prepared(
    lambda _: select(
        exists().where(
            alerts.c.issue_id == bindparam("issue_id", type_=Id),
            alerts.c.company_id == bindparam("company_id", type_=Id),
            or_(alerts.c.state == AlertState.FIRING.value, alerts.c.due_at.is_not(None)),
            alerts.c.alert_id != bindparam("alert_id", type_=Id),
        )
    )
)
