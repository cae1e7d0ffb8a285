"""Repetitions: reports of an unchanged state. All repetitions of a request are counted together and change nothing."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, bindparam, update

from issue_tracker.actor import Actor
from issue_tracker.alerts.models import AlertAction, AlertOutcome, AlertState, Report, StoredAlert
from issue_tracker.alerts.queries import NOWHERE, find_places
from issue_tracker.database.prepared import Prepared, among, numbers
from issue_tracker.database.tables import alerts
from issue_tracker.database.types import Instant


def is_repetition(report: Report, alert: StoredAlert | None) -> bool:
    """Returns whether a report repeats the previous one and has no further effect.

    A firing alert that belongs to no assignment yet is not a repetition: its company or its issue may exist by now.
    """
    if alert is None or alert.count == 0 or report.state is not alert.state:
        return False
    return report.state is AlertState.RESOLVED or alert.issue_id is not None


def count_repetitions(
    tx: Connection, actor: Actor, repeated: Collection[StoredAlert], at: datetime, *, again: bool = False
) -> dict[str, AlertOutcome]:
    """Counts a repetition of each of these locked alerts, unless they were counted before (`again`). Returns the
    outcomes by key.
    """
    ids = [alert.alert_id for alert in repeated]
    if not ids:
        return {}
    if not again:
        _count.run(tx, ids=numbers(tx, ids), at=at)
    places = find_places(tx, actor, ids)
    outcomes = {}
    for alert in repeated:
        place = places.get(alert.alert_id, NOWHERE)
        outcomes[alert.key] = AlertOutcome(
            key=alert.key,
            state=alert.state,
            action=AlertAction.IGNORED if alert.issue_id is None else AlertAction.KEPT,
            issue_name=place.issue_name,
            company_name=place.company_name,
            status=place.status,
            count=alert.count + (not again),
        )
    return outcomes


_count = Prepared(
    lambda dialect: (
        update(alerts)
        .where(among(alerts.c.alert_id, "ids", dialect))
        .values(count=alerts.c["count"] + 1, last_at=bindparam("at", type_=Instant))
    )
)
