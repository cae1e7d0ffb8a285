"""The activity page: who changed what."""

from collections.abc import Sequence
from typing import Annotated
from urllib.parse import urlencode

import msgspec
from msgspec import Meta
from starlette.responses import Response

from issue_tracker.auth.people import list_people
from issue_tracker.errors import InvalidQuery, NotFound
from issue_tracker.events.catalog import EventType
from issue_tracker.events.queries.history import HistoryFilter
from issue_tracker.events.sentences import Entry, activity
from issue_tracker.events.type_names import TYPE_NAMES
from issue_tracker.http.request import Request
from issue_tracker.http.validation import read_query
from issue_tracker.integers import Cursor
from issue_tracker.pages.list_filters import problems_by_field
from issue_tracker.pages.moments import read_moment
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.templating import page

routes = PageRoutes()

FIELDS = ("issueName", "companyName", "actor", "since", "until", "type")
"""The filters that have a field on the page, next to which their errors are shown."""


class ActivityQuery(msgspec.Struct, kw_only=True, frozen=True):
    """The filters, named as in the API. A time without an offset is in UTC: `since` is included, `until` is not."""

    issue_name: Annotated[str, Meta(max_length=255)] = msgspec.field(default="", name="issueName")
    company_name: Annotated[str, Meta(max_length=255)] = msgspec.field(default="", name="companyName")
    actor: Annotated[str, Meta(max_length=255)] = ""
    type: EventType | None = None
    since: str = ""
    until: str = ""
    before: Cursor | None = None


class ActivityView(msgspec.Struct, frozen=True, kw_only=True):
    """The filters as requested, their errors, and the matching events."""

    given: dict[str, str]
    wrong: dict[str, str]
    types: Sequence[tuple[str, str]]
    people: Sequence[str]
    entries: list[Entry]
    more: str | None
    filtered: bool
    live: bool


@routes.get("/activity")
def show_activity(request: Request) -> Response:
    """Shows the events, the newest first. Super admins see audit events when they choose one of their types."""
    given = {name: value.strip() for name, value in request.parameters if value.strip()}
    entries: list[Entry] = []
    more, status, wrong = None, 200, {}
    try:
        query = read_query(request.parameters, ActivityQuery, request.settings.query_values)
        wanted = _filter(query)
        found = activity(request.tx, request.actor, wanted, query.before)
        others = urlencode([(name, value) for name, value in given.items() if name != "before"])
        entries = found.entries
        more = "&".join(filter(None, (f"/activity{found.more}", others))) if found.more else None
        given |= {
            name: moment.strftime("%Y-%m-%dT%H:%M")
            for name, moment in (("since", wanted.since), ("until", wanted.until))
            if moment is not None
        }
    except (InvalidQuery, NotFound) as refused:
        # Without fields, the error is an unknown name.
        names = [name for name in ("issueName", "companyName") if name in given]
        status, wrong = refused.status, problems_by_field(refused, FIELDS, names[0] if len(names) == 1 else "others")
        if "type" in wrong:
            wrong["type"] = "There is no such event. Choose one from the list."
        given = {name: value for name, value in given.items() if name not in wrong or name not in ("since", "until")}
    seen = [type_ for type_ in TYPE_NAMES if request.actor.super_admin or not type_.audit]
    view = ActivityView(
        given=given,
        wrong=wrong,
        types=[("", "Everything"), *((type_.value, TYPE_NAMES[type_]) for type_ in seen)],
        people=list_people(request.tx, request.actor),
        entries=entries,
        more=more,
        filtered=any(name != "before" for name in given),
        live="before" not in given and "until" not in given,
    )
    response = page(request, "events/activity.html", place="activity", view=view)
    response.status_code = status
    return response


def _filter(query: ActivityQuery) -> HistoryFilter:
    return HistoryFilter(
        issue_name=query.issue_name,
        company_name=query.company_name,
        type=query.type,
        actor_name=query.actor,
        since=read_moment("since", query.since),
        until=read_moment("until", query.until),
    )
