"""Reads of alerts. Whoever sees some companies only sees the alerts of these, and those that they sent themselves."""

from collections.abc import Collection, Iterable
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, or_, select

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.alerts.models import Alert, AlertState, StoredAlert
from issue_tracker.clock import iso
from issue_tracker.database.prepared import among, numbers
from issue_tracker.database.tables import alert_receivers, alerts, assignments, companies, events, issues
from issue_tracker.issues.models import SEVERITIES
from issue_tracker.status import STATUSES

BATCH = 500
"""How many keys one statement looks up."""


def namespace(actor: Actor) -> int:
    """Whose keys the actor uses: 0 for those of everybody who sees all companies, otherwise the actor's own. Receivers
    have keys of their own, too: the minus of their id.
    """
    return 0 if actor.company_access.all else actor.user_id or 0


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which alerts to list. `unsorted` are those that nothing says the issue or company of, in either state."""

    state: AlertState | None = None
    unsorted: bool | None = None


def list_alerts(
    tx: Connection, actor: Actor, selection: Selection, *, before: int | None = None, limit: int
) -> list[Alert]:
    """Returns at most `limit` alerts, the newest first, all of them with an `alert_id` below `before`.

    Raises Forbidden without helpdesk access.
    """
    query = _joined(tx, actor, selection).order_by(alerts.c.alert_id.desc()).limit(limit)
    if before is not None:
        query = query.where(alerts.c.alert_id < before)
    return [_alert(actor, row) for row in tx.execute(query, _access(tx, actor))]


def count_alerts(tx: Connection, actor: Actor, selection: Selection) -> int:
    """Returns how many alerts `list_alerts` would list without a limit."""
    conditions = _conditions(tx, actor, selection)
    query = select(func.count()).select_from(alerts).where(*conditions)
    return int(tx.execute(query, _access(tx, actor)).scalar_one())


def lock_alerts(tx: Connection, actor: Actor, whose: int, keys: Iterable[str]) -> dict[str, StoredAlert]:
    """Returns the alerts with these keys in a namespace, by key; other reports of them wait for this transaction."""
    require_helpdesk(actor)
    wanted = sorted(set(keys))
    found: dict[str, StoredAlert] = {}
    for start in range(0, len(wanted), BATCH):
        query = (
            select(alerts)
            .where(alerts.c.namespace == whose, alerts.c.key.in_(wanted[start : start + BATCH]))
            .order_by(alerts.c.key)
            .with_for_update()
        )
        for row in tx.execute(query):
            found[row.key] = stored_alert(row)
    return found


def stored_alert(row: Row[Any]) -> StoredAlert:
    """The columns that operations decide on, of a row of the whole table."""
    return StoredAlert(
        alert_id=row.alert_id,
        key=row.key,
        state=AlertState(row.state),
        issue_key=row.issue_key,
        company_key=row.company_key,
        issue_id=row.issue_id,
        company_id=row.company_id,
        opening_event_id=row.opening_event_id,
        count=row._mapping["count"],
        changed_at=row.changed_at,
        due_at=row.due_at,
        cleared_status=STATUSES[row.cleared_status],
        summary=row.summary,
    )


def find_others_firing(tx: Connection, actor: Actor, alert_id: int, issue_id: int, company_id: int) -> list[int | None]:
    """Returns, of each other alert that is firing for the same assignment, the event that opened the assignment."""
    require_helpdesk(actor)
    query = select(alerts.c.opening_event_id).where(
        alerts.c.issue_id == issue_id,
        alerts.c.company_id == company_id,
        alerts.c.state == AlertState.FIRING.value,
        alerts.c.alert_id != alert_id,
    )
    return list(tx.execute(query).scalars())


def find_last_event(tx: Connection, actor: Actor, issue_id: int, company_id: int) -> int | None:
    """Returns the event_id of the last event about a company in an issue, None without any."""
    if not actor.company_access.allows(company_id):
        return None
    query = (
        select(events.c.event_id)
        .where(events.c.issue_id == issue_id, events.c.company_id == company_id)
        .order_by(events.c.event_id.desc())
        .limit(1)
    )
    return tx.execute(query).scalar_one_or_none()


def _conditions(tx: Connection, actor: Actor, selection: Selection) -> Collection[ColumnElement[bool]]:
    require_helpdesk(actor)
    conditions: list[ColumnElement[bool]] = []
    if selection.state is not None:
        conditions.append(alerts.c.state == selection.state.value)
    if selection.unsorted is not None:
        conditions.append(alerts.c.unsorted.is_(selection.unsorted))
    if not actor.company_access.all:
        own = and_(alerts.c.namespace == namespace(actor), alerts.c.company_id.is_(None))
        conditions.append(or_(own, among(alerts.c.company_id, "access", tx.dialect.name)))
    return conditions


def _access(tx: Connection, actor: Actor) -> dict[str, Any]:
    visible = actor.company_access.company_ids
    return {} if visible is None else {"access": numbers(tx, sorted(visible))}


def _joined(tx: Connection, actor: Actor, selection: Selection) -> Select[Any]:
    same = and_(assignments.c.issue_id == alerts.c.issue_id, assignments.c.company_id == alerts.c.company_id)
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
        .join(assignments, same, isouter=True)
        .join(alert_receivers, alert_receivers.c.id == -alerts.c.namespace, isouter=True)
        .where(*_conditions(tx, actor, selection))
    )


def _alert(actor: Actor, row: Row[Any]) -> Alert:
    # Without the assignment, the issue may be one that the actor does not see.
    shown = actor.company_access.all or row.status is not None
    return Alert(
        alert_id=row.alert_id,
        key=row.key,
        state=AlertState(row.state),
        unsorted=bool(row.unsorted),
        issue=row.issue_text,
        company=row.company_text,
        severity=SEVERITIES[row.severity],
        summary=row.summary,
        url=row.url,
        receiver=row.receiver,
        labels=None if row.labels is None else msgspec.json.decode(row.labels),
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
