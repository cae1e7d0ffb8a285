"""The counts of issues that need attention, above the list, each with a link to the issues that it counts."""

from datetime import datetime

import msgspec
from starlette.responses import Response

from issue_tracker.api.issue_query import history_of
from issue_tracker.clock import now
from issue_tracker.http.request import Request
from issue_tracker.issues.attention_counts import GOOD_FOR
from issue_tracker.issues.queries.attention_counts import MOST, UNMOVED_DAYS
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.templating import fragment, seen_by

routes = PageRoutes()


class Count(msgspec.Struct, frozen=True):
    """One count: its number as text, the words after it, and the URL of the issues that it counts."""

    number: str
    text: str
    href: str


def attention_counts(request: Request, at: datetime) -> list[Count]:
    """Returns the counts that are not zero."""
    history, seen = history_of(request), seen_by(request)
    found = request.app_state.attention.count(request.tx, request.actor, history, seen, at)
    shown = (
        (found.new, "new, nobody has taken it", "new, nobody has taken them", "/?status=new&owner=none"),
        (found.unmoved, *(f"unmoved for {UNMOVED_DAYS} days",) * 2, f"/?unmovedDays={UNMOVED_DAYS}"),
        (found.overdue, "update overdue", "updates overdue", "/?overdue=true"),
    )
    return [
        Count(f"{number:,}{'+' if number == MOST else ''}", one if number == 1 else many, href)
        for number, one, many, href in shown
        if number
    ]


@routes.get("/attention-counts", cached=True)
def show_attention_counts(request: Request) -> Response:
    """Shows only the counts, so that an open page can refresh them."""
    at = now()
    request.valid_until = at + GOOD_FOR
    return fragment(request, "issues/attention_counts.html", attention=attention_counts(request, at))
