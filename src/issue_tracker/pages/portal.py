"""The pages of customers: open and recently resolved issues of their companies (docs/decisions/0025)."""

from collections.abc import Mapping, Sequence
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
from issue_tracker.pages.markdown import first_words, render
from issue_tracker.pages.navigation import PORTAL
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.templating import page
from issue_tracker.status import FINISHED, OPEN

routes = PageRoutes(access=Access.CUSTOMER)

LATELY = timedelta(days=30)
"""Time for which resolved issues remain on the page."""

MOST = 100
"""Maximum number of resolved issues, or of updates, on a page."""

EXCERPT = 240
"""Maximum length of an update in the list, in characters."""


class PublicUpdate(msgspec.Struct, frozen=True):
    """A public update on the page of its issue."""

    html: Markup
    author_name: str | None
    company_names: list[str] | None
    at: str
    edited_at: str | None


class LatestUpdate(msgspec.Struct, frozen=True):
    """The latest public update in the list of issues: its beginning as plain text."""

    text: str
    at: str


class Line(msgspec.Struct, frozen=True):
    """The status of a company in an issue, on a page, with the latest public update there."""

    issue_name: str
    href: str
    company_name: str
    status: str
    open: bool
    since: str
    updated_at: str
    latest: LatestUpdate | None = None


@routes.get(PORTAL)
def show_portal(request: Request) -> Response:
    """Shows the open issues, the latest first, and those that were resolved or closed within a month."""
    opened = portal.list_portal_issues(request.tx, request.actor, PortalFilters(statuses=OPEN))
    lately = PortalFilters(statuses=FINISHED, updated_since=now() - LATELY)
    finished = portal.list_portal_issues(request.tx, request.actor, lately)
    done = sorted(_lines(finished), key=lambda line: line.updated_at, reverse=True)
    latest = portal.list_latest_portal_updates(request.tx, request.actor)
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
    names = request.settings.portal_first_names
    found = portal.list_portal_updates(request.tx, request.actor, issue_name=issue.name, limit=MOST, first_names=names)
    updates = [_shown(update) for update in found.updates]
    return page(request, "portal/issue.html", place="portal", issue=issue, lines=_lines([issue]), updates=updates)


def _shown(update: PortalUpdate) -> PublicUpdate:
    return PublicUpdate(
        html=render(update.body),
        author_name=update.author_name,
        company_names=update.company_names,
        at=update.at,
        edited_at=update.edited_at,
    )


def _latest(update: PortalUpdate | None) -> LatestUpdate | None:
    return None if update is None else LatestUpdate(first_words(update.body, EXCERPT), update.at)


def _lines(found: Sequence[PortalIssue], latest: Mapping[tuple[str, str], PortalUpdate] = {}) -> list[Line]:
    """Returns the lines of issues, with the latest update for each by the names of issue and company."""
    return [
        Line(
            issue_name=issue.name,
            href=f"{PORTAL}/issues/{quote(issue.name, safe='')}",
            company_name=assignment.company_name,
            status=assignment.status.value,
            open=assignment.status in OPEN,
            since=assignment.since,
            updated_at=assignment.updated_at,
            latest=_latest(latest.get((issue.name, assignment.company_name))),
        )
        for issue in found
        for assignment in issue.assignments
    ]
