"""The history and the live stream of events: contract section 7."""

from collections.abc import Iterable
from typing import TypedDict, Unpack

from issue_tracker_client.models import Event
from issue_tracker_client.session import Session
from issue_tracker_client.sources import Feed, Pages, read_events
from issue_tracker_client.spelling import camel_case, query_pairs
from issue_tracker_client.steps import Request


class EventFilter(TypedDict, total=False):
    """Which events to list. `type` is one type or several; `after` and `before` are event ids.

    With `after` the oldest events come first, otherwise the newest.
    """

    issue_name: str | None
    company_name: str | None
    type: str | Iterable[str] | None
    actor: str | None
    request_id: str | None
    after: int | None
    before: int | None


def events(session: Session, *, page_size: int = 100, **where: Unpack[EventFilter]) -> Pages[Event]:
    """Returns the matching events of the history, fetched lazily, `page_size` at a time."""
    query = query_pairs(camel_case({**where, "limit": page_size}))
    return Pages(session, Request("GET", "/api/events", query), read_events)


def follow(session: Session, *, after: int | None = None, patience: float = 300.0) -> Feed:
    """Returns every event after now, or after the one with the id `after`, as it happens, without gap or repeat.

    It never ends: it reconnects automatically, and raises Unreachable after `patience` seconds without a connection.
    """
    return Feed(session, after, patience)
