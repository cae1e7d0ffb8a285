"""Which assignments alerts opened, and nobody has changed since (docs/decisions/0030), for a merge of their issues."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, exists, not_, select

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.database.tables import alerts, events

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
