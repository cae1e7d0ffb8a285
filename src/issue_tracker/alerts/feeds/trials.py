"""Tries a feed: fetches it, and returns what its open incidents would open. Nothing is changed."""

import msgspec
from sqlalchemy import Connection

from issue_tracker.actor import Actor
from issue_tracker.alerts.feeds.documents import Incident, alert_of
from issue_tracker.alerts.rule_list import Trial, try_rules


class IncidentTrial(msgspec.Struct, frozen=True, kw_only=True):
    """An open incident, and the result of the rules for it."""

    id: str
    title: str
    status: str
    url: str | None
    outcome: Trial


class FeedTrial(msgspec.Struct, frozen=True, kw_only=True):
    """The open incidents in a feed, and how many of its incidents are over."""

    open_incidents: list[IncidentTrial]
    over: int


def try_incidents(
    tx: Connection, actor: Actor, receiver: str, group: str, opened: list[Incident], over: list[Incident]
) -> FeedTrial:
    """Returns the results of the rules for open incidents of the receiver of this name. Raises Forbidden."""
    tried = []
    for one in opened:
        alert = alert_of(one, receiver, group)
        outcome = try_rules(tx, actor, receiver, alert.labels, group=group)
        tried.append(IncidentTrial(id=one.id, title=one.title, status=one.status, url=alert.url, outcome=outcome))
    return FeedTrial(open_incidents=tried, over=len(over))
