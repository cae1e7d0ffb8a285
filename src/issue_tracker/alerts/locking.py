"""Locks what reports are about, before any of them is applied.

The order is that of all changes: alerts, then companies, then issues, each in one order of their own. Otherwise a
message with several alerts, or rules that are applied again to the alerts of several receivers, would deadlock with
other messages, new names of companies and changes of several issues.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from issue_tracker.actor import Actor
from issue_tracker.alerts.models import AlertState, Report, StoredAlert
from issue_tracker.alerts.queries import lock_alerts
from issue_tracker.alerts.repetitions import is_repetition
from issue_tracker.companies.queries import Company, find_companies, get_companies_by_id, lock_for_assignment
from issue_tracker.database.tables import alerts
from issue_tracker.database.upserts import upsert
from issue_tracker.issues.queries.former import lock_issues
from issue_tracker.names import key


class Batch(msgspec.Struct, frozen=True):
    """Reports with distinct keys of one namespace (`queries.namespace`), and the actor who reports them."""

    actor: Actor
    namespace: int
    reports: Sequence[Report]


class LockedBatch(msgspec.Struct, frozen=True):
    """A batch with its locked alerts by key. `changing` are the reports that are not mere repetitions, and `known` the
    companies that these name, by look-up key.
    """

    batch: Batch
    stored: Mapping[str, StoredAlert]
    changing: Sequence[Report]
    known: Mapping[str, Company]


def lock_batches(tx: Connection, batches: Sequence[Batch], at: datetime) -> list[LockedBatch]:
    """Locks the alerts of batches that are received together, and then what they are about if several reports change
    something. Returns the batches in the order of their namespaces, from the highest.

    New firing alerts are inserted with a count of 0. All actors have the same company access.
    """
    stored = [(batch, _lock_or_insert(tx, batch, at)) for batch in _ordered(batches)]
    found = []
    for batch, mine in stored:
        changing = [report for report in batch.reports if not is_repetition(report, mine.get(report.key))]
        found.append(_with_companies(tx, batch, mine, changing))
    if sum(len(each.changing) for each in found) > 1:
        _lock_subjects(tx, found[0].batch.actor, found)
    return found


def lock_ahead(
    tx: Connection, actor: Actor, batches: Sequence[Batch], company_ids: Iterable[int], issue_ids: Iterable[int]
) -> None:
    """Locks what batches that will be received later are about, together with these companies and issues.

    New alerts are not inserted yet, and no report counts as a repetition: stored alerts may be unsorted until then.
    """
    found = []
    for batch in _ordered(batches):
        stored = lock_alerts(tx, batch.actor, batch.namespace, [report.key for report in batch.reports])
        found.append(_with_companies(tx, batch, stored, batch.reports))
    _lock_subjects(tx, actor, found, company_ids, issue_ids)


def columns_of_names(report: Report) -> dict[str, object]:
    """Returns the columns with the names of the issue and of the company. They must be stored together with the ids."""
    return {
        "issue_text": report.issue or "",
        "issue_key": key(report.issue or ""),
        "company_text": report.company or "",
        "company_key": key(report.company or ""),
    }


def columns_of_details(report: Report) -> dict[str, object]:
    """Returns the other columns of a report, except for its key."""
    return {
        "state": report.state.value,
        "severity": report.severity and report.severity.value,
        "summary": report.summary or None,
        "url": report.url,
        "labels": None if report.labels is None else msgspec.json.encode(report.labels).decode(),
        "cleared_status": report.cleared_status.value,
    }


def _ordered(batches: Sequence[Batch]) -> list[Batch]:
    return sorted(batches, key=lambda batch: batch.namespace, reverse=True)


def _lock_or_insert(tx: Connection, batch: Batch, at: datetime) -> dict[str, StoredAlert]:
    found = lock_alerts(tx, batch.actor, batch.namespace, [report.key for report in batch.reports])
    new = {
        report.key: report
        for report in sorted(batch.reports, key=lambda report: report.key)
        if report.state is AlertState.FIRING and report.key not in found
    }
    if not new:
        return found
    same = {"namespace": batch.namespace, "count": 0, "first_at": at, "changed_at": at, "last_at": at}
    rows = [
        {**same, **columns_of_names(report), **columns_of_details(report), "key": report.key} for report in new.values()
    ]
    tx.execute(upsert(tx, alerts).on_conflict_do_nothing(), rows)
    return found | lock_alerts(tx, batch.actor, batch.namespace, new)


def _with_companies(
    tx: Connection, batch: Batch, stored: Mapping[str, StoredAlert], changing: Sequence[Report]
) -> LockedBatch:
    wanted = [report.company for report in changing if report.company is not None]
    return LockedBatch(batch, stored, changing, find_companies(tx, batch.actor, wanted) if wanted else {})


def _lock_subjects(
    tx: Connection,
    actor: Actor,
    batches: Sequence[LockedBatch],
    company_ids: Iterable[int] = (),
    issue_ids: Iterable[int] = (),
) -> None:
    """Locks these companies and those that the reports may be about; then the issues, also those of the alerts.

    In the order of the reports, which may contain former names of issues or none, two senders would deadlock. On
    SQLite, changes wait for each other anyway.
    """
    if tx.dialect.name == "sqlite":
        return
    assigned, places = set(company_ids), set(issue_ids)
    companies: dict[int, Company] = {}
    names: list[str] = []
    for each in batches:
        companies |= {one.company_id: one for one in each.known.values()}
        firing = [report for report in each.changing if report.state is AlertState.FIRING]
        names += [report.issue for report in firing if report.issue is not None]
        fired = [each.stored[report.key] for report in firing if report.key in each.stored]
        assigned |= {alert.company_id for alert in fired if alert.company_id is not None}
        changed = [each.stored[report.key] for report in each.changing if report.key in each.stored]
        places |= {alert.issue_id for alert in changed if alert.issue_id is not None}
    companies |= get_companies_by_id(tx, actor, assigned)
    lock_for_assignment(tx, actor.company_access, companies.values())
    lock_issues(tx, actor, places, names)
