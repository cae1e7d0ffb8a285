"""The handover: what the next shift has to know, as a page, as text and as Markdown."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import urlencode

import msgspec
from markupsafe import Markup
from msgspec import Meta
from starlette.responses import Response

from issue_tracker.auth.visits import find_last_visit
from issue_tracker.clock import iso, now
from issue_tracker.errors import InvalidQuery
from issue_tracker.http.request import Request
from issue_tracker.http.validation import read_query
from issue_tracker.issues.handover import Handover, read_handover
from issue_tracker.issues.queries.issue_list import IssueList
from issue_tracker.pages.handover_paper import printed
from issue_tracker.pages.handover_text import MARKDOWN, TEXT, handover_text
from issue_tracker.pages.list_filters import problems_by_field
from issue_tracker.pages.markdown import render
from issue_tracker.pages.moments import duration, read_moment
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.templating import page

routes = PageRoutes()

SHIFT = timedelta(hours=8)
"""The period that is shown to a user without an earlier visit."""

STYLES = {"text": TEXT, "markdown": MARKDOWN}


class HandoverQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The start of the period: a time, in UTC unless it has an offset, or a number of hours ago; by default the end of
    the last visit. With `format`, the handover is a text instead of a page.
    """

    since: str = ""
    hours: Annotated[int, Meta(ge=1, le=24 * 31)] | None = None
    format: Literal["text", "markdown"] | None = None


class HandoverView(msgspec.Struct, frozen=True, kw_only=True):
    """The handover, the description of the start of its period, and the URLs of its texts."""

    handover: Handover | None
    wrong: dict[str, str]
    given: str = ""
    visit: bool = False
    hours: int | None = None
    since: str = ""
    until: str = ""
    as_text: str = ""
    as_markdown: str = ""
    address: str = ""
    any_issue: bool = True
    printed: Mapping[str, int] = {}

    def down(self, since: datetime) -> str:
        """Returns the duration of an outage that began at an instant."""
        assert self.handover is not None
        return duration(self.handover.at - since)

    def html(self, body: str) -> Markup:
        """Renders the text of an update."""
        return render(body)


@routes.get("/handover")
def show_handover(request: Request) -> Response:
    """Shows what started, changed and ended since a time, overdue updates and the longest outages."""
    try:
        query = read_query(request.parameters, HandoverQuery, request.settings.query_values)
        at = now()
        chosen = read_moment("since", query.since)
    except InvalidQuery as refused:
        given = dict(request.parameters).get("since", "")
        view = HandoverView(handover=None, wrong=problems_by_field(refused, ("since",)), given=given)
        response = page(request, "handover.html", place="handover", view=view)
        response.status_code = refused.status
        return response
    visit = None
    if chosen is None and query.hours is None:
        visit = find_last_visit(request.tx, request.user_id, at)
    since = chosen or visit or at - (timedelta(hours=query.hours) if query.hours else SHIFT)
    found = read_handover(request.tx, request.actor, since, at)
    if query.format is not None:
        text = handover_text(found, STYLES[query.format], request.settings.public_url)
        return Response(text, media_type="text/plain")
    texts = {"since": iso(since)}
    view = HandoverView(
        handover=found,
        wrong={},
        given=since.strftime("%Y-%m-%dT%H:%M"),
        visit=visit is not None,
        hours=query.hours,
        since=iso(since),
        until=iso(found.at),
        any_issue=bool(found.stories or found.large or IssueList(request.tx, request.actor).count()),
        address=f"{request.settings.public_url}/handover?since={since:%Y-%m-%dT%H:%M}",
        printed=printed(found),
        as_text=f"/handover?{urlencode(texts | {'format': 'text'})}",
        as_markdown=f"/handover?{urlencode(texts | {'format': 'markdown'})}",
    )
    return page(request, "handover.html", place="handover", view=view)
