"""The pages of customers: open and recently resolved issues of their companies (docs/decisions/0025)."""

from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import quote

import msgspec
from markupsafe import Markup
from starlette.responses import Response

from issue_tracker.clock import now
from issue_tracker.http.identity import Access
from issue_tracker.http.request import Request
from issue_tracker.issues.queries import portal
from issue_tracker.issues.queries.portal import PortalFilters, PortalIssue, PortalUpdate
from issue_tracker.pages.markdown import render
from issue_tracker.pages.navigation import PORTAL
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.templating import page
from issue_tracker.status import FINISHED, OPEN

routes = PageRoutes(access=Access.CUSTOMER)

LATELY = timedelta(days=30)
"""Time for which resolved issues remain on the page."""

MOST = 100
"""Maximum number of resolved issues on the page."""


LATEST = 500
"""Number of updates in which the page looks for the latest one of each issue."""

EXCERPT = 240
"""Maximum length of an update in the list, in characters."""


class PublicUpdate(msgspec.Struct, frozen=True):
    """A public update on a page. `text` is its beginning as plain text."""

    html: Markup
    text: str
    author_name: str | None
    company_names: list[str] | None
    at: str
    edited_at: str | None


class Line(msgspec.Struct, frozen=True):
    """The status of a company in an issue, on a page, with the latest public update there."""

    issue_name: str
    href: str
    company_name: str
    status: str
    open: bool
    since: str
    updated_at: str
    latest: PublicUpdate | None = None


@routes.get(PORTAL)
def show_portal(request: Request) -> Response:
    """Shows the open issues, the latest first, and those that were resolved or closed within a month."""
    opened = portal.list_portal_issues(request.tx, request.actor, PortalFilters(statuses=OPEN))
    lately = PortalFilters(statuses=FINISHED, updated_since=now() - LATELY)
    finished = portal.list_portal_issues(request.tx, request.actor, lately)
    done = sorted(_lines(finished), key=lambda line: line.updated_at, reverse=True)
    latest = _updates(request, LATEST)
    return page(
        request,
        "portal/list.html",
        place="portal",
        companies=portal.list_portal_companies(request.tx, request.actor),
        open=sorted(_lines(opened, latest), key=lambda line: line.since, reverse=True),
        done=done[:MOST],
        more=len(done) > MOST,
    )


@routes.get("/portal/issues/{issue_name}")
def show_portal_issue(request: Request, issue_name: str) -> Response:
    """Shows one issue: the status of each of the customer's companies, and the public updates."""
    issue = portal.get_portal_issue(request.tx, request.actor, issue_name)
    updates = [_shown(update) for update in _updates(request, MOST, issue.name)]
    return page(request, "portal/issue.html", place="portal", issue=issue, lines=_lines([issue]), updates=updates)


def _updates(request: Request, limit: int, issue_name: str = "") -> list[PortalUpdate]:
    names = request.settings.portal_first_names
    found = portal.list_portal_updates(request.tx, request.actor, issue_name=issue_name, limit=limit, first_names=names)
    return found.updates


def _shown(update: PortalUpdate) -> PublicUpdate:
    html = render(update.body)
    text = html.striptags()
    return PublicUpdate(
        html=html,
        text=text if len(text) <= EXCERPT else f"{text[:EXCERPT].rstrip()}…",
        author_name=update.author_name,
        company_names=update.company_names,
        at=update.at,
        edited_at=update.edited_at,
    )


def _latest(updates: Sequence[PortalUpdate], issue_name: str, company_name: str) -> PublicUpdate | None:
    """Returns the latest update for the company. `updates` are ordered from the newest to the oldest."""
    for update in updates:
        if update.issue_name == issue_name and (not update.company_names or company_name in update.company_names):
            return _shown(update)
    return None


def _lines(found: Sequence[PortalIssue], updates: Sequence[PortalUpdate] = ()) -> list[Line]:
    return [
        Line(
            issue_name=issue.name,
            href=f"{PORTAL}/issues/{quote(issue.name, safe='')}",
            company_name=assignment.company_name,
            status=assignment.status.value,
            open=assignment.status in OPEN,
            since=assignment.since,
            updated_at=assignment.updated_at,
            latest=_latest(updates, issue.name, assignment.company_name),
        )
        for issue in found
        for assignment in issue.assignments
    ]
