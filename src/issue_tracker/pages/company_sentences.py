"""The open issues of a company in sentences: for the technician on the phone, and as a text for the customer.

The text for the customer contains what the portal shows (docs/decisions/0025), and when the next update is due: no
internal updates, notes, other companies or names of technicians.
"""

import msgspec
from markupsafe import Markup

from issue_tracker.clock import iso, now
from issue_tracker.companies.queries import Company
from issue_tracker.http.request import Request
from issue_tracker.issues.overview import Member
from issue_tracker.issues.queries.company import list_next_updates
from issue_tracker.issues.updates.queries import list_latest_public_updates
from issue_tracker.pages.markdown import plain, render
from issue_tracker.status import Status

WORDING = {
    Status.NEW: "has been reported, and work on it has not started",
    Status.INVESTIGATING: "is being investigated",
    Status.IN_PROGRESS: "is being fixed",
    Status.MONITORING: "has been fixed, and the result is being monitored",
}
"""The wording of an open status for a customer, after the name of the issue."""


class PublicText(msgspec.Struct, frozen=True):
    """The latest public update on an issue, as HTML and as plain text."""

    html: Markup
    text: str
    at: str


class Sentence(msgspec.Struct, frozen=True):
    """One open issue of a company. `wording` continues its name. `affected_since` is the start of the outage, `latest`
    the latest public update, `next_update_at` the time of the next promised update, `overdue` whether it has passed.
    """

    issue_id: int
    issue_name: str
    status: str
    wording: str
    affected_since: str | None
    owner: str | None
    latest: PublicText | None
    next_update_at: str | None
    overdue: bool


def sentences(request: Request, company: Company, open_members: list[Member]) -> list[Sentence]:
    """Returns a sentence for each open assignment of a company: those with an overdue update first, then the longest
    outage first.
    """
    tx, actor = request.tx, request.actor
    issue_ids = [member.issue_id for member in open_members]
    latest = list_latest_public_updates(tx, actor.company_access, company.company_id, issue_ids)
    due, at = list_next_updates(tx, actor, company.company_id), iso(now())
    found = []
    for member in open_members:
        update, next_at = latest.get(member.issue_id), due.get(member.issue_id)
        found.append(
            Sentence(
                issue_id=member.issue_id,
                issue_name=member.issue_name,
                status=member.status,
                wording=WORDING[Status(member.status)],
                affected_since=member.affected_since,
                owner=member.owner,
                latest=None if update is None else PublicText(render(update.body), plain(update.body), update.at),
                next_update_at=next_at,
                overdue=next_at is not None and next_at < at,
            )
        )
    return sorted(found, key=lambda one: (not one.overdue, one.affected_since or at))
