"""Commit topics: what a transaction announces about its commit, and the callbacks that run after the commit."""

from collections.abc import Callable
from enum import Enum

from sqlalchemy import Connection

_ANNOUNCED = "commit topics"
"""The key in a connection's `info` under which a transaction collects the topics of its commit."""


class CommitTopic(Enum):
    """Something for which other threads wait, and which a commit can bring."""

    EVENTS = "events were recorded"
    DELIVERIES = "messages to webhooks are due"


def notify_on_commit(tx: Connection, topic: CommitTopic) -> None:
    """Announces a topic of this transaction's commit. A rollback discards the announcement."""
    tx.info.setdefault(_ANNOUNCED, set()).add(topic)


def take_announced(tx: Connection) -> frozenset[CommitTopic]:
    """Returns the topics that this transaction announced, and clears them."""
    return frozenset(tx.info.pop(_ANNOUNCED, ()))


class CommitNotifications:
    """The callbacks of one process, by topic."""

    def __init__(self) -> None:
        self._callbacks: dict[CommitTopic, list[Callable[[], None]]] = {topic: [] for topic in CommitTopic}

    def register(self, topic: CommitTopic, callback: Callable[[], None]) -> None:
        self._callbacks[topic].append(callback)

    def send(self, topics: frozenset[CommitTopic]) -> None:
        """Calls every callback of these topics, in the thread of the transaction."""
        for topic in topics:
            for callback in self._callbacks[topic]:
                callback()
