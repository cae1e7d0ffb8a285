"""Polls the status feeds: one thread of each process looks for feeds that are due.

A feed is claimed in the database, so only one process polls it, and no transaction is open while a supplier's server is
waited for. What a response changes is stored in one transaction, together with its validators.
"""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from importlib.metadata import version

import msgspec
import prometheus_client
import structlog
from prometheus_client import CollectorRegistry

from issue_tracker.alerts.feeds.documents import MOST_BYTES, Incident, alert_of, read_feed
from issue_tracker.alerts.feeds.stored import ClaimedFeed, claim_feed, due_feeds, note_failure, note_success
from issue_tracker.alerts.messages import receive_all
from issue_tracker.alerts.models import AlertOutcome
from issue_tracker.alerts.receivers import find_receiver_by_id
from issue_tracker.clock import now
from issue_tracker.database.engine import Database
from issue_tracker.errors import AppError, Unavailable
from issue_tracker.outbound import requests as outbound
from issue_tracker.outbound.requests import Received, Unreachable
from issue_tracker.settings import Settings, networks

log = structlog.get_logger("issue_tracker.feeds")

INTERVAL_SECONDS = 5.0
FETCH_SECONDS = 20.0
AT_A_TIME = 4
"""Number of feeds that one process polls at the same time."""

USER_AGENT = f"issue-tracker/{version('issue-tracker')}"


class PollFailed(Exception):
    """A feed could not be read. The message is a sentence for super admins."""


class Polling:
    """The polling of one process. `run` is the body of a thread, which `close` ends."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        registry: CollectorRegistry,
        count: Callable[[str, str, int], None],
    ) -> None:
        """`count` is called with the name of a receiver, an outcome, and the number of alerts that had it."""
        self._database = database
        self._settings = settings
        self._count = count
        self._closed = threading.Event()
        self._polls = prometheus_client.Counter(
            "issue_tracker_feed_polls", "Polls of status feeds, by result.", ["receiver", "result"], registry=registry
        )

    def run(self) -> None:
        while self._settings.poll_feeds and not self._closed.wait(INTERVAL_SECONDS):
            try:
                while self.poll_due(now()) == AT_A_TIME and not self._closed.is_set():
                    pass
            except Unavailable:
                continue  # the feeds remain due
            except Exception:  # this thread must go on polling; the log has the reason
                log.exception("polling feeds failed")

    def close(self) -> None:
        """Starts no further polls. A poll under way is abandoned; its claim expires."""
        self._closed.set()

    def poll_due(self, at: datetime) -> int:
        """Polls at most AT_A_TIME feeds that are due at `at`, and returns how many it polled. Raises Unavailable."""
        with self._database.read() as tx:
            due = due_feeds(tx, at, AT_A_TIME)
        claimed: list[ClaimedFeed] = []
        for receiver_id, due_at in due:
            with self._database.write() as tx:
                feed = claim_feed(tx, receiver_id, due_at, at)
            if feed is not None:
                claimed.append(feed)
        threads = [threading.Thread(target=self._poll, args=(feed,), name="feed", daemon=True) for feed in claimed]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return len(claimed)

    def _poll(self, feed: ClaimedFeed) -> None:
        try:
            reason = None
            try:
                self._take(feed)
            except (PollFailed, AppError) as refused:
                if isinstance(refused, Unavailable):
                    raise
                reason = refused.detail if isinstance(refused, AppError) else str(refused)
            except Exception:  # one feed must not end the polling of the others; super admins see a failed poll
                log.exception("a feed could not be read", receiver=feed.receiver_id)
                reason = "The feed cannot be read; the log of the server contains the reason."
            if reason is not None:
                self._note_failure(feed, reason)
        except Unavailable:
            log.warning("a poll was not recorded", receiver=feed.receiver_id)  # the claim expires

    def _take(self, feed: ClaimedFeed) -> None:
        group = feed.company_group
        if group is None:
            raise PollFailed("The company group of the feed was deleted. Choose another one.")
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
        outcomes: list[AlertOutcome] = []
        with self._database.write() as tx:
            receiver = find_receiver_by_id(tx, feed.receiver_id)
            if receiver is None or not receiver.active:
                return
            if not note_success(tx, feed, incidents, _short(validators), now()):
                return
            firing = [alert_of(one, receiver.name, group) for one in incidents]
            outcomes = receive_all(tx, receiver, firing, {one.id: one.text for one in over if one.text}, "")
        self._polls.labels(receiver.name, result).inc()
        for action, count in Counter(outcome.action.value for outcome in outcomes).items():
            self._count(receiver.name, action, count)

    def _note_failure(self, feed: ClaimedFeed, reason: str) -> None:
        with self._database.write() as tx:
            receiver = find_receiver_by_id(tx, feed.receiver_id)
            note_failure(tx, feed, reason, now())
        if receiver is not None:
            self._polls.labels(receiver.name, "failed").inc()
        log.warning("polling a feed failed", receiver=feed.receiver_id, reason=reason)


def fetch_feed(settings: Settings, url: str, etag: str | None = None, last_modified: str | None = None) -> Received:
    """Returns the response with a feed, or 304 if it has not changed. Raises PollFailed."""
    headers = {"user-agent": USER_AGENT, "accept-encoding": "identity"}
    headers["accept"] = "application/json, application/atom+xml, application/rss+xml, application/xml;q=0.9, */*;q=0.5"
    if etag:
        headers["if-none-match"] = etag
    if last_modified:
        headers["if-modified-since"] = last_modified
    try:
        found = outbound.fetch(
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
