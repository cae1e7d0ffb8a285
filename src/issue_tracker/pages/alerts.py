"""The pages of alerts, for technicians: what monitoring systems report."""

from typing import Literal

import msgspec
from starlette.responses import Response

from issue_tracker.alerts.models import AlertState
from issue_tracker.alerts.queries import Selection, count_alerts, list_alerts
from issue_tracker.alerts.suggestions import suggestions
from issue_tracker.http.request import Request
from issue_tracker.integers import Cursor
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.templating import page

routes = PageRoutes()

SHOWN = 100
"""Maximum number of alerts on a page."""

CHOICES: dict[str, tuple[str, Selection]] = {
    "firing": ("Firing", Selection(state=AlertState.FIRING, unsorted=False)),
    "unsorted": ("Unsorted", Selection(unsorted=True)),
    "resolved": ("Resolved", Selection(state=AlertState.RESOLVED, unsorted=False)),
}
"""The lists by the parameter `state`."""


class AlertsQuery(msgspec.Struct, frozen=True):
    """The list to show, and its position: only alerts below this alert_id, or None for all."""

    state: Literal["firing", "unsorted", "resolved"] = "firing"
    before: Cursor | None = None


NEWEST_FIRING = AlertsQuery()


@routes.get("/alerts")
def show_alerts(request: Request, query: AlertsQuery = NEWEST_FIRING) -> Response:
    """Shows the firing, the unsorted, or the resolved alerts, the newest first."""
    chosen = query.state
    found = list_alerts(request.tx, request.actor, CHOICES[chosen][1], before=query.before, limit=SHOWN + 1)
    sorting = chosen == "unsorted" and request.actor.super_admin and request.actor.company_access.all
    return page(
        request,
        "alerts/list.html",
        suggested=suggestions(request.tx, request.actor, found[:SHOWN]) if sorting else {},
        place="alerts",
        chosen=chosen,
        choices=[
            (name, text, count_alerts(request.tx, request.actor, selection))
            for name, (text, selection) in CHOICES.items()
        ],
        alerts=found[:SHOWN],
        older=found[SHOWN - 1].alert_id if len(found) > SHOWN else None,
    )
