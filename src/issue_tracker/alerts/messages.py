"""Messages to receivers: the rules decide which issues and companies their alerts are about, and what changes."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import ARRAY, ColumnElement, Connection, Row, Select, Text, and_, bindparam, delete, func, or_, select

from issue_tracker.alerts.company_search import CompanySearch
from issue_tracker.alerts.locking import Batch
from issue_tracker.alerts.models import AlertOutcome, AlertState, Report, StoredAlert
from issue_tracker.alerts.operations import receive, receive_together
from issue_tracker.alerts.receiver_in_use import hold_receiver
from issue_tracker.alerts.receivers import Receiver, note_use
from issue_tracker.alerts.renamed import continued, key_for
from issue_tracker.alerts.rules import Decision, Rule, decide
from issue_tracker.alerts.senders import Kind, Received
from issue_tracker.clock import now
from issue_tracker.database.prepared import Prepared
from issue_tracker.database.tables import alert_rules, alerts
from issue_tracker.database.types import Id
from issue_tracker.errors import NotFound
from issue_tracker.names import key
from issue_tracker.status import Status

_COLUMNS = [alerts.c[name] for name in ("key", "company_key", "company_id", "issue_id", "changed_at", "labels")]
"""What is read of a firing alert that is not reported any longer."""

LAST_CHARACTER = "\U0010ffff"
"""The last character in the order of keys."""


def receive_alerts(
    tx: Connection, receiver: Receiver, received: Sequence[Received], request_id: str, *, again: bool = False
) -> list[AlertOutcome]:
    """Applies the rules to the alerts of a message, and returns the outcomes. An ignored alert has no outcome.

    With `again`, the alerts are those of earlier messages, and are not counted again. Otherwise raises NotFound if the
    receiver was deleted or switched off since it was read.
    """
    if not again and not hold_receiver(tx, receiver.id):
        raise NotFound("There is no receiver with this address.")
    planned = plan(tx, receiver, stored_rules(tx), received, request_id, again=again)
    outcomes = receive_planned(tx, [planned])
    if not again:
        note_use(tx, receiver, now())
    return outcomes


def receive_all(
    tx: Connection, receiver: Receiver, firing: Sequence[Received], over: Mapping[str, str], request_id: str
) -> list[AlertOutcome]:
    """Applies the rules to all alerts that fire at a receiver at present, and clears its other alerts. The caller has
    called `hold_receiver`.

    The label `incident` identifies an alert. `over` contains the last sentence about each incident that is over, where
    the sender said one. An alert that a rule ignores is not cleared as long as it fires.
    """
    rules = stored_rules(tx)
    reports, _, replaced = _sorted(tx, receiver, rules, firing, request_id, again=False)
    ignored = {one.labels["incident"] for one in firing if decide_for(rules, receiver, one.labels).rule.ignore}
    query = select(*_COLUMNS).where(alerts.c.namespace == -receiver.id, alerts.c.state == AlertState.FIRING.value)
    rows = tx.execute(query.order_by(alerts.c.key)).all()
    gone = [row for row in rows if row.key not in reports and _incident(row) not in ignored]
    left = [(row.key.removesuffix(f"@{row.company_key}"), row) for row in gone]
    reports |= continued(tx, receiver.actor(), left, reports)
    for row in gone:
        labels, said = labels_of(row.labels), over.get(_incident(row))
        ended = Received(key=row.key, state=AlertState.RESOLVED, labels=labels, summary=said)
        reports[row.key] = _report(ended, decide_for(rules, receiver, labels), row.key, None)
    outcomes = receive_planned(tx, [Planned(_batch(receiver, reports, request_id), replaced)])
    note_use(tx, receiver, now())
    return outcomes


class Planned(msgspec.Struct, frozen=True):
    """What the alerts of a message will report. `replaced` are the keys of unsorted alerts that each become one alert
    for every company.
    """

    batch: Batch
    replaced: Sequence[str]


def plan(
    tx: Connection,
    receiver: Receiver,
    rules: Sequence[Rule],
    received: Sequence[Received],
    request_id: str,
    *,
    again: bool = False,
) -> Planned:
    """Applies the rules to alerts without changing anything. `again` is as for `receive_alerts`."""
    reports, complete, replaced = _sorted(tx, receiver, rules, received, request_id, again=again)
    reports |= _left_behind(tx, receiver, complete, reports)
    return Planned(_batch(receiver, reports, request_id), replaced)


def receive_planned(tx: Connection, planned: Sequence[Planned]) -> list[AlertOutcome]:
    """Does what was planned for one message, or for the alerts of several receivers. Returns the outcomes in order."""
    for each in planned:
        _forget_unsorted(tx, each)
    return receive_together(tx, [each.batch for each in planned])


def end_hold(tx: Connection, receiver: Receiver, alert: StoredAlert, labels: dict[str, str], url: str | None) -> None:
    """Applies the present rules to a firing alert that was on hold, and that the caller has locked.

    An alert that they ignore is deleted. If they find other companies than before, it is as if the alert were received
    now. Raises what `receive` raises.
    """
    one = Received(key=alert.key, state=AlertState.FIRING, labels=labels, summary=alert.summary, url=url)
    decision = decide_for(stored_rules(tx), receiver, labels)
    actor = receiver.actor()
    names = CompanySearch(tx, actor).names(decision.company_by, decision.company)
    company = next((name for name in names if key(name) == alert.company_key), None)
    this = delete(alerts).where(alerts.c.alert_id == alert.alert_id)
    if decision.rule.ignore:
        tx.execute(this)
    elif company is not None:
        report = _report(one, decision, alert.key, company, again=True)
        receive(tx, actor, [report], receiver_id=receiver.id)
    else:
        received_key = alert.key.removesuffix(f"@{alert.company_key}")
        receive_alerts(tx, receiver, [msgspec.structs.replace(one, key=received_key)], "", again=True)
        if received_key != alert.key:
            # Not before: if its company was renamed, the alert under the new name continues it.
            tx.execute(this)


def decide_for(rules: Sequence[Rule], receiver: Receiver, labels: Mapping[str, str]) -> Decision:
    """Applies the rules to an alert of a receiver. One of a feed is about the companies of the feed's group unless a
    rule finds others.
    """
    group = labels.get("company_group") if receiver.kind is Kind.FEED else None
    return decide(rules, receiver.name, labels, group=group)


def labels_of(stored: str | None) -> dict[str, str]:
    """Returns the labels in the form that the column stores; none for a report without labels."""
    return {} if stored is None else msgspec.json.decode(stored, type=dict[str, str])


def stored_rules(tx: Connection) -> list[Rule]:
    """Returns the rules in their order."""
    return [msgspec.json.decode(definition, type=Rule) for (definition,) in _rules.all(tx)]


def _sorted(
    tx: Connection,
    receiver: Receiver,
    rules: Sequence[Rule],
    received: Sequence[Received],
    request_id: str,
    *,
    again: bool,
) -> tuple[dict[str, Report], dict[str, Decision], list[str]]:
    """Returns the reports of the alerts that are not ignored, by key; the decisions on the received alerts of which the
    reports are complete, so that what else fires under their keys is over; and the keys of unsorted alerts that the
    reports replace.
    """
    search = CompanySearch(tx, receiver.actor(request_id))
    reports: dict[str, Report] = {}
    complete: dict[str, Decision] = {}
    sorted_out: list[str] = []
    for one in received:
        decision = decide_for(rules, receiver, one.labels)
        if one.state is AlertState.RESOLVED:
            complete[one.key] = decision
        if decision.rule.ignore:
            if again:
                sorted_out.append(one.key)
            continue
        names = search.names(decision.company_by, decision.company)
        if names:
            # Otherwise a group may just have been renamed: the alert is unsorted, and the others are not over.
            complete[one.key] = decision
        if names and decision.company_by.several:
            sorted_out.append(one.key)
        # If an alert is listed twice, the last state counts.
        reports |= {report.key: report for report in _reports(one, decision, names, again=again)}
    return reports, complete, sorted_out


def _left_behind(
    tx: Connection, receiver: Receiver, complete: Mapping[str, Decision], reports: Mapping[str, Report]
) -> dict[str, Report]:
    """Returns reports that resolve what still fires under the keys of received alerts without being reported, and those
    of companies that have been renamed while they were affected (`continued`).

    The cause is a company that left the group, or a rule that has changed since. Without these reports, such an alert
    would fire forever.
    """
    found: dict[str, Report] = {}
    keys = list(complete) if tx.dialect.name == "postgresql" else msgspec.json.encode(list(complete)).decode()
    left = [
        (row.received, row)
        for row in (_firing.rows(tx, whose=-receiver.id, keys=keys) if complete else ())
        # Another alert may have a key that begins in the same way.
        if row.key in (row.received, f"{row.received}@{row.company_key}") and row.key not in reports
    ]
    for received, row in left:
        over = Received(key=row.key, state=AlertState.RESOLVED, labels=labels_of(row.labels))
        found[row.key] = _report(over, complete[received], row.key, None)
    return found | continued(tx, receiver.actor(), left, reports)


def _incident(row: Row[Any]) -> str:
    return labels_of(row.labels).get("incident", "")


def _reports(received: Received, decision: Decision, names: Sequence[str], *, again: bool) -> Iterator[Report]:
    """Yields a report for each company. A report without a known company has the key of the alert itself."""
    several = bool(names) and decision.company_by.several
    for name in names or [decision.company]:
        alert_key = key_for(received.key, name) if several else received.key
        yield _report(received, decision, alert_key, name, again=again)


def _report(
    received: Received, decision: Decision, alert_key: str, company: str | None, *, again: bool = False
) -> Report:
    rule = decision.rule
    return Report(
        key=alert_key,
        state=received.state,
        issue=decision.issue,
        company=company,
        severity=decision.severity,
        summary=received.summary,
        url=received.url,
        labels=received.labels,
        hold=timedelta(minutes=rule.hold_minutes),
        steady=timedelta(minutes=rule.steady_minutes),
        flap_changes=rule.flap_changes,
        flap_period=timedelta(minutes=rule.flap_minutes),
        cleared_status=Status(rule.cleared_status),
        again=again,
    )


def _batch(receiver: Receiver, reports: Mapping[str, Report], request_id: str) -> Batch:
    return Batch(receiver.actor(request_id), -receiver.id, list(reports.values()))


def _forget_unsorted(tx: Connection, planned: Planned) -> None:
    if planned.replaced:
        same = alerts.c.namespace == planned.batch.namespace, alerts.c.key.in_(planned.replaced), alerts.c.unsorted
        tx.execute(delete(alerts).where(*same))


def _firing_under(dialect: str) -> Select[Any]:
    """Selects the sorted alerts that fire under received keys: under a key itself, and under one for each company.

    A received key without any yields one row, of nulls. With an inner join, SQLite would read all firing alerts.
    """
    if dialect == "postgresql":
        received = func.unnest(bindparam("keys", type_=ARRAY(Text))).table_valued("value").render_derived()
        value: ColumnElement[Any] = received.c.value.collate("C")
    else:
        received = func.json_each(bindparam("keys")).table_valued("value")
        value = received.c.value
    for_companies = and_(alerts.c.key >= value + "@", alerts.c.key <= value + f"@{LAST_CHARACTER}")
    firing = and_(
        alerts.c.namespace == bindparam("whose", type_=Id),
        alerts.c.state == AlertState.FIRING.value,
        alerts.c.unsorted.is_(False),
        or_(alerts.c.key == value, for_companies),
    )
    columns = (value.label("received"), *_COLUMNS)
    return select(*columns).select_from(received.join(alerts, firing, isouter=True))


_firing = Prepared(_firing_under)
_rules = Prepared(lambda _: select(alert_rules.c.definition).order_by(alert_rules.c.position, alert_rules.c.id))
