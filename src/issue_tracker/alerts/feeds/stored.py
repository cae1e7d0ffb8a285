"""The stored feeds: what is polled for a receiver, how that went, and which process polls a feed now."""

from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from sqlalchemy import Connection, Row, insert, select, update

from issue_tracker.actor import Actor, require_administrator
from issue_tracker.alerts.feeds.documents import Incident
from issue_tracker.clock import Timestamp, iso, now
from issue_tracker.companies.groups.queries import get_groups
from issue_tracker.database.prepared import instant
from issue_tracker.database.tables import alert_feeds, alert_receivers, company_groups
from issue_tracker.errors import Invalid, NotFound
from issue_tracker.names import Name
from issue_tracker.outbound.address import parse_address

LEASE = timedelta(minutes=2)
"""How long a claim is valid; a poll takes less."""

LONGEST_DELAY = timedelta(hours=6)
"""Maximum delay after failures, unless the interval is longer."""


class FeedSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A feed, and the group whose companies depend on the supplier."""

    url: Annotated[str, Meta(min_length=1, max_length=2000)]
    company_group: Name
    interval_minutes: Annotated[int, Meta(ge=1, le=1440)] = 5


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """A feed, with the results of polling it.

    `company_group` is null after the group was deleted, `next_poll_at` while the receiver is switched off. `failure` is
    the reason of the last failure, and `failures` counts failures since the last success.
    """

    url: str
    company_group: str | None
    interval_minutes: int
    open_incidents: int
    next_poll_at: Timestamp | None
    last_success_at: Timestamp | None
    last_failure_at: Timestamp | None
    failure: str | None
    failures: int


class ClaimedFeed(msgspec.Struct, frozen=True, kw_only=True):
    """A feed that this process polls until the claim expires. `incidents` were open in the last response."""

    receiver_id: int
    url: str
    company_group: str | None
    interval: timedelta
    etag: str | None
    last_modified: str | None
    incidents: list[Incident]
    failures: int
    until: datetime


def list_feeds(tx: Connection, actor: Actor) -> dict[int, Feed]:
    """Returns all feeds by the id of their receiver. Raises Forbidden."""
    require_administrator(actor)
    return {row.receiver_id: _feed(row) for row in tx.execute(_joined)}


def find_feed(tx: Connection, actor: Actor, receiver_id: int) -> Feed | None:
    """Returns the feed of a receiver, or None. Raises Forbidden."""
    require_administrator(actor)
    row = tx.execute(_joined.where(alert_feeds.c.receiver_id == receiver_id)).first()
    return None if row is None else _feed(row)


def save_feed(tx: Connection, actor: Actor, receiver_id: int, feed: FeedSettings) -> bool:
    """Stores the feed of a receiver, which is then polled immediately. Returns False if nothing has changed.

    Raises Invalid for the address or the group.
    """
    group_id = require_usable(tx, actor, feed)
    same = alert_feeds.c.receiver_id == receiver_id
    stored = tx.execute(select(alert_feeds).where(same).with_for_update()).first()
    values: dict[str, Any] = {"url": feed.url, "group_id": group_id, "interval_minutes": feed.interval_minutes}
    if stored is not None and all(stored._mapping[name] == value for name, value in values.items()):
        return False
    values |= {"due_at": now(), "etag": None, "last_modified": None, "failure": None, "failures": 0}
    if stored is None:
        tx.execute(insert(alert_feeds).values(receiver_id=receiver_id, incidents="[]", **values))
    else:
        tx.execute(update(alert_feeds).where(same).values(values))
    return True


def require_usable(tx: Connection, actor: Actor, feed: FeedSettings) -> int:
    """Returns the id of the company group. Raises Invalid for an address or a group that cannot be used."""
    try:
        parse_address(feed.url)
    except ValueError as refused:
        raise Invalid.field("feed.url", str(refused)) from None
    try:
        return get_groups(tx, actor, [feed.company_group])[0].group_id
    except NotFound:
        raise Invalid.field("feed.company_group", "is not the name of a company group") from None


def due_feeds(tx: Connection, at: datetime, limit: int) -> list[tuple[int, datetime]]:
    """Returns the feeds of active receivers that are due: the id of the receiver and since when, the oldest first."""
    query = select(alert_feeds.c.receiver_id, alert_feeds.c.due_at)
    query = query.join(alert_receivers, alert_receivers.c.id == alert_feeds.c.receiver_id)
    due = query.where(alert_receivers.c.active, alert_feeds.c.due_at <= at).order_by(alert_feeds.c.due_at)
    return [(row.receiver_id, instant(row.due_at)) for row in tx.execute(due.limit(limit))]


def claim_feed(tx: Connection, receiver_id: int, due_at: datetime, at: datetime) -> ClaimedFeed | None:
    """Claims a feed for LEASE. Returns None if another process was first, or if there is no such feed any more."""
    until = at + LEASE
    mine = update(alert_feeds).where(alert_feeds.c.receiver_id == receiver_id, alert_feeds.c.due_at == due_at)
    if tx.execute(mine.values(due_at=until)).rowcount != 1:
        return None
    row = tx.execute(_joined.where(alert_feeds.c.receiver_id == receiver_id)).one()
    return ClaimedFeed(
        receiver_id=receiver_id,
        url=row.url,
        company_group=row.company_group,
        interval=timedelta(minutes=row.interval_minutes),
        etag=row.etag,
        last_modified=row.last_modified,
        incidents=msgspec.json.decode(row.incidents, type=list[Incident]),
        failures=row.failures,
        until=until,
    )


def note_success(
    tx: Connection,
    feed: ClaimedFeed,
    incidents: list[Incident],
    validators: tuple[str | None, str | None],
    at: datetime,
) -> bool:
    """Stores what was open in a response, with its validators. Returns False if the claim is no longer valid."""
    values: dict[str, Any] = {"due_at": at + feed.interval, "last_success_at": at, "failures": 0, "failure": None}
    values |= {"etag": validators[0], "last_modified": validators[1]}
    return _release(tx, feed, values | {"incidents": msgspec.json.encode(incidents).decode()})


def note_failure(tx: Connection, feed: ClaimedFeed, reason: str, at: datetime) -> bool:
    """Stores the reason of a failure; after each one in a row, the delay is doubled. Returns like note_success."""
    failures = feed.failures + 1
    delay = max(min(feed.interval * 2 ** min(failures, 12), LONGEST_DELAY), feed.interval)
    values = {"due_at": at + delay, "last_failure_at": at, "failures": failures, "failure": reason[:300]}
    return _release(tx, feed, values)


def _release(tx: Connection, feed: ClaimedFeed, values: dict[str, Any]) -> bool:
    mine = alert_feeds.c.receiver_id == feed.receiver_id, alert_feeds.c.due_at == feed.until
    return tx.execute(update(alert_feeds).where(*mine).values(values)).rowcount == 1


_joined = (
    select(alert_feeds, company_groups.c.name.label("company_group"), alert_receivers.c.active)
    .join(alert_receivers, alert_receivers.c.id == alert_feeds.c.receiver_id)
    .join(company_groups, company_groups.c.group_id == alert_feeds.c.group_id, isouter=True)
)


def _feed(row: Row[Any]) -> Feed:
    return Feed(
        url=row.url,
        company_group=row.company_group,
        interval_minutes=row.interval_minutes,
        open_incidents=len(msgspec.json.decode(row.incidents, type=list[Incident])),
        next_poll_at=iso(row.due_at) if row.active else None,
        last_success_at=None if row.last_success_at is None else iso(row.last_success_at),
        last_failure_at=None if row.last_failure_at is None else iso(row.last_failure_at),
        failure=row.failure,
        failures=row.failures,
    )
