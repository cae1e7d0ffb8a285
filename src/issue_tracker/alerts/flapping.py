"""Flapping: the issue of an alert that changes its state repeatedly stays open until the alert is resolved for a while.

Otherwise the issue would be resolved and investigated again each time, and the helpdesk would learn to ignore it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection

from issue_tracker.actor import Actor
from issue_tracker.alerts.assignment import find_subject
from issue_tracker.alerts.models import Report, StoredAlert
from issue_tracker.alerts.rules import MOST_CHANGES
from issue_tracker.issues.queries.issue import find_status
from issue_tracker.issues.updates.operations import add_update
from issue_tracker.names import UpdateText


class Changes(msgspec.Struct, frozen=True):
    """The recent changes of an alert's state, including the current report, and whether the alert is flapping."""

    instants: Sequence[datetime]
    flapping: bool

    @property
    def stored(self) -> str | None:
        """The instants as stored in the database; None if there are none."""
        return msgspec.json.encode(self.instants).decode() if self.instants else None


def noted(alert: StoredAlert, report: Report, at: datetime) -> Changes:
    """Returns the changes of an alert, provided that the report changes its state now at `at`.

    Without a limit (`flap_changes` is 0), no changes are stored.
    """
    if not report.flap_changes:
        return Changes((), False)
    instants = (*alert.changes, at)[-MOST_CHANGES - 1 :] if alert.count else ()
    recent = sum(instant > at - report.flap_period for instant in instants)
    return Changes(instants, recent > report.flap_changes)


def say_flapping(tx: Connection, actor: Actor, alert: StoredAlert, report: Report) -> None:
    """Adds an internal update that explains why the assignment of a flapping alert stays open."""
    issue, company = find_subject(tx, actor, alert.issue_id, alert.company_id)
    if issue is None or company is None or find_status(tx, actor, issue.issue_id, company.company_id) is None:
        return
    add_update(tx, actor, issue, _text(alert.key, report.flap_changes, report.flap_period), companies=[company])


def _text(key: str, changes: int, period: timedelta) -> UpdateText:
    minutes = f"{period // timedelta(minutes=1)} minutes"
    return UpdateText(
        f"The alert “{key}” is flapping: it has changed its state more than {changes} times within {minutes}. This"
        f" stays open until the alert has been resolved for {minutes}."
    )
