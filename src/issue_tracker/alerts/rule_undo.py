"""Undo of a rule: it is deleted, and what it did to the alerts that are firing is reverted."""

import msgspec
from sqlalchemy import Connection, Row, delete, select, update

from issue_tracker.actor import Actor, require_administrator
from issue_tracker.alerts.messages import sort_again
from issue_tracker.alerts.models import AlertState
from issue_tracker.alerts.queries import find_last_event
from issue_tracker.alerts.rule_list import delete_rule, get_rule, list_rules
from issue_tracker.alerts.rules import decide
from issue_tracker.companies.queries import get_companies_by_id
from issue_tracker.database.tables import alert_receivers, alerts
from issue_tracker.issues.assignments import unassign
from issue_tracker.issues.queries.issue import find_issue_head_by_id

MOST_UNSORTED = 10_000
"""Maximum number of firing alerts that are compared with the rule, the newest first."""


def undo_rule(tx: Connection, actor: Actor, rule_id: int) -> int:
    """Deletes a rule, and returns how many alerts are unsorted again.

    The alerts that it sorted lose the assignments that they opened, unless a person has changed them since; an issue
    remains, even without companies. Then the remaining rules are applied. Raises NotFound, and Forbidden unless the
    actor is a super admin.
    """
    require_administrator(actor)
    get_rule(tx, actor, rule_id)
    stored = list_rules(tx, actor)
    rules = [one.rule for one in stored]
    [undone] = [one.rule for one in stored if one.id == rule_id]
    columns = *(alerts.c[name] for name in COLUMNS), alert_receivers.c.name.label("receiver")
    firing = alerts.c.state == AlertState.FIRING.value, alerts.c.unsorted.is_(False)
    query = select(*columns).join(alert_receivers, alert_receivers.c.id == -alerts.c.namespace).where(*firing)
    unsorted: set[tuple[int, str]] = set()
    for row in tx.execute(query.order_by(alerts.c.alert_id.desc()).limit(MOST_UNSORTED)).all():
        labels = {} if row.labels is None else msgspec.json.decode(row.labels, type=dict[str, str])
        decision = decide(rules, row.receiver, labels)
        if decision.rule is not undone:
            continue
        _revert_assignment(tx, actor, row)
        # The alert for each company has the key of the received alert, followed by the company.
        key = row.key.removesuffix(f"@{row.company_key}") if decision.company_by.several else row.key
        mine = alerts.c.alert_id == row.alert_id
        if (row.namespace, key) in unsorted:
            tx.execute(delete(alerts).where(mine))
            continue
        unsorted.add((row.namespace, key))
        nowhere = {"unsorted": True, "issue_id": None, "company_id": None, "opening_event_id": None, "due_at": None}
        tx.execute(update(alerts).where(mine).values(key=key, **nowhere))
    delete_rule(tx, actor, rule_id)
    sort_again(tx, actor.request_id)
    return len(unsorted)


def _revert_assignment(tx: Connection, actor: Actor, alert: Row[object]) -> None:
    """Removes the company from the issue if the alert assigned it, and nothing has happened to the assignment since."""
    issue_id, company_id, opening = alert.issue_id, alert.company_id, alert.opening_event_id
    if opening is None or find_last_event(tx, actor, issue_id, company_id) != opening:
        return
    issue = find_issue_head_by_id(tx, actor, issue_id, lock=True)
    company = get_companies_by_id(tx, actor, [company_id]).get(company_id)
    if issue is not None and company is not None:
        unassign(tx, actor, issue, company, "The rule was undone.")


COLUMNS = ("alert_id", "namespace", "key", "labels", "company_key", "issue_id", "company_id", "opening_event_id")
