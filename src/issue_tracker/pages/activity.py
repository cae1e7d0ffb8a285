"""The page of what happened, by whom."""

from urllib.parse import urlencode

import msgspec
from starlette.responses import Response

from issue_tracker.events.catalog import EventType
from issue_tracker.events.sentences import Entry, activity
from issue_tracker.http.request import Request
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.templating import page

routes = PageRoutes()


class ActivityView(msgspec.Struct, frozen=True, kw_only=True):
    """The filters as requested, and the events that match them."""

    issue_name: str
    company_name: str
    type: str
    types: list[tuple[str, str]]
    entries: list[Entry]
    more: str | None
    filtered: bool
    live: bool


@routes.get("/activity")
def show_activity(request: Request) -> Response:
    """Newest first, with the API's filters. Super admins see audit events by choosing one of their types."""
    given = {name: value.strip() for name, value in request.parameters}
    chosen = next((type_ for type_ in EventType if type_.value == given.get("type")), None)
    found = activity(
        request.tx,
        request.actor,
        issue_name=given.get("issueName", ""),
        company_name=given.get("companyName", ""),
        type_=chosen,
        before=given.get("before", ""),
    )
    others = urlencode([(name, value) for name, value in given.items() if name != "before" and value])
    seen = [type_ for type_ in EventType if request.actor.super_admin or not type_.audit]
    view = ActivityView(
        issue_name=given.get("issueName", ""),
        company_name=given.get("companyName", ""),
        type=chosen.value if chosen else "",
        types=[("", "Everything"), *((type_.value, type_.value) for type_ in seen)],
        entries=found.entries,
        more="&".join(filter(None, (f"/activity{found.more}", others))) if found.more else None,
        filtered=any(value for name, value in given.items() if name != "before"),
        live="before" not in given,
    )
    return page(request, "events/activity.html", place="activity", view=view)
