"""The pages of customers: what is open for their companies, and what was resolved lately (docs/decisions/0025)."""

from datetime import timedelta
from urllib.parse import quote

import msgspec
from starlette.responses import Response

from issue_tracker.clock import now
from issue_tracker.http.identity import Access
from issue_tracker.http.request import Request
from issue_tracker.issues.queries import portal
from issue_tracker.issues.queries.portal import PortalFilters, PortalIssue
from issue_tracker.pages.navigation import PORTAL
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.templating import page
from issue_tracker.status import FINISHED, OPEN

routes = PageRoutes(access=Access.CUSTOMER)

LATELY = timedelta(days=30)
"""For how long what is resolved remains on the page."""

MOST = 100
"""How many of what is resolved the page shows."""


class Line(msgspec.Struct, frozen=True):
    """The status of a company in an issue, on a page."""

    issue_name: str
    href: str
    company_name: str
    status: str
    since: str
    updated_at: str


@routes.get(PORTAL)
def show_portal(request: Request) -> Response:
    """What is open, the latest first, and what was resolved or closed within a month."""
    opened = portal.list_portal_issues(request.tx, request.actor, PortalFilters(statuses=OPEN))
    lately = PortalFilters(statuses=FINISHED, updated_since=now() - LATELY)
    finished = portal.list_portal_issues(request.tx, request.actor, lately)
    done = sorted(_lines(finished), key=lambda line: line.updated_at, reverse=True)
    return page(
        request,
        "portal/list.html",
        place="portal",
        companies=portal.list_portal_companies(request.tx, request.actor),
        open=sorted(_lines(opened), key=lambda line: line.since, reverse=True),
        done=done[:MOST],
        more=len(done) > MOST,
    )


@routes.get("/portal/issues/{issue_name}")
def show_portal_issue(request: Request, issue_name: str) -> Response:
    """One issue: the status of each of the customer's companies in it."""
    issue = portal.get_portal_issue(request.tx, request.actor, issue_name)
    return page(request, "portal/issue.html", place="portal", issue=issue, lines=_lines([issue]))


def _lines(found: list[PortalIssue]) -> list[Line]:
    return [
        Line(
            issue_name=issue.name,
            href=f"{PORTAL}/issues/{quote(issue.name, safe='')}",
            company_name=assignment.company_name,
            status=assignment.status.value,
            since=assignment.since,
            updated_at=assignment.updated_at,
        )
        for issue in found
        for assignment in issue.assignments
    ]
