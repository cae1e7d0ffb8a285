"""The page of what happened, by whom."""

from urllib.parse import urlencode

import msgspec

from issue_tracker.events.catalog import EventType
from issue_tracker.events.history import Entry, activity
from issue_tracker.web.answer import Answer
from issue_tracker.web.context import Context
from issue_tracker.web.pages import PageRoutes
from issue_tracker.web.templating import page

routes = PageRoutes()


class ActivityView(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for, and what happened."""

    issue_name: str
    company_name: str
    type: str
    types: list[tuple[str, str]]
    entries: list[Entry]
    more: str | None
    filtered: bool
    live: bool


@routes.get("/activity")
def show_activity(request: Context) -> Answer:
    """Newest first, with the API's filters. The audit shows to super admins, by its types."""
    asked = {name: value.strip() for name, value in request.call.query}
    chosen = next((type_ for type_ in EventType if type_.value == asked.get("type")), None)
    found = activity(
        request.tx,
        request.actor,
        issue_name=asked.get("issueName", ""),
        company_name=asked.get("companyName", ""),
        type_=chosen,
        before=asked.get("before", ""),
    )
    kept = urlencode([(name, value) for name, value in asked.items() if name != "before" and value])
    seen = [type_ for type_ in EventType if request.actor.super_admin or not type_.audit]
    view = ActivityView(
        issue_name=asked.get("issueName", ""),
        company_name=asked.get("companyName", ""),
        type=chosen.value if chosen else "",
        types=[("", "Everything"), *((type_.value, type_.value) for type_ in seen)],
        entries=found.entries,
        more="&".join(filter(None, (f"/activity{found.more}", kept))) if found.more else None,
        filtered=any(value for name, value in asked.items() if name != "before"),
        live="before" not in asked,
    )
    return page(request, "events/activity.html", place="activity", view=view)
