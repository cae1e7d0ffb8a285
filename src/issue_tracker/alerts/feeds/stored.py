"""The stored feeds: what is polled for a receiver, and what the last response contained."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from sqlalchemy import Connection, Row, insert, select, update

from issue_tracker.actor import Actor, require_administrator
from issue_tracker.alerts.feeds.documents import Incident
from issue_tracker.alerts.polling.schedule import RESTARTED, Claim, Schedule, health
from issue_tracker.clock import Timestamp, now
from issue_tracker.companies.groups.queries import get_groups
from issue_tracker.database.tables import alert_feeds, alert_receivers, company_groups
from issue_tracker.errors import NotFound
from issue_tracker.field_errors import FieldErrors
from issue_tracker.names import Name
from issue_tracker.outbound.address import parse_address

SCHEDULE = Schedule(alert_feeds)


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


class ClaimedFeed(Claim, frozen=True, kw_only=True):
    """A feed that this process polls until the claim expires. `incidents` were open in the last response."""

    url: str
    company_group: str | None
    etag: str | None
    last_modified: str | None
    incidents: list[Incident]


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
    group_id = require_usable_feed(tx, actor, feed)
    same = alert_feeds.c.receiver_id == receiver_id
    stored = tx.execute(select(alert_feeds).where(same).with_for_update()).first()
    values: dict[str, Any] = {"url": feed.url, "group_id": group_id, "interval_minutes": feed.interval_minutes}
    if stored is not None and all(stored._mapping[name] == value for name, value in values.items()):
        return False
    values |= {"due_at": now(), "etag": None, "last_modified": None, **RESTARTED}
    if stored is None:
        tx.execute(insert(alert_feeds).values(receiver_id=receiver_id, incidents="[]", **values))
    else:
        tx.execute(update(alert_feeds).where(same).values(values))
    return True


def require_usable_feed(tx: Connection, actor: Actor, feed: FeedSettings) -> int:
    """Returns the id of the company group. Raises Invalid for an address or a group that cannot be used."""
    errors = FieldErrors()
    try:
        parse_address(feed.url)
    except ValueError as refused:
        errors.add("feed.url", str(refused))
    group_id: int | None = None
    try:
        group_id = get_groups(tx, actor, [feed.company_group])[0].group_id
    except NotFound:
        errors.add("feed.company_group", "is not the name of a company group")
    errors.raise_found()
    assert group_id is not None
    return group_id


def claim_feed(tx: Connection, receiver_id: int, due_at: datetime, at: datetime) -> ClaimedFeed | None:
    """Claims a feed, like Schedule.claim."""
    claim = SCHEDULE.claim(tx, receiver_id, due_at, at)
    if claim is None:
        return None
    row = tx.execute(_joined.where(alert_feeds.c.receiver_id == receiver_id)).one()
    return ClaimedFeed(
        **msgspec.structs.asdict(claim),
        url=row.url,
        company_group=row.company_group,
        etag=row.etag,
        last_modified=row.last_modified,
        incidents=msgspec.json.decode(row.incidents, type=list[Incident]),
    )


def find_company_group(tx: Connection, receiver_id: int) -> str | None:
    """Returns the present name of the company group of a feed; None if the group was deleted."""
    query = _joined.where(alert_feeds.c.receiver_id == receiver_id)
    name: str | None = tx.execute(query).one().company_group
    return name


def note_success(
    tx: Connection,
    feed: ClaimedFeed,
    incidents: list[Incident],
    validators: tuple[str | None, str | None],
    at: datetime,
) -> bool:
    """Stores what was open in a response, with its validators. Returns like Schedule.note_success."""
    etag, last_modified = validators
    stored = msgspec.json.encode(incidents).decode()
    return SCHEDULE.note_success(tx, feed, at, etag=etag, last_modified=last_modified, incidents=stored)


_joined = (
    select(alert_feeds, company_groups.c.name.label("company_group"), alert_receivers.c.active)
    .join(alert_receivers, alert_receivers.c.id == alert_feeds.c.receiver_id)
    .join(company_groups, company_groups.c.group_id == alert_feeds.c.group_id, isouter=True)
)


def _feed(row: Row[Any]) -> Feed:
    return Feed(
        url=row.url,
        company_group=row.company_group,
        open_incidents=len(msgspec.json.decode(row.incidents, type=list[Incident])),
        **health(row),
    )
