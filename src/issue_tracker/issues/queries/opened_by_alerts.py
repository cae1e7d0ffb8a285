"""Which assignments alerts opened, and nobody has changed since (docs/decisions/0030)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, exists, func, not_, select

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.database.prepared import Prepared, one_of
from issue_tracker.database.tables import alerts, events
from issue_tracker.database.types import Id

# An update for the company is a text, and changes nothing.
_about_the_assignment = (
    events.c.issue_id == alerts.c.issue_id,
    events.c.company_id == alerts.c.company_id,
    events.c.update_id.is_(None),
)

last_event = (
    select(events.c.event_id)
    .where(*_about_the_assignment)
    .order_by(events.c.event_id.desc())
    .limit(1)
    .correlate(alerts)
    .scalar_subquery()
)
"""The last event about the assignment of an alert, for the statement that stores it."""


def list_alerts_of(tx: Connection, actor: Actor, issue_ids: Sequence[int], *, lock: bool = False) -> set[int]:
    """Returns the ids of all alerts of the issues. `lock` locks them in the order in which reports lock them."""
    require_helpdesk(actor)
    query = select(alerts.c.alert_id).where(alerts.c.issue_id.in_(issue_ids))
    locking = query.order_by(alerts.c.namespace.desc(), alerts.c.key).with_for_update()
    return set(tx.execute(locking if lock else query).scalars())


def list_alerts_that_opened(tx: Connection, actor: Actor, issue_id: int) -> Mapping[int, Sequence[int]]:
    """Returns the ids of the alerts that opened an assignment of an issue which nobody has changed since, by the id of
    its company.
    """
    require_helpdesk(actor)
    changed = exists().where(*_about_the_assignment, events.c.event_id > alerts.c.opening_event_id).correlate(alerts)
    query = select(alerts.c.alert_id, alerts.c.company_id).where(
        alerts.c.issue_id == issue_id, alerts.c.opening_event_id.is_not(None), not_(changed)
    )
    found: dict[int, list[int]] = defaultdict(list)
    for alert_id, company_id in tx.execute(query.order_by(alerts.c.alert_id)):
        if actor.company_access.allows(company_id):
            found[company_id].append(alert_id)
    return found


def list_fired_since(tx: Connection, actor: Actor, since: Mapping[tuple[int, int], datetime]) -> set[tuple[int, int]]:
    """Returns those of these assignments, by the ids of issue and company, about which an alert has begun to fire after
    the given instant, and is firing. Assignments that are hidden from the actor are left out.
    """
    require_helpdesk(actor)
    if not since:
        return set()
    query = select(alerts.c.issue_id, alerts.c.company_id, alerts.c.changed_at).where(
        one_of(tx, alerts.c.issue_id, {issue_id for issue_id, _ in since}),
        one_of(tx, alerts.c.company_id, {company_id for _, company_id in since}),
        alerts.c.state == "firing",
    )
    return {
        (issue_id, company_id)
        for issue_id, company_id, changed_at in tx.execute(query)
        if actor.company_access.allows(company_id) and changed_at > since.get((issue_id, company_id), changed_at)
    }


def find_opening_event(tx: Connection, actor: Actor, issue_id: int, company_id: int) -> int | None:
    """Returns the last event by which one of the stored alerts, in either state, opened the assignment or gave it a
    status that is open; None if none of them did. It may be older than changes by people.
    """
    require_helpdesk(actor)
    found: int | None = _opening.scalar(tx, issue_id=issue_id, company_id=company_id)
    return found


def find_last_event(tx: Connection, actor: Actor, issue_id: int, company_id: int) -> int | None:
    """Returns the event_id of the last change of a company's assignment in an issue; None if there is none or it is
    hidden. An update for the company is a text, and changes nothing.
    """
    if not actor.company_access.allows(company_id):
        return None
    found: int | None = _last_event.scalar(tx, issue_id=issue_id, company_id=company_id)
    return found


_issue, _company = bindparam("issue_id", type_=Id), bindparam("company_id", type_=Id)
_opening = Prepared(
    lambda _: select(func.max(alerts.c.opening_event_id)).where(
        alerts.c.issue_id == _issue, alerts.c.company_id == _company
    )
)
_last_event = Prepared(
    lambda _: (
        select(events.c.event_id)
        .where(events.c.issue_id == _issue, events.c.company_id == _company, events.c.update_id.is_(None))
        .order_by(events.c.event_id.desc())
        .limit(1)
    )
)
