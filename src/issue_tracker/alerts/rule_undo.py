"""Undo of a rule: it is deleted, and what it did to the alerts that are firing is reverted."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from issue_tracker.actor import Actor, require_administrator
from issue_tracker.alerts.assignment import find_subject, is_unchanged
from issue_tracker.alerts.locking import Batch, lock_ahead
from issue_tracker.alerts.messages import decide_for, labels_of
from issue_tracker.alerts.models import AlertState
from issue_tracker.alerts.queries import is_kept_open_by_another, is_left_by_alerts
from issue_tracker.alerts.receivers import list_receivers
from issue_tracker.alerts.rule_list import delete_rule, get_rule, list_rules, lock_rules
from issue_tracker.alerts.senders import Received
from issue_tracker.alerts.sorting import (
    MOST_SORTED,
    SORTED_AND_FIRING,
    lock_unsorted,
    plan_again,
    received_again,
    sort_again,
)
from issue_tracker.database.tables import alerts
from issue_tracker.issues.assignments import unassign
from issue_tracker.issues.operations import delete_issue
from issue_tracker.issues.queries.issue import find_issue_head_by_id

MOST_UNSORTED = 10_000
"""Maximum number of firing alerts that are compared with the rule, the newest first."""


def undo_rule(tx: Connection, actor: Actor, rule_id: int) -> int:
    """Deletes a rule, and returns how many alerts are unsorted again.

    The alerts that it sorted lose the assignments that alerts opened, unless a person has changed them since, or
    another alert keeps them open. Then the remaining rules are applied. An issue that has no companies left is
    deleted if alerts opened it, and nobody has changed it since. Raises NotFound, and Forbidden unless the actor is a
    super admin who sees all companies.
    """
    require_administrator(actor)
    lock_rules(tx)
    get_rule(tx, actor, rule_id)
    several = _sorted_by(tx, actor, rule_id)
    locked = lock_unsorted(tx, list(several))
    rows = [row for row in locked if not row.unsorted]
    # The alert for each of several companies has the key of the received alert, followed by the company.
    keys = {
        row.alert_id: row.key.removesuffix(f"@{row.company_key}") if several.get(row.alert_id) else row.key
        for row in locked
    }
    company_ids = {row.company_id for row in rows if row.company_id is not None}
    issue_ids = {row.issue_id for row in rows if row.issue_id is not None}
    # Together with what the remaining rules find: locked one after the other, they would deadlock with other changes.
    lock_ahead(tx, actor, _plan_without(tx, actor, rule_id, locked, keys), company_ids, issue_ids)
    count = 0
    for row in rows:
        unchanged = row.issue_id is not None and is_unchanged(tx, actor, row.issue_id, row.company_id)
        count += _make_unsorted(tx, row, keys[row.alert_id])
        if unchanged and not is_kept_open_by_another(tx, actor, row.alert_id, row.issue_id, row.company_id):
            _unassign(tx, actor, row)
    delete_rule(tx, actor, rule_id)
    sort_again(tx, actor.request_id)
    for issue_id in sorted(issue_ids):
        _delete_left_behind(tx, actor, issue_id)
    return count


def _sorted_by(tx: Connection, actor: Actor, rule_id: int) -> dict[int, bool]:
    """Returns the ids of the firing alerts that a rule sorted, and whether it may have found several companies."""
    stored = list_rules(tx, actor)
    rules = [one.rule for one in stored]
    [undone] = [one.rule for one in stored if one.id == rule_id]
    receivers = {receiver.id: receiver for receiver in list_receivers(tx, actor)}
    firing = select(alerts.c.alert_id, alerts.c.namespace, alerts.c.labels).where(*SORTED_AND_FIRING)
    newest = firing.where(alerts.c.namespace < 0).order_by(alerts.c.alert_id.desc()).limit(MOST_UNSORTED)
    found: dict[int, bool] = {}
    for row in tx.execute(newest):
        if -row.namespace in receivers:
            decision = decide_for(rules, receivers[-row.namespace], labels_of(row.labels))
            if decision.rule is undone:
                found[row.alert_id] = decision.company_by.several
    return found


def _plan_without(
    tx: Connection, actor: Actor, rule_id: int, rows: Sequence[Row[Any]], keys: Mapping[int, str]
) -> list[Batch]:
    """Returns what the alerts that are sorted again will report without the rule, under these keys."""
    remaining = [one.rule for one in list_rules(tx, actor) if one.id != rule_id]
    found: dict[int, list[Received]] = {}
    newest = sorted(rows, key=lambda row: row.alert_id, reverse=True)[:MOST_SORTED]
    for row in newest:
        found.setdefault(-row.namespace, []).append(received_again(row, keys[row.alert_id]))
    return [planned.batch for planned in plan_again(tx, remaining, found, actor.request_id)]


def _make_unsorted(tx: Connection, alert: Row[Any], received_key: str) -> bool:
    """Makes an alert unsorted, under the key of the received alert.

    Returns False if another one is already firing under this key; the alert is then deleted.
    """
    mine = alerts.c.alert_id == alert.alert_id
    others = alerts.c.namespace == alert.namespace, alerts.c.key == received_key, ~mine
    # An older alert with this key was sorted by other rules at that time, and resolved.
    tx.execute(delete(alerts).where(*others, alerts.c.state == AlertState.RESOLVED.value))
    if tx.execute(select(alerts.c.alert_id).where(*others)).first() is not None:
        tx.execute(delete(alerts).where(mine))
        return False
    nowhere = {"unsorted": True, "issue_id": None, "company_id": None, "opening_event_id": None, "due_at": None}
    tx.execute(update(alerts).where(mine).values(key=received_key, **nowhere))
    return True


def _unassign(tx: Connection, actor: Actor, alert: Row[Any]) -> None:
    issue, company = find_subject(tx, actor, alert.issue_id, alert.company_id)
    if issue is not None and company is not None:
        unassign(tx, actor, issue, company, "The rule was undone.")


def _delete_left_behind(tx: Connection, actor: Actor, issue_id: int) -> None:
    """Deletes an issue that has no companies, and that only alerts have changed so far."""
    issue = find_issue_head_by_id(tx, actor, issue_id, lock=True)
    if issue is not None and is_left_by_alerts(tx, actor, issue_id):
        delete_issue(tx, actor, issue)
