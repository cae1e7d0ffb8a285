"""Trying a status feed over HTTP, before or after its receiver is created."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.responses import Response

from issue_tracker.alerts.feeds.documents import read_feed
from issue_tracker.alerts.feeds.polling import fetch_feed
from issue_tracker.alerts.feeds.stored import FeedSettings, require_usable_feed
from issue_tracker.alerts.feeds.trials import FeedTrial, try_incidents
from issue_tracker.alerts.polling.poller import PollFailed
from issue_tracker.clock import now
from issue_tracker.errors import Invalid
from issue_tracker.http.identity import Access, Proof
from issue_tracker.http.request import Request
from issue_tracker.http.responses import json_response
from issue_tracker.http.routes import Returns, Routes

routes = Routes("Alerts", access=Access.ADMINISTRATOR, proof=Proof.SESSION)


class FeedToTry(msgspec.Struct, forbid_unknown_fields=True):
    """A feed to try. `receiver` is the name of the receiver for the rules, and begins the names of issues."""

    feed: FeedSettings
    receiver: Annotated[str, Meta(max_length=255)] = ""


FEED_EXAMPLE = {
    "url": "https://status.example.com/api/v2/incidents.json",
    "company_group": "Contoso Fibre customers",
    "interval_minutes": 5,
}
FEED_TRIAL_EXAMPLE: dict[str, Any] = {
    "open_incidents": [
        {
            "id": "p31zjtct2jer",
            "title": "No connections in the north",
            "status": "investigating",
            "url": "https://stspg.io/p31zjtct2jer",
            "outcome": {
                "rule_name": None,
                "ignored": False,
                "issue_name": "Contoso Fibre: No connections in the north",
                "company_text": "Contoso Fibre customers",
                "company_names": ["Acme Manufacturing"],
                "severity": "high",
                "hold_minutes": 0,
                "steady_minutes": 0,
            },
        }
    ],
    "over": 12,
}


@routes.post(
    "/api/alert-receivers/try-feed",
    proof=Proof.FRESH_SESSION,
    transaction=False,
    outgoing=True,
    returns=Returns(200, FeedTrial, FEED_TRIAL_EXAMPLE),
    example={"feed": FEED_EXAMPLE, "receiver": "Contoso Fibre"},
)
def try_feed(request: Request, body: FeedToTry) -> Response:
    """Fetch a status feed, and try the rules on its open incidents. Nothing is changed."""
    return json_response(tried_feed(request, body))


def tried_feed(request: Request, body: FeedToTry) -> FeedTrial:
    """Returns what the open incidents in a feed would open. Raises Invalid, on `feed.url`, if it cannot be read."""
    with request.read() as tx:
        require_usable_feed(tx, request.actor, body.feed)
    try:
        opened, over = read_feed(fetch_feed(request.settings, body.feed.url).body, now())
    except (PollFailed, Invalid) as refused:
        reason = refused.detail if isinstance(refused, Invalid) else str(refused)
        raise Invalid.field("feed.url", f"cannot be used: {reason}") from None
    with request.read() as tx:
        return try_incidents(tx, request.actor, body.receiver, str(body.feed.company_group), opened, over)
