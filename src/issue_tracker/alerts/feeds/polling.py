"""Polls a status feed. What a response changes is stored in one transaction, together with its validators."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from importlib.metadata import version

import msgspec
from sqlalchemy import Connection

from issue_tracker.alerts.feeds.documents import MOST_BYTES, Incident, alert_of, read_feed
from issue_tracker.alerts.feeds.stored import SCHEDULE, ClaimedFeed, claim_feed, find_company_group, note_success
from issue_tracker.alerts.messages import receive_all
from issue_tracker.alerts.polling.poller import PollFailed
from issue_tracker.alerts.receiver_in_use import hold_receiver
from issue_tracker.alerts.receivers import find_receiver_by_id
from issue_tracker.clock import now
from issue_tracker.database.engine import Database
from issue_tracker.outbound.outcomes import Received, Unreachable
from issue_tracker.settings import Settings, networks

FETCH_SECONDS = 20.0
GROUP_DELETED = "The company group of the feed was deleted. Choose another one."
USER_AGENT = f"issue-tracker/{version('issue-tracker')}"


class FeedPolls:
    """The polls of status feeds."""

    what = "feed"
    schedule = SCHEDULE

    def __init__(self, database: Database, settings: Settings, count: Callable[[str, str, int], None]) -> None:
        """`count` is called with the name of a receiver, an outcome, and the number of alerts that had it."""
        self.enabled = settings.poll_feeds
        self._database = database
        self._settings = settings
        self._count = count

    def claim(self, tx: Connection, receiver_id: int, due_at: datetime, at: datetime) -> ClaimedFeed | None:
        return claim_feed(tx, receiver_id, due_at, at)

    def poll(self, feed: ClaimedFeed) -> str | None:
        """Returns `changed` or `unchanged`, like the response; None if the claim became invalid."""
        if feed.company_group is None:
            raise PollFailed(GROUP_DELETED)
        found = fetch_feed(self._settings, feed.url, feed.etag, feed.last_modified)
        validators = found.etag, found.last_modified
        over: list[Incident] = []
        if found.code == HTTPStatus.NOT_MODIFIED:
            # The companies of the group may have changed, so the incidents are reported again.
            result, incidents = "unchanged", feed.incidents
            validators = feed.etag, feed.last_modified
        else:
            result = "changed"
            incidents, over = read_feed(found.body, now())
        # An incident keeps its first title: a new one must not open another issue.
        titles = {one.id: one.title for one in feed.incidents}
        incidents = [renamed(one, titles.get(one.id, one.title)) for one in incidents]
        with self._database.write() as tx:
            receiver = find_receiver_by_id(tx, feed.receiver_id)
            if receiver is None or not hold_receiver(tx, receiver.id):
                return None
            if not note_success(tx, feed, incidents, _short(validators), now()):
                return None
            # Read again: under a name from before the response, no company would be found, and all alerts be cleared.
            group = find_company_group(tx, receiver.id)
            if group is None:
                raise PollFailed(GROUP_DELETED)
            firing = [alert_of(one, receiver.name, group) for one in incidents]
            outcomes = receive_all(tx, receiver, firing, {one.id: one.text for one in over if one.text}, "")
        for action, count in Counter(outcome.action.value for outcome in outcomes).items():
            self._count(feed.receiver_name, action, count)
        return result


def fetch_feed(settings: Settings, url: str, etag: str | None = None, last_modified: str | None = None) -> Received:
    """Returns the response with a feed, or 304 if it has not changed. Raises PollFailed."""
    from issue_tracker.outbound.requests import fetch  # noqa: PLC0415 - most servers poll no feed

    headers = {"user-agent": USER_AGENT, "accept-encoding": "identity"}
    headers["accept"] = "application/json, application/atom+xml, application/rss+xml, application/xml;q=0.9, */*;q=0.5"
    if etag:
        headers["if-none-match"] = etag
    if last_modified:
        headers["if-modified-since"] = last_modified
    try:
        found = fetch(
            "GET",
            url,
            headers=headers,
            seconds=FETCH_SECONDS,
            most_bytes=MOST_BYTES,
            allowed=networks(settings.feed_allowed_networks),
        )
    except Unreachable as refused:
        raise PollFailed(f"The feed could not be fetched: {refused}.") from None
    if found.code == HTTPStatus.OK or (found.code == HTTPStatus.NOT_MODIFIED and (etag or last_modified)):
        return found
    if HTTPStatus.MULTIPLE_CHOICES <= found.code < HTTPStatus.BAD_REQUEST:
        raise PollFailed(f"The response was {found.code}, a redirect. Enter the address to which it leads.")
    raise PollFailed(f"The response was {found.code} instead of 200.")


def renamed(incident: Incident, title: str) -> Incident:
    """Returns the incident with another title."""
    return incident if incident.title == title else msgspec.structs.replace(incident, title=title)


def _short(validators: tuple[str | None, str | None]) -> tuple[str | None, str | None]:
    """Returns validators that can be sent back: a longer one, or one with other characters, is dropped."""
    etag, modified = (text if text and len(text) <= 500 and text.isascii() else None for text in validators)
    return etag, modified
