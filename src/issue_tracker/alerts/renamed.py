"""Alerts about several companies, for each of which the key contains the name: a new name continues the alert."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection

from issue_tracker.actor import Actor
from issue_tracker.alerts.models import AlertState, Report
from issue_tracker.companies.queries import get_companies_by_id
from issue_tracker.database.prepared import instant
from issue_tracker.names import key


def key_for(received: str, company: str) -> str:
    """Returns the key of the alert for one of several companies. `received` is the key that was received."""
    # However long it is: the received key is found in it again.
    return f"{received}@{key(company)}"


def continued(
    tx: Connection, actor: Actor, left: Iterable[tuple[str, Any]], reports: Mapping[str, Report]
) -> dict[str, Report]:
    """Returns those of the reports that continue an alert under the new name of its company, with the time since which
    it fires, and without a hold that is over. Otherwise the alert under the former name would be over, and the new one
    would be held as if the fault had just begun.

    `left` are the received keys and the rows of firing alerts that are not reported any longer.
    """
    rows = [(received, row) for received, row in left if row.company_id is not None]
    companies = get_companies_by_id(tx, actor, {row.company_id for _, row in rows}) if rows else {}
    found = {}
    for received, row in rows:
        company = companies.get(row.company_id)
        report = reports.get(key_for(received, company.name)) if company is not None else None
        if report is not None and report.state is AlertState.FIRING:
            hold = report.hold if row.issue_id is None else timedelta(0)
            found[report.key] = msgspec.structs.replace(report, hold=hold, since=instant(row.changed_at))
    return found
