"""Applies the rules again to unsorted alerts, after they have changed."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, or_, select

from issue_tracker.alerts.messages import Planned, labels_of, plan, receive_planned, stored_rules
from issue_tracker.alerts.models import AlertOutcome, AlertState
from issue_tracker.alerts.receivers import find_receiver_by_id
from issue_tracker.alerts.rules import Rule
from issue_tracker.alerts.senders import Received
from issue_tracker.database.prepared import among, numbers
from issue_tracker.database.tables import alert_receivers, alerts

MOST_SORTED = 500
"""Maximum number of unsorted alerts to which a changed rule is applied."""

_names = "alert_id", "namespace", "key", "company_key", "unsorted", "issue_id", "company_id", "labels", "summary", "url"
SORTED_AND_FIRING = (alerts.c.state == AlertState.FIRING.value, alerts.c.unsorted.is_(False))
# Alerts of a receiver that is switched off open nothing, and wait until they are reported again.
_of_receivers = alerts.c.namespace.in_(select(-alert_receivers.c.id).where(alert_receivers.c.active))
_unsorted = (alerts.c.unsorted, _of_receivers, alerts.c.state == AlertState.FIRING.value)


def sort_again(tx: Connection, request_id: str) -> list[AlertOutcome]:
    """Applies the rules to the newest MOST_SORTED alerts of active receivers that are firing and unsorted, without
    counting them again.

    Returns the outcomes of those that are not ignored.
    """
    found: dict[int, list[Received]] = {}
    # Locked, or else one could be resolved now, and opened by this request afterwards.
    for row in lock_unsorted(tx):
        found.setdefault(-row.namespace, []).append(received_again(row, row.key))
    return receive_planned(tx, plan_again(tx, stored_rules(tx), found, request_id))


def lock_unsorted(tx: Connection, others: Sequence[int] = ()) -> Sequence[Row[Any]]:
    """Locks the alerts that `sort_again` takes, and those of the ids in `others` that are firing and sorted, in the
    order of reports. Returns the columns of what was received and of the assignment.
    """
    newest = select(alerts.c.alert_id).where(*_unsorted).order_by(alerts.c.alert_id.desc()).limit(MOST_SORTED)
    wanted = and_(alerts.c.alert_id.in_(newest), *_unsorted)
    if others:
        wanted = or_(wanted, and_(among(alerts.c.alert_id, "ids", tx.dialect.name), *SORTED_AND_FIRING))
    query = select(*(alerts.c[name] for name in _names)).where(wanted)
    locked = query.order_by(alerts.c.namespace.desc(), alerts.c.key).with_for_update()
    return tx.execute(locked, {"ids": numbers(tx, others)} if others else {}).all()


def plan_again(
    tx: Connection, rules: Sequence[Rule], found: Mapping[int, Sequence[Received]], request_id: str
) -> list[Planned]:
    """Applies rules to earlier alerts, by the id of their receiver, without changing anything."""
    receivers = [(find_receiver_by_id(tx, receiver_id), received) for receiver_id, received in sorted(found.items())]
    return [
        plan(tx, receiver, rules, received, request_id, again=True)
        for receiver, received in receivers
        if receiver is not None
    ]


def received_again(row: Row[Any], key: str) -> Received:
    """Returns a stored alert as it was received, under this key."""
    labels = labels_of(row.labels)
    return Received(key=key, state=AlertState.FIRING, labels=labels, summary=row.summary, url=row.url)
